package line

import (
	"testing"

	"parley/room"
)

// hostFake is a seat of somebody who hosts the room, perhaps with others in it.
type hostFake struct {
	*fake
	host, others bool
}

func (f *hostFake) Hosts() (host, others bool) { return f.host, f.others }

// Who would close the room under others by leaving is told so once, on a terminal.
func TestQuittingHostIsReminded(t *testing.T) {
	for _, c := range []struct {
		name                   string
		terminal, host, others bool
		want                   bool
	}{
		{"a host with others", true, true, true, true},
		{"alone", true, true, false, false},
		{"a member", true, false, true, false},
		{"a script", false, true, true, false},
	} {
		f := &hostFake{fake: newFake(), host: c.host, others: c.others}
		ty := &typist{s: &session{o: Options{Terminal: c.terminal}}, at: f}
		if got := ty.closes(); got != c.want {
			t.Errorf("%s: reminded %v, want %v", c.name, got, c.want)
		}
		if ty.closes() {
			t.Errorf("%s: reminded twice", c.name)
		}
	}
}

// What is told of a handover, in words.
func TestHandoverInWords(t *testing.T) {
	v := &view{self: "ben"}
	for want, e := range map[string]room.Event{
		"* ana offers you the room":        {Type: room.Handover, State: "offered", Text: "ana offers you the room"},
		"! the room stays here: \\x1b[2J":  {Type: room.Handover, State: "failed", Text: "the room stays here: \x1b[2J"},
		"* cyn hosts the room now":         {Type: room.Hosted, Nick: "cyn"},
		"* cyn hosts the room for you now": {Type: room.Link, State: "moved", Transport: "udp", Nick: "cyn", Why: "cyn hosts the room for you now"},
		"":                                 {Type: room.Link, State: "moved", Transport: "udp", Why: "cyn hosts the room now"},
	} {
		head, body, _ := v.words(e)
		for _, part := range body {
			head += part
		}
		if e.State == "failed" { // however it is made visible
			if head[:2] != "! " || containsEscape(head) {
				t.Errorf("%+v: %q", e, head)
			}
		} else if head != want {
			t.Errorf("%q, want %q", head, want)
		}
	}
}

func containsEscape(s string) bool {
	for _, r := range s {
		if r == 0x1b {
			return true
		}
	}
	return false
}
