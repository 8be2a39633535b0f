package discovery

import (
	"context"
	"crypto/ed25519"
	"testing"
	"testing/synctest"
	"time"
)

// room makes a room whose key follows from its name and a number.
func room(name string, number byte) Room {
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, name)
	seed[ed25519.SeedSize-1] = number
	return Room{Name: name, UDP: 7667, TCP: 7667, Members: 1, Secure: true, Signer: ed25519.NewKeyFromSeed(seed)}
}

func announce(t *testing.T, n Net, seed byte, rooms ...Room) (stop func()) {
	s := &Service{Net: n, Rand: chacha(seed)}
	return start(t, func(ctx context.Context) error { return s.Announce(ctx, func() []Room { return rooms }) })
}

func browse(t *testing.T, n Net, seed byte) (w *watch, stop func()) {
	w = &watch{}
	s := &Service{Net: n, Rand: chacha(seed)}
	return w, start(t, func(ctx context.Context) error { return s.Browse(ctx, w.heard) })
}

func TestRoomIsListedWithin300ms(t *testing.T) {
	for seed := range byte(20) {
		synctest.Test(t, func(t *testing.T) {
			l := newLAN(uint64(seed))
			announce(t, l.machine(1), seed, room("physics", 1))
			time.Sleep(10 * time.Second)
			began := time.Now()
			w, _ := browse(t, l.machine(2), seed+100)
			time.Sleep(300 * time.Millisecond)
			list := w.all()
			if len(list) == 0 {
				t.Fatalf("seed %d: nothing is listed", seed)
			}
			if s := list[0]; s.Name != "physics" || s.UDP != 7667 || s.TCP != 7667 || s.Members != 1 || !s.Secure || s.Password || s.Guests || s.Gone {
				t.Errorf("seed %d: %+v", seed, s)
			}
			if took := list[0].At.Sub(began); took > 100*time.Millisecond {
				t.Errorf("seed %d: took %v on a LAN without loss", seed, took)
			}
			if s := w.now()["physics"]; len(s.Addrs) != 2 || s.Addrs[0].String() != "10.0.0.1" || s.Addrs[1].String() != "fe80::1%eth0" {
				t.Errorf("seed %d: at %v", seed, s.Addrs)
			}
		})
	}
}
