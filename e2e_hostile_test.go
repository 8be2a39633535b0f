package main_test

// Members who mean no good. They speak the protocol of a room by hand, over the
// project's own carriers, and keep to none of its manners; and beside them
// people who measure what that does to the others.

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley/room"
	"parley/tcp"
	"parley/transport"
	"parley/udp"
)

// sockets is where a client's sockets are opened: on this computer, or on a
// machine of a LAN.
type sockets interface {
	packets(t testing.TB) net.PacketConn
	stream(ctx context.Context, network, addr string) (net.Conn, error)
}

// here is this computer's loopback interface.
type here struct{}

func (here) packets(t testing.TB) net.PacketConn {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (here) stream(ctx context.Context, network, addr string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, addr)
}

// client is somebody's way to a room: carrier, key and sockets.
type client struct {
	t     testing.TB
	addr  netip.AddrPort
	via   string
	plain bool
	who   transport.Identity
	from  sockets
}

func newClient(t testing.TB, addr, via string) *client {
	t.Helper()
	who, err := transport.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return &client{t: t, addr: netip.MustParseAddrPort(addr), via: via, who: who, from: here{}}
}

// dial connects, with sockets of its own.
func (c *client) dial(ctx context.Context) (transport.Conn, error) {
	conn, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	return conn, nil
}

func (c *client) connect(ctx context.Context) (*owned, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	o := new(owned)
	var err error
	if c.via == "tcp" {
		e := &tcp.Endpoint{Identity: c.who, Plaintext: c.plain, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			raw, err := c.from.stream(ctx, network, addr)
			o.socket = raw
			return raw, err
		}}
		o.endpoint = e
		o.Conn, err = e.Dial(ctx, c.addr)
	} else {
		socket := c.from.packets(c.t)
		e := &udp.Endpoint{Socket: socket, Identity: c.who, Plaintext: c.plain}
		o.socket, o.endpoint = socket, e
		o.Conn, err = e.Dial(ctx, c.addr)
	}
	if err != nil {
		o.cut()
		return nil, err
	}
	return o, nil
}

// owned is a Conn that owns its endpoint and socket.
type owned struct {
	transport.Conn
	endpoint, socket io.Closer
}

func (o *owned) Close() error {
	err := o.Conn.Close()
	o.cut()
	return err
}

// cut is a Close without a word.
func (o *owned) cut() {
	if o.socket != nil {
		o.socket.Close()
	}
	o.endpoint.Close()
}

// polite takes a seat as everybody does.
func (c *client) polite(nick string) *room.Member {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	m, err := room.Join(ctx, room.JoinOptions{Nick: nick, Identity: c.who}, room.Dial(c.dial))
	if err != nil {
		c.t.Fatalf("%s joins over %s: %v", nick, c.via, err)
	}
	c.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		m.Leave(ctx, "")
	})
	return m
}

// rude takes a seat and leaves the rest to the test: the connection, on which the
// welcome has been read.
func (c *client) rude(nick string) *owned {
	c.t.Helper()
	conn, err := c.sit(context.Background(), nick)
	if err != nil {
		c.t.Fatalf("%s joins over %s: %v", nick, c.via, err)
	}
	c.t.Cleanup(conn.cut)
	return conn
}

func (c *client) sit(ctx context.Context, nick string) (*owned, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	if err = conn.Send(ctx, wired("type", "join", "v", 1, "nick", nick)); err == nil {
		err = welcomed(ctx, conn)
	}
	if err != nil {
		conn.cut()
		return nil, err
	}
	return conn, nil
}

func welcomed(ctx context.Context, conn transport.Conn) error {
	for {
		msg, err := conn.Receive(ctx)
		if err != nil {
			return err
		}
		var r struct {
			Type, Code string
			More       bool
		}
		json.Unmarshal(msg, &r)
		switch {
		case r.Type == "error" || r.Type == "bye":
			return errors.New(r.Code)
		case r.Type == "members" && !r.More:
			return nil
		}
	}
}

// wired writes a JSON object of names and values.
func wired(pairs ...any) []byte {
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

// command is an object with an id of its own.
func command(pairs ...any) []byte {
	var id [16]byte
	rand.Read(id[:])
	return wired(append(pairs, "id", fmt.Sprintf("%x", id))...)
}

// flooder says things as fast as they are taken, and hears everything.
type flooder struct {
	said, heard atomic.Int64
	spoken      chan struct{} // closed when it has said all
	stop        context.CancelFunc
	work        sync.WaitGroup
}

// pester has a rude member say what next makes until that is nil, or the end.
func pester(conn transport.Conn, next func(n int) []byte) *flooder {
	ctx, cancel := context.WithCancel(context.Background())
	f := &flooder{stop: cancel, spoken: make(chan struct{})}
	f.work.Go(func() {
		defer close(f.spoken)
		for n := 0; ; n++ {
			msg := next(n)
			if msg == nil || conn.Send(ctx, msg) != nil {
				return
			}
			f.said.Add(1)
		}
	})
	f.work.Go(func() {
		for {
			if _, err := conn.Receive(ctx); err != nil {
				return
			}
			f.heard.Add(1)
		}
	})
	return f
}

func (f *flooder) end() {
	f.stop()
	f.work.Wait()
}

// pair is two people, one of whom says something now and then, and the other
// notes how long it took.
type pair struct {
	t       testing.TB
	speaker *room.Member
	took    []time.Duration
	heard   map[string]time.Time
	mu      sync.Mutex
	news    chan struct{}
}

func newPair(t testing.TB, speaker, listener *room.Member) *pair {
	p := &pair{t: t, speaker: speaker, heard: map[string]time.Time{}, news: make(chan struct{}, 1)}
	go drain(speaker, func(room.Event) {})
	go drain(listener, func(e room.Event) {
		if e.Type != room.Message || !strings.HasPrefix(e.Text, "probe ") {
			return
		}
		p.mu.Lock()
		p.heard[e.Text] = time.Now()
		p.mu.Unlock()
		select {
		case p.news <- struct{}{}:
		default:
		}
	})
	return p
}

func drain(m *room.Member, each func(room.Event)) {
	for {
		e, err := m.Next(context.Background())
		if err != nil {
			return
		}
		each(e)
	}
}

// measure says count things, one every so often, and returns how long each
// took to be heard, in order of size. All are to be heard, and heard once is
// the Member's own concern.
func (p *pair) measure(count int, every time.Duration) []time.Duration {
	p.t.Helper()
	tick := time.NewTicker(every)
	defer tick.Stop()
	sent := map[string]time.Time{}
	for n := range count {
		<-tick.C
		text := fmt.Sprintf("probe %d %d", time.Now().UnixNano(), n)
		sent[text] = time.Now()
		if _, err := p.speaker.Say(context.Background(), text); err != nil {
			p.t.Fatalf("say: %v", err)
		}
	}
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		var took []time.Duration
		p.mu.Lock()
		for text, at := range sent {
			if heard, ok := p.heard[text]; ok {
				took = append(took, heard.Sub(at))
			}
		}
		p.mu.Unlock()
		if len(took) == count {
			slices.Sort(took)
			return took
		}
		select {
		case <-p.news:
		case <-deadline.C:
			p.t.Fatalf("%d of %d were heard", len(took), count)
		}
	}
}

func at(sorted []time.Duration, percent int) time.Duration {
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)].Round(10 * time.Microsecond)
}

// needProc skips the test where the memory of a process cannot be read.
func needProc(t testing.TB) {
	t.Helper()
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("SKIPPED: memory is read from /proc, which only Linux has")
	}
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }
