package main

import (
	"bufio"
	"bytes"
	"context"
	"embed"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/gorilla/websocket"
)

// A server is something that sends to all what one says.
type server struct {
	name  string
	least int // members that are worth measuring
	most  int // and bearable; 0: any
	start func(ctx context.Context, f *wholeFlags, n int) (*process, error)
	join  func(ctx context.Context, h *process, i int, l *load) (member, error)
}

//go:embed peers/*.py
var scripts embed.FS

// Versions of what is built for comparison.
const (
	natsServer = "github.com/nats-io/nats-server/v2@v2.15.2"
	wsChat     = "github.com/gorilla/websocket/examples/chat@v1.5.3"
)

func servers() []server {
	var f *wholeFlags // of the last start: members that are programs need its name
	return []server{
		{"parley", 10, 0, func(ctx context.Context, f *wholeFlags, n int) (*process, error) { return hostParley(ctx, f) }, joinParley},
		{"parley, members as processes", 10, 10, func(ctx context.Context, g *wholeFlags, n int) (*process, error) {
			f = g
			return hostParley(ctx, g)
		}, func(ctx context.Context, h *process, i int, l *load) (member, error) {
			return joinPerson(ctx, h, i, l, f)
		}},
		{"python threads", 10, 0, python("threads.py"), joinLines},
		{"python select", 10, 0, python("select_loop.py"), joinLines},
		{"gorilla chat", 10, 0, gorilla, joinSocket},
		{"nats-server", 10, 0, nats, joinNATS},
	}
}

// python starts one of the scripts.
func python(script string) func(context.Context, *wholeFlags, int) (*process, error) {
	return func(ctx context.Context, f *wholeFlags, n int) (*process, error) {
		text, err := scripts.ReadFile("peers/" + script)
		if err != nil {
			return nil, err
		}
		port := fmt.Sprint(freePort())
		p, err := spawn(ctx, interpreter(), "-c", string(text), port)
		if err != nil {
			return nil, err
		}
		p.addr = "127.0.0.1:" + port
		return p, p.listens(ctx)
	}
}

// interpreter is python itself, not a script that starts it: what is measured is
// the process that was started.
func interpreter() string {
	if out, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output(); err == nil {
		return strings.TrimSpace(string(out))
	}
	return "python3"
}

// install builds a program of a module at a version, which this module need not
// know for that.
func install(ctx context.Context, f *wholeFlags, what string) (string, error) {
	path, _, _ := strings.Cut(what, "@")
	name := filepath.Base(path)
	if name == "v2" {
		name = filepath.Base(filepath.Dir(path))
	}
	file := filepath.Join(f.work, name)
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	cmd := exec.CommandContext(ctx, "go", "install", what)
	cmd.Env = append(os.Environ(), "GOBIN="+f.work, "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s cannot be built: %w\n%s", what, err, out)
	}
	return file, nil
}

func gorilla(ctx context.Context, f *wholeFlags, n int) (*process, error) {
	name, err := install(ctx, f, wsChat)
	if err != nil {
		return nil, err
	}
	addr := fmt.Sprintf("127.0.0.1:%d", freePort())
	p, err := spawn(ctx, name, "-addr", addr)
	if err != nil {
		return nil, err
	}
	p.addr = addr
	return p, p.listens(ctx)
}

func nats(ctx context.Context, f *wholeFlags, n int) (*process, error) {
	name, err := install(ctx, f, natsServer)
	if err != nil {
		return nil, err
	}
	port := fmt.Sprint(freePort())
	p, err := spawn(ctx, name, "-a", "127.0.0.1", "-p", port, "-l", os.DevNull)
	if err != nil {
		return nil, err
	}
	p.addr = "127.0.0.1:" + port
	return p, p.listens(ctx)
}

// lines is a member of a server of lines. Before and after are what a protocol
// puts around a text.
type lines struct {
	mu    sync.Mutex
	conn  net.Conn
	frame func(text string) string
}

func dialLines(ctx context.Context, h *process) (*lines, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", h.addr)
	if err != nil {
		return nil, err
	}
	return &lines{conn: c, frame: func(text string) string { return text + "\n" }}, nil
}

func (m *lines) say(text string) error { return m.write(m.frame(text)) }

func (m *lines) write(s string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := io.WriteString(m.conn, s)
	return err
}

func (m *lines) pid() int { return 0 }
func (m *lines) leave()   { m.conn.Close() }

// joinLines joins a server that greets with a line and sends the rest to all.
func joinLines(ctx context.Context, h *process, i int, l *load) (member, error) {
	m, err := dialLines(ctx, h)
	if err != nil {
		return nil, err
	}
	in := bufio.NewScanner(m.conn)
	if !in.Scan() {
		return nil, fmt.Errorf("no greeting: %v", in.Err())
	}
	go func() {
		for in.Scan() {
			l.hear(in.Text())
		}
	}()
	return m, nil
}

// joinNATS subscribes to one subject, and publishes to it.
func joinNATS(ctx context.Context, h *process, i int, l *load) (member, error) {
	m, err := dialLines(ctx, h)
	if err != nil {
		return nil, err
	}
	m.frame = func(text string) string { return fmt.Sprintf("PUB chat %d\r\n%s\r\n", len(text), text) }
	in := bufio.NewScanner(m.conn)
	in.Buffer(nil, 1<<16)
	in.Scan() // INFO
	if err := m.write("CONNECT {\"verbose\":false}\r\nSUB chat 1\r\nPING\r\n"); err != nil {
		return nil, err
	}
	for in.Scan() && !bytes.HasPrefix(in.Bytes(), []byte("PONG")) {
	}
	go func() {
		for in.Scan() {
			switch {
			case bytes.HasPrefix(in.Bytes(), []byte("PING")):
				m.write("PONG\r\n")
			case bytes.HasPrefix(in.Bytes(), []byte("MSG ")):
			default:
				l.hear(in.Text())
			}
		}
	}()
	return m, nil
}

// socket is a member of a server of WebSockets.
type socket struct {
	mu   sync.Mutex // of what is written
	conn *websocket.Conn
}

func joinSocket(ctx context.Context, h *process, i int, l *load) (member, error) {
	c, _, err := websocket.DefaultDialer.DialContext(ctx, "ws://"+h.addr+"/ws", nil)
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			_, text, err := c.ReadMessage()
			if err != nil {
				return
			}
			for line := range strings.SplitSeq(string(text), "\n") { // it joins what is ready
				l.hear(line)
			}
		}
	}()
	return &socket{conn: c}, nil
}

func (s *socket) say(text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn.WriteMessage(websocket.TextMessage, []byte(text))
}
func (s *socket) pid() int { return 0 }
func (s *socket) leave()   { s.conn.Close() }
