//go:build !nolab

package lab

import (
	"testing"

	"parley/lab/wire"
)

// TestReal has the quickest lesson run on this machine's sockets.
func TestReal(t *testing.T) { onThisMachine(t, refused) }

// onThisMachine runs a lesson on this machine's sockets: it proves what is
// honest there, and has no fingerprint.
func onThisMachine(t *testing.T, lesson Lesson) {
	t.Helper()
	r, err := Do(wire.Test(t), lesson, Request{Real: true})
	if err != nil {
		t.Fatal(err)
	}
	notes := 0
	for _, l := range r.Lines {
		switch l.K {
		case "frame", "fate":
			t.Errorf("%s: a frame that nobody has seen: %+v", lesson.Name, l)
		case "note":
			notes++
		}
	}
	if r.verdict != "PASS" || r.Fingerprint() != "" || notes == 0 {
		t.Errorf("%s: %d notes, %s", lesson.Name, notes, r.Proof())
	}
}

// TestRealRefused has lessons refused whose wire this machine has not got.
func TestRealRefused(t *testing.T) {
	for _, lesson := range Lessons {
		if lesson.Real {
			continue
		}
		if _, err := Do(wire.Test(t), lesson, Request{Real: true}); err == nil {
			t.Errorf("%s runs on this machine", lesson.Name)
		} else if field, ok := Misused(err); !ok || field != "real" {
			t.Errorf("%s: %v", lesson.Name, err)
		}
	}
}
