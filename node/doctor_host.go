package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/discovery"
	"parley/tcp"
	"parley/transport"
	"parley/udp"
)

// outcome is what came of asking a host by one carrier.
type outcome int

const (
	untried   outcome = iota
	answered          // by parley, which proves that both ways pass
	unwilling         // by parley, that it would not talk to us
	foreign           // by something that is not parley
	closed            // that nothing listens there
	silent            // not at all
	noHost            // by the system or a router: there is no such computer
	noRoute           // by our own system: it knows no way there
	forbidden         // by our own system: it may not send
)

func (o outcome) ours() bool { return o == answered || o == unwilling }

// passes tells that packets came back.
func (o outcome) passes() bool { return o.ours() || o == foreign || o == closed }

// evidence is all that is known of one address.
type evidence struct {
	at       netip.AddrPort
	udp, tcp outcome
	why      error // of an unwilling or forbidden one

	back     callBack // from there to us
	room     string   // that was asked for
	local    bool     // it is on a network of ours
	networks string   // ours, for people
	heard    bool     // its announcements are
	link     linkSays // whether the computer answers on the wire
	router   bool     // the router of that network does
	others   bool     // other computers there do
}

// linkSays is what the system's table of neighbors has of an address.
type linkSays int

const (
	linkUnknown linkSays = iota
	linkSilent           // it was asked for and does not answer
	linkAnswers
)

// host tries the addresses of the target; the best of them counts.
func (x *examination) host(ctx context.Context, p place, r discovery.Report) {
	x.progress("asking " + p.Target.String())
	via := p.via[:min(len(p.via), maxReached)]
	list := make([]evidence, len(via))
	var all sync.WaitGroup
	for i, to := range via {
		port := to.udp
		if port == 0 {
			port = to.tcp
		}
		all.Go(func() { list[i] = x.node.try(ctx, netip.AddrPortFrom(to.addr, port), reachLimit) })
	}
	var back callBack
	first := slices.IndexFunc(via, func(to target) bool { return to.addr.Is4() })
	if first >= 0 {
		port, _ := x.node.doors()
		all.Go(func() { back = x.node.callMe(ctx, via[first].addr, port) })
	}
	routers := routers()
	for _, a := range routers {
		x.node.nudge(ctx, a)
	}
	all.Wait()
	var best *Finding
	for i := range list {
		e := &list[i]
		if e.room = p.Room; i == first {
			e.back = back
		}
		x.surround(e, r, routers)
		f := verdict(e, x.node)
		if best == nil || best.Class != Fine && f.Class == Fine {
			best = &f
			x.join = nil
			if e.udp == answered || e.tcp == answered {
				x.join = joinLines(e, r)
			}
		}
	}
	if len(x.join) > 1 && best.Class == Fine {
		best.Next = "" // which of them is asked at the end
	}
	x.report(*best)
	if back.answered {
		x.report(reachedBack(via[first].addr, back, x.node))
	}
}

// joinLines are how the room that was asked for is joined, or else the rooms there.
func joinLines(e *evidence, r discovery.Report) (lines []string) {
	if e.room == "" {
		for _, s := range r.Rooms {
			if slices.Contains(s.Addrs, e.at.Addr()) {
				lines = append(lines, JoinLine(e.at, s.Name))
			}
		}
	}
	if len(lines) < 2 { // the only one there needs no name
		return []string{JoinLine(e.at, e.room)}
	}
	return lines
}

// reachedBack tells of what the host began with us.
func reachedBack(host netip.Addr, back callBack, n *Node) Finding {
	f := Finding{Check: "way back", Code: "reached_back", Text: fmt.Sprintf("%v reaches this computer, too: it could join a room of yours", host)}
	var lost []string
	if !back.udp {
		lost = append(lost, "UDP")
	}
	if !back.tcp {
		lost = append(lost, "TCP")
	}
	if len(lost) > 0 {
		f.Code, f.Note = "not_reached_back", true
		port, _ := n.doors()
		f.Text = fmt.Sprintf("%v was asked to call this computer and did not come through by %s: it could not join a room of yours that way", host, strings.Join(lost, " or "))
		f.Next = "you can still join theirs. To host here, on this computer: " + firewallHint(port, n.discoveryPort())
	}
	return f
}

// surround adds to the evidence what is known besides.
func (x *examination) surround(e *evidence, r discovery.Report, routers []netip.Addr) {
	a := e.at.Addr()
	e.networks = x.networks(a)
	for _, i := range x.links {
		for _, p := range i.Prefixes {
			if p.Contains(a.WithZone("")) {
				e.local = true
			}
		}
	}
	e.local = e.local || a.IsLoopback()
	e.heard = slices.Contains(r.Neighbors, a)
	table := neighbors()
	e.link = table[a]
	for n, says := range table {
		if says != linkAnswers || n == a {
			continue
		}
		if slices.Contains(routers, n) {
			e.router = true
		} else {
			e.others = true
		}
	}
	for _, n := range r.Neighbors {
		e.others = e.others || n != a
	}
}

// try asks a host by both carriers.
func (n *Node) try(ctx context.Context, at netip.AddrPort, limit time.Duration) evidence {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	e := evidence{at: at}
	var all sync.WaitGroup
	var whyUDP, whyTCP error
	var other [2]*time.Timer
	all.Go(func() {
		if e.udp, whyUDP = n.tryDatagrams(ctx, at); e.udp.passes() {
			other[0] = time.AfterFunc(otherLimit, cancel)
		}
	})
	all.Go(func() {
		if e.tcp, whyTCP = n.tryStream(ctx, at); e.tcp.passes() {
			other[1] = time.AfterFunc(otherLimit, cancel)
		}
	})
	all.Wait()
	for _, t := range other {
		if t != nil {
			t.Stop()
		}
	}
	e.why = errors.Join(whyUDP, whyTCP)
	return e
}

func (n *Node) tryDatagrams(ctx context.Context, at netip.AddrPort) (outcome, error) {
	c, err := n.net.DialContext(ctx, "udp", at.String())
	if err != nil {
		return judge(ctx, err)
	}
	defer c.Close()
	if err := udp.Probe(ctx, c, n.Plaintext); err != nil {
		return judge(ctx, err)
	}
	return answered, nil
}

func (n *Node) tryStream(ctx context.Context, at netip.AddrPort) (outcome, error) {
	connected := false
	e := &tcp.Endpoint{Plaintext: n.Plaintext, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := n.net.DialContext(ctx, network, address)
		connected = err == nil
		return c, err
	}}
	defer e.Close()
	c, err := e.Dial(ctx, at)
	if err == nil {
		c.Close()
		return answered, nil
	}
	var refused *transport.RefusedError
	if connected && !errors.As(err, &refused) {
		return foreign, nil
	}
	return judge(ctx, err)
}

// judge says what an error means.
func judge(ctx context.Context, err error) (outcome, error) {
	var refused *transport.RefusedError
	switch {
	case errors.As(err, &refused):
		return unwilling, refused
	case errors.Is(err, errClosed), errors.Is(err, errReset):
		return closed, nil
	case errors.Is(err, errNoHost):
		return noHost, nil
	case errors.Is(err, errNoNetwork):
		return noRoute, nil
	case errors.Is(err, errNotAllowed):
		return forbidden, err
	}
	return silent, nil
}

// nudge has the system ask on the wire for an address, by one datagram that
// nobody reads.
func (n *Node) nudge(ctx context.Context, a netip.Addr) {
	const discard = 9
	if c, err := n.net.DialContext(ctx, "udp", netip.AddrPortFrom(a, discard).String()); err == nil {
		c.Write([]byte{0})
		c.Close()
	}
}

// verdict is what the evidence comes to.
func verdict(e *evidence, n *Node) Finding {
	f := Finding{Check: "host"}
	say := func(code string, class Class, text, next string) Finding {
		f.Code, f.Class, f.Text, f.Next = code, class, text, next
		return f
	}
	at, line := e.at, JoinLine(e.at, e.room)
	lets := firewallHint(e.at.Port(), n.discoveryPort())
	switch {
	case e.udp == forbidden || e.tcp == forbidden:
		return say("forbidden", ThisMachine, fmt.Sprintf("this computer may not send to %v: %v", at, e.why), lets)
	case e.udp == unwilling || e.tcp == unwilling:
		f.Note = true
		return say("unwilling", Fine, fmt.Sprintf("%v is reached and would not talk: %v", at, e.why), "start both sides alike: same version, both with --plaintext or both without")
	case e.udp == answered && (e.tcp == answered || e.tcp == closed):
		return say("reached", Fine, fmt.Sprintf("%v is reached by UDP%s, both ways", at, andTCP(e)), line)
	case e.udp == answered:
		return say("tcp_blocked", Blocked, fmt.Sprintf("%v is reached by UDP, both ways; TCP is blocked", at), "use it as it is: "+line+"; to mend it: "+lets)
	case e.tcp == answered && e.udp == closed:
		return say("reached", Fine, fmt.Sprintf("%v is reached by TCP, both ways; the room there is not served over UDP", at), line)
	case e.tcp == answered:
		return say("udp_blocked", Blocked, fmt.Sprintf("%v is reached by TCP, both ways; UDP is blocked", at), "use it as it is: "+line+"; to mend it, on both computers: "+lets)
	case e.udp == noRoute || e.tcp == noRoute:
		return say("wrong_subnet", ThisMachine, fmt.Sprintf("%v is in no network of this computer (%s), and no router leads there", at.Addr(), e.networks),
			"join the network (the Wi-Fi) that the other computer is in, and look at the address again")
	case e.tcp == foreign:
		return say("other_program", NobodyThere, fmt.Sprintf("%v is some other program, not parley", at), "ask for the port that the host's parley prints, and give it: HOST:PORT")
	case e.udp.passes() || e.tcp.passes():
		return say("nobody_hosts", NobodyThere, fmt.Sprintf("the computer %v is there and hosts no room on port %d", at.Addr(), at.Port()),
			"start parley host ROOM there, or ask for the port it prints")
	}
	return unreached(e, say, lets)
}

func andTCP(e *evidence) string {
	if e.tcp == answered {
		return " and TCP"
	}
	return " (TCP is not served)"
}

// unreached is the verdict on a host from which nothing came back.
func unreached(e *evidence, say func(code string, class Class, text, next string) Finding, lets string) Finding {
	at := e.at
	switch {
	case e.back.answered || e.back.udp || e.back.tcp:
		return say("both_blocked", Blocked, fmt.Sprintf("%v hears this computer and answers, but neither UDP nor TCP to its port %d comes back", at.Addr(), at.Port()),
			"a firewall on that computer, or the port is another. There: "+lets)
	case e.heard || e.link == linkAnswers:
		heard := "is there"
		if e.heard {
			heard = "is heard announcing"
		}
		return say("both_blocked", Blocked, fmt.Sprintf("the computer %v %s, and neither UDP nor TCP to port %d comes back", at.Addr(), heard, at.Port()),
			"a firewall drops both. On both computers: "+lets)
	case !e.local && (e.udp == noHost || e.tcp == noHost):
		return say("no_computer", NobodyThere, fmt.Sprintf("a router says that there is no computer %v", at.Addr()), "look at the address again")
	case !e.local:
		return say("far_silent", Blocked, fmt.Sprintf("%v is in another network than this computer (%s), and nothing comes back from there", at.Addr(), e.networks),
			"join the same network as the other computer, or have the router between let port "+fmt.Sprint(at.Port())+" through")
	case e.link == linkSilent && e.router && !e.others:
		return say("isolation", Blocked, fmt.Sprintf("%v does not answer on the wire, nor does any computer here but the router: the Wi-Fi (or the switch) probably keeps its clients apart", at.Addr()),
			"if the address is right and that computer on: switch client isolation (guest mode) off at the access point, or use another Wi-Fi, a cable or a phone's hotspot")
	case e.link == linkUnknown && !e.others && e.udp != noHost && e.tcp != noHost:
		return say("silent", Blocked, fmt.Sprintf("nothing comes back from %v, by UDP or TCP", at),
			"if the address is right and that computer on: the Wi-Fi keeps its clients apart, or a firewall is in the way. On both computers: "+lets)
	}
	return say("no_computer", NobodyThere, fmt.Sprintf("no computer has the address %v", at.Addr()), "look at the address again: the host's parley prints it")
}
