package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"parley/discovery"
	"parley/text"
)

// Class is what kind of fault a [Finding] is. Its value is the exit code that
// stands for it.
type Class int

// The classes.
const (
	Fine        Class = 0
	ThisMachine Class = 1 // something here is wrong
	NobodyThere Class = 3 // the network does, and nobody is there
	Blocked     Class = 5 // something on the way lets nothing through
)

// A Finding is one thing that an examination has found.
type Finding struct {
	Check string // what was looked at: interface, port, host and so on
	Code  string // what was found, for programs
	Class Class  // Fine: no fault
	Note  bool   // no fault, but worth knowing
	Text  string // what was found, for people
	Next  string // what to do next, or empty
}

// Lines are the finding for people: what was found, and below it what to do next.
func (f Finding) Lines() []string {
	state := "ok"
	switch {
	case f.Class != Fine:
		state = "FAULT"
	case f.Note:
		state = "note"
	}
	if f.Class == NobodyThere {
		state = "none"
	}
	lines := []string{fmt.Sprintf("%-5s %-9s %s", state, f.Check, f.Text)}
	if f.Next != "" {
		lines = append(lines, "      -> "+f.Next)
	}
	return lines
}

// A Diagnosis is what an examination comes to.
type Diagnosis struct {
	Finding          // the fault that explains most, or that there is none
	Join    []string // the commands that join what was found, to be read out
}

// Lines are the diagnosis for people, with what is to be typed to join.
func (d Diagnosis) Lines() []string {
	about := map[Class]string{Fine: "All is well", ThisMachine: "The cause is on this computer",
		NobodyThere: "Nobody is there", Blocked: "Something on the way blocks"}[d.Class]
	lines := []string{about + ": " + d.Text}
	for _, l := range d.Join {
		lines = append(lines, "To join, type: "+l)
	}
	return lines
}

// How long things are listened for. All together is under five seconds.
const (
	probeLimit = time.Second             // broadcasts: three queries and their answers
	reachLimit = 2500 * time.Millisecond // one host: a lost first segment is sent again after a second
	otherLimit = 1300 * time.Millisecond // the other carrier, when one has been answered
	maxReached = 3                       // addresses of a host that are tried
)

// Examine looks for what may keep this machine from seeing others, and from
// reaching the host, or the room, in t if that is not zero. It calls found with each finding, and
// with those in here, which the caller has made; and progress with what it is about
// to wait for. It takes less than five seconds.
func (n *Node) Examine(ctx context.Context, t Target, here []Finding, found func(Finding), progress func(string)) Diagnosis {
	n.start()
	x := &examination{node: n, target: t, found: found, progress: progress}
	x.interfaces()
	x.ports(ctx)
	x.firewall(ctx)
	x.network(ctx)
	for _, f := range here {
		x.report(f)
	}
	return x.diagnosis()
}

// ExamineLines is Examine for people: show gets its lines as they come, clean and
// of any length, and the diagnosis last.
func (n *Node) ExamineLines(ctx context.Context, t Target, here []Finding, show func(line string)) {
	all := func(lines []string) {
		for _, l := range lines {
			show(l)
		}
	}
	d := n.Examine(ctx, t, here, func(f Finding) { all(f.Lines()) }, func(what string) { show("      ... " + what) })
	if ctx.Err() == nil {
		all(d.Lines())
	}
}

// examination is one run of Examine.
type examination struct {
	node     *Node
	target   Target
	found    func(Finding)
	progress func(string)

	links  []discovery.Interface
	faults []Finding
	join   []string
}

// report passes a finding on, made fit for a screen.
func (x *examination) report(f Finding) {
	f.Text, f.Next = text.Clean(f.Text), text.Clean(f.Next)
	if f.Class != Fine {
		x.faults = append(x.faults, f)
	}
	x.found(f)
}

// diagnosis is the first fault, but that nobody is there explains less than any other.
func (x *examination) diagnosis() Diagnosis {
	d := Diagnosis{Finding: Finding{Check: "diagnosis", Code: "fine", Text: "nothing is wrong"}, Join: x.join}
	for i := len(x.faults) - 1; i >= 0; i-- {
		if d.Class == Fine || d.Class == NobodyThere || x.faults[i].Class != NobodyThere {
			d.Finding = x.faults[i]
		}
	}
	return d
}

// interfaces looks at what this machine is connected by.
func (x *examination) interfaces() {
	all, err := x.node.net.Discovery().Interfaces()
	if err != nil {
		x.report(Finding{Check: "interface", Code: "no_list", Class: ThisMachine, Text: fmt.Sprintf("the network interfaces cannot be listed: %v", err),
			Next: "run this outside the sandbox or container that forbids it"})
		return
	}
	up, broadcast := 0, 0
	for _, i := range all {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 || x.node.Iface != "" && i.Name != x.node.Iface {
			continue
		}
		var addrs []string
		four := false
		for _, p := range i.Prefixes {
			addrs = append(addrs, p.String())
			four = four || p.Addr().Is4()
		}
		if len(addrs) == 0 {
			continue
		}
		x.links = append(x.links, i)
		up++
		kind := kindOf(i)
		how := string(kind)
		if i.Flags&net.FlagPointToPoint == 0 && i.Flags&(net.FlagBroadcast|net.FlagMulticast) != 0 {
			broadcast++
		} else {
			how += ", cannot call out to everybody"
		}
		x.report(Finding{Check: "interface", Code: "interface", Text: fmt.Sprintf("%s (%s): %s", i.Name, how, strings.Join(addrs, ", "))})
		if kind == tunnel {
			x.report(Finding{Check: "interface", Code: "vpn", Note: true, Text: i.Name + " seems to be a VPN, which may carry off what is meant for the network around you",
				Next: "if you see nobody: switch the VPN off, and run this again"})
		}
		if selfAssigned(i.Prefixes) && four {
			x.report(Finding{Check: "interface", Code: "self_assigned", Note: true,
				Text: fmt.Sprintf("%s: no router gave it an address, it made one up", i.Name), Next: "others must have done the same; else reconnect the cable or Wi-Fi"})
		}
	}
	x.several()
	switch {
	case x.node.Iface != "" && up == 0:
		x.report(Finding{Check: "interface", Code: "no_interface", Class: ThisMachine,
			Text: fmt.Sprintf("there is no network connection %s that is up and has an address", x.node.Iface), Next: "leave out --iface, or name one that is up"})
	case up == 0:
		x.report(Finding{Check: "interface", Code: "no_network", Class: ThisMachine,
			Text: "this computer is in no network: it has no address in any", Next: "plug the cable in, or switch the Wi-Fi on"})
	case broadcast == 0:
		f := Finding{Check: "broadcast", Code: "no_broadcast", Class: ThisMachine,
			Text: "no network connection here can call out to everybody (a VPN alone?), so rooms cannot be found by name", Next: "join a Wi-Fi or plug a cable in, or join by address: parley join ADDRESS"}
		if x.target.Host != "" { // by address it may do
			f.Class, f.Note = Fine, true
		}
		x.report(f)
	}
}

// selfAssigned tells whether the only IPv4 address is one of those that a machine makes up.
func selfAssigned(all []netip.Prefix) bool {
	return !slices.ContainsFunc(all, func(p netip.Prefix) bool { return p.Addr().Is4() && !p.Addr().IsLinkLocalUnicast() })
}

// ports looks at who has the ports that a room here would use.
func (x *examination) ports(ctx context.Context) {
	n := x.node
	port := n.Port
	if port == 0 {
		port = Port
	}
	s, err := n.listenOn(ctx, port)
	switch {
	case err == nil:
		s.close()
		x.report(Finding{Check: "port", Code: "port_free", Text: fmt.Sprintf("port %d is free for a room of yours", port)})
	case errors.Is(err, errInUse):
		x.report(n.taken(ctx, port))
	default:
		var e *Error
		f := Finding{Check: "port", Code: "port_unusable", Class: ThisMachine, Text: fmt.Sprintf("port %d cannot be used: %v", port, err)}
		if errors.As(n.explain(err, port), &e) {
			f.Text, f.Next = e.Text, e.Hint
		}
		x.report(f)
	}
	if n.NoDiscovery {
		return
	}
	at := net.JoinHostPort("0.0.0.0", fmt.Sprint(n.discoveryPort()))
	pc, err := n.net.Discovery().ListenPacket(ctx, "udp4", at)
	if err != nil {
		by := portOwner("udp", n.discoveryPort())
		if by == "" {
			by = "another program"
		}
		x.report(Finding{Check: "port", Code: "discovery_port_taken", Class: ThisMachine,
			Text: fmt.Sprintf("port %d, on which rooms are announced, cannot be shared with %s: %v", n.discoveryPort(), by, err),
			Next: "end that program"})
		return
	}
	pc.Close()
}

// taken is the finding for a port that something has: fine if that is parley.
func (n *Node) taken(ctx context.Context, port uint16) Finding {
	by := portOwner("udp", port)
	if by == "" {
		by = portOwner("tcp", port)
	}
	if by == "" {
		by = "another program"
	}
	if e := n.try(ctx, netip.AddrPortFrom(n.here(), port), 500*time.Millisecond); e.udp.ours() || e.tcp.ours() {
		return Finding{Check: "port", Code: "port_ours", Text: fmt.Sprintf("port %d: a room is hosted on this computer by %s", port, by)}
	}
	return Finding{Check: "port", Code: "port_taken", Class: ThisMachine,
		Text: fmt.Sprintf("port %d is taken by %s: a room of yours gets another port, which others must be told", port, by),
		Next: fmt.Sprintf("end that program, or host with --port %d and tell others that port", port+33)}
}

// here is an address of this machine's own.
func (n *Node) here() netip.Addr {
	if n.Bind.IsValid() && !n.Bind.IsUnspecified() {
		return n.Bind
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// network listens for others, and tries the target.
func (x *examination) network(ctx context.Context) {
	name := x.target.Host
	if name == "" {
		name = x.target.Room
	}
	looked := make(chan place, 1)
	go func() { // ends before network does
		defer close(looked)
		if name == "" {
			return
		}
		if p, err := x.node.findHost(ctx, Target{Host: name, Port: x.target.Port, Room: roomOf(x.target)}); err == nil {
			looked <- p
		}
	}()
	heard := x.listen(ctx)
	p, known := <-looked
	x.broadcasts(heard)
	x.peers(heard)
	x.clocks(heard)
	if name == "" {
		x.rooms(heard)
		return
	}
	if x.target.Host == "" {
		for _, s := range heard.Rooms {
			if text.RoomKey(s.Name) == text.RoomKey(name) {
				p, known = placeOf(s), true
				break
			}
		}
	}
	if !known || len(p.via) == 0 {
		x.report(Finding{Check: "host", Code: "unknown_name", Class: NobodyThere, Text: fmt.Sprintf("no computer, and no room heard here, is called %s", name),
			Next: "ask for the address that the host's parley prints, and give that: parley doctor ADDRESS"})
		return
	}
	x.host(ctx, p, heard)
}

// roomOf is the room that a target names beside a host.
func roomOf(t Target) string {
	if t.Host == "" {
		return ""
	}
	return t.Room
}

// listen asks everybody, and collects who is heard.
func (x *examination) listen(ctx context.Context) discovery.Report {
	if x.node.NoDiscovery {
		x.report(Finding{Check: "broadcast", Code: "no_discovery", Note: true, Text: "--no-discovery forbids looking for rooms", Next: "leave it out to test broadcasts"})
		return discovery.Report{}
	}
	x.progress("listening for other computers")
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	r, err := x.node.discovery().Probe(ctx)
	if err != nil {
		x.report(Finding{Check: "broadcast", Code: "no_random", Class: ThisMachine, Text: err.Error()})
	}
	return r
}

// broadcasts tells how they do on each interface.
func (x *examination) broadcasts(r discovery.Report) {
	for _, l := range r.Links {
		if l.Flags&net.FlagLoopback != 0 || len(l.Prefixes) == 0 {
			continue
		}
		if !l.Heard {
			x.report(Finding{Check: "broadcast", Code: "broadcast_unheard", Class: ThisMachine,
				Text: fmt.Sprintf("%s: what this computer calls out to everybody does not come back to it: a firewall here drops it", l.Name), Next: firewallHint(x.node.doors())})
			continue
		}
		x.report(Finding{Check: "broadcast", Code: "broadcast", Text: fmt.Sprintf("%s: calling out to everybody works; other computers heard: %d", l.Name, l.Others)})
	}
	for _, a := range r.Strangers {
		x.report(Finding{Check: "subnet", Code: "wrong_subnet", Class: ThisMachine,
			Text: fmt.Sprintf("%v is on the same wire and in another network than this computer (%s)", a, x.networks(a)),
			Next: "give both computers addresses of one network: let the router assign them"})
	}
}

// networks lists the networks of this machine that have addresses of a kind.
func (x *examination) networks(like netip.Addr) string {
	var list []string
	for _, i := range x.links {
		for _, p := range i.Prefixes {
			if p.Addr().Is4() == like.Is4() && (like.Is4() || !p.Addr().IsLinkLocalUnicast()) {
				list = append(list, p.String())
			}
		}
	}
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// rooms tells what is there when nothing in particular was asked for.
func (x *examination) rooms(r discovery.Report) {
	for _, s := range r.Rooms {
		l := listing(s)
		port := l.UDP
		if port == 0 {
			port = l.TCP
		}
		line := JoinLine(netip.AddrPortFrom(l.Addr, port), l.Room)
		x.join = append(x.join, line)
		x.report(Finding{Check: "rooms", Code: "room", Text: fmt.Sprintf("the room %s is at %v", s.Name, netip.AddrPortFrom(l.Addr, port)), Next: line})
	}
	if len(r.Rooms) > 0 || x.node.NoDiscovery {
		return
	}
	f := Finding{Check: "rooms", Code: "nobody", Class: NobodyThere, Text: "nobody on this network hosts a room, or none can be heard",
		Next: "open one with parley host ROOM; if one is open elsewhere, run there and here: parley doctor ADDRESS-OF-THE-OTHER"}
	if len(r.Neighbors) > 0 {
		f.Text = fmt.Sprintf("nobody hosts a room; parley runs on %d other computers", len(r.Neighbors))
	}
	x.report(f)
}

// doors are the ports that others must reach.
func (n *Node) doors() (talk, find uint16) {
	if talk = n.Port; talk == 0 {
		talk = Port
	}
	return talk, n.discoveryPort()
}
