package udp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A sink is a PacketConn that remembers what was sent, and when.
type sink struct {
	net.PacketConn // nil; only what is below is used
	mu             sync.Mutex
	start          time.Time
	got            []sunk
	closed         bool
	fail           error
}

type sunk struct {
	n    int // the datagram's first four bytes
	b    string
	to   string
	when time.Duration
}

func (s *sink) WriteTo(b []byte, to net.Addr) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, net.ErrClosed
	}
	n := -1
	if len(b) >= 4 {
		n = int(binary.BigEndian.Uint32(b))
	}
	s.got = append(s.got, sunk{n, string(b), to.String(), time.Since(s.start)})
	return len(b), s.fail
}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.got)
}

func (s *sink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// impairRun sends count numbered datagrams, gap apart, and returns what comes out.
func impairRun(t *testing.T, spec Spec, count int, gap time.Duration) (got []sunk) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{start: time.Now()}
		pc := Impair(s, spec)
		to := net.UDPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.1:7667"))
		b := make([]byte, 100)
		for i := range count {
			binary.BigEndian.PutUint32(b, uint32(i))
			if n, err := pc.WriteTo(b, to); n != len(b) || err != nil {
				t.Fatalf("write: %d, %v", n, err)
			}
			clear(b) // nothing may hold on to the caller's bytes or address
			to.Port = 1
			time.Sleep(gap)
			to.Port = 7667
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		s.mu.Lock()
		got = s.got
		s.mu.Unlock()
		if err := pc.Close(); err != nil {
			t.Error(err)
		}
		if !s.closed {
			t.Error("the socket below is open")
		}
		if _, err := pc.WriteTo(b, to); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after Close: %v", err)
		}
		if err := pc.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
	})
	return got
}

// near tells whether n of total is what chance p brings, by four deviations.
func near(n, total int, p float64) bool {
	return math.Abs(float64(n)-p*float64(total)) <= 4*math.Sqrt(float64(total)*p*(1-p))+1e-9
}

func inversions(got []sunk) (n int) {
	for i := 1; i < len(got); i++ {
		if got[i].n < got[i-1].n {
			n++
		}
	}
	return n
}

func TestImpairNothing(t *testing.T) {
	got := impairRun(t, Spec{}, 1000, 0)
	for i, x := range got {
		if x.n != i || x.when != 0 || x.to != "192.0.2.1:7667" {
			t.Fatalf("datagram %d: %+v", i, x)
		}
	}
	if len(got) != 1000 {
		t.Errorf("%d of 1000 arrive", len(got))
	}
}

func TestImpairLossAndDup(t *testing.T) {
	const total = 20_000
	got := impairRun(t, Spec{Loss: 0.2, Dup: 0.05, Seed: 7}, total, 0)
	seen := map[int]int{}
	for _, x := range got {
		seen[x.n]++
	}
	twice := 0
	for _, n := range seen {
		if n == 2 {
			twice++
		} else if n != 1 {
			t.Fatalf("one came %d times", n)
		}
	}
	if !near(total-len(seen), total, 0.2) || !near(twice, len(seen), 0.05) {
		t.Errorf("%d of %d lost, %d doubled", total-len(seen), total, twice)
	}
	if inversions(got) != 0 {
		t.Error("the order has changed")
	}
	if got := impairRun(t, Spec{Loss: 1}, 100, 0); len(got) != 0 {
		t.Errorf("%d of 100 survive total loss", len(got))
	}
	if got := impairRun(t, Spec{Dup: 1}, 100, 0); len(got) != 200 {
		t.Errorf("%d of 100 come when all are doubled", len(got))
	}
}

func TestImpairDelay(t *testing.T) {
	const gap = 300 * time.Microsecond
	spec := Spec{Delay: 50 * time.Millisecond, Jitter: 10 * time.Millisecond, Seed: 1}
	least, most := time.Hour, time.Duration(0)
	for _, x := range impairRun(t, spec, 5000, gap) {
		late := x.when - time.Duration(x.n)*gap
		least, most = min(least, late), max(most, late)
	}
	if least < 40*time.Millisecond || least > 41*time.Millisecond || most > 60*time.Millisecond || most < 59*time.Millisecond {
		t.Errorf("between %v and %v late", least, most)
	}
	for i, x := range impairRun(t, Spec{Delay: time.Second}, 1000, gap) {
		if x.n != i || x.when != time.Duration(i)*gap+time.Second || x.to != "192.0.2.1:7667" || len(x.b) != 100 {
			t.Fatalf("datagram %d: %+v", i, x)
		}
	}
}

func TestImpairReorder(t *testing.T) {
	const total = 10_000
	for _, delay := range []time.Duration{0, 20 * time.Millisecond} {
		got := impairRun(t, Spec{Reorder: 0.1, Delay: delay, Seed: 3}, total, time.Millisecond)
		if len(got) != total {
			t.Fatalf("%d of %d arrive", len(got), total)
		}
		// Of two in a row that are to be overtaken, one overtakes.
		if n := inversions(got); n < total*8/100 || n > total*10/100 {
			t.Errorf("delay %v: %d of %d overtaken", delay, n, total)
		}
		for i, x := range got {
			if d := x.n - i; d > 1 || d < -1 {
				t.Fatalf("datagram %d is at place %d", x.n, i)
			}
		}
	}
	// With nobody to overtake it, it goes on its own.
	for i, x := range impairRun(t, Spec{Reorder: 1}, 3, time.Second) {
		if x.n != i || x.when != time.Duration(i)*time.Second+reorderHold {
			t.Errorf("alone: %+v", x)
		}
	}
	if got := impairRun(t, Spec{Reorder: 1, Dup: 1}, 101, time.Millisecond); len(got) != 202 {
		t.Errorf("%d of 202 arrive", len(got))
	}
}

func TestImpairCorrupt(t *testing.T) {
	const total = 5000
	damaged := 0
	for _, x := range impairRun(t, Spec{Corrupt: 0.01, Seed: 3}, total, 0) {
		b := []byte(x.b)
		ones := 0
		for _, y := range b[4:] {
			for ; y != 0; y &= y - 1 {
				ones++
			}
		}
		if ones > 1 {
			t.Fatal("more than one bit")
		}
		if ones == 1 || x.n >= total {
			damaged++
		}
	}
	if !near(damaged, total, 0.01) {
		t.Errorf("%d of %d damaged", damaged, total)
	}
}

// TestImpairIsRepeatable: the fate of the n-th datagram is its own. Turning up
// the loss leaves alone what is doubled or damaged of the rest.
func TestImpairIsRepeatable(t *testing.T) {
	spec := Spec{Loss: 0.1, Dup: 0.1, Reorder: 0.1, Corrupt: 0.1, Delay: time.Millisecond, Jitter: time.Millisecond, Seed: 42}
	a, b := impairRun(t, spec, 2000, time.Millisecond), impairRun(t, spec, 2000, time.Millisecond)
	if !slices.Equal(a, b) {
		t.Error("two runs differ")
	}
	spec.Seed++
	if slices.Equal(a, impairRun(t, spec, 2000, time.Millisecond)) {
		t.Error("the seed does not matter")
	}
	first := map[string]bool{}
	for _, x := range impairRun(t, Spec{Dup: 0.1, Corrupt: 0.1, Seed: 1}, 2000, 0) {
		first[fmt.Sprint(x.b)] = true
	}
	for _, x := range impairRun(t, Spec{Loss: 0.3, Dup: 0.1, Corrupt: 0.1, Seed: 1}, 2000, 0) {
		if !first[fmt.Sprint(x.b)] {
			t.Fatal("loss changes what happens to others")
		}
	}
}

// TestImpairBound: a queue that is full loses, it does not grow.
func TestImpairBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{start: time.Now()}
		pc := Impair(s, Spec{Delay: time.Second})
		b := make([]byte, 1<<16)
		for range 2 * maxDelayed / len(b) {
			pc.WriteTo(b, &net.UDPAddr{})
		}
		time.Sleep(2 * time.Second)
		if s.count() != maxDelayed/len(b) {
			t.Errorf("%d delayed", s.count())
		}
		pc.WriteTo(b, &net.UDPAddr{}) // there is room again
		time.Sleep(2 * time.Second)
		if s.count() != maxDelayed/len(b)+1 {
			t.Error("no room after the queue was emptied")
		}
		pc.WriteTo(b, &net.UDPAddr{})
		pc.Close() // with something in the queue
		time.Sleep(2 * time.Second)
		if s.count() != maxDelayed/len(b)+1 {
			t.Error("sent after Close")
		}
	})
}

func TestImpairError(t *testing.T) {
	fail := errors.New("network is unreachable")
	pc := Impair(&sink{fail: fail}, Spec{})
	defer pc.Close()
	if _, err := pc.WriteTo(make([]byte, 4), &net.UDPAddr{}); !errors.Is(err, fail) {
		t.Errorf("error %v", err)
	}
	if _, err := pc.WriteTo(nil, &net.UDPAddr{}); !errors.Is(err, fail) {
		t.Errorf("empty datagram: %v", err)
	}
}

// TestImpairConcurrent is for the race detector, on real sockets.
func TestImpairConcurrent(t *testing.T) {
	below, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pc := Impair(below, Spec{Loss: 0.1, Dup: 0.1, Reorder: 0.1, Corrupt: 0.1, Jitter: time.Millisecond})
	var reader, writers sync.WaitGroup
	reader.Go(func() {
		b := make([]byte, 100)
		for {
			if _, _, err := pc.ReadFrom(b); err != nil {
				return
			}
		}
	})
	for range 4 {
		writers.Go(func() {
			for range 500 {
				pc.WriteTo([]byte("hello"), pc.LocalAddr())
			}
		})
	}
	writers.Wait()
	if err := pc.Close(); err != nil {
		t.Error(err)
	}
	reader.Wait()
}

func TestParseSpec(t *testing.T) {
	full := Spec{Loss: 0.2, Dup: 0.05, Reorder: 0.05, Corrupt: 0.01, Delay: 50 * time.Millisecond, Jitter: 10 * time.Millisecond, Seed: 7}
	const text = "loss=20%,dup=5%,delay=50ms,jitter=10ms,reorder=5%,corrupt=1%,seed=7"
	if got, err := ParseSpec(text); err != nil || got != full {
		t.Errorf("%+v, %v", got, err)
	}
	if full.String() != text {
		t.Errorf("%q", full.String())
	}
	for s, want := range map[string]Spec{
		"":                      {},
		" ":                     {},
		"loss=0.2":              {Loss: 0.2},
		"loss=7%":               {Loss: 0.07},
		" loss = 100% , seed=1": {Loss: 1, Seed: 1},
		"delay=0s":              {},
		"loss=0.5%":             {Loss: 0.005},
	} {
		got, err := ParseSpec(s)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v", s, got, err)
		}
	}
	if s := (Spec{Loss: 0.07}).String(); s != "loss=7%" {
		t.Errorf("%q", s)
	}
	if s := (Spec{}).String(); s != "" {
		t.Errorf("%q", s)
	}
	for s, part := range map[string]string{
		"loss":              "name=value",
		"loss=":             "name=value",
		"=5%":               "name=value",
		"loss=20%,":         "name=value",
		"loss=20":           "0% to 100%",
		"loss=120%":         "0% to 100%",
		"loss=-1%":          "0% to 100%",
		"loss=NaN":          "0% to 100%",
		"loss=much":         "0% to 100%",
		"delay=50":          "with its unit",
		"delay=-1ms":        "with its unit",
		"delay=2h":          "with its unit",
		"seed=-1":           "whole number",
		"seed=0x7":          "whole number",
		"lag=5ms":           "there are loss",
		"loss=1%,loss=2%":   "twice",
		"loss=1%;dup=2%":    "0% to 100%",
		"loss=1%,\x1b[2J=3": `\x1b`,
	} {
		if _, err := ParseSpec(s); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func FuzzParseSpec(f *testing.F) {
	f.Add("loss=20%,dup=5%,delay=50ms,jitter=10ms,reorder=5%,corrupt=1%,seed=7")
	f.Add("loss=0.000001%")
	f.Add("loss=.0000001%")
	f.Add("loss=1e-3,delay=1.5s")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		spec, err := ParseSpec(s)
		if err != nil {
			return
		}
		again, err := ParseSpec(spec.String())
		if err != nil {
			t.Fatalf("%q becomes %q: %v", s, spec, err)
		}
		if again.String() != spec.String() || again.Delay != spec.Delay || again.Seed != spec.Seed ||
			math.Abs(again.Loss-spec.Loss) > 1e-8 || math.Abs(again.Corrupt-spec.Corrupt) > 1e-8 {
			t.Errorf("%q becomes %q and then %q", s, spec, again)
		}
	})
}

// What befalls datagrams can change at any time, and the same seed means the same
// from there on.
func TestImpairSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{start: time.Now()}
		c := Impair(s, Spec{})
		defer c.Close()
		send := func(n int) (arrived string) {
			before := s.count()
			for i := range n {
				c.WriteTo(binary.BigEndian.AppendUint32(nil, uint32(i)), &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1})
			}
			time.Sleep(time.Second)
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, d := range s.got[before:] {
				arrived += fmt.Sprint(d.n, " ")
			}
			return arrived
		}
		all := send(100)
		c.Set(Spec{Loss: 0.5, Delay: 20 * time.Millisecond, Seed: 7})
		some := send(100)
		if n := strings.Count(some, " "); n < 30 || n > 70 || c.Spec().Loss != 0.5 {
			t.Errorf("%d of 100 arrived", n)
		}
		c.Set(Spec{Loss: 0.5, Seed: 7})
		if again := send(100); again != some {
			t.Errorf("the same seed lost others: %s", again)
		}
		c.Set(Spec{})
		if got := send(100); got != all {
			t.Errorf("nothing is to be done: %s", got)
		}
	})
}

// Changing it while others send is safe, through a real socket, too.
func TestImpairSetConcurrently(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := Impair(pc, Spec{})
	defer c.Close()
	fast := newFastSocket(c)
	to := pc.LocalAddr().(*net.UDPAddr).AddrPort()
	var work sync.WaitGroup
	for range 2 {
		work.Go(func() {
			for range 500 {
				fast.write(c, []byte("datagram"), to)
			}
		})
		work.Go(func() {
			for i := range 500 {
				c.Set(Spec{Loss: float64(i%2) / 2, Delay: time.Duration(i%3) * time.Millisecond})
			}
		})
	}
	work.Wait()
	c.Set(Spec{Loss: 1})
	if !fast.damaged() {
		t.Error("nothing befalls what is written")
	}
	if c.Set(Spec{}); fast.damaged() {
		t.Error("something does, still")
	}
}
