package discovery

import (
	"encoding/binary"
	"io"
	"net/netip"
	"sync/atomic"
	"time"
)

// packet is a datagram to send: to one address, or to everyone on every link.
type packet struct {
	to   netip.AddrPort
	data []byte
	from netip.Addr // the direct socket to send by; zero: a private one of the link
	far  bool       // by the socket for peers
	call bool       // and by TCP
}

// Counters count what was heard and not used. They tell an operator why a room
// is missing from a list.
type Counters struct {
	Heard   atomic.Uint64 // datagrams, good or bad
	Sent    atomic.Uint64 // datagrams, once for each address sent to
	Junk    atomic.Uint64 // not of this protocol and version, or malformed
	Forged  atomic.Uint64 // notices whose signature does not hold
	Stale   atomic.Uint64 // notices said before, or long after they were asked for
	OffLink atomic.Uint64 // datagrams from sources on no network of ours
	Full    atomic.Uint64 // notices of rooms for which there was no place
	Limited atomic.Uint64 // queries not answered and notices not verified, there being too many
}

// bucket is a budget that fills at a steady rate.
type bucket struct {
	level, size, perSecond float64
	at                     time.Time
}

func newBucket(now time.Time, size, perSecond float64) bucket {
	return bucket{size, size, perSecond, now}
}

func (b *bucket) fill(now time.Time) {
	if gone := now.Sub(b.at); gone > 0 {
		b.level = min(b.size, b.level+gone.Seconds()*b.perSecond)
		b.at = now
	}
}

func (b *bucket) has(now time.Time) bool {
	b.fill(now)
	return b.level >= 1
}

func (b *bucket) take(now time.Time) bool { return b.takes(now, 1) }

// takes takes so much, or nothing.
func (b *bucket) takes(now time.Time, much float64) bool {
	b.fill(now)
	ok := b.level >= much
	if ok {
		b.level -= much
	}
	return ok
}

func (b *bucket) full(now time.Time) bool {
	b.fill(now)
	return b.level >= b.size
}

// dice gives randomness, and keeps the first error of its source.
type dice struct {
	source io.Reader
	err    error
}

func (d *dice) fill(b []byte) {
	if _, err := io.ReadFull(d.source, b); err != nil && d.err == nil {
		d.err = err
	}
}

// upTo returns a duration from nothing to limit.
func (d *dice) upTo(limit time.Duration) time.Duration {
	var b [8]byte
	d.fill(b[:])
	return time.Duration(binary.BigEndian.Uint64(b[:]) % uint64(limit+1))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// sooner returns the earlier of two times of which zero means never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// keep filters in place.
func keep[T any](list []T, want func(T) bool) []T {
	kept := list[:0]
	for _, x := range list {
		if want(x) {
			kept = append(kept, x)
		}
	}
	clear(list[len(kept):])
	return kept
}
