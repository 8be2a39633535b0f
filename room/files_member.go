package room

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/text"
	"parley/transport"
)

const (
	// tellEvery is how often the progress of a file is told.
	tellEvery = 500 * time.Millisecond
	// slowLook is how long reading a file may take before that is said.
	slowLook = time.Second
)

// transfers are the files that a member has to do with.
type transfers struct {
	with Files // nil: none
	all  []*transfer
	last int // the number of the newest
}

// transfer is one file. The member's mu guards it.
type transfer struct {
	file   File // its Bytes as far as they have come
	given  Looked
	own    bool // we give it
	peer   string
	key    transport.Key // of whom it is for, where we give it
	state  string
	cancel context.CancelFunc // of its way; nil: it is not under way
	doubt  time.Time          // when it is off unless the host tells of it before; zero: the host knows of it

	toldAt    time.Time // when its progress was told last,
	toldBytes int64     // and how much that was
	rate      int64
}

// open tells whether a transfer has not ended.
func (t *transfer) open() bool {
	return t.state == FileOffered || t.state == FileTaken
}

// waits tells whether it is for our user to say whether it is taken.
func (t *transfer) waits() bool { return !t.own && t.state == FileOffered }

// event is t as an event.
func (m *Member) fileEvent(t *transfer, state, words string) Event {
	f := t.file
	f.Rate = t.rate
	e := Event{Type: Transfer, State: state, ID: f.ID, From: t.peer, To: m.nick, Text: words, File: &f, Own: t.own}
	if t.own {
		e.From, e.To = e.To, e.From
	}
	return e
}

// settle ends a transfer, tells so, and returns whether it had not ended before.
// The caller holds mu.
func (m *Member) settle(t *transfer, state, words string) bool {
	if !t.open() {
		return false
	}
	t.state = state
	if t.cancel != nil {
		t.cancel()
	}
	m.push(m.fileEvent(t, state, words))
	ended := 0
	for i := len(m.files.all) - 1; i >= 0; i-- {
		if m.files.all[i].open() {
			continue
		}
		if ended++; ended > maxTold {
			m.files.all = slices.Delete(m.files.all, i, i+1)
		}
	}
	return true
}

// endFiles ends all that is under way.
func (m *Member) endFiles() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range slices.Clone(m.files.all) {
		m.settle(t, FileFailed, "you are in the room no more; what has come is kept, and goes on from there when it is sent again")
	}
}

// byID finds a transfer.
func (m *Member) fileByID(id string) *transfer {
	for _, t := range m.files.all {
		if t.file.ID == id {
			return t
		}
	}
	return nil
}

// filed takes in what the host says about a file. The caller holds mu.
func (m *Member) filed(r *report) {
	if m.files.with == nil || r.File == nil {
		return
	}
	t := m.fileByID(r.File.ID)
	if r.State == FileOffered {
		m.fileOffered(r, t)
		return
	}
	if t == nil || !t.open() {
		return
	}
	switch r.State {
	case FileTaken:
		if t.own && t.state == FileOffered {
			t.state, t.peer = FileTaken, r.To
			m.push(m.fileEvent(t, FileTaken, ""))
			m.carryOn(t)
		}
	case FileDone:
		if t.own {
			t.file.Bytes = t.file.Size
			m.settle(t, FileDone, "")
		}
	case FileDeclined, FileCancelled, FileFailed:
		m.settle(t, r.State, r.Text)
	}
}

// fileOffered takes in that somebody would give us a file.
func (m *Member) fileOffered(r *report, t *transfer) {
	if t != nil {
		t.doubt = time.Time{}
	}
	switch {
	case t != nil && t.state == FileTaken && !t.own: // the host was restarted, and knows nothing of it
		m.sayFile(t, fileTake, "")
		return
	case t != nil && t.state == FileCancelled && !t.own && t.cancel == nil: // it was off, as we thought, or somebody else did
		if m.hides(&report{Type: string(Whisper), From: r.From}) {
			return
		}
		t.state = FileOffered
		m.push(m.fileEvent(t, FileOffered, ""))
		return
	case t != nil && t.state == FileDeclined && !t.own: // which its giver has not heard
		m.sayFile(t, fileDecline, "")
		return
	case t != nil || !r.File.valid():
		return
	case m.hides(&report{Type: string(Whisper), From: r.From}):
		return
	}
	waiting := count(m.files.all, (*transfer).waits)
	t = &transfer{file: *r.File, peer: r.From, state: FileOffered}
	if waiting >= maxOffered {
		m.sayFile(t, fileDecline, "too many offers wait there")
		return
	}
	m.addFile(t)
	m.push(m.fileEvent(t, FileOffered, ""))
}

// addFile numbers a transfer. The caller holds mu.
func (m *Member) addFile(t *transfer) {
	m.files.last++
	t.file.N = m.files.last
	m.files.all = append(m.files.all, t)
}

// sayFile tells the host something about a file, whatever it answers. The caller
// holds mu.
func (m *Member) sayFile(t *transfer, state, words string) {
	if m.err != nil || m.leaving || len(m.pending) >= 2*maxPending {
		return
	}
	s := &saying{cmd: command{Type: typeFile, State: state, Text: words, File: &File{ID: t.file.ID}}, silent: true, since: time.Now()}
	if state == fileOffer {
		s.cmd.File, s.cmd.To, s.cmd.Key = t.file.offered(), t.peer, t.key
	}
	s.cmd.ID = newHexID()
	s.about = t
	m.pending = append(m.pending, s)
	m.fire()
}

func newHexID() string {
	var b [16]byte
	rand.Read(b[:])
	return hexID(b)
}

// fileAnswered takes in what the host answered about a file. The caller holds mu.
func (m *Member) fileAnswered(s *saying, r *report) {
	t := s.about
	failed := r.Type == string(Failed)
	switch state := s.cmd.State; {
	case !t.open():
	case state == fileOffer && failed && t.state == FileOffered:
		m.settle(t, FileFailed, r.Text)
	case state == fileTake && failed && t.cancel == nil:
		if r.Code == codeNoOffer && !t.doubt.IsZero() {
			return // it is taken when the host knows of it again
		}
		if r.Code == codeNoOffer {
			m.settle(t, FileFailed, "it is not offered any more: ask "+t.peer+" to send it again")
			return
		}
		t.state = FileOffered
		m.push(Event{Type: Failure, Code: r.Code, Text: r.Text})
	case state == fileTake && !failed && t.cancel == nil:
		t.doubt = time.Time{}
		m.push(m.fileEvent(t, FileTaken, ""))
		m.carryOn(t)
	}
}

// offerAgain tells a host that we have just come to what we offer, and that nobody has answered:
// it may have been restarted, or be another one, and know nothing of it. What is offered to
// us, its giver tells likewise. The caller holds mu.
func (m *Member) offerAgain(now time.Time) {
	for _, t := range m.files.all {
		switch waits := t.cancel == nil && t.open(); {
		case waits && t.own && !slices.ContainsFunc(m.pending, func(s *saying) bool { return s.about == t }):
			m.sayFile(t, fileOffer, "")
		case waits && !t.own:
			t.doubt = now.Add(offerDoubt)
		}
	}
}

// doubtFiles ends the offers that no host knows of any more. The caller holds mu.
func (m *Member) doubtFiles(now time.Time) {
	for _, t := range slices.Clone(m.files.all) {
		if !t.doubt.IsZero() && !now.Before(t.doubt) {
			t.doubt = time.Time{}
			m.settle(t, FileCancelled, "it is not offered any more: ask "+t.peer+" to send it again")
		}
	}
}

// wakeFiles returns when doubtFiles is due, zero for never.
func (m *Member) wakeFiles() (at time.Time) {
	for _, t := range m.files.all {
		if !t.doubt.IsZero() && t.open() && (at.IsZero() || t.doubt.Before(at)) {
			at = t.doubt
		}
	}
	return at
}

// carryOn has the bytes of a file go. The caller holds mu.
func (m *Member) carryOn(t *transfer) {
	if t.cancel != nil || m.err != nil || m.leaving {
		return
	}
	ctx, cancel := context.WithCancel(m.life)
	t.cancel, t.toldAt = cancel, time.Now()
	side := sideTake
	if t.own {
		side = sideGive
	}
	c := Carriage{
		Attach: func(ctx context.Context, c transport.Conn) error {
			err := m.attach(ctx, c, t.file.ID, side)
			var no *Refused
			if errors.As(err, &no) && no.Code == codeNoOffer && t.own { // the host was restarted
				m.mu.Lock()
				m.sayFile(t, fileOffer, "")
				m.mu.Unlock()
			}
			return err
		},
		Moved: func(bytes int64) { m.fileMoved(t, bytes) },
	}
	m.takes.Go(func() {
		defer cancel()
		var err error
		var path string
		if t.own {
			err = m.files.with.Give(ctx, t.given, c)
		} else {
			path, err = m.files.with.Take(ctx, t.file, c)
		}
		m.carried(t, path, err)
	})
}

// carried takes in how the way of a file has ended.
func (m *Member) carried(t *transfer, path string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !t.open() { // it was called off, or the host has said so
		return
	}
	if err != nil {
		m.settle(t, FileFailed, err.Error())
		m.sayFile(t, FileFailed, outward(err))
		return
	}
	t.file.Bytes, t.file.Path = t.file.Size, path
	m.settle(t, FileDone, "")
	if !t.own {
		m.sayFile(t, FileDone, "")
	}
}

// fileMoved takes in how far a file has come.
func (m *Member) fileMoved(t *transfer, bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t.file.Bytes = bytes
	now := time.Now()
	since := now.Sub(t.toldAt)
	if bytes == t.toldBytes || since < tellEvery || !t.open() || bytes >= t.file.Size || len(m.events) >= maxEvents/2 {
		return
	}
	t.rate = int64(float64(max(0, bytes-t.toldBytes)) / since.Seconds())
	t.toldAt, t.toldBytes = now, bytes
	m.push(m.fileEvent(t, FileProgress, ""))
}

// filesAlone tells whether /accept and /decline can only be about a file.
func (m *Member) filesAlone() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.offer == nil && !m.taking && slices.ContainsFunc(m.files.all, (*transfer).waits)
}

// fileCommand does what is typed about files.
func (m *Member) fileCommand(c Command, arg string) error {
	if m.files.with == nil {
		return &Refused{Code: codeNoFiles, Text: "this program has been told to have nothing to do with files (--no-files)"}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch c.Name {
	case "send":
		return m.sendFile(c, arg)
	case "files":
		m.push(m.listFiles())
		return nil
	case "cancel":
		t, err := m.pick(arg, (*transfer).open, "nothing of yours is under way", c)
		if err != nil {
			return err
		}
		m.settle(t, FileCancelled, "by you")
		m.sayFile(t, fileCancel, "called off by "+m.nick)
		return nil
	}
	t, err := m.pick(arg, (*transfer).waits, "nothing is offered to you", c)
	switch {
	case err != nil:
		return err
	case c.Name == "refuse" || c.Name == "decline":
		m.settle(t, FileDeclined, "by you")
		m.sayFile(t, fileDecline, "")
		return nil
	case t.file.Size > m.files.with.Most():
		return &Refused{Code: codeSize, Text: fmt.Sprintf("%s is larger than what is taken here (--max-file)", text.Clean(t.file.Name))}
	}
	t.state = FileTaken
	m.sayFile(t, fileTake, "")
	return nil
}

// pick finds the transfer that a number or a nick means, or the only one.
func (m *Member) pick(arg string, is func(*transfer) bool, none string, c Command) (found *transfer, err error) {
	n, notN := strconv.Atoi(arg)
	nick := text.Key(strings.TrimPrefix(arg, "@"))
	several := 0
	for _, t := range m.files.all {
		if is(t) && (arg == "" || notN == nil && t.file.N == n || notN != nil && text.Key(t.peer) == nick) {
			found = t
			several++
		}
	}
	switch {
	case several == 0 && arg == "":
		return nil, &Refused{Code: codeUnchanged, Text: none}
	case several == 0:
		return nil, &Refused{Code: codeUnchanged, Text: fmt.Sprintf("%s: /files lists what there is", none)}
	case several > 1:
		return nil, &Refused{Code: codeUsage, Text: fmt.Sprintf("there are %d: /files lists them, /%s N means one", several, c.Name)}
	}
	return found, nil
}

// listFiles answers /files.
func (m *Member) listFiles() Event {
	e := Event{Type: Transfers}
	for _, t := range m.files.all {
		x := m.fileEvent(t, t.state, "")
		f := *x.File
		f.From, f.To, f.State = x.From, x.To, t.state
		if t.cancel != nil && t.open() {
			f.State = FileProgress
		}
		e.Files = append(e.Files, f)
	}
	return e
}

// sendFile offers a file. It is read first, beside everything else.
func (m *Member) sendFile(c Command, arg string) error {
	nick, path := cut(strings.TrimPrefix(arg, "@"))
	path = strings.TrimSpace(path)
	if path == "" {
		return usage(c)
	}
	if m.err != nil || m.leaving {
		return m.err
	}
	to := ""
	for _, p := range m.people {
		if text.Key(p.Nick) == text.Key(nick) {
			to = p.Nick
		}
	}
	switch {
	case to == "":
		return &Refused{Code: codeNoNick, Text: fmt.Sprintf("nobody here is called %.64q", text.Clean(nick))}
	case text.Key(to) == text.Key(m.nick):
		return &Refused{Code: codeSelf, Text: "that is you"}
	}
	key := m.whois(to)
	m.takes.Go(func() {
		slow := time.AfterFunc(slowLook, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.push(Event{Type: Notice, Code: "reading", Text: "reading " + path + " before it is offered"})
		})
		g, err := m.files.with.Look(m.life, path)
		slow.Stop()
		m.mu.Lock()
		defer m.mu.Unlock()
		switch {
		case m.life.Err() != nil || m.err != nil || m.leaving:
		case err != nil:
			m.push(Event{Type: Failure, Code: typeFile, Text: "not offered: " + err.Error()})
		default:
			t := &transfer{file: g.File, given: g, own: true, peer: to, key: key, state: FileOffered}
			t.file.ID = newHexID()
			m.addFile(t)
			m.push(m.fileEvent(t, FileOffered, ""))
			m.sayFile(t, fileOffer, "")
		}
	})
	return nil
}
