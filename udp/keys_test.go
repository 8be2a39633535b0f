package udp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A path carries datagrams between a client (0) and a server (1): late by 0.5 to
// 1.5 ms, so that they overtake each other, and with losses.
type path struct {
	loss   float64
	random *rand.Rand
	mu     sync.Mutex
	sent   int
	to     [2]func([]byte)

	arrival sync.Mutex
	// before, if not nil, sees each datagram just before it arrives, to
	// put others in its way.
	before func(receiver int, genuine []byte)
}

func newPath(seed uint64, loss float64) *path {
	return &path{loss: loss, random: rand.New(rand.NewPCG(seed, 1))}
}

// send sends from one end to the other.
func (p *path) send(sender int, b []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent++
	delay := 500*time.Microsecond + time.Duration(p.random.Int64N(int64(time.Millisecond)))
	if p.random.Float64() < p.loss {
		return nil
	}
	receiver, b := 1-sender, slices.Clone(b)
	time.AfterFunc(delay, func() {
		p.arrival.Lock() // one datagram after the other
		defer p.arrival.Unlock()
		if p.before != nil {
			p.before(receiver, b)
		}
		p.to[receiver](b)
	})
	return nil
}

var (
	clientAddr = netip.MustParseAddrPort("192.0.2.1:4001")
	serverAddr = netip.MustParseAddrPort("192.0.2.2:7667")
)

// testHost is the least a host does with the parts of this file's package, from
// HELLO to the first sealed packet. One handshake at a time.
type testHost struct {
	p     *path
	gate  gate
	limit limiter
	place *place

	mu       sync.Mutex
	flow     *flow
	id       uint64
	token    token
	wait     chan struct{} // the handshake's goroutine has ended
	keys     *keying
	sealer   *sealer
	early    [][]byte // sealed packets before there were keys
	repeated time.Time
	next     uint64
	opened   int
	err      error
	retries  int
}

const testHeader = 13 // flags 1, id 8, number 4

func testPacket(id, number uint64, text string) []byte {
	b := make([]byte, testHeader, 256)
	b[0] = 0x40
	for i := range 8 {
		b[1+i] = byte(id >> (56 - 8*i))
	}
	for i := range 4 {
		b[9+i] = byte(number >> (24 - 8*i))
	}
	return append(b, text...)
}

func testNumber(b []byte) (n uint64) {
	for _, x := range b[9:13] {
		n = n<<8 | uint64(x)
	}
	return n
}

func (h *testHost) receive(b []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	params := [2]byte{protocolVersion, modeSecure}
	if hello, ok := parseHello(b); ok {
		h.retries++
		h.p.send(1, appendRetry(nil, hello.id, h.gate.token(now, clientAddr, hello.id, params)))
		return
	}
	if id, tok, dtls, ok := parseShake(b); ok && h.gate.check(now, clientAddr, id, params, tok) {
		if h.flow == nil && h.limit.allow(now, clientAddr.Addr()) {
			if h.place, _ = h.limit.enter(clientAddr.Addr(), nil); h.place != nil {
				h.begin(id, tok)
			}
		}
		if id != h.id {
			return
		}
		h.flow.deliver(dtls)
		if h.keys != nil && passes(dtls, fromClient) && now.Sub(h.repeated) >= flightInterval/2 {
			h.repeated = now
			h.p.send(1, appendShake(nil, id, token{}, h.keys.last))
		}
		return
	}
	if len(b) > testHeader && b[0]&^phaseMask == 0x40 {
		if h.sealer == nil && len(h.early) < 8 {
			h.early = append(h.early, slices.Clone(b))
		}
		h.open(b)
	}
}

func (h *testHost) begin(id uint64, tok token) {
	h.id, h.token, h.wait = id, tok, make(chan struct{})
	h.flow = newFlow(func(b []byte) error {
		return h.p.send(1, appendShake(nil, id, token{}, b))
	}, &net.UDPAddr{}, &net.UDPAddr{})
	go func() {
		defer close(h.wait)
		ctx, cancel := context.WithTimeout(context.Background(), handshakeTime)
		defer cancel()
		k, err := handshake(ctx, h.flow, false)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.limit.leave(h.place)
		if h.err = err; err != nil {
			return
		}
		h.keys = &k
		h.sealer, h.err = newSealer(k, admissionHash(protocolVersion, modeSecure, id, tok), false)
		for _, b := range h.early {
			h.open(b)
		}
	}()
}

// open answers every sealed packet by one of its own.
func (h *testHost) open(b []byte) {
	if h.sealer == nil {
		return
	}
	if _, ok := h.sealer.open(b, testHeader, testNumber(b)); ok {
		h.opened++
		h.p.send(1, h.sealer.seal(testPacket(h.id, h.next, "hello, member"), testHeader, h.next))
		h.next++
	}
}

// testDial is what a client does; it returns when a sealed packet has gone both ways.
func testDial(ctx context.Context, p *path, id uint64) (keying, error) {
	in := make(chan []byte, 256)
	stop := make(chan struct{})
	defer close(stop)
	p.mu.Lock()
	p.to[0] = func(b []byte) {
		select {
		case in <- slices.Clone(b):
		default:
		}
	}
	p.mu.Unlock()
	repeat := time.NewTicker(flightInterval)
	defer repeat.Stop()

	var tok token
	for ask := appendHello(nil, hello{version: protocolVersion, mode: modeSecure, id: id}); tok == (token{}); {
		p.send(0, ask)
		select {
		case b := <-in:
			if got, t, ok := parseRetry(b); ok && got == id {
				tok = t
			}
		case <-repeat.C:
		case <-ctx.Done():
			return keying{}, ctx.Err()
		}
	}

	f := newFlow(func(b []byte) error { return p.send(0, appendShake(nil, id, tok, b)) }, &net.UDPAddr{}, &net.UDPAddr{})
	sealed := make(chan []byte, 16)
	go func() {
		for {
			select {
			case b := <-in:
				if got, _, dtls, ok := parseShake(b); ok {
					if got == id {
						f.deliver(dtls)
					}
				} else if len(b) > testHeader && b[0]&^phaseMask == 0x40 {
					select {
					case sealed <- b:
					default:
					}
				}
			case <-stop:
				return
			}
		}
	}()
	k, err := handshake(ctx, f, true)
	if err != nil {
		return keying{}, err
	}
	s, err := newSealer(k, admissionHash(protocolVersion, modeSecure, id, tok), true)
	if err != nil {
		return keying{}, err
	}
	for number := uint64(0); ; number++ {
		p.send(0, s.seal(testPacket(id, number, "hello, host"), testHeader, number))
		for again := false; !again; {
			select {
			case b := <-sealed:
				if text, ok := s.open(b, testHeader, testNumber(b)); ok && string(text) == "hello, member" {
					return k, nil
				}
			case <-repeat.C:
				again = true
			case <-ctx.Done():
				return k, ctx.Err()
			}
		}
	}
}

// meet lets a client and a host meet over p, in a bubble, and returns how long
// it took. The bubble cannot be left while a goroutine of the handshakes runs.
func meet(t *testing.T, p *path, limit time.Duration) (h *testHost, took time.Duration, err error) {
	h = &testHost{p: p}
	p.to[1] = h.receive
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	start := time.Now()
	k, err := testDial(ctx, p, 0x1122334455667788)
	took = time.Since(start)
	time.Sleep(handshakeTime + time.Second) // everything on the way arrives, everything started ends
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		if h.keys == nil || h.keys.secret != k.secret || h.keys.binding != k.binding {
			t.Errorf("the two ends do not agree on the keys")
		}
		if k.secret == k.binding || k.secret == ([32]byte{}) {
			t.Errorf("weak keys")
		}
	}
	if n := len(h.limit.halfOpen); n != 0 {
		t.Errorf("%d handshakes are still counted", n)
	}
	return h, took, err
}

func TestHandshakeUnderLoss(t *testing.T) {
	for _, loss := range []float64{0, 0.1, 0.2, 0.4} {
		t.Run(fmt.Sprintf("%.0f%%", loss*100), func(t *testing.T) {
			var times []time.Duration
			datagrams := 0
			for seed := range uint64(seeds) {
				synctest.Test(t, func(t *testing.T) {
					p := newPath(seed, loss)
					h, took, err := meet(t, p, handshakeTime)
					if err != nil {
						t.Errorf("seed %d: %v", seed, err)
					}
					if h.opened == 0 {
						t.Errorf("seed %d: the host opened no packet", seed)
					}
					times = append(times, took)
					datagrams += p.sent
				})
			}
			slices.Sort(times)
			var sum time.Duration
			for _, d := range times {
				sum += d
			}
			n := len(times)
			t.Logf("%d handshakes, from HELLO to sealed packets both ways: mean %v, p95 %v, worst %v; %.1f datagrams each",
				n, (sum / time.Duration(n)).Round(100*time.Microsecond), times[n*95/100].Round(100*time.Microsecond),
				times[n-1].Round(100*time.Microsecond), float64(datagrams)/float64(n))
		})
	}
}

// TestHandshakeIsWhole looks at the datagrams of an undisturbed handshake: the
// filter's strictness rests on what they are.
func TestHandshakeIsWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPath(1, 0)
		var dtls [2][][]byte
		p.before = func(receiver int, b []byte) {
			if len(b) > helloSize {
				t.Errorf("a datagram of %d bytes", len(b))
			}
			if _, _, d, ok := parseShake(b); ok {
				dtls[1-receiver] = append(dtls[1-receiver], d)
			}
		}
		h, _, err := meet(t, p, handshakeTime)
		if err != nil {
			t.Fatal(err)
		}
		if len(dtls[0]) != 2 || len(dtls[1]) != 2 {
			t.Fatalf("%d datagrams from the client and %d from the server, not 2 and 2", len(dtls[0]), len(dtls[1]))
		}
		for side, flights := range dtls {
			for i, d := range flights {
				t.Logf("side %d, flight %d: %d bytes", side, i, len(d))
				if !passes(d, sender(side)) || passes(d, sender(1-side)) && i == 0 {
					t.Errorf("side %d, flight %d: judged wrongly by the filter", side, i)
				}
			}
		}
		if string(h.keys.last) != string(dtls[1][1]) {
			t.Error("the copy of the last flight is not the last flight")
		}
		if h.retries != 1 {
			t.Errorf("%d RETRYs", h.retries)
		}
	})
}

func sender(i int) side { return [2]side{fromClient, fromServer}[i] }

// TestSilentPeer: a handshake with nobody ends with its context and leaves
// nothing behind, on either side, also when the first flight did come.
func TestSilentPeer(t *testing.T) {
	var clientHello []byte
	for _, client := range []bool{true, false} {
		for _, spoken := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				sent := 0
				f := newFlow(func(b []byte) error {
					sent++
					if client {
						clientHello = slices.Clone(b)
					}
					return nil
				}, &net.UDPAddr{}, &net.UDPAddr{})
				if spoken && !client {
					if !f.deliver(clientHello) {
						t.Fatal("the ClientHello was not taken")
					}
				}
				ctx, cancel := context.WithTimeout(t.Context(), handshakeTime)
				defer cancel()
				start := time.Now()
				_, err := handshake(ctx, f, client)
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("client %v: error %v", client, err)
				}
				if took := time.Since(start); took != handshakeTime {
					t.Errorf("client %v: ended after %v", client, took)
				}
				if limit := int(handshakeTime/flightInterval) + 1; sent > limit {
					t.Errorf("client %v: %d datagrams to a silent peer", client, sent)
				}
				before := sent
				time.Sleep(time.Minute)
				synctest.Wait() // the bubble fails if a goroutine is left
				if sent != before {
					t.Errorf("client %v: it still sends", client)
				}
				if f.deliver(clientHello) {
					t.Error("a closed flow took a datagram")
				}
			})
		}
	}
}

// TestHandshakeCancelled: the context ends it at once, in every state.
func TestHandshakeCancelled(t *testing.T) {
	for after := time.Duration(0); after < 8*time.Millisecond; after += 500 * time.Microsecond {
		synctest.Test(t, func(t *testing.T) {
			p := newPath(3, 0)
			_, took, err := meet(t, p, after)
			if err == nil {
				t.Logf("finished in %v, before %v", took, after)
			} else if !errors.Is(err, context.DeadlineExceeded) || took > after {
				t.Errorf("cancelled after %v: %v after %v", after, err, took)
			}
		})
	}
}

// BenchmarkKeys is the DTLS handshake alone, both ends of it.
func BenchmarkKeys(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		var client, server *flow
		client = newFlow(func(d []byte) error { server.deliver(d); return nil }, &net.UDPAddr{}, &net.UDPAddr{})
		server = newFlow(func(d []byte) error { client.deliver(d); return nil }, &net.UDPAddr{}, &net.UDPAddr{})
		done := make(chan error)
		go func() {
			_, err := handshake(b.Context(), server, false)
			done <- err
		}()
		if _, err := handshake(b.Context(), client, true); err != nil {
			b.Fatal(err)
		}
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHandshake is all that it takes to begin a Conn over loopback, both
// ends of it, from HELLO to the proofs of identity.
func BenchmarkHandshake(b *testing.B) {
	for name, plain := range map[string]bool{"secure": false, "plaintext": true} {
		b.Run(name, func(b *testing.B) {
			var ends [2]*Endpoint
			for i := range ends {
				pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
				if err != nil {
					b.Fatal(err)
				}
				ends[i] = &Endpoint{Socket: pc, Plaintext: plain}
				defer ends[i].Close()
			}
			at := ends[1].Socket.LocalAddr().(*net.UDPAddr).AddrPort()
			ends[1].Accept(canceled()) // so that it answers
			b.ReportAllocs()
			for b.Loop() {
				c, err := ends[0].Dial(b.Context(), at)
				if err != nil {
					b.Fatal(err)
				}
				d, err := ends[1].Accept(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				c.Close()
				d.Close()
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "joins/s")
		})
	}
}
