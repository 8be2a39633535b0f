package room

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"parley/transport"
)

const (
	// answerTime is how long a host may take to answer a join.
	answerTime = 10 * time.Second
	// maxEarly bounds the bytes of events that overtake the welcome: more
	// than a connection has under way.
	maxEarly = 4 << 20
	// gotEvery is how often the host learns what we have received.
	gotEvery = 200 * time.Millisecond
)

// attempt is a connection on which the host has welcomed us.
type attempt struct {
	conn    transport.Conn
	welcome report
	roster  []occupant
	early   []report // events that overtook the welcome on another lane
	asked   uint64   // the events we said we have
	roomKey transport.Key
	why     string // we have it
	err     error
}

// ending is why a connection ended, by the host's own word.
type ending struct {
	code, text string
	move       *Move
}

func (e *ending) Error() string { return e.text }

// attempt dials, in place of the connection before, and joins. Where the host
// puts its answer off, patient is called each time it says so; asked is called
// when the host has been asked for our seat.
func (m *Member) attempt(ctx context.Context, before transport.Conn, patient, asked func()) (a attempt, err error) {
	c, err := m.way.Dial(ctx, before)
	if err != nil {
		return a, err
	}
	if a, err = m.join(ctx, c, patient, asked); err != nil {
		m.closing.Go(func() { c.Close() })
	}
	return a, err
}

// join asks for our seat, until the host gives it or nobody knows another name.
func (m *Member) join(ctx context.Context, c transport.Conn, patient, asked func()) (a attempt, err error) {
	m.mu.Lock()
	cmd := command{Type: typeJoin, V: Version, Room: m.room, Nick: m.nick, Session: cmp.Or(m.session, m.borrowed), Log: m.log, Seq: m.inbox.done, LastSeq: m.lastSeq, LastID: m.lastID,
		History: max(0, m.o.History), Quiet: m.o.Quiet, Deaf: m.o.Deaf, Share: m.o.Share, Guest: m.o.Guest, Transport: m.o.Via,
		Hosts: m.o.Taker != nil && !m.o.Quiet && !m.o.Guest, Files: m.files.with != nil}
	ask, x := m.o.Ask, &proofs{coming: m.session != ""}
	if m.session != "" { // nobody waits for a question now
		ask = nil
	}
	m.mu.Unlock()
	for {
		cmd.Epoch = m.nextEpoch()
		asked()
		if err := c.Send(ctx, encode(cmd)); err != nil {
			return a, err
		}
		a, err = m.welcomed(ctx, c, patient, x)
		a.asked = cmd.Seq
		var r *Refused
		if errors.As(err, &r) && r.Code == codePassword && x.read {
			if err = m.wrongPassword(ctx, x, r); err != nil {
				return a, err
			}
			continue
		}
		if !errors.As(err, &r) || r.Code != codeTaken && r.Code != codeNick || ask == nil {
			return a, err
		}
		nick, ok := ask(ctx, *r)
		if !ok {
			return a, err
		}
		cmd.Nick = nick
	}
}

// nextEpoch numbers our joins. The host heeds none that is older than the last,
// so that one which was long on its way cannot take the seat back. A borrowed
// session has had joins that we know nothing of: the first of ours has no number.
func (m *Member) nextEpoch() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.session == "" && m.borrowed != "" {
		return 0
	}
	m.epoch++
	return m.epoch
}

// welcomed waits for the answer to a join, but not for ever, and takes no more
// than an answer may be. A host that says that it has not decided yet is waited
// for as long as it says so.
func (m *Member) welcomed(ctx context.Context, c transport.Conn, patient func(), x *proofs) (a attempt, err error) {
	soon, cancel := context.WithCancel(ctx)
	defer cancel()
	late := time.AfterFunc(answerTime, cancel)
	defer late.Stop()
	a.conn = c
	early := 0 // bytes
	for {
		r, size, err := reply(soon, c)
		switch {
		case err != nil && ctx.Err() == nil && soon.Err() != nil:
			return a, fmt.Errorf("the host did not answer for %v: %w", answerTime, transport.ErrLost)
		case err != nil:
			return a, err
		case r.Type == typeWelcome:
			if a.roomKey, err = m.vet(r, c.Peer(), x); err != nil {
				return a, err
			}
			a.welcome = r
		case r.Type == string(Members) && a.welcome.Type != "":
			if a.roster = append(a.roster, r.Members...); !r.More {
				return a, nil
			}
			if len(a.roster) > maxCrowd {
				return a, notOurs("the host names more people than a room has")
			}
		case Kind(r.Type).said() && r.Seq > 0:
			a.early = append(a.early, r)
			r.raw = bytes.Clone(r.raw)
			a.early[len(a.early)-1] = r
			if early += size; early > maxEarly || len(a.early) > maxAhead {
				return a, notOurs("the host says too much before its welcome")
			}
		case r.Type == typeWait && a.welcome.Type == "":
			late.Reset(answerTime)
			patient()
			m.putOff(Event{Type: Notice, Code: r.Code, Text: r.Text}, x)
		case r.Type == typeProve && a.welcome.Type == "":
			late.Stop() // a person may have to type
			if err := m.prove(ctx, c, &r, x); err != nil {
				return a, err
			}
			late.Reset(answerTime)
		case r.Type == string(Failure) || r.Type == typeBye:
			if r.Type == typeBye && r.Code == codeMoved {
				m.follow(r.Move)
			}
			return a, &Refused{Code: r.Code, Text: r.Text, Suggest: r.Suggest, Rooms: r.Rooms}
		}
	}
}

// reply receives one message of those that answer a join, and tells its size.
func reply(ctx context.Context, c transport.Conn) (r report, size int, err error) {
	msg, err := c.Receive(ctx)
	switch {
	case errors.Is(err, io.EOF):
		return r, 0, fmt.Errorf("the host hung up: %w", io.ErrUnexpectedEOF)
	case err != nil:
		return r, 0, err
	}
	if r, err = parseReport(msg); err != nil {
		return r, 0, notOurs("the host does not speak the room protocol: " + err.Error())
	}
	return r, len(msg), nil
}

// notOurs refuses a host that answers a join as none of ours would.
func notOurs(words string) error { return &Refused{Code: codeProtocol, Text: words} }

// vet checks a welcome, and returns the key that the room goes by.
func (m *Member) vet(w report, peer transport.Peer, x *proofs) (transport.Key, error) {
	if _, ok := parseID(w.Session); !ok || w.V != Version {
		return transport.Key{}, &Refused{Code: codeVersion, Text: fmt.Sprintf("the host speaks version %d of the room protocol", w.V)}
	}
	key, err := m.vetKey(w, peer)
	if err != nil {
		return key, err
	}
	return key, m.vetProof(w, key, x)
}

// vetKey returns the key that a room goes by, if it may be ours.
func (m *Member) vetKey(w report, peer transport.Peer) (transport.Key, error) {
	key := peer.Key
	if !w.Secure && peer.Via == "pipe" { // a plaintext room of this very program
		key = transport.Key{}
	}
	if w.Vouch != nil && key != (transport.Key{}) {
		if !w.Vouch.check(peer.Key) {
			return key, &Refused{Code: codeKey, Text: "the room's key does not vouch for this host"}
		}
		key = w.Vouch.Key
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.session != "" && key != m.roomKey {
		return key, &Refused{Code: codeKey, Text: "the room has another key than before: somebody may be posing as its host"}
	}
	if m.o.Trust != nil && m.session == "" && key != (transport.Key{}) {
		return key, m.o.Trust(w.Room, key)
	}
	return key, nil
}

// adopt makes a connection ours.
func (m *Member) adopt(a attempt) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := a.welcome
	known := m.session != "" && m.log == w.Log && a.asked == w.After && !w.Anew
	if m.session != "" && !known {
		m.push(Event{Type: Notice, Code: codeNewLog, Text: "the room has been opened anew: its host does not have what is above"})
	}
	again := m.session != "" && w.Anew && m.log == w.Log
	if !known {
		m.replay, m.lastSeq, m.lastID = w.Seq, 0, ""
	}
	m.inbox.begin(w.After, laneOf(w.Lane), !known)
	m.conn, m.next, m.left, m.chunk = a.conn, 0, false, nil
	m.session, m.log, m.room, m.seat, m.nick = w.Session, w.Log, w.Room, w.Seat, w.Nick
	m.roomKey, m.plain, m.topic, m.motd, m.role, m.keep = a.roomKey, !w.Secure, w.Topic, w.Motd, w.Role, w.Keep
	if again {
		m.copyAnew(w.Log)
	}
	m.reported, m.gotAt = 0, time.Now().Add(gotEvery)
	m.seated(a.roster, w.Seq)
	m.tellHosts(w.Hosts)
	m.offerAgain(time.Now())
	m.fire()
	for i := range a.early {
		if err := m.take(time.Now(), &a.early[i]); err != nil {
			return err
		}
	}
	return nil
}

func laneOf(s string) transport.Delivery {
	for _, d := range []transport.Delivery{transport.Unordered, transport.Bare} {
		if d.String() == s {
			return d
		}
	}
	return transport.Ordered
}

// finished tells whether there is no use in coming back after err.
func (m *Member) finished(err error) (final error, stop bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var e *ending
	switch {
	case m.leaving:
		return nil, true
	case errors.As(err, &e) && e.code == codeMoved && m.o.Moved != nil && !m.o.Guest:
	case errors.As(err, &e) && e.code != codeClosing && e.code != codeReplaced && e.code != codeTooSlow && e.code != codeLeft:
		if e.code == codeMoved && e.move.valid() && e.move.TCP != 0 { // to a guest, who cannot be sent there
			return &Refused{Code: e.code, Text: fmt.Sprintf("%s, on another computer: connect to %s, port %d", e.text, e.move.At[0], e.move.TCP)}, true
		}
		return &Refused{Code: e.code, Text: e.text}, true
	}
	return nil, false
}

// receive takes in what the host sends, while Next keeps up.
func (m *Member) receive(ctx context.Context, c transport.Conn) error {
	var r report
	for {
		msg, err := c.Receive(ctx)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
			return errors.New("the host hung up")
		case err != nil:
			return err
		}
		if err := r.parse(msg); err != nil {
			return err
		}
		err = m.await(ctx, func() bool { return len(m.events) < maxEvents || m.leaving })
		if err == nil {
			err = m.take(time.Now(), &r)
		}
		m.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// transmit sends what is pending, and what we have received.
func (m *Member) transmit(ctx context.Context, c transport.Conn) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		m.mu.Lock()
		now := time.Now()
		m.showGaps(now)
		m.doubtFiles(now)
		cmd, ok := m.outgoing(now)
		changed, at := m.changed, m.wake()
		m.mu.Unlock()
		if ok {
			if err := c.Send(ctx, encode(cmd)); err != nil {
				return // the reader finds out, too
			}
			continue
		}
		var due <-chan time.Time
		if !at.IsZero() {
			timer.Reset(at.Sub(now))
			due = timer.C
		}
		select {
		case <-changed:
		case <-due:
		case <-ctx.Done():
			return
		}
	}
}
