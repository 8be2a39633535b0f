package room

import (
	"errors"
	"maps"
	"slices"
	"time"

	"parley/transport"
)

const (
	// maxAhead bounds how far events may run ahead of a missing one.
	maxAhead = 16384
	// lateness is how long a bare event may come after the host has said that
	// it was sent: more than a LAN, or a class's impairment, holds one back.
	lateness = 300 * time.Millisecond
	// maxMarks bounds the host's words that wait for lateness to pass.
	maxMarks = 16
)

var errSeq = errors.New("the host's numbers make no sense")

// run is some events one after the other.
type run struct{ from, count uint64 }

// inbox knows which events a member has. It is a machine: it takes the time
// and never waits. Every seq is dealt with once: as an event, as one of a skip,
// or, in a bare room, as one of a gap.
//
// In an ordered room each event is the next. Where events go by another lane
// they may run ahead; and where the lane is bare, some never come. The host then says in order
// up to where it has sent everything (a mark): what is missing lateness after
// that is a gap.
type inbox struct {
	lane   transport.Delivery
	done   uint64              // every event up to here is dealt with
	ahead  map[uint64]struct{} // and so are these, after done
	marks  []mark
	missed []run // gaps, not reported yet

	events, twice, lost uint64 // counters
}

type mark struct {
	upto uint64
	at   time.Time
}

// begin has events come on a new connection, from the one after seq on. fresh:
// what was before does not count.
func (b *inbox) begin(after uint64, lane transport.Delivery, fresh bool) {
	if fresh {
		b.ahead, b.missed = map[uint64]struct{}{}, nil
		b.done = after
	}
	b.lane, b.marks = lane, nil
}

// take tells whether the event seq is new.
func (b *inbox) take(seq uint64) (fresh bool, err error) {
	if _, there := b.ahead[seq]; there || seq <= b.done {
		b.twice++
		return false, nil
	}
	if seq > b.done+1 && b.lane == transport.Ordered || seq > b.done+maxAhead {
		return false, errSeq
	}
	b.events++
	if seq == b.done+1 && len(b.ahead) == 0 {
		b.done = seq
		return true, nil
	}
	b.ahead[seq] = struct{}{}
	b.advance()
	return true, nil
}

// skip notes that some events are not for us.
func (b *inbox) skip(from, count uint64) error {
	switch {
	case count == 0 || from == 0 || from+count < from:
		return errSeq
	case from <= b.done+1:
		b.done = max(b.done, from+count-1)
		maps.DeleteFunc(b.ahead, func(seq uint64, _ struct{}) bool { return seq <= b.done })
	case b.lane == transport.Ordered || from+count > b.done+maxAhead:
		return errSeq
	default:
		for seq := from; seq < from+count; seq++ {
			b.ahead[seq] = struct{}{}
		}
	}
	b.advance()
	return nil
}

// advance moves done over what is there.
func (b *inbox) advance() {
	for len(b.ahead) > 0 {
		if _, there := b.ahead[b.done+1]; !there {
			break
		}
		b.done++
		delete(b.ahead, b.done)
	}
}

// mark notes that the host has sent everything up to seq.
func (b *inbox) mark(now time.Time, upto uint64) error {
	if b.lane != transport.Bare || upto <= b.done {
		return nil
	}
	if upto > b.done+maxAhead {
		return errSeq
	}
	m := mark{upto, now.Add(lateness)}
	if n := len(b.marks); n > 0 && upto <= b.marks[n-1].upto {
		return nil
	} else if n == maxMarks {
		b.marks[n-1] = m
		return nil
	}
	b.marks = append(b.marks, m)
	return nil
}

// gaps gives up the events that are later than they may be, and returns them.
func (b *inbox) gaps(now time.Time) (gaps []run) {
	for len(b.marks) > 0 && (!now.Before(b.marks[0].at) || b.marks[0].upto <= b.done) {
		upto := b.marks[0].upto
		b.marks = b.marks[1:]
		for b.done < upto {
			gap := run{from: b.done + 1}
			for b.done < upto {
				if _, there := b.ahead[b.done+1]; there {
					break
				}
				b.done++
				gap.count++
			}
			if gap.count > 0 {
				gaps = append(gaps, gap)
				b.lost += gap.count
			}
			b.advance()
		}
	}
	b.miss(gaps)
	return gaps
}

// miss keeps gaps for the next report. Too many are kept as fewer, larger ones:
// rather too much is reported missing than too little.
func (b *inbox) miss(gaps []run) {
	b.missed = append(b.missed, gaps...)
	if over := len(b.missed) - maxRuns; over > 0 {
		last := b.missed[over]
		b.missed[over] = run{b.missed[0].from, last.from + last.count - b.missed[0].from}
		b.missed = slices.Clone(b.missed[over:])
	}
}

// wake returns when gaps has something to say, zero for never.
func (b *inbox) wake() time.Time {
	if len(b.marks) == 0 {
		return time.Time{}
	}
	return b.marks[0].at
}
