//go:build !nolab

package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"parley/lab/wire"
	"parley/text"
	"parley/transport"
	"parley/udp"
)

// A class is a LAN that people use while others look on: each student has a
// host, what a student says goes to the host "board" in three ways at once, by
// bare UDP, by TCP and by our own transport over UDP, and everybody sees how each
// fared. It does nothing but what its Commands say, and time passes for it only
// in the command go. So the same commands give the same class again, and whoever
// sends them decides how fast it is.
//
// There is one cable, for all three: a frame is lost whatever it carries.
type class struct {
	run   *Run
	lan   *wire.LAN
	board *wire.Host
	lanes map[string]*Lane // by the transport
	close []io.Closer      // of the board
	ended sync.WaitGroup

	students map[string]*student
	used     map[string]*wire.Host // hosts stay when students leave
}

// The lanes of a class, and the board's ports.
const (
	laneUDP, portUDP       = "udp", 7
	laneTCP, portTCP       = "tcp", 7
	laneParley, portParley = "parley", 7667
)

var classLanes = []string{laneUDP, laneTCP, laneParley}

// The bounds of a class.
const (
	maxStudents  = 100
	maxName      = 32  // runes
	maxSaid      = 500 // bytes of a text
	maxUnsent    = 64  // texts that wait because a transport does not take them
	maxGo        = time.Minute
	maxClassTime = 6 * time.Hour // virtual
)

// classLesson has the settings of a class. TCP is the classic one: the other may
// stand still where a teacher turns the loss up.
var classLesson = Lesson{
	Name: "class", Claim: "What you say, by UDP, by TCP, and by ours.",
	Defaults: Settings{"delay": "20ms", "loss": "0%"},
	Uses:     []string{"delay", "loss", "dup", "reorder", "corrupt", "rate", "queue"},
}

// live holds a class until it ends, or its commands do.
func live(bubble wire.Bubble, commands *json.Decoder, q Request, flush func(), write func(Line) error) error {
	v, err := classLesson.read(q.Settings)
	if err != nil {
		return err
	}
	r := &Run{Lesson: classLesson, Values: v, bytes: q.Bytes, sink: write}
	r.line(Line{K: "run", V: Schema, Lesson: "class", Seed: v.Seed, Engine: wire.Engine, Settings: classLesson.canonical(v)})
	defer wire.Steady(v.Seed)()
	c := &class{run: r, lanes: map[string]*Lane{}, students: map[string]*student{}, used: map[string]*wire.Host{}}
	bubble(func() { err = c.hold(commands, flush) })
	return err
}

// hold opens the board and does as it is told.
func (c *class) hold(commands *json.Decoder, flush func()) error {
	for _, name := range classLanes {
		c.lanes[name] = &Lane{
			Name: name, What: name, run: c.run, ids: marked, began: time.Now(), lock: &sync.Mutex{},
			rec:  wire.NewRecorder("class " + name),
			sent: map[int]time.Duration{}, got: map[receipt]*arrival{}, hurt: map[int]bool{}, rooms: map[string]int{}, heard: []string{"board"},
			late: c.run.Way.Delay + c.run.Way.Jitter + lateBy,
		}
		c.run.line(Line{K: "lane", Lane: name, What: name, Hosts: []string{"board"}})
	}
	for _, l := range c.lanes { // they tell at the same place
		l.lock = c.lanes[laneUDP].lock
	}
	conf := c.run.config()
	conf.TCP, conf.Tap = wire.Classic, c.tap
	conf.Label = func(f *wire.Frame) []int { return marked(f.Payload, false, 0) }
	c.lan = wire.New(conf)
	defer c.lan.Close()
	c.board = c.lan.Host("board")
	if err := c.open(); err != nil {
		return err
	}
	for {
		flush()
		var do Command
		if err := commands.Decode(&do); err != nil && err != io.EOF {
			return fmt.Errorf("a command that cannot be read: %v", err)
		} else if err == io.EOF || do.Do == "end" {
			break
		}
		if err := c.do(do); err != nil {
			c.line(errorLine(err))
		}
	}
	c.end()
	c.line(Line{K: "end", OK: true, Verdict: "INFO", Fingerprint: c.fingerprint(), Frames: c.frames()})
	return nil
}

// line tells something of the class.
func (c *class) line(l Line) {
	lock := c.lanes[laneUDP].lock
	lock.Lock()
	defer lock.Unlock()
	c.run.line(l)
}

// tap gives a frame to the lane that it belongs to; what is no transport's,
// such as ARP, is nobody's.
func (c *class) tap(f *wire.Frame) {
	switch port := func(n uint16) bool { return f.Src.Port() == n || f.Dst.Port() == n }; {
	case f.Proto == "tcp":
		c.lanes[laneTCP].tap(f)
	case f.Proto == "udp" && port(portUDP):
		c.lanes[laneUDP].tap(f)
	case f.Proto == "udp" && port(portParley):
		c.lanes[laneParley].tap(f)
	}
}

// fingerprint is that of all lanes.
func (c *class) fingerprint() string {
	all := wire.NewRecorder("class")
	for _, name := range classLanes {
		all.Note(c.lanes[name].fingerprint())
	}
	f := all.Fingerprint()
	return f[:4] + "-" + f[4:8] + "-" + f[8:]
}

func (c *class) frames() (n int) {
	for _, l := range c.lanes {
		n += l.frames()
	}
	return n
}

// do does a command.
func (c *class) do(do Command) error {
	switch do.Do {
	case "go":
		return c.goOn(do.Until)
	case "join":
		return c.join(do.Host)
	case "leave":
		return c.leave(do.Host)
	case "say":
		return c.say(do)
	case "wire":
		return c.rewire(do.Settings)
	case "drop":
		rule, err := wire.ParseRule(do.Rule)
		if err != nil {
			return &SettingError{"drop", do.Rule, err.Error()}
		}
		return c.lan.Drop(rule)
	}
	return fmt.Errorf("there is no command %q; there are join, leave, say, wire, drop, go, end", text.Mark(do.Do))
}

// goOn lets time pass.
func (c *class) goOn(until time.Duration) error {
	now := c.lan.Now()
	if until > now+maxGo || until > maxClassTime {
		return fmt.Errorf("go to %v from %v: at most %v at once, and a class has %v", until, now, maxGo, maxClassTime)
	}
	time.Sleep(until - now)
	c.line(Line{K: "clock", T: c.lan.Now()})
	return nil
}

// rewire changes the cable for everybody.
func (c *class) rewire(s Settings) error {
	v, err := classLesson.read(s)
	if err != nil {
		return err
	}
	c.lan.SetAll(v.Way)
	for _, h := range c.lan.Hosts() {
		h.SetPort(v.Port)
	}
	c.run.Values = v
	c.line(Line{K: "run", V: Schema, Lesson: "class", Seed: v.Seed, Engine: wire.Engine, Settings: classLesson.canonical(v), T: c.lan.Now()})
	return nil
}

// mark stands around the number that every text begins with, where it can be
// found in whatever carries it: people cannot type it.
const mark = 0x02

// marked finds the numbers of the texts that begin in some bytes.
func marked(data []byte, stream bool, offset uint64) (msgs []int) {
	for {
		_, after, ok := bytes.Cut(data, []byte{mark})
		if !ok {
			return msgs
		}
		digits, rest, ok := bytes.Cut(after, []byte{mark})
		if !ok {
			return msgs
		}
		if n, err := strconv.Atoi(string(digits)); err == nil && n > 0 {
			msgs = append(msgs, n)
		}
		data = rest
	}
}

// open opens the board's sockets.
func (c *class) open() error {
	ctx := context.Background()
	in, err := c.board.ListenPacket(ctx, "udp", fmt.Sprint(":", portUDP))
	if err != nil {
		return err
	}
	ln, err := c.board.Listen(ctx, "tcp", fmt.Sprint(":", portTCP))
	if err != nil {
		return err
	}
	own, err := c.board.ListenPacket(ctx, "udp", fmt.Sprint(":", portParley))
	if err != nil {
		return err
	}
	e := &udp.Endpoint{Socket: own, Plaintext: true}
	c.close = []io.Closer{in, ln, e, own}
	c.ended.Go(func() {
		buf := make([]byte, 2048)
		for {
			n, _, err := in.ReadFrom(buf)
			if err != nil {
				return
			}
			c.heard(laneUDP, buf[:n])
		}
	})
	c.ended.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			c.ended.Go(func() { c.readStream(conn) })
		}
	})
	c.ended.Go(func() {
		for {
			conn, err := e.Accept(ctx)
			if err != nil {
				return
			}
			c.ended.Go(func() { c.readOwn(ctx, conn) })
		}
	})
	return nil
}

// readStream reads texts, each of which ends with a newline.
func (c *class) readStream(conn net.Conn) {
	defer conn.Close()
	var rest []byte
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		rest = append(rest, buf[:n]...)
		for {
			line, after, ok := bytes.Cut(rest, []byte("\n"))
			if !ok {
				break
			}
			c.heard(laneTCP, line)
			rest = after
		}
		if err != nil || len(rest) > 2*maxSaid {
			return
		}
	}
}

// readOwn reads texts, each of which is a message.
func (c *class) readOwn(ctx context.Context, conn transport.Conn) {
	defer conn.Close()
	for {
		msg, err := conn.Receive(ctx)
		if err != nil {
			return
		}
		c.heard(laneParley, msg)
	}
}

// heard tells that the board has got a text.
func (c *class) heard(lane string, data []byte) {
	l := c.lanes[lane]
	for _, msg := range marked(data, false, 0) {
		l.lock.Lock()
		a := l.got[receipt{"board", msg}]
		if a == nil {
			a = &arrival{at: c.lan.Now()}
			l.got[receipt{"board", msg}] = a
		}
		a.copies++
		l.run.line(l.fate("board", msg))
		l.lock.Unlock()
	}
}

// A student has a host, and on it a socket of each kind.
type student struct {
	host  *wire.Host
	ways  map[string]chan []byte
	close []io.Closer
	stop  context.CancelFunc
	ended sync.WaitGroup
}

// join gives a student a host.
func (c *class) join(name string) error {
	switch shown := text.Mark(name); {
	case name == "" || name == "board" || shown != name || len([]rune(name)) > maxName:
		return fmt.Errorf("a student cannot be called %q", shown)
	case c.students[name] != nil:
		return fmt.Errorf("%s is here already", name)
	case len(c.students) >= maxStudents || c.used[name] == nil && len(c.used) >= maxStudents*2:
		return errors.New("the class is full")
	}
	host := c.used[name]
	if host == nil {
		host = c.lan.Host(name)
		host.SetPort(c.run.Port)
		c.used[name] = host
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &student{host: host, stop: stop, ways: map[string]chan []byte{}}
	c.students[name] = s
	c.line(Line{K: "state", T: c.lan.Now(), Host: name, Text: "joined"})
	for _, lane := range classLanes { // in the same order each time
		dial := s.dialer(lane, c.board.Addr())
		texts := make(chan []byte, maxUnsent)
		s.ways[lane] = texts
		s.ended.Go(func() {
			send, err := dial(ctx)
			for err == nil {
				select {
				case msg := <-texts:
					err = send(msg)
				case <-ctx.Done():
					err = ctx.Err()
				}
			}
			if ctx.Err() == nil {
				c.line(Line{K: "state", Lane: lane, T: c.lan.Now(), Host: name, Text: "gone", Err: plain(err)})
			}
		})
	}
	return nil
}

// dialer is what opens a student's way to the board.
func (s *student) dialer(lane string, board netip.Addr) func(context.Context) (func([]byte) error, error) {
	switch lane {
	case laneUDP:
		return s.dialUDP
	case laneTCP:
		return s.dialTCP
	}
	return func(ctx context.Context) (func([]byte) error, error) { return s.dialOwn(ctx, board) }
}

func (s *student) dialUDP(ctx context.Context) (func([]byte) error, error) {
	conn, err := s.host.DialContext(ctx, "udp", fmt.Sprint("board:", portUDP))
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { conn.Close() })
	return func(msg []byte) error { conn.Write(msg); return nil }, nil // who says it by UDP cares for nothing
}

func (s *student) dialTCP(ctx context.Context) (func([]byte) error, error) {
	conn, err := s.host.DialContext(ctx, "tcp", fmt.Sprint("board:", portTCP))
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { conn.Close() })
	return func(msg []byte) error {
		_, err := conn.Write(append(msg, '\n'))
		return err
	}, nil
}

func (s *student) dialOwn(ctx context.Context, board netip.Addr) (func([]byte) error, error) {
	socket, err := s.host.ListenPacket(ctx, "udp", ":0")
	if err != nil {
		return nil, err
	}
	e := &udp.Endpoint{Socket: socket, Plaintext: true}
	close := func() {
		e.Close()
		socket.Close()
	}
	conn, err := e.Dial(ctx, netip.AddrPortFrom(board, portParley))
	if err != nil {
		close()
		return nil, err
	}
	s.ended.Go(func() {
		<-ctx.Done()
		conn.Close()
		close()
	})
	return func(msg []byte) error { return conn.Send(ctx, msg) }, nil
}

// leave takes a student's host off the LAN.
func (c *class) leave(name string) error {
	s := c.students[name]
	if s == nil {
		return fmt.Errorf("%s is not here", text.Mark(name))
	}
	delete(c.students, name)
	s.stop()
	s.ended.Wait()
	c.line(Line{K: "state", T: c.lan.Now(), Host: name, Text: "left"})
	return nil
}

// say has a student say something, by all three.
func (c *class) say(do Command) error {
	s := c.students[do.Host]
	switch {
	case s == nil:
		return fmt.Errorf("%s is not here", text.Mark(do.Host))
	case do.Msg < 1 || do.Text == "" || len(do.Text) > maxSaid || text.Mark(do.Text) != do.Text || strings.ContainsAny(do.Text, "\n\t"):
		return fmt.Errorf("message %d: want a number from 1 and at most %d bytes of text without control characters", do.Msg, maxSaid)
	case c.lanes[laneUDP].hasSent(do.Msg):
		return fmt.Errorf("message %d has been said", do.Msg)
	}
	msg := fmt.Appendf(nil, "%c%d%c%s: %s", mark, do.Msg, mark, do.Host, do.Text)
	for _, lane := range classLanes {
		l := c.lanes[lane]
		l.said(do.Msg)
		l.line(Line{K: "call", T: c.lan.Now(), Host: do.Host, Fn: "say", N: len(do.Text), Msgs: []int{do.Msg}, Text: do.Text})
		select {
		case s.ways[lane] <- bytes.Clone(msg):
		default:
			c.line(Line{K: "state", Lane: lane, T: c.lan.Now(), Host: do.Host, Msgs: []int{do.Msg}, Text: "full", Err: fmt.Sprintf("%d texts wait already", maxUnsent)})
		}
	}
	return nil
}

func (l *Lane) hasSent(msg int) bool {
	l.lock.Lock()
	defer l.lock.Unlock()
	_, ok := l.sent[msg]
	return ok
}

// end ends everybody's sockets.
func (c *class) end() {
	for _, name := range slices.Sorted(maps.Keys(c.students)) {
		c.students[name].stop()
		c.students[name].ended.Wait()
	}
	for _, o := range c.close {
		o.Close()
	}
	c.ended.Wait()
}
