package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/discovery"
	"parley/room"
	"parley/text"
	"parley/transport"
)

const (
	// findLimit is how long a room may take to be found by name. Queries go
	// out at once, after 100 and after 300 ms, and answers within 50 ms, so
	// this allows for several lost ones.
	findLimit = 3 * time.Second
	// sameNameWait is how long a second room of the same name may take to
	// show up after the first. Its host may have missed the first query, as
	// happens to broadcasts by radio; the second is sent after 100 ms, and the
	// answers come within 50 ms.
	sameNameWait = 150 * time.Millisecond
	// knownWait is how long a room that is remembered may take to show up
	// after another of its name: three queries and their answers. It must not
	// seem to have another key because somebody was quicker.
	knownWait = 500 * time.Millisecond
	// betterWait is how long a room is held back whose address nobody can
	// type, for a better one to be heard: the first query waits up to 20 ms
	// and its answers up to 50 ms, and a beacon may have come before both.
	betterWait = 80 * time.Millisecond
	// lookupLimit bounds the search for a host's name: without the internet a
	// name server that is set and not there can take half a minute.
	lookupLimit = 2 * time.Second
)

var errNoNames = errors.New("this network has no names")

// Rooms tells of every room that is heard on the network until ctx ends, and
// again when it changes or vanishes.
func (n *Node) Rooms(ctx context.Context, heard func(room.Listing)) error {
	n.start()
	if err := n.checkBind(); err != nil {
		return err
	}
	pins, err := n.pins()
	if err != nil { // to look around one need not trust anybody
		n.warn(err.Error())
	}
	marked := func(l room.Listing) {
		l.Pin = n.mark(pins, l)
		heard(l)
	}
	h := holder{heard: marked, held: make(map[transport.Key]*time.Timer)}
	defer h.close()
	return n.browse(ctx, h.hear)
}

// holder passes sightings on, but those known by IPv6 or loopback alone a little
// later: the same answer is often on its way by an address that people can type,
// and on other computers too.
type holder struct {
	heard func(room.Listing)

	mu     sync.Mutex
	held   map[transport.Key]*time.Timer // nil: passed on before
	closed bool
}

func (h *holder) hear(s discovery.Sighting) {
	h.mu.Lock()
	defer h.mu.Unlock()
	timer, known := h.held[s.Key]
	if timer != nil {
		timer.Stop()
	}
	poor := len(s.Addrs) > 0 && (s.Addrs[0].Is6() || s.Addrs[0].IsLoopback())
	if poor && !s.Gone && (!known || timer != nil) {
		h.held[s.Key] = time.AfterFunc(betterWait, func() { h.pass(s) })
		return
	}
	if h.held[s.Key] = nil; s.Gone {
		delete(h.held, s.Key)
		if timer != nil {
			return // it came and went
		}
	}
	h.heard(listing(s))
}

// pass passes on what was held for long enough.
func (h *holder) pass(s discovery.Sighting) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed && h.held[s.Key] != nil {
		h.held[s.Key] = nil
		h.heard(listing(s))
	}
}

// close ends what is held.
func (h *holder) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, t := range h.held {
		if t != nil {
			t.Stop()
		}
	}
}

// browse looks for rooms until ctx ends. What no room can be called is not
// shown to anybody: it could only be there to pass for another.
func (n *Node) browse(ctx context.Context, heard func(discovery.Sighting)) error {
	if n.NoDiscovery {
		<-ctx.Done()
		return nil
	}
	return n.discovery().Browse(ctx, func(s discovery.Sighting) {
		if name, err := text.RoomName(s.Name); err == nil && name == s.Name {
			heard(s)
		}
	})
}

func (n *Node) discovery() *discovery.Service {
	s := &discovery.Service{Net: n.net.Discovery(), Port: n.discoveryPort(), Warn: n.aside, Debug: func(text string) { n.log.Debug(text) }}
	// Rooms of a port of their own are not to be found by everybody, and machines in
	// memory have no multicast DNS.
	s.DNSSD = n.Net == nil && s.Port == discovery.DefaultPort && !n.NoDiscovery
	for _, p := range n.Peers {
		if p.Port() == 0 {
			p = netip.AddrPortFrom(p.Addr(), s.Port)
		}
		s.Peers = append(s.Peers, p)
	}
	if n.Iface != "" {
		s.Ifaces = []string{n.Iface}
	}
	return s
}

// listing is a sighting as front ends know it.
func listing(s discovery.Sighting) room.Listing {
	l := room.Listing{Room: s.Name, Key: s.Key, UDP: s.UDP, TCP: s.TCP, Members: s.Members, Secure: s.Secure,
		Password: s.Password, Guests: s.Guests, Seen: s.At, Gone: s.Gone}
	if len(s.Addrs) > 0 {
		l.Addr = s.Addrs[0]
	}
	return l
}

// place is where a room is.
type place struct {
	Target
	via       []target // nearest first
	strangers bool     // other rooms are called the same
}

// find finds what a target names. Of several rooms of a name, the one whose key
// is remembered is meant.
func (n *Node) find(ctx context.Context, t Target, g *guard) (place, error) {
	if err := g.downgrade(place{Target: t}); err != nil {
		return place{}, err
	}
	if t.Host != "" {
		return n.findHost(ctx, t)
	}
	found, there, err := n.findRoom(ctx, t.Room, g)
	if err != nil {
		return place{}, err
	}
	known := slices.DeleteFunc(slices.Clone(found), func(s discovery.Sighting) bool { return !g.knows(s) })
	switch {
	case len(known) == 1:
		p := placeOf(known[0])
		p.strangers = len(found) > 1
		return p, nil
	case len(found) > 1:
		return place{}, n.ambiguous(t.Room, found, g)
	case len(found) == 1:
		s := found[0]
		if s.Secure == n.Plaintext {
			return place{}, g.otherMode(s)
		}
		if err := g.admit(s.Name, s.Key); s.Secure && err != nil {
			return place{}, err
		}
		return placeOf(s), nil
	}
	if p, err := n.findHost(ctx, Target{Host: t.Room}); err == nil {
		if len(of(g.pins, t.Room)) == 0 { // else the room is meant, and names of computers are easily taken
			g.asked = ""
		}
		return p, nil
	} else if ctx.Err() != nil {
		return place{}, ctx.Err()
	}
	return place{}, n.notFound(t.Room, there, g)
}

func placeOf(s discovery.Sighting) place {
	p := place{Target: Target{Room: s.Name}}
	if s.Secure { // in plaintext nobody proves a key
		p.Key = s.Key
	}
	for _, a := range s.Addrs {
		p.via = append(p.via, target{a, s.UDP, s.TCP})
	}
	p.via = sortTargets(p.via)
	return p
}

// findHost finds the addresses of a host that was named.
func (n *Node) findHost(ctx context.Context, t Target) (place, error) {
	p := place{Target: t}
	port := t.Port
	if port == 0 {
		port = n.Port
	}
	if port == 0 {
		port = Port
	}
	addrs := []netip.Addr{{}}
	var err error
	if addrs[0], err = netip.ParseAddr(t.Host); err != nil {
		if addrs, err = n.lookup(ctx, t.Host); err != nil {
			if ctx.Err() != nil {
				return p, ctx.Err()
			}
			return p, &Error{Code: CodeNotFound, Text: fmt.Sprintf("no computer called %s is known here", t.Host),
				Hint: "give its address instead: parley join ADDRESS[:PORT]", Err: err}
		}
	}
	for _, a := range addrs {
		p.via = append(p.via, target{a, port, port})
	}
	p.via = sortTargets(p.via)
	return p, nil
}

func (n *Node) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupLimit)
	defer cancel()
	r, ok := n.net.(Resolver)
	if !ok {
		return nil, errNoNames
	}
	addrs, err := r.LookupNetIP(ctx, "ip", host)
	if err == nil && len(addrs) == 0 {
		err = errNoNames
	}
	return addrs, err
}

// findRoom looks for the rooms called name, and returns all others that it
// came across, too. More than one have that name if several hosts chose it.
func (n *Node) findRoom(ctx context.Context, name string, g *guard) (found, there []discovery.Sighting, err error) {
	ctx, cancel := context.WithTimeout(ctx, findLimit)
	defer cancel()
	key := text.RoomKey(name)
	var enough *time.Timer
	all, err := n.collect(ctx, func(s discovery.Sighting) {
		switch {
		case text.RoomKey(s.Name) != key:
		case enough == nil && len(of(g.pins, name)) > 0 && !g.knows(s):
			enough = time.AfterFunc(knownWait, cancel)
		case enough == nil:
			enough = time.AfterFunc(sameNameWait, cancel)
		}
	})
	if enough != nil {
		enough.Stop()
	}
	for _, s := range all {
		if text.RoomKey(s.Name) == key {
			found = append(found, s)
		}
	}
	if len(found) == 0 && errors.Is(ctx.Err(), context.Canceled) {
		return nil, nil, ctx.Err()
	}
	return found, all, err
}

// findKey looks for the room with a key, wherever it may be now.
func (n *Node) findKey(ctx context.Context, key transport.Key) (place, bool) {
	ctx, cancel := context.WithTimeout(ctx, findLimit)
	defer cancel()
	all, _ := n.collect(ctx, func(s discovery.Sighting) {
		if s.Key == key {
			cancel()
		}
	})
	for _, s := range all {
		if s.Key == key && s.Secure {
			return placeOf(s), true
		}
	}
	return place{}, false
}

// collect browses until ctx ends, calls heard with each room, and returns
// those that are there in the end, by name.
func (n *Node) collect(ctx context.Context, heard func(discovery.Sighting)) ([]discovery.Sighting, error) {
	var lock sync.Mutex
	rooms := make(map[transport.Key]discovery.Sighting)
	err := n.browse(ctx, func(s discovery.Sighting) {
		lock.Lock()
		defer lock.Unlock()
		if s.Gone {
			delete(rooms, s.Key)
			return
		}
		rooms[s.Key] = s
		heard(s)
	})
	all := make([]discovery.Sighting, 0, len(rooms))
	for _, s := range rooms {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b discovery.Sighting) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(string(a.Key[:]), string(b.Key[:]))
	})
	return all, err
}

func (n *Node) notFound(name string, there []discovery.Sighting, g *guard) error {
	e := &Error{Code: CodeNotFound, Text: fmt.Sprintf("no room called %s is announced on this network", name)}
	for _, s := range there {
		e.Choices = append(e.Choices, n.marked(s, g.pins))
	}
	e.Hint = "if you know where it is hosted, give the address: parley join HOST[:PORT]"
	if n.NoDiscovery {
		e.Text = fmt.Sprintf("%s is not an address, and --no-discovery forbids looking for a room of that name", name)
	}
	return e
}

func (n *Node) ambiguous(name string, found []discovery.Sighting, g *guard) error {
	e := &Error{Code: CodeAmbiguous, Text: fmt.Sprintf("%d rooms are called %s", len(found), name),
		Hint: "say which one, by its address"}
	for _, s := range found {
		e.Choices = append(e.Choices, n.marked(s, g.pins))
	}
	return e
}

// wrongMode is the error for a host or room that is encrypted and we are not, or
// the reverse.
func (n *Node) wrongMode(who string) error {
	if n.Plaintext {
		return &Error{Code: CodeMode, Text: who + " is encrypted, and you asked for plaintext", Hint: "leave out --plaintext"}
	}
	return &Error{Code: CodeMode, Text: who + " is in plaintext: anyone on the network can read and forge what is said there",
		Hint: "if that is what you want, add --plaintext"}
}
