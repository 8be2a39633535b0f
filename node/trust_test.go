package node

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/room"
	"parley/text"
	"parley/transport"
)

// remembering gives a node a file of pins, and, where they are not nil, its warnings.
func remembering(p *Pins, warned *[]string) func(*Node) {
	return func(n *Node) {
		n.Pins = p
		if warned != nil {
			n.Warn = func(text string) { *warned = append(*warned, text) }
		}
	}
}

// keeping has a node host rooms under a key of our choice.
func keeping(key transport.Identity) func(*Node) {
	return func(n *Node) {
		n.RoomKey = func(string) (transport.Identity, func(), error) { return key, nil, nil }
	}
}

// again is another program on the machine of n, which has ended.
func (w *world) again(n *Node, change ...func(*Node)) *Node {
	w.Helper()
	if err := n.Close(); err != nil {
		w.Error(err)
	}
	next := &Node{Net: n.Net}
	for _, f := range change {
		f(next)
	}
	w.nodes = append(w.nodes, next)
	return next
}

// keyOf makes a room key.
func keyOf(t *testing.T) transport.Identity {
	t.Helper()
	id, err := transport.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// told awaits a notice.
func (s *seated) told(code string) room.Event {
	s.w.Helper()
	return s.await("the notice "+code, func(e room.Event) bool { return e.Type == room.Notice && e.Code == code })
}

// silent checks that no notice about keys has come; hearing something shows that
// all that would have come is here.
func (s *seated) silent() {
	s.w.Helper()
	s.says("anything")
	s.hears("anything")
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.seen {
		if e.Code == room.NoticeNewKey || e.Code == room.NoticeOtherKey {
			s.w.Errorf("told: %s", e.Text)
		}
	}
}

// First contact is told with the words of the key, a known room is joined in
// silence, and a stranger under its name is refused with all that is needed to
// decide, by whichever way it is met.
func TestTrustOnFirstUse(t *testing.T) {
	inBubble(t, func(w *world) {
		p := pinsAt(t)
		true1, false1 := keyOf(t), keyOf(t)
		host := w.node("10.0.0.1", keeping(true1))
		h := w.open(host, "physics")
		n := w.node("10.0.0.2", remembering(&p, nil))
		ben := w.join(n, "physics", "ben")
		if e := ben.told(room.NoticeNewKey); !strings.Contains(e.Text, text.KeyWords(true1.Key())) || !strings.Contains(e.Text, "physics") {
			t.Errorf("first contact: %s", e.Text)
		}
		if ready := ben.Ready(); ready.Words != text.KeyWords(true1.Key()) {
			t.Errorf("the words of ready are %q", ready.Words)
		}
		for i, target := range []string{"Physics", "10.0.0.1", "10.0.0.1/physics", h.Ready().Invite} {
			w.join(n, target, fmt.Sprint("again", i)).silent()
		}
		if pins := p.must(t); len(pins) != 1 || pins[0].Key != true1.Key() || pins[0].Addr.String() != "10.0.0.1:7667" {
			t.Errorf("pins: %+v", pins)
		}

		w.open(w.again(host, keeping(false1)), "physics")
		for _, target := range []string{"physics", "10.0.0.1", "10.0.0.1/PHYSICS"} {
			_, err := n.Join(w.Context(), target, room.JoinOptions{Nick: "ben"})
			e := wantCode(t, err, CodeKey, "physics has another key")
			if e == nil {
				continue
			}
			all := e.Error()
			for _, want := range []string{text.KeyWords(true1.Key()), text.KeyWords(false1.Key()), ShortKey(true1.Key()), ShortKey(false1.Key())} {
				if !strings.Contains(all, want) {
					t.Errorf("%s: %q is missing in\n%s", target, want, all)
				}
			}
			if e.Command != p.command("accept", "physics", false1.Key().String()) {
				t.Errorf("%s: the command is %q", target, e.Command)
			}
		}
		var heard []room.Listing
		n.listFor(w, func(l room.Listing) { heard = append(heard, l) })
		if len(heard) == 0 || heard[0].Pin != PinChanged {
			t.Fatalf("heard %+v", heard)
		}
		_, err := n.JoinHeard(w.Context(), heard[0], room.JoinOptions{Nick: "ben"})
		wantCode(t, err, CodeKey, "another key")
		if _, err := p.Accept("physics", false1.Key()); err != nil {
			t.Fatal(err)
		}
		w.join(n, "physics", "ben").silent()
	})
}

// listFor lists rooms for a second.
func (n *Node) listFor(w *world, heard func(room.Listing)) {
	ctx, cancel := context.WithTimeout(w.Context(), time.Second)
	defer cancel()
	n.Rooms(ctx, heard)
}

// Where the room that is known and a stranger of its name are heard, the room is
// joined, and the stranger is told of; two that are known are two rooms.
func TestKnownAmongStrangers(t *testing.T) {
	inBubble(t, func(w *world) {
		p := pinsAt(t)
		n := w.node("10.0.0.9", remembering(&p, nil))
		mine, other := keyOf(t), keyOf(t)
		p.Accept("class", mine.Key())
		w.open(w.node("10.0.0.1", keeping(other)), "class")
		w.open(w.node("10.0.0.2", keeping(mine)), "Class")
		w.open(w.node("10.0.0.3", plaintext), "class")
		ben := w.join(n, "class", "ben")
		if ben.Ready().Key != mine.Key() {
			t.Error("the stranger was joined")
		}
		if e := ben.told(room.NoticeOtherKey); !strings.Contains(e.Text, "another room here calls itself Class") {
			t.Error(e.Text)
		}
		marks := make(map[string]string)
		n.listFor(w, func(l room.Listing) { marks[l.Addr.String()] = l.Pin })
		if marks["10.0.0.1"] != PinChanged || marks["10.0.0.2"] != PinKnown || marks["10.0.0.3"] != PinChanged {
			t.Errorf("marks: %v", marks)
		}
		p.Accept("class", other.Key())
		_, err := n.Join(w.Context(), "class", room.JoinOptions{Nick: "cyn"})
		if e := wantCode(t, err, CodeAmbiguous, "class"); e != nil && len(e.Choices) != 3 {
			t.Errorf("the choices: %+v", e.Choices)
		}
	})
}

// A stranger that is quicker than the room that is known does not get in its way.
func TestQuickStranger(t *testing.T) {
	inBubble(t, func(w *world) {
		p := pinsAt(t)
		mine := keyOf(t)
		p.Accept("class", mine.Key())
		w.open(w.node("10.0.0.1"), "class")
		n := w.node("10.0.0.9", remembering(&p, nil))
		slow := w.node("10.0.0.2", keeping(mine))
		opened := make(chan struct{})
		go func() {
			defer close(opened)
			time.Sleep(250 * time.Millisecond) // as one that misses the first query
			w.open(slow, "class")
		}()
		if ben := w.join(n, "class", "ben"); ben.Ready().Key != mine.Key() {
			t.Error("the stranger was joined")
		}
		<-opened
	})
}

// A link goes before what is remembered, and is remembered; a link that does
// not match is refused, whatever is remembered.
func TestLinkGoesBeforePins(t *testing.T) {
	inBubble(t, func(w *world) {
		p := pinsAt(t)
		h := w.open(w.node("10.0.0.1"), "physics")
		key := h.Ready().Key
		n := w.node("10.0.0.2", remembering(&p, nil))
		w.join(n, h.Ready().Invite, "ben").silent()
		if pins := p.must(t); len(pins) != 1 || pins[0].Key != key {
			t.Errorf("pins: %+v", pins)
		}
		wrong := strings.Replace(h.Ready().Invite, key.String(), (transport.Key{1}).String(), 1)
		_, err := n.Join(w.Context(), wrong, room.JoinOptions{Nick: "cyn"})
		if e := wantCode(t, err, CodeKey, "not the one"); e != nil && !strings.Contains(e.Error(), text.KeyWords(key)) {
			t.Error(e.Error())
		}
		if pins := p.must(t); len(pins) != 1 {
			t.Errorf("pins after a wrong link: %+v", pins)
		}
		other := pinsAt(t)
		other.Accept("physics", transport.Key{1})
		m := w.node("10.0.0.3", remembering(&other, nil))
		dan := w.join(m, h.Ready().Invite, "dan")
		dan.told(room.NoticeOtherKey)
		w.join(m, "physics", "eva").silent()
	})
}

// A host that answers under another name than the one that was asked for, to be
// a stranger that nobody knows, is refused.
func TestHostCannotChooseItsName(t *testing.T) {
	g := &guard{node: &Node{Pins: new(Pins)}, asked: "physics", pins: []Pin{{Room: "physics", Key: transport.Key{1}}}}
	for name, want := range map[string]bool{"physics": true, "Physics": true, "chess": false, "": false, "a b": false, "ph\u200bysics": false, "a\x1b[2J": false} {
		err := g.admit(name, transport.Key{1})
		if (err == nil) != want || err != nil && strings.ContainsRune(err.Error(), '\x1b') {
			t.Errorf("%q: %v", name, err)
		}
	}
	g.asked = ""
	if g.admit("physics", transport.Key{2}) == nil || g.admit("chess", transport.Key{2}) != nil {
		t.Error("without a name that was asked for, the host's counts")
	}
}

// What was encrypted once is never joined in plaintext, by name or by address,
// and before that is clear no nick is sent.
func TestNoDowngrade(t *testing.T) {
	inBubble(t, func(w *world) {
		p := pinsAt(t)
		host := w.node("10.0.0.1")
		w.open(host, "physics")
		w.join(w.node("10.0.0.2", remembering(&p, nil)), "physics", "ben")
		w.open(w.again(host, plaintext), "physics", "hidden")
		w.open(w.node("10.0.0.3", plaintext), "physics")
		w.open(w.node("10.0.0.4", plaintext), "chess")
		n := w.node("10.0.0.5", plaintext, remembering(&p, nil))
		for _, target := range []string{"physics", "10.0.0.1", "10.0.0.1/physics", "10.0.0.1/hidden", "10.0.0.3/PHYSICS", "10.0.0.99/physics"} {
			start := time.Now()
			_, err := n.Join(w.Context(), target, room.JoinOptions{Nick: "ben"})
			e := wantCode(t, err, CodePlaintext, "was encrypted")
			if e != nil && e.Command != "parley pins forget physics" {
				t.Errorf("%s: the command is %q", target, e.Command)
			}
			if took := time.Since(start); took != 0 { // of virtual time: nothing was sent or awaited
				t.Errorf("%s: refused after %v", target, took)
			}
		}
		// Nothing but the host's word tells what is at an address that nobody knows.
		_, err := n.Join(w.Context(), "10.0.0.3", room.JoinOptions{Nick: "ben"})
		wantCode(t, err, CodePlaintext, "physics")
		w.join(n, "chess", "ben")
		_, err = w.node("10.0.0.6", remembering(&p, nil)).Join(w.Context(), "physics", room.JoinOptions{Nick: "ben"})
		wantCode(t, err, CodeAmbiguous, "physics")
		p.Forget("physics", transport.Key{})
		w.join(n, "10.0.0.3", "ben2")
		if pins := p.must(t); len(pins) != 0 {
			t.Errorf("plaintext is remembered: %+v", pins)
		}
	})
}

// A name that is known is announced in plaintext alone.
func TestKnownNameInPlaintext(t *testing.T) {
	inBubble(t, func(w *world) {
		p := pinsAt(t)
		p.Accept("physics", transport.Key{1})
		w.open(w.node("10.0.0.1", plaintext), "physics")
		_, err := w.node("10.0.0.2", remembering(&p, nil)).Join(w.Context(), "physics", room.JoinOptions{Nick: "ben"})
		wantCode(t, err, CodePlaintext, "was encrypted when")
	})
}

// Without the file nobody can be trusted, and with one that cannot be written
// everybody can be joined.
func TestJoinWithBadPins(t *testing.T) {
	inBubble(t, func(w *world) {
		w.open(w.node("10.0.0.1"), "physics")
		broken := pinsAt(t)
		os.MkdirAll(filepath.Dir(broken.Path), 0o700)
		os.WriteFile(broken.Path, []byte("nonsense\n"), 0o600)
		var warned []string
		n := w.node("10.0.0.2", remembering(&broken, &warned))
		_, err := n.Join(w.Context(), "physics", room.JoinOptions{Nick: "ben"})
		wantCode(t, err, CodePinsFile, broken.Path)
		found := 0
		n.listFor(w, func(l room.Listing) {
			if found++; l.Pin == PinKnown {
				t.Errorf("%+v", l)
			}
		})
		if found == 0 || len(warned) != 1 || !strings.Contains(warned[0], broken.Path) {
			t.Errorf("%d rooms heard, warned %q", found, warned)
		}
		if b, _ := os.ReadFile(broken.Path); string(b) != "nonsense\n" {
			t.Errorf("the file became %q", b)
		}

		file := filepath.Join(t.TempDir(), "file")
		os.WriteFile(file, nil, 0o600)
		warned = nil
		w.join(w.node("10.0.0.3", remembering(&Pins{Path: filepath.Join(file, "pins")}, &warned)), "physics", "cyn").told(room.NoticeNewKey)
		if len(warned) != 1 || !strings.Contains(warned[0], "cannot remember the key of physics") {
			t.Errorf("warned %q", warned)
		}
	})
}

// Clocks that are wrong by years keep nobody out: not the host's, not the member's,
// not what the file says of earlier days.
func TestWrongClocks(t *testing.T) {
	inBubble(t, func(w *world) { // where it is the year 2000
		key := keyOf(t)
		host := w.node("10.0.0.1", keeping(key))
		w.open(host, "physics")
		for i, now := range []time.Time{day.AddDate(-50, 0, 0), day.AddDate(100, 0, 0), day} {
			p := pinsAt(t)
			p.Now = func() time.Time { return now }
			n := w.node(fmt.Sprintf("10.0.0.%d", i+2), remembering(&p, nil))
			w.join(n, "10.0.0.1", fmt.Sprint("ben", i))
			p.Now = func() time.Time { return now.AddDate(-30, 0, 0) }
			w.join(n, "10.0.0.1", fmt.Sprint("cyn", i)).silent()
		}
	})
}

// named is a net on which names of computers are known.
type named struct {
	Net
	names map[string]string
}

func (n named) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if addr, ok := n.names[host]; ok {
		return []netip.Addr{netip.MustParseAddr(addr)}, nil
	}
	return nil, errNoNames
}

// A name that no room has may be a computer's, whatever the room there is
// called; but not where a room of that name is known.
func TestComputersNameAndPins(t *testing.T) {
	inBubble(t, func(w *world) {
		w.open(w.node("10.0.0.1"), "chess")
		p := pinsAt(t)
		p.Accept("physics", transport.Key{1})
		n := w.node("10.0.0.2", remembering(&p, nil))
		n.Net = named{n.Net, map[string]string{"box": "10.0.0.1", "physics": "10.0.0.1"}}
		if ben := w.join(n, "box", "ben"); ben.Ready().Room != "chess" {
			t.Errorf("joined %s", ben.Ready().Room)
		}
		_, err := n.Join(w.Context(), "physics", room.JoinOptions{Nick: "cyn"})
		wantCode(t, err, CodeKey, "you asked for physics")
	})
}
