package room

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/transport"
)

// TestLeaveRaces leaves, cuts and closes the room at the same moment, in every
// order that 60 seeds give. Whatever wins: everything ends, nobody is left.
func TestLeaveRaces(t *testing.T) {
	for seed := range uint64(60) {
		bubble(t, func(t *testing.T) {
			dice := rand.New(rand.NewPCG(seed, 9))
			var mu sync.Mutex
			var all []*cable
			h := open(t, cables(seed, func(c *cable) {
				c.delay = time.Millisecond
				mu.Lock()
				all = append(all, c)
				mu.Unlock()
			}), nil)
			var members []*Member
			for i := range 3 {
				members = append(members, h.join(fmt.Sprintf("m%dx", i), nil))
			}
			say(t, members[0], "hello")
			var acting sync.WaitGroup
			at := func(f func()) {
				d := time.Duration(dice.IntN(8)) * time.Millisecond / 2
				acting.Go(func() {
					time.Sleep(d)
					f()
				})
			}
			for _, m := range members {
				at(func() { m.Leave(context.Background(), "bye") })
				at(func() { m.Leave(context.Background(), "twice") })
				at(func() { m.Say(context.Background(), "last") })
				at(func() { m.Input(context.Background(), "/names") })
			}
			for i := range 3 {
				at(func() {
					mu.Lock()
					c := all[i]
					mu.Unlock()
					if dice := seed + uint64(i); dice%3 == 0 {
						c.hush(true)
					} else if dice%3 == 1 {
						c.cut()
					}
				})
			}
			if seed%4 == 0 {
				at(func() { h.cancel() })
			}
			began := time.Now()
			acting.Wait()
			if d := time.Since(began); d > 5*time.Second {
				t.Errorf("seed %d: it took %v", seed, d)
			}
			for _, m := range members {
				for {
					if _, err := m.Next(context.Background()); err != nil {
						if !errors.Is(err, io.EOF) {
							t.Errorf("seed %d: %v", seed, err)
						}
						break
					}
				}
			}
			mu.Lock()
			for _, c := range all { // a carrier gives up a silent link in the end
				c.cut()
			}
			mu.Unlock()
			if seed%4 != 0 {
				time.Sleep(2 * time.Minute) // those who were cut are given up
				if n := h.host.Members(); n != 0 {
					t.Errorf("seed %d: %d are still here", seed, n)
				}
			}
			h.close()
		})
	}
}

// TestLeaveIsBounded leaves a host that does not answer.
func TestLeaveIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var last *cable
		h := open(t, cables(1, func(c *cable) { last = c }), nil)
		ana := h.join("ana", nil)
		last.hush(true)
		began := time.Now()
		leave(t, ana)
		if d := time.Since(began); d > farewell {
			t.Errorf("it took %v", d)
		}
		last.cut()
		h.close()
	})
}

// TestJoinEnds gives up a join that nobody answers, or that is not wanted.
func TestJoinEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := transport.Pipe(transport.Peer{}, transport.Peer{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := Join(ctx, JoinOptions{Nick: "ana"}, Dial(func(context.Context) (transport.Conn, error) { return a, nil })); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		b.Receive(t.Context())
		if _, err := b.Receive(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("the connection is kept: %v", err)
		}
		none := errors.New("nobody there")
		if _, err := Join(t.Context(), JoinOptions{Nick: "ana"}, Dial(func(context.Context) (transport.Conn, error) { return nil, none })); !errors.Is(err, none) {
			t.Errorf("%v", err)
		}
	})
}

// TestServeWithoutRun serves a room that has ended.
func TestServeWithoutRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, nil)
		h.close()
		a, b := pipes(t, h.id, identity(t))
		if err := h.host.Serve(t.Context(), a, encode(command{Type: typeJoin, V: Version, Nick: "x"})); err == nil {
			t.Error("served")
		}
		if _, err := b.Receive(t.Context()); err == nil {
			t.Error("answered")
		}
	})
}

// claims are Names that another host uses, too.
type claims struct {
	mu    sync.Mutex
	owner map[string]string
}

func (c *claims) Claim(ctx context.Context, name, owner string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if by, ok := c.owner[name]; ok && by != owner {
		return by, nil
	}
	c.owner[name] = owner
	return "", nil
}

func (c *claims) Release(ctx context.Context, name, owner string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.owner[name] == owner {
		delete(c.owner, name)
	}
	return nil
}

// TestClaims has names given away elsewhere at the same moment.
func TestClaims(t *testing.T) {
	bubble(t, func(t *testing.T) {
		names := &claims{owner: map[string]string{"zoe": "another host's"}}
		h := open(t, pipes, func(h *Host) { h.Names = names })
		defer h.close()
		if r := refused(t, h, JoinOptions{Nick: "zoe", Identity: identity(t)}); r.Code != "nick_taken" {
			t.Errorf("%+v", r)
		}
		ana := h.join("ana", nil)
		tail := h.join("tom", func(o *JoinOptions) { o.Quiet = true })
		typed(t, ana, "/nick zoe")
		if e := kind(t, ana, Failure); e.Code != "nick_taken" || ana.Nick() != "ana" {
			t.Errorf("%+v", e)
		}
		typed(t, ana, "/nick amy")
		kind(t, ana, Renamed)
		synctest.Wait()
		if len(names.owner) != 3 || names.owner["amy"] != ana.o.Identity.Key().String() {
			t.Errorf("%v", names.owner)
		}
		leave(t, ana, tail)
		synctest.Wait()
		if len(names.owner) != 1 {
			t.Errorf("%v", names.owner)
		}
	})
}

// TestCrowd fills a room at once, to the last seat, and has everybody come back
// at once.
func TestCrowd(t *testing.T) {
	const crowd = 120
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, func(h *Host) { h.MaxSeats = crowd })
		defer h.close()
		members := make([]*Member, crowd)
		var joining, reading sync.WaitGroup
		for i := range crowd {
			joining.Go(func() {
				m := h.join(fmt.Sprintf("m%dx", i), nil)
				members[i] = m
				reading.Go(func() { keep(m) })
			})
		}
		joining.Wait()
		if r := refused(t, h, JoinOptions{Nick: "late", Identity: identity(t)}); r.Code != "full" {
			t.Errorf("%+v", r)
		}
		h.mu.Lock()
		for _, c := range h.conns {
			c.Close()
		}
		h.mu.Unlock()
		time.Sleep(lingering)
		for i, m := range members {
			if got := len(m.Names()); got != crowd || m.Stats().Reconnect != 1 {
				t.Errorf("%d: %d people, %d times back", i, got, m.Stats().Reconnect)
			}
		}
		if n := h.host.Members(); n != crowd {
			t.Errorf("%d members", n)
		}
		h.cancel() // instead of goodbyes of all to all
		for _, m := range members {
			m.Leave(context.Background(), "")
		}
		reading.Wait()
	})
}
