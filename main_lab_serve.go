//go:build !nolab

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"parley/lab"
	"parley/lab/page"
	"parley/lanes"
	"parley/text"
)

// webPort is where the class's page is, if that is free.
const webPort = 7680

// A labServeCmd serves the class's page.
type labServeCmd struct {
	Lesson  string `env:"-" help:"The lesson to begin with: its name or number."`
	LAN     bool   `name:"lan" env:"-" help:"Let students in: serve this network, too, not this computer alone."`
	Approve bool   `env:"-" help:"What students say waits for your yes."`
	Web     uint16 `env:"-" placeholder:"PORT" help:"Port of the page. Default: 7680, or the next free one."`
}

// Run serves until it is interrupted.
func (c *labServeCmd) Run(ctx context.Context, p *program) error {
	if c.Lesson != "" {
		if _, err := labLesson(c.Lesson); err != nil {
			return err
		}
	}
	addr, err := c.address(p)
	if err != nil {
		return err
	}
	ln, err := c.listen(ctx, addr)
	if err != nil {
		return err
	}
	port := ln.Addr().(*net.TCPAddr).Port
	s := &page.Server{Lesson: c.Lesson, Approve: c.Approve, Own: runOwn}
	if c.LAN {
		s.Join = fmt.Sprintf("http://%s/#", netip.AddrPortFrom(addr, uint16(port)))
		s.Join += s.Code()
	}
	defer s.Close()
	p.welcomeClass(s, port)
	web := webServer(ctx, s)
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(page.Limit(ln)) }()
	select {
	case err := <-ended:
		return failed{"the page cannot be served any more: " + plainly(err.Error()), "start it again"}
	case <-ctx.Done():
	}
	web.Close() // who watches would keep Shutdown waiting
	<-ended
	return nil
}

// webServer is a server whose requests end with ctx.
func webServer(ctx context.Context, h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx }}
}

// packetPage serves the page beside a room, whose packets it shows, on this
// computer alone, until stop is called.
func (p *program) packetPage(r *lanes.Recorder) (stop func(), err error) {
	var c labServeCmd
	ctx, cancel := context.WithCancel(context.Background())
	ln, err := c.listen(ctx, netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	if err != nil {
		cancel()
		return nil, err
	}
	s := &page.Server{Own: runOwn, Room: func(gone <-chan struct{}, each func(lab.Line)) { follow(ctx, r, gone, each) }}
	web := webServer(ctx, s)
	var work sync.WaitGroup
	work.Go(func() { web.Serve(page.Limit(ln)) })
	p.talkWords("the packets are on this page: http://%s/#t=%s", ln.Addr(), s.Token())
	return func() {
		cancel()
		web.Close()
		s.Close()
		work.Wait()
	}, nil
}

// follow gives a room's packets as lines, until who asked has gone.
func follow(ctx context.Context, r *lanes.Recorder, gone <-chan struct{}, each func(lab.Line)) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in, out := io.Pipe()
	var work sync.WaitGroup
	work.Go(func() { out.CloseWithError(r.WriteLines(ctx, out)) })
	work.Go(func() {
		select {
		case <-gone:
		case <-ctx.Done():
		}
		in.CloseWithError(net.ErrClosed)
		cancel()
	})
	lab.ReadLines(in, func(l lab.Line) error { each(l); return nil })
	cancel()
	in.Close()
	work.Wait()
}

// address is this computer's in the network, for students to reach; else loopback.
func (c *labServeCmd) address(p *program) (netip.Addr, error) {
	local := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if !c.LAN {
		return local, nil
	}
	if p.flags.Bind != "" {
		a, err := netip.ParseAddr(p.flags.Bind)
		if err != nil {
			return a, usage{"--bind " + text.Mark(p.flags.Bind) + " is no address", "parley lab serve --lan --bind 10.0.0.5"}
		}
		return a, nil
	}
	if list := lanAddresses(); len(list) > 0 {
		return netip.ParseAddr(list[0])
	}
	return local, failed{"this computer is in no network that students could reach", "connect it, or open a hotspot on a phone; without --lan the page works on this computer alone"}
}

// maxNext is how many ports after the usual one are tried.
const maxNext = 20

// listen opens the page's port. For students that is a port of all addresses, so
// that the teacher's own browser needs no other.
func (c *labServeCmd) listen(ctx context.Context, addr netip.Addr) (net.Listener, error) {
	host := addr.String()
	if c.LAN {
		host = ""
	}
	var lc net.ListenConfig
	if c.Web != 0 {
		ln, err := lc.Listen(ctx, "tcp4", net.JoinHostPort(host, strconv.Itoa(int(c.Web))))
		if err != nil {
			return nil, failed{fmt.Sprintf("port %d cannot be had: %v", c.Web, plainly(err.Error())), "take another with --web, or leave it out"}
		}
		return ln, nil
	}
	var errs []error
	for port := webPort; port < webPort+maxNext; port++ {
		ln, err := lc.Listen(ctx, "tcp4", net.JoinHostPort(host, strconv.Itoa(port)))
		if err == nil {
			return ln, nil
		}
		errs = append(errs, err)
	}
	return nil, failed{"no port can be had: " + errors.Join(errs...).Error(), "choose one with --web"}
}

// welcomeClass tells where the page is. The secret is printed here alone.
func (p *program) welcomeClass(s *page.Server, port int) {
	teacher := fmt.Sprintf("http://127.0.0.1:%d/#t=%s", port, s.Token())
	if p.flags.JSON {
		p.printJSON(map[string]any{"type": "page", "teacher": teacher, "join": s.Join, "code": s.Code()})
		return
	}
	fmt.Fprintf(p.out, "The class's page, for you alone (whoever has this link is the teacher):\n\n  %s\n\n", teacher)
	if s.Join != "" {
		fmt.Fprintf(p.out, "Students open this, or read the square with a phone, and type the code %s:\n\n  %s\n\n", s.Code(), s.Join)
		for _, l := range text.QR(s.Join, 2, false) {
			fmt.Fprintln(p.out, "  "+l)
		}
	} else {
		fmt.Fprintln(p.out, "Nobody else can reach it: --lan lets students in.")
	}
	fmt.Fprintln(p.err, "Ctrl-C ends it; nothing is kept.")
}
