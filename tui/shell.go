package tui

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
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

	deafen   context.CancelFunc // ends the listening for rooms; nil: nobody listens. Bubble Tea's goroutine has it
	listened chan struct{}      // closed when the last listening has ended

	mu     sync.Mutex
	seats  map[int]*seated
	next   int
	asked  map[int]chan doAnswer
	giveUp context.CancelFunc // what is being sat down in
	fatal  error              // why the room to begin with could not be entered
	last   error              // by which the last seat ended
	behind Undelivered        // what was left behind in all rooms
	closed bool               // nobody sits down any more
	reason string             // our last word
	past   chan string        // what was typed
	busy   bool               // a doctor is at work
}

func newShell(ctx context.Context, o Options, n Network) *shell {
	s := &shell{o: o, net: n, m: newModel(o), seats: make(map[int]*seated), asked: make(map[int]chan doAnswer), past: make(chan string, typed)}
	s.behind.Kept = true
	if o.Past != "" {
		s.m.past = loadPast(o.Past)
	}
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
	switch {
	case s.fatal != nil:
		return s.fatal
	case s.behind.N > 0:
		return &s.behind
	case s.last != nil:
		return &Shown{s.last}
	}
	return nil
}

// teaModel is the model as Bubble Tea wants it.
type teaModel struct{ s *shell }

// Init starts what runs as long as the screen does.
func (t teaModel) Init() tea.Cmd {
	s := t.s
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
	if s.o.Lanes != nil {
		s.own(s.redraw)
	}
	if s.o.Past != "" {
		s.own(func() { s.keepPast(s.o.Past) })
	}
	first := s.effects(s.m.begin(time.Now()))
	s.listen(s.m.inLobby())
	return first
}

// redraw has the packets drawn as time goes by.
func (s *shell) redraw() {
	tick := time.NewTicker(redrawing)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.send(laneMsg{})
		case <-s.ctx.Done():
			return
		}
	}
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
	do := t.s.effects(m.effects())
	t.s.listen(m.inLobby())
	return t, do
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
			if e.broken {
				s.fatal = context.Canceled
			}
			for _, st := range s.seats {
				st.leaving.Store(true)
			}
			s.mu.Unlock()
			cmds = append(cmds, tea.Quit)
		case doDoctor:
			s.examine()
		case doExport:
			s.export(e)
		case doKeep:
			select {
			case s.past <- e.line:
			default: // the disk is slower than hands: not worth waiting for
			}
		}
	}
	if more := s.m.effects(); len(more) > 0 {
		cmds = append(cmds, s.effects(more))
	}
	return tea.Batch(cmds...)
}
