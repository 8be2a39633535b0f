package room

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"parley/text"
	"parley/transport"
)

// take does what a message from the host says. The caller holds mu.
func (m *Member) take(now time.Time, r *report) error {
	switch r.Type {
	case typeSkip:
		if err := m.inbox.skip(r.FromSeq, r.Count); err != nil {
			return err
		}
		return m.inbox.mark(now, r.FromSeq-1)
	case typeUpto:
		err := m.inbox.mark(now, r.Seq)
		m.fire() // transmit looks after the gaps
		return err
	case string(Accepted):
		m.accepted(r)
	case string(Failed):
		m.failed(r)
	case string(Delivered):
		for _, t := range r.Delivered {
			m.received(Receipt{t[0], int(min(t[1], 1<<31)), int(min(t[2], 1<<31))})
		}
	case string(Members):
		m.roster(r)
	case string(Found):
		m.found(r)
	case typeBye:
		return &ending{r.Code, r.Text, r.Move}
	case typeHandover:
		m.offered(r)
	case typeHosts:
		m.tellHosts(r.Hosts)
	case typeFile:
		m.filed(r)
	case string(Failure):
		m.push(Event{Type: Failure, Code: r.Code, Text: r.Text, Suggest: r.Suggest})
	default:
		if r.Seq > 0 {
			return m.event(now, r)
		}
		if Kind(r.Type) == Notice {
			if r.Code == codeKnock && r.Nick != "" {
				m.knocked(r)
			}
			m.push(Event{Type: Notice, Code: foreign(r.Code), Nick: r.Nick, Key: r.Key, Text: r.Text})
		}
	}
	return nil
}

// push gives an event to Next. The caller holds mu.
func (m *Member) push(e Event) {
	if m.leaving && len(m.events) >= maxEvents {
		return
	}
	if len(m.events) == 0 {
		m.events = m.few[:0]
	}
	m.events = append(m.events, e)
	m.arrived()
}

// event takes in an event of the room.
func (m *Member) event(now time.Time, r *report) error {
	fresh, err := m.inbox.take(r.Seq)
	if err != nil {
		return err
	}
	kind := Kind(r.Type)
	if !kind.said() { // it came in order, so all before it were sent
		if err := m.inbox.mark(now, r.Seq-1); err != nil {
			return err
		}
	}
	if !fresh {
		return nil
	}
	if _, ok := parseID(r.ID); ok && r.Seq > m.lastSeq {
		m.lastSeq, m.lastID = r.Seq, r.ID
	}
	e := r.event()
	e.Replay = r.Seq <= m.replay
	hidden := m.hides(r)
	switch kind {
	case Message, Act, Whisper:
		e.Own = r.From == m.nick && !m.before[r.ID] // what another program of ours said was not typed here
		delete(m.before, r.ID)
		m.answeredBy(r)
		if m.gotAt.IsZero() {
			m.gotAt = now.Add(gotEvery)
			m.fire()
		}
		if kind == Whisper && !e.Own && !hidden {
			m.whisper = r.From
		}
	case Joined, Left, Renamed:
		if e.Own = r.Seat == m.seat; e.Own && kind == Joined {
			e.Replay = false
		}
		if m.plain {
			e.Key = transport.Key{} // it proves nothing
		}
		m.moved(r)
	case Topic:
		m.topic = r.Text
		e.Own = r.From == m.nick
	case Notice:
	case Hosted:
		if m.handedOver(r); m.plain {
			e.Key = transport.Key{}
		}
	default:
		if !kind.acts() { // of a newer host
			return nil
		}
		m.acted(r, &e)
	}
	if !hidden {
		m.push(e)
		m.keepCopy(r)
	}
	return nil
}

// answeredBy takes what we have said ourselves, and what comes back by the log, for
// the host's answer: it is stored, and a host that was killed since may never say so.
func (m *Member) answeredBy(r *report) {
	i := slices.IndexFunc(m.pending, func(s *saying) bool { return s.cmd.ID == r.ID })
	if i >= 0 && m.pending[i].cmd.Type == r.Type && m.pending[i].cmd.Text == r.Text {
		m.accepted(&report{ID: r.ID, Seq: r.Seq})
	}
}

// acted takes in what the host or an op did.
func (m *Member) acted(r *report, e *Event) {
	e.Own = r.By == m.nick
	if m.plain {
		e.Key = transport.Key{} // it proves nothing
	}
	switch kind := Kind(r.Type); kind {
	case Motd:
		m.motd = r.Text
	case Op, Deop:
		if r.Key == m.o.Identity.Key() {
			m.role = promoted(m.role, kind)
		}
		for seat, p := range m.people {
			if p.Key == r.Key {
				p.Role = promoted(p.Role, kind)
				m.people[seat] = p
			}
		}
	}
}

// moved keeps the list of who is here.
func (m *Member) moved(r *report) {
	_, known := m.people[r.Seat]
	if r.Seq <= m.peopleSeq || !known && len(m.people) >= maxCrowd {
		return
	}
	switch Kind(r.Type) {
	case Joined:
		p := Person{Nick: r.Nick, Transport: r.Transport, Role: r.Role, Key: r.Key, Since: r.At}
		if m.plain {
			p.Key = transport.Key{}
		}
		if r.Reason == movedSeat && known {
			p.Since = m.people[r.Seat].Since
		}
		m.people[r.Seat] = p
	case Left:
		delete(m.people, r.Seat)
	case Renamed:
		if p, ok := m.people[r.Seat]; ok {
			p.Nick = r.Nick
			m.people[r.Seat] = p
		}
		for _, t := range m.files.all {
			if t.open() && t.peer == r.From {
				t.peer = r.Nick
			}
		}
		if r.Seat == m.seat {
			m.nick = r.Nick
		}
	}
}

// seated takes in who is here, as of an event.
func (m *Member) seated(all []occupant, seq uint64) {
	clear(m.people)
	for _, o := range all {
		m.people[o.Seat] = o.Person
	}
	m.peopleSeq = seq
}

// roster takes in a part of the answer to names.
func (m *Member) roster(r *report) {
	if len(m.chunk) <= maxCrowd {
		m.chunk = append(m.chunk, r.Members...)
	}
	if r.More {
		return
	}
	m.seated(m.chunk, r.Seq)
	m.chunk = nil
	s, ok := m.answered(r.ID)
	switch {
	case !ok:
	case s.whois != "":
		m.push(m.describe(s.whois))
	default:
		m.push(Event{Type: Members, Members: m.names()})
	}
}

// describe tells about one person.
func (m *Member) describe(nick string) Event {
	e := Event{Type: Notice}
	for _, p := range m.names() {
		if text.Key(p.Nick) != text.Key(nick) {
			continue
		}
		if e.Text != "" {
			e.Text += "\n"
		}
		e.Text += fmt.Sprintf("%s: %s, ", p.Nick, p.Role)
		if p.Transport == "pipe" {
			e.Text += "at the host's computer"
		} else {
			e.Text += "over " + cmp.Or(p.Transport, "?")
		}
		if !p.Since.IsZero() {
			e.Text += ", here since " + p.Since.Local().Format("15:04")
		}
		if p.Key != (transport.Key{}) {
			e.Text += ", key " + p.Key.String() + " (" + text.KeyWords(p.Key) + ")"
		}
		if p.Away != "" { // his own words, which may look like ours: behind all of them
			e.Text += ", away: " + p.Away
		}
	}
	if e.Text == "" {
		return Event{Type: Failure, Code: codeNoNick, Text: fmt.Sprintf("nobody here is called %.64q", text.Clean(nick))}
	}
	return e
}

// answered takes a command off those that wait for the host.
func (m *Member) answered(id string) (*saying, bool) {
	i := slices.IndexFunc(m.pending, func(s *saying) bool { return s.cmd.ID == id })
	if i < 0 {
		return nil, false
	}
	s := m.pending[i]
	m.pending = slices.Delete(m.pending, i, i+1)
	if i < m.next {
		m.next--
	}
	if s.stored {
		m.drops = append(m.drops, id)
	}
	m.fire()
	return s, true
}

// accepted takes in that something was stored.
func (m *Member) accepted(r *report) {
	s, ok := m.answered(r.ID)
	if !ok {
		return
	}
	switch kind := Kind(s.cmd.Type); {
	case s.about != nil:
		m.fileAnswered(s, r)
	case s.lookup != nil:
		s.lookup.done = true
	case kind.said():
		m.stored = max(m.stored, r.Seq)
		m.push(Event{Type: Accepted, ID: r.ID, Seq: r.Seq, To: s.cmd.To, Text: s.cmd.Text})
	case s.cmd.Type == typeAway && s.cmd.Text == "":
		m.push(Event{Type: Notice, Text: "you are back"})
	case s.cmd.Type == typeAway:
		m.push(Event{Type: Notice, Text: "you are away: " + s.cmd.Text})
	case kind == Renamed && m.o.Quiet: // nobody is told by an event
		m.nick, _ = text.Nick(s.cmd.Nick)
	}
}

// failed takes in that something was refused.
func (m *Member) failed(r *report) {
	s, ok := m.answered(r.ID)
	if !ok {
		return
	}
	if s.about != nil {
		m.fileAnswered(s, r)
	}
	if s.silent {
		return
	}
	if s.lookup != nil {
		s.lookup.done, s.lookup.err = true, &Refused{Code: r.Code, Text: r.Text}
		return
	}
	if s.cmd.Type == string(Approve) && r.Code == codeKey { // he is told who asks now, and may mean it
		delete(m.knockers, text.Key(s.cmd.Nick))
	}
	if !Kind(s.cmd.Type).said() {
		m.push(Event{Type: Failure, ID: r.ID, Code: r.Code, Text: r.Text, Suggest: r.Suggest})
		return
	}
	m.fails(Unsent{Draft: s.draft(), Before: s.before, Code: cmp.Or(r.Code, codeNotStored), Reason: r.Text}, r.Suggest)
}

// showGaps tells of the events that will not come. The caller holds mu.
func (m *Member) showGaps(now time.Time) {
	for _, g := range m.inbox.gaps(now) {
		m.push(Event{Type: Gap, FromSeq: g.from, Count: int(g.count)})
		if m.gotAt.IsZero() {
			m.gotAt = now
		}
	}
}

// outgoing returns the next message to send, if there is one. The caller holds mu.
func (m *Member) outgoing(now time.Time) (cmd command, ok bool) {
	switch {
	case m.next < len(m.pending):
		s := m.pending[m.next]
		cmd = s.cmd
		cmd.Again = s.sent || s.before
		s.sent = true
		m.next++
	case m.leaving && !m.left:
		m.left = true
		cmd = command{Type: typeLeave, Text: m.goodbye}
	case !m.gotAt.IsZero() && !now.Before(m.gotAt):
		cmd = command{Type: typeGot}
	default:
		return cmd, false
	}
	if m.o.Deaf {
		m.gotAt = time.Time{}
		return cmd, cmd.Type != typeGot
	}
	if m.inbox.done > m.reported || len(m.inbox.missed) > 0 {
		m.reported, cmd.Got = m.inbox.done, m.inbox.done
		for _, g := range m.inbox.missed {
			cmd.Missed = append(cmd.Missed, [2]uint64{g.from, g.count})
		}
		m.inbox.missed = nil
	}
	m.gotAt = time.Time{}
	return cmd, cmd.Type != typeGot || cmd.Got > 0
}

// wake returns when transmit has something to do next, zero for never.
func (m *Member) wake() time.Time {
	at := m.inbox.wake()
	for _, t := range []time.Time{m.gotAt, m.wakeFiles()} {
		if at.IsZero() || !t.IsZero() && t.Before(at) {
			at = t
		}
	}
	return at
}
