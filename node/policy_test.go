package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/transport"
)

// script says how one attempt goes.
type script struct {
	answer time.Duration // when its datagram is answered; 0: never
	end    time.Duration // when it ends; 0: only when given up
	err    error         // how; nil: with a Conn
}

// scriptedRace runs a race over the plan for one IPv4 address, and tells when
// each attempt began.
func scriptedRace(t *testing.T, via, last Transport, scripts map[Transport]script) (began map[Transport]time.Duration, winner Transport, took time.Duration, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), dialLimit)
	defer cancel()
	began = make(map[Transport]time.Duration)
	var lock sync.Mutex
	start := time.Now()
	attempts := plan(via, []target{{netip.MustParseAddr("10.0.0.5"), Port, Port}}, last)
	open := 0
	for i := range attempts {
		a := &attempts[i]
		a.dial = func(ctx context.Context, answered func()) (transport.Conn, error) {
			lock.Lock()
			began[a.via] = time.Since(start)
			lock.Unlock()
			s := scripts[a.via]
			if s.answer > 0 {
				defer time.AfterFunc(s.answer, answered).Stop()
			}
			end := make(<-chan time.Time)
			if s.end > 0 {
				end = time.After(s.end)
			}
			select {
			case <-end:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			if s.err != nil {
				return nil, s.err
			}
			lock.Lock()
			open++
			lock.Unlock()
			return &closing{via: a.via, closed: func() { lock.Lock(); open--; lock.Unlock() }}, nil
		}
	}
	var background sync.WaitGroup
	c, _, err := race(ctx, attempts, background.Go)
	took = time.Since(start)
	background.Wait()
	if c != nil {
		winner = c.(*closing).via
		c.Close()
	}
	if open != 0 {
		t.Errorf("%d Conns were left open", open)
	}
	return began, winner, took, err
}

// closing is a Conn that only knows that it was closed.
type closing struct {
	transport.Conn
	via    Transport
	closed func()
}

func (c *closing) Close() error { c.closed(); return nil }

func TestRace(t *testing.T) {
	const ms = time.Millisecond
	boom := errors.New("no route to host")
	mode := fmt.Errorf("dial: %w", &transport.RefusedError{Reason: transport.ReasonMode})
	full := &transport.RefusedError{Reason: transport.ReasonFull}
	for _, c := range []struct {
		name     string
		via      Transport
		last     Transport
		udp, tcp script
		winner   Transport
		took     time.Duration
		tcpBegan time.Duration // -1: never
		err      error
	}{
		{"datagrams answer at once", Auto, Auto, script{1 * ms, 2 * ms, nil}, script{}, UDP, 2 * ms, -1, nil},
		{"datagrams are cut", Auto, Auto, script{}, script{0, 5 * ms, nil}, TCP, 305 * ms, 300 * ms, nil},
		{"datagrams fail at once", Auto, Auto, script{0, 1 * ms, boom}, script{0, 5 * ms, nil}, TCP, 6 * ms, 1 * ms, nil},
		{"a slow but live datagram path", Auto, Auto, script{250 * ms, 900 * ms, nil}, script{0, 5 * ms, nil}, UDP, 900 * ms, -1, nil},
		{"answered, then nothing", Auto, Auto, script{100 * ms, 0, nil}, script{0, 5 * ms, nil}, TCP, 2005 * ms, 2000 * ms, nil},
		{"both are slow, streams faster", Auto, Auto, script{0, 900 * ms, nil}, script{0, 100 * ms, nil}, TCP, 400 * ms, 300 * ms, nil},
		{"both end in the same instant", Auto, Auto, script{0, 400 * ms, nil}, script{0, 100 * ms, nil}, "either", 400 * ms, 300 * ms, nil},
		{"streams worked last time", Auto, TCP, script{1 * ms, 2 * ms, nil}, script{0, 5 * ms, nil}, TCP, 5 * ms, 0, nil},
		{"streams worked last time, no more", Auto, TCP, script{1 * ms, 2 * ms, nil}, script{}, UDP, 302 * ms, 0, nil},
		{"forced datagrams", UDP, TCP, script{1 * ms, 2 * ms, nil}, script{0, 1 * ms, nil}, UDP, 2 * ms, -1, nil},
		{"forced streams", TCP, Auto, script{1 * ms, 2 * ms, nil}, script{0, 5 * ms, nil}, TCP, 5 * ms, 0, nil},
		{"nobody there", Auto, Auto, script{}, script{}, "", dialLimit, 300 * ms, context.DeadlineExceeded},
		{"nobody there, streams refused", Auto, Auto, script{}, script{0, 1 * ms, boom}, "", dialLimit, 300 * ms, boom},
		{"both fail", Auto, Auto, script{0, 1 * ms, boom}, script{0, 1 * ms, errors.New("later")}, "", 2 * ms, 1 * ms, boom},
		{"the wrong mode", Auto, Auto, script{0, 1 * ms, mode}, script{0, 1 * ms, nil}, "", 1 * ms, -1, transport.ErrRefused},
		{"full there", Auto, Auto, script{0, 1 * ms, full}, script{0, 1 * ms, boom}, "", 2 * ms, 1 * ms, full},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, winner, took, err := scriptedRace(t, c.via, c.last, map[Transport]script{UDP: c.udp, TCP: c.tcp})
				if winner != c.winner && !(c.winner == "either" && winner != "") {
					t.Errorf("won by %q, want %q", winner, c.winner)
				}
				if took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
				if at, ok := began[TCP]; ok != (c.tcpBegan >= 0) || ok && at != c.tcpBegan {
					t.Errorf("the stream began at %v (%v), want %v", at, ok, c.tcpBegan)
				}
				if !errors.Is(err, c.err) {
					t.Errorf("error %v, want %v", err, c.err)
				}
			})
		})
	}
}

func TestPlan(t *testing.T) {
	addr := netip.MustParseAddr
	ts := sortTargets([]target{{addr("fe80::1%eth0"), 1, 2}, {addr("::ffff:10.0.0.5"), 1, 2}, {addr("10.0.0.6"), 0, 2}})
	var got string
	for _, a := range plan(Auto, ts, UDP) {
		got += fmt.Sprintf("%s %s %v\n", a.via, a.addr, a.after)
	}
	want := `udp 10.0.0.5:1 0s
udp [fe80::1%eth0]:1 100ms
tcp 10.0.0.5:2 300ms
tcp 10.0.0.6:2 400ms
tcp [fe80::1%eth0]:2 500ms
`
	if got != want {
		t.Errorf("plan:\n%swant:\n%s", got, want)
	}
	if as := plan(UDP, []target{{addr("10.0.0.6"), 0, 2}}, Auto); len(as) != 0 {
		t.Errorf("plan for a host without datagrams: %v", as)
	}
	if as := plan(Auto, make([]target, 100), Auto); len(as) != 0 {
		t.Errorf("plan for a host without ports: %v", as)
	}
}

func TestCarrierMemory(t *testing.T) {
	var m carrierMemory
	a := []target{{addr: netip.MustParseAddr("10.0.0.5")}}
	now := time.Now()
	m.note(a[0].addr, TCP, now)
	if got := m.last(a, now.Add(memory-1)); got != TCP {
		t.Errorf("just before the end: %v", got)
	}
	if got := m.last(a, now.Add(memory)); got != Auto {
		t.Errorf("after the end: %v", got)
	}
	for i := range 2 * maxMemory {
		m.note(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), UDP, now)
	}
	if len(m.seen) > maxMemory {
		t.Errorf("%d hosts remembered", len(m.seen))
	}
}
