package room

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"parley/transport"
)

// filer sits down with a program that takes files.
func (p *play) filer(nick string, key byte) *link {
	return p.sits(nick, fmt.Sprintf("10.0.0.%d:1", key), transport.Key{key, 9}, func(_ *link, c *command) { c.Files = true })
}

// aFile is number n of those that are offered.
func aFile(n int) *File {
	return &File{ID: fmt.Sprintf("%032x", n), Name: "a.bin", Size: 1000, Sum: strings.Repeat("0f", 32)}
}

// about says something about a file and returns what the host answers: the code of
// a refusal, or nothing.
func (p *play) about(l *link, state, to string, f *File) string {
	p.ids++
	letters(l)
	p.core.command(p.now, l, command{Type: typeFile, ID: fmt.Sprintf("%032x", p.ids), State: state, To: to, File: f})
	p.settle()
	for _, r := range letters(l) {
		if r.ID == fmt.Sprintf("%032x", p.ids) {
			return r.Code
		}
	}
	return "no answer"
}

// letters takes what waits for a connection.
func letters(l *link) (all []report) {
	list, _ := l.out.takeLetters(nil)
	for _, x := range list {
		if r, err := parseReport(x.data); err == nil {
			all = append(all, r)
		}
	}
	return all
}

// heardOf are the states of files that a connection was told of.
func heardOf(l *link) (states string) {
	for _, r := range letters(l) {
		if r.Type == typeFile {
			states += r.State + " "
		}
	}
	return strings.TrimSpace(states)
}

func TestOffers(t *testing.T) {
	p := newPlay(&Host{Name: "physics"})
	ana, ben, cyn := p.filer("ana", 1), p.filer("ben", 2), p.filer("cyn", 3)
	again := p.filer("ben", 2) // his other program
	plain := p.sits("dan", "10.0.0.4:1", transport.Key{4, 9}, nil)
	bad := func(change func(*File)) *File {
		f := aFile(99)
		change(f)
		return f
	}
	for what, c := range map[string]struct {
		to   string
		f    *File
		code string
	}{
		"nobody":         {"zoe", aFile(99), codeNoNick},
		"oneself":        {"ana", aFile(99), codeSelf},
		"without files":  {"dan", aFile(99), codeNoFiles},
		"nothing":        {"ben", nil, codeProtocol},
		"a path":         {"ben", bad(func(f *File) { f.Name = "../x" }), codeProtocol},
		"another path":   {"ben", bad(func(f *File) { f.Name = `C:\x` }), codeProtocol},
		"an escape":      {"ben", bad(func(f *File) { f.Name = "a\x1b[31m" }), codeProtocol},
		"no name":        {"ben", bad(func(f *File) { f.Name = "" }), codeProtocol},
		"a long name":    {"ben", bad(func(f *File) { f.Name = strings.Repeat("x", 300) }), codeProtocol},
		"less than none": {"ben", bad(func(f *File) { f.Size = -1 }), codeProtocol},
		"no sum":         {"ben", bad(func(f *File) { f.Sum = "x" }), codeProtocol},
		"no id":          {"ben", bad(func(f *File) { f.ID = "x" }), codeProtocol},
	} {
		if got := p.about(ana, fileOffer, c.to, c.f); got != c.code {
			t.Errorf("offered to %s: %q, want %q", what, got, c.code)
		}
	}
	if got := p.about(ana, fileOffer, "ben", aFile(1)) + p.about(ana, fileOffer, "ben", aFile(1)); got != "" {
		t.Errorf("offered twice: %q", got)
	}
	if a, b, c, d := heardOf(ben), heardOf(again), heardOf(cyn), heardOf(plain); a != FileOffered || b != FileOffered || c+d != "" {
		t.Errorf("told %q, %q, %q, %q", a, b, c, d)
	}
	for _, state := range []string{fileTake, fileDecline, FileDone, "dance"} {
		if got := p.about(cyn, state, "", aFile(1)); got != codeNoOffer {
			t.Errorf("somebody else: %s: %q", state, got)
		}
	}
	if got := p.about(ana, fileTake, "", aFile(1)); got != codeSelf {
		t.Errorf("takes its own: %q", got)
	}
	if got := p.about(ben, fileTake, "", aFile(1)); got != "" || heardOf(ana) != FileTaken || heardOf(again) != FileCancelled {
		t.Errorf("taken: %q", got)
	}
	if got := p.about(again, fileTake, "", aFile(1)); got != codeNoOffer {
		t.Errorf("taken by the other program, too: %q", got)
	}
	if got := p.about(ben, FileFailed, "", aFile(1)); got != "" || heardOf(ana) != FileFailed || len(p.core.offers) != 0 {
		t.Errorf("failed: %q", got)
	}
	p.about(ana, fileOffer, "ben", aFile(2))
	if p.about(ben, fileDecline, "", aFile(2)); heardOf(ana) != FileDeclined || heardOf(again) != "offered cancelled" {
		t.Error("declined")
	}
	p.about(ana, fileOffer, "cyn", aFile(3))
	p.bye(ana)
	if got := heardOf(cyn); got != "offered cancelled" || len(p.core.offers) != 0 {
		t.Errorf("the giver has left: %q", got)
	}
}

func TestOffersAreBounded(t *testing.T) {
	p := newPlay(&Host{Name: "physics"})
	ana, ben := p.filer("ana", 1), p.filer("ben", 2)
	for n := range maxOffers {
		if got := p.about(ana, fileOffer, "ben", aFile(n)); got != "" {
			t.Fatal(n, got)
		}
	}
	if got := p.about(ana, fileOffer, "ben", aFile(99)); got != codeTooMany {
		t.Errorf("one more: %q", got)
	}
	for n := range maxOffers {
		want := ""
		if n >= maxKeyCarried {
			want = codeTooMany
		}
		if got := p.about(ben, fileTake, "", aFile(n)); got != want {
			t.Errorf("take %d: %q", n, got)
		}
	}
	heardOf(ben)
	p.pass(offerLife + time.Second)
	if len(p.core.offers) != maxKeyCarried || heardOf(ben) == "" {
		t.Errorf("%d are left", len(p.core.offers))
	}
	for n := range 3 * maxRoomOffers / maxOffers {
		who := p.filer(fmt.Sprint("m", n), byte(n+10))
		for i := range maxOffers {
			p.about(who, fileOffer, "ben", aFile(1000+n*100+i))
		}
	}
	if len(p.core.offers) != maxRoomOffers {
		t.Errorf("%d in the room", len(p.core.offers))
	}
}

// Who may not whisper may not send files, and a host may pass none on.
func TestWhoMayOffer(t *testing.T) {
	p := newPlay(&Host{Name: "physics", NoFiles: true})
	ana := p.filer("ana", 1)
	p.filer("ben", 2)
	if got := p.about(ana, fileOffer, "ben", aFile(1)); got != codeNoFiles {
		t.Errorf("a host without files: %q", got)
	}
	p = newPlay(&Host{Name: "physics", Filters: []string{"secret"}})
	keeper := p.sits("kim", "", transport.Key{}, func(l *link, c *command) { c.Files = true })
	ana, guest := p.filer("ana", 1), p.sits("gil", "10.0.0.9:1", transport.Key{9, 9}, func(l *link, c *command) { l.peer.Via, c.Guest, c.Files = "pipe", true, true })
	p.filer("ben", 2)
	f := aFile(1)
	f.Name = "my secret plan"
	if got := p.about(ana, fileOffer, "ben", f); got != codeFiltered {
		t.Errorf("filtered: %q", got)
	}
	if got := p.about(guest, fileOffer, "ben", aFile(2)); got != codeNotAllowed {
		t.Errorf("a guest: %q", got)
	}
	p.ids++
	p.core.command(p.now, keeper, command{Type: "mute", ID: fmt.Sprintf("%032x", p.ids), Nick: "ana"})
	p.settle()
	if got := p.about(ana, fileOffer, "kim", aFile(3)); got != codeMuted {
		t.Errorf("muted: %q", got)
	}
}

// carried has a transfer ready between two connections, whose far ends it returns.
func carriedOver(t *testing.T, h *hall, p *File) (give, take transport.Conn, ended chan error, seats [2]*seat) {
	t.Helper()
	seats = [2]*seat{{session: [16]byte{1}, nick: "ana"}, {session: [16]byte{2}, nick: "ben"}}
	keys := [2]transport.Key{{7}, {8}}
	id, _ := parseID(p.ID)
	for i, s := range seats {
		s.id, s.key = seatOf(s.session), keys[i]
	}
	done := make(chan struct{})
	h.host.setup() // Run may not have begun
	h.host.do(func(_ time.Time, c *core) {
		c.offers = append(c.offers, &offering{id: id, file: p, from: seats[0], taker: seats[1], key: keys[1], left: 2*p.Size + carrySlack})
		close(done)
	})
	<-done
	ended = make(chan error, 8)
	return h.carry(t, p, seats[0], 0, ended), h.carry(t, p, seats[1], 1, ended), ended, seats
}

// carry connects one side.
func (h *hall) carry(t *testing.T, f *File, s *seat, side int, ended chan error) transport.Conn {
	mine, theirs := transport.Pipe(transport.Peer{Key: s.key}, transport.Peer{})
	first := encode(carry{Type: typeCarry, V: Version, Room: "physics", Session: hexID(s.session), ID: f.ID, Side: sides[side]})
	go func() { ended <- h.host.Carry(t.Context(), theirs, first) }()
	return mine
}

func readyOn(t *testing.T, c transport.Conn) {
	t.Helper()
	msg, err := c.Receive(t.Context())
	x, bad := parseCarry(msg)
	if err != nil || bad != nil || x.State != "ready" {
		t.Fatalf("%q, %v, %v", msg, err, bad)
	}
}

// What one side sends the other gets; whoever comes again ends both, and whoever is not of
// the transfer gets nothing. It ends when it passes on too much, or nothing.
func TestCarry(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, nil)
		defer h.close()
		f := aFile(1)
		give, take, ended, seats := carriedOver(t, h, f)
		readyOn(t, give)
		readyOn(t, take)
		for _, way := range [][2]transport.Conn{{give, take}, {take, give}} {
			way[0].Send(t.Context(), []byte("hello"))
			if msg, err := way[1].Receive(t.Context()); string(msg) != "hello" || err != nil {
				t.Fatal(string(msg), err)
			}
		}
		for _, x := range []struct {
			s    seat
			f    *File
			side int
		}{{seat{session: [16]byte{3}, key: seats[0].key}, f, 0}, {seat{session: seats[0].session, key: transport.Key{5}}, f, 0},
			{*seats[0], f, 1}, {*seats[0], aFile(2), 0}} {
			c := h.carry(t, x.f, &x.s, x.side, ended)
			msg, err := c.Receive(t.Context())
			if r, _ := parseCarry(msg); err != nil || r.Code != codeNoOffer {
				t.Errorf("let in: %q, %v", msg, err)
			}
			<-ended
		}
		again := h.carry(t, f, seats[0], 0, ended) // before anybody has noticed that the first is broken
		for _, c := range []transport.Conn{give, take} {
			if _, err := c.Receive(t.Context()); err == nil {
				t.Error("the old ones go on")
			}
			<-ended
		}
		take = h.carry(t, f, seats[1], 1, ended)
		readyOn(t, again)
		readyOn(t, take)
		go func() {
			for { // a taker that takes
				if _, err := take.Receive(t.Context()); err != nil {
					return
				}
			}
		}()
		sent, big := 0, make([]byte, 60_000)
		for again.Send(t.Context(), big) == nil {
			sent += len(big)
		}
		if limit := int(2*f.Size + carrySlack); sent > limit+transport.MaxMessage*65 || sent < limit/2 {
			t.Errorf("%d bytes were passed on, the limit is %d", sent, limit)
		}
		<-ended
		<-ended
		alone := h.carry(t, f, seats[0], 0, ended)
		if msg, err := alone.Receive(t.Context()); err != nil || !strings.Contains(string(msg), `"error"`) {
			t.Errorf("%q, %v", msg, err)
		}
		<-ended
	})
}

// A taker that takes nothing keeps nobody but its giver waiting, and not for ever.
func TestCarryStalls(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, nil)
		defer h.close()
		ana, ben := h.join("ana", nil), h.join("ben", nil)
		defer leave(t, ana, ben)
		give, take, ended, _ := carriedOver(t, h, aFile(1))
		readyOn(t, give)
		readyOn(t, take)
		began := time.Now()
		go func() {
			for give.Send(t.Context(), make([]byte, 10_000)) == nil {
			}
		}()
		say(t, ana, "hi")
		heard(t, ben, "hi")
		if since := time.Since(began); since > time.Second {
			t.Errorf("talk waited for %v", since)
		}
		<-ended
		<-ended
		if since := time.Since(began); since < carryIdle || since > carryIdle+time.Second {
			t.Errorf("it ended after %v", since)
		}
		give.Close()
		take.Close()
	})
}

// fakeFiles are files of nobody.
// Who says that all is done gets no way that counts for nobody: it ends soon. Nor does a
// side wait for ever for one that ended as the two were found.
func TestCarryAfterDone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, nil)
		defer h.close()
		give, take, ended, seats := carriedOver(t, h, aFile(1))
		readyOn(t, give)
		readyOn(t, take)
		h.host.do(func(_ time.Time, c *core) {
			for _, o := range c.offers {
				c.endOffer(o, seats[1], FileDone, "")
			}
		})
		began := time.Now()
		go func() {
			for give.Send(t.Context(), []byte("x")) == nil {
				time.Sleep(time.Second)
			}
		}()
		go func() {
			for {
				if _, err := take.Receive(t.Context()); err != nil {
					return
				}
			}
		}()
		<-ended
		<-ended
		if since := time.Since(began); since > farewellTime+time.Second {
			t.Errorf("they went on for %v", since)
		}
		give.Close()
		take.Close()

		mine, theirs := transport.Pipe(transport.Peer{}, transport.Peer{})
		ctx, cancel := context.WithCancel(t.Context())
		e := &wagon{conn: theirs, cancel: cancel, ready: make(chan struct{})}
		gone := &wagon{cancel: func() {}, ready: make(chan struct{})}
		began = time.Now()
		if err := e.pass(ctx, gone, 1000); err == nil || time.Since(began) > carryIdle+time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		mine.Close()
		theirs.Close()
	})
}

type fakeFiles struct{ Files }

func (fakeFiles) Most() int64 { return 1 << 20 }
func (fakeFiles) Look(context.Context, string) (Looked, error) {
	return Looked{File: *aFile(0)}, nil
}
func (fakeFiles) Give(ctx context.Context, _ Looked, _ Carriage) error {
	<-ctx.Done()
	return ctx.Err()
}
func (fakeFiles) Take(ctx context.Context, _ File, c Carriage) (string, error) {
	c.Moved(10)
	return "", errors.New("the disk is full, in /home/ben")
}

// What people type, and what becomes of it: both are told of each end, and not where the
// other's files are.
func TestFileCommands(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, nil)
		defer h.close()
		with := func(o *JoinOptions) { o.Files = fakeFiles{} }
		ana, ben, cyn := h.join("ana", with), h.join("ben", with), h.join("cyn", nil)
		defer leave(t, ana, ben, cyn)
		until(t, ana, "cyn", func(e Event) bool { return e.Type == Joined && e.Nick == "cyn" })
		state := func(m *Member, state string) Event {
			return until(t, m, state, func(e Event) bool { return e.Type == Transfer && e.State == state })
		}
		refused := func(m *Member, line, code string) {
			t.Helper()
			_, err := m.Input(t.Context(), line)
			var r *Refused
			if !errors.As(err, &r) || r.Code != code {
				t.Errorf("%s: %v, want %s", line, err, code)
			}
		}
		types := func(m *Member, line string) {
			t.Helper()
			if _, err := m.Input(t.Context(), line); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		}
		refused(ana, "/send", codeUsage)
		refused(ana, "/send ben", codeUsage)
		refused(ana, "/send zoe x", codeNoNick)
		refused(ana, "/send ana x", codeSelf)
		refused(ana, "/take", codeUnchanged)
		refused(ana, "/cancel", codeUnchanged)
		refused(cyn, "/send ana x", codeNoFiles)
		types(ana, "/send cyn x")
		if e := state(ana, FileFailed); !strings.Contains(e.Text, "cannot be sent files") || !e.Own {
			t.Errorf("%+v", e)
		}
		types(ana, "/send ben x")
		if e := state(ben, FileOffered); e.From != "ana" || e.To != "ben" || e.Own || e.File.N != 1 || e.File.Name != "a.bin" {
			t.Errorf("%+v %+v", e, e.File)
		}
		types(ben, "/decline") // as nothing else is offered
		state(ana, FileDeclined)
		types(ana, "/send ben x")
		types(ana, "/send ben x")
		state(ben, FileOffered)
		state(ben, FileOffered)
		refused(ben, "/take", codeUsage) // which?
		refused(ben, "/take 7", codeUnchanged)
		types(ana, "/cancel 3")
		state(ben, FileCancelled)
		types(ben, "/take ana")
		state(ana, FileTaken)
		if e := state(ben, FileFailed); !strings.Contains(e.Text, "/home/ben") || e.File.Bytes != 10 {
			t.Errorf("%+v", e)
		}
		if e := state(ana, FileFailed); strings.Contains(e.Text, "/home") || e.Text == "" {
			t.Errorf("the giver is told %q", e.Text)
		}
		types(ana, "/files")
		if e := kind(t, ana, Transfers); len(e.Files) != 4 || e.Files[3].From != "ana" {
			t.Errorf("%+v", e.Files)
		}
	})
}

// A member whose own words come by the log needs no other answer: whoever hosts may
// have been killed between the two.
func TestOwnEventAnswers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, nil)
		defer h.close()
		ana := h.join("ana", nil)
		defer leave(t, ana)
		s := &saying{cmd: command{Type: string(Message), ID: newHexID(), Text: "hi"}, at: time.Now()}
		ana.mu.Lock()
		ana.pending = append(ana.pending, s)
		ana.next++ // it was sent
		r := report{Type: string(Message), Seq: ana.inbox.done + 1, ID: s.cmd.ID, From: "ana", Text: "hi"}
		other := report{Type: string(Message), Seq: r.Seq + 1, ID: newHexID(), From: "ana", Text: "hi"}
		err := errors.Join(ana.take(time.Now(), &r), ana.take(time.Now(), &other))
		pending, stored := len(ana.pending), ana.stored
		ana.accepted(&report{Type: string(Accepted), ID: s.cmd.ID, Seq: r.Seq}) // it comes after all
		ana.mu.Unlock()
		if err != nil || pending != 0 || stored != r.Seq {
			t.Errorf("%v, %d pending, %d stored", err, pending, stored)
		}
		if e := kind(t, ana, Accepted); e.ID != s.cmd.ID || e.Seq != r.Seq {
			t.Errorf("%+v", e)
		}
		heard(t, ana, "hi")
		until(t, ana, "no other answer", func(e Event) bool { return e.Type == Message && e.ID == other.ID })
	})
}

// What is offered and not taken outlives a restart of the host: whoever comes back first, it can be
// taken then; and where one of the two does not come back in time, the other is told.
func TestOffersOutliveTheHost(t *testing.T) {
	for _, c := range []struct {
		name        string
		giver, back bool // whose computer is off at the restart: the giver's, else the taker's; and whether it comes back
	}{{"the giver is late", true, true}, {"the taker is late", false, true}, {"the giver is gone", true, false}, {"the taker is gone", false, false}} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := NewMemory()
				h := open(t, pipes, func(h *Host) { h.Log = log })
				defer h.close()
				var off atomic.Bool
				join := func(nick string, late bool) *Member {
					o := JoinOptions{Nick: nick, Identity: identity(t), Files: fakeFiles{}}
					dial := h.dial(o.Identity)
					m, err := Join(t.Context(), o, Dial(func(ctx context.Context) (transport.Conn, error) {
						if late && off.Load() {
							return nil, errDown
						}
						return dial(ctx)
					}))
					if err != nil {
						t.Fatal(err)
					}
					return m
				}
				ana, ben := join("ana", c.giver), join("ben", !c.giver)
				defer leave(t, ana, ben)
				until(t, ana, "ben", func(e Event) bool { return e.Type == Joined && e.Nick == "ben" })
				state := func(m *Member, state string) Event {
					t.Helper()
					return until(t, m, state, func(e Event) bool { return e.Type == Transfer && e.State == state })
				}
				types := func(m *Member, line string) {
					t.Helper()
					if _, err := m.Input(t.Context(), line); err != nil {
						t.Fatalf("%s: %v", line, err)
					}
				}
				types(ana, "/send ben x")
				state(ben, FileOffered)
				off.Store(true)
				h.kill()
				h.reopen(log)
				here, late := ben, ana
				if !c.giver {
					here, late = ana, ben
				}
				until(t, here, "the host", func(e Event) bool { return e.Type == Link && e.State == "resumed" })
				if !c.back {
					if e := state(here, FileCancelled); e.Text == "" {
						t.Errorf("%+v", e)
					}
					off.Store(false)
					if !c.giver {
						return
					}
					if e := state(ben, FileOffered); e.File.N != 1 { // she is back after all
						t.Errorf("%+v", e.File)
					}
					types(ben, "/take")
					state(ben, FileTaken)
					state(ana, FileTaken)
					return
				}
				if c.giver {
					types(ben, "/take") // the host knows nothing of it yet
				}
				time.Sleep(5 * time.Second)
				off.Store(false)
				until(t, late, "the host", func(e Event) bool { return e.Type == Link && e.State == "resumed" })
				if !c.giver {
					time.Sleep(time.Second)
					types(ben, "/take")
				}
				state(ben, FileTaken)
				state(ana, FileTaken)
			})
		})
	}
}
