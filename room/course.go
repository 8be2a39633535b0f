package room

import (
	"cmp"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"parley/transport"
)

// goodLooks is by how many looks a connection has to be sound again before a join
// that is under way by another is given up. Had the host taken that, it would
// have said goodbye here.
const goodLooks = 2

// run keeps us seated, connection after connection.
func (m *Member) run(ctx context.Context, c transport.Conn) {
	defer close(m.done)
	m.closing.Go(m.stow)
	if m.o.Copy != nil {
		m.closing.Go(m.writeCopies)
	}
	err := error(nil)
	for c != nil {
		c, err = m.converse(ctx, c)
	}
	m.mu.Lock()
	m.conn = nil
	if m.err = err; err == nil {
		m.err = io.EOF
	}
	m.fire()
	m.mu.Unlock()
	m.endFiles()
	m.closing.Wait()
	m.takes.Wait()
}

// talk is one connection being used.
type talk struct {
	conn   transport.Conn
	cancel context.CancelFunc
	failed chan error // of the reader
	both   sync.WaitGroup
}

// begin starts to read and to write.
func (m *Member) begin(ctx context.Context, c transport.Conn) *talk {
	ctx, cancel := context.WithCancel(ctx)
	t := &talk{conn: c, cancel: cancel, failed: make(chan error, 1)}
	t.both.Go(func() { t.failed <- m.receive(ctx, c) })
	t.both.Go(func() { m.transmit(ctx, c) })
	return t
}

// course is what becomes of one connection, from when it is begun until another
// has taken its place or there is to be none:
//
//	sound ── silent ──► suspect: another is looked for, this one is used on
//	  ▲                    │  │
//	  └──── it answers ────┘  ├── another has our seat ──► over
//	                          ▼
//	  any ──── failed ────► ended: another is looked for
//	sound ── a better one has our seat ──► over
type course struct {
	m      *Member
	conn   transport.Conn
	talk   *talk
	watch  watch
	search *search   // nil: none is under way
	why    string    // it is suspect
	since  time.Time // it has been
	good   int       // looks by which it has been sound again
	ended  bool      // it is used no more

	over bool           // the course is,
	next transport.Conn // for this connection
	err  error          // or for this reason
}

// converse uses a connection until it has failed and another has taken its
// place, which is returned, or until there is to be none.
func (m *Member) converse(ctx context.Context, c transport.Conn) (next transport.Conn, err error) {
	k := &course{m: m, conn: c, talk: m.begin(ctx, c)}
	k.watch.looked = time.Now()
	k.watch.awake = k.watch.looked
	defer k.finish()
	k.search = m.climb(ctx, c)
	look := time.NewTimer(lookEvery)
	defer look.Stop()
	stats, counts := c.(transport.Statser)
	if !counts {
		look.Stop()
	}
	for !k.over {
		select {
		case <-ctx.Done():
			return nil, nil
		case err := <-k.talk.failed:
			k.failed(ctx, err)
		case <-look.C:
			health, why, again := k.watch.look(time.Now(), c.Peer().Via, stats.Stats())
			if !k.ended {
				k.judge(ctx, time.Now(), health, why)
				if k.search != nil && !k.search.climb { // it is given up as soon as this one is sound
					again = min(again, lookEvery)
				}
				look.Reset(again)
			}
		case a := <-k.search.found():
			k.found(ctx, a)
		}
	}
	return k.next, k.err
}

// end stops using the connection; what is sent may yet be delivered.
func (k *course) end() {
	if k.ended {
		return
	}
	k.ended = true
	k.talk.cancel()
	k.talk.both.Wait()
	k.m.closing.Go(func() { k.conn.Close() })
}

// finish leaves nothing running.
func (k *course) finish() {
	if a, ok := k.halt(); ok {
		k.m.closing.Go(func() { a.conn.Close() })
	}
	k.end()
}

// halt ends the search. Where it came to something in the last moment, that is
// returned.
func (k *course) halt() (a attempt, ok bool) {
	if k.search == nil {
		return a, false
	}
	a, ok = k.search.stop()
	k.search = nil
	return a, ok
}

// pending tells that the host may have given our seat to another connection
// already: then that one has to be waited for.
func (k *course) pending() bool { return k.search != nil && k.search.asked.Load() }

// failed takes in that the connection has ended with err.
func (k *course) failed(ctx context.Context, err error) {
	if final, stop := k.m.finished(err); stop {
		k.over, k.err = true, final
		return
	}
	var e *ending
	moved := errors.As(err, &e) && e.code == codeReplaced && k.pending()
	k.end()
	wait := firstBackoff
	switch {
	case k.m.followed(err):
		if now := time.Now(); now.Sub(k.m.followedAt) >= lastBackoff { // hosts may send us to and fro
			wait, k.m.followedAt = 0, now
		}
	case !moved:
		k.m.lostLink(k.conn, err.Error())
	}
	k.m.hungUp(k.conn)
	if k.search != nil && k.search.climb && !k.pending() {
		if a, ok := k.halt(); ok {
			k.found(ctx, a)
			return
		}
	}
	if k.search == nil {
		k.search = k.m.comeback(ctx, k.conn, wait, err.Error())
	}
}

// judge acts on what the watch thinks.
func (k *course) judge(ctx context.Context, now time.Time, h health, why string) {
	looking := k.search != nil && !k.search.climb
	switch {
	case h == suspect && !looking && !k.pending():
		if a, ok := k.halt(); ok {
			k.found(ctx, a)
			return
		}
		k.why, k.since, k.good = why, now, 0
		k.search = k.m.comeback(ctx, k.conn, 0, why)
	case looking && h != sound && now.Sub(k.since) >= tellAfter:
		k.m.lostLink(k.conn, k.why)
	case looking && h == sound && k.pending() && k.good < goodLooks:
		k.good++
	case looking && h == sound:
		if a, ok := k.halt(); ok {
			k.found(ctx, a)
			return
		}
		k.m.spoke(k.conn)
		k.search = k.m.climb(ctx, k.conn)
	}
}

// found takes in what the search has come to.
func (k *course) found(ctx context.Context, a attempt) {
	s := k.search
	if k.search = nil; s != nil {
		s.cancel()
	}
	switch {
	case a.err != nil && ctx.Err() != nil:
		k.over = true
	case a.err != nil && s.climb && k.ended:
		k.search = k.m.comeback(ctx, k.conn, 0, "the host moved us")
	case a.err != nil && s.climb:
		k.search = k.m.climb(ctx, k.conn)
	case a.err != nil:
		k.over, k.err = true, a.err
	default:
		k.end()
		if err := k.m.adopt(a); err != nil {
			k.m.closing.Go(func() { a.conn.Close() })
			k.m.hungUp(a.conn)
			k.search = k.m.comeback(ctx, k.conn, firstBackoff, err.Error())
			return
		}
		k.m.changedLink(k.conn, a)
		k.over, k.next = true, a.conn
	}
}

func (m *Member) lostLink(c transport.Conn, why string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.lost {
		m.lost = true
		m.push(Event{Type: Link, State: "lost", Transport: c.Peer().Via, Why: why})
	}
}

// hungUp notes that there is no connection now.
func (m *Member) hungUp(c transport.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conn == c {
		m.conn = nil
	}
}

// spoke tells that a silent connection is good again, if its silence was told.
func (m *Member) spoke(c transport.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lost {
		m.lost = false
		m.resumes++
		m.push(Event{Type: Link, State: "resumed", Transport: cmp.Or(m.o.Via, c.Peer().Via), Why: "the host answers again"})
	}
}

// changedLink tells that we have another connection than before: resumed, if
// the other was said to be lost or it is by the same carrier, else switched.
func (m *Member) changedLink(before transport.Conn, a attempt) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := Event{Type: Link, State: "resumed", Transport: cmp.Or(m.o.Via, a.conn.Peer().Via), Why: a.welcome.Why}
	switch {
	case m.moving != "":
		e.State, e.Why, m.moving = "moved", m.moving+" hosts the room now", ""
	case before.Peer().Key != a.conn.Peer().Key && len(m.hosts) > 0:
		e.Nick = m.hostNamed(a.conn.Peer().Key)
		e.State, e.Why = "moved", e.Nick+" hosts the room for you now"
	case !m.lost: // else the cause was told
		e.Why = cmp.Or(e.Why, a.why)
		if before.Peer().Via != a.conn.Peer().Via {
			e.State = "switched"
		}
	}
	m.lost = false
	m.resumes++
	m.push(e)
}
