package room

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"parley/transport"
)

// FuzzMessages (Z5) reads bytes as a message of either direction. What is read
// must be written and read again as the same; the machines on both sides must
// take it, at any moment, without harm.
func FuzzMessages(f *testing.F) {
	for _, v := range []any{
		command{Type: "join", V: 1, Room: "physics", Nick: "ana", Session: hexID([16]byte{1}), Log: hexID([16]byte{2}), Seq: 4, History: 200, Quiet: true},
		command{Type: "message", ID: hexID([16]byte{3}), Text: "hi", Got: 3, Missed: [][2]uint64{{1, 1}}},
		command{Type: "whisper", ID: hexID([16]byte{4}), To: "ana", Text: "hi"},
		command{Type: "nick", ID: hexID([16]byte{5}), Nick: "ben"},
		command{Type: "topic", ID: hexID([16]byte{6}), Text: "light"},
		command{Type: "away", ID: hexID([16]byte{7}), Text: "lunch"},
		command{Type: "prove", Scram: "p=parley-proof,,n=room,r=abc"}, command{Type: "password", ID: hexID([16]byte{8}), Verifier: &Verifier{[]byte{1}, minRounds, make([]byte, 32), make([]byte, 32)}},
		report{Type: "prove", Room: "physics", Vouch: &vouch{Key: transport.Key{1}, Until: 9, Sig: []byte{1}}}, report{Type: "prove", Scram: "r=abcd,s=AAEC/w==,i=100000"},
		report{Type: "wait", Code: "password", Text: "in about 7 s"},
		command{Type: "names", ID: hexID([16]byte{8})}, command{Type: "got", Got: 7}, command{Type: "leave", Text: "bye"},
		report{Type: "welcome", V: 1, Room: "physics", Nick: "ana", Session: hexID([16]byte{1}), Log: hexID([16]byte{2}), Seq: 9, After: 3,
			Lane: "bare", Secure: true, Vouch: &vouch{Key: transport.Key{1}, Until: 9, Sig: []byte{1}}},
		report{Type: "members", Members: []occupant{{Person: Person{Nick: "ana", Key: transport.Key{1}, Since: time.Unix(1, 0).UTC()}, Seat: "x"}}, More: true},
		report{Type: "message", Seq: 4, At: time.Unix(1, 0).UTC(), From: "ben", Text: "hi", ID: hexID([16]byte{3})},
		report{Type: "join", Seq: 5, Nick: "cyn", Seat: hexID([16]byte{9}), Role: "member", Transport: "udp", Key: transport.Key{1}},
		report{Type: "leave", Seq: 6, Nick: "cyn", Seat: hexID([16]byte{9}), Reason: "lost"},
		report{Type: "skip", FromSeq: 4, Count: 1 << 63}, report{Type: "upto", Seq: 1 << 63}, report{Type: "accepted", ID: hexID([16]byte{3}), Seq: 1},
		report{Type: "failed", ID: hexID([16]byte{3}), Code: "x"}, report{Type: "delivered", Delivered: [][3]uint64{{1, 2, 3}}},
		report{Type: "bye", Code: "closing"}, report{Type: "error", Code: "nick_taken", Suggest: "ana2", Rooms: []string{"a"}},
		report{Type: "notice", Code: "slow", Text: "sending slowly"},
		command{Type: "file", ID: hexID([16]byte{18}), State: "offer", To: "ben", File: aFile(1)}, command{Type: "file", ID: hexID([16]byte{19}), State: "take", File: &File{ID: hexID([16]byte{1})}},
		report{Type: "file", State: "offered", From: "ben", To: "ana", File: aFile(2)}, report{Type: "file", State: "failed", Text: "why", File: &File{ID: "x", Name: "../\x1b", Size: -1}},
		carry{Type: "carry", V: 1, Room: "physics", Session: hexID([16]byte{1}), ID: hexID([16]byte{2}), Side: "give"},
		command{Type: "ban", ID: hexID([16]byte{10}), Nick: "ben", Reason: "spam", Seconds: 600, Address: true}, command{Type: "op", ID: hexID([16]byte{11}), Nick: "ben"},
		command{Type: "kick", ID: hexID([16]byte{12}), Nick: "ben"}, command{Type: "mute", ID: hexID([16]byte{13})}, command{Type: "slow", ID: hexID([16]byte{14}), Seconds: 9},
		command{Type: "approve", ID: hexID([16]byte{15}), State: "on"}, command{Type: "filter", ID: hexID([16]byte{16}), Text: "/x+/"}, command{Type: "bans", ID: hexID([16]byte{17})},
		report{Type: "ban", Seq: 7, By: "ana", Nick: "ben", Key: transport.Key{1}, Until: time.Unix(600, 0).UTC(), Reason: "spam"},
		report{Type: "address", Seq: 8, Code: "ban", Nick: "ben", Key: transport.Key{1}, Addr: "10.0.0.9"}, report{Type: "op", Seq: 9, By: "ana", Nick: "ben", Key: transport.Key{1}},
		report{Type: "mute", Seq: 9, By: "ana"}, report{Type: "slow", Seq: 9, Seconds: 5}, report{Type: "approve", Seq: 9, State: "on"}, report{Type: "filter", Seq: 9, Text: "/x+/"},
		command{Type: "page", ID: hexID([16]byte{18}), Seq: 9, N: 50}, command{Type: "search", ID: hexID([16]byte{19}), Text: "light sound", N: 1}, command{Type: "receipt", ID: hexID([16]byte{20}), Seq: 3},
		command{Type: "join", V: 1, Log: hexID([16]byte{2}), Seq: 4, LastSeq: 3, LastID: hexID([16]byte{3}), Epoch: 2}, report{Type: "welcome", V: 1, Anew: true, Keep: "90d"},
		report{Type: "found", ID: hexID([16]byte{4}), Events: found{json.RawMessage(`{"seq":4,"type":"message","from":"ben","text":"hi"}`)}, More: true},
		report{Type: "found", ID: hexID([16]byte{4}), Events: found{json.RawMessage(`{"seq":5}`), json.RawMessage(`{"seq":4}`), json.RawMessage(`7`)}, Earlier: true},
	} {
		f.Add(encode(v))
	}
	f.Add([]byte(`{"type":"message","text":{"deep":[[[[[[[]]]]]]]}}`))
	f.Add([]byte(`{"TYPE":"got","got":18446744073709551615,"missed":[[0,18446744073709551615]]}`))
	f.Fuzz(func(t *testing.T, msg []byte) {
		if c, err := parseCommand(msg); err == nil {
			if again, err := parseCommand(encode(c)); err != nil && len(encode(c)) <= maxWire || err == nil && !reflect.DeepEqual(norm(c), norm(again)) {
				t.Fatalf("%+v\n%+v\n%v", c, again, err)
			}
			toHost(c)
		}
		if r, err := parseReport(msg); err == nil {
			out := encode(r)
			if again, err := parseReport(out); err != nil && len(out) <= maxWire || err == nil && !bytes.Equal(out, encode(again)) {
				t.Fatalf("%+v\n%+v\n%v", r, again, err)
			}
			e := r.event()
			checkTame(t, &r)
			if b, err := json.Marshal(e); err != nil || !json.Valid(b) {
				t.Fatalf("%s %v", b, err)
			}
			for _, lane := range []transport.Delivery{transport.Ordered, transport.Unordered, transport.Bare} {
				toMember(&r, lane)
			}
		}
		wireForm(Entry{Body: msg})
		newState().fold(Entry{Seq: 1, Body: msg}, msg)
		ParseJoin(msg)
	})
}

// checkTame checks that nothing in r can be obeyed by a terminal.
func checkTame(t *testing.T, r *report) {
	t.Helper()
	names := []string{r.ID, r.From, r.To, r.Nick, r.By, r.Reason, r.Transport, r.Role, r.Code, r.Suggest, r.Room, r.Topic, r.Why, r.Delivery, r.Lane, r.State, r.Addr, r.Keep}
	for _, m := range r.Members {
		names = append(names, m.Nick, m.Transport, m.Role, m.Away)
	}
	all := strings.Join(append(names, r.Rooms...), "") + strings.NewReplacer("\n", "", "\t", "").Replace(r.Text+r.Motd)
	if i := strings.IndexFunc(all, func(c rune) bool { return c < 0x20 || 0x7f <= c && c < 0xa0 }); i >= 0 || !utf8.ValidString(all) {
		t.Fatalf("%q has a control character", all)
	}
}

// norm makes an empty list no list.
func norm(c command) command {
	if len(c.Missed) == 0 {
		c.Missed = nil
	}
	return c
}

// toHost gives a command to a room with two people, from one of them and from
// one who has not joined.
func toHost(c command) {
	p := newPlay(&Host{Name: "physics", HostKey: transport.Key{1}}) // ana is the host
	ana, new := p.join("ana"), p.link()
	p.join("ben")
	p.core.command(p.now, ana, c)
	p.core.command(p.now, new, c)
	p.settle()
	p.say(ana, "still here")
	p.settle()
	p.now = p.now.Add(time.Hour)
	p.core.tick(p.now)
	p.settle()
	q := newPlay(&Host{Name: "physics", Password: fuzzed})
	q.settle()
	asked := q.guesser("10.0.0.1:1", 1)
	for _, c := range []command{{Type: typeJoin, V: Version, Nick: "ana"}, c, {Type: typeProve, Scram: "p=parley-proof,,n=room,r=abc"}, c} {
		q.core.command(q.now, asked.link, c)
		q.settle()
	}
	if asked.seat != nil {
		panic("it is let in without the password")
	}
}

var fuzzed = verifierOf("secret")

// toMember gives a report to a member.
func toMember(r *report, lane transport.Delivery) {
	m := &Member{changed: make(chan struct{}), people: map[string]Person{}, ignored: new(Ignored)}
	m.inbox.begin(3, lane, true)
	m.pending = []*saying{{cmd: command{Type: "message", ID: hexID([16]byte{3})}}, {cmd: command{Type: "page", ID: hexID([16]byte{4}), N: 2}, lookup: new(lookup)}}
	now := time.Unix(0, 0)
	for range 2 {
		m.take(now, r)
		m.showGaps(now.Add(time.Minute))
		m.outgoing(now.Add(time.Minute))
	}
}

// FuzzHearsay has reports of other hosts, whatever is in them, be passed over or counted, and no count go beyond what there is.
func FuzzHearsay(f *testing.F) {
	f.Add([]byte(`{"log":"00000000000000000000000000000000","to":"a","from":"b","got":[[1,3,2,2],[2,2,0,1]]}`))
	f.Add([]byte(`{"got":[[1,18446744073709551615,9999,10000]],"from":"b"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, ok := parseHearsay(b)
		if !ok {
			return
		}
		c := &core{host: &Host{}, meter: meterOf(&Host{})}
		c.receipts.meter = c.meter
		c.fleet.ids = map[string]bool{x.From: true}
		s := &seat{}
		for seq := range uint64(5) {
			c.receipts.list = append(c.receipts.list, &receipt{seq: seq + 1, from: s})
		}
		for range 2 {
			c.heard(time.Unix(0, 0), x)
		}
		for _, r := range c.receipts.list {
			if r.count < 0 || r.count > r.of || len(r.afar) > 1 {
				t.Errorf("%d of %d, by %d hosts", r.count, r.of, len(r.afar))
			}
		}
	})
}
