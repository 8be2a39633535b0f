package room

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/transport"
)

// TestInput types every command that is not the front end's.
func TestInput(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, func(h *Host) { h.Topic = "light" })
		defer h.close()
		ana := h.join("ana", h.own)
		ben := h.join("ben", nil)
		defer leave(t, ana, ben)
		until(t, ana, "ben", func(e Event) bool { return e.Type == Joined && e.Nick == "ben" })

		typed(t, ana, "//quit is a word\r\n")
		heard(t, ben, "/quit is a word")
		typed(t, ana, "/me waves")
		if e := heard(t, ben, "waves"); e.Type != Act {
			t.Errorf("%+v", e)
		}
		typed(t, ana, "@BEN: psst")
		if e := heard(t, ben, "psst"); e.Type != Whisper {
			t.Errorf("%+v", e)
		}
		typed(t, ana, "@nobody is here")
		heard(t, ben, "@nobody is here")
		typed(t, ana, "mail me @ben")
		heard(t, ben, "mail me @ben")
		typed(t, ana, "/msg Ben again")
		heard(t, ben, "again")
		typed(t, ben, "/r yes")
		if e := heard(t, ana, "yes"); e.Type != Whisper || e.From != "ben" {
			t.Errorf("%+v", e)
		}
		typed(t, ana, "/msg zoe hello")
		if e := kind(t, ana, Failed); e.Code != "no_nick" || e.Text != "hello" || e.To != "zoe" {
			t.Errorf("%+v", e)
		}
		typed(t, ana, "/query ben")
		kind(t, ana, Notice)
		typed(t, ana, "between us")
		if e := heard(t, ben, "between us"); e.Type != Whisper {
			t.Errorf("%+v", e)
		}
		typed(t, ana, "/query")
		typed(t, ana, "to all")
		if e := heard(t, ben, "to all"); e.Type != Message {
			t.Errorf("%+v", e)
		}

		typed(t, ana, "/topic")
		if e := until(t, ana, "the topic", func(e Event) bool { return strings.HasPrefix(e.Text, "topic") }); e.Text != "topic: light" {
			t.Errorf("%+v", e)
		}
		typed(t, ana, "/topic sound and vision")
		if e := kind(t, ben, Topic); e.Text != "sound and vision" || e.From != "ana" {
			t.Errorf("%+v", e)
		}
	})
}

func TestPeopleCommands(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, nil)
		defer h.close()
		ana := h.join("ana", h.own)
		ben := h.join("ben", func(o *JoinOptions) { o.Via = "tcp"; o.Guest = true })
		defer leave(t, ana, ben)
		typed(t, ben, "/nick ANA")
		if e := kind(t, ben, Failure); e.Code != "nick_taken" || e.Suggest == "" {
			t.Errorf("%+v", e)
		}
		typed(t, ben, "/nick Benny")
		if e := kind(t, ben, Renamed); !e.Own || e.From != "ben" || e.Nick != "Benny" || ben.Nick() != "Benny" {
			t.Errorf("%+v", e)
		}
		typed(t, ben, "/nick benny") // only the case
		kind(t, ben, Renamed)
		typed(t, ben, "/away lunch")
		if e := until(t, ben, "away", func(e Event) bool { return e.Type == Notice }); e.Text != "you are away: lunch" {
			t.Errorf("%+v", e)
		}
		for _, line := range []string{"/names", "/clients", `\clients`, "/who", "/users"} {
			typed(t, ana, line)
			e := kind(t, ana, Members)
			if len(e.Members) != 2 || e.Members[0].Nick != "ana" || e.Members[0].Role != "host" && h.host.HostKey == e.Members[0].Key ||
				e.Members[1].Nick != "benny" || e.Members[1].Away != "lunch" || e.Members[1].Role != "guest" || e.Members[1].Transport != "tcp" {
				t.Errorf("%+v", e.Members)
			}
		}
		typed(t, ana, "/w benny are you there")
		if e := until(t, ana, "away", func(e Event) bool { return e.Type == Notice }); e.Text != "benny is away: lunch" {
			t.Errorf("%+v", e)
		}
		typed(t, ben, "/away lunch, key AAAA (forged words)") // which is behind what the program says
		until(t, ben, "away", func(e Event) bool { return e.Type == Notice })
		typed(t, ana, "/whois benny")
		if e := until(t, ana, "whois", func(e Event) bool { return e.Type == Notice && strings.HasPrefix(e.Text, "benny: ") }); !strings.HasSuffix(e.Text, "), away: lunch, key AAAA (forged words)") {
			t.Errorf("%+v", e)
		}
		typed(t, ben, "/back")
		until(t, ben, "back", func(e Event) bool { return e.Text == "you are back" })
		typed(t, ana, "/whois benny")
		if e := until(t, ana, "whois", func(e Event) bool { return e.Type == Notice }); !strings.Contains(e.Text, "benny: guest, over tcp") || strings.Contains(e.Text, "away") {
			t.Errorf("%+v", e)
		}
		typed(t, ana, "/whois zoe")
		if e := kind(t, ana, Failure); e.Code != "no_nick" {
			t.Errorf("%+v", e)
		}
		typed(t, ana, "/ignore benny")
		typed(t, ana, "/ignore")
		until(t, ana, "the ignored", func(e Event) bool { return e.Text == "you ignore benny" })
		say(t, ben, "unheard")
		synctest.Wait()
		typed(t, ana, "/unignore benny")
		say(t, ben, "audible")
		until(t, ana, "audible", func(e Event) bool {
			if e.Text == "unheard" {
				t.Errorf("%+v", e)
			}
			return e.Text == "audible"
		})
		typed(t, ana, "/motd")
		until(t, ana, "motd", func(e Event) bool { return strings.Contains(e.Text, "this is physics, with 2 people") })
		typed(t, ana, "/stats")
		if e := kind(t, ana, Stats); e.Stats == nil || e.Stats.Events == 0 {
			t.Errorf("%+v", e)
		}
		typed(t, ana, "/help")
		until(t, ana, "help", func(e Event) bool {
			for _, c := range Commands {
				if !strings.Contains(e.Text, "/"+c.Name) {
					t.Errorf("/help does not have /%s", c.Name)
				}
			}
			return strings.Contains(e.Text, "/msg NICK TEXT ") && strings.Contains(e.Text, "//TEXT") && strings.Count(e.Text, "\n") < 20
		})
		typed(t, ana, "/help w")
		until(t, ana, "help", func(e Event) bool { return strings.HasPrefix(e.Text, "/msg NICK TEXT") })
	})
}

// TestSuggest makes slips, and types what only looks like one.
func TestSuggest(t *testing.T) {
	for typed, want := range map[string]string{
		"hepl": "help", "nmaes": "names", "tpoic": "topic", "whi": "whisper", "wh": "who", "cle": "clear", "TOPICC": "topic", "unignroe": "unignore",
		"timestmap": "timestamp", "joi": "join", "ni": "nick", "msgg": "msg", "rooms!": "rooms",
		"foo": "", "x": "", "f": "", "q": "", "": "", "mx": "", "bna": "ban", "kcik": "kick", "appr": "approve", "xyzzy": "", "wait": "", strings.Repeat("x", 99): "",
	} {
		if got := Suggest(typed); got != want {
			t.Errorf("/%s: %q, want %q", typed, got, want)
		}
	}
	if s := helpText(true, false); strings.Contains(s, "/join") || strings.Contains(s, "/clear") || !strings.Contains(s, "/quit") || strings.Contains(s, "/kick") {
		t.Errorf("for a guest:\n%s", s)
	}
}

// TestNotSaid types what must not reach the room.
func TestNotSaid(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, nil)
		defer h.close()
		ana, ben := h.join("ana", nil), h.join("ben", nil)
		for line, want := range map[string]Refused{
			"/foo":                             {Code: "unknown_command"},
			"/hepl":                            {Code: "unknown_command", Suggest: "help"},
			"/nmaes x":                         {Code: "unknown_command", Suggest: "names"},
			"/me":                              {Code: "usage"},
			"/msg ben":                         {Code: "usage"},
			"/reply x":                         {Code: "usage"},
			"/nick":                            {Code: "usage"},
			"/help xx":                         {Code: "unknown_command"},
			strings.Repeat("é", 2049):          {Code: "too_long"},
			"/me " + strings.Repeat("x", 4097): {Code: "too_long"},
		} {
			_, err := ana.Input(t.Context(), line)
			var r *Refused
			if !errors.As(err, &r) || r.Code != want.Code || r.Suggest != want.Suggest {
				t.Errorf("%.20q: %v, want %+v", line, err, want)
			}
			if r != nil && r.Code == "unknown_command" && r.Suggest == "" && !strings.Contains(r.Text, "/help lists") {
				t.Errorf("%q", r.Text)
			}
		}
		for line, want := range map[string]Action{
			"": {}, "  ": {}, "/quit bye all": {"quit", "bye all"}, "/exit": {"quit", ""}, `\quit`: {"quit", ""}, `\clear`: {"clear", ""},
			"/clear": {"clear", ""}, "/rooms": {"list", ""}, "/JOIN #x": {"join", "#x"}, "/leave": {"part", ""}, "/bell off": {"bell", "off"},
			"/timestamp": {"timestamp", ""}, "/quiet": {"quiet", ""},
		} {
			if got := typed(t, ana, line); got != want {
				t.Errorf("%q: %+v, want %+v", line, got, want)
			}
		}
		long := strings.Repeat("é", 2048)
		typed(t, ana, long)
		if e := until(t, ben, "a message", func(e Event) bool { return e.Type.said() }); e.Text != long || e.Seq != 3 {
			t.Errorf("%.40q", e.Text)
		}
		typed(t, ana, "a\x1b[31mred\x07")
		if e := until(t, ben, "a message", func(e Event) bool { return e.Type.said() }); strings.ContainsAny(e.Text, "\x1b\x07") || !strings.Contains(e.Text, "red") {
			t.Errorf("%q", e.Text)
		}
		leave(t, ana, ben)
	})
}

// TestHostRefuses sends by hand what a Member would not.
func TestHostRefuses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, nil)
		defer h.close()
		c, err := h.dial(identity(t))(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		send := func(s string) { c.Send(t.Context(), []byte(s)) }
		answer := func(want string) {
			t.Helper()
			for {
				msg, err := c.Receive(t.Context())
				if err != nil {
					t.Fatalf("waiting for %s: %v", want, err)
				}
				if strings.Contains(string(msg), want) {
					return
				}
			}
		}
		send(`{"type":"join","v":1,"nick":"eve"}`)
		send(`{"type":"message","id":"00000000000000000000000000000001","text":"at once"}`) // before the welcome
		answer(`"welcome"`)
		answer(`"text":"at once"`)
		n := 0
		id := func() string { n++; return fmt.Sprintf("%032x", 1000+n) }
		for range 5 { // more than may be unanswered at a time
			for text, code := range map[string]string{"bell\\u0007": "bad_text", "csi\\u009b": "bad_text", "": "bad_text",
				strings.Repeat("x", 4097): "too_long", strings.Repeat("\\u00e9", 2049): "too_long"} {
				i := id()
				send(`{"type":"message","id":"` + i + `","text":"` + text + `"}`)
				answer(`"type":"failed","id":"` + i + `"`)
				_ = code
			}
			send(`{"type":"message","id":"xyz","text":"a"}`)
			answer(`"protocol"`)
			send(`{"type":"dance"}`)
			answer(`"unknown_command"`)
			send(`{"type":"join","v":1,"nick":"eve"}`)
			answer(`"seated already"`)
			send(`{"type":"topic","id":"` + id() + `","text":"a\nb"}`)
			answer(`"not_allowed"`)
			send(`{"type":"names","id":"` + id() + `"}`)
			answer(`"members"`)
			send(`{"type":"whisper","to":"eve","id":"` + id() + `","text":"me"}`)
			answer(`"self"`)
		}
		send(`{"type":"message","id":"00000000000000000000000000000001","text":"at once"}`)
		answer(`"type":"accepted","seq":2,"id":"00000000000000000000000000000001"`)
		send(`{"type":"message","id":"00000000000000000000000000000002","text":"<&>\u2028","more":{"to":["come"]}}`)
		answer("<&>")
		send("no json")
		answer(`"protocol"`)
		if _, err := c.Receive(t.Context()); err == nil {
			t.Error("the connection is kept")
		}
		c.Close()
	})
}

// TestSaidTwice uses an id again, long after, for the same text and another.
func TestSaidTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, func(h *Host) { h.Burst = 5000 })
		defer h.close()
		c, _ := h.dial(identity(t))(t.Context())
		ask := func(n int, text string) report {
			c.Send(t.Context(), encode(command{Type: "message", ID: fmt.Sprintf("%032x", n), Text: text}))
			for {
				msg, err := c.Receive(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if r, _ := parseReport(msg); r.Type == "accepted" || r.Type == "failed" {
					return r
				}
			}
		}
		c.Send(t.Context(), encode(command{Type: "join", V: 1, Nick: "eve"}))
		for i := range recentIDs + 10 {
			if r := ask(i, fmt.Sprint(i)); r.Seq != uint64(i+2) {
				t.Fatalf("%+v", r)
			}
		}
		if r := ask(3, "3"); r.Type != "accepted" || r.Seq != 5 {
			t.Errorf("%+v", r)
		}
		for _, id := range []int{3, recentIDs + 5} {
			if r := ask(id, "other"); r.Code != "id_used" {
				t.Errorf("%+v", r)
			}
		}
		c.Close()
	})
}

func TestEventJSON(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 60e6, time.FixedZone("", 3600))
	for _, tc := range []struct {
		e    Event
		want string
	}{
		{Event{Type: Message, Seq: 42, At: at, From: "ben", Text: "<hi>"},
			`{"type":"message","seq":42,"at":"2026-01-02T02:04:05.060Z","from":"ben","text":"<hi>","replay":false}`},
		{Event{Type: Whisper, Seq: 1, From: "a", To: "b", Text: "x", Replay: true}, `{"type":"whisper","seq":1,"from":"a","to":"b","text":"x","replay":true}`},
		{Event{Type: Delivered, Seq: 48, Of: 9}, `{"type":"delivered","seq":48,"count":0,"of":9}`},
		{Event{Type: Gap, FromSeq: 50, Count: 2}, `{"type":"gap","from_seq":50,"count":2}`},
		{Event{Type: Members}, `{"type":"members","members":[]}`},
		{Event{Type: Ready, V: 1, Room: "x", Key: transport.Key{}}, `{"type":"ready","v":1,"seq":0,"nick":"","room":"x","secure":false,"guests":false}`},
		{Event{Type: Topic, Seq: 2, From: "a"}, `{"type":"topic","seq":2,"from":"a","text":""}`},
		{Event{Type: Link, State: "lost", Why: "udp silent"}, `{"type":"link","state":"lost","why":"udp silent"}`},
	} {
		var b strings.Builder
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(tc.e); err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(b.String()); got != tc.want {
			t.Errorf("got  %s\nwant %s", got, tc.want)
		}
	}
}

func TestRouting(t *testing.T) {
	if name, err := ParseJoin([]byte(`{"type":"join","room":"physics"}`)); name != "physics" || err != nil {
		t.Error(name, err)
	}
	if name, err := ParseJoin([]byte(`{"type":"join"}`)); name != "" || err != nil {
		t.Error(name, err)
	}
	for _, bad := range []string{"", "{}", `{"type":"message"}`, `{"type":"join","room":"a/b"}`, `{"type":"join","room":1}`, "{\"type\":\"join\",\"room\":\"\xff\"}"} {
		if _, err := ParseJoin([]byte(bad)); err == nil {
			t.Errorf("%q is a join", bad)
		}
	}
	many := make([]string, 1000)
	for i := range many {
		many[i] = strings.Repeat("r", 63)
	}
	for _, msg := range [][]byte{WhichRoom(many), NoRoom(strings.Repeat("\x1b", 63), many)} {
		if r, err := parseReport(msg); err != nil || r.Code == "" || len(r.Rooms) != maxRooms {
			t.Errorf("%v: %s", err, msg)
		}
	}
}
