package lanes

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"parley/text"
	"parley/transport"
)

var update = flag.Bool("update", false, "write the golden views anew")

// bench is a Recorder whose clock is set by hand.
type bench struct {
	*Recorder
	at time.Duration
}

func newBench() *bench {
	b := &bench{at: 5 * time.Second}
	b.Recorder = newRecorder(func() time.Duration { return b.at })
	return b
}

// conn is a connection that counts what it is told to.
type conn struct {
	transport.Conn
	id    uint64
	peer  transport.Peer
	stats transport.Stats
}

func (c *conn) ID() uint64               { return c.id }
func (c *conn) Peer() transport.Peer     { return c.peer }
func (c *conn) Stats() transport.Stats   { return c.stats }
func (b *bench) wait(d time.Duration)    { b.at += d }
func (b *bench) put(id uint64, p Packet) { b.add(id, p) }

func (b *bench) sits(id uint64, via Via, nick string) (*conn, func()) {
	c := &conn{id: id, peer: transport.Peer{Via: via.String(), Key: transport.Key{byte(id)}}}
	c.stats = transport.Stats{RTT: 400 * time.Microsecond, Window: 76800}
	ended := b.Open(c)
	b.Name(map[transport.Peer]string{c.peer: nick})
	return c, ended
}

func said(n, seq uint64) Packet {
	return Packet{Kind: Sent, Number: n, Size: 120, Messages: 1, Talk: true, Seq: seq, upto: [2]uint64{n + 1}}
}

// talks has everything happen that there is a mark for.
func (b *bench) talks() {
	b.sits(1, UDP, "ben")
	cyn, _ := b.sits(2, TCP, "cyn")
	b.sits(3, UDP, "物理の先生です")
	b.sample()
	for i := range uint64(8) {
		b.wait(300 * time.Millisecond)
		seq := 40 + i
		b.put(1, said(i, seq))
		b.put(3, said(i, seq))
		b.put(2, Packet{Via: TCP, Kind: Sent, Size: 146, Messages: 1, Talk: true, Seq: seq, fresh: 1})
		b.wait(20 * time.Millisecond)
		if i == 3 {
			b.wait(80 * time.Millisecond)
			b.put(1, Packet{Kind: Lost, Number: 3})
			b.put(1, Packet{Kind: Sent, Number: 100, Size: 120, Messages: 1, Talk: true, Again: true, Seq: seq, upto: [2]uint64{4}})
			cyn.stats.Resent = 2
			b.sample()
		} else {
			b.put(1, Packet{Kind: Received, Number: i, Size: 30})
		}
		b.put(3, Packet{Kind: Received, Number: i, Size: 80, Messages: 1, Talk: true})
		if i == 5 {
			b.put(3, Packet{Kind: Repeated, Number: i})
		}
		b.put(2, Packet{Via: TCP, Kind: Received, Size: 40, Messages: 1, Talk: true})
	}
	b.wait(200 * time.Millisecond)
}

func golden(t *testing.T, name string, rows []string, o Look) {
	t.Helper()
	for _, row := range rows {
		if text.Width(ansi.Strip(row)) > o.Width {
			t.Errorf("%s: a row is %d cells wide: %q", name, text.Width(row), row)
		}
	}
	if len(rows) > o.Height {
		t.Errorf("%s: %d rows", name, len(rows))
	}
	for i, row := range rows {
		rows[i] = strings.TrimRight(row, " ")
	}
	got, file := strings.Join(rows, "\n")+"\n", filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is another view now (go test ./lanes -update writes it):\n%s", name, got)
	}
}

func TestGoldenViews(t *testing.T) {
	for _, o := range []Look{{Width: 80, Height: 24}, {Width: 120, Height: 40}, {Width: 80, Height: 24, ASCII: true}, {Width: 40, Height: 10}, {Width: 80, Height: 11}} {
		b := newBench()
		o.Impair, o.Hint = "loss=5%", "F2 hides"
		name := fmt.Sprintf("%dx%d", o.Width, o.Height)
		if o.ASCII {
			name += "-ascii"
		}
		golden(t, "nobody-"+name, b.View(nil).Rows(o), o)
		b.talks()
		rows := b.View(nil).Rows(o)
		colored := o
		colored.Color = true
		for i, row := range b.View(nil).Rows(colored) { // colour repeats what is there without
			if ansi.Strip(row) != rows[i] {
				t.Errorf("%s: in colour %q, without %q", name, ansi.Strip(row), rows[i])
			}
		}
		golden(t, "talk-"+name, rows, o)
		for i := range uint64(30) {
			b.sits(10+i, Via(i%3/2), fmt.Sprintf("pupil%d", i))
		}
		golden(t, "class-"+name, b.View(nil).Rows(o), o)
	}
}

// No size of screen breaks it, and no name does.
func TestAnySize(t *testing.T) {
	b := newBench()
	b.talks()
	b.sits(9, UDP, "\x1b[31mred\u202e")
	var v *View
	for w := range 130 {
		for _, h := range []int{0, 1, 2, 5, 9, 24} {
			o := Look{Width: w, Height: h, Column: time.Duration(w) * 10 * time.Millisecond}
			v = b.View(v)
			rows := v.Rows(o)
			if len(rows) > h {
				t.Fatalf("%dx%d: %d rows", w, h, len(rows))
			}
			for _, row := range rows {
				if strings.Contains(row, "\x1b") || strings.Contains(row, "\u202e") {
					t.Fatalf("%dx%d: %q", w, h, row)
				}
			}
		}
	}
}

func TestCounts(t *testing.T) {
	b := newBench()
	b.talks()
	u, s := b.Totals(UDP), b.Totals(TCP)
	if want := (Counts{Sent: 17, Received: 15, Lost: 1, Again: 1, Repeated: 1, BytesOut: 17 * 120, BytesIn: 7*30 + 8*80, Messages: 16}); u != want {
		t.Errorf("UDP %+v\nwant %+v", u, want)
	}
	if want := (Counts{Sent: 8, Received: 8, Again: 2, BytesOut: 8 * 146, BytesIn: 8 * 40, Messages: 8}); s != want {
		t.Errorf("TCP %+v\nwant %+v", s, want)
	}
}

// A flood stays within bounds: who follows is told what he missed, and lanes that
// ended make room.
func TestFlood(t *testing.T) {
	b := newBench()
	f := b.Follow()
	const many = 3 * ringSize
	for i := range uint64(many) {
		b.put(1, said(i, i))
	}
	seen, missed := 0, uint64(0)
	for {
		some, gone := f.Next()
		missed += gone
		if len(some) == 0 {
			break
		}
		if seen == 0 && some[0].Number != many-ringSize {
			t.Errorf("the first that is left is %d", some[0].Number)
		}
		seen += len(some)
	}
	if seen != ringSize || missed != many-ringSize {
		t.Errorf("%d seen, %d missed, of %d", seen, missed, many)
	}
	for i := range uint64(3 * maxLanes) {
		_, ended := b.sits(10+i, UDP, "guest")
		if ended(); i%100 == 0 {
			b.wait(lingering)
		}
	}
	for i := range uint64(2 * maxLanes) {
		b.put(1_000_000+i, said(0, 0))
	}
	if n := len(b.board.lanes); n > maxLanes || b.board.drawn > maxDrawn || len(b.board.byKey) != n {
		t.Errorf("%d lanes, %d drawn, %d known", n, b.board.drawn, len(b.board.byKey))
	}
	if got := b.Totals(UDP).Sent; got != many+2*maxLanes {
		t.Errorf("%d counted", got)
	}
}

// What is told to the lab's page.
func TestWriteLines(t *testing.T) {
	b := newBench()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []labLine
	enough := errors.New("enough")
	lines := 0
	w := writer(func(p []byte) (int, error) {
		var l labLine
		if err := json.Unmarshal(p, &l); err != nil {
			t.Error(err)
		}
		if got = append(got, l); l.K == "note" && l.Host == host {
			return 0, enough
		}
		if lines++; lines == 2 { // the samples of the beginning: now it follows
			b.put(1, said(7, 42))
			b.put(1, Packet{Kind: Received, Number: 3, Size: 20})
			b.put(1, Packet{Kind: Lost, Number: 7})
			b.put(1, Packet{Kind: Acked, Number: 8})
			b.put(1, Packet{Kind: Repeated, Number: 3})
		}
		return len(p), nil
	})
	b.sits(1, UDP, "ben")
	b.sample()
	if err := b.WriteLines(ctx, w); err != enough {
		t.Fatal(err)
	}
	var told []string
	for _, l := range got {
		if l.K != "sample" {
			told = append(told, fmt.Sprintf("%s %s %v %d %s>%s %v %s%s", l.K, l.Lane, l.Hosts, l.ID, l.From, l.To, l.Msgs, l.Fate, l.Flags))
		}
	}
	want := strings.Join([]string{"lane udp-1 [host ben] 0 > [] ", "frame udp-1 [] 14 host>ben [42] ", "frame udp-1 [] 7 ben>host [] A",
		"fate udp-1 [] 14 >ben [] drop", "fate udp-1 [] 16 >ben [] deliver", "note udp-1 [] 0 > [] "}, "\n")
	if s := strings.Join(told, "\n"); s != want {
		t.Errorf("told:\n%s\nwant:\n%s", s, want)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

func TestScreenCommands(t *testing.T) {
	b := newBench()
	b.talks()
	s := &Screen{Recorder: b.Recorder, Impaired: func() string { return "loss=9%" }}
	before := strings.Join(s.Rows(80, 24), "\n")
	for _, bad := range []string{"fast", "1ms", "2m", "-1s", "stop now"} {
		if err := s.Command(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	if err := s.Command("stop"); err != nil {
		t.Fatal(err)
	}
	b.wait(time.Second)
	if stopped := strings.Join(s.Rows(80, 24), "\n"); !strings.Contains(stopped, "STOPPED") || strings.Count(stopped, "o4") != strings.Count(before, "o4") {
		t.Errorf("it goes on:\n%s", stopped)
	}
	if s.Command("go") != nil || s.Command("200ms") != nil {
		t.Error("refused")
	}
	if rows := strings.Join(s.Rows(80, 24), "\n"); !strings.Contains(rows, "200 ms") || !strings.Contains(rows, "loss=9%") {
		t.Errorf("%s", rows)
	}
}

// Recording a packet allocates nothing.
func TestNoAllocation(t *testing.T) {
	b := newBench()
	b.sits(1, UDP, "ben")
	n := uint64(0)
	if got := testing.AllocsPerRun(1000, func() { n++; b.put(1, said(n, n)) }); got != 0 {
		t.Errorf("%v allocations a packet", got)
	}
}
