package tui

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/room"
	"parley/transport"
)

var update = flag.Bool("update", false, "write the golden screens anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got+"\n" != string(want) {
		t.Errorf("%s is another screen now (go test ./tui -update writes it):\n%s", name, got)
	}
}

var sizes = [][2]int{{80, 24}, {40, 12}, {120, 40}}

// rooms are heard in the lobby.
func (b *bench) rooms() {
	for i, name := range []string{"physics", "maths", "staff", "物理"} {
		b.tell(heardMsg{room.Listing{Room: name, Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(5 + i)}), UDP: 7667, TCP: 7667, Key: transport.Key{byte(i + 1)},
			Members: i + 1, Secure: i != 1, Password: i == 2, Pin: []string{"known", "", "new", "changed"}[i]}})
	}
}

// talks is a conversation with one of everything.
func (b *bench) talks() {
	b.sits(1, "physics")
	b.says(1, room.Event{Type: room.Message, From: "ben", Text: "good morning, everybody: who has read the chapter?", At: noon.Add(-24 * time.Hour), Replay: true, Seq: 30})
	b.says(1, room.Event{Type: room.Topic, By: "ben", Text: "waves, and what they carry"})
	b.says(1, room.Event{Type: room.Joined, Nick: "cyn"})
	b.says(1, room.Event{Type: room.Message, From: "cyn", Text: "me\nbut not the last page"})
	b.says(1, room.Event{Type: room.Message, From: "ana", Text: "hello", Own: true})
	b.says(1, room.Event{Type: room.Delivered, Seq: b.seq, Count: 1, Of: 2})
	b.says(1, room.Event{Type: room.Message, From: "ben", Text: "ana: 你好 ❤️ and a \x1b[31mred\x1b[0m trap, שלום"})
	b.says(1, room.Event{Type: room.Whisper, From: "ben", To: "ana", Text: "psst"})
	b.says(1, room.Event{Type: room.Act, From: "cyn", Text: "yawns"})
	for i := range 30 {
		b.says(1, room.Event{Type: room.Joined, Nick: fmt.Sprintf("guest%d", i)})
	}
	b.says(1, room.Event{Type: room.Link, State: "lost", Why: "silent for 3 s"})
	b.says(1, room.Event{Type: room.Link, State: "resumed", Transport: "tcp"})
	b.tell(countMsg{win: 1, nick: "ana", unsent: []room.Unsent{{Draft: room.Draft{ID: "x", Text: "on its way"}}}, stats: room.Counters{RTT: 0.8, Sent: 200, Lost: 2}})
}

// testQR draws a code that is no code, of the size that a link needs.
func testQR(_ string, w, h int) []string {
	if w < 37 || h < 19 {
		return nil
	}
	return slices.Repeat([]string{strings.Repeat("▀", 37)}, 19)
}

// files has something happen to a file that ben gives us, or that we give him.
func (b *bench) files(f room.File, state string, own bool) {
	e := room.Event{Type: room.Transfer, State: state, ID: f.ID, File: &f, Own: own, From: "ben", To: "ana"}
	if own {
		e.From, e.To = e.To, e.From
	}
	b.says(1, e)
}

func TestGoldenScreens(t *testing.T) {
	for _, s := range sizes {
		size := fmt.Sprintf("%dx%d", s[0], s[1])
		b := newBench(t, Options{Color: true, QR: testQR, Doctor: func(context.Context, func(string)) {}}, s[0], s[1])
		golden(t, "listening-"+size, b.screen())
		b.now = noon.Add(4 * time.Second)
		golden(t, "alone-"+size, b.screen())
		b.rooms()
		b.now = noon.Add(9 * time.Second)
		golden(t, "lobby-"+size, b.screen())
		b.talks()
		b.types("half a line")
		golden(t, "room-"+size, b.screen())
		b.tell(askMsg{id: 7, kind: "nick", lines: []string{"the name ana is taken"}, preset: "ana2"})
		golden(t, "taken-"+size, b.screen())
		b.press("esc")
		b.press("ctrl+c")
		b.types("/stats")
		b.press("enter")
		golden(t, "stats-"+size, b.screen())
		if b.press("esc"); b.stats {
			b.types("/stats")
			b.press("enter")
		}
		b.press("f1")
		golden(t, "help-"+size, b.screen())
		b.press("esc")
		b.says(1, room.Event{Type: room.Found, Code: "search", Text: "chapter", Why: "more", Events: []room.Event{
			{Type: room.Message, From: "ben", Text: "good morning, everybody: who has read the chapter?", At: noon.Add(-24 * time.Hour), Seq: 3},
			{Type: room.Whisper, From: "ben", To: "ana", Text: "the chapter, or all of it?", At: noon, Seq: 7}}})
		golden(t, "search-"+size, b.screen())
		b.press("esc")
		b.paste("first line\nsecond line")
		golden(t, "paste-"+size, b.screen())
		b.press("esc")
		pdf := room.File{N: 1, ID: "a", Name: "waves.pdf", Size: 3 << 20}
		b.files(pdf, room.FileOffered, false)
		b.files(room.File{N: 2, ID: "b", Name: "answers to all questions.txt", Size: 40000}, room.FileTaken, true)
		b.files(room.File{N: 2, ID: "b", Name: "answers to all questions.txt", Size: 40000, Bytes: 25000, Rate: 1 << 20}, room.FileProgress, true)
		golden(t, "files-"+size, b.screen())
		b.files(pdf, room.FileDeclined, false)
		b.files(room.File{N: 2, ID: "b", Name: "answers to all questions.txt", Size: 40000}, room.FileDone, true)
		b.says(1, room.Event{Type: room.Handover, State: "offered", Nick: "ben", Text: "ben offers you the room: /accept hosts it"})
		b.sits(2, "maths")
		b.sits(3, "a-room-with-a-long-name")
		b.says(2, room.Event{Type: room.Whisper, From: "cyn", To: "ana", Text: "psst"})
		b.press("alt+1")
		golden(t, "windows-"+size, b.screen())
		b.tell(actionMsg{win: 1, action: room.Action{Do: "link"}})
		golden(t, "link-"+size, b.screen())
		b.press("esc", "alt+0", "d")
		for _, line := range []string{"OK    interface eth0 10.0.0.4/24, broadcast 10.0.0.255", "FAULT network   nobody answers", "      -> is the room open?", "", "Nobody is there: nobody answers"} {
			b.tell(doctorMsg{line: line})
		}
		b.tell(doctorMsg{done: true})
		golden(t, "doctor-"+size, b.screen())
		b.press("esc")
		b.tell(askMsg{id: 9, kind: "trust", word: "accept", lines: []string{"physics has another key than before: somebody may be posing as it", "before: cfo3_9YB  valley sponge", "now:    Xy6_aaaa  oasis badge"}})
		golden(t, "trust-"+size, b.screen())
	}
	b := newBench(t, Options{ASCII: true}, 80, 24)
	b.talks()
	golden(t, "ascii-80x24", b.screen())
	for _, r := range b.screen() {
		if r > 0x7e && !strings.ContainsRune("你好❤️\ufe0f␛שלום漢字\u2068\u2069", r) {
			t.Errorf("%q where only ASCII can be shown", r)
		}
	}
}
