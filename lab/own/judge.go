//go:build !nolab

package own

import (
	"slices"
	"time"
)

// A Score is how a transport did in one run, or in several.
type Score struct {
	Said       int64 // messages
	Missing    int64 // never delivered
	Doubled    int64 // delivered once more
	Invented   int64 // nobody said that: made up, or changed on the way
	Disordered int64 // delivered behind a later one
	Waits      []time.Duration
	Datagrams  int64 // frames on the wire; of TCP segments, too
	Bytes      int64 // of their IP packets
	Timers     int64 // that ran out
	Runs       int64
	NoisyRuns  int64
	Noisy      bool // it does not come to rest
	Log        []string
}

// Once tells whether everything was delivered exactly once.
func (s Score) Once() bool { return s.Missing == 0 && s.Doubled == 0 && s.Invented == 0 }

// Good tells whether everything was delivered exactly once and in order, and
// then it was quiet.
func (s Score) Good() bool { return s.Once() && s.Disordered == 0 && s.NoisyRuns == 0 && !s.Noisy }

// add adds the score of a run.
func (s *Score) add(o Score) {
	s.Said += o.Said
	s.Missing += o.Missing
	s.Doubled += o.Doubled
	s.Invented += o.Invented
	s.Disordered += o.Disordered
	s.Waits = append(s.Waits, o.Waits...)
	s.Datagrams += o.Datagrams
	s.Bytes += o.Bytes
	s.Timers += o.Timers
	s.Runs++
	if o.Noisy {
		s.NoisyRuns++
	}
}

// Percentile is how long that share of what was delivered waited at most; 0 if
// nothing was.
func (s Score) Percentile(p float64) time.Duration {
	if len(s.Waits) == 0 {
		return 0
	}
	w := slices.Sorted(slices.Values(s.Waits))
	return w[min(int(p*float64(len(w))), len(w)-1)]
}

// judge compares what is shown with what was said. Texts may be equal: what is
// shown is the first of them that was said, is not yet shown, and is in its
// turn; or else the first that is not.
type judge struct {
	talk  talk
	said  map[int]time.Duration
	came  map[int]time.Duration
	again map[int]int    // how often a message was shown once more
	last  map[string]int // the latest message shown at a host
	s     Score
}

func newJudge(t talk) *judge {
	return &judge{talk: t, said: map[int]time.Duration{}, came: map[int]time.Duration{}, again: map[int]int{}, last: map[string]int{}}
}

// say notes that a message is said.
func (j *judge) say(_ string, msg int, now time.Duration) { j.said[msg] = now }

// show notes that a text is shown, and tells which message that is, if any, and
// what is wrong with it.
func (j *judge) show(host, words string, now time.Duration) (msg int, why string) {
	again := 0
	for i, t := range j.talk.texts {
		_, said := j.said[i+1]
		if t != words || !said || speaker(i+1) == host {
			continue
		}
		if _, came := j.came[i+1]; came {
			again = i + 1
			continue
		}
		if msg == 0 || msg < j.last[host] {
			msg = i + 1
		}
	}
	switch {
	case msg == 0 && again > 0:
		j.s.Doubled++
		j.again[again]++
		return again, "dup"
	case msg == 0:
		j.s.Invented++
		return 0, "invented"
	}
	j.came[msg] = now
	j.s.Waits = append(j.s.Waits, now-j.said[msg])
	if msg < j.last[host] {
		j.s.Disordered++
		return msg, "order"
	}
	j.last[host] = msg
	return msg, ""
}

// complete tells whether everything was shown.
func (j *judge) complete() bool { return len(j.came) == len(j.talk.texts) }

// score is what came of it.
func (j *judge) score() Score {
	j.s.Said = int64(len(j.talk.texts))
	j.s.Missing = j.s.Said - int64(len(j.came))
	return j.s
}
