package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"parley/line"
	"parley/node"
	"parley/room"
	"parley/transport"
	"parley/tui"
)

// leastWidth and leastHeight are what the full screen needs.
const (
	leastWidth  = 20
	leastHeight = 5
)

// fullScreen tells whether rooms are shown on the full screen: on every terminal
// that is one, unless something else is asked for.
func (p *program) fullScreen() bool {
	f := p.flags
	if f.Plain || f.Lines || f.JSON || f.NoInput || !isTerminal(p.out) || p.in == nil || !term.IsTerminal(int(p.in.Fd())) {
		return false
	}
	if kind := os.Getenv("TERM"); kind == "dumb" || kind == "" && runtime.GOOS != "windows" {
		return false
	}
	w, h, err := term.GetSize(int(p.out.(*os.File).Fd()))
	if err != nil || w == 0 || h == 0 { // it does not say
		return false
	}
	if w < leastWidth || h < leastHeight {
		p.talk("%d columns and %d rows are too few for the full screen: here are lines", w, h)
		return false
	}
	return true
}

// beginning makes the room that the screen begins with, on a node. The func it
// returns ends what was begun.
type beginning func(ctx context.Context, n *node.Node) (*tui.Start, func())

// onScreen shows the full screen until the person leaves. What is told meanwhile
// is told there; why no room could be entered is not, for the screen is gone then.
func (p *program) onScreen(ctx context.Context, begin beginning) error {
	notes := &noteWriter{lines: make(chan string, 64)}
	was := p.err
	p.err, p.screen = notes, true
	err := p.onNode(ctx, begin, notes)
	p.err, p.screen = was, false
	var shown *tui.Shown
	var behind *tui.Undelivered
	switch {
	case errors.As(err, &shown):
		return errQuiet(explain(shown.Err).exit)
	case errors.As(err, &behind):
		p.print(p.err, "parley: "+behind.Error())
		if behind.Kept {
			p.talk("messages that are not sent: %d; they are kept on this computer, and go out when you are in the room again", behind.N)
		}
		return errQuiet(exitUndelivered)
	}
	return err
}

func (p *program) onNode(ctx context.Context, begin beginning, notes *noteWriter) error {
	nick := userName()
	if p.flags.Nick != "" {
		var err error
		if nick, err = p.checkNick(p.flags.Nick); err != nil {
			return err
		}
	}
	n, err := p.node()
	if err != nil {
		return err
	}
	defer n.Close()
	o := p.screenOptions(nick, n)
	o.Notes = notes.lines
	if begin != nil {
		start, end := begin(ctx, n)
		defer end()
		o.Start = start
	}
	return tui.Run(ctx, o, n)
}

// screenOptions are how the full screen is.
func (p *program) screenOptions(nick string, n *node.Node) tui.Options {
	color, ascii := line.WantColor(os.Getenv), !line.WantUTF8(os.Getenv, runtime.GOOS == "windows")
	o := tui.Options{In: p.in, Out: p.out, Nick: nick, Join: p.joinOptions(nick, false), Deaf: n.NoDiscovery, Plaintext: n.Plaintext,
		Explain: p.inWords, Choices: choices, Offer: p.offer, Doctor: func(ctx context.Context, show func(string)) { p.doctorLines(ctx, n, "", show) },
		Color: color, ASCII: ascii, Theme: p.flags.Theme, Bell: p.flags.Bell, Notify: !p.flags.NoNotify, Quiet: p.flags.Quiet}
	o.Host, o.Secret = p.flags.Host.options(nil), p.secret
	o.Export = func(ctx context.Context, m *room.Member, file string) (string, error) {
		said, _, err := line.ExportRoom(ctx, m, file, time.Local)
		return said, err
	}
	if p.command == "host" {
		o.Impair = setImpair(n)
		if n.Lanes != nil {
			o.Lanes = laneScreen(n, color, ascii)
		}
	}
	if wanted := p.flags.Host.QR; wanted == qrOn || wanted != qrOff && color && !ascii {
		o.QR = func(link string, w, h int) []string { return line.QR(link, w, h, color) }
	}
	if p.secret == "" {
		o.Join.Password = nil // the screen asks
	}
	if dir, err := p.dataDir(); err == nil && p.flags.Keep != "none" {
		o.Past = filepath.Join(dir, "typed")
	}
	return o
}

// choices are the rooms that were meant, where there are several.
func choices(err error) []room.Listing {
	var several *node.Error
	if errors.As(err, &several) && several.Code == node.CodeAmbiguous {
		return several.Choices
	}
	return nil
}

// offer is the way on where a room has another key than it is known by.
func (p *program) offer(err error) *tui.Offer {
	var changed *node.Error
	if !errors.As(err, &changed) || changed.Code != node.CodeKey || changed.Key == (transport.Key{}) {
		return nil
	}
	lines := append([]string{changed.Text}, changed.More...)
	lines = append(lines, "If its host now reads out the same words, it is the room, opened anew. If not, somebody poses as it: do not go in.")
	return &tui.Offer{Word: "accept", Lines: lines, Do: func() error {
		known, err := p.known()
		if err != nil {
			return err
		}
		_, err = known.Accept(changed.Room, changed.Key)
		return err
	}}
}

// inWords explains an error as the command line does.
func (p *program) inWords(err error) []string {
	f := explain(err)
	lines := append([]string{f.text}, f.more...)
	if f.hint != "" {
		lines = append(lines, f.hint)
	}
	if f.command != "" {
		lines = append(lines, "  "+f.command)
	}
	return lines
}

// begin joins what was named, or nothing.
func (j *joinCmd) begin(*program) beginning {
	if j.Target == "" {
		return nil
	}
	return func(_ context.Context, n *node.Node) (*tui.Start, func()) {
		return &tui.Start{Title: "joining " + goal{typed: j.Target}.String(), Target: j.Target, Sit: func(ctx context.Context, o room.JoinOptions) (*room.Member, error) {
			return n.Join(ctx, j.Target, o)
		}}, func() {}
	}
}

// begin opens the rooms, and sits down in the first.
func (h *hostCmd) begin(p *program) beginning {
	return func(ctx context.Context, n *node.Node) (*tui.Start, func()) {
		var hosting *node.Hosting
		sit := func(sitting context.Context, o room.JoinOptions) (*room.Member, error) {
			if h.Continue {
				if err := p.continueRooms(sitting, n, h.Rooms); err != nil {
					return nil, err
				}
			}
			verifier, err := p.verifier()
			if err != nil {
				return nil, err
			}
			opened, err := n.Open(ctx, h.options(verifier))
			if err != nil {
				return nil, err
			}
			hosting = opened
			m, err := hosting.Sit(sitting, o)
			if err == nil {
				p.tellAddresses(hosting)
			}
			return m, err
		}
		return &tui.Start{Title: "opening " + strings.Join(h.Rooms, ", "), Sit: sit}, func() {
			if hosting != nil {
				hosting.Close()
			}
		}
	}
}

// tellAddresses says by which addresses others come in, where the screen does not
// say it anyway.
func (p *program) tellAddresses(hosting *node.Hosting) {
	at := hosting.Addrs()[0]
	if p.flags.Port == 0 && at.Port() != node.Port {
		p.talk("Port %d is taken here, so it is port %d.", node.Port, at.Port())
	}
	if at.Addr().IsLoopback() && !p.flags.bind().IsValid() {
		p.talk("%s for now only its own programs can join.", noNetwork)
	}
	p.tellMetrics()
	for _, name := range hosting.Rooms() {
		var lines []string
		for i, line := range hosting.JoinLines(name) {
			if i == 0 || !hosting.Addrs()[i].Addr().IsLoopback() { // here any address will do
				lines = append(lines, line)
			}
		}
		p.talk("by address: %s", strings.Join(lines, ", or "))
	}
}

// A noteWriter turns what is written to it into lines for the screen. What the
// screen does not take is dropped.
type noteWriter struct {
	mu    sync.Mutex
	rest  []byte
	lines chan string
}

// maxNote bounds a line that never ends.
const maxNote = 4096

func (w *noteWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest = append(w.rest, b...)
	for {
		line, rest, found := bytes.Cut(w.rest, []byte("\n"))
		if !found && len(w.rest) < maxNote {
			return len(b), nil
		}
		w.rest = bytes.Clone(rest)
		if strings.TrimSpace(string(line)) == "" {
			continue
		}
		select {
		case w.lines <- string(line):
		default:
		}
	}
}
