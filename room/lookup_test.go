package room

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/transport"
)

// TestLookPastTheIgnored reads back where a whole page, and what a search finds, is of
// somebody who is ignored: what is before that is found all the same.
func TestLookPastTheIgnored(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, func(h *Host) { h.Burst = 1 << 20 })
		defer h.close()
		ana, mal := h.join("ana", nil), h.join("mal", nil)
		say(t, ana, "light at first")
		heard(t, mal, "light at first")
		go keep(mal)
		for i := range 2 * maxPage {
			say(t, mal, fmt.Sprint("light ", i))
		}
		heard(t, ana, fmt.Sprint("light ", 2*maxPage-1))
		typed(t, ana, "/ignore mal")
		l, err := ana.Page(t.Context(), 0, 50)
		if err != nil || len(l.Events) != 0 || !l.More || l.Before == 0 {
			t.Errorf("a page of the ignored: %+v %v", l, err)
		}
		l, err = ana.Spoken(t.Context(), 0, 5)
		if err != nil || texts(l) != "message light at first" {
			t.Errorf("spoken: %q %v", texts(l), err)
		}
		typed(t, ana, "/search light")
		found := 0
		for range 30 {
			e := kind(t, ana, Found)
			if found = e.Count; found > 0 {
				break
			}
			typed(t, ana, "/search")
		}
		if found != 1 {
			t.Error("what somebody else said is not found")
		}
		leave(t, ana, mal)
	})
}

// TestHostLiesAboutThePast answers questions with what was not asked for: the same
// events for ever, in any order, later than they may be, huge ones without an end.
// It is bounded, and whoever asks gets an end.
func TestHostLiesAboutThePast(t *testing.T) {
	big := strings.Repeat("x", 12000)
	for _, lie := range []string{"the same", "later", "huge", "no end", "nothing, and more of it"} {
		bubble(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			var host sync.WaitGroup
			asked := 0
			answer := func(its transport.Conn, cmd command) {
				r := report{Type: string(Found), ID: cmd.ID, Earlier: true}
				add := func(seq uint64, text string) {
					raw, _ := json.Marshal(report{Type: string(Joined), Seq: seq, Nick: "mal", Text: text})
					r.Events = append(r.Events, raw)
				}
				switch lie {
				case "the same":
					add(7, "x")
					add(7, "y")
					add(6, "z")
				case "later":
					add(end(cmd.Seq), "x")
				case "huge", "no end":
					r.More = true
					for i := range uint64(100) {
						r.Events = nil
						if add(i+1, big); its.Send(ctx, encode(r)) != nil {
							return
						}
					}
					r.Events, r.More = nil, lie == "no end"
				}
				its.Send(ctx, encode(r))
			}
			m, err := Join(ctx, JoinOptions{Nick: "ana"}, Dial(func(context.Context) (transport.Conn, error) {
				mine, its := transport.Pipe(transport.Peer{}, transport.Peer{})
				host.Go(func() {
					defer its.Close()
					for {
						msg, err := its.Receive(ctx)
						if err != nil {
							return
						}
						var cmd command
						json.Unmarshal(msg, &cmd)
						switch cmd.Type {
						case typeJoin:
							its.Send(ctx, encode(greeting))
							its.Send(ctx, encode(report{Type: string(Members)}))
						case typePage:
							asked++
							answer(its, cmd)
						}
					}
				})
				return mine, nil
			}))
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			l, err := m.Spoken(ctx, 0, 20)
			var no *Refused
			if len(l.Events) != 0 || err != nil && !errors.As(err, &no) || time.Since(began) > time.Minute || asked > 20 {
				t.Errorf("%s: %d events, %v, after %v and %d questions", lie, len(l.Events), err, time.Since(began), asked)
			}
			page, _ := m.Page(ctx, 0, maxLook)
			size := 0
			for i, e := range page.Events {
				size += len(e.Text)
				if i > 0 && e.Seq <= page.Events[i-1].Seq {
					t.Errorf("%s: %d after %d", lie, e.Seq, page.Events[i-1].Seq)
				}
			}
			if size > maxAnswer {
				t.Errorf("%s: %d bytes are kept", lie, size)
			}
			leave(t, m)
			cancel()
			host.Wait()
		})
	}
}
