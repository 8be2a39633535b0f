package udp

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// testRand is a source of randomness that repeats itself.
type testRand struct{ *rand.ChaCha8 }

func newTestRand(seed byte) testRand { return testRand{rand.NewChaCha8([32]byte{seed})} }

var secureParams = [2]byte{protocolVersion, modeSecure}

func TestToken(t *testing.T) {
	g := &gate{}
	now := time.Now()
	from := netip.MustParseAddrPort("192.0.2.7:5000")
	tok := g.token(now, from, 77, secureParams)

	for _, age := range []time.Duration{0, time.Second, tokenLife} {
		if !g.check(now.Add(age), from, 77, secureParams, tok) {
			t.Errorf("refused after %v", age)
		}
	}
	if !g.check(now, netip.MustParseAddrPort("[::ffff:192.0.2.7]:5000"), 77, secureParams, tok) {
		t.Error("an IPv4 address in IPv6 form is another")
	}
	refused := []struct {
		name   string
		at     time.Duration
		from   string
		id     uint64
		params [2]byte
	}{
		{"too old", tokenLife + tokenTick, "192.0.2.7:5000", 77, secureParams},
		{"from the future", -time.Second, "192.0.2.7:5000", 77, secureParams},
		{"other address", 0, "192.0.2.8:5000", 77, secureParams},
		{"other family", 0, "[2001:db8::1]:5000", 77, secureParams},
		{"other port", 0, "192.0.2.7:5001", 77, secureParams},
		{"other id", 0, "192.0.2.7:5000", 78, secureParams},
		{"other version", 0, "192.0.2.7:5000", 77, [2]byte{2, modeSecure}},
		{"other mode", 0, "192.0.2.7:5000", 77, [2]byte{protocolVersion, modePlaintext}},
	}
	for _, x := range refused {
		if g.check(now.Add(x.at), netip.MustParseAddrPort(x.from), x.id, x.params, tok) {
			t.Errorf("%s: taken", x.name)
		}
	}
	for bit := range 8 * tokenSize {
		forged := tok
		forged[bit/8] ^= 1 << (bit % 8)
		if g.check(now.Add(time.Second), from, 77, secureParams, forged) {
			t.Errorf("bit %d does not matter", bit)
		}
	}
	if g.check(now, from, 77, secureParams, token{}) {
		t.Error("no token was taken for one")
	}
	if (&gate{}).check(now, from, 77, secureParams, tok) {
		t.Error("another host's token was taken")
	}
}

// TestTokenSecrets walks over several secrets: a token lives its whole life
// across a change, and no longer.
func TestTokenSecrets(t *testing.T) {
	g := &gate{rand: newTestRand(1)}
	start := time.Now()
	from := netip.MustParseAddrPort("[2001:db8::7]:5000")
	type made struct {
		at  time.Duration
		tok token
	}
	var all []made
	secrets := map[string]bool{}
	for at := time.Duration(0); at < 5*secretLife; at += 700 * time.Millisecond {
		now := start.Add(at)
		all = append(all, made{at, g.token(now, from, 1, secureParams)})
		secrets[string(g.mac(g.current, [4]byte{}, from, 0, secureParams))] = true
		for _, m := range all {
			age := at - m.at
			got := g.check(now, from, 1, secureParams, m.tok)
			if age <= tokenLife && !got || age > tokenLife+tokenTick && got {
				t.Fatalf("at %v: token of age %v: %v", at, age, got)
			}
		}
	}
	if len(secrets) != 5 {
		t.Errorf("%d secrets in the life of 5", len(secrets))
	}
}

// TestTokenClockWraps lets the ticks pass 2^32 within a token's life.
func TestTokenClockWraps(t *testing.T) {
	g := &gate{}
	now := time.Now()
	from := netip.MustParseAddrPort("192.0.2.7:5000")
	g.token(now, from, 1, secureParams)
	g.offset = 0xffffffff - 10 // in one second
	tok := g.token(now, from, 1, secureParams)
	if !g.check(now.Add(5*time.Second), from, 1, secureParams, tok) {
		t.Error("refused after the wrap")
	}
	if binary.BigEndian.Uint32(tok[:]) < g.tick(now.Add(5*time.Second)) {
		t.Error("it did not wrap")
	}
	if g.check(now.Add(11*time.Second), from, 1, secureParams, tok) {
		t.Error("taken after its life")
	}
}

// TestGateIsRepeatable: with the same randomness and times, the same tokens.
func TestGateIsRepeatable(t *testing.T) {
	now := time.Now()
	from := netip.MustParseAddrPort("192.0.2.7:5000")
	a, b := &gate{rand: newTestRand(1)}, &gate{rand: newTestRand(1)}
	if a.token(now, from, 1, secureParams) != b.token(now, from, 1, secureParams) {
		t.Error("they differ")
	}
	if a.token(now, from, 1, secureParams) == (&gate{rand: newTestRand(2)}).token(now, from, 1, secureParams) {
		t.Error("randomness does not matter")
	}
}

func TestAdmissionDoesNotAllocate(t *testing.T) {
	g := &gate{}
	now := time.Now()
	from := netip.MustParseAddrPort("192.0.2.7:5000")
	tok := g.token(now, from, 1, secureParams)
	g.check(now, from, 1, secureParams, tok)
	if n := testing.AllocsPerRun(100, func() { tok = g.token(now, from, 1, secureParams) }); n != 0 {
		t.Errorf("token: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { g.check(now, from, 1, secureParams, tok) }); n != 0 {
		t.Errorf("check: %v allocations", n)
	}
	l := &limiter{}
	l.allow(now, from.Addr())
	if n := testing.AllocsPerRun(100, func() { l.allow(now, from.Addr()) }); n != 0 {
		t.Errorf("allow: %v allocations", n)
	}
	buffer := make([]byte, 0, helloSize)
	if n := testing.AllocsPerRun(100, func() {
		h, _ := parseHello(appendHello(buffer, hello{version: protocolVersion, id: 7}))
		appendRetry(buffer, h.id, tok)
	}); n != 0 {
		t.Errorf("HELLO and RETRY: %v allocations", n)
	}
}

func TestRate(t *testing.T) {
	var l limiter
	now := time.Now()
	a := netip.MustParseAddr("192.0.2.1")
	count := func(addr netip.Addr, span, step time.Duration) (n int) {
		for at := time.Duration(0); at < span; at += step {
			if l.allow(now.Add(at), addr) {
				n++
			}
		}
		now = now.Add(span)
		return n
	}
	if n := count(a, time.Second, time.Millisecond); n < 23 || n > 25 {
		t.Errorf("%d in the first second, want burst and rate: 5 + 20 or so", n)
	}
	if n := count(a, 10*time.Second, time.Millisecond); n < 199 || n > 201 {
		t.Errorf("%d in the next ten seconds, want 200", n)
	}
	if n := count(netip.MustParseAddr("::ffff:192.0.2.1"), time.Second, time.Millisecond); n > 21 {
		t.Errorf("%d more for the same address in IPv6 form", n)
	}
	if !l.allow(now, netip.MustParseAddr("192.0.2.2")) {
		t.Error("one source's rate hurts another")
	}
	now = now.Add(time.Minute)
	six := 0
	for i := range 100 {
		addr := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(i)})
		if l.allow(now, addr.WithZone("eth0")) {
			six++
		}
	}
	if six != startBurst {
		t.Errorf("%d at once from one /64, want %d", six, startBurst)
	}
	if !l.allow(now, netip.MustParseAddr("2001:db8:0:1::1")) {
		t.Error("one /64 hurts another")
	}
	for range 1000 {
		if !l.allow(now, netip.MustParseAddr("127.0.0.1")) || !l.allow(now, netip.MustParseAddr("::1")) ||
			!l.allow(now, netip.MustParseAddr("::ffff:127.0.0.2")) {
			t.Fatal("loopback is limited")
		}
	}
}

// TestRateTable compares the table with a plain model of what is to be
// remembered, under more sources than fit.
func TestRateTable(t *testing.T) {
	var l limiter
	random := rand.New(rand.NewPCG(1, 1))
	now := time.Now()
	var recent []netip.Addr // newest last
	full := map[netip.Addr]time.Time{}
	for i := range 40_000 {
		now = now.Add(time.Duration(random.IntN(int(time.Millisecond))))
		n := random.IntN(maxSources + 1000)
		if random.IntN(2) == 0 {
			n %= 50 // some come often
		}
		addr := netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)})
		if j := slices.Index(recent, addr); j >= 0 {
			recent = slices.Delete(recent, j, j+1)
		} else if len(recent) == maxSources {
			delete(full, recent[0])
			recent = recent[1:]
		}
		recent = append(recent, addr)
		want := !full[addr].After(now.Add((startBurst - 1) * startInterval))
		if want {
			if full[addr].Before(now) {
				full[addr] = now
			}
			full[addr] = full[addr].Add(startInterval)
		}
		if got := l.allow(now, addr); got != want {
			t.Fatalf("call %d, source %v: %v, want %v", i, addr, got, want)
		}
		if len(l.entries) > maxSources || len(l.index) != len(l.entries) {
			t.Fatalf("%d entries, %d in the index", len(l.entries), len(l.index))
		}
	}
	if len(l.entries) != maxSources {
		t.Errorf("only %d entries: the table never filled", len(l.entries))
	}
}

// Places for handshakes: so many in all, so many for a source. When all are
// taken, those give way who have the most, the oldest first.
func TestHalfOpen(t *testing.T) {
	var l limiter
	source := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}) }
	inside := make(map[*place]bool)
	var ended []int
	enter := func(from netip.Addr) *place {
		p, gone := l.enter(from, func() { ended = append(ended, int(from.As4()[3])) })
		if p != nil {
			inside[p] = true
		}
		if gone != nil {
			gone.end()
		}
		return p
	}
	const sources = maxHalfOpen / maxHalfOpenSource
	for range 10 { // fill it: 0, 1, 2 …, each its share
		for i := range sources {
			enter(source(i))
		}
	}
	if len(inside) != maxHalfOpen || len(ended) != 0 {
		t.Errorf("%d inside, %d were ended", len(inside), len(ended))
	}
	for i := range sources {
		if enter(source(100+i)) == nil {
			t.Errorf("newcomer %d is kept out", i)
		}
	}
	if fmt.Sprint(ended) != "[0 1 2 3 4 5 6 7]" {
		t.Errorf("ended in this order: %v", ended)
	}
	if n := len(l.halfOpen); n != maxHalfOpen {
		t.Errorf("%d inside, want %d", n, maxHalfOpen)
	}
	// Whoever holds as many as anybody drives out nobody.
	if enter(source(0)) != nil {
		t.Error("one of those who hold the most drives out another")
	}
	// An honest one that comes alone stays while the others drive each other out.
	honest := enter(source(200))
	for i := range 1000 {
		enter(source(i % (2 * sources)))
	}
	if !slices.Contains(l.halfOpen, honest) {
		t.Error("the honest one had to go")
	}
	local := 0
	for {
		p, _ := l.enter(netip.MustParseAddr("127.0.0.1"), nil)
		if p == nil {
			break
		}
		inside[p] = true
		local++
	}
	if local != maxHalfOpenLoopback {
		t.Errorf("%d from this machine, want %d", local, maxHalfOpenLoopback)
	}
	for p := range inside {
		l.leave(p)
		l.leave(p)
	}
	if l.loopback != 0 || len(l.halfOpen) != 0 {
		t.Errorf("left over: %d, %v", l.loopback, l.halfOpen)
	}
	n := 0
	for i := range 10 { // a /64 is one source
		if p, _ := l.enter(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(i)}), nil); p != nil {
			n++
		}
	}
	if n != maxHalfOpenSource {
		t.Errorf("%d from one /64, want %d", n, maxHalfOpenSource)
	}
}

func BenchmarkToken(b *testing.B) {
	g, now, from := &gate{}, time.Now(), netip.MustParseAddrPort("192.0.2.7:5000")
	b.ReportAllocs()
	for b.Loop() {
		g.token(now, from, 1, secureParams)
	}
}

func BenchmarkCheckForged(b *testing.B) {
	g, now, from := &gate{}, time.Now(), netip.MustParseAddrPort("192.0.2.7:5000")
	tok := g.token(now, from, 1, secureParams)
	tok[19]++
	b.ReportAllocs()
	for b.Loop() {
		g.check(now, from, 1, secureParams, tok)
	}
}

func BenchmarkAllow(b *testing.B) {
	var l limiter
	now, i := time.Now(), uint32(0)
	b.ReportAllocs()
	for b.Loop() {
		i = i*1664525 + 1013904223
		l.allow(now, netip.AddrFrom4([4]byte{10, byte(i >> 24), byte(i >> 16), byte(i >> 8)}))
	}
}
