package discovery

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"
)

var (
	epoch  = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	onEth0 = []Interface{(&machineNet{}).eth("eth0", 2, "10.0.0.1/24", "fe80::1/64")}
)

// stage drives an announcer in a time of its own.
type stage struct {
	*announcer
	at    time.Time
	rooms []Room
	warns []string
	out   []moment
}

type moment struct {
	at time.Duration // since epoch
	packet
	kind kind
}

func newStage(rooms ...Room) *stage {
	s := &stage{at: epoch, rooms: rooms}
	s.announcer = newAnnouncer(s.at, &dice{source: chacha(1)}, func() []Room { return s.rooms },
		func(w string) { s.warns = append(s.warns, w) }, &Counters{})
	s.linksAre(s.at, onEth0, false)
	return s
}

// until lets time pass, and collects what is sent.
func (s *stage) until(d time.Duration) []moment {
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
			panic("an announcer that wants to be called at once, again")
		}
		s.at = wake
	}
}

// ask hands in a query of the given length.
func (s *stage) ask(from string, nonce uint64, turn byte, size int) {
	s.handle(s.at, netip.MustParseAddrPort(from), queryOf(nonce, turn, size))
}

func queryOf(nonce uint64, turn byte, size int) []byte {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], nonce)
	return appendQuery(nil, size, turn, n)
}

// names lists the rooms in a datagram, all of which must be genuine.
func names(t *testing.T, b []byte) (list []string) {
	h, err := parseHeader(b)
	for rest := h.rest; err == nil && len(rest) > 0; {
		var n notice
		if n, rest, err = parseNotice(rest); err == nil && !n.genuine(&h) {
			err = errors.New("not genuine")
		}
		list = append(list, string(n.name))
	}
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestBeaconsAreRare(t *testing.T) {
	s := newStage(room("physics", 1))
	out := s.until(10 * time.Minute)
	for i, want := range []time.Duration{0, time.Second, 3 * time.Second} {
		if out[i].at != want || out[i].kind != beacon || out[i].to.IsValid() {
			t.Errorf("beacon %d: %+v", i, out[i])
		}
	}
	different := map[time.Duration]bool{}
	for i := 3; i < len(out); i++ {
		gap := out[i].at - out[i-1].at
		different[gap] = true
		if gap < 27*time.Second || gap > 33*time.Second {
			t.Errorf("beacon %d comes %v after the one before", i, gap)
		}
	}
	if len(out) > 25 || len(different) < 10 {
		t.Errorf("%d beacons in ten minutes, %d different gaps", len(out), len(different))
	}
}

func TestIssuesGrow(t *testing.T) {
	s := newStage(room("physics", 1))
	var last uint64
	for i := range uint64(100) {
		s.ask("10.0.0.2:1000", i, 0, maxDatagram)
		s.until(time.Duration(i) * time.Second)
	}
	s.leave(s.at)
	s.until(time.Hour)
	for _, m := range s.out {
		h, _ := parseHeader(m.data)
		n, _, _ := parseNotice(h.rest)
		if again := h.kind == goodbye && n.issue == last; n.issue <= last && !again {
			t.Errorf("issue %d at %v, after %d", n.issue, m.at, last)
		}
		last = n.issue
	}
	if len(s.out) < 100 {
		t.Errorf("only %d datagrams", len(s.out))
	}
}

func TestChangesAreAnnouncedButNotTooOften(t *testing.T) {
	s := newStage(room("physics", 1))
	s.until(10 * time.Second)
	s.rooms[0] = room("physics", 1)
	s.rooms[0].Members = 2
	s.poll(s.at)
	if out := s.until(10 * time.Second); len(out) != 1 || out[0].at != 10*time.Second {
		t.Errorf("a new member: %+v", out)
	}
	for i := range 100 { // one every 50 ms
		s.rooms = []Room{room("physics", 1)}
		s.rooms[0].Members = i
		s.poll(s.at)
		s.until(s.at.Sub(epoch) + 50*time.Millisecond)
	}
	s.until(17 * time.Second)
	if n := len(s.out) - 4; n < 5 || n > 7 {
		t.Errorf("%d beacons for a hundred members in five seconds", n)
	}
	s.rooms = append(s.rooms, room("maths", 1))
	s.poll(s.at)
	out := s.until(25 * time.Second)
	if len(out) != 3 || out[0].at != 17*time.Second || out[1].at != 18*time.Second || out[2].at != 20*time.Second {
		t.Errorf("a new room: %+v", out)
	}
	s.rooms = s.rooms[:1]
	s.poll(s.at)
	out = s.until(26 * time.Second)
	if len(out) != 2 || out[0].kind != goodbye || out[1].kind != goodbye || out[1].at-out[0].at != goodbyeAgain ||
		!bytes.Equal(out[0].data, out[1].data) || fmt.Sprint(names(t, out[0].data)) != "[maths]" {
		t.Errorf("a room that closes: %+v", out)
	}
}

func TestLeavingSaysGoodbyeTwice(t *testing.T) {
	s := newStage(room("physics", 1), room("maths", 1))
	s.until(time.Second)
	s.ask("10.0.0.2:1000", 1, 0, maxDatagram)
	s.leave(s.at)
	s.leave(s.at)
	out := s.until(time.Hour)
	if len(out) != 2 || out[0].at != time.Second || out[1].at != time.Second+goodbyeAgain || out[0].kind != goodbye || out[1].kind != goodbye {
		t.Fatalf("%+v", out)
	}
	if fmt.Sprint(names(t, out[0].data)) != "[physics maths]" {
		t.Errorf("goodbye to %v", names(t, out[0].data))
	}
	if _, wake := s.tick(s.at); !wake.IsZero() {
		t.Error("it is not done")
	}
}

func TestAnswers(t *testing.T) {
	s := newStage(room("physics", 1))
	s.until(4 * time.Second)
	var delays []time.Duration
	for i := range uint64(200) {
		from := fmt.Sprintf("10.0.0.%d:1000", 2+i)
		asked := s.at.Sub(epoch)
		s.ask(from, i, 0, maxDatagram)
		s.ask(from, i, 0, maxDatagram) // the same again by another way
		out := s.until(asked + 400*time.Millisecond)
		if len(out) > 0 && out[len(out)-1].kind == beacon {
			out = out[:len(out)-1]
		}
		if len(out) != 1 || out[0].kind != answer || out[0].to.String() != from || out[0].data[14] != byte(i) {
			t.Fatalf("query %d: %+v", i, out)
		}
		delays = append(delays, out[0].at-asked)
	}
	lo, hi := time.Hour, time.Duration(0)
	for _, d := range delays {
		lo, hi = min(lo, d), max(hi, d)
	}
	if lo > 5*time.Millisecond || hi < 45*time.Millisecond || hi > answerDelay {
		t.Errorf("answers after %v to %v", lo, hi)
	}
}

func TestWhoIsNotAnswered(t *testing.T) {
	s := newStage(room("physics", 1))
	s.until(4 * time.Second)
	for _, from := range []string{"192.0.2.1:1000", "[2001:db8::1]:1000", "[fe80::2%eth7]:1000", "[fe80::2]:1000", "10.0.0.2:0"} {
		s.ask(from, 1, 0, maxDatagram)
	}
	s.ask("10.0.0.2:1000", 1, 0, headerSize)     // too short for any answer
	s.ask("10.0.0.2:1000", 2, 0, headerSize+130) // a byte too short for this one
	if out := s.until(5 * time.Second); len(out) != 0 {
		t.Errorf("answered: %+v", out)
	}
	if n := s.count.OffLink.Load(); n != 5 {
		t.Errorf("%d off-link", n)
	}
	s.ask("10.0.0.2:1000", 3, 0, headerSize+131)
	s.ask("[fe80::2%eth0]:1000", 3, 0, maxDatagram)
	if out := s.until(6 * time.Second); len(out) != 2 {
		t.Errorf("not answered: %+v", out)
	}
}

func TestLimits(t *testing.T) {
	s := newStage(room("physics", 1))
	s.until(4 * time.Second)
	for i := range uint64(100) { // one asker, ten times a second
		s.ask("10.0.0.2:1000", i, 0, maxDatagram)
		s.until(s.at.Sub(epoch) + 100*time.Millisecond)
	}
	if n := len(s.out) - 3; n < perAsker+9 || n > perAsker+10 {
		t.Errorf("%d answers in 10 s to one that asks without end", n)
	}
	before := len(s.out)
	for i := range uint64(1000) { // a thousand askers in a second
		s.ask(fmt.Sprintf("10.0.0.%d:%d", 3+i%200, 1000+i), i, 0, maxDatagram)
		s.until(s.at.Sub(epoch) + time.Millisecond)
	}
	answers, beacons := 0, 0
	s.until(s.at.Sub(epoch) + 100*time.Millisecond)
	for _, m := range s.out[before:] {
		if m.kind == answer {
			answers++
		} else {
			beacons++
		}
	}
	if answers < 90 || answers > 2*answersASec+5 || beacons < 1 || beacons > 2 {
		t.Errorf("a thousand askers in a second had %d answers and %d beacons", answers, beacons)
	}
	if len(s.askers) > maxAskers {
		t.Errorf("%d askers are remembered", len(s.askers))
	}
}

// However it is asked, fewer bytes go out than came in: to each asker, and to
// everyone.
func TestNoAmplification(t *testing.T) {
	for seed := range uint64(3) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var rooms []Room
		for i := range 1 + rng.IntN(maxRooms) {
			rooms = append(rooms, room(strings.Repeat("x", 1+rng.IntN(maxName)), byte(i)))
		}
		s := newStage(rooms...)
		s.until(4 * time.Second)
		in, out, total := map[netip.AddrPort]int{}, map[netip.AddrPort]int{}, 0
		for i := range uint64(2000) {
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(2 + rng.IntN(5))}), uint16(1000+rng.IntN(5)))
			size := headerSize
			if seed > 0 {
				size += rng.IntN(maxDatagram - headerSize)
			}
			s.ask(from.String(), i/3, byte(rng.Int()), size)
			in[from] += size
			total += size
			s.until(s.at.Sub(epoch) + time.Duration(rng.IntN(20))*time.Millisecond)
		}
		beacons := 0
		for _, m := range s.out {
			if m.kind == answer {
				out[m.to] += len(m.data)
				total -= len(m.data)
			} else if m.at > 4*time.Second {
				beacons += len(m.data)
			}
		}
		for from, n := range out {
			if n > in[from] {
				t.Errorf("seed %d: %v had %d bytes for %d", seed, from, n, in[from])
			}
		}
		beacons *= 3 // to both broadcast addresses and the group
		if (len(out) == 0) != (seed == 0) || beacons > total {
			t.Errorf("seed %d: %d askers were answered, beacons of %d bytes, %d left", seed, len(out), beacons, total)
		}
	}
}

// Fifty hosts that hear queries from one forged address, from one port of it
// or from as many as there are.
func TestReflectionIsBounded(t *testing.T) {
	for _, ports := range []uint64{1, 100} {
		for _, rooms := range []byte{1, 20} {
			const size, asked = maxDatagram, 200 // in 10 s
			hosts, perSecond := 50/int(rooms)+2, map[int]int{}
			for host := range byte(hosts) {
				var list []Room
				for n := range rooms {
					list = append(list, room(fmt.Sprint("physics", n), host*rooms+n))
				}
				s := newStage(list...)
				s.dice.source = chacha(host)
				s.until(4 * time.Second)
				for i := range uint64(asked) {
					s.ask(fmt.Sprintf("10.0.0.66:%d", 1000+i%ports), i, 0, size)
					s.until(s.at.Sub(epoch) + 50*time.Millisecond)
				}
				for _, m := range s.out {
					if m.kind == answer {
						perSecond[int(m.at/time.Second)] += len(m.data)
					}
				}
			}
			later := 0
			for second, n := range perSecond {
				if second > 5 {
					later += n
				} else if n > hosts*size*(1+perAsker) {
					t.Errorf("%d ports, %d rooms: the victim gets %d bytes in second %d", ports, rooms, n, second)
				}
			}
			later /= 8
			t.Logf("%d hosts of %d rooms asked %d times a second from %d ports in one name: %d bytes a second for the victim", hosts, rooms, asked/10, ports, later)
			if later > hosts*size {
				t.Errorf("%d ports, %d rooms: the victim gets %d bytes a second", ports, rooms, later)
			}
			if len(perSecond) < 9 {
				t.Errorf("nothing happened: %v", perSecond)
			}
		}
	}
}

// Thirty programs behind one address look for rooms at once: each has its
// answer, or hears the beacon that stands for all, within two seconds.
func TestManyAskersOfOneAddress(t *testing.T) {
	s := newStage(room("physics", 1), room("maths", 2))
	s.until(10 * time.Second)
	served := map[netip.AddrPort]bool{}
	for i := range uint64(30) {
		for try := range uint64(3) {
			s.ask(fmt.Sprintf("10.0.0.66:%d", 1000+i), i*3+try, 0, maxDatagram)
		}
	}
	beacons := 0
	for _, m := range s.until(12 * time.Second) {
		if m.kind == answer {
			served[m.to] = true
		} else {
			beacons++
		}
	}
	if len(served) < 5 || beacons == 0 {
		t.Errorf("%d of 30 were answered, %d beacons", len(served), beacons)
	}
}

func TestManyRoomsComeInPages(t *testing.T) {
	var rooms []Room
	for i := range maxRooms + 1 {
		rooms = append(rooms, room(fmt.Sprintf("a-room-with-a-somewhat-long-name-%d", i), byte(i)))
	}
	s := newStage(rooms...)
	told := map[string]bool{}
	for _, m := range s.until(0) {
		if len(m.data) > maxDatagram {
			t.Errorf("a beacon of %d bytes", len(m.data))
		}
		for _, name := range names(t, m.data) {
			told[name] = true
		}
	}
	if len(told) != maxRooms || len(s.warns) != 1 {
		t.Errorf("%d rooms announced, warned of %v", len(told), s.warns)
	}
	s.until(4 * time.Second)
	for _, size := range []int{maxDatagram, 600, 300} {
		pages, answers := map[string]bool{}, 0
		for turn := range byte(40) {
			s.at = s.at.Add(10 * time.Second)
			s.ask("10.0.0.2:1000", uint64(size)<<8+uint64(turn), turn, size)
			for _, m := range s.until(s.at.Sub(epoch) + answerDelay) {
				if m.kind != answer {
					continue
				}
				answers++
				if len(m.data) > size {
					t.Errorf("an answer of %d bytes to a query of %d", len(m.data), size)
				}
				for _, name := range names(t, m.data) {
					pages[name] = true
				}
			}
		}
		if answers != 40 || len(pages) != maxRooms {
			t.Errorf("queries of %d bytes: %d answers, %d rooms", size, answers, len(pages))
		}
	}
}

type brokenSigner struct{ crypto.Signer }

func (brokenSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("the key is in the other coat")
}

func TestRoomsThatCannotBeAnnounced(t *testing.T) {
	other, _ := ecdsa.GenerateKey(elliptic.P256(), chacha(1))
	good, noKey, wrongKey, noPort, name, broken := room("good", 1), room("a", 1), room("b", 1), room("c", 1), room("d", 1), room("e", 1)
	noKey.Signer, wrongKey.Signer, noPort.UDP, noPort.TCP, name.Name = nil, other, 0, 0, "a b"
	broken.Signer = brokenSigner{broken.Signer}
	s := newStage(noKey, wrongKey, noPort, name, broken, good)
	out := s.until(0)
	if len(out) != 1 || fmt.Sprint(names(t, out[0].data)) != "[good]" {
		t.Errorf("announced: %+v", out)
	}
	if len(s.warns) != 5 {
		t.Errorf("warned of %q", s.warns)
	}
	if _, ok := publicKey(ed25519.PrivateKey(make([]byte, ed25519.PrivateKeySize))); !ok {
		t.Error("a private key of package ed25519 is no good")
	}
}
