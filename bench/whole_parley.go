package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"parley/node"
	"parley/room"
	"parley/transport"
)

// hostParley opens a room as a person would: encrypted, its history on the disk.
func hostParley(ctx context.Context, f *wholeFlags, args ...string) (*process, error) {
	name, err := f.program(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(f.work, "host-")
	if err != nil {
		return nil, err
	}
	p, err := spawn(ctx, name, append([]string{"host", "bench", "--headless", "--json", "--bind", "127.0.0.1", "--no-discovery",
		"--port", fmt.Sprint(freePort()), "--data-dir", dir}, args...)...)
	if err != nil {
		return nil, err
	}
	var ready struct{ Type, Link, Addr string }
	if !p.out.Scan() || json.Unmarshal(p.out.Bytes(), &ready) != nil || ready.Type != "ready" {
		p.stop()
		return nil, fmt.Errorf("the host did not start: %s", p.out.Text())
	}
	p.link, p.addr = ready.Link, ready.Addr
	go func() { // a headless host says nothing more, and would wait if it did
		for p.out.Scan() {
		}
	}()
	return p, nil
}

// seat is a member of a parley room, with a node, a key and a socket of its own.
type seat struct {
	node   *node.Node
	member *room.Member
}

func joinParley(ctx context.Context, h *process, i int, l *load) (member, error) {
	id, err := transport.NewIdentity()
	if err != nil {
		return nil, err
	}
	s := &seat{node: &node.Node{Identity: id, Transport: node.UDP, NoDiscovery: true}}
	if s.member, err = s.node.Join(ctx, h.link, room.JoinOptions{Nick: nickOf(i), History: 200}); err != nil {
		s.node.Close()
		return nil, err
	}
	go func() {
		for {
			e, err := s.member.Next(context.Background())
			switch {
			case err == io.EOF:
				return
			case err != nil:
				l.failed <- err
				return
			case e.Type == room.Message:
				l.hear(e.Text)
			}
		}
	}()
	return s, nil
}

func nickOf(i int) string { return fmt.Sprintf("m%dx", i) }

func (s *seat) say(text string) error {
	_, err := s.member.Say(context.Background(), text)
	return err
}

func (s *seat) pid() int { return 0 }

func (s *seat) leave() {
	s.member.Leave(context.Background(), "")
	s.node.Close()
}

// person is a member that is a program of its own.
type person struct {
	cmd *exec.Cmd
	in  io.WriteCloser
}

func joinPerson(ctx context.Context, h *process, i int, l *load, f *wholeFlags) (member, error) {
	dir := filepath.Join(f.work, fmt.Sprint("home-", h.pid(), "-", i))
	p := &person{cmd: exec.CommandContext(ctx, f.parley, "join", h.link, "--json", "--nick", nickOf(i), "--transport", "udp",
		"--no-discovery", "--data-dir", dir)}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	var e struct{ Type, Text string }
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &e) != nil || e.Type != "ready" {
		p.leave()
		return nil, fmt.Errorf("it did not come in: %s", lines.Text())
	}
	go func() {
		for lines.Scan() {
			e.Type, e.Text = "", ""
			if json.Unmarshal(lines.Bytes(), &e) == nil && e.Type == "message" {
				l.hear(e.Text)
			}
		}
	}()
	return p, nil
}

func (p *person) say(text string) error {
	_, err := io.WriteString(p.in, text+"\n")
	return err
}

func (p *person) pid() int { return p.cmd.Process.Pid }

func (p *person) leave() {
	p.in.Close()
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.cmd.Wait()
}
