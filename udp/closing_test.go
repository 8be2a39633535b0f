package udp

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/transport"
	"parley/transport/transporttest"
)

// timed runs f and returns its error and how long it took.
func timed(f func() error) (time.Duration, error) {
	begin := time.Now()
	err := f()
	return time.Since(begin), err
}

func (r *rig) fill(c *Conn) (n int) {
	r.t.Helper()
	for ; n < 100_000; n++ {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		err := c.Send(ctx, simMessage(n, 2000))
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return n
		}
		if err != nil {
			r.t.Fatal(err)
		}
	}
	r.t.Fatal("there is no end of room")
	return 0
}

// TestCloseBadly closes in every state that a peer can be in.
func TestCloseBadly(t *testing.T) {
	bothModes(t, func(t *testing.T, plain bool) {
		for name, c := range map[string]struct {
			before func(r *rig, a, b *Conn)
			lost   bool
			within time.Duration
		}{
			"peer dead, nothing under way": {func(r *rig, a, b *Conn) { r.hosts[1].Kill() }, false, 0},
			"peer dead, a message under way": {func(r *rig, a, b *Conn) {
				r.hosts[1].Kill()
				a.Send(context.Background(), []byte("anybody?"))
			}, true, 4 * time.Second},
			"peer gone dark for a second": {func(r *rig, a, b *Conn) {
				r.lan.Cut(r.hosts[0], r.hosts[1], true)
				a.Send(context.Background(), []byte("patience"))
				time.AfterFunc(time.Second, func() { r.lan.Cut(r.hosts[0], r.hosts[1], false) })
			}, false, 3 * time.Second},
			"peer does not read": {func(r *rig, a, b *Conn) { r.fill(a) }, true, closeWithin},
			"peer reads slowly": {func(r *rig, a, b *Conn) {
				r.fill(a)
				go func() {
					for {
						if _, err := b.Receive(context.Background()); err != nil {
							return
						}
						time.Sleep(10 * time.Millisecond)
					}
				}()
			}, false, 5 * time.Second},
			"peer has closed": {func(r *rig, a, b *Conn) {
				b.Close()
				time.Sleep(time.Second)
			}, false, 0},
			"peer closes, too": {func(r *rig, a, b *Conn) {
				a.Send(context.Background(), []byte("hello"))
				go b.Close()
			}, false, time.Second},
			"both full, both close": {func(r *rig, a, b *Conn) {
				r.fill(a)
				r.fill(b)
				go b.Close()
			}, false, time.Second},
		} {
			t.Run(name, func(t *testing.T) {
				onLAN(t, 2, plain, goodLink, func(r *rig) {
					a, b := r.connect()
					r.talk(a, b, 0, 5)
					r.talk(b, a, 0, 5)
					time.Sleep(time.Second)
					c.before(r, a, b)
					took, err := timed(a.Close)
					if (err != nil) != c.lost || c.lost && !errors.Is(err, transport.ErrLost) {
						t.Errorf("Close: %v", err)
					}
					if took > c.within {
						t.Errorf("Close took %v", took)
					}
					if _, err := a.Receive(context.Background()); !errors.Is(err, net.ErrClosed) {
						t.Errorf("Receive after Close: %v", err)
					}
					time.Sleep(15 * time.Second)
					if left := r.ends[0].conns(); len(left) > 0 {
						t.Errorf("%d Conns are left, stage %d", len(left), left[0].link.stage)
					}
				})
			})
		}
	})
}

const closeWithin = time.Duration(closeLimit) + 100*time.Millisecond

// TestCloseWhileDialing ends an endpoint at any moment of a dial, either end's.
func TestCloseWhileDialing(t *testing.T) {
	bothModes(t, func(t *testing.T, plain bool) {
		for after := time.Duration(0); after < 8*time.Millisecond; after += 250 * time.Microsecond {
			for end := range 2 {
				onLAN(t, 2, plain, goodLink, func(r *rig) {
					accepted := make(chan error, 1)
					go func() {
						c, err := r.ends[1].Accept(context.Background())
						if err == nil {
							_, err = c.Receive(context.Background())
						}
						accepted <- err
					}()
					dialed := make(chan error, 1)
					go func() {
						c, err := r.dialFor(0, 3*time.Second)
						if err == nil {
							_, err = c.Receive(context.Background())
						}
						dialed <- err
					}()
					time.Sleep(after)
					took, err := timed(r.ends[end].Close)
					if err != nil || took > time.Second {
						t.Errorf("after %v: Close took %v: %v", after, took, err)
					}
					took, err = timed(func() error { return <-[]chan error{dialed, accepted}[end] })
					if took > time.Second || !errors.Is(err, net.ErrClosed) {
						t.Errorf("after %v: end %d ended %v later: %v", after, end, took, err)
					}
					if end == 1 {
						<-dialed
					}
					r.ends[1-end].Close()
					if end == 0 {
						<-accepted
					}
				})
			}
		}
	})
}

// TestEndpointClose: every Conn of it says goodbye, and delivers what it took.
func TestEndpointClose(t *testing.T) {
	bothModes(t, func(t *testing.T, plain bool) {
		onLAN(t, 2, plain, goodLink, func(r *rig) {
			const n = 40
			var members []*Conn
			for range n {
				time.Sleep(startInterval)
				a, b := r.connect()
				members = append(members, a)
				if err := b.Send(context.Background(), []byte("last words")); err != nil {
					t.Fatal(err)
				}
			}
			took, err := timed(r.ends[1].Close)
			if err != nil || took > 2*time.Second {
				t.Errorf("Close took %v: %v", took, err)
			}
			for i, c := range members {
				if msg, err := c.Receive(context.Background()); string(msg) != "last words" {
					t.Errorf("member %d: %q, %v", i, msg, err)
				}
				if _, err := c.Receive(context.Background()); !errors.Is(err, io.EOF) {
					t.Errorf("member %d: %v, want EOF", i, err)
				}
			}
			if _, err := r.ends[1].Accept(context.Background()); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Accept after Close: %v", err)
			}
			if _, err := r.ends[1].Dial(context.Background(), r.at[0]); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Dial after Close: %v", err)
			}
		})
	})
}

// TestSocketClosed: somebody else closes the socket. Everything ends, soon and
// with a reason.
func TestSocketClosed(t *testing.T) {
	bothModes(t, func(t *testing.T, plain bool) {
		onLAN(t, 2, plain, goodLink, func(r *rig) {
			a, b := r.connect()
			r.fill(a)
			ended := make(chan error, 4)
			go func() { ended <- a.Send(context.Background(), simMessage(0, 5000)) }()
			go func() {
				_, err := a.Receive(context.Background())
				ended <- err
			}()
			go func() {
				_, err := r.ends[0].Accept(context.Background())
				ended <- err
			}()
			go func() {
				_, err := r.ends[0].Dial(context.Background(), netip.MustParseAddrPort("10.0.0.9:7667"))
				ended <- err
			}()
			time.Sleep(time.Millisecond)
			r.taps[0].PacketConn.Close()
			for range 4 {
				took, err := timed(func() error { return <-ended })
				if took > time.Second || !errors.Is(err, transport.ErrLost) {
					t.Errorf("%v later: %v", took, err)
				}
			}
			if _, err := r.ends[0].Dial(context.Background(), r.at[1]); !errors.Is(err, transport.ErrLost) {
				t.Errorf("Dial: %v", err)
			}
			if took, _ := timed(a.Close); took > 0 {
				t.Errorf("Close took %v", took)
			}
			go b.Close()
			if took, _ := timed(r.ends[0].Close); took > 0 {
				t.Errorf("the endpoint's Close took %v", took)
			}
		})
	})
}

// TestNobodyLeftOver opens and closes many Conns at once, over sockets of the
// system, and looks for goroutines.
func TestNobodyLeftOver(t *testing.T) {
	bothModes(t, func(t *testing.T, plain bool) {
		transporttest.NoLeaks(t)
		var ends [2]*Endpoint
		for i := range ends {
			pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ends[i] = &Endpoint{Socket: pc, Plaintext: plain}
			defer ends[i].Close()
		}
		to := ends[1].Socket.LocalAddr().(*net.UDPAddr).AddrPort()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		const dialers, each = 6, 5
		var all sync.WaitGroup
		for range dialers {
			all.Go(func() {
				for range each {
					c, err := ends[0].Dial(ctx, to)
					if err != nil {
						t.Errorf("dial: %v", err)
						return
					}
					var talk sync.WaitGroup
					for range 3 {
						talk.Go(func() {
							for {
								if err := c.Send(ctx, []byte("hello")); err != nil {
									return
								}
							}
						})
					}
					for range 5 {
						if _, err := c.Receive(ctx); err != nil {
							t.Errorf("receive: %v", err)
						}
					}
					c.(*Conn).Stats()
					c.Peer()
					if err := c.Close(); err != nil && ctx.Err() == nil {
						t.Errorf("close: %v", err)
					}
					talk.Wait()
				}
			})
		}
		for range dialers {
			all.Go(func() {
				for range each {
					c, err := ends[1].Accept(ctx)
					if err != nil {
						t.Errorf("accept: %v", err)
						return
					}
					all.Go(func() {
						defer c.Close()
						for {
							msg, err := c.Receive(ctx)
							if err != nil {
								return
							}
							if err := c.Send(ctx, msg); err != nil {
								return
							}
						}
					})
				}
			})
		}
		all.Wait()
	})
}

// TestSilent tells apart a peer that has nothing to say and one that owes an
// answer, in one direction as in both.
func TestSilent(t *testing.T) {
	onLAN(t, 2, true, goodLink, func(r *rig) {
		a, b := r.connect()
		r.talk(a, b, 0, 5)
		time.Sleep(10 * time.Second)
		if s := a.Stats().Silent; s != 0 {
			t.Errorf("at rest: %v", s)
		}
		link := r.lan.Link(r.hosts[0], r.hosts[1])
		link.Cut = true
		r.lan.Set(r.hosts[0], r.hosts[1], link) // from a to b only
		a.Send(context.Background(), []byte("?"))
		for range 30 { // b is heard all the time
			b.Send(context.Background(), []byte("la la la"))
			time.Sleep(100 * time.Millisecond)
		}
		if s := a.Stats().Silent; s < 2900*time.Millisecond || s > 3100*time.Millisecond {
			t.Errorf("after 3 s in which nothing got there: %v", s)
		}
		if s := b.Stats().Silent; s < 2900*time.Millisecond {
			t.Errorf("and for the other end: %v", s)
		}
		link.Cut = false
		r.lan.Set(r.hosts[0], r.hosts[1], link)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if sa, sb := a.Stats().Silent, b.Stats().Silent; sa != 0 || sb != 0 {
			t.Errorf("healed: %v, %v", sa, sb)
		}
	})
}
