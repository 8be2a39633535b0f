package main_test

import (
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

	nobody := b.parley("zoe", "host", "chess", "--continue")
	nobody.exits(3)
}
