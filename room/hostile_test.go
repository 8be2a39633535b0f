package room

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/transport"
)

// pose joins a host that is none: it reads the join, and then says what it
// likes; nil says nothing until the member has hung up.
func pose(t *testing.T, host func(say func(v any) bool)) (*Member, error) {
	ctx, cancel := context.WithCancel(t.Context())
	var hosts sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		hosts.Wait()
	})
	return Join(ctx, JoinOptions{Nick: "ana"}, Dial(func(context.Context) (transport.Conn, error) {
		mine, its := transport.Pipe(transport.Peer{}, transport.Peer{})
		hosts.Go(func() {
			defer its.Close()
			if _, err := its.Receive(ctx); err == nil {
				host(func(v any) bool {
					if v == nil {
						for {
							if _, err := its.Receive(ctx); err != nil {
								return false
							}
						}
					}
					b, raw := v.([]byte)
					if !raw {
						b = encode(v)
					}
					return its.Send(ctx, b) == nil
				})
			}
		})
		return mine, nil
	}))
}

var greeting = report{Type: typeWelcome, V: Version, Room: "physics", Nick: "ana", Log: strings.Repeat("a", 32), Session: strings.Repeat("b", 32), Seat: strings.Repeat("c", 32)}

// TestHostNeverWelcomes has hosts answer a join with nothing, and with no end.
func TestHostNeverWelcomes(t *testing.T) {
	person := occupant{Person: Person{Nick: strings.Repeat("w", maxName)}, Seat: strings.Repeat("d", 32)}
	for what, host := range map[string]func(say func(any) bool){
		"silence": func(say func(any) bool) { say(nil) },
		"chatter": func(say func(any) bool) {
			for say(report{Type: "weather"}) {
				time.Sleep(time.Second)
			}
		},
		"a crowd": func(say func(any) bool) {
			for say(greeting); say(report{Type: string(Members), Members: []occupant{person, person}, More: true}); {
			}
		},
		"long early words": func(say func(any) bool) {
			for say(report{Type: string(Message), Seq: 1, Text: strings.Repeat("x", 16000)}) {
			}
		},
		"short early words": func(say func(any) bool) {
			for say(report{Type: string(Message), Seq: 1}) {
			}
		},
		"no object": func(say func(any) bool) { say([]byte(`["welcome"]`)) },
	} {
		bubble(t, func(t *testing.T) {
			began := time.Now()
			m, err := pose(t, host)
			var r *Refused
			if m != nil || !errors.Is(err, transport.ErrLost) && !(errors.As(err, &r) && r.Code == codeProtocol) {
				t.Errorf("%s: %v", what, err)
			}
			if d := time.Since(began); d > answerTime {
				t.Errorf("%s: took %v", what, d)
			}
		})
	}
}

// TestHostInventsPeople has a host tell of ever more people: of those who come
// and of those who are listed a member knows a bounded number.
func TestHostInventsPeople(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, err := pose(t, func(say func(any) bool) {
			say(greeting)
			say(report{Type: string(Members)})
			for i := range uint64(maxCrowd + 100) {
				say(report{Type: typeJoin, Seq: i + 1, Nick: fmt.Sprint("n", i), Seat: fmt.Sprintf("%032x", i)})
			}
			say(report{Type: string(Message), Seq: maxCrowd + 101, From: "n1", Text: "all"})
			for i := range maxCrowd {
				say(report{Type: string(Members), More: true, Members: []occupant{{Seat: fmt.Sprintf("%032x", 2*i)}, {Seat: fmt.Sprintf("%032x", 2*i+1)}}})
			}
			say(report{Type: string(Notice), Text: "listed"})
			say(nil)
		})
		if err != nil {
			t.Fatal(err)
		}
		heard(t, m, "all")
		if n := len(m.Names()); n != maxCrowd {
			t.Errorf("%d people are known", n)
		}
		until(t, m, "the list", func(e Event) bool { return e.Text == "listed" })
		m.mu.Lock()
		if n := len(m.chunk); n > maxCrowd+maxPeople {
			t.Errorf("%d people of a list are kept", n)
		}
		m.mu.Unlock()
		leave(t, m)
	})
}

// TestLongNames has a host name things by more than a name may have.
func TestLongNames(t *testing.T) {
	long := strings.Repeat("n", maxName+1)
	for _, r := range []report{{From: long}, {Nick: long}, {Seat: long}, {Room: long}, {Code: long}, {Session: long}, {Suggest: long},
		{Topic: strings.Repeat("t", 4*maxLine+1)}, {Members: []occupant{{Seat: long}}}, {Members: []occupant{{Person: Person{Nick: long}}}},
		{Members: []occupant{{Person: Person{Away: strings.Repeat("t", 4*maxLine+1)}}}}} {
		r.Type = "x"
		if _, err := parseReport(encode(r)); err == nil {
			t.Errorf("%.100s… is taken", encode(r))
		}
	}
	if _, err := parseReport(encode(report{Type: "x", Nick: long[1:], Text: strings.Repeat(long, 10), Reason: long})); err != nil {
		t.Error(err)
	}
}

// TestHostOfControls has a host put control characters into everything: none
// is left in what a front end gets, and nothing that has no place for it has
// a second line.
func TestHostOfControls(t *testing.T) {
	const evil = "a\x1b]0;b\x07\n\u009b2J\t\x7f"
	r := report{Type: "notice", Text: evil, ID: evil, From: evil, To: evil, Nick: evil, By: evil, Reason: evil, Transport: evil, Role: evil, Code: evil,
		Suggest: evil, Room: evil, Delivery: evil, Lane: evil, Topic: evil, Why: evil, State: evil, Addr: evil, Motd: evil, Rooms: []string{evil, "x"},
		Members: []occupant{{Person: Person{Nick: evil, Transport: evil, Role: evil, Away: evil}}}}
	got, err := parseReport(encode(r))
	if err != nil {
		t.Fatal(err)
	}
	checkTame(t, &got)
	if want := "a␛]0;b␇\n␛[2J\t␡"; got.Text != want {
		t.Errorf("%q, want %q", got.Text, want)
	}
	if want := "a␛]0;b␇⏎␛[2J␉␡"; got.Nick != want || got.Rooms[0] != want || got.Members[0].Away != want {
		t.Errorf("%q, want %q", got.Nick, want)
	}
	entry := Entry{Seq: 1, Body: encode(report{Type: string(Topic), Text: "t", From: evil})}
	if e, err := entry.Event(); err != nil || e.From != got.From {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestHostRefusesControls has a member put them into every field that a
// command has: the host takes none of it, and says which rule it breaks.
func TestHostRefusesControls(t *testing.T) {
	for _, evil := range []string{"\x1b", "a\x00", "a\rb", "\u009b2J", "a\x7f", "\x1b]0;a\x07", "\x9b"} {
		p := newPlay(&Host{Name: "physics"})
		l := p.join("ana")
		id := strings.Repeat("9", 32)
		for _, c := range []command{
			{Type: "message", Text: evil}, {Type: "action", Text: evil}, {Type: "whisper", To: "ana", Text: evil}, {Type: "whisper", To: evil, Text: "x"},
			{Type: "nick", Nick: evil}, {Type: "topic", Text: evil}, {Type: "away", Text: evil}, {Type: evil, Text: "x"}, {Type: "leave", Text: evil},
		} {
			c.ID = id
			before := len(p.log.entries)
			p.core.command(p.now, l, c)
			p.settle()
			for _, e := range p.log.entries[before:] {
				if r, err := parseReport(wireForm(e)); err != nil || r.Type != "leave" || r.Text != "" {
					t.Errorf("%q of %+v is stored: %s", evil, c, e.Body)
				}
			}
		}
	}
}
