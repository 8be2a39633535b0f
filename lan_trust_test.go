//go:build linux

package main_test

import (
	"strings"
	"testing"
)

// One identity that is used on two computers at once, as after somebody has
// copied a home directory: both are told, with the other's address, once. They join by
// an address of one family: only those are compared.
func TestLANKeyOnTwoComputers(t *testing.T) {
	t.Parallel()
	l := newLAN(t, "ana", "ben", "cyn")
	boxes := l.boxes()
	ana := boxes[0].host("ana", "physics")
	boxes[2].dir = boxes[1].dir
	elsewhere := func(l line) bool { return l.Type == "notice" && l.Code == "elsewhere" }
	for _, transport := range []string{"udp", "tcp"} {
		first := boxes[1].parley("ben", "join", boxes[0].ip+"/physics", "--json", "--nick", "one-"+transport, "--transport", transport)
		first.await("ready", kind("ready"))
		second := boxes[2].parley("ben", "join", boxes[0].ip+"/physics", "--json", "--nick", "two-"+transport, "--transport", transport)
		second.await("ready", kind("ready"))
		if e := first.await("where else the key is used", elsewhere); !strings.Contains(e.Text, boxes[2].ip) {
			t.Errorf("%s: the first is told: %s", transport, e.Text)
		}
		if e := second.await("where else the key is used", elsewhere); !strings.Contains(e.Text, boxes[1].ip) {
			t.Errorf("%s: the second is told: %s", transport, e.Text)
		}
		second.say("still talking")
		first.await("the message", from("two-"+transport, "still talking"))
		for _, p := range []*proc{first, second} {
			p.say("/quit")
			p.exits(0)
		}
		count := 0
		for _, l := range first.out.all() {
			if elsewhere(l) {
				count++
			}
		}
		if count != 1 {
			t.Errorf("%s: told %d times", transport, count)
		}
	}
	for _, l := range ana.out.all() {
		if elsewhere(l) {
			t.Errorf("the host's own seat is told: %s", l.text)
		}
	}
}

// The room that is known is joined where a stranger of its name is on the LAN,
// and only the stranger is left when it has gone: that is refused.
func TestLANKnownAmongStrangers(t *testing.T) {
	t.Parallel()
	l := newLAN(t, "ana", "ben", "eve")
	boxes := l.boxes()
	ana := boxes[0].host("ana", "physics")
	if _, stderr, code := boxes[1].once("ben", "", "send", "physics", "hi", "--nick", "ben"); code != 0 {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	eve := boxes[2].host("eve", "physics")
	for range 3 {
		p := boxes[1].join("ben", "physics")
		p.await("that there is another", func(l line) bool { return l.Type == "notice" && l.Code == "other_key" })
		p.say("/quit")
		p.exits(0)
	}
	ana.say("/quit")
	ana.exits(0)
	if e := boxes[1].refusal("ben", 4, "send", "physics", "hi", "--nick", "ben"); e.Code != "key_mismatch" {
		t.Errorf("%+v", e)
	}
	for _, l := range eve.out.all() {
		if l.Type == "join" && l.Nick == "ben" {
			t.Errorf("ben sat down with the stranger: %s", l.text)
		}
	}
}
