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
		{room.Event{Type: room.Mute, At: noon, Nick: "ana", By: "ben", Until: noon.Add(10 * time.Minute), Reason: "caps"}, "12:00 * you are muted by ben until 12:10 (caps)"},
		{room.Event{Type: room.Ban, At: noon, Nick: "cyn", By: "ben", Until: noon.Add(24 * time.Hour)}, "12:00 * cyn is banned by ben until 23 November, 12:00"},
		{room.Event{Type: room.Unban, At: noon, Nick: "cyn", By: "ben"}, "12:00 * cyn is unbanned by ben"},
		{room.Event{Type: room.Op, At: noon, Nick: "cyn", By: "ben"}, "12:00 * ben made cyn an op"},
		{room.Event{Type: room.Op, At: noon, Nick: "ana", By: "ben"}, "12:00 * ben made you an op: /help lists what you may do now"},
		{room.Event{Type: room.Deop, At: noon, Nick: "cyn", By: "cyn"}, "12:00 * cyn is no op any more"},
		{room.Event{Type: room.Deop, At: noon, Nick: "ana", By: "ben"}, "12:00 * ben took the rights of an op from you"},
		{room.Event{Type: room.Mute, At: noon, By: "ben", Reason: "listen"}, "12:00 * ben muted the room (listen): only the host and ops speak now"},
		{room.Event{Type: room.Unmute, At: noon, By: "ben"}, "12:00 * ben has everybody speak again"},
		{room.Event{Type: room.Slow, At: noon, Seconds: 5}, "12:00 * the host began slow mode: everybody may say one thing every 5 s"},
		{room.Event{Type: room.Slow, At: noon, By: "ben"}, "12:00 * ben ended slow mode"},
		{room.Event{Type: room.Lock, At: noon, By: "ben", Reason: "ex\x1bam"}, "12:00 * ben locked the room (ex␛am): nobody new comes in"},
		{room.Event{Type: room.Unlock, At: noon, By: "ben"}, "12:00 * ben unlocked the room"},
		{room.Event{Type: room.Motd, At: noon, By: "ben", Text: "b\x1bring"}, "12:00 * ben made this the message of the day: b␛ring"},
		{room.Event{Type: room.Motd, At: noon, By: "ben"}, "12:00 * ben took the message of the day away"},
		{room.Event{Type: room.Approve, At: noon, By: "ben", State: "on"}, "12:00 * ben has newcomers wait until they are let in"},
		{room.Event{Type: room.Approve, At: noon, State: "off"}, "12:00 * the host lets newcomers in unasked"},
		{room.Event{Type: room.Approve, At: noon, Nick: "cyn", By: "ben"}, "12:00 * cyn is let in by ben"},
		{room.Event{Type: room.Deny, At: noon, Nick: "cyn", By: "ben", Reason: "who?"}, "12:00 * cyn is not let in by ben (who?)"},
		{room.Event{Type: room.Filter, At: noon, By: "ben", Text: "h\x1beck*"}, "12:00 * ben made a filter: h␛eck*"},
		{room.Event{Type: room.Unfilter, At: noon, By: "ben", Text: "hec\x1bk"}, "12:00 * ben took a filter away: hec␛k"},
		{room.Event{Type: room.Unfilter, At: noon, By: "ben", Text: "all"}, "12:00 * ben took all filters away"},
		{room.Event{Type: room.Address, At: noon, By: "ben", Nick: "cyn", Code: "ban", Addr: "10.0.0.9\x1b"}, "12:00 * the ban of cyn holds for everybody from 10.0.0.9␛, too"},
		{room.Event{Type: "dance", At: noon}, ""},
		{room.Event{Type: room.Notice, At: noon, Text: "a\nb"}, "12:00 * a\n        | b"},
		{room.Event{Type: room.Accepted, Text: "hi"}, ""},
		{room.Event{Type: room.Delivered, Count: 1, Of: 2}, ""},
		{room.Event{Type: room.Failed, Text: "hi", Code: "muted", Reason: "you are muted"}, "err 13:30 ! not sent: hi (you are muted): /resend tries again"},
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

// That somebody who was put out left is not told twice, but of the others it is.
func TestViewOfSomebodyPutOut(t *testing.T) {
	var out []string
	v := newView(&out)
	v.show(room.Event{Type: room.Kick, At: noon, Nick: "cyn", By: "ben"}, noon)
	v.show(room.Event{Type: room.Left, At: noon, Nick: "cyn", By: "ben", Reason: "kicked"}, noon)
	v.show(room.Event{Type: room.Left, At: noon, Nick: "cyn2", By: "ben", Reason: "kicked"}, noon)
	v.settle()
	if got := strings.Join(out, "|"); got != "12:00 * cyn is put out by ben|12:00 <-- cyn2 left (put out)" {
		t.Error(got)
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
		"--- Saturday, 21 November 2026 ---", "--- said earlier ---", "16:00 ben: one", "--- Sunday, 22 November 2026 ---", "11:00 ben: two", "--- now ---", "12:00 ben: three",
		"--- said earlier ---", "11:00 ben: two", "--- now ---", "12:00 ben: four",
	}
	if strings.Join(out, "|") != strings.Join(want, "|") {
		t.Errorf("got %q", out)
	}
}

// A notice that overtakes what was said earlier is shown below it, or when
// nothing comes any more.
func TestViewShowsNoticesBelowWhatWasSaidEarlier(t *testing.T) {
	old, own := said("ben", "one"), room.Event{Type: room.Joined, Nick: "ana", Own: true, Seq: 3}
	old.Replay, old.Seq = true, 2
	knock := room.Event{Type: room.Notice, Text: "cyn asks to come in"}
	for _, c := range []struct {
		events []room.Event
		late   bool
		want   string
	}{
		{[]room.Event{knock, old, own}, false, "--- said earlier ---|12:00 ben: one|--- now ---|12:00 * cyn asks to come in"},
		{[]room.Event{old, knock, own}, false, "--- said earlier ---|12:00 ben: one|--- now ---|12:00 * cyn asks to come in"},
		{[]room.Event{old, own, knock}, false, "--- said earlier ---|12:00 ben: one|--- now ---|12:00 * cyn asks to come in"},
		{[]room.Event{knock}, false, ""},
		{[]room.Event{knock}, true, "12:00 * cyn asks to come in"},
	} {
		var out []string
		v := newView(&out)
		v.upto = 3
		for _, e := range c.events {
			v.show(e, noon)
		}
		if c.late {
			v.tick(v.wake())
		}
		if got := strings.ReplaceAll(strings.Join(out, "|"), "13:30", "12:00"); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// How the host was started is nothing that was said earlier.
func TestViewOfSettings(t *testing.T) {
	var out []string
	v := newView(&out)
	for _, e := range []room.Event{{Type: room.Topic, Text: "optics"}, {Type: room.Slow, Seconds: 3}, {Type: room.Approve, State: "on"}, {Type: room.Filter, Text: "x"},
		{Type: room.Topic, From: "ben", Text: "light"}, {Type: room.Approve, Nick: "cyn", By: "ben"}} {
		e.At, e.Replay = noon, true
		v.show(e, noon)
	}
	if got := strings.Join(out, "|"); got != "--- said earlier ---|12:00 * ben made this the topic: light|12:00 * cyn is let in by ben" {
		t.Error(got)
	}
}

// Who is put out reads that once, as the host's last word; and who had our name
// before us may be somebody else.
func TestViewOfUs(t *testing.T) {
	var out []string
	v := newView(&out)
	for _, e := range []room.Event{{Type: room.Kick}, {Type: room.Ban}, {Type: room.Kick, Replay: true}, {Type: room.Mute, Replay: true}, {Type: room.Mute}} {
		e.At, e.Nick, e.By = noon, "ana", "ben"
		v.show(e, noon)
	}
	if got := strings.Join(out, "|"); got != "--- said earlier ---|12:00 * ana is put out by ben|12:00 * ana is muted by ben|--- now ---|12:00 * you are muted by ben" {
		t.Error(got)
	}
}

func TestViewRings(t *testing.T) {
	var out []string
	v := newView(&out)
	rung, now := 0, noon
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
			now = now.Add(ringPause)
			v.show(e, now)
			v.show(e, now) // once is enough
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
