package line

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"parley/room"
)

func TestObjects(t *testing.T) {
	at := time.Date(2026, 11, 22, 13, 4, 5, 678e6, time.FixedZone("", 3600))
	for _, c := range []struct {
		v    any
		want string
	}{
		{room.Event{Type: room.Ready, V: 1, Room: "physics", Nick: "ana", Role: "member", Transport: "udp", Secure: true, Addr: "10.0.0.5:7667", Seq: 41},
			`{"type":"ready","v":1,"seq":41,"room":"physics","nick":"ana","role":"member","transport":"udp","addr":"10.0.0.5:7667","secure":true,"guests":false}`},
		{room.Event{Type: room.Message, Seq: 42, At: at, From: "ben", Text: "hi"},
			`{"type":"message","seq":42,"at":"2026-11-22T12:04:05.678Z","from":"ben","text":"hi","replay":false}`},
		{room.Event{Type: room.Act, Seq: 42, At: at, From: "ben", Text: "waves", Replay: true},
			`{"type":"action","seq":42,"at":"2026-11-22T12:04:05.678Z","from":"ben","text":"waves","replay":true}`},
		{room.Event{Type: room.Whisper, Seq: 43, At: at, From: "ben", To: "ana", Text: "psst"},
			`{"type":"whisper","seq":43,"at":"2026-11-22T12:04:05.678Z","from":"ben","to":"ana","text":"psst","replay":false}`},
		{room.Event{Type: room.Joined, Seq: 44, At: at, Nick: "cyn"}, `{"type":"join","seq":44,"at":"2026-11-22T12:04:05.678Z","nick":"cyn"}`},
		{room.Event{Type: room.Left, Seq: 44, Nick: "cyn", Reason: "lost"}, `{"type":"leave","seq":44,"nick":"cyn","reason":"lost"}`},
		{room.Event{Type: room.Renamed, Seq: 45, From: "cyn", Nick: "cy"}, `{"type":"nick","seq":45,"from":"cyn","nick":"cy"}`},
		{room.Event{Type: room.Topic, Seq: 46, Text: ""}, `{"type":"topic","seq":46,"text":""}`},
		{room.Event{Type: room.Kick, Seq: 47, Nick: "cyn", By: "ana", Reason: "loud"}, `{"type":"kick","seq":47,"nick":"cyn","by":"ana","reason":"loud"}`},
		{room.Event{Type: room.Ban, Seq: 47, Nick: "cyn", By: "ana", Until: at}, `{"type":"ban","seq":47,"nick":"cyn","by":"ana","until":"2026-11-22T12:04:05.678Z"}`},
		{room.Event{Type: room.Slow, Seq: 47, By: "ana"}, `{"type":"slow","seq":47,"by":"ana","seconds":0}`},
		{room.Event{Type: room.Approve, Seq: 47, By: "ana", State: "on"}, `{"type":"approve","seq":47,"by":"ana","state":"on"}`},
		{room.Event{Type: room.Motd, Seq: 47, By: "ana"}, `{"type":"motd","seq":47,"by":"ana","text":""}`},
		{room.Event{Type: room.Accepted, ID: "00ff", Seq: 48, Text: "hi"}, `{"type":"accepted","seq":48,"id":"00ff","text":"hi"}`},
		{room.Event{Type: room.Delivered, Seq: 48}, `{"type":"delivered","seq":48,"count":0,"of":0}`},
		{room.Event{Type: room.Failed, ID: "00ff", Code: "muted", Text: "hi"}, `{"type":"failed","id":"00ff","code":"muted","text":"hi"}`},
		{room.Event{Type: room.Link, State: "switched", Transport: "tcp", Why: "udp silent for 3 s"},
			`{"type":"link","state":"switched","transport":"tcp","why":"udp silent for 3 s"}`},
		{room.Event{Type: room.Gap, FromSeq: 50, Count: 2}, `{"type":"gap","from_seq":50,"count":2}`},
		{room.Event{Type: room.Members, Members: []room.Person{{Nick: "ana", Transport: "udp", Role: "host"}}},
			`{"type":"members","members":[{"nick":"ana","transport":"udp","role":"host"}]}`},
		{room.Event{Type: room.Members}, `{"type":"members","members":[]}`},
		{room.Event{Type: room.Failure, Code: "nick_taken", Text: "taken", Suggest: "ana2"}, `{"type":"error","text":"taken","code":"nick_taken","suggest":"ana2"}`},
		{room.Event{Type: room.Notice, Text: "x"}, `{"type":"notice","text":"x"}`},
		{room.Listing{Room: "physics", Addr: netip.MustParseAddr("10.0.0.5"), UDP: 7667, TCP: 7667, Members: 3, Secure: true},
			`{"type":"room","room":"physics","addr":"10.0.0.5","udp":7667,"tcp":7667,"key":"","members":3,"secure":true,"password":false,"guests":false}`},
	} {
		var out strings.Builder
		if err := Object(&out, c.v); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(out.String(), "}\n") || strings.Count(out.String(), "\n") != 1 {
			t.Errorf("%q is not one line", out.String())
		}
		// Only what is said counts, not in which order.
		var got, want map[string]any
		if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(c.want), &want); err != nil {
			t.Fatal(err)
		}
		g, _ := json.Marshal(got)
		w, _ := json.Marshal(want)
		if string(g) != string(w) {
			t.Errorf("got  %s\nwant %s", g, w)
		}
		if !strings.HasPrefix(out.String(), `{"type":"`) {
			t.Errorf("%s does not begin with its type", out.String())
		}
	}
}

func FuzzObject(f *testing.F) {
	for _, s := range []string{"hi", "\x1b]0;x\a", "\u009b31m", "a\x7fb", "\u2028", "<&>", "\xff\x9b", "\"\\\n", "\xc2", "\u00e9\u0085"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, err := object(room.Event{Type: room.Message, From: s, Text: s})
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range string(b) {
			if (r < 0x20 || 0x7f <= r && r < 0xa0) && i != len(b)-1 {
				t.Fatalf("%q has %U", b, r)
			}
		}
		var e struct{ From, Text string }
		if err := json.Unmarshal(b, &e); err != nil || e.Text != strings.ToValidUTF8(s, "\ufffd") && e.Text != replaced(s) || e.From != e.Text {
			t.Fatalf("%q came back as %q: %v", s, e.Text, err)
		}
	})
}

// replaced has a U+FFFD for each byte that is not UTF-8.
func replaced(s string) string {
	var out strings.Builder
	for _, r := range s {
		out.WriteRune(r)
	}
	return out.String()
}

// What others wrote may be printed on a terminal, as JSON too: nothing there
// may be for the terminal to obey, and nothing may be lost.
func TestObjectIsHarmless(t *testing.T) {
	const text = "a\x1b[2J\u0085\u009b31m\x7f\u202eb\u202a\u2066c\u2069\u2065\u206a\u2028\u00a0\u00e9\u20ac"
	var out strings.Builder
	if err := Object(&out, room.Event{Type: room.Message, Text: text}); err != nil {
		t.Fatal(err)
	}
	for _, r := range strings.TrimSuffix(out.String(), "\n") {
		if r < 0x20 || 0x7f <= r && r < 0xa0 || 0x202a <= r && r <= 0x202e || 0x2066 <= r && r <= 0x2069 {
			t.Errorf("%U in %q", r, out.String())
		}
	}
	var back struct{ Text string }
	if err := json.Unmarshal([]byte(out.String()), &back); err != nil || back.Text != text {
		t.Errorf("%q came back as %q, %v", text, back.Text, err)
	}
}
