package main

import (
	"bytes"
	"errors"
	"flag"
	"net"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestEveryCommandHelps(t *testing.T) {
	for name, c := range commands {
		if err := c.run([]string{"-h"}); !errors.Is(err, flag.ErrHelp) {
			t.Errorf("%s -h: %v", name, err)
		}
	}
}

func TestFiguresOfRounds(t *testing.T) {
	if m := middle([]float64{9, 1, 5}); m != 5 {
		t.Errorf("the middle of 9, 1, 5 is %v", m)
	}
	if m := middle([]float64{4, 1, 2, 9}); m != 3 {
		t.Errorf("the middle of 4, 1, 2, 9 is %v", m)
	}
	v := make([]float64, 100)
	for i := range v {
		v[i] = float64(i)
	}
	for q, want := range map[float64]float64{.5: 50, .99: 99, 1: 99, 0: 0} {
		if x := percentile(v, q); x != want {
			t.Errorf("percentile %v is %v, want %v", q, x, want)
		}
	}
	if middle(nil) != 0 || percentile(nil, .5) != 0 {
		t.Error("figures of nothing")
	}
	m := middles([]figures{{"a": 1, "b": 7}, {"a": 3}, {"a": 2}})
	if want := (figures{"a": 2, "b": 7}); !reflect.DeepEqual(m, want) {
		t.Errorf("%v, want %v", m, want)
	}
	for x, want := range map[float64]string{0: "0.00", 0.0421: "0.042", 3.14159: "3.14", 42.42: "42.4", 1234.5: "1234", -0.07: "-0.070"} {
		if got := digits(x); got != want {
			t.Errorf("%v is printed %s, want %s", x, got, want)
		}
	}
}

// A tally counts what is missing as late as it is, if it ought to come.
func TestTally(t *testing.T) {
	notes := &tally{late: make([]float64, 100)}
	m := make([]byte, messageSize)
	begin := clock() - int64(2*time.Second)
	for i := range 99 {
		said := begin + int64(i)*int64(paceEvery)
		put(m, uint64(i), said)
		notes.hear(m, said+int64(3*time.Millisecond))
	}
	f := notes.delays(true)
	if f["p50"] != 3 || f["arrived"] != 99 || f["strange"] != 0 || f["max"] < 1000 {
		t.Errorf("one missing: %v", f)
	}
	if f := notes.delays(false); f["max"] != 3 {
		t.Errorf("one missing that need not come: %v", f)
	}
	put(m, 5, begin)
	notes.hear(m, begin)
	if f := notes.delays(true); f["strange"] != 1 || f["p50"] != 3 {
		t.Errorf("one heard twice: %v", f)
	}
}

// Pouring goes on when some are lost.
func TestPour(t *testing.T) {
	var got, lost atomic.Int64
	posted := 0
	pour(10, time.Now().Add(300*time.Millisecond), &got, &lost, func(n int) {
		posted += n
		if posted <= fanAhead {
			return // nobody heard
		}
		got.Add(int64(10 * n))
	})
	if posted <= fanAhead || lost.Load() != 10*fanAhead {
		t.Errorf("posted %d, lost %d", posted, lost.Load())
	}
}

func TestCarriersReport(t *testing.T) {
	c, err := parseCarriers([]string{"-rounds", "2", "-members", "10,100"})
	if err != nil {
		t.Fatal(err)
	}
	cells, err := c.cells()
	if err != nil || len(cells) == 0 {
		t.Fatal(len(cells), err)
	}
	c.got = spread(map[string]figures{
		"latency 5/parley-udp+raw": {"parley-udp p99": 3.5, "raw p99": 0.2},
		"flood 0 32/parley-udp":    {"rate": 900}, "flood 0 32/QUIC": {"rate": 800}, "flood 0 32/TLS": {"rate": 1000},
	})
	var out bytes.Buffer
	c.print(&out)
	for _, want := range []string{
		"| latency 5 | p99 | 3.50 | at most 4.00 | met | – |",
		"| flood 0 32 | rate | 900 | at least 1.25 × QUIC's 800 | not met | 1.12 |",
		"| flood 0 32 | rate | 900 | at least 0.8 × TLS's 1000 | met | 0.90 |",
		"| raw | – | 0.20 | – | – | – |",
	} {
		if !strings.Contains(out.String(), want+"\n") {
			t.Errorf("the report lacks %s:\n%s", want, out.String())
		}
	}
	if _, err := parseCarriers([]string{"-loss", "x"}); err == nil {
		t.Error("a loss of x was taken")
	}
}

// Every reliable carrier carries, without root: on loopback.
func TestCarriersCarry(t *testing.T) {
	for _, c := range carrierList {
		addr := freeAddress(t)
		accept, err := c.listen(addr)
		if err != nil {
			t.Fatal(c.name, err)
		}
		heard := make(chan string, 1)
		go func() {
			t, err := accept()
			if err != nil {
				heard <- err.Error()
				return
			}
			m, _ := t.hear()
			heard <- string(m)
			t.say([][]byte{[]byte("one"), []byte("two")})
		}()
		s, err := c.dial(addr)
		if err == nil {
			err = s.say([][]byte{[]byte("hello")})
		}
		if err != nil {
			t.Fatal(c.name, err)
		}
		if got := <-heard; got != "hello" {
			t.Errorf("%s brought %q", c.name, got)
		}
		for _, want := range []string{"one", "two"} {
			if m, err := s.hear(); err != nil || string(m) != want {
				t.Errorf("%s brought %q, %v, want %q", c.name, m, err, want)
			}
		}
	}
}

// freeAddress is one at which nobody listens over either protocol.
func freeAddress(t *testing.T) string {
	for range 20 {
		u, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := u.LocalAddr().String()
		l, err := net.Listen("tcp4", addr)
		u.Close()
		if err == nil {
			l.Close()
			return addr
		}
	}
	t.Fatal("no free port")
	return ""
}
