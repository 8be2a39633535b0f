package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"

	"parley/room"
	"parley/text"
)

const (
	frame     = 16 * time.Millisecond  // batches of events are at least so far apart
	batch     = 256                    // events in one
	fps       = 120                    // of the terminal: what is typed is seen within 8 ms
	sampling  = 500 * time.Millisecond // how often a seat's counters are read
	heartbeat = time.Second            // of the clock
	lastWord  = 2 * time.Second        // how long one who leaves waits for what was said last
	typed     = 1024                   // lines that wait for the host to take those before
)

// seat is what the shell needs of a *room.Member.
type seat interface {
	Ready() room.Event
	Next(ctx context.Context) (room.Event, error)
	Input(ctx context.Context, line string) (room.Action, error)
	Flush(ctx context.Context) error
	Names() []room.Person
	Stats() room.Counters
	Unsent() []room.Unsent
	Spoken(ctx context.Context, before uint64, n int) (room.Look, error)
	Nick() string
	Hosts() (host, others bool)
	Leave(ctx context.Context, reason string) error
}

// seated is a seat with its goroutines.
type seated struct {
	id      int
	seat    seat
	lines   chan string
	hosting room.Hosting // ours, to be closed behind it; nil: none
	done    chan struct{}
	leaving atomic.Bool
}

// A shell does what the model asks for. Update runs in Bubble Tea's goroutine;
// everything that waits has one of the shell's.
type shell struct {
	o       Options
	net     Network
	m       *model
	program *tea.Program
	tasks   sync.WaitGroup
	ctx     context.Context
	cancel  context.CancelFunc
	send    func(msg any)

	mu      sync.Mutex
	seats   map[int]*seated
	next    int
	asked   map[int]chan doAnswer
	giveUp  context.CancelFunc // what is being sat down in
	refused *room.Refused      // by which the last seat ended
	closed  bool               // nobody sits down any more
	reason  string             // our last word
}

func newShell(ctx context.Context, o Options, n Network) *shell {
	s := &shell{o: o, net: n, m: newModel(o), seats: make(map[int]*seated), asked: make(map[int]chan doAnswer)}
	s.ctx, s.cancel = context.WithCancel(ctx)
	s.program = tea.NewProgram(teaModel{s}, tea.WithContext(ctx), tea.WithInput(o.In), tea.WithOutput(o.Out), tea.WithoutSignalHandler(), tea.WithFPS(fps))
	s.send = func(msg any) { s.program.Send(msg) }
	return s
}

// own runs f in a goroutine that run waits for. A panic gives the terminal back first.
func (s *shell) own(f func()) {
	s.tasks.Go(func() {
		defer func() {
			if r := recover(); r != nil {
				s.program.ReleaseTerminal()
				panic(r)
			}
		}()
		f()
	})
}

func (s *shell) run(ctx context.Context) error {
	_, err := s.program.Run()
	s.leaveAll()
	s.cancel()
	s.tasks.Wait()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, tea.ErrProgramPanic):
		return err
	case err != nil && !errors.Is(err, tea.ErrProgramKilled):
		return err
	}
	if s.refused != nil {
		return s.refused
	}
	return nil
}

// teaModel is the model as Bubble Tea wants it.
type teaModel struct{ s *shell }

// Init starts what runs as long as the screen does.
func (t teaModel) Init() tea.Cmd {
	s := t.s
	if !s.o.Deaf {
		s.own(s.listen)
	}
	s.own(func() {
		tick := time.NewTicker(heartbeat)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				s.send(tickMsg{})
			case note, ok := <-s.o.Notes:
				if !ok {
					s.o.Notes = nil
					continue
				}
				s.send(noteMsg{note})
			case <-s.ctx.Done():
				return
			}
		}
	})
	return s.effects(s.m.begin(time.Now()))
}

// Update takes one message.
func (t teaModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	m := t.s.m
	m.now = time.Now()
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		m.key(msg.Keystroke(), keyText(msg))
	case tea.PasteMsg:
		m.paste(msg.Content)
	case tea.WindowSizeMsg:
		m.w, m.h = max(1, msg.Width), max(1, msg.Height)
	case tea.FocusMsg:
		m.blur = false
	case tea.BlurMsg:
		m.blur = true
	default:
		m.told(msg)
	}
	return t, t.s.effects(m.effects())
}

// keyText is what a key types.
func keyText(k tea.KeyPressMsg) string {
	if k.Mod&(tea.ModAlt|tea.ModCtrl|tea.ModMeta) != 0 {
		return ""
	}
	return strings.TrimFunc(k.Text, func(r rune) bool { return r < 0x20 || r == 0x7f })
}

// View draws.
func (t teaModel) View() tea.View {
	sc := t.s.m.view()
	v := tea.NewView(strings.Join(sc.rows, "\n"))
	v.AltScreen, v.ReportFocus = true, true
	if sc.x >= 0 && sc.y >= 0 {
		v.Cursor = tea.NewCursor(sc.x, sc.y)
	}
	return v
}

// effects does what the model asks for.
func (s *shell) effects(all []effect) tea.Cmd {
	var cmds []tea.Cmd
	for _, e := range all {
		switch e := e.(type) {
		case doSit:
			ctx, cancel := context.WithCancel(s.ctx)
			s.mu.Lock()
			s.giveUp = cancel
			s.mu.Unlock()
			s.own(func() { defer cancel(); s.sit(ctx, e) })
		case doGiveUp:
			s.mu.Lock()
			if s.giveUp != nil {
				s.giveUp()
			}
			s.mu.Unlock()
		case doInput:
			s.input(e)
		case doPage:
			s.page(e)
		case doAnswer:
			s.mu.Lock()
			if c := s.asked[e.id]; c != nil {
				c <- e
				delete(s.asked, e.id)
			}
			s.mu.Unlock()
		case doLeave:
			if st := s.at(e.win); st != nil {
				s.own(func() { s.leave(st, e.reason) })
			}
		case doRing:
			ring := "\a"
			if e.words != "" {
				ring += "\x1b]9;" + e.words + "\a"
			}
			cmds = append(cmds, tea.Raw(ring))
		case doClear:
			cmds = append(cmds, tea.ClearScreen)
		case doQuit:
			s.reason = e.reason
			s.mu.Lock()
			for _, st := range s.seats {
				st.leaving.Store(true)
			}
			s.mu.Unlock()
			cmds = append(cmds, tea.Quit)
		}
	}
	if more := s.m.effects(); len(more) > 0 {
		cmds = append(cmds, s.effects(more))
	}
	return tea.Batch(cmds...)
}

func (s *shell) at(id int) *seated {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seats[id]
}

// listen hears the rooms of the network.
func (s *shell) listen() {
	err := s.net.Rooms(s.ctx, func(l room.Listing) { s.send(heardMsg{l}) })
	if err != nil && s.ctx.Err() == nil {
		s.send(noteMsg{"rooms cannot be looked for: " + err.Error()})
	}
}

// sit sits down as asked.
func (s *shell) sit(ctx context.Context, d doSit) {
	o := s.o.Join
	if d.nick != "" {
		o.Nick = d.nick
	}
	o.Ask = func(ctx context.Context, r room.Refused) (string, bool) {
		return s.ask(ctx, askMsg{kind: "nick", lines: []string{r.Text}, preset: r.Suggest})
	}
	if o.Password == nil {
		o.Password = func(ctx context.Context, name string, wrong int) (string, bool) {
			line := "The room " + text.Clean(name) + " wants a password."
			if wrong > 0 {
				line = "The password is wrong. Again, for " + text.Clean(name) + ":"
			}
			return s.ask(ctx, askMsg{kind: "password", lines: []string{line}})
		}
	}
	o.Waiting = func(e room.Event) { s.send(askMsg{kind: "waiting", lines: []string{"waiting: " + e.Text}}) }
	m, hosting, err := s.join(ctx, d, o)
	if err != nil {
		msg := unsatMsg{was: d, lines: s.explain(err)}
		var refused *room.Refused
		if errors.As(err, &refused) {
			msg.code, msg.rooms = refused.Code, refused.Rooms
		}
		if ctx.Err() != nil {
			msg.lines = []string{"given up"}
		}
		s.send(msg)
		return
	}
	s.seatDown(m, hosting)
}

func (s *shell) join(ctx context.Context, d doSit, o room.JoinOptions) (m *room.Member, hosting room.Hosting, err error) {
	switch {
	case d.start:
		m, err = s.o.Start.Sit(ctx, o)
	case d.heard != nil:
		m, err = s.net.JoinHeard(ctx, *d.heard, o)
	case d.host != "":
		if hosting, err = s.net.Host(s.ctx, room.HostOptions{Rooms: []string{d.host}}); err != nil {
			return nil, nil, err
		}
		if m, err = hosting.Sit(ctx, o); err != nil {
			hosting.Close()
		}
	default:
		m, err = s.net.Join(ctx, d.target, o)
	}
	return m, hosting, err
}

// ask has the person answer.
func (s *shell) ask(ctx context.Context, msg askMsg) (string, bool) {
	c := make(chan doAnswer, 1)
	s.mu.Lock()
	s.next++
	msg.id = s.next
	s.asked[msg.id] = c
	s.mu.Unlock()
	s.send(msg)
	select {
	case a := <-c:
		return a.text, a.ok
	case <-ctx.Done():
		return "", false
	}
}

// seatDown starts a seat's goroutines.
func (s *shell) seatDown(m seat, hosting room.Hosting) {
	s.mu.Lock()
	s.next++
	st := &seated{id: s.next, seat: m, lines: make(chan string, typed), hosting: hosting, done: make(chan struct{})}
	closed := s.closed
	if !closed {
		s.seats[st.id] = st
	}
	s.mu.Unlock()
	if closed {
		s.leave(st, "")
		return
	}
	s.send(satMsg{st.id, m.Ready()})
	s.own(func() { s.read(st) })
	s.own(func() { s.typist(st) })
}

// read brings the events of a seat, in batches.
func (s *shell) read(st *seated) {
	defer close(st.done)
	var events []room.Event
	sampled, flushed := time.Time{}, time.Time{}
	for {
		now := time.Now()
		if now.Sub(sampled) >= sampling {
			sampled = now
			s.send(sample(st))
		}
		until := sampled.Add(sampling)
		if len(events) > 0 && flushed.Add(frame).Before(until) {
			until = flushed.Add(frame)
		}
		ctx, cancel := context.WithDeadline(context.WithoutCancel(s.ctx), until)
		e, err := st.seat.Next(ctx)
		late := ctx.Err() != nil
		cancel()
		if err == nil {
			events = append(events, e)
		}
		if len(events) > 0 && (len(events) >= batch || time.Since(flushed) >= frame || err != nil) {
			s.send(eventsMsg{st.id, events})
			events, flushed = nil, time.Now()
		}
		if err != nil && !(late && errors.Is(err, context.DeadlineExceeded)) {
			s.end(st, err)
			return
		}
	}
}

// sample is what a seat counts now.
func sample(st *seated) countMsg {
	m := countMsg{win: st.id, nick: st.seat.Nick(), people: st.seat.Names(), unsent: st.seat.Unsent(), stats: st.seat.Stats()}
	m.host, m.others = st.seat.Hosts()
	return m
}

// end tells of a seat that is no more.
func (s *shell) end(st *seated, err error) {
	s.mu.Lock()
	delete(s.seats, st.id)
	var refused *room.Refused
	if errors.As(err, &refused) && len(s.seats) == 0 {
		s.refused = refused
	}
	s.mu.Unlock()
	msg := endedMsg{win: st.id}
	if !st.leaving.Load() && !errors.Is(err, io.EOF) {
		msg.lines = s.explain(err)
	}
	s.send(msg)
}

// explain puts an error in words.
func (s *shell) explain(err error) []string {
	if s.o.Explain != nil {
		if lines := s.o.Explain(err); len(lines) > 0 {
			return lines
		}
	}
	return []string{err.Error()}
}

// typist does what lines say, one after the other.
func (s *shell) typist(st *seated) {
	for {
		select {
		case line := <-st.lines:
			action, err := st.seat.Input(s.ctx, line)
			msg := actionMsg{win: st.id, action: action}
			if err != nil {
				if s.ctx.Err() != nil {
					return
				}
				msg.err, msg.line = complaint(err), line
			}
			s.send(msg)
		case <-st.done:
			return
		case <-s.ctx.Done():
			return
		}
	}
}

// complaint is why a line was not taken.
func complaint(err error) string {
	var refused *room.Refused
	if errors.As(err, &refused) && refused.Suggest != "" && !strings.Contains(refused.Text, refused.Suggest) {
		switch refused.Code {
		case "nick_taken":
			return refused.Text + ": try /nick " + refused.Suggest
		case "unknown_command":
			return refused.Text + ": did you mean /" + refused.Suggest + "?"
		}
		return refused.Text + ": did you mean " + refused.Suggest + "?"
	}
	return err.Error()
}

// input gives a line to its typist.
func (s *shell) input(e doInput) {
	st := s.at(e.win)
	if st == nil { // only what needs no room
		word, arg, _ := strings.Cut(e.line, " ")
		c, _ := room.Find(strings.TrimPrefix(word, "/"))
		s.m.told(actionMsg{win: e.win, action: room.Action{Do: c.Front, Arg: arg}})
		return
	}
	select {
	case st.lines <- e.line:
	default:
		s.m.told(actionMsg{win: e.win, line: e.line, err: fmt.Sprintf("sending slowly: the host has not yet taken the last %d lines", typed)})
	}
}

// page fetches what was said before.
func (s *shell) page(e doPage) {
	st := s.at(e.win)
	if st == nil {
		s.m.told(pageMsg{win: e.win})
		return
	}
	s.own(func() {
		ctx, cancel := context.WithTimeout(s.ctx, 10*time.Second)
		defer cancel()
		look, err := st.seat.Spoken(ctx, e.before, pageSize)
		msg := pageMsg{win: e.win, look: look}
		if err != nil {
			msg.err = complaint(err)
		}
		s.send(msg)
	})
}

// leave leaves a room politely.
func (s *shell) leave(st *seated, reason string) {
	st.leaving.Store(true)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), lastWord)
	defer cancel()
	st.seat.Flush(ctx)
	st.seat.Leave(ctx, text.Mark(reason))
	if st.hosting != nil {
		st.hosting.Close()
	}
}

// leaveAll leaves all rooms at once, and waits.
func (s *shell) leaveAll() {
	s.mu.Lock()
	s.closed = true
	var all []*seated
	for _, st := range s.seats {
		all = append(all, st)
	}
	s.mu.Unlock()
	var gone sync.WaitGroup
	for _, st := range all {
		gone.Go(func() { s.leave(st, s.reason); <-st.done })
	}
	gone.Wait()
}
