package udp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"parley/transport"
	"parley/transport/transporttest"
)

// A handshakeCase is one of the ways in which a conversation may begin badly.
type handshakeCase struct {
	fault string // what the network does
	way   string // to whom
	token string
	first string // who speaks first
	plain bool
}

func (c handshakeCase) String() string {
	mode := "secure"
	if c.plain {
		mode = "plaintext"
	}
	return fmt.Sprintf("%s %s, token %s, %s first, %s", c.fault, c.way, c.token, c.first, mode)
}

func handshakeCases() (all []handshakeCase) {
	for _, plain := range []bool{false, true} {
		for _, token := range []string{"fresh", "expired", "another's"} {
			for _, first := range []string{"member", "host", "nobody"} {
				for _, way := range []string{"to host", "to member", "both"} {
					for _, fault := range []string{"drop 1", "drop 3", "drop a third", "reorder", "duplicate", "corrupt"} {
						all = append(all, handshakeCase{fault, way, token, first, plain})
					}
				}
			}
		}
	}
	return all
}

// within is how long the fault may delay the beginning.
func (c handshakeCase) within() (limit time.Duration) {
	switch limit = 5 * time.Second; c.fault {
	case "drop 1":
		limit = 1300 * time.Millisecond
	case "drop 3":
		limit = 7500 * time.Millisecond
	case "drop a third":
		limit = 10 * time.Second
	}
	if c.token == "expired" {
		limit += staleAfter + 500*time.Millisecond // one round more
	}
	return limit
}

// staleAfter is when an expired token arrives.
const staleAfter = tokenLife + 600*time.Millisecond

// TestHandshakeMatrix begins a conversation in each of the 324 ways.
func TestHandshakeMatrix(t *testing.T) {
	slowest, damaged := map[string]time.Duration{}, map[string]int{}
	var stale time.Duration
	for i, c := range handshakeCases() {
		onLAN(t, 2, c.plain, transporttest.Link{Delay: time.Millisecond}, func(r *rig) {
			dropped := c.damage(r, uint64(i))
			defer func() {
				n := r.lan.Counts()
				damaged[c.fault] += dropped() + n.Reordered + n.Duplicated + n.Corrupted
			}()
			if c.token == "another's" {
				c.expectSilence(r)
				return
			}
			old := c.tokens(r)
			begin := time.Now()
			a, b := r.connect()
			took := time.Since(begin)
			if took > c.within() {
				t.Errorf("%v: it took %v", c, took)
			}
			if c.token == "fresh" {
				slowest[c.fault] = max(slowest[c.fault], took)
			} else {
				stale = max(stale, took-staleAfter)
			}
			if rounds := old(); c.token == "expired" && (rounds < 1 || rounds > 1 && c.fault != "drop a third" && c.fault != "corrupt") {
				t.Errorf("%v: %d rounds more", c, rounds)
			}
			switch c.first {
			case "member":
				r.talk(a, b, 0, 5)
				r.talk(b, a, 0, 5)
			case "host":
				r.talk(b, a, 0, 5)
				r.talk(a, b, 0, 5)
			case "nobody":
				time.Sleep(40 * time.Second)
				if s := a.Stats(); s.Silent > 0 {
					t.Errorf("%v: silent for %v", c, s.Silent)
				}
			}
			if err := errors.Join(a.Close(), b.Close()); err != nil {
				t.Errorf("%v: close: %v", c, err)
			}
		})
		if t.Failed() {
			t.Fatalf("case %d: %v", i, c)
		}
	}
	t.Logf("slowest: %v; after an expired token: %v", slowest, stale)
	for fault := range slowest {
		if damaged[fault] < 50 {
			t.Errorf("%s: only %d datagrams suffered it", fault, damaged[fault])
		}
	}
}

// damage sets up the fault. It returns how many datagrams it dropped.
func (c handshakeCase) damage(r *rig, seed uint64) (dropped func() int) {
	link := transporttest.Link{Delay: time.Millisecond}
	var count atomic.Int64
	drop := 0
	switch c.fault {
	case "drop 1":
		drop = 1
	case "drop 3":
		drop = 3
	case "reorder":
		link.Reorder = 0.5
	case "duplicate":
		link.Dup = 1
	case "corrupt":
		link.Corrupt = 0.08
	}
	for i, way := range []string{"to host", "to member"} {
		if c.way != way && c.way != "both" {
			continue
		}
		r.lan.Set(r.hosts[i], r.hosts[1-i], link)
		random, n, row := rand.New(rand.NewPCG(seed, uint64(i))), 0, 0
		r.taps[i].watch(func([]byte, netip.AddrPort) bool {
			n++
			if c.fault == "drop a third" && random.IntN(3) == 0 && row < 10 {
				row++
				count.Add(1)
				return false
			}
			row = 0
			if n <= drop {
				count.Add(1)
			}
			return n > drop
		})
	}
	return func() int { return int(count.Load()) }
}

// also has a tap do something besides what it does.
func (s *tap) also(out func(b []byte, to netip.AddrPort) bool) {
	s.mu.Lock()
	before := s.out
	s.mu.Unlock()
	s.watch(func(b []byte, to netip.AddrPort) bool {
		return out(b, to) && (before == nil || before(b, to))
	})
}

// tokens holds back the host's first token until it is too old, if that is the
// case; no other one arrives before. It returns how many rounds it took more.
func (c handshakeCase) tokens(r *rig) (rounds func() int) {
	begin := time.Now()
	tokens := map[string]bool{}
	r.taps[0].also(func(b []byte, _ netip.AddrPort) bool {
		if h, ok := parseHello(b); ok {
			if h.token != (token{}) {
				tokens[string(h.token[:])] = true
			}
		} else if _, t, _, ok := parseShake(b); ok {
			tokens[string(t[:])] = true
		}
		return true
	})
	if c.token != "expired" {
		return func() int { return 0 }
	}
	var first []byte
	r.taps[1].also(func(b []byte, to netip.AddrPort) bool {
		if b[0] != typeRetry || time.Since(begin) > staleAfter {
			return true
		}
		if first == nil {
			first = slices.Clone(b)
			time.AfterFunc(staleAfter, func() { r.taps[1].PacketConn.WriteTo(first, net.UDPAddrFromAddrPort(to)) })
		}
		return false
	})
	return func() int {
		r.taps[0].mu.Lock()
		defer r.taps[0].mu.Unlock()
		return len(tokens) - 1
	}
}

// expectSilence: the token that the member gets is good for another address.
// Nothing comes of it.
func (c handshakeCase) expectSilence(r *rig) {
	other := netip.MustParseAddrPort("10.0.0.66:7667")
	host, answers := r.ends[1], 0
	r.taps[1].also(func(b []byte, _ netip.AddrPort) bool {
		id, _, ok := parseRetry(b)
		if !ok {
			answers++
			return true
		}
		// The reader sends RETRYs, and the gate is the reader's.
		t := host.gate.token(host.time(), other, id, [2]byte{protocolVersion, host.mode()})
		copy(b, appendRetry(nil, id, t))
		return true
	})
	go host.Accept(r.t.Context())
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	_, err := r.ends[0].Dial(ctx, r.at[1])
	r.taps[1].mu.Lock()
	defer r.taps[1].mu.Unlock()
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, transport.ErrRefused) {
		r.t.Errorf("%v: dial: %v", c, err)
	}
	if answers > 0 || len(host.conns()) > 0 {
		r.t.Errorf("%v: %d datagrams besides RETRY, %d Conns", c, answers, len(host.conns()))
	}
}
