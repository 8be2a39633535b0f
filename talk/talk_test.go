package talk

import (
	"strings"
	"testing"
	"time"

	"parley/room"
	"parley/text"
)

// Whoever shows names in a way of its own gets them so, and whoever does not gets
// them clean.
func TestNamesAreTheCallers(t *testing.T) {
	e := room.Event{Type: room.Whisper, From: "ben\x1b[31m", To: "ana", Text: "a\nb"}
	head, body, about := (&Words{Self: "ana"}).Event(e)
	if head != "["+text.Clean("ben\x1b[31m")+" → you] " || strings.Join(body, "|") != "a|b" || about {
		t.Errorf("%q, %q, %v", head, body, about)
	}
	w := &Words{Self: "ana", Name: func(nick string) string { return "<" + text.Clean(nick) + ">" }}
	if head, _, _ := w.Event(room.Event{Type: room.Message, From: "ben", Text: "hi"}); head != "<ben>: " {
		t.Errorf("%q", head)
	}
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	w.Zone = time.FixedZone("", 3600)
	if head, _, _ := w.Event(room.Event{Type: room.Ban, Nick: "cyn", By: "ben", At: at, Until: at.Add(time.Hour)}); head != "* <cyn> is banned by <ben> until 14:00" {
		t.Errorf("%q", head)
	}
}

// Words with which somebody is away name nobody else, and nobody an op.
func TestRosterIsNotTheirs(t *testing.T) {
	got := Roster([]room.Person{{Nick: "ana", Role: "host"}, {Nick: "eve", Role: "member", Away: "x), zoe (op, away: y"}})
	if want := "2 here: ana (host), eve (away: x], zoe [op, away: y)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestComplete(t *testing.T) {
	people := []room.Person{{Nick: "ana"}, {Nick: "Anton"}, {Nick: "ben"}}
	for _, c := range []struct {
		word  string
		first bool
		want  string
	}{
		{"an", true, "ana: |Anton: "},
		{"an", false, "ana |Anton "},
		{"@b", true, "@ben "},
		{"/sea", true, "/search "},
		{"/sea", false, ""},
		{"", true, ""},
		{"zoe", true, ""},
	} {
		if got := strings.Join(Complete(c.word, c.first, people), "|"); got != c.want {
			t.Errorf("%q, first: %v: %q, want %q", c.word, c.first, got, c.want)
		}
	}
}

func TestSecretsAreVeiled(t *testing.T) {
	if got, pos := Veiled("/password sesame", 16); got != "/password ******" || pos != 16 {
		t.Errorf("%q, %d", got, pos)
	}
	if Secret("/password x") != 10 || Secret("no secret") != 9 {
		t.Error("a secret begins elsewhere")
	}
}

// However long what is pasted is, it is said in messages that can be sent, in order.
func TestInParts(t *testing.T) {
	line := strings.Repeat("a line of a long paste\n", 1000)
	parts := InParts(line)
	for _, p := range parts {
		if len(p) > text.MaxText {
			t.Errorf("a part of %d bytes", len(p))
		}
	}
	if strings.Join(parts, "\n") != strings.TrimRight(line, "\n") {
		t.Error("it is another text now")
	}
	if InParts("/msg ben "+line) != nil || InParts(strings.Repeat("x", text.MaxText+1)) != nil {
		t.Error("what cannot be sent is sent")
	}
}
