package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/term"

	"parley/line"
	"parley/node"
	"parley/room"
	"parley/tui"
)

// fullScreen tells whether rooms are shown on the full screen.
func (p *program) fullScreen() bool {
	return p.flags.TUI && !p.flags.Plain && !p.flags.JSON && !p.flags.NoInput && os.Getenv("TERM") != "dumb" &&
		isTerminal(p.out) && p.in != nil && term.IsTerminal(int(p.in.Fd()))
}

// beginning makes the room that the screen begins with, on a node. The func it
// returns ends what was begun.
type beginning func(ctx context.Context, n *node.Node) (*tui.Start, func())

// onScreen shows the full screen until the person leaves. What is told meanwhile
// is told there.
func (p *program) onScreen(ctx context.Context, begin beginning) error {
	notes := &noteWriter{lines: make(chan string, 64)}
	was := p.err
	p.err = notes
	err := p.onNode(ctx, begin, notes)
	p.err = was
	var refused *room.Refused
	if errors.As(err, &refused) && notes.shown {
		return errQuiet(explainRefused(refused).exit) // why we were put out has been shown
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
	o := tui.Options{In: p.in, Out: p.out, Nick: nick, Join: p.joinOptions(nick, false), Deaf: n.NoDiscovery, Notes: notes.lines,
		Explain: p.inWords, Color: line.WantColor(os.Getenv), ASCII: !line.WantUTF8(os.Getenv, runtime.GOOS == "windows"),
		Theme: p.flags.Theme, Bell: p.flags.Bell, Notify: !p.flags.NoNotify, Quiet: p.flags.Quiet}
	if p.secret == "" {
		o.Join.Password = nil // the screen asks
	}
	if begin != nil {
		start, end := begin(ctx, n)
		defer end()
		o.Start = start
	}
	notes.shown = true
	return tui.Run(ctx, o, n)
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
		return &tui.Start{Title: "joining " + goal{typed: j.Target}.String(), Sit: func(ctx context.Context, o room.JoinOptions) (*room.Member, error) {
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
				p.tellJoinLines(n, hosting, h.Hidden)
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

// A noteWriter turns what is written to it into lines for the screen. What the
// screen does not take is dropped.
type noteWriter struct {
	mu    sync.Mutex
	rest  []byte
	lines chan string
	shown bool // the screen was there
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
