package main_test

// The end-to-end tests run the built program as its users do: as processes
// that talk over sockets, judged by what they print and by how they end. This
// file has what they share: building the program once, running it, and waiting
// for lines of its output. Nothing here sleeps: every wait is for something,
// and ends when it has come or when patience is over.

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds the wait for anything that should have come long before.
// Tests assert what happens, not how fast; figures are printed.
const patience = 20 * time.Second

// maxLine bounds a line of output that is kept.
const maxLine = 1 << 20

// scratch is removed when all tests have ended.
var scratch string

// together is how many tests run at once unless -parallel says otherwise: they
// wait far more than they compute.
const together = 8

func TestMain(m *testing.M) {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		flag.Set("test.parallel", strconv.Itoa(together))
	}
	os.Setenv("PARLEY_CONFIG", "none") // whatever whoever runs the tests has set up
	os.Exit(func() int {
		var err error
		if scratch, err = os.MkdirTemp("", "parley-e2e-"); err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
			return 1
		}
		defer os.RemoveAll(scratch)
		return m.Run()
	}())
}

// event is one object of the program's output as JSON lines.
type event struct {
	Type      string   `json:"type"`
	V         int      `json:"v"`
	Seq       uint64   `json:"seq"`
	At        string   `json:"at"`
	From      string   `json:"from"`
	To        string   `json:"to"`
	Nick      string   `json:"nick"`
	By        string   `json:"by"`
	Text      string   `json:"text"`
	Reason    string   `json:"reason"`
	Replay    *bool    `json:"replay"`
	ID        string   `json:"id"`
	Count     int      `json:"count"`
	Of        int      `json:"of"`
	FromSeq   uint64   `json:"from_seq"`
	State     string   `json:"state"`
	Why       string   `json:"why"`
	Code      string   `json:"code"`
	Suggest   string   `json:"suggest"`
	Room      string   `json:"room"`
	Role      string   `json:"role"`
	Transport string   `json:"transport"`
	Secure    *bool    `json:"secure"`
	Password  *bool    `json:"password"`
	Guests    *bool    `json:"guests"`
	Addr      string   `json:"addr"`
	TCPAddr   string   `json:"tcp_addr"`
	UDP       uint16   `json:"udp"`
	TCP       uint16   `json:"tcp"`
	Key       string   `json:"key"`
	Link      string   `json:"link"`
	Members   any      `json:"members"` // a number in "room", a list in "members"
	Gone      bool     `json:"gone"`
	Rooms     []string `json:"rooms"`
	File      struct {
		N     int    `json:"n"`
		Name  string `json:"name"`
		Size  int64  `json:"size"`
		Bytes int64  `json:"bytes"`
		Path  string `json:"path"`
	} `json:"file"`
}

// line is a line of output and when it came.
type line struct {
	text string
	at   time.Time
	event
}

// output collects lines and wakes those who wait for one.
type output struct {
	mu    sync.Mutex
	lines []line
	more  chan struct{} // closed and replaced whenever there is more
	ended bool
}

func newOutput() *output { return &output{more: make(chan struct{})} }

func (o *output) read(from io.Reader, each func([]byte)) {
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	whole := true
	lines.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		whole = bytes.IndexByte(data, '\n') >= 0
		return bufio.ScanLines(data, atEOF)
	})
	for lines.Scan() {
		l := line{text: lines.Text(), at: time.Now()}
		json.Unmarshal(lines.Bytes(), &l.event) // what is no object has no type
		if each != nil && whole {               // a program may be killed while it writes
			each(lines.Bytes())
		}
		o.add(l)
	}
	io.Copy(io.Discard, from) // after an over-long line; nobody may be stopped by a full pipe
	o.end()
}

func (o *output) add(l line) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines = append(o.lines, l)
	close(o.more)
	o.more = make(chan struct{})
}

func (o *output) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	close(o.more)
	o.more = make(chan struct{})
}

func (o *output) all() []line {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.lines)
}

// find waits for a line with the property at or after a position, and returns
// it and the position behind it.
func (o *output) find(from int, limit time.Duration, is func(line) bool) (line, int, error) {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for next := from; ; {
		o.mu.Lock()
		lines, more, ended := o.lines, o.more, o.ended
		o.mu.Unlock()
		for ; next < len(lines); next++ {
			if is(lines[next]) {
				return lines[next], next + 1, nil
			}
		}
		if ended {
			return line{}, next, errors.New("the output ended without it")
		}
		select {
		case <-more:
		case <-deadline.C:
			return line{}, next, fmt.Errorf("it did not come within %v", limit)
		}
	}
}

// proc is a running process and what it has printed so far.
type proc struct {
	t      testing.TB
	name   string // for messages of the test
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	out    *output // stdout
	talk   *output // stderr
	start  time.Time
	done   chan struct{} // closed when it has ended and its output is read
	code   int           // its exit code, once done; -1 if a signal ended it
	cursor int           // where the next wait begins
}

// start runs cmd. What is left of it at the end of the test is killed.
func start(t testing.TB, name string, cmd *exec.Cmd, each func([]byte)) *proc {
	t.Helper()
	p := &proc{t: t, name: name, cmd: cmd, out: newOutput(), talk: newOutput(), done: make(chan struct{}), start: time.Now()}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdin = stdin
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	var reading sync.WaitGroup
	reading.Go(func() { p.out.read(stdout, each) })
	reading.Go(func() { p.talk.read(stderr, nil) })
	go func() {
		defer close(p.done)
		reading.Wait()
		cmd.Wait()
		p.code = cmd.ProcessState.ExitCode()
	}()
	t.Cleanup(p.end)
	return p
}

// end kills the process if it is still there, and says what it had printed if
// the test failed.
func (p *proc) end() {
	p.kill()
	if p.t.Failed() {
		p.t.Logf("%s", p.story())
	}
}

func (p *proc) kill() {
	select {
	case <-p.done:
		return
	default:
	}
	p.cmd.Process.Kill()
	p.stdin.Close() // ends children that read along
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Errorf("%s: still there %v after kill", p.name, patience)
	}
}

// tellLines is how many lines of each stream a failed test shows.
const tellLines = 40

func (p *proc) story() string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s: %.300q\n", p.name, p.cmd.Args)
	for _, stream := range []struct {
		mark string
		*output
	}{{">", p.out}, {"!", p.talk}} {
		lines := stream.all()
		if n := len(lines) - tellLines; n > 0 {
			fmt.Fprintf(&b, "  %s … %d lines before\n", stream.mark, n)
			lines = lines[n:]
		}
		for _, l := range lines {
			fmt.Fprintf(&b, "  %s %7.3fs %.400s\n", stream.mark, l.at.Sub(p.start).Seconds(), l.text)
		}
	}
	return b.String()
}

// say types a line.
func (p *proc) say(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p.stdin, text+"\n"); err != nil {
		p.t.Fatalf("%s: say %.60q: %v", p.name, text, err)
	}
}

// await waits for the next line of output with the property, after the last
// one awaited.
func (p *proc) await(what string, is func(line) bool) line {
	p.t.Helper()
	return p.awaitWithin(patience, what, is)
}

func (p *proc) awaitWithin(limit time.Duration, what string, is func(line) bool) line {
	p.t.Helper()
	l, next, err := p.out.find(p.cursor, limit, is)
	if err != nil {
		p.t.Fatalf("%s: waiting for %s: %v", p.name, what, err)
	}
	p.cursor = next
	return l
}

// sees waits for a line with the property, wherever it is in the output.
func (p *proc) sees(what string, is func(line) bool) line {
	p.t.Helper()
	l, _, err := p.out.find(0, patience, is)
	if err != nil {
		p.t.Fatalf("%s: waiting for %s: %v", p.name, what, err)
	}
	return l
}

// hears waits for a line on stderr that contains text.
func (p *proc) hears(text string) line {
	p.t.Helper()
	l, _, err := p.talk.find(0, patience, func(l line) bool { return strings.Contains(l.text, text) })
	if err != nil {
		p.t.Fatalf("%s: waiting for %q on stderr: %v", p.name, text, err)
	}
	return l
}

// exits waits for the end of the process and checks its exit code.
func (p *proc) exits(code int) {
	p.t.Helper()
	p.ends()
	if p.code != code {
		p.t.Errorf("%s: exit code %d, want %d", p.name, p.code, code)
	}
}

func (p *proc) ends() {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("%s: still there after %v", p.name, patience)
	}
}

// lives fails the test if the process has ended.
func (p *proc) lives() {
	p.t.Helper()
	select {
	case <-p.done:
		p.t.Fatalf("%s: it ended with code %d", p.name, p.code)
	default:
	}
}

func kind(types ...string) func(line) bool {
	return func(l line) bool { return slices.Contains(types, l.Type) }
}

func said(text string) func(line) bool {
	return func(l line) bool { return l.Type == "message" && l.Text == text }
}

func has(text string) func(line) bool {
	return func(l line) bool { return strings.Contains(l.text, text) }
}
