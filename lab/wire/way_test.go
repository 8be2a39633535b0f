//go:build !nolab

package wire

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// arrival is a datagram that B got.
type arrival struct {
	number int
	took   time.Duration
}

// blast sends numbered datagrams of 200 bytes from A to B, 100 in a second.
func blast(t *testing.T, c Config, n int, change func(p *place, a, b *Host)) (got []arrival, rec *Recorder) {
	t.Helper()
	rec = on(t, c, func(p *place) {
		a, b := p.Host("A"), p.Host("B")
		in, out := p.socket(b, ":5"), p.socket(a, ":0")
		to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(b.Addr(), 5))
		out.WriteTo([]byte("who is it?"), to) // ARP first
		time.Sleep(time.Minute)
		sent := make([]time.Duration, n)
		p.work.Go(func() {
			buf := make([]byte, 300)
			for {
				size, _, err := in.ReadFrom(buf)
				if err != nil {
					return
				}
				if size == 200 {
					i := int(binary.BigEndian.Uint32(buf))
					got = append(got, arrival{i, p.Now() - sent[i]})
				}
			}
		})
		if change != nil {
			change(p, a, b)
		}
		for i := range n {
			sent[i] = p.Now()
			msg := make([]byte, 200)
			binary.BigEndian.PutUint32(msg, uint32(i))
			out.WriteTo(msg, to)
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		in.Close()
		out.Close()
	})
	return got, rec
}

func TestImpairments(t *testing.T) {
	const n = 2000
	between := func(what string, got, low, high int) {
		t.Helper()
		if got < low || got > high {
			t.Errorf("%s: %d, want %d to %d", what, got, low, high)
		}
	}
	delay := Way{Delay: 5 * time.Millisecond}
	late := func(got []arrival) (n int) {
		for i, a := range got {
			if i > 0 && a.number < got[i-1].number {
				n++
			}
		}
		return n
	}
	most := func(got []arrival) time.Duration {
		return slices.MaxFunc(got, func(a, b arrival) int { return int(a.took - b.took) }).took
	}

	w := delay
	got, _ := blast(t, Config{Seed: 1, Way: w}, n, nil)
	if len(got) != n || most(got) != w.Delay || late(got) > 0 {
		t.Errorf("perfect: %d, %v", len(got), most(got))
	}
	w.Loss = .1
	lossy, _ := blast(t, Config{Seed: 1, Way: w}, n, nil)
	between("loss 10 %", n-len(lossy), 160, 240)

	w = Way{Delay: 5 * time.Millisecond, Dup: .2}
	got, _ = blast(t, Config{Seed: 1, Way: w}, n, nil)
	between("dup 20 %", len(got)-n, 340, 460)
	between("dup 20 %, out of order", late(got), 0, 0)

	w = Way{Delay: 5 * time.Millisecond, Reorder: .2, HoldBack: 30 * time.Millisecond}
	got, _ = blast(t, Config{Seed: 1, Way: w}, n, nil)
	between("reorder 20 %", late(got), 300, 460)
	if len(got) != n || most(got) != 35*time.Millisecond {
		t.Errorf("reorder: %d, %v", len(got), most(got))
	}

	w = Way{Delay: 15 * time.Millisecond, Jitter: 10 * time.Millisecond}
	got, _ = blast(t, Config{Seed: 1, Way: w}, n, nil)
	var sum time.Duration
	for _, a := range got {
		sum += a.took
	}
	between("jitter, mean in µs", int((sum / n).Microseconds()), 14000, 17000)
	between("jitter, out of order", late(got), 0, 0)

	w = Way{Corrupt: .2}
	got, _ = blast(t, Config{Seed: 1, Way: w}, n, nil)
	between("corrupt 20 %, discarded", n-len(got), 330, 470)

	got, _ = blast(t, Config{Seed: 1, Way: delay, Port: Port{Rate: 128_000, Queue: 10}}, n, nil)
	between("rate with a queue", len(got), 800, 1700)
	if most(got) > 300*time.Millisecond {
		t.Errorf("with a queue of 10 it took %v", most(got))
	}
	got, _ = blast(t, Config{Seed: 1, Way: delay, Port: Port{Rate: 128_000}}, n, nil)
	if len(got) != n || most(got) < 5*time.Second {
		t.Errorf("without a limit %d came, after up to %v", len(got), most(got))
	}

	// What was drawn for one frame does not depend on what was asked for.
	w = Way{Delay: 5 * time.Millisecond, Loss: .1, Dup: .3, Jitter: time.Millisecond, Reorder: .1}
	more, _ := blast(t, Config{Seed: 1, Way: w}, n, nil)
	if a, b := numbers(lossy), numbers(more); !slices.Equal(a, b) {
		t.Error("other frames are lost when some are doubled, too")
	}
}

// numbers returns which datagrams came, once each.
func numbers(got []arrival) (list []int) {
	for _, a := range got {
		list = append(list, a.number)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func TestCutsIsolationAndMTU(t *testing.T) {
	for name, change := range map[string]func(p *place, a, b *Host){
		"cut":       func(p *place, a, b *Host) { p.Set(a, b, Way{Cut: true}) },
		"unplugged": func(p *place, a, b *Host) { p.Unplug(b, true) },
		"isolation": func(p *place, a, b *Host) { p.Isolate(a, b) },
		"mtu":       func(p *place, a, b *Host) { p.Set(a, b, Way{MTU: 200}) },
	} {
		got, rec := blast(t, Config{Seed: 1}, 10, change)
		if len(got) > 0 {
			t.Errorf("%s: %d came", name, len(got))
		}
		dropped := 0
		frames, _ := rec.Frames()
		for _, f := range frames {
			if len(f.Payload) == 200 && f.Copies[0].Fate == Dropped && f.Copies[0].Why == name {
				dropped++
			}
		}
		if dropped != 10 {
			t.Errorf("%s: %d dropped for it", name, dropped)
		}
	}
	got, _ := blast(t, Config{Seed: 1}, 10, func(p *place, a, b *Host) { p.Isolate(a) })
	if len(got) != 10 {
		t.Errorf("one isolated host reaches the others: %d came", len(got))
	}
}

func TestRules(t *testing.T) {
	for _, s := range []string{"A>B:data#5", "*:syn#1", "B>A:ack", "*>B:any", "A>*:resent#2", "A>B:msg#5"} {
		if r, err := ParseRule(s); err != nil || r.String() != s {
			t.Errorf("%s: %v, %v", s, r, err)
		}
	}
	for _, s := range []string{"", "A>B", "A:data", ">B:data", "A>B:dta", "A>B:data#0", "A>B:data#x", "A>B:msg"} {
		if r, err := ParseRule(s); err == nil {
			t.Errorf("%q is %v", s, r)
		}
	}
	var unmatched []Rule
	drops := []Rule{{"A", "B", "data", 5}, {"", "", "rst", 1}}
	got, _ := blast(t, Config{Seed: 1, Drops: drops}, 10, func(p *place, a, b *Host) {
		p.work.Go(func() { time.Sleep(time.Second); unmatched = p.Unmatched() })
	})
	// The first with data was the one that ARP went before.
	if list := numbers(got); len(list) != 9 || slices.Contains(list, 3) {
		t.Errorf("data#5 dropped: %v came", list)
	}
	if len(unmatched) != 1 || unmatched[0] != drops[1] {
		t.Errorf("unmatched: %v", unmatched)
	}
}
