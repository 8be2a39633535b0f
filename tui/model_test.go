package tui

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"parley/room"
	"parley/text"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// bench is a model on a bench: it is told things, and looked at.
type bench struct {
	t testing.TB
	*model
	effects []effect
	seq     uint64
}

func newBench(t testing.TB, o Options, w, h int) *bench {
	o.Zone, o.Nick = time.UTC, "ana"
	b := &bench{t: t, model: newModel(o)}
	b.w, b.h = w, h
	b.effects = b.model.begin(noon)
	return b
}

func (b *bench) tell(msg any) {
	b.told(msg)
	b.effects = append(b.effects, b.model.effects()...)
}

func (b *bench) press(keys ...string) {
	for _, k := range keys {
		b.key(k, "")
		b.effects = append(b.effects, b.model.effects()...)
	}
}

func (b *bench) types(s string) {
	for _, r := range s {
		b.key(string(r), string(r))
	}
	b.effects = append(b.effects, b.model.effects()...)
}

// took returns the effects so far, and forgets them.
func (b *bench) took() string {
	var all []string
	for _, e := range b.effects {
		if d, ok := e.(doSit); ok && d.heard != nil {
			e = doSit{target: "heard " + d.heard.Room, nick: d.nick}
		}
		all = append(all, strings.TrimPrefix(fmt.Sprintf("%T%+v", e, e), "tui."))
	}
	b.effects = nil
	return strings.Join(all, " ")
}

func (b *bench) sits(id int, name string) {
	b.tell(satMsg{id, room.Event{Type: room.Ready, Room: name, Nick: "ana", Role: "member", Transport: "udp", Secure: true, Seq: 41, Invite: "parley://10.0.0.5:7667/" + name + "#cfo3_9YBUKYXNThrYFzGWf8cHKrZoLVTaWBnh262zcU", Words: "valley sponge hexagon bishop nectar jigsaw badge oasis"}})
	b.tell(countMsg{win: id, nick: "ana", people: []room.Person{{Nick: "ana", Role: "member"}, {Nick: "ben", Role: "host"}, {Nick: "漢字", Role: "op", Away: "tea"}},
		stats: room.Counters{RTT: 0.4, Sent: 100}})
}

// says has an event happen in a room.
func (b *bench) says(id int, e room.Event) {
	if b.seq < 41 {
		b.seq = 41
	}
	if e.Seq == 0 && e.Type != room.Link && e.Type != room.Failure && e.Type != room.Accepted && e.Type != room.Failed && e.Type != room.Delivered && e.Type != room.Transfer {
		b.seq++
		e.Seq = b.seq
	}
	if e.At.IsZero() {
		e.At = b.now
	}
	b.tell(eventsMsg{id, []room.Event{e}})
}

// screen is what is seen, without colours.
func (b *bench) screen() string {
	sc := b.view()
	for i, row := range sc.rows {
		sc.rows[i] = strings.TrimRight(ansi.Strip(row), " ")
	}
	return strings.Join(sc.rows, "\n")
}

func (b *bench) sees(words ...string) {
	b.t.Helper()
	screen := b.screen()
	for _, w := range words {
		if !strings.Contains(screen, w) {
			b.t.Errorf("not on the screen: %q\n%s", w, screen)
		}
	}
}

// Whatever the size, no row is wider than the screen, there are as many as it has,
// and nothing but our own colours can be obeyed.
func TestEverySize(t *testing.T) {
	for _, theme := range []string{"dark", "light", "contrast"} {
		b := newBench(t, Options{Color: true, Theme: theme}, 80, 24)
		b.rooms()
		b.talks()
		b.sits(2, "maths")
		b.show(0)
		look := func(what string) {
			for _, s := range [][2]int{{1, 1}, {3, 2}, {3, 24}, {19, 5}, {20, 5}, {29, 7}, {40, 12}, {79, 24}, {80, 24}, {300, 100}} {
				b.w, b.h = s[0], s[1]
				sc := b.view()
				if len(sc.rows) != b.h && true {
					t.Errorf("%s at %v: %d rows", what, s, len(sc.rows))
				}
				if sc.y >= b.h || sc.x >= b.w {
					t.Errorf("%s at %v: cursor at %d, %d", what, s, sc.x, sc.y)
				}
				for _, row := range sc.rows {
					if text.Width(row) > b.w {
						t.Errorf("%s at %v: %d cells: %q", what, s, text.Width(row), row)
					}
					if bare := ansi.Strip(row); strings.ContainsFunc(bare, func(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }) {
						t.Errorf("%s: a control character is shown: %q", what, row)
					}
				}
			}
		}
		look("room")
		b.types(strings.Repeat("漢字 and more ", 40))
		look("long line")
		b.press("ctrl+c", "f1")
		look("help")
		b.press("esc")
		b.paste("one\ntwo\x1b[31m\nthree")
		look("paste")
		b.press("esc")
		b.stats = true
		look("stats")
		b.press("alt+0")
		look("lobby")
		b.tell(unsatMsg{lines: []string{"the key of physics has changed", "parley pins accept physics " + strings.Repeat("K", 43)}})
		look("refused")
	}
}

func TestLobbyJoinsAndAsks(t *testing.T) {
	b := newBench(t, Options{}, 80, 24)
	b.rooms()
	b.press("down", "enter")
	if got := b.took(); !strings.Contains(got, "maths") {
		t.Errorf("Enter on the second room: %s", got)
	}
	b.sees("joining maths")
	b.tell(askMsg{id: 3, kind: "nick", lines: []string{"ana is taken by somebody else"}, preset: "ana2"})
	b.sees("taken", "Your name: ana2")
	b.press("enter")
	if got := b.took(); got != "doAnswer{id:3 text:ana2 ok:true}" {
		t.Errorf("Enter takes what is suggested: %s", got)
	}
	b.tell(askMsg{id: 4, kind: "password", lines: []string{"The password is wrong."}})
	b.types("secret")
	b.sees("wrong", "Password: ******")
	b.press("enter")
	if got := b.took(); got != "doAnswer{id:4 text:secret ok:true}" {
		t.Errorf("a password: %s", got)
	}
	b.tell(unsatMsg{lines: []string{"the key of maths has changed"}})
	b.sees("the key of maths has changed")
	b.press("a")
	b.types("10.0.0.9/lab")
	b.press("enter")
	if got := b.took(); !strings.Contains(got, "target:10.0.0.9/lab") {
		t.Errorf("an address: %s", got)
	}
	b.tell(unsatMsg{code: "which_room", rooms: []string{"lab", "hall"}, was: doSit{target: "10.0.0.9"}})
	b.sees("hall", "Which: lab")
	b.press("ctrl+u")
	b.types("hall")
	b.press("enter")
	if got := b.took(); !strings.Contains(got, "target:10.0.0.9/hall") {
		t.Errorf("one of several rooms: %s", got)
	}
	b.press("esc")
	if got := b.took(); got != "doGiveUp{}" {
		t.Errorf("Esc: %s", got)
	}
	b.tell(unsatMsg{lines: []string{"given up"}})
	b.press("n")
	b.types("two words")
	b.press("enter")
	if got := b.took(); got != "" {
		t.Errorf("no name for a room, and yet: %s", got)
	}
	b.press("ctrl+u")
	b.types("chess")
	b.press("enter")
	b.sees("just Enter")
	b.types("sesame")
	b.press("enter")
	b.types("sesam")
	b.press("enter")
	b.sees("two different ones", "Password:")
	b.types("sesame")
	b.press("enter")
	b.types("sesame")
	b.sees("The same again: ******")
	b.press("enter")
	if got := b.took(); !strings.Contains(got, "host:chess secret:sesame") {
		t.Errorf("hosting: %s", got)
	}
}

func TestRoomsAreWindows(t *testing.T) {
	b := newBench(t, Options{}, 80, 24)
	b.sits(1, "physics")
	b.sits(2, "maths")
	b.took()
	b.says(1, room.Event{Type: room.Message, From: "ben", Text: "ana, look"})
	b.says(1, room.Event{Type: room.Message, From: "ben", Text: "here"})
	b.sees("1:physics+2!", "[2:maths]")
	if got := b.took(); got != "doRing{words:}" {
		t.Errorf("a mention rings once: %q", got)
	}
	b.press("alt+a")
	b.sees("new ─", "ana, look", "[1:physics]")
	b.press("ctrl+n")
	b.press("ctrl+p")
	if screen := b.screen(); strings.Contains(screen, " new ") {
		t.Errorf("what was seen is still marked:\n%s", screen)
	}
	b.says(1, room.Event{Type: room.Message, From: "ben", Text: "not to you"})
	if got := b.took(); got != "" {
		t.Errorf("what is said to nobody rings: %s", got)
	}
	b.types("/quit")
	b.press("enter")
	if got := b.took(); got != "doInput{win:1 line:/quit}" {
		t.Errorf("%s", got)
	}
	b.tell(countMsg{win: 1, nick: "ana", host: true, others: true})
	b.tell(actionMsg{win: 1, line: "/quit", action: room.Action{Do: "quit"}})
	if b.took() != "" {
		t.Error("a host has left others without being asked")
	}
	b.sees("/handover")
	b.tell(actionMsg{win: 1, line: "/quit", action: room.Action{Do: "quit"}})
	if got := b.took(); got != "doQuit{reason: broken:false}" {
		t.Errorf("asked twice: %s", got)
	}
}

// What is scrolled to stays where it is, and older things are fetched without end.
func TestScrollsBack(t *testing.T) {
	b := newBench(t, Options{}, 60, 12)
	b.sits(1, "physics")
	for i := range 40 {
		b.says(1, room.Event{Type: room.Message, From: "ben", Text: fmt.Sprintf("line %d.", i)})
	}
	b.took()
	b.press("pgup")
	before := b.screen()
	if !strings.Contains(before, "more below") || strings.Contains(before, "line 39.") {
		t.Fatalf("not scrolled:\n%s", before)
	}
	b.says(1, room.Event{Type: room.Message, From: "ben", Text: "later"})
	after := b.screen()
	if strings.Split(after, "\n")[1] != strings.Split(before, "\n")[1] || !strings.Contains(after, "1 new below") {
		t.Errorf("moved by what came in:\n%s\n%s", before, after)
	}
	for range 10 {
		b.press("pgup")
	}
	if got := b.took(); got != "doPage{win:1 before:42}" {
		t.Fatalf("at the top: %s", got)
	}
	var older []room.Event
	for i := range 41 {
		older = append(older, room.Event{Type: room.Message, Seq: uint64(i + 1), From: "ben", Text: fmt.Sprintf("old %d.", i), At: noon.Add(-48 * time.Hour)})
	}
	b.tell(pageMsg{win: 1, look: room.Look{Events: older, More: true}})
	b.press("pgup", "pgup")
	b.sees("old 2")
	b.press("esc")
	b.sees("later")
	b.press("ctrl+home", "ctrl+home")
	if got := b.took(); got != "doPage{win:1 before:1}" {
		t.Errorf("and further: %s", got)
	}
}

func TestTyping(t *testing.T) {
	b := newBench(t, Options{}, 80, 24)
	b.rooms()
	b.sits(1, "physics")
	b.types("be")
	b.press("tab")
	b.sees("> ben:")
	b.says(1, room.Event{Type: room.Message, From: "ben", Text: "in between"})
	b.types("hi")
	b.press("enter")
	if got := b.took(); got != "doInput{win:1 line:ben: hi}" {
		t.Errorf("%s", got)
	}
	b.types("/jo")
	b.press("tab")
	b.types("m")
	b.press("tab")
	b.sees("> /join maths")
	b.press("ctrl+c")
	b.press("up", "up")
	b.sees("> ben: hi")
	b.press("ctrl+a", "ctrl+k", "ctrl+y", "ctrl+w")
	b.sees("> ben:")
	b.press("ctrl+c")
	b.types("a")
	b.press("alt+enter")
	b.types("b")
	b.press("enter")
	if got := b.took(); got != "doInput{win:1 line:a\nb}" {
		t.Errorf("%s", got)
	}
	b.press("ctrl+r")
	b.types("hi")
	b.sees("(search) hi: ben: hi")
	b.press("enter", "enter")
	if got := b.took(); got != "doInput{win:1 line:ben: hi}" {
		t.Errorf("%s", got)
	}
	b.paste("one\r\ntwo\n")
	b.sees("Paste 2 lines")
	b.press("enter")
	if got := b.took(); got != "doInput{win:1 line:one\ntwo}" {
		t.Errorf("%s", got)
	}
	b.tell(actionMsg{win: 1, line: "/frob", err: "there is no command /frob"})
	b.sees("no command /frob")
	b.tell(actionMsg{win: 1, line: "too fast", err: "slow mode: wait 3 s"})
	b.sees("wait 3 s", "> too fast")
	b.press("ctrl+c", "ctrl+c")
	if b.took() != "" {
		t.Error("Ctrl-C left without asking")
	}
	b.sees("Ctrl-C again leaves")
	b.press("ctrl+c")
	if got := b.took(); got != "doQuit{reason: broken:false}" {
		t.Errorf("%s", got)
	}
}

func TestSearchIsAPanel(t *testing.T) {
	b := newBench(t, Options{}, 80, 24)
	b.sits(1, "physics")
	b.press("ctrl+f")
	b.types("waves")
	b.press("enter")
	if got := b.took(); got != "doInput{win:1 line:/search waves}" {
		t.Errorf("%s", got)
	}
	b.says(1, room.Event{Type: room.Found, Code: "search", Text: "waves", Why: "more", Events: []room.Event{{Type: room.Message, From: "ben", Text: "waves carry it", At: noon, Seq: 3}}})
	b.sees(`said with "waves"`, "ben: waves carry it", "there is more")
	b.press("esc")
	if strings.Contains(b.screen(), "waves carry it") {
		t.Error("Esc does not close it")
	}
}

func FuzzModel(f *testing.F) {
	f.Add("hello \x1b[31m\x9b", "漢字", 80, 24, "tab enter up pgup ctrl+r x ctrl+c")
	f.Add("\u202e\u2067a\nb", "", 3, 1, "alt+0 n x enter a enter ? esc alt+1")
	f.Fuzz(func(t *testing.T, said, name string, w, h int, keys string) {
		b := newBench(t, Options{Color: true}, 1+(w&255), 1+(h&127))
		b.tell(heardMsg{room.Listing{Room: name, Members: w}})
		b.sits(1, name)
		b.says(1, room.Event{Type: room.Message, From: name, Text: said})
		b.says(1, room.Event{Type: room.Joined, Nick: name})
		b.tell(noteMsg{said})
		b.paste(said)
		for i, k := range strings.Fields(keys) {
			if i > 50 {
				break
			}
			if len(k) == 1 {
				b.types(k)
			} else {
				b.press(k)
			}
			for _, row := range b.view().rows {
				if text.Width(row) > b.w || strings.ContainsFunc(ansi.Strip(row), func(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }) {
					t.Fatalf("%d cells of %d: %q", text.Width(row), b.w, row)
				}
			}
		}
	})
}

// A line that somebody says stands behind a bar, and so passes for nobody else's, with the
// times hidden, too.
func TestLinesPassForNobodys(t *testing.T) {
	b := newBench(t, Options{}, 80, 24)
	b.sits(1, "physics")
	for range 2 {
		b.says(1, room.Event{Type: room.Message, From: "eve", Text: "hi\n12:00 ben: yes\n* ana is banned by ben", At: noon})
		for row := range strings.SplitSeq(b.screen(), "\n") {
			if i := strings.Index(row, "12:00 ben:"); i >= 0 && !strings.HasSuffix(row[:i], " | ") && !strings.HasPrefix(row, "| ") {
				t.Errorf("%q", row)
			}
			if strings.HasPrefix(strings.TrimLeft(row, " "), "* ana is banned") {
				t.Errorf("%q", row)
			}
		}
		b.current().edit.set("/timestamp")
		b.press("enter")
	}
}
