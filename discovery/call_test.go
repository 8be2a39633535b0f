package discovery

import (
	"net/netip"
	"testing"
	"time"
)

// A call is answered where it came from and at the port in it, by fewer bytes, and
// by nobody who is asked by strangers, too often, or to knock at low ports.
func TestCall(t *testing.T) {
	nonce := [8]byte{1, 2, 3}
	asker := netip.MustParseAddrPort("10.0.0.9:5000")
	for _, c := range []struct {
		what string
		from string
		msg  []byte
		want int
	}{
		{"a call", "10.0.0.9:5000", Call(7667, nonce), 2},
		{"from another network", "203.0.113.9:5000", Call(7667, nonce), 0},
		{"a low port", "10.0.0.9:5000", Call(22, nonce), 0},
		{"a short one", "10.0.0.9:5000", Call(7667, nonce)[:minCall-1], 0},
		{"an answer", "10.0.0.9:5000", appendHeader(nil, called, 0, nonce), 0},
	} {
		s := newStage(room("physics", 1))
		s.until(10 * time.Second)
		s.handle(s.at, netip.MustParseAddrPort(c.from), c.msg)
		out := s.until(11 * time.Second)
		if len(out) != c.want {
			t.Errorf("%s: %d datagrams", c.what, len(out))
		}
		bytes := 0
		for i, p := range out {
			bytes += len(p.data)
			if !Called(p.data, nonce) || Called(p.data, [8]byte{}) || p.to.Addr() != asker.Addr() || p.to.Port() != []uint16{5000, 7667}[i] || p.call != (i == 1) {
				t.Errorf("%s: %+v", c.what, p)
			}
		}
		if bytes >= len(c.msg) {
			t.Errorf("%s: %d bytes for %d", c.what, bytes, len(c.msg))
		}
	}
	s := newStage(room("physics", 1))
	s.until(10 * time.Second)
	for i := range byte(100) {
		s.handle(s.at, asker, Call(7667, [8]byte{i}))
	}
	if out := s.until(10*time.Second + 1); len(out) != 2*perAsker {
		t.Errorf("%d datagrams for 100 calls", len(out))
	}
	s = newStage(room("physics", 1))
	s.until(10 * time.Second)
	for i := range byte(100) { // another port each time
		s.handle(s.at, netip.AddrPortFrom(asker.Addr(), 5000+uint16(i)), Call(7667, [8]byte{i}))
	}
	called := 0
	for _, p := range s.until(10*time.Second + 1) {
		if p.call {
			called++
		}
	}
	if called != burstAddress/minCall {
		t.Errorf("%d called back for 100 calls from many ports", called)
	}
}
