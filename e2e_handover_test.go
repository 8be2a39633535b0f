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
