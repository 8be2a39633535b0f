package node

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/room"
	"parley/room/roomtest"
	"parley/transport"
)

// drainLimit is how long, in virtual time, a trial may take to settle after
// everything was said. It is a safeguard: tests assert tighter figures.
const drainLimit = 10 * time.Minute

// follow copies the log into rows.
func (tr *trial) follow(ctx context.Context) {
	tr.log.Tail(ctx, 0, func(entries []room.Entry) error {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		for _, e := range entries {
			ev, err := e.Event()
			if err != nil {
				tr.Errorf("the log's entry %d: %v", e.Seq, err)
			}
			row := roomtest.Record{Op: roomtest.Log, Seq: e.Seq, From: ev.From, To: ev.To}
			switch ev.Type {
			case room.Message, room.Act, room.Whisper:
				row.CID, _, _ = strings.Cut(ev.Text, " ")
				row.Body = ev.Text
			default:
				row.Body = strings.TrimSpace(string(ev.Type) + " " + ev.Nick + " " + ev.Text)
			}
			tr.rows = append(tr.rows, row)
		}
		return nil
	})
}

// settled tells whether nobody waits for anything any more.
func (tr *trial) settled() bool {
	synctest.Wait() // what is known is in rows, and shown
	for _, p := range tr.people {
		if p.isDead() {
			continue
		}
		if p.Stats().Pending > 0 {
			return false
		}
		tr.mu.Lock()
		missing := 0
		nick, _, _ := strings.Cut(p.who, ":")
		for _, row := range tr.rows {
			if row.Seq > p.Ready().Seq && (row.To == "" || row.To == nick || row.From == nick) && !p.shown[row.Seq] {
				missing++
			}
		}
		tr.mu.Unlock()
		if missing > 0 {
			return false
		}
	}
	return true
}

// settle waits until everything was said, stored and shown to everybody, and
// returns how long that took from the last word on, or the call if that is later.
func (tr *trial) settle() time.Duration {
	tr.said.Wait()
	start := time.Now()
	for !tr.settled() {
		if time.Since(start) > drainLimit {
			tr.Errorf("not settled %v after everything was said", drainLimit)
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	tr.drained = max(tr.drained, time.Since(start))
	return time.Since(start)
}

// within demands that everybody knew everything soon.
func (tr *trial) within(limit time.Duration) {
	tr.Helper()
	tr.settle()
	if tr.drained <= limit {
		return
	}
	tr.Errorf("it took %v until everybody knew everything", tr.drained)
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for _, p := range tr.people {
		for _, e := range p.links {
			tr.Logf("%s at %v: %s %s, %s", p.who, e.At.Sub(tr.start), e.State, e.Transport, e.Why)
		}
	}
}

// judge waits for the end, and has the checker decide.
func (tr *trial) judge() {
	tr.Helper()
	tr.settle()
	sum := transport.Stats{}
	for _, p := range tr.people {
		planned := p.planned
		if p.isDead() {
			planned = p.sent // nobody can ask for more
		}
		tr.rec.Add(roomtest.Record{Op: roomtest.Plan, Count: uint64(planned)})
		if !p.isDead() {
			tr.rec.Add(roomtest.Record{Op: roomtest.End, Who: p.who})
			c := p.Stats()
			sum.Sent, sum.Resent, sum.Lost = sum.Sent+c.Sent, sum.Resent+c.Resent, sum.Lost+c.Lost
		}
	}
	history := tr.rec.History()
	tr.mu.Lock()
	history = append(history, tr.rows...)
	rows := len(tr.rows)
	tr.mu.Unlock()
	if found := roomtest.Check(history); len(found) > 0 {
		tr.Errorf("seed %d, %s:\n%s%s", tr.seed, tr.name, roomtest.Report(found), keep(tr.T, tr.seed, history))
	}
	tr.leaks.judge(tr)
	c := tr.lan.Counts()
	tr.Logf("seed %d, %s: %d events, %.1f s of virtual time (drained in %.1f s); %d datagrams, %d lost, %d twice, %d overtaken, %d cut; %.0f kB of streams; members sent %d packets, %d resent",
		tr.seed, tr.name, rows, time.Since(tr.start).Seconds(), tr.drained.Seconds(), c.Sent, c.Lost, c.Duplicated, c.Overtaken, c.Cut, float64(c.Stream)/1000, sum.Sent, sum.Resent)
}

// disturbed adds to the history how often some disturbances took effect.
func (tr *trial) disturbed(by ...string) {
	c := tr.lan.Counts()
	counts := map[string]int{"loss": c.Lost, "duplication": c.Duplicated, "reordering": c.Overtaken,
		"fault": c.Cut + c.Nowhere} // sent into a cut, or to where nobody is any more
	for _, name := range by {
		tr.rec.Add(roomtest.Record{Op: roomtest.Nemesis, Who: name, Count: uint64(counts[name])})
	}
}

// keep writes a history that was found bad where $PARLEY_HISTORIES says, if it does.
func keep(t *testing.T, seed uint64, history []roomtest.Record) string {
	dir := os.Getenv("PARLEY_HISTORIES")
	if dir == "" {
		return "set PARLEY_HISTORIES to a directory to keep the history"
	}
	name := filepath.Join(dir, fmt.Sprintf("%s-%d.jsonl", strings.ReplaceAll(t.Name(), "/", "-"), seed))
	f, err := os.Create(name)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if err := roomtest.Write(f, history); err != nil {
		return err.Error()
	}
	return "kept as " + name
}

// whispered makes a whisper that says in its every part whose it is.
func whispered(id, from, to string, size int) string {
	mark := fmt.Sprintf(" psst:%s:%s:%s:%s:", from, to, to, from)
	return id + strings.Repeat(mark, 1+size/len(mark))
}

// whisperMark finds them; names that stand there only once are no mark: one
// datagram may hold the end of a fragment and the beginning of another.
var whisperMark = regexp.MustCompile(`psst:(\w+):(\w+):(\w+):(\w+):`)

// leaks counts whispers in the bytes that machines received.
type leaks struct {
	test *testing.T

	mu     sync.Mutex
	found  int // by those they were for, or from
	leaked int
}

// judge demands that whispers were found at all where they can be read.
func (l *leaks) judge(tr *trial) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if tr.plain && l.found == 0 {
		tr.Error("no whisper was found in anything received: the search proves nothing")
	}
}

// tap looks into all that one machine receives.
type tap struct {
	nick  string
	leaks *leaks
	reads bool // it is plaintext
}

func (t *tap) look(b []byte) {
	if t == nil || !t.reads {
		return
	}
	for _, m := range whisperMark.FindAllSubmatch(b, -1) {
		if string(m[1]) != string(m[4]) || string(m[2]) != string(m[3]) {
			continue
		}
		t.leaks.mu.Lock()
		if string(m[1]) == t.nick || string(m[2]) == t.nick {
			t.leaks.found++
		} else if t.leaks.leaked++; t.leaks.leaked < 5 {
			t.leaks.test.Errorf("%s received a part of a whisper from %s to %s: %.100q", t.nick, m[1], m[2], b)
		}
		t.leaks.mu.Unlock()
	}
}

// tapped is a machine with a tap, if it is not nil.
type tapped struct {
	machine
	tap *tap
}

func (t tapped) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	pc, err := t.machine.ListenPacket(ctx, network, address)
	return tappedPackets{pc, t.tap}, err
}

func (t tapped) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := t.machine.DialContext(ctx, network, address)
	return &tappedStream{Conn: c, tap: t.tap}, err
}

type tappedPackets struct {
	net.PacketConn
	tap *tap
}

func (t tappedPackets) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := t.PacketConn.ReadFrom(b)
	t.tap.look(b[:n])
	return n, from, err
}

type tappedStream struct {
	net.Conn
	tap  *tap
	tail []byte // a mark may be spread over two reads
}

func (t *tappedStream) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.tail = append(t.tail, b[:n]...)
	t.tap.look(t.tail)
	if keep := 40; len(t.tail) > keep {
		t.tail = append(t.tail[:0], t.tail[len(t.tail)-keep:]...)
	}
	return n, err
}
