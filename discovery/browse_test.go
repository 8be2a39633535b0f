package discovery

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"
)

// seat drives a browser in a time of its own.
type seat struct {
	*browser
	watch
	at  time.Time
	out []moment
}

func newSeat(pinned func([32]byte) bool) *seat {
	if pinned == nil {
		pinned = func([32]byte) bool { return false }
	}
	s := &seat{at: epoch}
	s.browser = newBrowser(s.at, &dice{source: chacha(2)}, pinned, s.watch.heard, &Counters{})
	s.linksAre(s.at, onEth0, false)
	return s
}

// until lets time pass, and collects what is sent.
func (s *seat) until(d time.Duration) []moment {
	before := len(s.out)
	for end := epoch.Add(d); ; {
		out, wake := s.tick(s.at)
		for _, p := range out {
			s.out = append(s.out, moment{s.at.Sub(epoch), p, kind(p.data[5])})
		}
		if wake.IsZero() || wake.After(end) {
			s.at = end
			return s.out[before:]
		}
		if !wake.After(s.at) {
			panic("a browser that wants to be called at once, again")
		}
		s.at = wake
	}
}

func (s *seat) hear(from string, b []byte) {
	s.handle(s.at, netip.MustParseAddrPort(from), b)
}

// nonce is that of the last query to everyone.
func (s *seat) nonce() [8]byte {
	nonce, _ := s.nonces.newest(s.at, nonceLife)
	return nonce
}

// feed gives a datagram to both machines, in the hope of a panic.
func feed(t *testing.T, b []byte) {
	s, a := newSeat(nil), newStage(room("physics", 1))
	s.until(0)
	s.hear("10.0.0.2:1000", b)
	s.until(time.Minute)
	a.handle(a.at, netip.MustParseAddrPort("10.0.0.2:1000"), b)
	a.until(time.Second)
	if len(s.entries) > len(b)/minNotice {
		t.Errorf("%d rooms in %d bytes", len(s.entries), len(b))
	}
}

func TestQuerySchedule(t *testing.T) {
	s := newSeat(nil)
	out := s.until(12 * time.Second)
	if len(out) != 6 || out[0].at > queryFirst {
		t.Fatalf("%+v", out)
	}
	nonces := map[string]bool{}
	for i, want := range []time.Duration{0, 100 * time.Millisecond, 300 * time.Millisecond, 3 * time.Second, 6 * time.Second, 9 * time.Second} {
		if got := out[i].at - out[0].at; got != want || out[i].kind != query || out[i].to.IsValid() {
			t.Errorf("query %d after %v: %+v", i, got, out[i].packet)
		}
		if len(out[i].data) != maxDatagram {
			t.Errorf("query %d has %d bytes", i, len(out[i].data))
		}
		nonces[string(out[i].data[7:15])] = true
	}
	if len(nonces) != 6 {
		t.Error("nonces repeat")
	}
}

// A room that answered and is silent is asked for thrice in each of three rounds,
// and gone within ten seconds.
func TestSilence(t *testing.T) {
	r := room("physics", 1)
	for _, when := range []time.Duration{100, 1500, 2900, 3050} {
		s := newSeat(nil)
		s.until(when * time.Millisecond)
		if when == 2900 { // by a beacon, the answer having come before
			s.hear("10.0.0.2:1000", datagramOf(t, beacon, [8]byte{}, r, 1, 5))
		} else if s.nonce() == ([8]byte{}) {
			s.until(s.at.Sub(epoch) + 20*time.Millisecond)
			s.hear("10.0.0.2:1000", datagramOf(t, answer, s.nonces.last[0].nonce, r, 1, 5))
		} else {
			s.hear("10.0.0.2:1000", datagramOf(t, answer, s.nonce(), r, 1, 5))
		}
		last := s.at
		s.until(20 * time.Second)
		all := s.all()
		if len(all) != 2 || all[0].Gone || !all[1].Gone || all[1].Name != "physics" {
			t.Fatalf("heard at %v ms: %+v", when, all)
		}
		if took := all[1].At.Sub(last); took < 6*time.Second || took > 10*time.Second {
			t.Errorf("heard at %v ms, gone after %v", when, took)
		}
	}
}

func TestWhatIsNotBelieved(t *testing.T) {
	r, from := room("physics", 1), "10.0.0.2:1000"
	forge := func(b []byte) []byte { b[len(b)-1] ^= 1; return b }
	beaconAt := func(issue uint64) []byte { return datagramOf(t, beacon, [8]byte{}, r, 1, issue) }
	s := newSeat(nil)
	s.until(time.Second)
	quiet := func(what string, counter func() uint64, want uint64, b []byte, from string) {
		t.Helper()
		before := len(s.all())
		s.hear(from, b)
		if all := s.all(); len(all) != before {
			t.Errorf("%s is believed: %+v", what, all[len(all)-1])
		}
		if got := counter(); got != want {
			t.Errorf("%s: counted %d, want %d", what, got, want)
		}
	}
	c := s.browser.count
	quiet("junk", c.Junk.Load, 1, []byte("hello"), from)
	quiet("a query", c.Junk.Load, 1, queryOf(1, 0, 1200), from)
	quiet("a forged beacon", c.Forged.Load, 1, forge(beaconAt(5)), from)
	quiet("a goodbye of the unknown", c.Stale.Load, 0, datagramOf(t, goodbye, [8]byte{}, r, 1, 6), from)
	quiet("an answer nobody asked for", c.Stale.Load, 1, datagramOf(t, answer, [8]byte{1}, r, 1, 6), from)
	quiet("an answer without nonce", c.Stale.Load, 2, datagramOf(t, answer, [8]byte{}, r, 1, 6), from)
	quiet("a stranger's beacon", c.OffLink.Load, 1, beaconAt(5), "192.0.2.1:1000")
	old := s.nonce()
	s.until(2900 * time.Millisecond)
	quiet("a late answer", c.Stale.Load, 3, datagramOf(t, answer, old, r, 1, 6), from)

	s.hear(from, beaconAt(5))
	if len(s.now()) != 1 {
		t.Fatal("a good beacon is not believed")
	}
	quiet("a copy", c.Stale.Load, 3, beaconAt(5), from)
	quiet("an older beacon", c.Stale.Load, 4, beaconAt(4), from)
	quiet("an older one of another instance", c.Stale.Load, 5, datagramOf(t, beacon, [8]byte{}, r, 2, 5), from)
	quiet("a forged goodbye", c.Forged.Load, 2, forge(datagramOf(t, goodbye, [8]byte{}, r, 1, 6)), from)
	quiet("an older goodbye", c.Stale.Load, 6, datagramOf(t, goodbye, [8]byte{}, r, 1, 5), from)
	quiet("a goodbye signed for another room", c.Stale.Load, 6, datagramOf(t, goodbye, [8]byte{}, room("physics", 2), 1, 9), from)
	s.until(4 * time.Second)
	quiet("a copy from elsewhere, late", c.Stale.Load, 7, beaconAt(5), "10.0.0.3:1000")

	s.hear(from, datagramOf(t, goodbye, [8]byte{}, r, 1, 6))
	if len(s.now()) != 0 {
		t.Fatal("a good goodbye is not believed")
	}
	quiet("a second goodbye", c.Stale.Load, 7, datagramOf(t, goodbye, [8]byte{}, r, 1, 6), from)
	quiet("a beacon from before the goodbye", c.Stale.Load, 8, beaconAt(5), from)
	quiet("an answer from before the goodbye", c.Stale.Load, 9, datagramOf(t, answer, s.nonce(), r, 1, 5), from)
	s.hear(from, beaconAt(7))
	if len(s.now()) != 1 {
		t.Error("it cannot come back")
	}
}

// A dead room's beacons, sent again and again, do not keep it.
func TestReplayDoesNotRevive(t *testing.T) {
	r := room("physics", 1)
	s := newSeat(nil)
	s.until(100 * time.Millisecond)
	s.hear("10.0.0.2:1000", datagramOf(t, answer, s.nonces.last[0].nonce, r, 1, 4))
	recorded := datagramOf(t, beacon, [8]byte{}, r, 1, 5)
	for i := range time.Duration(60) {
		s.until(time.Second + i*500*time.Millisecond)
		s.hear("10.0.0.2:1000", recorded)
	}
	if all := s.all(); len(all) != 2 || !all[1].Gone {
		t.Errorf("%+v", all)
	}
}

func TestOneRoomByManyWays(t *testing.T) {
	r := room("physics", 1)
	s := newSeat(nil)
	s.linksAre(s.at, append(onEth0, (&machineNet{}).eth("wlan0", 3, "10.9.0.1/24", "fe80::9/64")), false)
	s.until(time.Second)
	b := datagramOf(t, beacon, [8]byte{}, r, 1, 5)
	s.hear("[fe80::2%eth0]:1000", b)
	s.hear("10.0.0.2:1000", b)
	s.until(1500 * time.Millisecond)
	s.hear("[fe80::2%wlan0]:1000", b)
	s.hear("10.9.0.2:1000", b)
	all := s.all()
	if got := fmt.Sprint(all[len(all)-1].Addrs); len(s.now()) != 1 || got != "[10.9.0.2 10.0.0.2 fe80::2%wlan0 fe80::2%eth0]" {
		t.Errorf("%d rooms, at %v", len(s.now()), got)
	}
	// All answer, one after the other: nothing changes, whoever is the first.
	s.until(3050 * time.Millisecond)
	for n, from := range []string{"[fe80::2%eth0]:1000", "[fe80::2%wlan0]:1000", "10.0.0.2:1000", "10.9.0.2:1000"} {
		s.hear(from, datagramOf(t, answer, s.nonce(), r, 1, 50+uint64(n)))
	}
	if again := s.all(); len(again) != len(all) {
		t.Errorf("shown again though all have answered: %v", again[len(all):])
	}
	// One way falls silent: it moves to the end, then out of the list.
	for i := range time.Duration(5) {
		s.until(3100*time.Millisecond + i*roundEvery)
		for n, from := range []string{"10.0.0.2:1000", "[fe80::2%wlan0]:1000", "[fe80::2%eth0]:1000"} {
			s.hear(from, datagramOf(t, answer, s.nonce(), r, 1, 100+10*uint64(i)+uint64(n)))
		}
	}
	all = s.all()
	if got := fmt.Sprint(all[len(all)-2].Addrs); got != "[10.0.0.2 fe80::2%wlan0 fe80::2%eth0 10.9.0.2]" {
		t.Errorf("then at %v", got)
	}
	if got := fmt.Sprint(all[len(all)-1].Addrs); got != "[10.0.0.2 fe80::2%wlan0 fe80::2%eth0]" {
		t.Errorf("at last at %v", got)
	}
}

func TestOneNameTwoKeys(t *testing.T) {
	s := newSeat(nil)
	s.hear("10.0.0.2:1000", datagramOf(t, beacon, [8]byte{}, room("physics", 1), 1, 5))
	s.hear("10.0.0.3:1000", datagramOf(t, beacon, [8]byte{}, room("physics", 2), 1, 5))
	if all := s.all(); len(all) != 2 || all[0].Key == all[1].Key || all[0].Name != all[1].Name {
		t.Errorf("%+v", all)
	}
}

// A host that starts anew is one room still, with its new port at once. Two
// that share a key are one as well, and one may leave.
func TestInstances(t *testing.T) {
	r := room("physics", 1)
	s := newSeat(nil)
	s.hear("10.0.0.2:1000", datagramOf(t, beacon, [8]byte{}, r, 1, 5))
	r.UDP = 7669
	s.hear("10.0.0.2:1001", datagramOf(t, beacon, [8]byte{}, r, 2, 6))
	if got := s.now()["physics"]; got.UDP != 7669 || fmt.Sprint(got.Addrs) != "[10.0.0.2]" {
		t.Errorf("after a restart: %+v", got)
	}
	s.hear("10.0.0.2:1000", datagramOf(t, goodbye, [8]byte{}, r, 1, 7))
	if len(s.all()) != 2 {
		t.Errorf("a late goodbye of the old one: %+v", s.all())
	}
	s.hear("10.0.0.3:1000", datagramOf(t, beacon, [8]byte{}, r, 3, 8))
	if got := fmt.Sprint(s.now()["physics"].Addrs); got != "[10.0.0.2 10.0.0.3]" && got != "[10.0.0.3 10.0.0.2]" {
		t.Errorf("two hosts of one room at %v", got)
	}
	s.hear("10.0.0.3:1000", datagramOf(t, goodbye, [8]byte{}, r, 3, 9))
	if got := fmt.Sprint(s.now()["physics"].Addrs); got != "[10.0.0.2]" {
		t.Errorf("after one has left: at %v", got)
	}
	for i := range byte(100) { // instances without end
		s.hear("10.0.0.3:1000", datagramOf(t, beacon, [8]byte{}, r, 10+i, 100+uint64(i)))
	}
	key, _ := publicKey(r.Signer)
	if e := s.entries[key]; len(e.hosts) > maxHosts || s.browser.count.Full.Load() == 0 {
		t.Errorf("%d hosts", len(e.hosts))
	}
	for i := range 100 { // and addresses
		s.hear(fmt.Sprintf("10.0.0.%d:1000", i+10), datagramOf(t, beacon, [8]byte{}, r, 2, 1000))
	}
	for _, o := range s.entries[key].hosts {
		if len(o.places) > maxPlaces {
			t.Errorf("%d addresses of one host", len(o.places))
		}
	}
}

// Where answers do not come in, a room disappears once and then stays.
func TestOnlyBeaconsComeIn(t *testing.T) {
	r := room("physics", 1)
	s := newSeat(nil)
	issue := uint64(0)
	for at := time.Duration(0); at < 10*time.Minute; at += 30 * time.Second {
		s.until(at)
		issue++
		s.hear("10.0.0.2:1000", datagramOf(t, beacon, [8]byte{}, r, 1, issue))
	}
	if all := s.all(); len(all) != 3 || !all[1].Gone || all[2].Gone {
		t.Errorf("%+v", all)
	}
	last := s.at
	s.until(s.at.Sub(epoch) + time.Second)
	broadcast, checks := 0, 0
	for _, m := range s.out {
		if m.to.IsValid() {
			checks++
			if len(m.data) > headerSize+131 || m.to.String() != "10.0.0.2:1000" {
				t.Errorf("asked alone with %d bytes, at %v", len(m.data), m.to)
			}
		} else {
			broadcast++
		}
	}
	if checks != 20 || broadcast > 10*20+2+3*2 {
		t.Errorf("%d queries to everyone, %d to the one", broadcast, checks)
	}
	s.until(12 * time.Minute)
	if all := s.all(); !all[len(all)-1].Gone || all[len(all)-1].At.Sub(last) > 93*time.Second {
		t.Errorf("it stays too long: %+v", all)
	}
}

func TestFlood(t *testing.T) {
	kept := room("kept", 1)
	late := room("kept-late", 1)
	keptKey, _ := publicKey(kept.Signer)
	lateKey, _ := publicKey(late.Signer)
	s := newSeat(func(key [32]byte) bool { return key == keptKey || key == lateKey })
	s.until(time.Second)
	s.hear("10.0.0.2:1000", datagramOf(t, beacon, [8]byte{}, kept, 1, 1))

	flood := make([][]byte, 10000)
	seed := make([]byte, ed25519.SeedSize)
	for i := range flood {
		binary.BigEndian.PutUint32(seed, uint32(i)+1)
		r := Room{Name: fmt.Sprintf("room-%d", i), UDP: 7667, Signer: ed25519.NewKeyFromSeed(seed)}
		if i%10 == 0 || i < 1000 {
			flood[i] = datagramOf(t, beacon, [8]byte{}, r, 1, 1)
		} else { // forged; saves the test's time, not the listener's
			flood[i] = append([]byte(nil), flood[i-1]...)
			binary.BigEndian.PutUint32(flood[i][headerSize+27:], uint32(i))
		}
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i, b := range flood[:1000] { // all by one
		if s.hear("10.0.0.3:1000", b); i == perSource-1 {
			s.until(1500 * time.Millisecond)
		}
	}
	if n := len(s.now()); n != 1+perSource {
		t.Errorf("%d rooms of one source", n-1)
	}
	if _, first := s.now()["room-0"]; !first {
		t.Error("the first to come did not stay")
	}
	for i, b := range flood { // each by a few
		s.hear(fmt.Sprintf("10.0.0.%d:%d", 4+i%250, 1000+i), b)
	}
	if n := len(s.now()); n != maxEntries {
		t.Errorf("%d rooms", n)
	}
	s.hear("10.0.0.3:1000", datagramOf(t, beacon, [8]byte{}, late, 1, 1))
	now := s.now()
	if _, ok := now["kept"]; !ok || len(now) != maxEntries {
		t.Errorf("the kept room is pushed out, %d rooms", len(now))
	}
	if _, ok := now["kept-late"]; !ok {
		t.Error("a kept room finds no place")
	}
	s.watch.list = nil
	if grown := int64(heap()) - int64(before); grown > 4<<20 {
		t.Errorf("memory grew by %d bytes", grown)
	}
	runtime.KeepAlive(flood)
	for round := range 8 { // rooms that come and go
		s.until(s.at.Sub(epoch) + 10*time.Second)
		for i, b := range flood[round*400 : round*400+400] {
			s.hear(fmt.Sprintf("10.0.0.%d:1000", 4+i%250), b)
		}
		if len(s.entries) > 2*maxEntries {
			t.Fatalf("%d rooms are remembered", len(s.entries))
		}
	}
}

func TestForgeriesCostLittle(t *testing.T) {
	s := newSeat(nil)
	s.effort.level = 50 // of 2,400, to save the test's time
	b := datagramOf(t, beacon, [8]byte{}, room("physics", 1), 1, 1)
	b[len(b)-1] ^= 1
	for i := range 100 {
		s.hear(fmt.Sprintf("10.0.0.%d:1000", 2+i), b)
	}
	c := s.browser.count
	if c.Forged.Load() != 50 || c.Limited.Load() != 50 {
		t.Errorf("%d forged, %d not looked at", c.Forged.Load(), c.Limited.Load())
	}
	s.until(time.Second)
	b[len(b)-1] ^= 1
	if s.hear("10.0.0.2:1000", b); len(s.now()) != 1 {
		t.Error("a second later a good one is not believed")
	}
}

// Who makes up notices as fast as he can does not keep others' from being believed: a
// room is found, and stays, beside forgeries from one address at 3,000 a second.
func TestForgerHidesNobody(t *testing.T) {
	s := newSeat(nil)
	forged := datagramOf(t, beacon, [8]byte{}, room("physics", 2), 1, 1)
	forged[len(forged)-1] ^= 1
	asked := 0
	for step := range 1500 {
		sent := s.until(time.Duration(step+1) * 10 * time.Millisecond)
		for range 30 { // before any answer comes
			s.hear("10.0.0.66:1000", forged)
		}
		for _, m := range sent {
			if m.kind == query {
				asked++
				s.hear("10.0.0.2:1000", datagramOf(t, answer, [8]byte(m.data[7:15]), room("maths", 1), 1, uint64(asked)))
			}
		}
		if step >= 20 && len(s.now()) != 1 {
			t.Fatalf("%d rooms after %d ms", len(s.now()), 10*step)
		}
	}
	if n := s.browser.count.Forged.Load(); n > (verifyBurst+15*verifyASec)/verifyShare+1 {
		t.Errorf("%d forgeries of one address were looked at", n)
	}
	for i := range 1000 { // and sources are not kept without end
		s.hear(fmt.Sprintf("10.0.%d.%d:1000", i/250, i%250), forged)
	}
	if len(s.shares) > maxEntries+1 {
		t.Errorf("%d addresses are kept", len(s.shares))
	}
}

// Beacons without end, from many places or one, make a listener ask little.
func TestChecksAreFew(t *testing.T) {
	for _, places := range []int{1, 200} {
		s := newSeat(nil)
		in, out, asked := 0, 0, map[netip.Addr]int{}
		s.until(time.Second)
		for i := range 500 {
			b := datagramOf(t, beacon, [8]byte{}, room("physics", byte(i%4)), 1, uint64(i)+1)
			s.hear(fmt.Sprintf("10.0.0.%d:%d", 2+i%places, 1000+i), b)
			in += len(b)
			s.until(s.at.Sub(epoch) + 4*time.Millisecond)
		}
		for _, m := range s.out {
			if m.to.IsValid() {
				asked[m.to.Addr()]++
				out += len(m.data)
			}
		}
		for addr, n := range asked {
			if n > 3 {
				t.Errorf("%v is asked %d times in two seconds", addr, n)
			}
		}
		if out > in || out > 3*maxChecks*200 || len(asked) < min(places, maxChecks) {
			t.Errorf("%d bytes asked of %d places for %d", out, len(asked), in)
		}
	}
}
