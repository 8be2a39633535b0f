package udp

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"parley/transport"
)

// clientHello returns the datagram that a handshake begins with.
func clientHello(t *testing.T) (hello []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), flightInterval/2)
	defer cancel()
	f := newFlow(func(b []byte) error {
		hello = slices.Clone(b)
		return nil
	}, &net.UDPAddr{}, &net.UDPAddr{})
	handshake(ctx, f, true)
	if hello == nil {
		t.Fatal("no ClientHello")
	}
	return hello
}

// intruder is a machine with a socket and no manners.
type intruder struct {
	*rig
	pc   net.PacketConn
	host net.Addr
	mu   sync.Mutex
	got  [][]byte
	sent int
}

func (r *rig) intruder(addr string) *intruder {
	m := r.lan.Machine("mallory"+addr, addr+"/24")
	pc, err := m.ListenPacket(context.Background(), "udp4", ":666")
	if err != nil {
		r.t.Fatal(err)
	}
	x := &intruder{rig: r, pc: pc, host: net.UDPAddrFromAddrPort(r.at[1])}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for b := make([]byte, 2048); ; {
			n, _, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			x.mu.Lock()
			x.got = append(x.got, slices.Clone(b[:n]))
			x.mu.Unlock()
		}
	}()
	r.leaving = append(r.leaving, func() {
		pc.Close()
		<-done
	})
	return x
}

func (x *intruder) send(b []byte) {
	x.sent += len(b)
	x.pc.WriteTo(b, x.host)
}

// answers returns what has come since the last call, a while after.
func (x *intruder) answers() [][]byte {
	time.Sleep(10 * time.Millisecond)
	x.mu.Lock()
	defer x.mu.Unlock()
	got := x.got
	x.got = nil
	return got
}

// token begins as everybody does.
func (x *intruder) token(id uint64) token {
	x.t.Helper()
	x.send(appendHello(nil, hello{version: protocolVersion, mode: modeSecure, id: id}))
	for _, b := range x.answers() {
		if got, t, ok := parseRetry(b); ok && got == id {
			return t
		}
	}
	x.t.Fatal("no token")
	return token{}
}

// TestMadeUpTokens: a HELLO or SHAKE with a token that is not ours is a
// stranger's, and there is a limit on what strangers are told.
func TestMadeUpTokens(t *testing.T) {
	first := clientHello(t)
	onLAN(t, 2, false, goodLink, func(r *rig) {
		r.ends[1].Accept(canceled())
		x := r.intruder("10.0.0.66")
		for i := range 500 {
			made := token{1, byte(i), byte(i >> 8)}
			x.send(appendHello(nil, hello{version: protocolVersion, mode: modeSecure, id: uint64(i), token: made}))
			x.send(appendShake(nil, uint64(i), made, first))
			x.send(appendShake(nil, uint64(i), made, first[:20]))
			x.send(appendShake(nil, uint64(i), made, first)[:shakeSize-1])
		}
		if n := len(x.answers()); n != strangerBurst {
			t.Errorf("%d of 2,000 made-up tokens at once were answered, want %d", n, strangerBurst)
		}
		time.Sleep(10 * time.Second)
		size := 0
		x.sent = 0
		for i := range 5 {
			x.send(appendShake(nil, uint64(i), token{1}, first))
		}
		for _, b := range x.answers() {
			size += len(b)
		}
		if size == 0 || size*10 > x.sent {
			t.Errorf("%d bytes for %d", size, x.sent)
		}
	})
}

// TestStolenToken: a token is worth nothing from another address, for another
// id, or later.
func TestStolenToken(t *testing.T) {
	first := clientHello(t)
	onLAN(t, 2, false, goodLink, func(r *rig) {
		r.ends[1].Accept(canceled())
		x, thief := r.intruder("10.0.0.66"), r.intruder("10.0.0.67")
		good := x.token(1)
		thief.send(appendShake(nil, 1, good, first))
		x.send(appendShake(nil, 2, good, first))
		for who, got := range map[string][][]byte{"thief": thief.answers(), "another id": x.answers()} {
			if len(got) != 1 || got[0][0] != typeRetry {
				t.Errorf("%s: %d answers, want one RETRY", who, len(got))
			}
		}
		if n := len(r.ends[1].conns()); n != 0 {
			t.Errorf("%d handshakes", n)
		}
		time.Sleep(tokenLife + time.Second)
		x.send(appendShake(nil, 1, good, first))
		if got := x.answers(); len(got) != 1 || got[0][0] != typeRetry {
			t.Errorf("an old token: %d answers, want one RETRY", len(got))
		}
	})
}

// TestIDOfAnother: whoever uses the id of a conversation that is there gets
// nowhere and does no harm, at any stage of it.
func TestIDOfAnother(t *testing.T) {
	first := clientHello(t)
	bothModes(t, func(t *testing.T, plain bool) {
		onLAN(t, 2, plain, goodLink, func(r *rig) {
			x := r.intruder("10.0.0.66")
			mode := byte(modeSecure)
			if plain {
				mode = modePlaintext
			}
			a, b := r.connect()
			r.talk(a, b, 0, 10)
			x.send(appendHello(nil, hello{version: protocolVersion, mode: mode, id: a.id}))
			_, tok, ok := parseRetry(x.answers()[0])
			if !ok {
				t.Fatal("no token")
			}
			for range 20 {
				x.send(appendHello(nil, hello{version: protocolVersion, mode: mode, id: a.id, token: tok}))
				x.send(appendShake(nil, a.id, tok, first))
				for _, kind := range []byte{packetSealed, packetPlain, packetSealed | packetFromHost} {
					p := make([]byte, 100)
					p[0] = kind
					binary.BigEndian.PutUint64(p[1:], a.id)
					binary.BigEndian.PutUint32(p[9:], uint32(rand.Uint32()))
					x.send(p)
				}
				x.send(appendRefuse(nil, a.id, transport.ReasonFull))
				x.send(appendRetry(nil, a.id, token{1}))
			}
			size := 0
			for _, b := range x.answers() {
				size += len(b)
			}
			if size > x.sent {
				t.Errorf("%d bytes for %d", size, x.sent)
			}
			r.talk(a, b, 10, 30)
			r.talk(b, a, 0, 30)
			if n := len(r.ends[1].conns()); n != 1 || b.Peer().Addr != r.at[0] {
				t.Errorf("%d Conns, the member's at %v", n, b.Peer().Addr)
			}
		})
	})
}

// TestForgedRetries: RETRYs that are not the host's. Those that name no HELLO of
// ours do nothing. One that comes before the host's own costs a moment. Against
// somebody who sees the wire and answers each datagram with a hundred of them
// nothing helps, but it costs the member no more than a few tokens tried, and
// when it ends he gets in.
func TestForgedRetries(t *testing.T) {
	for _, c := range []struct {
		name          string
		blind         bool
		forgeries     int // before each of the host's answers
		lasts, within time.Duration
	}{
		{"blind", true, 100, time.Hour, 50 * time.Millisecond},
		{"one", false, 1, time.Millisecond, 200 * time.Millisecond},
		{"storm", false, 100, 2 * time.Second, handshakeTime + time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			bothModes(t, func(t *testing.T, plain bool) {
				onLAN(t, 2, plain, goodLink, func(r *rig) {
					random, begin := rand.New(rand.NewPCG(1, 1)), time.Now()
					tried := map[uint64]map[token]bool{}
					var mu sync.Mutex
					r.taps[0].watch(func(b []byte, to netip.AddrPort) bool {
						mu.Lock()
						defer mu.Unlock()
						h, ok := parseHello(b)
						if i, t, _, isShake := parseShake(b); isShake {
							h.id, h.token, ok = i, t, true
						}
						if !ok {
							return true
						}
						if tried[h.id] == nil {
							tried[h.id] = map[token]bool{}
						}
						tried[h.id][h.token] = true
						for range c.forgeries {
							var made token
							binary.BigEndian.PutUint64(made[:], random.Uint64())
							id := h.id
							if c.blind {
								id = random.Uint64()
							}
							if time.Since(begin) < c.lasts {
								r.taps[1].PacketConn.WriteTo(appendRetry(nil, id, made), net.UDPAddrFromAddrPort(r.at[0]))
							}
						}
						return true
					})
					a, b := r.connect()
					took := time.Since(begin)
					r.talk(a, b, 0, 10)
					t.Logf("connected after %v", took)
					if took > c.within {
						t.Errorf("connected after %v", took)
					}
					mu.Lock()
					defer mu.Unlock()
					for _, tokens := range tried {
						if len(tokens) > 1+1+maxRetries { // none, the first, and those after it
							t.Errorf("%d tokens were tried in one attempt", len(tokens))
						}
					}
				})
			})
		})
	}
}

// TestClass: everybody behind one address connects at once.
func TestClass(t *testing.T) {
	bothModes(t, func(t *testing.T, plain bool) {
		onLAN(t, 2, plain, goodLink, func(r *rig) {
			const pupils = 30
			go func() {
				for {
					if _, err := r.ends[1].Accept(context.Background()); err != nil {
						return
					}
				}
			}()
			for round := range 3 {
				var all sync.WaitGroup
				var worst atomic.Int64
				begin := time.Now()
				for range pupils {
					all.Go(func() {
						c, err := r.dialFor(0, 10*time.Second)
						if err != nil {
							t.Errorf("round %d: %v", round, err)
							return
						}
						worst.Store(max(worst.Load(), int64(time.Since(begin))))
						c.Close()
					})
				}
				all.Wait()
				t.Logf("round %d of %d from one address: %v", round, pupils, time.Duration(worst.Load()))
				if took := time.Duration(worst.Load()); took > 4*time.Second {
					t.Errorf("round %d: %v", round, took)
				}
				time.Sleep(time.Second)
			}
		})
	})
}

// TestHalfOpenCrowd: handshakes that are begun and not continued, from more
// addresses than there are places, keep nobody out.
func TestHalfOpenCrowd(t *testing.T) {
	first := clientHello(t)
	onLAN(t, 2, false, goodLink, func(r *rig) {
		host := r.ends[1]
		host.Accept(canceled())
		var crowd []*intruder
		for i := range 40 {
			crowd = append(crowd, r.intruder(fmt.Sprintf("10.0.0.%d", 100+i)))
		}
		over := make(chan struct{})
		var all sync.WaitGroup
		for i, x := range crowd {
			all.Go(func() {
				for n := uint64(0); ; n++ {
					select {
					case <-over:
						return
					case <-time.After(startInterval):
					}
					x.send(appendShake(nil, n, x.token(uint64(i)<<32|n), first))
					x.send(appendShake(nil, uint64(i)<<32|n, x.token(uint64(i)<<32|n), first))
				}
			})
		}
		time.Sleep(time.Second)
		for n := range 20 {
			begin := time.Now()
			c, err := r.dialFor(0, 5*time.Second)
			if err != nil {
				t.Fatalf("honest dial %d: %v", n, err)
			}
			if took := time.Since(begin); took > 500*time.Millisecond {
				t.Errorf("honest dial %d took %v", n, took)
			}
			c.Close()
			time.Sleep(100 * time.Millisecond)
		}
		host.mu.Lock()
		places := len(host.limiter.halfOpen)
		host.mu.Unlock()
		if places < maxHalfOpen/2 || places > maxHalfOpen {
			t.Errorf("%d places are taken: nothing is proved", places)
		}
		close(over)
		all.Wait()
		time.Sleep(handshakeTime + time.Second)
		synctest.Wait()
		if n := len(host.conns()); n > 20 {
			t.Errorf("%d Conns are left", n)
		}
	})
}

// A handshake that the host has forgotten, because in a crowd somebody else got
// its place, is begun anew soon and not when its time is over.
func TestForgottenHandshake(t *testing.T) {
	onLAN(t, 2, false, goodLink, func(r *rig) {
		var mu sync.Mutex
		var ids []uint64
		r.taps[1].watch(func(b []byte, to netip.AddrPort) bool {
			id, _, _, ok := parseShake(b)
			if !ok {
				return true
			}
			mu.Lock()
			defer mu.Unlock()
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
			return id != ids[0]
		})
		begin := time.Now()
		a, b := r.connect()
		took := time.Since(begin)
		r.talk(a, b, 0, 10)
		mu.Lock()
		defer mu.Unlock()
		if len(ids) != 2 || took < shakeSilence || took > 2*shakeSilence {
			t.Errorf("connected after %v and %d handshakes", took, len(ids))
		}
	})
}
