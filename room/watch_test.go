package room

import (
	"testing"
	"time"

	"parley/transport"
)

// TestWatch steps through what a watch is shown.
func TestWatch(t *testing.T) {
	type sight struct {
		at            time.Duration
		silent, stuck time.Duration
		want          health
	}
	const ms, s = time.Millisecond, time.Second
	for name, sights := range map[string][]sight{
		"answers":               {{250 * ms, 0, 0, sound}, {500 * ms, 200 * ms, 0, sound}},
		"late, and answers":     {{2 * s, 0, 0, sound}, {2250 * ms, 2400 * ms, 0, unsure}, {2500 * ms, 0, 0, sound}},
		"silent":                {{500 * ms, 300 * ms, 0, unsure}, {1000 * ms, 800 * ms, 0, unsure}, {1500 * ms, 1300 * ms, 0, unsure}, {2 * s, 1800 * ms, 0, unsure}, {2700 * ms, 2500 * ms, 0, suspect}},
		"nothing can be sent":   {{500 * ms, 300 * ms, 300 * ms, unsure}, {1200 * ms, 1000 * ms, 1000 * ms, suspect}},
		"it can again":          {{1 * s, 0, 990 * ms, unsure}, {1200 * ms, 0, 0, sound}},
		"we were stopped":       {{250 * ms, 0, 0, sound}, {5250 * ms, 5 * s, 5 * s, unsure}, {5500 * ms, 0, 0, sound}},
		"stopped, and it is so": {{250 * ms, 0, 0, sound}, {5250 * ms, 5 * s, 0, unsure}, {6 * s, 5750 * ms, 0, unsure}, {7 * s, 6750 * ms, 0, unsure}, {7750 * ms, 7500 * ms, 0, suspect}},
	} {
		begin := time.Unix(1e9, 0)
		w := watch{looked: begin, awake: begin}
		for _, x := range sights {
			got, why, again := w.look(begin.Add(x.at), "udp", transport.Stats{Silent: x.silent, Stuck: x.stuck})
			if got != x.want || (why == "") != (got != suspect) || again < 10*ms || again > calmEvery || again > lookEvery && (x.silent > 0 || x.stuck > 0) {
				t.Errorf("%s, at %v: %v, %q, again after %v; want %v", name, x.at, got, why, again, x.want)
			}
		}
	}
	w := watch{}
	for range 3600 * 4 { // an hour of good looks is worth nothing
		w.look(w.looked.Add(lookEvery), "udp", transport.Stats{})
	}
	w.look(w.looked.Add(lookEvery), "udp", transport.Stats{Silent: 2 * s})
	if got, why, _ := w.look(w.looked.Add(500*ms), "udp", transport.Stats{Silent: 2540 * ms}); got != suspect || why != "udp silent for 2.5 s" {
		t.Errorf("after an hour: %v, %q", got, why)
	}
}
