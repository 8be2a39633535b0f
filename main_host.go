package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync"

	"parley/node"
	"parley/room"
)

// maxTopic is how many bytes of topic a room takes.
const maxTopic = 400

// Run hosts rooms until the person leaves, or until ctx ends.
func (h *hostCmd) Run(ctx context.Context, p *program) error {
	if len(h.Rooms) == 0 {
		if !p.mayAsk() {
			return usage{"which room? It needs a name", "for example: parley host physics"}
		}
		name, err := p.ask(ctx, "Name of the room", "lobby")
		if err != nil {
			return err
		}
		h.Rooms = strings.Fields(name)
	}
	if h.Guests {
		p.talk("guests are let in: what is said is sent to them in clear")
	}
	if h.Password {
		if err := p.newPassword(ctx, h.Rooms[0]); err != nil {
			return err
		}
	}
	if h.Page && !h.Lanes {
		return usage{"--page shows packets, which --lanes watches", "parley host ROOM --lanes --page"}
	}
	if h.Metrics != "" {
		stop, err := p.showMetrics(ctx, h.Metrics)
		if err != nil {
			return err
		}
		defer stop()
	}
	if !h.Headless && !h.Page && p.fullScreen() {
		return p.onScreen(ctx, h.begin(p))
	}
	n, err := p.node()
	if err != nil {
		return err
	}
	defer n.Close()
	if h.Page {
		stop, err := p.packetPage(n.Lanes)
		if err != nil {
			return err
		}
		defer stop()
	}
	if h.Continue {
		if err := p.continueRooms(ctx, n, h.Rooms); err != nil {
			return err
		}
	}
	return h.host(ctx, p, n)
}

// hostGC has the collector run when memory has grown by three quarters, not only
// when it has doubled. A host may have to keep megabytes for those who read slowly,
// on a laptop that does other things; a full room says nothing faster without it.
// With less than that the collector would run in an idle host too, and its own
// tables are half a megabyte.
const hostGC = 75

func (h *hostCmd) host(ctx context.Context, p *program, n *node.Node) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(hostGC)
	}
	var nick string
	if !h.Headless {
		var err error
		if nick, err = p.nick(ctx); err != nil {
			return err
		}
	}
	opened := p.slowly("opening "+strings.Join(h.Rooms, ", ")+", with what was said there", nil)
	defer opened()
	verifier, err := p.verifier()
	if err != nil {
		return err
	}
	hosting, err := n.Open(ctx, h.options(verifier))
	if err != nil {
		return err
	}
	defer hosting.Close()
	opened()
	p.tellMetrics()
	if h.Headless {
		return h.stand(ctx, p, n, hosting)
	}
	m, err := hosting.Sit(ctx, p.joinOptions(nick, false))
	if err != nil {
		return err
	}
	p.tellJoinLines(n, hosting, h.Hidden)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { // ends with the hosting
		if err := hosting.Wait(ctx); err != nil && ctx.Err() == nil {
			cancel(fmt.Errorf("the rooms have closed: %w", err))
		}
	}()
	err = p.show(ctx, m, n, seat{stay: h.Stay, host: true})
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// options are the rooms as the flags describe them.
func (h *hostCmd) options(verifier *room.Verifier) room.HostOptions {
	return room.HostOptions{Rooms: h.Rooms, Topic: h.Topic, Delivery: h.delivery(), Guests: h.Guests, Hidden: h.Hidden,
		Approve: h.Approve, Slow: h.Slow, Filters: h.filters, MaxSeats: h.MaxMembers, Password: verifier,
		Queue: h.CutOff == "queue"}
}

// stand hosts without a seat until ctx ends.
func (h *hostCmd) stand(ctx context.Context, p *program, n *node.Node, hosting *node.Hosting) error {
	if p.flags.JSON {
		p.printJSON(hosting.Ready())
	}
	p.tellJoinLines(n, hosting, h.Hidden)
	if n.Lanes != nil {
		ctx, cancel := context.WithCancel(ctx)
		var printing sync.WaitGroup
		defer printing.Wait()
		defer cancel()
		printing.Go(func() { p.printPackets(ctx, n.Lanes) })
	}
	return hosting.Wait(ctx)
}

// tellJoinLines says how others come in. Programs read it in the ready object.
func (p *program) tellJoinLines(n *node.Node, hosting *node.Hosting, hidden bool) {
	if p.flags.JSON {
		return
	}
	if at := hosting.Addrs()[0]; p.flags.Port == 0 && at.Port() != node.Port {
		p.talk("Port %d is taken here, so it is port %d.", node.Port, at.Port())
	}
	where := "on this network"
	loopback := hosting.Addrs()[0].Addr().IsLoopback()
	if loopback {
		where = "on this computer"
		if !p.flags.bind().IsValid() {
			p.talk("%s for now only its own programs can join.", noNetwork)
		}
	}
	rooms := hosting.Rooms()
	for _, name := range rooms {
		how := "open"
		if p.secret != "" {
			how = "open to those who know the password"
		}
		p.talk("The room %s is %s. Others join it with:", name, how)
		if !n.NoDiscovery && !hidden {
			p.talkWords("  parley join %-24s %s", name, where)
		}
		for i, line := range hosting.JoinLines(name) {
			if i == 0 || !hosting.Addrs()[i].Addr().IsLoopback() { // here any address will do
				p.talkWords("  %-36s by address", line)
			}
		}
		ready := hosting.ReadyOf(name)
		p.talkWords("  %s", ready.Invite)
		if ready.Words != "" {
			p.talk("Its key, to compare: %s", ready.Words)
		}
	}
	if on := p.flags.Host.QR == qrOn; !p.flags.Quiet && (on || !loopback && len(rooms) == 1) {
		for _, row := range p.qr(p.err, hosting.Ready().Invite, greetingRows) {
			fmt.Fprintln(p.err, row)
		}
	}
}
