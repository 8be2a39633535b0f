//go:build !nolab

package lab

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"parley/discovery"
	"parley/lab/wire"
)

var broadcast = Lesson{
	Number: 8, Name: "broadcast",
	Topic: "datagrams: broadcast and multicast",
	Claim: "One message to {hosts} people is one send and one frame by broadcast; by TCP through a server it is a write for each of them, and an acknowledgement back.",
	Setup: "A speaks, {hosts} listen, on a cable of {delay}; B is a server that passes on what it hears. One message by UDP broadcast; by UDP to a group that every third has joined; by TCP through the server. Then {messages} messages while {loss} of the frames are lost. Then again where the access point keeps its clients apart, as many schools' do: all but the server.",
	Question: Question{
		Text:    "How many frames with the message are on the cable for one message to 30 people?",
		Answers: []string{"broadcast 1, through the server 31", "broadcast 30, through the server 30", "broadcast 1, through the server 1"},
		Right:   0,
		Why:     "the switch makes the copies of a broadcast. TCP has two ends: the server writes to each of 30 connections, and 31 acknowledgements come back",
	},
	So:       "rooms are found by broadcast, but what is said goes through the host: a broadcast is acknowledged by nobody, and where clients are kept apart it reaches nobody. parley doctor tells when they are",
	Filters:  map[string]string{"broadcasts": "eth.dst==ff:ff:ff:ff:ff:ff && udp", "to the group": "ip.dst==239.1.2.3"},
	Defaults: Settings{"hosts": "30", "messages": "50", "delay": "5ms", "loss": "2%"},
	Uses:     []string{"hosts", "messages", "delay", "loss"},
	Free:     []string{"seed", "hosts"},
	Real:     true,
	run:      runBroadcast,
}

const (
	everybody     = "255.255.255.255"
	group         = "239.1.2.3"
	everyThird    = 3
	listenersPort = 5000
	speakEvery    = 50 * time.Millisecond
)

func runBroadcast(r *Run) {
	r.table("broadcast", "way", "listeners", "sends", "frames a message", "set-up", "heard by")
	if r.real {
		runBroadcastReal(r)
		return
	}
	c := r.config()
	c.Way.Loss, c.Met = 0, false // ARP is a part of what a connection costs
	for _, n := range crowds(r.Hosts) {
		s := r.speech(fmt.Sprint("udp to ", n), "broadcast", c, n, 1, func(l *Lane) sent { return l.announce(everybody, n, 1) })
		r.check(fmt.Sprint("heard.broadcast.", n), s.heard, int64(n))
		r.check(fmt.Sprint("frames.broadcast.", n), s.after, 1)
		s = r.speech(fmt.Sprint("tcp to ", n), "by the server", c, n, 1, func(l *Lane) sent { return l.relayed(n, 1) })
		r.check(fmt.Sprint("heard.server.", n), s.heard, int64(n))
		r.check(fmt.Sprint("writes.server.", n), s.sends, int64(n+1))
		r.check(fmt.Sprint("frames.server.", n), s.after, 2*int64(n+1))
		r.check(fmt.Sprint("setup.server.", n), s.before, 5*int64(n+1))
	}
	n := int64(r.Hosts)
	s := r.speech("udp to group", "group", c, r.Hosts, 1, func(l *Lane) sent { return l.announce(group, r.Hosts, 1) })
	r.check("heard.group", s.heard, (n+everyThird-1)/everyThird)
	r.check("frames.group", s.after, 1)
	runLossy(r, c)

	apart := func(l *Lane) { l.isolate(slices.Concat(l.hosts[:1], l.hosts[2:])) }
	s = r.speech("udp apart", "broadcast, kept apart", c, r.Hosts, 1, func(l *Lane) sent { apart(l); return l.announce(everybody, r.Hosts, 1) })
	r.check("heard.broadcast_apart", s.heard, 0)
	s = r.speech("tcp apart", "by the server, kept apart", c, r.Hosts, 1, func(l *Lane) sent { apart(l); return l.relayed(r.Hosts, 1) })
	r.check("heard.server_apart", s.heard, n)
	r.note("the frames before a message by the server are for each connection two of ARP and three of TCP; a broadcast needs neither. A switch passes a group's frames to all, and the hosts that have not joined ignore them")
}

// runLossy has many messages said where frames are lost.
func runLossy(r *Run, c wire.Config) {
	n, all := int64(r.Hosts), int64(r.Hosts*r.Messages)
	c.Way.Loss = r.Way.Loss
	r.sparse = true
	var l *Lane
	s := r.speech("udp lossy", fmt.Sprintf("broadcast, %s lost", percent(r.Way.Loss)), c, r.Hosts, r.Messages, func(at *Lane) sent {
		l = at
		return at.announce(everybody, r.Hosts, r.Messages)
	})
	missed := all - s.heard
	// What people miss is what the cables lost, and nobody tells anybody.
	r.check("missed.lossy_broadcast", missed, l.copies(func(f *frame, c wire.Copy) bool { return c.Fate == wire.Dropped && c.To != l.B.wire }))
	r.seeded("missed_in_all.lossy_broadcast", missed, 26, 1, all/10)
	r.check("frames.lossy_broadcast", s.after, int64(r.Messages))
	s = r.speech("tcp lossy", fmt.Sprintf("by the server, %s lost", percent(r.Way.Loss)), c, r.Hosts, r.Messages, func(l *Lane) sent { return l.relayed(r.Hosts, r.Messages) })
	r.check("missed.lossy_server", all-s.heard, 0)
	r.sparse = false
	r.note("with %s of the frames lost, each broadcast was missed by %.1f of %d people, and nobody knows: a broadcast has no acknowledgement. By the server all came", percent(r.Way.Loss), float64(missed)/float64(r.Messages), n)
}

// runBroadcastReal is what this machine's way to itself can show.
func runBroadcastReal(r *Run) {
	c := r.config()
	s := r.speech("tcp", "by the server", c, r.Hosts, 1, func(l *Lane) sent { return l.relayed(r.Hosts, 1) })
	r.check("heard.server", s.heard, int64(r.Hosts))
	r.check("writes.server", s.sends, int64(r.Hosts+1))
	s = r.speech("udp", "broadcast", c, r.Hosts, 1, func(l *Lane) sent { return l.announceReal(r.Hosts) })
	r.between("heard.broadcast", s.heard, 0, int64(r.Hosts))
	r.note("a machine's way to itself need not know broadcasts: one to 127.255.255.255 was heard by %d of %d here, and may be by all or by nobody elsewhere. Frames are not counted, a group is not joined and nobody is kept apart: that is for the virtual LAN", s.heard, r.Hosts)
}

// crowds are how many listen, in one lane after the other.
func crowds(most int) (all []int) {
	for _, n := range []int{3, 10} {
		if n < most {
			all = append(all, n)
		}
	}
	return append(all, most)
}

// sent is what messages took: calls to send them, frames until they were there
// and before that, and how many were heard.
type sent struct{ sends, after, before, heard int64 }

// speech is a lane, named by what carries it, in which A speaks to some listeners.
func (r *Run) speech(name, way string, c wire.Config, listeners, messages int, f func(l *Lane) sent) (s sent) {
	hosts := []string{"A", "B"}
	for i := range listeners {
		hosts = append(hosts, fmt.Sprint("m", i+1))
	}
	what := name[:3] // udp or tcp
	r.laneOf(hosts, name, what, c, numbered, func(l *Lane) {
		l.heard = hosts[2:]
		if way == "group" {
			l.heard = nil
			for i := 2; i < len(hosts); i += everyThird {
				l.heard = append(l.heard, hosts[i])
			}
		}
		s = f(l)
		for _, a := range l.got {
			s.heard += int64(min(a.copies, 1))
		}
	})
	frames := func(n int64) any {
		if r.real {
			return "not seen"
		}
		return n
	}
	r.row("broadcast", way, listeners, s.sends, frames(s.after/int64(messages)), frames(s.before), fmt.Sprintf("%d of %d", s.heard, listeners*messages))
	return s
}

// hears notes that a listener's program has a message, and shows it.
func (l *Lane) hears(h *Host, data []byte) {
	for _, msg := range numbered(data, false, 0) {
		l.heardBy(h, msg)
		l.line(Line{K: "show", T: l.Now(), Host: h.name, Msgs: []int{msg}, Text: says(msg)})
	}
}

// speak has A send messages.
func (l *Lane) speak(messages int, send func(p []byte) (int, error)) {
	for i := range messages {
		if i > 0 {
			time.Sleep(speakEvery)
		}
		l.said(i + 1)
		send(message(i + 1))
	}
	wait := time.Second
	if l.LAN != nil && messages > 1 {
		wait = patience
	}
	time.Sleep(wait + 4*l.run.Way.Delay)
}

// announce has A send datagrams to an address that many hear.
func (l *Lane) announce(to string, listeners, messages int) (s sent) {
	var hearing sync.WaitGroup
	var open []net.PacketConn
	for i, h := range l.hosts[2 : 2+listeners] {
		c, err := h.Packet(fmt.Sprint(":", listenersPort))
		if err != nil {
			break
		}
		if j, ok := c.PacketConn.(interface{ Join(netip.Addr) error }); ok && to == group && i%everyThird == 0 {
			j.Join(netip.MustParseAddr(group))
		}
		open = append(open, c)
		hearing.Go(func() { l.listenTo(h, c) })
	}
	if from, err := l.A.Packet(":5001"); err == nil {
		s.before = int64(l.frames())
		l.speak(messages, func(p []byte) (int, error) {
			s.sends++
			return from.WriteTo(p, &net.UDPAddr{IP: net.ParseIP(to), Port: listenersPort})
		})
		s.after = int64(l.frames()) - s.before
		from.Close()
	}
	for _, c := range open {
		c.Close()
	}
	hearing.Wait()
	return s
}

// listenTo hears datagrams until the socket is closed.
func (l *Lane) listenTo(h *Host, c net.PacketConn) {
	buf := make([]byte, 2048)
	for {
		n, _, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		l.hears(h, buf[:n])
	}
}

// announceReal is announce on this machine's way to itself.
func (l *Lane) announceReal(listeners int) (s sent) {
	var hearing sync.WaitGroup
	var open []net.PacketConn
	free, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return s
	}
	port := free.LocalAddr().(*net.UDPAddr).Port
	free.Close() // all of the listeners have to ask for it to be shared
	for _, h := range l.hosts[2 : 2+listeners] {
		c, err := discovery.System().ListenPacket(context.Background(), "udp4", fmt.Sprint("0.0.0.0:", port))
		if err != nil {
			break
		}
		open = append(open, c)
		hearing.Go(func() { l.listenTo(h, &PacketConn{PacketConn: c, host: h}) })
	}
	if from, err := net.ListenPacket("udp4", "127.0.0.1:0"); err == nil {
		out := &PacketConn{PacketConn: from, host: l.A}
		l.speak(1, func(p []byte) (int, error) {
			s.sends++
			return out.WriteTo(p, &net.UDPAddr{IP: net.IPv4(127, 255, 255, 255), Port: port})
		})
		from.Close()
	}
	for _, c := range open {
		c.Close()
	}
	hearing.Wait()
	return s
}

// relayed has A, and all who listen, connect to B by TCP, A speak to B, and B say
// it to each of the others.
func (l *Lane) relayed(listeners, messages int) (s sent) {
	ln, err := l.B.Listen(":7")
	if err != nil {
		return s
	}
	var near, far []*Conn // their ends, and B's; A's are the first
	for _, h := range slices.Concat(l.hosts[:1], l.hosts[2:2+listeners]) {
		c, err := h.Dial("tcp", "B:7")
		if err != nil {
			break
		}
		near = append(near, c)
		d, err := ln.acceptSoon()
		if err != nil {
			break
		}
		far = append(far, d)
	}
	if len(far) == listeners+1 {
		s = l.passOn(near, far, messages)
	}
	for _, c := range near {
		c.Close()
	}
	time.Sleep(100 * time.Millisecond)
	for _, c := range far {
		c.Close()
	}
	ln.Close()
	return s
}

// passOn has A speak, B pass it on, and the others listen. It leaves the
// connections open.
func (l *Lane) passOn(near, far []*Conn, messages int) (s sent) {
	var working sync.WaitGroup
	working.Go(func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := far[0].Read(buf)
			if err != nil {
				return
			}
			for _, c := range far[1:] {
				c.Write(buf[:n])
				s.sends++
			}
		}
	})
	for _, c := range near[1:] {
		working.Go(func() {
			buf := make([]byte, messageSize)
			for {
				n, err := io.ReadFull(c, buf)
				if err != nil {
					return
				}
				l.hears(c.host, buf[:n])
			}
		})
	}
	time.Sleep(time.Second)
	s.before = int64(l.frames())
	l.speak(messages, near[0].Write)
	s.after = int64(l.frames()) - s.before
	for _, c := range slices.Concat(near, far) {
		c.SetReadDeadline(time.Now())
	}
	working.Wait()
	s.sends += int64(messages)
	return s
}

// isolate has the switch keep hosts apart.
func (l *Lane) isolate(hosts []*Host) {
	var all []*wireHost
	for _, h := range hosts {
		all = append(all, h.wire)
	}
	l.LAN.Isolate(all...)
}
