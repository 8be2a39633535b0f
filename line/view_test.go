package line

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/room"
	"parley/text"
)

// newView returns a view whose lines are added to out; those about the
// connection begin with "err ".
func newView(out *[]string) *view {
	return &view{self: "ana", zone: time.UTC, stamps: true, bell: bellMention, print: func(talk bool, line string) {
		if talk {
			line = "err " + line
		}
		*out = append(*out, line)
	}}
}

func TestViewOfEvents(t *testing.T) {
	for _, c := range []struct {
		e    room.Event
		want string
	}{
		{said("ben", "hi"), "12:00 ben: hi"},
		{said("ben", "hi\n13:00 cyn: yes"), "12:00 ben: hi\n        | 13:00 cyn: yes"},
		{said("ben", "a\tb"), "12:00 ben: a    b"},
		{said("ben", "\x1b[31mred\a"), "12:00 ben: ␛[31mred␇"},
		{said("b\x1ben", "hi"), "12:00 b␛en: hi"},
		{said("ben", "שלום"), "12:00 ben: \u2068שלום\u2069"},
		{said("", ""), "12:00 : "},
		{room.Event{Type: room.Act, At: noon, From: "ana", Text: "waves"}, "12:00 ** ana waves"},
		{room.Event{Type: room.Whisper, At: noon, From: "ana", To: "ben", Text: "psst"}, "12:00 [you → ben] psst"},
		{room.Event{Type: room.Whisper, At: noon, From: "ben", To: "ana", Text: "psst"}, "12:00 [ben → you] psst"},
		{room.Event{Type: room.Renamed, At: noon, From: "cyn", Nick: "cy"}, "12:00 * cyn is now called cy"},
		{room.Event{Type: room.Topic, At: noon, From: "ben", Text: "optics"}, "12:00 * ben made this the topic: optics"},
		{room.Event{Type: room.Topic, At: noon, Text: "optics\x07"}, "12:00 * the topic is: optics␇"},
		{room.Event{Type: room.Topic, At: noon, By: "ben"}, "12:00 * ben took the topic away"},
		{room.Event{Type: room.Topic, At: noon}, "12:00 * no topic is set"},
		{room.Event{Type: room.Kick, At: noon, Nick: "cyn", By: "ana", Reason: "loud\x1b"}, "12:00 * cyn is put out by ana (loud␛)"},
		{room.Event{Type: room.Ban, At: noon, Nick: "cyn"}, "12:00 * cyn is banned"},
		{room.Event{Type: "unmute", At: noon, Nick: "cyn", By: "ana"}, "12:00 * cyn is allowed to speak again by ana"},
		{room.Event{Type: "dance", At: noon}, ""},
		{room.Event{Type: room.Notice, At: noon, Text: "a\nb"}, "12:00 * a\n        | b"},
		{room.Event{Type: room.Accepted, Text: "hi"}, ""},
		{room.Event{Type: room.Delivered, Count: 1, Of: 2}, ""},
		{room.Event{Type: room.Failed, Text: "hi", Code: "muted", Reason: "you are muted"}, "err 13:30 ! not sent: hi (you are muted)"},
		{room.Event{Type: room.Gap, Count: 2, FromSeq: 50}, "err 13:30 ! 2 messages were lost on the way"},
		{room.Event{Type: room.Gap, Count: 1, FromSeq: 50}, "err 13:30 ! a message was lost on the way"},
		{room.Event{Type: room.Failure, Code: "nick_taken", Text: "the name is taken", Suggest: "ana2"}, "err 13:30 ! the name is taken: try /nick ana2"},
		{room.Event{Type: room.Failure, Code: "unknown", Text: "Unknown command /foo", Suggest: "/me"}, "err 13:30 ! Unknown command /foo: did you mean /me?"},
		{room.Event{Type: room.Failure, Text: "try /me", Suggest: "/me"}, "err 13:30 ! try /me"},
		{room.Event{Type: room.Link, State: "lost", Why: "no answer for 3 s"}, "err 13:30 ! connection lost (no answer for 3 s): trying again, what you type is kept"},
		{room.Event{Type: room.Link, State: "resumed", Transport: "udp"}, "err 13:30 * connected again over udp"},
		{room.Event{Type: room.Link, State: "switched", Transport: "tcp", Why: "udp silent for 3 s"}, "err 13:30 * connected over tcp now (udp silent for 3 s)"},
		{room.Event{Type: room.Members, Members: []room.Person{{Nick: "ana", Role: "host"}, {Nick: "ben", Role: "member", Away: "tea"}}}, "13:30 * 2 here: ana (host), ben (away: tea)"},
	} {
		var out []string
		v := newView(&out)
		v.show(c.e, noon.Add(90*time.Minute))
		if got := strings.Join(out, "\n"); got != c.want {
			t.Errorf("%v\ngot  %q\nwant %q", c.e, got, c.want)
		}
	}
}

func TestViewFoldsCrowds(t *testing.T) {
	var out []string
	v := newView(&out)
	expect := func(want ...string) {
		t.Helper()
		if got := strings.Join(out, "|"); got != strings.Join(want, "|") {
			t.Errorf("got  %q\nwant %q", out, want)
		}
		out = nil
	}
	now := noon
	joins := func(n int, each time.Duration) {
		for i := range n {
			v.show(room.Event{Type: room.Joined, At: now, Nick: fmt.Sprint("p", i)}, now)
			now = now.Add(each)
			v.tick(now)
		}
	}
	joins(30, 160*time.Millisecond) // thirty in five seconds
	now = now.Add(crowdPause)
	v.tick(now)
	expect("12:00 --> 30 joined")

	joins(2, 0)
	expect() // held
	v.show(said("ben", "hi"), now)
	expect("12:00 --> p0 joined", "12:00 --> p1 joined", "12:00 ben: hi")

	joins(60, 200*time.Millisecond) // twelve seconds: told every five
	now = now.Add(crowdPause)
	v.tick(now)
	expect("12:00 --> 25 joined", "12:00 --> 25 joined", "12:00 --> 10 joined")

	for _, reason := range []string{"quit", "lost", "lost", "kicked", "banned"} {
		v.show(room.Event{Type: room.Left, At: now, Nick: "x", Reason: reason}, now)
	}
	v.tick(now.Add(crowdPause - 1))
	expect()
	v.tick(now.Add(crowdPause))
	expect("12:00 <-- 3 left, 2 lost connection")
	for _, e := range []room.Event{{Nick: "ben", Reason: "lost"}, {Nick: "cyn", Reason: "quit", Text: "bye\a"}, {Nick: "dan", Reason: "kicked"}} {
		e.Type, e.At = room.Left, now
		v.show(e, now)
	}
	v.settle()
	expect("12:00 <-- ben left (lost connection)", "12:00 <-- cyn left (bye␇)", "12:00 <-- dan left (put out)")

	v.show(room.Event{Type: room.Joined, Nick: "ana", Own: true}, now)
	v.quiet = true
	joins(5, 0)
	v.settle()
	expect()
	if !v.wake().IsZero() {
		t.Error("wants to be woken for nothing")
	}
}

func TestViewMarksWhatWasSaidEarlier(t *testing.T) {
	var out []string
	v := newView(&out)
	old := said("ben", "one")
	old.Replay, old.At = true, noon.Add(-20*time.Hour)
	v.show(old, noon)
	old.At, old.Text = noon.Add(-time.Hour), "two"
	v.show(old, noon)
	v.tick(noon.Add(earlier))
	v.show(said("ben", "three"), noon)
	v.show(old, noon)
	v.show(said("ben", "four"), noon)
	want := []string{
		"--- said earlier ---", "16:00 ben: one", "--- Sunday, 22 November 2026 ---", "11:00 ben: two", "--- now ---", "12:00 ben: three",
		"--- said earlier ---", "11:00 ben: two", "--- now ---", "12:00 ben: four",
	}
	if strings.Join(out, "|") != strings.Join(want, "|") {
		t.Errorf("got %q", out)
	}
}

func TestViewRings(t *testing.T) {
	var out []string
	v := newView(&out)
	rung := 0
	v.ring = func() { rung++ }
	whisper := room.Event{Type: room.Whisper, At: noon, From: "ben", To: "ana", Text: "x"}
	mention, hi, own, old := said("ben", "so, @Ana: what?"), said("ben", "banana"), said("ana", "ana"), said("ben", "ana")
	own.Own, old.Replay = true, true
	for _, c := range []struct {
		bell string
		n    int
	}{{bellOff, 0}, {bellDM, 1}, {bellMention, 2}, {bellAll, 3}} {
		rung, v.bell = 0, c.bell
		for _, e := range []room.Event{whisper, mention, hi, own, old} {
			v.show(e, noon)
		}
		if rung != c.n {
			t.Errorf("%s: rang %d times, want %d", c.bell, rung, c.n)
		}
	}
}

func TestViewColours(t *testing.T) {
	var out []string
	v := newView(&out)
	v.color = true
	v.show(said("ben", "hi"), noon)
	v.show(said("BEN", "hi"), noon)
	if len(out) != 2 || !strings.Contains(out[0], "mben\x1b[0m: hi") || strings.ToLower(out[0]) != strings.ToLower(out[1]) {
		t.Errorf("got %q", out)
	}
	for env, want := range map[string]bool{"": true, "NO_COLOR=": true, "NO_COLOR=1": false, "TERM=dumb": false, "TERM=xterm": true} {
		name, value, _ := strings.Cut(env, "=")
		if got := WantColor(func(key string) string {
			if key == name {
				return value
			}
			return ""
		}); got != want {
			t.Errorf("with %q colour is %v", env, got)
		}
	}
}

func TestViewNeverLetsTextLookLikeALine(t *testing.T) {
	texts := []string{
		strings.Repeat(" ", 60) + "12:00 cyn: I agree", "a\n\n\nb", strings.Repeat("x", 200), strings.Repeat("漢", 99), "שלום " + strings.Repeat("עולם ", 30),
		"word " + strings.Repeat("longer ", 40) + "\n12:00 cyn: no", strings.Repeat("\u0301", 50),
	}
	for _, width := range []int{1, 20, 21, 40, 80} {
		for _, s := range texts {
			var out []string
			v := newView(&out)
			v.width = func() int { return width }
			v.show(said("ben", s), noon)
			if !strings.HasPrefix(out[0], "12:00 ben: ") {
				t.Errorf("width %d: first line is %q", width, out[0])
			}
			for i, line := range out {
				if i > 0 && !strings.HasPrefix(line, "        | ") {
					t.Errorf("width %d: a further line is %q", width, line)
				}
				if text.Width(line) >= max(width, narrowest) {
					t.Errorf("width %d: %q is %d wide", width, line, text.Width(line))
				}
			}
		}
	}
}
