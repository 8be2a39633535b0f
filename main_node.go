package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"parley/history"
	"parley/lanes"
	"parley/node"
	"parley/room"
	"parley/text"
)

// node makes this run's node of the flags. The caller closes it.
func (p *program) node() (*node.Node, error) {
	n, err := p.makeNode()
	if err == nil && p.metrics != nil {
		n.Metered = true
		p.metrics.Add(n.Collect)
	}
	return n, err
}

func (p *program) makeNode() (*node.Node, error) {
	c := p.flags
	logger, err := p.logger()
	if err != nil {
		return nil, err
	}
	n := &node.Node{
		Transport: node.Transport(c.Transport), Plaintext: c.Plaintext,
		Port: c.Port, PortExplicit: c.Port != 0, Bind: c.bind(), Iface: c.Iface,
		DiscoveryPort: c.DiscoveryPort, NoDiscovery: c.NoDiscovery, Impair: c.impair,
		Logger: logger, Warn: func(text string) { p.talk("%s", text) }, Aside: p.remember,
		Guest: func(ctx context.Context, conn net.Conn, sit node.Sit) { serveGuest(ctx, conn, sit, logger) },
	}
	if c.Host.Lanes {
		n.Lanes = lanes.New()
	}
	c.Host.joined(n)
	n.Peers, _ = parsePeers(c.Peers) // checked with the flags
	if c.Impair != "" && c.Transport == "auto" {
		p.talk("only datagrams are damaged: a connection that falls back to TCP is not (--transport udp forbids that)")
	}
	if c.Plaintext {
		p.talk("plaintext: anyone on the network can read what is said, and forge it")
	}
	dir, err := p.dataDir()
	if err != nil {
		n.Files = p.files(os.TempDir())
		p.talk("no place to keep your identity (%v): you are somebody new this time; --data-dir names one", err)
		return n, nil
	}
	if err := node.CheckDir(dir); err != nil {
		return nil, err
	}
	n.Files = p.files(dir)
	p.welcome(dir)
	n.Pins, n.Moves = p.pins(dir), &node.Moves{Dir: dir}
	n.Histories = p.histories(dir)
	n.Drafts = &node.Drafts{Dir: filepath.Join(dir, "drafts")}
	if c.Plaintext { // there, everybody is nobody
		return n, nil
	}
	return n, p.identify(n, dir)
}

// dataDir is where keys are kept.
func (p *program) dataDir() (string, error) {
	if p.flags.DataDir != "" {
		return p.flags.DataDir, nil
	}
	return node.DataDir()
}

// kept is where something is kept that must last, as nobody else can change it.
func (p *program) kept(what string) (dir string, err error) {
	if dir, err = p.dataDir(); err != nil {
		return "", usage{fmt.Sprintf("there is no place where %s: %v", what, err), "name one: --data-dir DIR"}
	}
	return dir, node.CheckDir(dir)
}

// histories are what was said in rooms.
func (p *program) histories(dir string) *node.Histories {
	keep, _ := history.ParseKeep(p.flags.Keep) // checked with the flags
	return &node.Histories{Dir: filepath.Join(dir, "history"), Keep: keep, Warn: func(text string) { p.talk("%s", text) }}
}

// pins are the rooms that the user knows.
func (p *program) pins(dir string) *node.Pins {
	pins := &node.Pins{Path: filepath.Join(dir, "pins")}
	if named := p.flags.DataDir; named != "" && os.Getenv("PARLEY_DATA_DIR") != named {
		pins.Command = "parley pins --data-dir " + node.Quoted(named)
	}
	return pins
}

// identify gives n its keys.
func (p *program) identify(n *node.Node, dir string) error {
	keys := node.Keys{Dir: dir, Warn: func(text string) { p.say("%s", text) }}
	id, err := keys.Identity()
	var unsaved *node.UnsavedError
	if errors.As(err, &unsaved) {
		p.talk("%v: you are somebody new this time; --data-dir names another place", err)
		err = nil
	}
	n.Identity, n.RoomKey, n.AdoptKey = id, keys.Room, keys.Adopt
	return err
}

// logger writes where and as much as the flags say.
func (p *program) logger() (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(p.flags.LogLevel)); err != nil {
		return nil, err
	}
	to := p.err
	if name := p.flags.LogFile; name != "" {
		// Open until the program ends. A pipe that nobody reads is an error: it would be waited for without end.
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND|syscall.O_NONBLOCK, 0o600)
		if err != nil {
			return nil, fmt.Errorf("cannot write the log: %w", err)
		}
		to = f
	} else if level > slog.LevelInfo {
		to = io.Discard // what people should know they are told in words
	}
	// The text handler quotes whatever a terminal could obey.
	return slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{Level: level})), nil
}

// talk tells the person something that is no data.
func (p *program) talk(format string, args ...any) {
	if !p.flags.Quiet {
		p.print(p.err, fmt.Sprintf(format, args...))
	}
}

// talkWords is talk with something of ours in it that is there to be copied.
func (p *program) talkWords(format string, args ...any) {
	if !p.flags.Quiet {
		p.printWords(p.err, fmt.Sprintf(format, args...))
	}
}

// remember keeps what may explain why no room is found.
func (p *program) remember(text string) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.asides = append(p.asides, text)
}

// remembered is what there is to explain why no room is found.
func (p *program) remembered() []string {
	p.lock.Lock()
	defer p.lock.Unlock()
	return slices.Clone(p.asides)
}

// userName is a nick made of who the person is on this computer.
func userName() string {
	name := os.Getenv("USER")
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	if _, after, found := strings.Cut(name, `\`); found { // DOMAIN\ana
		name = after
	}
	if nick, err := text.Nick(name); err == nil {
		return nick
	}
	return text.Suggest(name, func(string) bool { return false })
}

// nick is the name to ask for: what --nick says, what the person says, or the
// user's name here.
func (p *program) nick(ctx context.Context) (string, error) {
	if p.flags.Nick != "" || !p.mayAsk() {
		if p.flags.Nick != "" {
			return p.checkNick(p.flags.Nick)
		}
		return userName(), nil
	}
	for {
		name, err := p.ask(ctx, "Your name", userName())
		if err != nil {
			return "", err
		}
		nick, err := text.Nick(name)
		if err == nil {
			return nick, nil
		}
		p.say("%v", err)
	}
}

// checkNick refuses, as the host would, what cannot be a nick.
func (p *program) checkNick(name string) (string, error) {
	nick, err := text.Nick(name)
	if err != nil {
		suggestion := text.Suggest(name, func(string) bool { return false })
		return "", &room.Refused{Code: "nick_invalid", Text: fmt.Sprintf("%q cannot be your name: %v", name, err), Suggest: suggestion}
	}
	return nick, nil
}

// otherNick asks for another name after the host has refused one.
func (p *program) otherNick(ctx context.Context, r room.Refused) (string, bool) {
	if !p.mayAsk() {
		return "", false
	}
	p.say("%s", r.Text)
	name, err := p.ask(ctx, "Another name", r.Suggest)
	return name, err == nil && name != ""
}
