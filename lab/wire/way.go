//go:build !nolab

package wire

import (
	"hash/fnv"
	"io"
	"math/rand/v2"
	"time"
)

// A Way is how frames fare from one host to another. The shares are between 0
// and 1 and are drawn for each frame. The zero Way is perfect.
type Way struct {
	Loss     float64       // share lost
	Dup      float64       // share that comes twice
	Reorder  float64       // share held back by HoldBack, so that others overtake
	HoldBack time.Duration // 0: 50 ms
	Corrupt  float64       // share in which one bit is flipped, behind the Ethernet header
	Delay    time.Duration // of everything: the length of the cable
	Jitter   time.Duration // at most so much more or less, evenly drawn; frames keep their order
	MTU      int           // larger IP packets vanish without a word; 0: none do
	Cut      bool          // nothing passes
}

// A Port is the cable from a host to the switch, as far as it can be slow.
type Port struct {
	Rate  int64 // bits a second; 0: at once
	Queue int   // frames that wait for the cable; more are dropped; 0: all wait
}

const defaultHoldBack = 50 * time.Millisecond

// way is a Way and what has happened on it.
type way struct {
	Way
	luck *rand.Rand
	last time.Time // when the latest frame comes that was not held back
}

// luck is what is drawn for one frame: always all of it, so that no setting
// changes what the frames after it meet.
type luck struct{ loss, dup, reorder, corrupt, jitter, bit float64 }

func (w *way) draw() luck {
	r := w.luck.Float64
	return luck{r(), r(), r(), r(), r(), r()}
}

// luckOf returns the luck of a way: that of other ways, and of hosts added
// later, does not touch it.
func luckOf(seed uint64, parts ...string) *rand.Rand {
	h := fnv.New64a()
	for _, p := range parts {
		io.WriteString(h, p)
		h.Write([]byte{0})
	}
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// Fate is what becomes of a frame on its way to one host.
type Fate uint8

// The fates.
const (
	Delivered Fate = iota
	Dropped
	Damaged // delivered with a bit flipped
)

func (f Fate) String() string { return [...]string{"delivered", "drop", "corrupt"}[f] }

// A Copy is a frame as one receiver gets it, or does not.
type Copy struct {
	To   *Host
	Fate Fate
	Why  string        // of a drop: loss, queue, cut, unplugged, isolation, mtu, rule …; also dup, reorder
	At   time.Duration // when it arrives
	Data []byte        // what arrives: the Frame's Data, if not Damaged
}

// pass decides what becomes of a frame that leaves the sender's port at an
// instant. It has one Copy, or two. l.mu is held.
func (w *way) pass(l *LAN, from, to *Host, f *Frame, leaves time.Time) (copies []Copy) {
	d := w.draw()
	drop := func(why string) []Copy { return []Copy{{To: to, Fate: Dropped, Why: why}} }
	switch rule := l.ruled(f, from, to); {
	case from.unplugged || to.unplugged:
		return drop("unplugged")
	case w.Cut:
		return drop("cut")
	case from.isolated && to.isolated:
		return drop("isolation")
	case rule != "":
		return drop("rule " + rule)
	case w.MTU > 0 && len(f.Data)-etherSize > w.MTU:
		return drop("mtu")
	case d.loss < w.Loss:
		return drop("loss")
	}
	c := Copy{To: to, Data: f.Data}
	if d.corrupt < w.Corrupt {
		c.Fate, c.Why, c.Data = Damaged, "corrupt", flip(f.Data, d.bit)
	}
	at := leaves.Add(w.Delay)
	if w.Jitter > 0 {
		at = at.Add(time.Duration((2*d.jitter - 1) * float64(w.Jitter)))
	}
	switch {
	case d.reorder < w.Reorder:
		c.Why = "reorder"
		hold := w.HoldBack
		if hold == 0 {
			hold = defaultHoldBack
		}
		at = at.Add(hold)
	case at.Before(w.last):
		at = w.last
	default:
		w.last = at
	}
	c.At = max(at.Sub(l.zero), l.Now())
	copies = append(copies, c)
	if d.dup < w.Dup {
		c.Why = "dup"
		copies = append(copies, c)
	}
	return copies
}

// flip returns a frame with one bit flipped.
func flip(data []byte, where float64) []byte {
	out := append([]byte(nil), data...)
	bits := (len(out) - etherSize) * 8
	if bits <= 0 {
		return out
	}
	n := min(int(where*float64(bits)), bits-1)
	out[etherSize+n/8] ^= 1 << (n % 8)
	return out
}

// port is a Port and what waits for it.
type port struct {
	Port
	waiting []time.Time // when each frame will have left
}

// leave returns when a frame of some bytes has left, or that there was no room
// for it.
func (p *port) leave(now time.Time, bytes int) (time.Time, bool) {
	if p.Rate <= 0 {
		return now, true
	}
	for len(p.waiting) > 0 && !p.waiting[0].After(now) {
		p.waiting = p.waiting[1:]
	}
	if p.Queue > 0 && len(p.waiting) > p.Queue { // the first of them is not waiting but leaving
		return now, false
	}
	begin := now
	if n := len(p.waiting); n > 0 {
		begin = p.waiting[n-1]
	}
	end := begin.Add(time.Duration(int64(bytes) * 8 * int64(time.Second) / p.Rate))
	p.waiting = append(p.waiting, end)
	return end, true
}
