package discovery

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// roster is which rooms are there, as far as notices tell.
type roster struct {
	pinned  func(key [32]byte) bool
	heard   func(Sighting)
	count   *Counters
	entries map[[32]byte]*entry
	made    uint64 // entries so far

	round  int                    // of queries
	effort bucket                 // signatures to verify
	shares map[netip.Addr]*bucket // of effort, of those who have lately used any
}

// entry is a room: whatever is announced under one key. One without a place is
// remembered for a while, to tell old notices from new.
type entry struct {
	key   [32]byte
	order uint64
	hosts []*host // the one found last leads: name, ports and so on are its
	issue uint64  // the highest of all hosts
	shown Sighting
}

// host is one program that announces a room.
type host struct {
	instance [8]byte
	issue    uint64
	issued   time.Time // when that was first heard
	left     bool      // it said goodbye
	answered bool      // it has answered a query
	deaf     bool      // it has not, and yet there was a beacon after three rounds
	about    Sighting
	places   []place
}

// place is an address at which a host was heard.
type place struct {
	addr    netip.Addr
	found   time.Time
	round   int // in which it was heard last
	expires time.Time
}

// take weighs one notice: cheap doubts first, the signature next, and only then
// is anything changed. It returns the host that was heard, if one was.
func (r *roster) take(now time.Time, from netip.Addr, h *header, n *notice) *host {
	e := r.entries[n.key]
	o := e.host(n.instance)
	if again, ok := timely(now, from, h.kind, n, e, o); !ok {
		if !again {
			r.count.Stale.Add(1)
		}
		return nil
	}
	if h.kind != goodbye && !e.live() && !r.space(from, n.key) {
		r.count.Full.Add(1)
		return nil
	}
	if !r.share(now, from).has(now) || !r.effort.take(now) {
		r.count.Limited.Add(1)
		return nil
	}
	r.share(now, from).take(now)
	if !n.genuine(h) {
		r.count.Forged.Add(1)
		return nil
	}
	if h.kind == goodbye {
		o.issue, o.left, o.places = n.issue, true, nil
		e.issue = max(e.issue, n.issue)
		r.show(now, e)
		return nil
	}
	if !e.live() {
		e = r.admit(now, e, n.key)
	}
	if o == nil {
		if o = e.welcome(n.instance); o == nil {
			r.count.Full.Add(1)
			return nil
		}
	} else if !o.live() && !o.left && !o.answered {
		o.deaf = true
	}
	e.issue = max(e.issue, n.issue)
	o.hear(now, from, r.round, h.kind, n)
	r.show(now, e)
	return o
}

// share is what an address may still have verified: so that what one makes up does
// not keep what others say from being looked at. Those beyond the first maxEntries
// at a time have one share together.
func (r *roster) share(now time.Time, from netip.Addr) *bucket {
	b := r.shares[from]
	if b == nil && len(r.shares) >= maxEntries {
		maps.DeleteFunc(r.shares, func(_ netip.Addr, b *bucket) bool { return b.full(now) })
		if len(r.shares) >= maxEntries {
			from = netip.Addr{}
			b = r.shares[from]
		}
	}
	if b == nil {
		whole := newBucket(now, verifyBurst/verifyShare, verifyASec/verifyShare)
		b = &whole
		r.shares[from] = b
	}
	return b
}

// timely tells whether a notice is news, and if not, whether it is merely a
// further copy. An answer is, as its nonce was ours, unless its host has said
// goodbye since. A beacon or goodbye must be newer than what the same host said
// before, or, from a new host, than all that was said of the room.
func timely(now time.Time, from netip.Addr, k kind, n *notice, e *entry, o *host) (again, ok bool) {
	switch {
	case o == nil:
		if k == goodbye {
			return true, false
		}
		return false, k == answer || e == nil || n.issue > e.issue
	case o.left && n.issue <= o.issue:
		return n.issue == o.issue, false
	case k == answer || n.issue > o.issue:
		return false, true
	case n.issue < o.issue || k == goodbye:
		return false, false
	}
	if o.at(from) != nil {
		return true, false
	}
	return false, now.Sub(o.issued) < issueLife
}

// space tells whether a room not listed now may be, on the word of from.
func (r *roster) space(from netip.Addr, key [32]byte) bool {
	live, here, loose := 0, 0, 0
	for _, e := range r.entries {
		if !e.live() {
			continue
		}
		live++
		if e.at(from) {
			here++
		}
	}
	if live < maxEntries && here < perSource {
		return true
	}
	if !r.pinned(key) {
		return false
	}
	for _, e := range r.entries {
		if e.live() && !r.pinned(e.key) {
			loose++
		}
	}
	return live < maxEntries || loose > 0
}

// admit makes a place for a room that space has allowed. If there are too many,
// the last to come that is not pinned goes.
func (r *roster) admit(now time.Time, e *entry, key [32]byte) *entry {
	live := 0
	var last *entry
	for _, other := range r.entries {
		if other.live() {
			live++
			if (last == nil || other.order > last.order) && !r.pinned(other.key) {
				last = other
			}
		}
	}
	if live >= maxEntries && last != nil {
		last.hosts = nil
		r.show(now, last)
	}
	if e == nil {
		e = &entry{key: key}
	}
	r.made++
	e.order, r.entries[key] = r.made, e // even if it was just forgotten
	return e
}

// forget drops the oldest of the rooms that are no more, while there are too many.
func (r *roster) forget() {
	for {
		dead := 0
		var oldest *entry
		for _, e := range r.entries {
			if !e.live() {
				dead++
				if oldest == nil || e.order < oldest.order {
					oldest = e
				}
			}
		}
		if dead <= maxEntries {
			return
		}
		delete(r.entries, oldest.key)
	}
}

// missing tells that somebody who was there has not answered in this round.
func (r *roster) missing() bool {
	for _, e := range r.entries {
		for _, o := range e.hosts {
			if !o.deaf && slices.ContainsFunc(o.places, func(p place) bool { return p.round < r.round }) {
				return true
			}
		}
	}
	return false
}

// judge drops the places that have been silent for too long.
func (r *roster) judge(now time.Time) {
	for _, e := range r.ordered() {
		for _, o := range e.hosts {
			o.places = keep(o.places, func(p place) bool {
				if o.deaf {
					return p.expires.After(now)
				}
				return p.round > r.round-roundsGone
			})
		}
		r.show(now, e)
	}
}

// ordered returns the entries as they came, so that runs can be repeated.
func (r *roster) ordered() []*entry {
	list := make([]*entry, 0, len(r.entries))
	for _, e := range r.entries {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b *entry) int { return cmp.Compare(a.order, b.order) })
	return list
}

// show reports what has changed in e.
func (r *roster) show(now time.Time, e *entry) {
	s := e.sighting(r.round)
	was := &e.shown
	if s.Gone && (was.Gone || was.At.IsZero()) || was.equal(&s) && !was.At.IsZero() {
		return
	}
	if s.Gone {
		about := *was
		s, s.Gone = about, true
	}
	s.Key, s.At = e.key, now
	e.shown = s
	s.Addrs = slices.Clone(s.Addrs)
	r.heard(s)
	if s.Gone {
		r.forget()
	}
}

// sighting puts together what e is: as its leading host says, at the addresses
// of all hosts with the same ports.
func (e *entry) sighting(round int) Sighting {
	i := slices.IndexFunc(e.hosts, (*host).live)
	if i < 0 {
		return Sighting{Gone: true}
	}
	s := e.hosts[i].about
	var places []place
	for _, o := range e.hosts {
		if o.about.UDP == s.UDP && o.about.TCP == s.TCP {
			places = append(places, o.places...)
		}
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.rank(round), b.rank(round)), b.found.Compare(a.found), a.addr.Compare(b.addr))
	})
	for _, p := range places {
		if !slices.Contains(s.Addrs, p.addr) {
			s.Addrs = append(s.Addrs, p.addr)
		}
	}
	return s
}

func (p *place) rank(round int) (rank int) {
	if p.round < round-1 {
		rank = 4
	}
	switch {
	case p.addr.Is6():
		return rank + 2
	case p.addr.IsLoopback():
		return rank + 1
	}
	return rank
}

func (s *Sighting) equal(t *Sighting) bool {
	return s.Name == t.Name && s.UDP == t.UDP && s.TCP == t.TCP && s.Members == t.Members && s.Secure == t.Secure &&
		s.Password == t.Password && s.Guests == t.Guests && s.Gone == t.Gone && slices.Equal(s.Addrs, t.Addrs)
}

func (n *notice) sighting() Sighting {
	return Sighting{Name: string(n.name), UDP: n.udp, TCP: n.tcp, Members: int(n.members),
		Secure: n.flags&flagSecure != 0, Password: n.flags&flagPassword != 0, Guests: n.flags&flagGuests != 0}
}

func (e *entry) host(instance [8]byte) *host {
	if e != nil {
		for _, o := range e.hosts {
			if o.instance == instance {
				return o
			}
		}
	}
	return nil
}

func (e *entry) live() bool { return e != nil && slices.ContainsFunc(e.hosts, (*host).live) }

func (e *entry) at(a netip.Addr) bool {
	return slices.ContainsFunc(e.hosts, func(o *host) bool { return o.at(a) != nil })
}

// welcome adds a host, in place of one that is gone if there are many.
func (e *entry) welcome(instance [8]byte) *host {
	if len(e.hosts) == maxHosts {
		for i := len(e.hosts) - 1; i >= 0 && len(e.hosts) == maxHosts; i-- {
			if !e.hosts[i].live() {
				e.hosts = slices.Delete(e.hosts, i, i+1)
			}
		}
	}
	if len(e.hosts) == maxHosts {
		return nil
	}
	o := &host{instance: instance}
	e.hosts = slices.Insert(e.hosts, 0, o)
	return o
}

func (o *host) live() bool { return len(o.places) > 0 }

func (o *host) at(a netip.Addr) *place {
	for i := range o.places {
		if o.places[i].addr == a {
			return &o.places[i]
		}
	}
	return nil
}

// hear notes what the host said at an address.
func (o *host) hear(now time.Time, from netip.Addr, round int, k kind, n *notice) {
	if k == answer {
		o.answered, o.deaf = true, false
	}
	if n.issue > o.issue {
		o.issued = now
	}
	if n.issue >= o.issue {
		o.issue, o.left, o.about = n.issue, false, n.sighting()
	}
	p := o.at(from)
	if p == nil {
		if len(o.places) == maxPlaces {
			return
		}
		o.places = append(o.places, place{addr: from, found: now})
		p = &o.places[len(o.places)-1]
	}
	ttl := min(max(time.Duration(n.ttl)*time.Second, minTTL), maxTTL)
	p.round, p.expires = round, now.Add(ttl)
}
