package history

import (
	"encoding/binary"
	"time"
)

const (
	// leap is how far the computer's clock may go ahead, beyond the time that we
	// saw pass, and be believed at once: a week in which the program did not run.
	leap = 7 * day
	// proof is how much time must pass after a greater leap until that is believed,
	// too. A clock that was set wrong is put right sooner.
	proof = 7 * day
)

// clock is how much time has passed for a file, by which its records age. It is
// not the computer's clock, which may be set to anything: one that jumps ahead must
// not empty a history. What that clock says has passed counts, but of a leap
// only the first week at once, and the rest when the clock has gone on from
// there for a week and was not set back. Setting it back makes nothing younger or older.
type clock struct {
	wall  time.Time     // what the computer's clock said last
	age   time.Duration // how much time has passed
	doubt time.Duration // of which leaps are not believed yet
	since time.Duration // the age at the last of them
}

// tick learns what the computer's clock says now, and that we saw ran of it
// pass. It tells how much of that is not believed.
func (c *clock) tick(now time.Time, ran time.Duration) (doubted time.Duration) {
	if c.wall.IsZero() {
		c.wall = now
		return 0
	}
	d := now.Sub(c.wall)
	c.wall = now
	if d < 0 {
		c.doubt = max(0, c.doubt+d)
		return 0
	}
	sure := min(d, max(ran, 0)+leap)
	c.age += sure
	if c.doubt > 0 && c.age-c.since >= proof {
		c.age, c.doubt = c.age+c.doubt, 0
	}
	if doubted = d - sure; doubted > 0 {
		c.doubt, c.since = c.doubt+doubted, c.age
	}
	return doubted
}

// marshal gives the clock as it is kept in the file: milliseconds, big-endian.
func (c *clock) marshal() (b []byte) {
	for _, n := range []int64{c.wall.UnixMilli(), c.age.Milliseconds(), c.doubt.Milliseconds(), c.since.Milliseconds()} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return b
}

func parseClock(b []byte) (c clock, ok bool) {
	if len(b) != 32 {
		return c, false
	}
	n := func(i int) int64 { return int64(binary.BigEndian.Uint64(b[8*i:])) }
	const most = int64(1<<63-1) / int64(time.Millisecond)
	for i := 1; i < 4; i++ {
		if n(i) < 0 || n(i) > most {
			return c, false
		}
	}
	return clock{time.UnixMilli(n(0)).UTC(), time.Duration(n(1)) * time.Millisecond,
		time.Duration(n(2)) * time.Millisecond, time.Duration(n(3)) * time.Millisecond}, true
}
