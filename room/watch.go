package room

import (
	"fmt"
	"strconv"
	"time"

	"parley/transport"
)

const (
	// silence is how long a host may owe an answer before another connection
	// is tried beside the one that is silent: longer than a radio is away to
	// look at another channel, or a laptop stalls, and still short enough for a pause in
	// a conversation.
	silence = 2500 * time.Millisecond
	// stuckFor is how long our own system may refuse to send anything.
	stuckFor = time.Second
	// lookEvery is how often we look for that while an answer is owed. While none is,
	// it takes silence until one has been for so long, and we sleep nearly as long:
	// most members say nothing most of the time.
	lookEvery = 250 * time.Millisecond
	calmEvery = 2 * time.Second
	// asleep is how much later than planned a look is that tells that we did not run ourselves.
	asleep = 750 * time.Millisecond
	// tellAfter is how long the person is not told of a silent connection: if
	// there is another by then, a line about that will do.
	tellAfter = 300 * time.Millisecond
)

// health is what a watch thinks of a connection.
type health int

const (
	unsure  health = iota // an answer is awaited
	sound                 // the host answers
	suspect               // it does not
)

// watch judges a connection by its counters. It is a machine without a clock.
// It goes by what is the case now, never by how good or bad the connection was before.
type watch struct {
	looked time.Time
	due    time.Time // when the next look was to be
	awake  time.Time // since when we have run without a pause
}

// look judges the connection as of now, says why, and when to look again.
func (w *watch) look(now time.Time, via string, s transport.Stats) (h health, why string, again time.Duration) {
	if now.Sub(w.looked) > max(w.due.Sub(w.looked), lookEvery)+asleep {
		w.awake = now // answers may have come that nobody has read
	}
	w.looked = now
	ran := now.Sub(w.awake)
	silent, stuck := min(s.Silent, ran), min(s.Stuck, ran)
	again = min(lookEvery, max(silence-silent, lookEvery/10))
	defer func() { w.due = now.Add(again) }()
	switch {
	case silent >= silence:
		return suspect, fmt.Sprintf("%s silent for %s s", via, tenths(silent)), tellAfter / 4
	case stuck >= stuckFor:
		return suspect, "nothing can be sent from this computer", tellAfter / 4
	case s.Silent == 0 && s.Stuck == 0:
		return sound, "", calmEvery
	case s.Silent < lookEvery && s.Stuck == 0:
		return sound, "", again
	}
	return unsure, "", again
}

// tenths writes a duration to a tenth of a second.
func tenths(d time.Duration) string {
	return strconv.FormatFloat(d.Round(100*time.Millisecond).Seconds(), 'f', -1, 64)
}
