package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/discovery"
	"parley/room"
	"parley/transport"
	"parley/transport/transporttest"
)

func using(via Transport) func(*Node) { return func(n *Node) { n.Transport = via } }
func plaintext(n *Node)               { n.Plaintext = true }

// Members on both carriers and the host's own seat: one room, one order.
func TestOneRoomOnBothCarriers(t *testing.T) {
	inBubble(t, func(w *world) {
		h := w.open(w.node("10.0.0.1"), "physics")
		own, err := h.Sit(w.Context(), room.JoinOptions{Nick: "ana"})
		if err != nil {
			w.Fatal(err)
		}
		people := []*seated{w.watch(own)}
		for i, via := range []Transport{UDP, TCP, Auto, TCP} {
			p := w.join(w.node(fmt.Sprintf("10.0.0.%d", i+2), using(via)), "10.0.0.1", fmt.Sprintf("p%d", i))
			want := string(via)
			if via == Auto {
				want = "udp"
			}
			if got := p.Ready().Transport; got != want {
				t.Errorf("asked for %s, got %s", via, got)
			}
			people = append(people, p)
		}
		const each = 20
		for n := range each {
			for i, p := range people {
				p.says(fmt.Sprintf("%d from %d", n, i))
			}
		}
		for _, p := range people {
			p.await("the last", func(e room.Event) bool {
				return e.Type == room.Message && len(p.said()) == each*len(people)
			})
			if !slices.Equal(p.said(), people[0].said()) {
				t.Errorf("%s and the host saw different orders", p.Nick())
			}
		}
	})
}

func TestAutoTakesStreamsWhereDatagramsAreCut(t *testing.T) {
	inBubble(t, func(w *world) {
		w.open(w.node("10.0.0.1", using(TCP)), "physics") // whose datagrams nobody answers
		n := w.node("10.0.0.2")
		start := time.Now()
		p := w.join(n, "10.0.0.1", "ben")
		if took := time.Since(start); p.Ready().Transport != "tcp" || took < streamDelay || took > time.Second {
			t.Errorf("by %s after %v", p.Ready().Transport, took)
		}
		start = time.Now()
		p = w.join(n, "10.0.0.1", "ben2")
		if took := time.Since(start); p.Ready().Transport != "tcp" || took > streamDelay {
			t.Errorf("the second time by %s after %v", p.Ready().Transport, took)
		}
	})
}

func TestForcedCarrier(t *testing.T) {
	inBubble(t, func(w *world) {
		w.open(w.node("10.0.0.1", using(UDP)), "physics")
		if p := w.join(w.node("10.0.0.2"), "physics", "ben"); p.Ready().Transport != "udp" {
			t.Errorf("by %s", p.Ready().Transport)
		}
		_, err := w.node("10.0.0.3", using(TCP)).Join(w.Context(), "physics", room.JoinOptions{Nick: "cyn"})
		wantCode(t, err, CodeUnreachable, "tcp")
		if w.lan.Counts().Stream != 0 {
			t.Errorf("%d bytes went over streams", w.lan.Counts().Stream)
		}
	})
}

func TestRoomsAreFoundByName(t *testing.T) {
	inBubble(t, func(w *world) {
		w.open(w.node("10.0.0.1"), "physics", "Maths")
		n := w.node("10.0.0.2")
		for _, target := range []string{"physics", "maths", "#physics", "10.0.0.1/Maths", "10.0.0.1:7667/maths"} {
			start := time.Now()
			p := w.join(n, target, "ben-"+fmt.Sprint(start.UnixMilli()%1000))
			if want := strings.ToLower(target[strings.LastIndexAny(target, "/#")+1:]); !strings.EqualFold(p.Ready().Room, want) {
				t.Errorf("%s led to %s", target, p.Ready().Room)
			}
			if took := time.Since(start); took > 500*time.Millisecond {
				t.Errorf("%s took %v", target, took)
			}
		}
	})
}

func TestWhichRoom(t *testing.T) {
	inBubble(t, func(w *world) {
		w.open(w.node("10.0.0.1"), "physics", "maths")
		_, err := w.node("10.0.0.2").Join(w.Context(), "10.0.0.1", room.JoinOptions{Nick: "ben"})
		var refused *room.Refused
		if !errors.As(err, &refused) || refused.Code != "which_room" || !slices.Equal(refused.Rooms, []string{"physics", "maths"}) {
			t.Errorf("no room named: %#v", err)
		}
		_, err = w.node("10.0.0.3").Join(w.Context(), "10.0.0.1/chess", room.JoinOptions{Nick: "ben"})
		if !errors.As(err, &refused) || refused.Code != "no_room" {
			t.Errorf("no such room: %#v", err)
		}
	})
}

func TestTwoRoomsOfOneName(t *testing.T) {
	inBubble(t, func(w *world) {
		w.open(w.node("10.0.0.1"), "physics")
		w.open(w.node("10.0.0.2"), "Physics")
		_, err := w.node("10.0.0.3").Join(w.Context(), "physics", room.JoinOptions{Nick: "ben"})
		e := wantCode(t, err, CodeAmbiguous, "2 rooms")
		if len(e.Choices) != 2 || e.Choices[0].Key == e.Choices[1].Key || e.Choices[0].Addr == e.Choices[1].Addr {
			t.Errorf("the choices: %+v", e.Choices)
		}
	})
}

func TestNotFound(t *testing.T) {
	inBubble(t, func(w *world) {
		w.open(w.node("10.0.0.1"), "physics")
		start := time.Now()
		_, err := w.node("10.0.0.2").Join(w.Context(), "chess", room.JoinOptions{Nick: "ben"})
		e := wantCode(t, err, CodeNotFound, "chess")
		if took := time.Since(start); len(e.Choices) != 1 || e.Choices[0].Room != "physics" || took < findLimit || took > findLimit+lookupLimit {
			t.Errorf("after %v, with %+v", took, e.Choices)
		}
		start = time.Now()
		_, err = w.node("10.0.0.3").Join(w.Context(), "10.0.0.99", room.JoinOptions{Nick: "ben"})
		wantCode(t, err, CodeUnreachable, "10.0.0.99:7667")
		if took := time.Since(start); took != dialLimit {
			t.Errorf("nobody there, after %v", took)
		}
		_, err = w.node("10.0.0.4").Join(w.Context(), "a/b/c", room.JoinOptions{Nick: "ben"})
		wantCode(t, err, CodeTarget, "'/'")
	})
}

func TestModesDoNotMix(t *testing.T) {
	inBubble(t, func(w *world) {
		w.open(w.node("10.0.0.1"), "secret")
		w.open(w.node("10.0.0.2", plaintext), "open")
		for i, c := range []struct {
			target string
			change func(*Node)
			hint   string
		}{
			{"open", using(Auto), "add --plaintext"},
			{"secret", plaintext, "leave out --plaintext"},
			{"10.0.0.2", using(UDP), "add --plaintext"},
			{"10.0.0.1", func(n *Node) { n.Plaintext, n.Transport = true, UDP }, "leave out --plaintext"},
			{"10.0.0.2", using(TCP), "add --plaintext"},
			{"10.0.0.1", func(n *Node) { n.Plaintext, n.Transport = true, TCP }, "leave out --plaintext"},
		} {
			start := time.Now()
			_, err := w.node(fmt.Sprintf("10.0.0.%d", i+3), c.change).Join(w.Context(), c.target, room.JoinOptions{Nick: "ben"})
			if e := wantCode(t, err, CodeMode, ""); e != nil && !strings.Contains(e.Hint, c.hint) {
				t.Errorf("%s: hint %q, want %q", c.target, e.Hint, c.hint)
			}
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("%s: it took %v to say so", c.target, took)
			}
		}
		p, q := w.join(w.node("10.0.0.20", plaintext), "open", "ben"), w.join(w.node("10.0.0.21", plaintext, func(n *Node) { n.Transport = TCP }), "10.0.0.2", "cyn")
		p.says("in clear")
		q.hears("in clear")
	})
}

func TestLinkHoldsTheRoomsKey(t *testing.T) {
	inBubble(t, func(w *world) {
		h := w.open(w.node("10.0.0.1"), "physics")
		link := h.Ready().Invite
		w.join(w.node("10.0.0.2"), link, "ben")
		forged := strings.Replace(link, "#"+h.Ready().Key.String(), "#"+(transport.Key{1}).String(), 1)
		_, err := w.node("10.0.0.3").Join(w.Context(), forged, room.JoinOptions{Nick: "cyn"})
		wantCode(t, err, CodeKey, h.Ready().Key.String())
		_, err = w.node("10.0.0.4", plaintext).Join(w.Context(), link, room.JoinOptions{Nick: "cyn"})
		wantCode(t, err, CodeMode, "")
	})
}

// The host comes back at another address with the room's key: members that
// found it by name find it again.
func TestMemberFollowsARoomThatMoves(t *testing.T) {
	inBubble(t, func(w *world) {
		key, _ := transport.NewIdentity()
		keep := func(n *Node) {
			n.RoomKey = func(string) (transport.Identity, func(), error) { return key, nil, nil }
		}
		first := w.node("10.0.0.1", keep)
		w.open(first, "physics")
		p := w.join(w.node("10.0.0.2"), "physics", "ben")
		first.Net.(machine).Kill()
		first.Close()
		second := w.node("10.0.0.9", keep, func(n *Node) { n.Port, n.PortExplicit = 7700, true })
		h := w.open(second, "physics")
		own, err := h.Sit(w.Context(), room.JoinOptions{Nick: "ana"})
		if err != nil {
			w.Fatal(err)
		}
		ana := w.watch(own)
		p.says("found you")
		ana.hears("found you")
	})
}

func TestNextFreePort(t *testing.T) {
	inBubble(t, func(w *world) {
		n := w.node("10.0.0.1")
		second := &Node{Net: n.Net}
		third := &Node{Net: n.Net, Port: Port, PortExplicit: true}
		w.nodes = append(w.nodes, second, third)
		w.open(n, "physics")
		h := w.open(second, "maths")
		if at := h.Addrs()[0]; at.Port() != Port+2 { // Port+1 is discovery's
			t.Errorf("the second host is at %v", at)
		}
		p := w.join(w.node("10.0.0.2"), "maths", "ben")
		if p.Ready().Room != "maths" {
			t.Errorf("joined %s", p.Ready().Room)
		}
		_, err := third.Open(w.Context(), room.HostOptions{Rooms: []string{"chess"}})
		wantCode(t, err, CodePort, "7667")
	})
}

// A room is listed once, by the address that people can type, whichever
// family's answer came first; when it has gone, that is told.
func TestRoomsAreListed(t *testing.T) {
	for seed := range uint64(20) {
		inBubble(t, func(w *world) {
			w.lan = transporttest.NewLAN(seed, transporttest.Link{Delay: time.Millisecond, Jitter: 3 * time.Millisecond})
			h := w.open(w.node("10.0.0.1"), "physics")
			ctx, cancel := context.WithCancel(w.Context())
			defer cancel()
			var heard []room.Listing
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				w.node("10.0.0.2").Rooms(ctx, func(l room.Listing) {
					heard = append(heard, l)
					if l.Gone {
						cancel()
					}
				})
			}()
			time.Sleep(300 * time.Millisecond) // of virtual time: a room on an idle LAN is listed by then
			synctest.Wait()
			if len(heard) == 0 || heard[0].Addr.String() != "10.0.0.1" || heard[0].UDP != Port || heard[0].TCP != Port || heard[0].Room != "physics" {
				t.Errorf("seed %d: heard %+v", seed, heard)
			}
			start := time.Now()
			h.Close()
			<-gone
			if took := time.Since(start); took > 1500*time.Millisecond {
				t.Errorf("seed %d: gone after %v", seed, took)
			}
		})
	}
}

// A name that no room can have is somebody's attempt to pass for another.
func TestRoomsThatCannotBe(t *testing.T) {
	inBubble(t, func(w *world) {
		ctx, cancel := context.WithTimeout(w.Context(), 2*time.Second)
		defer cancel()
		n := w.node("10.0.0.1")
		n.start()
		var rooms []discovery.Room
		for _, name := range []string{"ph\u200bysics", "physics", "\ufeffphysics", "a\u202eb"} {
			_, key, _ := ed25519.GenerateKey(nil)
			rooms = append(rooms, discovery.Room{Name: name, UDP: Port, TCP: Port, Secure: true, Signer: key})
		}
		n.later(func() { n.discovery().Announce(ctx, func() []discovery.Room { return rooms }) })
		var heard []string
		w.node("10.0.0.2").Rooms(ctx, func(l room.Listing) { heard = append(heard, l.Room) })
		if slices.Sort(heard); !slices.Equal(slices.Compact(heard), []string{"physics"}) {
			t.Errorf("heard %q", heard)
		}
	})
}

func TestHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		h := holder{heard: func(l room.Listing) { got = append(got, fmt.Sprintf("%s %s %v", l.Room, l.Addr, l.Gone)) }, held: make(map[transport.Key]*time.Timer)}
		see := func(name, addr string, gone bool) {
			h.hear(discovery.Sighting{Name: name, Key: transport.Key{name[0]}, Addrs: []netip.Addr{netip.MustParseAddr(addr)}, Gone: gone})
		}
		see("a", "fe80::1", false)
		see("b", "fe80::2", false)
		see("c", "10.0.0.3", false)
		see("d", "fe80::4", false)
		time.Sleep(betterWait / 2)
		see("a", "10.0.0.1", false)
		see("d", "fe80::4", true) // nobody had heard of it
		time.Sleep(betterWait)
		see("b", "fe80::22", false) // known by now
		see("b", "fe80::22", true)
		see("e", "fe80::5", false)
		h.close()
		time.Sleep(betterWait)
		want := []string{"c 10.0.0.3 false", "a 10.0.0.1 false", "b fe80::2 false", "b fe80::22 false", "b fe80::22 true"}
		if !slices.Equal(got, want) {
			t.Errorf("heard %v, want %v", got, want)
		}
	})
}

func TestRoomsToHostAreChecked(t *testing.T) {
	inBubble(t, func(w *world) {
		n := w.node("10.0.0.1")
		for _, rooms := range [][]string{nil, {"a/b"}, {"a b"}, {""}, {"x", "X"}, {strings.Repeat("x", 64)}, make([]string, maxRooms+1)} {
			_, err := n.Open(w.Context(), room.HostOptions{Rooms: rooms})
			wantCode(t, err, CodeTarget, "")
		}
	})
}

// Those who connect and say nothing are shown out, and do not keep others out.
func TestSilentConnections(t *testing.T) {
	inBubble(t, func(w *world) {
		h := w.open(w.node("10.0.0.1"), "physics")
		n := w.node("10.0.0.2")
		n.start()
		var silent []transport.Conn
		for range maxWaitingFrom {
			c, err := n.reach(w.Context(), []target{{h.Addrs()[0].Addr(), Port, Port}}, false)
			if err != nil {
				w.Fatal(err)
			}
			silent = append(silent, c)
		}
		w.join(w.node("10.0.0.3"), "10.0.0.1", "ben")
		start := time.Now()
		for _, c := range silent {
			if _, err := c.Receive(w.Context()); err == nil {
				t.Error("a silent connection was sent something")
			}
			c.Close()
		}
		if took := time.Since(start); took > joinLimit+time.Second {
			t.Errorf("shown out after %v", took)
		}
	})
}

// When those who are silent are as many as there may be, the newcomer is let in
// and the oldest of them has to go: of the same computer, or of all.
func TestSilentCrowd(t *testing.T) {
	inBubble(t, func(w *world) {
		h := w.open(w.node("10.0.0.1"), "physics")
		var silent []transport.Conn
		call := func(n *Node) {
			c, err := n.reach(w.Context(), []target{{h.Addrs()[0].Addr(), Port, Port}}, false)
			if err != nil {
				w.Fatal(err)
			}
			silent = append(silent, c)
		}
		n := w.node("10.0.0.2")
		n.start()
		for range 2 * maxWaitingFrom {
			call(n)
		}
		w.join(n, "10.0.0.1", "ben")
		for i := range maxWaiting / maxWaitingFrom {
			n := w.node(fmt.Sprint("10.0.0.", 100+i))
			n.start()
			for range maxWaitingFrom {
				call(n)
			}
		}
		start := time.Now()
		w.join(w.node("10.0.0.3"), "10.0.0.1", "cyn")
		if took := time.Since(start); took > joinLimit/2 {
			t.Errorf("it took %v to join", took)
		}
		for _, c := range silent {
			c.Close()
		}
	})
}

// A host with as many seats as it can serve takes no more, but its own people,
// and takes the next when one has gone.
func TestHostIsFull(t *testing.T) {
	inBubble(t, func(w *world) {
		h := w.open(w.node("10.0.0.1"), "physics")
		ben := w.join(w.node("10.0.0.2"), "10.0.0.1", "ben")
		h.mu.Lock()
		others := maxSeats - h.seated
		h.seated += others
		h.mu.Unlock()
		_, err := w.node("10.0.0.3").Join(w.Context(), "10.0.0.1", room.JoinOptions{Nick: "cyn"})
		var r *room.Refused
		if !errors.As(err, &r) || r.Code != "full" {
			t.Errorf("the next: %v", err)
		}
		own, err := h.Sit(w.Context(), room.JoinOptions{Nick: "ana"})
		if err != nil {
			w.Fatalf("the host's own: %v", err)
		}
		w.watch(own)
		ben.Leave(w.Context(), "")
		h.mu.Lock()
		h.seated -= 1 // the host's own counts, too
		h.mu.Unlock()
		w.join(w.node("10.0.0.4"), "10.0.0.1", "dan")
		h.mu.Lock()
		h.seated -= others - 1
		h.mu.Unlock()
	})
}

// Among those who wait, the one has to go whose source has the most.
func TestWaitingIsShared(t *testing.T) {
	var h Hosting
	call := func(addr string) (c, gone transport.Conn) {
		c, _ = transport.Pipe(transport.Peer{}, transport.Peer{Addr: netip.AddrPortFrom(netip.MustParseAddr(addr), 1)})
		return c, h.enter(c)
	}
	honest, _ := call("10.0.0.1")
	var first transport.Conn
	for i := range maxWaitingFrom {
		c, gone := call(fmt.Sprintf("2001:db8::%x", i+1))
		if first == nil {
			first = c
		}
		if gone != nil {
			t.Fatal("somebody has to go too soon")
		}
	}
	if _, gone := call("2001:db8::ffff"); gone != first {
		t.Error("a source with its share drives out another's, or none")
	}
	for i := range 10 * maxWaiting {
		if _, gone := call(fmt.Sprint("10.0.1.", i%100)); gone == honest {
			t.Fatal("the only one of its source had to go")
		}
	}
	if n := len(h.waiting); n != maxWaiting {
		t.Errorf("%d wait, want %d", n, maxWaiting)
	}
}

// A lossy start: whatever carrier wins, the room is joined.
func TestJoinOverABadNetwork(t *testing.T) {
	for seed := range uint64(10) {
		inBubble(t, func(w *world) {
			w.lan = transporttest.NewLAN(seed, transporttest.Link{Loss: 0.3, Dup: 0.2, Delay: time.Millisecond, Jitter: 2 * time.Millisecond})
			w.open(w.node("10.0.0.1"), "physics")
			p := w.join(w.node("10.0.0.2"), "10.0.0.1", "ben")
			p.says("through")
			p.hears("through")
		})
	}
}

// wantCode checks that err is an *Error with a code, and that it names what.
func wantCode(t *testing.T, err error, code, what string) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Text, what) {
		t.Errorf("error %v (%T), want one with code %s that names %q", err, err, code, what)
		return nil
	}
	return e
}

// An address that is not this machine's is said to be none, rather than that
// nobody answers.
func TestBindElsewhere(t *testing.T) {
	inBubble(t, func(w *world) {
		w.open(w.node("10.0.0.1"), "physics")
		n := w.node("10.0.0.2", func(n *Node) { n.Bind = netip.MustParseAddr("10.9.9.9") })
		_, err := n.Join(w.Context(), "10.0.0.1", room.JoinOptions{Nick: "ben"})
		for _, err := range []error{err, n.Rooms(w.Context(), func(room.Listing) {})} {
			var e *Error
			if !errors.As(err, &e) || e.Code != CodeSocket || !strings.Contains(e.Text, "10.9.9.9") {
				w.Errorf("%v", err)
			}
		}
		n = w.node("10.0.0.3", func(n *Node) { n.Bind = netip.MustParseAddr("10.0.0.3") })
		if m, err := n.Join(w.Context(), "10.0.0.1", room.JoinOptions{Nick: "cyn"}); err != nil {
			w.Error(err)
		} else {
			m.Leave(w.Context(), "")
		}
	})
}
