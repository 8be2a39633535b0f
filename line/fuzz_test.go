package line

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"parley/room"
	"parley/text"
)

// kinds are what a host can have us show.
var kinds = []room.Kind{room.Message, room.Act, room.Whisper, room.Joined, room.Left, room.Renamed, room.Topic, room.Kick, room.Ban, room.Mute, room.Op,
	room.Notice, room.Delivered, room.Failed, room.Link, room.Gap, room.Members, room.Failure, room.Stats, "unban", "deop", "dance"}

var colours = regexp.MustCompile("\x1b\\[(?:2|3[1-6]|9[12456])m([^\x1b]*)\x1b\\[0m")

// FuzzView shows events of a host that is none of ours: whatever they hold, no
// row is wider than the screen, none has anything that a terminal obeys but our
// colours, and only the first of an event begins in the first column.
func FuzzView(f *testing.F) {
	for i := range kinds {
		f.Add(uint8(i), uint8(20), "ben", "\x1b]0;x\x07\n15:04 root: hi", "\u202e\u05d0\u009b")
		f.Add(uint8(i), uint8(40), strings.Repeat("漢", 85), strings.Repeat("e\u0301\u0302", 80), "\t\t👩🏽‍❤️‍💋‍👨🏿")
		f.Add(uint8(i), uint8(80), "a\nb", strings.Repeat("x ", 100), "lost\xff")
	}
	f.Fuzz(func(t *testing.T, kind, width uint8, name, said, why string) {
		if strings.HasPrefix(text.Clean(name), " ") {
			return // whose words begin where they may, but a host could as well have ana say them
		}
		cells := max(int(width), narrowest)
		var rows []string
		v := &view{self: "ana", zone: time.UTC, stamps: width%2 == 0, color: width%3 == 0, receipts: true, bell: bellAll, ring: func() {},
			width: func() int { return int(width) }, print: func(_ bool, row string) { rows = append(rows, row) }}
		e := room.Event{Type: kinds[int(kind)%len(kinds)], At: noon, From: name, Nick: name, To: why, By: why, Text: said, Reason: why, Code: why, State: why,
			Suggest: name, Why: said, Transport: name, Role: why, Room: name, Count: 1, Of: 2, Stats: &room.Counters{},
			Members: []room.Person{{Nick: name, Role: why, Away: said}, {Nick: why, Transport: said}}}
		v.show(e, noon)
		e.Replay, e.At = true, noon.Add(48*time.Hour)
		v.show(e, noon)
		v.settle()
		v.live()
		ends := len(rows)
		for _, row := range greeting(e) {
			v.say("", true, "* ", row)
		}
		v.say("", false, "", Listing(room.Listing{Room: name, Addr: netip.IPv6Loopback(), UDP: 7}))
		for i, row := range rows {
			plain := colours.ReplaceAllString(row, "$1")
			for _, r := range plain {
				if r < 0x20 || 0x7f <= r && r < 0xa0 || 0x202a <= r && r <= 0x202e || r == 0x2066 || r == 0x2067 {
					t.Fatalf("%q has %U", row, r)
				}
			}
			if !utf8.ValidString(plain) || strings.Count(plain, "\u2068") != strings.Count(plain, "\u2069") {
				t.Fatalf("%q", row)
			}
			if w := text.Width(plain); w > cells {
				t.Fatalf("%d cells on a screen of %d: %q", w, cells, row)
			}
			if i < ends && !beginnings.MatchString(plain) {
				t.Fatalf("%q begins as no row of ours does", row)
			}
		}
	})
}

// beginnings are how rows begin: with the time and a mark of ours or a name, or
// indented, with a bar.
var beginnings = regexp.MustCompile(`^(?:(?:12:00 )?(?:\*\*? |! |--> |<-- |\[|--- |[^ ].*)|(?:      )?  \| |(?:12:00 )?: )`)
