package room

import (
	"context"
	"errors"
	"testing"
	"time"
)

// judged waits until somebody has been put out, and returns the code.
func judged(t *testing.T, m *Member) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
	defer cancel()
	for {
		_, err := m.Next(ctx)
		var r *Refused
		switch {
		case errors.As(err, &r):
			return r.Code
		case err != nil:
			t.Fatalf("%s ended with %v", m.Nick(), err)
		}
	}
}

// M3 over real carriers: what was decided holds when the host is opened again on
// its log, and over another carrier than before; for those who are away at the
// time and come back, and for those who come anew.
func TestDecisionsOutliveTheHost(t *testing.T) {
	for _, way := range [][2]string{{"udp", "tcp"}, {"tcp", "udp"}, {"cable", "pipe"}} {
		t.Run(way[0]+" to "+way[1], func(t *testing.T) {
			run := func(t *testing.T) {
				log := NewMemory()
				h := open(t, carriers[way[0]].carrier, func(h *Host) { h.Log = log })
				defer h.close()
				cynID, danID := identity(t), identity(t)
				ana := h.join("ana", h.own)
				cyn := h.join("cyn", func(o *JoinOptions) { o.Identity = cynID })
				dan := h.join("dan", func(o *JoinOptions) { o.Identity = danID })
				ben := h.join("ben", nil)
				until(t, ana, "ben", func(e Event) bool { return e.Type == Joined && e.Nick == "ben" })
				for _, line := range []string{"/op ben", "/mute dan", "/ban cyn 1h spam", "/motd hello", "/filter heck"} {
					typed(t, ana, line)
				}
				if code := judged(t, cyn); code != codeBanned {
					t.Errorf("cyn: %s", code)
				}
				until(t, ana, "the filter", func(e Event) bool { return e.Type == Filter })
				h.close()
				h.carrier = carriers[way[1]].carrier
				h.reopen(log)
				until(t, dan, "the link", func(e Event) bool { return e.Type == Link && e.State == "resumed" })
				say(t, dan, "hi")
				if e := kind(t, dan, Failed); e.Code != codeMuted {
					t.Errorf("dan: %+v", e)
				}
				if r := refused(t, h, JoinOptions{Nick: "innocent", Identity: cynID}); r.Code != codeBanned {
					t.Errorf("cyn: %+v", r)
				}
				until(t, ben, "the link", func(e Event) bool { return e.Type == Link && e.State == "resumed" })
				say(t, ben, "what the heck") // as an op
				heard(t, ben, "what the heck")
				typed(t, ben, "/unmute dan")
				until(t, dan, "the unmute", func(e Event) bool { return e.Type == Unmute })
				say(t, dan, "heck")
				if e := kind(t, dan, Failed); e.Code != codeFiltered {
					t.Errorf("dan: %+v", e)
				}
				eve := h.join("eve", nil)
				if eve.Ready().Motd != "hello" {
					t.Errorf("%+v", eve.Ready())
				}
				leave(t, ana, ben, dan, eve)
			}
			if carriers[way[0]].real {
				run(t)
			} else {
				bubble(t, run)
			}
		})
	}
}
