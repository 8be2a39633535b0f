package room

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"parley/text"
	"parley/transport"
)

// Bounds of what a room remembers of its keepers' acts. All of it is folded
// from the log, so what is over a bound is forgotten alike by every host.
const (
	maxSentences = 1024                 // bans, and mutes: a school, twice
	maxOps       = 64                   // who may act on others
	maxLetIn     = 4096                 // keys that were let in
	maxKicked    = 1024                 // seats that were put out, so that none of them comes back by itself
	maxGone      = 256                  // nicks of who left lately, who may still be banned
	maxSlow      = time.Hour            // between two messages: a room with more is better locked
	maxTerm      = 366 * 24 * time.Hour // of a ban or mute that has an end
)

// rules are what the acts of the log's keepers add up to.
type rules struct {
	ops      table[transport.Key, string] // nick when made one
	bans     table[transport.Key, *sentence]
	mutes    table[transport.Key, *sentence]
	silence  *sentence // everybody is muted
	slow     time.Duration
	spoke    table[transport.Key, time.Time] // in slow mode: when last
	locked   *sentence
	approval bool // newcomers wait until they are let in
	known    table[transport.Key, bool]
	kicked   table[seatID, *sentence]
	gone     table[string, departed] // by text.Key of the nick
	motd     string
	filters  []*filter
}

func newRules() rules {
	return rules{
		ops:  table[transport.Key, string]{limit: maxOps},
		bans: table[transport.Key, *sentence]{limit: maxSentences}, mutes: table[transport.Key, *sentence]{limit: maxSentences},
		spoke: table[transport.Key, time.Time]{limit: maxLetIn}, known: table[transport.Key, bool]{limit: maxLetIn},
		kicked: table[seatID, *sentence]{limit: maxKicked}, gone: table[string, departed]{limit: maxGone},
	}
}

// A sentence is what was done to somebody: by whom, why, and until when.
type sentence struct {
	nick, by, reason string
	until            time.Time    // zero: until it is taken back
	from             []netip.Addr // addresses it holds for, too
}

func sentenceOf(r report) *sentence {
	return &sentence{nick: r.Nick, by: r.By, reason: r.Reason, until: r.Until}
}

// over tells whether the time is served. Nil is no sentence.
func (s *sentence) over(now time.Time) bool {
	return s == nil || !s.until.IsZero() && !now.Before(s.until)
}

// words tells the rest: " for 9 more minutes by ana: spam".
func (s *sentence) words(now time.Time) string {
	b := new(strings.Builder)
	if !s.until.IsZero() {
		b.WriteString(" for " + lasting(s.until.Sub(now)) + " more")
	}
	if s.by != "" {
		b.WriteString(" by " + s.by)
	}
	if s.reason != "" {
		b.WriteString(": " + s.reason)
	}
	return b.String()
}

// lasting is a duration in words, rounded up so that nobody comes too early.
func lasting(d time.Duration) string {
	for _, u := range []struct {
		least, unit time.Duration
		name        string
	}{{48 * time.Hour, 24 * time.Hour, "days"}, {2 * time.Hour, time.Hour, "hours"}, {2 * time.Minute, time.Minute, "minutes"}} {
		if d > u.least-u.unit/2 {
			return fmt.Sprintf("%d %s", (d+u.unit-1)/u.unit, u.name)
		}
	}
	return fmt.Sprintf("%d s", max(1, (d+time.Second-1)/time.Second))
}

// departed is somebody who has left.
type departed struct {
	nick, role string
	key        transport.Key
	seq        uint64 // of the log's last entry then
}

// fold takes in the next entry.
func (s *rules) fold(e Entry, r report) {
	switch Kind(r.Type) {
	case Message, Act:
		if s.slow > 0 {
			s.spoke.put(e.Key, e.At)
		}
	case Joined:
		if r.Role != roleGuest { // whose key nobody sees again
			s.known.put(r.Key, true)
		}
		s.gone.drop(text.Key(r.Nick))
	case Left:
		if id, ok := parseID(r.Seat); ok && r.Reason == codeKicked {
			s.kicked.put(seatID(id), &sentence{nick: r.Nick, by: r.By, reason: r.Text})
		}
	case Kick:
		s.known.drop(r.Key) // its seats: state.fold
	case Ban:
		s.known.drop(r.Key)
		s.ops.drop(r.Key)
		sentenceKey(&s.bans, e.At, r)
	case Unban:
		name := text.Key(r.Nick)
		s.bans.dropAll(func(b *sentence) bool { return text.Key(b.nick) == name })
	case Mute, Unmute:
		s.foldMute(e.At, r)
	case Address:
		s.foldAddress(r)
	case Op:
		s.ops.put(r.Key, r.Nick)
	case Deop:
		s.ops.drop(r.Key)
	default:
		s.foldRoom(r)
	}
}

// sentenceKey adds a ban or mute. What was over when it was decided makes room
// for it; by the log's clock, so that every host forgets the same.
func sentenceKey(list *table[transport.Key, *sentence], at time.Time, r report) {
	list.dropAll(func(o *sentence) bool { return o.over(at) })
	list.put(r.Key, sentenceOf(r))
}

// full tells whether there is no place in list for a sentence of key.
func full(list *table[transport.Key, *sentence], key transport.Key, now time.Time) bool {
	n := 0
	for k, o := range list.all {
		if k != key && !o.over(now) {
			n++
		}
	}
	return n >= maxSentences
}

// foldMute takes in that somebody, or everybody, is muted or not any more.
func (s *rules) foldMute(at time.Time, r report) {
	everybody := r.Nick == ""
	switch muted := Kind(r.Type) == Mute; {
	case everybody && muted:
		s.silence = sentenceOf(r)
	case everybody:
		s.silence = nil
	case muted:
		sentenceKey(&s.mutes, at, r)
	default:
		s.mutes.drop(r.Key)
	}
}

// foldAddress adds an address to the ban or mute of a key.
func (s *rules) foldAddress(r report) {
	list := &s.bans
	if r.Code == string(Mute) {
		list = &s.mutes
	}
	a, err := netip.ParseAddr(r.Addr)
	if on := list.get(r.Key); on != nil && err == nil && len(on.from) < maxFrom {
		on.from = append(on.from, a)
	}
}

// maxFrom bounds the addresses of one sentence: one's computer and telephone,
// over both families.
const maxFrom = 8

// foldRoom takes in acts on the room as a whole.
func (s *rules) foldRoom(r report) {
	switch Kind(r.Type) {
	case Slow:
		if s.slow = time.Duration(r.Seconds) * time.Second; s.slow <= 0 || s.slow > maxSlow {
			s.slow = 0
			s.spoke.clear()
		}
	case Lock:
		s.locked = sentenceOf(r)
	case Unlock:
		s.locked = nil
	case Motd:
		s.motd = r.Text
	case Approve:
		if r.Nick != "" {
			s.known.put(r.Key, true)
		} else {
			s.approval = r.State == stateOn
		}
	case Filter:
		if f, err := newFilter(r.Text); err == nil && len(s.filters) < maxFilters && !s.filtered(r.Text) {
			s.filters = append(s.filters, f)
		}
	case Unfilter:
		s.filters = slices.DeleteFunc(s.filters, func(f *filter) bool { return r.Text == everyFilter || f.pattern == r.Text })
	}
}

// filtered tells whether there is such a filter.
func (s *rules) filtered(pattern string) bool {
	return slices.ContainsFunc(s.filters, func(f *filter) bool { return f.pattern == pattern })
}

// banned returns the ban that keeps somebody out, by key or by address.
func (s *rules) banned(key transport.Key, from netip.Addr, now time.Time) *sentence {
	if b := s.bans.get(key); !b.over(now) {
		return b
	}
	return at(&s.bans, from, now)
}

// muted returns the mute of somebody. from is where somebody without a lasting
// key comes from.
func (s *rules) muted(key transport.Key, from netip.Addr, now time.Time) *sentence {
	if m := s.mutes.get(key); !m.over(now) {
		return m
	}
	return at(&s.mutes, from, now)
}

// wait returns how long somebody has to wait in slow mode.
func (s *rules) wait(key transport.Key, now time.Time) time.Duration {
	last := s.spoke.get(key)
	if s.slow == 0 || last.IsZero() {
		return 0
	}
	return min(s.slow, last.Add(s.slow).Sub(now)) // whatever the clock did
}

// stranger tells whether a key was never let in, or was put out since.
func (s *rules) stranger(key transport.Key) bool { return !s.known.get(key) && !s.ops.has(key) }

// table is a map that forgets what was put in first when it is full.
type table[K comparable, V any] struct {
	limit int
	all   map[K]V
	order []K
}

func (t *table[K, V]) get(k K) V { return t.all[k] }

func (t *table[K, V]) has(k K) bool {
	_, ok := t.all[k]
	return ok
}

func (t *table[K, V]) put(k K, v V) {
	if t.all == nil {
		t.all = map[K]V{}
	}
	if !t.has(k) {
		if len(t.order) >= t.limit {
			delete(t.all, t.order[0])
			t.order = t.order[1:]
		}
		t.order = append(t.order, k)
	}
	t.all[k] = v
}

func (t *table[K, V]) drop(k K) {
	if t.has(k) {
		delete(t.all, k)
		t.order = slices.DeleteFunc(t.order, func(o K) bool { return o == k })
	}
}

func (t *table[K, V]) dropAll(is func(V) bool) {
	t.order = slices.DeleteFunc(t.order, func(k K) bool {
		gone := is(t.all[k])
		if gone {
			delete(t.all, k)
		}
		return gone
	})
}

func (t *table[K, V]) clear() { t.all, t.order = nil, nil }

// at returns the sentence that holds for an address.
func at(t *table[transport.Key, *sentence], from netip.Addr, now time.Time) *sentence {
	if !from.IsValid() {
		return nil
	}
	for _, k := range t.order {
		if s := t.all[k]; len(s.from) > 0 && slices.Contains(s.from, from) && !s.over(now) {
			return s
		}
	}
	return nil
}
