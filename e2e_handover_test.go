package main_test

import (
	"slices"
	"strings"
	"testing"
)

// A room whose host is gone for good goes on as a new one: visibly so, and
// nobody takes it for the old.
func TestContinue(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics")
	old := ana.sees("ready", kind("ready"))
	ben := b.join("ben", b.addr())
	ben.sees("ready", kind("ready"))
	ben.say("hello Ana")
	ana.sees("the message", said("hello Ana"))
	ana.say("/msg ben psst")
	ben.sees("the whisper", kind("whisper"))
	ben.say("/quit")
	ben.exits(0)
	ana.say("/quit")
	ana.exits(0)

	ana = b.host("ana", "physics", "--continue")
	ready := ana.sees("ready", kind("ready"))
	if ready.Key == old.Key || ready.Key == "" {
		t.Errorf("it has the old room's key: %s", ready.text)
	}
	ana.hears("goes on as a new room, with what was said in its log (messages: 1)")
	ana.hears("parley pins accept physics " + ready.Key)
	ben = b.joining("ben", b.addr()+"/physics")
	if e := ben.sees("a refusal", kind("error")); e.Code != "key_mismatch" {
		t.Errorf("who knew the old one: %s", e.text)
	}
	ben.exits(4)
	cyn := b.join("cyn", b.addr())
	cyn.await("a notice", func(l line) bool { return l.Type == "notice" && strings.Contains(l.Text, "this is a new room") })
	cyn.await("what was said", said("hello Ana"))
	cyn.await("another", func(l line) bool { return l.Type == "notice" && strings.Contains(l.Text, "here the new room begins") })
	for _, l := range cyn.out.all() {
		if l.Type == "whisper" || l.Type == "leave" {
			t.Errorf("of the old room: %s", l.text)
		}
	}
	cyn.say("/quit")
	cyn.exits(0)
	ana.say("/quit")
	ana.exits(0)

	for name, want := range map[string]int{"ana": 1, "ben": 1, "cyn": 1} {
		if out, _, code := b.once(name, "", "history", "PHYSICS"); code != 0 || strings.Count(out, "hello Ana") != want {
			t.Errorf("%s: %d, shown:\n%s", name, code, out)
		}
	}

	nobody := b.parley("zoe", "host", "chess", "--continue")
	nobody.exits(3)
}

// Whoever handed a room over goes on keeping what is said in it, and is shown each
// thing once; and the room may come back to where it was at once.
func TestHandoverHistory(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics")
	ben := b.join("ben", b.addr())
	ana.say("one of ana")
	ben.await("it", said("one of ana"))
	handover := func(from, to *proc, nick string) {
		from.say("/handover " + nick)
		to.await("an offer", func(l line) bool { return l.Type == "handover" && l.State == "offered" })
		to.say("/accept")
		to.await("the room", func(l line) bool { return l.Type == "handover" && l.State == "done" })
		from.await("the move", func(l line) bool { return l.Type == "link" && l.State == "moved" })
	}
	shown := func(name string, want ...string) {
		t.Helper()
		for {
			out, talk, code := b.once(name, "", "history", "physics", "--json")
			var got []string
			for _, l := range strings.Split(out, "\n") {
				if _, rest, ok := strings.Cut(l, `"text":"`); ok && strings.Contains(l, `"message"`) {
					got = append(got, rest[:strings.IndexByte(rest, '"')])
				}
			}
			if code == 0 && slices.Equal(got, want) && !strings.Contains(out, "divider") {
				return
			}
			if t.Context().Err() != nil || len(got) >= len(want) {
				t.Fatalf("%s: %d %q, want %q\n%s%s", name, code, got, want, out, talk)
			}
		}
	}
	handover(ana, ben, "ben")
	ana.say("two of ana")
	ben.await("two", said("two of ana"))
	ben.say("three of ben")
	ana.await("three", said("three of ben"))
	shown("ana", "one of ana", "two of ana", "three of ben")
	shown("ben", "one of ana", "two of ana", "three of ben")
	handover(ben, ana, "ana")
	ana.say("four of ana")
	ben.await("four", said("four of ana"))
	shown("ana", "one of ana", "two of ana", "three of ben", "four of ana")
	shown("ben", "one of ana", "two of ana", "three of ben", "four of ana")
	ben.say("/quit")
	ben.exits(0)
	ana.say("/quit")
	ana.exits(0)
	shown("ana", "one of ana", "two of ana", "three of ben", "four of ana")
	for _, name := range []string{"ana", "ben"} {
		if out, talk, code := b.once(name, "", "history", "physics", "--check"); code != 0 {
			t.Errorf("%s: %d %s%s", name, code, out, talk)
		}
	}
}

// A member goes on with a room whose host was killed: with what its copy has, which
// whispers of others are not in, and its own stay between the two.
func TestContinueFromCopy(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics")
	old := ana.sees("ready", kind("ready"))
	ben, cyn := b.join("ben", b.room()), b.join("cyn", b.room())
	ana.say("hello everybody")
	for _, p := range []*proc{ben, cyn} {
		p.await("the message", said("hello everybody"))
	}
	whisper := func(text string) func(line) bool {
		return func(l line) bool { return l.Type == "whisper" && l.Text == text }
	}
	ana.say("/msg ben for ben alone")
	ben.await("the whisper", whisper("for ben alone"))
	ana.say("/msg cyn for cyn alone")
	cyn.await("the whisper", whisper("for cyn alone"))
	ben.say("hello Ana")
	for _, p := range []*proc{ben, cyn} {
		p.await("the message", said("hello Ana"))
	}
	ben.sees("the host's answer", kind("accepted")) // or it would wait to be sent again
	ana.kill()
	for _, p := range []*proc{ben, cyn} {
		p.await("the loss", kind("link"))
		p.say("/quit")
		p.exits(0)
	}

	ben = b.host("ben", "physics", "--continue")
	ready := ben.sees("ready", kind("ready"))
	if ready.Key == old.Key || ready.Key == "" {
		t.Errorf("it has the old room's key: %s", ready.text)
	}
	ben.hears("goes on as a new room, with what you saw of it (messages: 2)")
	if p := b.joining("cyn", b.room()); p.sees("a refusal", kind("error")).Code != "key_mismatch" {
		t.Error("cyn, who knew the old room, is not warned")
	} else {
		p.exits(4)
	}
	b.once("cyn", "", "pins", "accept", "physics", "--", ready.Key) // a key may begin with a dash
	cyn = b.join("cyn", b.room(), "--history", "100")
	for _, is := range []func(line) bool{
		func(l line) bool {
			return l.Type == "notice" && strings.Contains(l.Text, "this is a new room, which begins with what its host had of the old physics")
		},
		said("hello everybody"), said("hello Ana"),
		func(l line) bool {
			return l.Type == "notice" && strings.Contains(l.Text, "here the new room begins (messages from the old one: 2)")
		},
	} {
		cyn.await("the old room's story", is)
	}
	cyn.say("and on")
	ben.await("it", said("and on"))
	for _, p := range []*proc{ben, cyn} {
		for _, l := range p.out.all() {
			if l.Type == "whisper" {
				t.Errorf("%s: %s", p.name, l.text)
			}
		}
		if f := p.finds(t, "/search alone"); f.Count != 0 {
			t.Errorf("%s finds in the new room %+v", p.name, f)
		}
		p.say("/quit")
		p.exits(0)
	}
	for name, theirs := range map[string]string{"ben": "for ben alone", "cyn": "for cyn alone"} {
		out, _, code := b.once(name, "", "history", "physics", "--json")
		if code != 0 || strings.Count(out, "alone") != 1 || strings.Count(out, theirs) != 1 || !strings.Contains(out, "and on") {
			t.Errorf("%s: %d\n%s", name, code, out)
		}
	}
}

// A room with guests has them at the new host, too. Those who sat at the old one are
// told where it is.
func TestHandoverWithGuests(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics", "--guests")
	ben := b.join("ben", b.addr())
	gil := dialGuest(t, b.addr())
	gil.types("gil\n")
	ben.await("gil", comes("gil"))
	ana.say("/handover ben")
	ben.await("an offer", func(l line) bool { return l.Type == "handover" && l.State == "offered" })
	ben.say("/accept")
	ben.await("the room", func(l line) bool { return l.Type == "handover" && l.State == "done" })
	gil.gets("ben hosts the room now")
	cyn := b.join("cyn", b.addr())
	ready := cyn.sees("ready", kind("ready"))
	if !strings.Contains(ready.text, `"guests":true`) || ready.Addr == b.addr() {
		t.Errorf("at the new host: %s", ready.text)
	}
	hal := dialGuest(t, ready.Addr)
	hal.types("hal\nhello from hal\n")
	cyn.await("hal's words", from("hal", "hello from hal"))
	ben.say("hello hal")
	hal.gets("hello hal")
}
