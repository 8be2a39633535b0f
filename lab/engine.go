//go:build !nolab

package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"parley/lab/wire"
)

// EngineArg as the program's only argument makes an engine of it.
const EngineArg = "lab-engine"

// A Runner answers the Requests that have a source in Own. It gives lines to
// each. If the process has to end because nothing else stops the source, it calls
// abort, from whatever goroutine, which does not return.
type Runner func(bubble wire.Bubble, q Request, each func(Line), abort func(error)) error

// Serve makes an engine of the process: it reads a Request from standard input,
// runs it, writes its lines to standard output, and ends the process. Requests
// with a source are answered by own, if there is one.
func Serve(own ...Runner) {
	wire.Enter(func(bubble wire.Bubble, out io.Writer) int {
		return Answer(bubble, os.Stdin, out, own...)
	})
}

// answerOwn has a Runner answer.
func answerOwn(bubble wire.Bubble, q Request, out *bufio.Writer, own Runner) int {
	var mu sync.Mutex // abort may come at any time
	w := NewLineWriter(out)
	fail := func(err error) { w.Write(errorLine(err)) }
	err := own(bubble, q, func(l Line) {
		mu.Lock()
		defer mu.Unlock()
		w.Write(l)
	}, func(err error) {
		mu.Lock()
		fail(err)
		out.Flush()
		os.Exit(1)
	})
	if err != nil {
		fail(err)
		return 1
	}
	return 0
}

// Answer is what an engine does: it reads a Request, and of a live class the
// Commands after it, and writes the lines.
func Answer(bubble wire.Bubble, in io.Reader, out io.Writer, own ...Runner) int {
	buffered := bufio.NewWriterSize(out, 64<<10)
	defer buffered.Flush()
	w := NewLineWriter(buffered)
	dec := json.NewDecoder(in)
	var q Request
	if err := dec.Decode(&q); err != nil {
		w.Write(Line{K: "error", Text: "no request: " + err.Error()})
		return 1
	}
	if q.Live {
		if err := live(bubble, dec, q, func() { buffered.Flush() }, w.Write); err != nil {
			w.Write(errorLine(err))
			return 1
		}
		return 0
	}
	if q.Own != "" && len(own) > 0 {
		return answerOwn(bubble, q, buffered, own[0])
	}
	lesson, near, ok := Find(q.Lesson)
	if !ok {
		w.Write(Line{K: "error", Field: "lesson", Text: noLesson(q.Lesson, near)})
		return 1
	}
	r, err := Do(bubble, lesson, q)
	if err != nil {
		w.Write(errorLine(err))
		return 1
	}
	for _, l := range r.Lines {
		w.Write(l)
	}
	return 0
}

// noLesson says that there is no such lesson.
func noLesson(name, near string) string {
	if near != "" {
		return fmt.Sprintf("there is no lesson %q; did you mean %s?", name, near)
	}
	return fmt.Sprintf("there is no lesson %q; parley lab list shows them", name)
}

// errorLine tells why a run cannot be.
func errorLine(err error) Line {
	l := Line{K: "error", Text: err.Error()}
	var s *SettingError
	var o interface{ About() string }
	switch {
	case errors.As(err, &s):
		l.Field = s.Field
	case errors.As(err, &o):
		l.Field = o.About()
	}
	return l
}

// An Engine starts engine processes.
type Engine struct {
	Path  string        // of the program; empty: this one
	Limit time.Duration // of real time for a Run; 0: defaultLimit
	Env   []string      // added to its environment
}

// defaultLimit is how long a run may take: far more than any lesson needs on a
// slow machine.
const defaultLimit = 2 * time.Minute

// ErrEngine is an engine that did not end as it should.
var ErrEngine = errors.New("the lab's engine failed")

// Run has a process run a request, and gives its lines to each as they come.
// Misused tells whether an error is about what was asked.
func (e Engine) Run(ctx context.Context, q Request, each func(Line) error) error {
	limit := e.Limit
	if limit == 0 {
		limit = defaultLimit
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	s, err := e.Start(ctx, q, each)
	if err != nil {
		return err
	}
	if err := s.Close(); ctx.Err() == context.DeadlineExceeded {
		return fmt.Errorf("%w: it had not ended after %v", ErrEngine, limit)
	} else {
		return err
	}
}

// A Session is an engine process that runs a request.
type Session struct {
	cmd   *exec.Cmd
	stop  context.CancelFunc
	in    io.WriteCloser
	enc   *json.Encoder
	said  limited
	done  chan struct{}
	wrong error // what the engine said of the request
	broke error // what came was no lines, or each did not want them
}

// Start starts an engine. Its lines are given to each by a goroutine of the
// Session, which goes on until Close.
func (e Engine) Start(ctx context.Context, q Request, each func(Line) error) (*Session, error) {
	path := e.Path
	if path == "" {
		var err error
		if path, err = os.Executable(); err != nil {
			return nil, err
		}
	}
	ctx, stop := context.WithCancel(ctx)
	s := &Session{cmd: exec.CommandContext(ctx, path, EngineArg), stop: stop, done: make(chan struct{})}
	s.cmd.WaitDelay, s.cmd.Stderr, s.cmd.Env = time.Second, &s.said, append(os.Environ(), e.Env...)
	fail := func(err error) (*Session, error) {
		stop()
		return nil, err
	}
	var err error
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return fail(err)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return fail(err)
	}
	if err := s.cmd.Start(); err != nil {
		return fail(err)
	}
	s.enc = json.NewEncoder(s.in)
	go func() {
		defer close(s.done)
		s.broke = ReadLines(out, func(l Line) error {
			if l.K == "error" && !q.Live {
				s.wrong = fromLine(l)
				return nil
			}
			return each(l)
		})
		if s.broke != nil {
			stop()
		}
	}()
	if err := s.enc.Encode(q); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Do gives a live class a command. One goroutine at a time may do so.
func (s *Session) Do(c Command) error {
	if err := s.enc.Encode(c); err != nil {
		return fmt.Errorf("%w: %v", ErrEngine, err)
	}
	return nil
}

// Close waits until the engine has ended, which a live class does when there are
// no more commands. It must be called once.
func (s *Session) Close() error {
	s.in.Close()
	<-s.done
	ended := s.cmd.Wait()
	s.stop()
	switch {
	case s.wrong != nil:
		return s.wrong
	case s.broke != nil:
		return s.broke
	case ended != nil:
		return fmt.Errorf("%w: %v: %s", ErrEngine, ended, s.said.String())
	}
	return nil
}

// fromLine is errorLine's reverse.
func fromLine(l Line) error {
	if l.Field == "" {
		return errors.New(l.Text)
	}
	return &requestError{l.Field, l.Text}
}

// requestError is an error of the engine about a setting.
type requestError struct{ field, text string }

func (e *requestError) Error() string { return e.text }

// Misused tells whether an error is about what was asked, and which setting it
// is about.
func Misused(err error) (field string, ok bool) {
	var r *requestError
	var s *SettingError
	var o interface{ About() string }
	switch {
	case errors.As(err, &r):
		return r.field, true
	case errors.As(err, &s):
		return s.Field, true
	case errors.As(err, &o):
		return o.About(), true
	}
	return "", false
}

// limited keeps the first few kilobytes of what an engine complains of.
type limited struct{ kept []byte }

func (l *limited) Write(p []byte) (int, error) {
	if room := 8<<10 - len(l.kept); room > 0 {
		l.kept = append(l.kept, p[:min(room, len(p))]...)
	}
	return len(p), nil
}

func (l *limited) String() string { return strings.TrimSpace(string(l.kept)) }
