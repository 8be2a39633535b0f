package room

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"parley/text"
	"parley/transport"
)

const (
	// draftSafe is how long the host may take to answer before what was said
	// is made safe against a power cut. A LAN in good health is quicker, and so
	// costs no disk anything but a write into the system's memory.
	draftSafe = 50 * time.Millisecond
	// draftLife is how old a draft may be that is still sent by itself: what
	// was meant for last week's talk might do harm in today's.
	draftLife = 7 * 24 * time.Hour
	// draftDrops is how many answered drafts are dropped with one write.
	draftDrops = 32
	// maxFailed bounds what /resend can bring back.
	maxFailed = 64
)

// Drafts keeps what a Member says until the host has answered it, where neither
// the end of the program nor of the computer loses it. Whoever sits down in the same
// room next gets what was left, and sends it with the same ids, so that it is
// stored once, whatever had become of it.
//
// Put may be called by any goroutine at any time after Open, the others are
// called by one.
type Drafts interface {
	// Session returns the session that belongs to what was left in a
	// plaintext room, where it takes the place of a key, or nothing. It is
	// called before the first connection.
	Session(room string) string

	// Open begins to keep drafts of a room; key is zero in plaintext. It
	// returns what programs that are no more have left, oldest first, at most
	// limit; and how many it could not return, because they are of another session,
	// or too many.
	Open(room string, key transport.Key, session string, limit int) (left []Draft, more int, err error)

	// Put writes a draft. Only after Sync it outlives the computer.
	Put(d Draft) error
	Sync() error

	// Drop forgets drafts.
	Drop(ids []string) error

	// Close ends it. What was not dropped is left for later.
	Close() error
}

// A Draft is something said that the host has not answered.
type Draft struct {
	ID    string        `json:"id"`
	Type  Kind          `json:"type"`
	To    string        `json:"to,omitempty"`
	ToKey transport.Key `json:"to_key,omitzero"` // who To was then
	Text  string        `json:"text"`
	At    time.Time     `json:"at"`
	Log   string        `json:"log,omitempty"` // in which room: in plaintext many may have the same name
}

// Unsent is something said that is not stored.
type Unsent struct {
	Draft
	Kept   bool   // it is sent later if this program ends
	Before bool   // another program of ours said it, which is no more
	Code   string // why it failed; empty: it is on its way
	Reason string
}

// Unsent returns what was said and is not stored: first what has failed and
// /resend brings back, then what is on its way, both in the order they were said.
func (m *Member) Unsent() []Unsent {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]Unsent, 0, len(m.failures)+len(m.pending))
	all = append(all, m.failures...)
	for _, s := range m.pending {
		if s.said() {
			all = append(all, Unsent{Draft: s.draft(), Kept: s.stored && !m.disowned(), Before: s.before})
		}
	}
	return all
}

// said tells whether the command says something, as opposed to doing.
func (s *saying) said() bool { return Kind(s.cmd.Type).said() }

func (s *saying) draft() Draft {
	return Draft{ID: s.cmd.ID, Type: Kind(s.cmd.Type), To: s.cmd.To, ToKey: s.cmd.Key, Text: s.cmd.Text, At: s.at, Log: s.log}
}

// borrow finds the session of what was left in a plaintext room.
func (m *Member) borrow() {
	if m.o.Drafts != nil && m.o.Identity.IsZero() && m.o.Room != "" {
		m.borrowed = m.o.Drafts.Session(m.o.Room)
	}
}

// returnDrafts gives up what borrow has found: there is no seat to send it from.
func (m *Member) returnDrafts() {
	if m.o.Drafts != nil {
		m.o.Drafts.Close()
	}
}

// openDrafts takes up what was left. Nothing else uses m yet.
func (m *Member) openDrafts(now time.Time) {
	if m.o.Drafts == nil {
		return
	}
	left, more, err := m.o.Drafts.Open(m.room, m.roomKey, m.session, maxPending)
	if err != nil {
		m.o.Logger.Warn("what is not sent cannot be kept", "room", m.room, "err", err)
		m.draftErr = err
		return
	}
	m.drafts = m.o.Drafts
	sent := 0
	for _, d := range left {
		if m.takeUp(now, d) {
			sent++
		}
	}
	if sent > 0 {
		m.push(Event{Type: Notice, Code: NoticeDrafts, Count: sent, Text: fmt.Sprintf("%s from before %s being sent", messages(sent), areIs(sent))})
	}
	if more > 0 {
		m.push(Event{Type: Notice, Code: NoticeDrafts, Text: fmt.Sprintf("%s from before still %s: join this room by its name again, and %s sent",
			messages(more), waitWaits(more), itIsThey(more))})
	}
}

func messages(n int) string {
	if n == 1 {
		return "1 message"
	}
	return fmt.Sprintf("%d messages", n)
}

func areIs(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func waitWaits(n int) string {
	if n == 1 {
		return "waits"
	}
	return "wait"
}

func itIsThey(n int) string {
	if n == 1 {
		return "it is"
	}
	return "they are"
}

// takeUp queues a draft from before, or tells why it is not sent.
func (m *Member) takeUp(now time.Time, d Draft) bool {
	_, ok := parseID(d.ID)
	if !ok || !d.Type.said() || text.Valid(d.Text) != nil {
		m.drops = append(m.drops, d.ID) // none of ours
		return false
	}
	switch {
	case now.Sub(d.At) > draftLife:
		m.giveUp(Unsent{Draft: d, Before: true, Code: codeExpired,
			Reason: "it has waited since " + d.At.Local().Format("2 January 2006 15:04") + ", too long to be sent by itself"})
		return false
	case m.plain && d.Log != "" && d.Log != m.log: // no key tells them apart
		m.giveUp(Unsent{Draft: d, Before: true, Code: codeNewLog, Reason: "it was written in another room of this name"})
		return false
	}
	to := d.ToKey // by now somebody else may have the name; the host knows, and whether it has the whisper already
	if d.Type == Whisper && to == (transport.Key{}) && !m.plain {
		to = m.o.Identity.Key() // nobody we knew had it: it can be found, but not sent
	}
	if m.before == nil {
		m.before = map[string]bool{}
	}
	m.before[d.ID] = true
	m.pending = append(m.pending, &saying{cmd: command{Type: string(d.Type), ID: d.ID, To: d.To, Key: to, Text: d.Text},
		at: d.At, log: d.Log, since: now, stored: true, before: true})
	return true
}

// whois is the key of who has a nick here; zero where none is proved, or nobody
// is known to have it. The caller holds mu.
func (m *Member) whois(nick string) (key transport.Key) {
	if m.plain {
		return key
	}
	for _, p := range m.people {
		if text.Key(p.Nick) == text.Key(nick) {
			return p.Key
		}
	}
	return key
}

// giveUp tells that something is not sent, and keeps it for /resend.
func (m *Member) giveUp(u Unsent) {
	m.drops = append(m.drops, u.ID)
	m.fails(u, "")
}

// fails tells that something was not stored, and keeps it for /resend.
func (m *Member) fails(u Unsent, suggest string) {
	if m.failures = append(m.failures, u); len(m.failures) > maxFailed {
		m.failures = slices.Delete(m.failures, 0, 1)
	}
	m.push(Event{Type: Failed, ID: u.ID, Code: u.Code, Text: u.Text, To: u.To, Reason: u.Reason, Suggest: suggest})
}

// resend says again what has failed: the last of it, the one with an id, or all.
// What the host refused gets a new id, for it surely has nothing under the old
// one. What was never answered keeps its own, by which the host knows it.
func (m *Member) resend(ctx context.Context, which string) error {
	m.mu.Lock()
	var again []Unsent
	switch all := m.failures; {
	case len(all) == 0:
	case which == "":
		again = []Unsent{all[len(all)-1]}
	case strings.EqualFold(which, everybody):
		again = slices.Clone(all)
	default:
		again = slices.DeleteFunc(slices.Clone(all), func(u Unsent) bool { return !strings.HasPrefix(u.ID, strings.ToLower(which)) })
		if len(again) > 1 {
			again = again[len(again)-1:]
		}
	}
	m.failures = slices.DeleteFunc(m.failures, func(u Unsent) bool {
		return slices.ContainsFunc(again, func(a Unsent) bool { return a.ID == u.ID })
	})
	m.mu.Unlock()
	if len(again) == 0 {
		return &Refused{Code: codeUnchanged, Text: "there is nothing to send again"}
	}
	for i, u := range again {
		s := &saying{cmd: command{Type: string(u.Type), To: u.To, Key: u.ToKey, Text: u.Text}}
		if u.ToKey == m.o.Identity.Key() { // nobody was known to have the name then
			s.cmd.Key = transport.Key{}
		}
		if u.Code == codeExpired {
			s.cmd.ID, s.at = u.ID, time.Time{}
		}
		if _, err := m.send(ctx, s); err != nil {
			m.mu.Lock()
			m.failures = append(m.failures, again[i:]...)
			m.mu.Unlock()
			return err
		}
	}
	return nil
}

// put writes a draft before it is sent. It is called without mu.
func (m *Member) put(s *saying) {
	if m.drafts == nil || !s.said() {
		return
	}
	if err := m.drafts.Put(s.draft()); err != nil {
		m.mu.Lock()
		m.draftErr = err
		m.mu.Unlock()
		return
	}
	s.stored = true
}

// stow looks after the drafts until the seat has ended: it drops what was
// answered, and makes safe, and then tells, what is not answered for a while.
func (m *Member) stow() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		m.mu.Lock()
		now := time.Now()
		ended, changed := m.err != nil && m.putting == 0, m.changed
		drops, slow, at := m.stowable(now)
		m.mu.Unlock()
		m.dropAll(drops)
		if len(slow) > 0 {
			m.makeSafe(slow)
		}
		if ended {
			m.closeDrafts()
			return
		}
		var due <-chan time.Time
		if !at.IsZero() {
			timer.Reset(max(0, at.Sub(now)))
			due = timer.C
		}
		select {
		case <-changed:
		case <-due:
		}
	}
}

// stowable returns what is to be dropped, what has waited for long enough to be
// made safe, and when to look again. The caller holds mu.
func (m *Member) stowable(now time.Time) (drops []string, slow []*saying, at time.Time) {
	if len(m.drops) > 0 {
		if m.dropAt.IsZero() {
			m.dropAt = now.Add(draftSafe)
		}
		if at = m.dropAt; len(m.drops) >= draftDrops || !now.Before(at) || m.err != nil {
			drops, m.drops, m.dropAt, at = m.drops, nil, time.Time{}, time.Time{}
		}
	}
	for _, s := range m.pending {
		if !s.said() || s.told {
			continue
		}
		if late := s.since.Add(draftSafe); now.Before(late) {
			if at.IsZero() || late.Before(at) {
				at = late
			}
			break // those after it were said later
		}
		slow = append(slow, s)
	}
	if len(slow) > 0 { // one sync is for all that is written
		slow = slow[:0]
		for _, s := range m.pending {
			if s.said() && !s.told {
				slow = append(slow, s)
			}
		}
	}
	return drops, slow, at
}

func (m *Member) dropAll(ids []string) {
	if m.drafts == nil || len(ids) == 0 {
		return
	}
	if err := m.drafts.Drop(ids); err != nil {
		m.o.Logger.Warn("a draft cannot be dropped; it will be sent again, and not be stored again", "err", err)
	}
}

// makeSafe syncs drafts and tells that they are pending.
func (m *Member) makeSafe(slow []*saying) {
	var err error
	if m.drafts != nil {
		err = m.drafts.Sync()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.draftErr = err
	}
	for _, s := range slow {
		s.told = true
		if s.safe = m.drafts != nil && s.stored && err == nil; s.safe && slices.Contains(m.pending, s) {
			m.push(Event{Type: Pending, ID: s.cmd.ID, To: s.cmd.To, Text: s.cmd.Text})
		}
	}
	if m.draftErr != nil && !m.warned {
		m.warned = true
		m.push(Event{Type: Notice, Code: NoticeUnkept, Text: fmt.Sprintf("what is not with the host yet cannot be kept on disk, and would be lost with this program: %v", m.draftErr)})
	}
}

// closeDrafts leaves what is not answered for the next who sits down; but
// not what somebody said who was put out.
func (m *Member) closeDrafts() {
	if m.drafts == nil {
		return
	}
	m.mu.Lock()
	ids := m.withdrawn
	if m.disowned() {
		for _, s := range m.pending {
			ids = append(ids, s.cmd.ID)
		}
	}
	m.mu.Unlock()
	m.dropAll(ids)
	if err := m.drafts.Sync(); err != nil {
		m.o.Logger.Warn("what is not sent is not safe on disk", "err", err)
	}
	if err := m.drafts.Close(); err != nil {
		m.o.Logger.Warn("the file of drafts cannot be closed", "err", err)
	}
}

// disowned tells whether what is pending must not be sent later.
func (m *Member) disowned() bool {
	r, ok := m.err.(*Refused)
	return ok && (r.Code == codeKicked || r.Code == codeBanned)
}

// Withdraw has the message id not be sent by whoever sits down here next: for who
// tells its user that it failed. It may have been stored.
func (m *Member) Withdraw(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.withdrawn = append(m.withdrawn, id)
}
