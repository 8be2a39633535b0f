package tcp

import (
	"bytes"
	"testing"
	"time"

	"parley/transport"
)

func FuzzFrames(f *testing.F) {
	f.Add([]byte{})
	f.Add(appendMessage(nil, []byte("hello")))
	f.Add(appendControl(appendMessage(nil, []byte("a")), ping, 7))
	f.Add(appendControl(appendMessage(nil, make([]byte, 5000)), bye, 0))
	f.Add([]byte{0, 1, 0, 1, 9})
	f.Add([]byte{0, 0, 0, 0, 200, 1, 2, 3})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		for rest := b; ; {
			size, err := frameSize(rest)
			if err != nil || size == 0 || size > len(rest) {
				if size > maxFrame {
					t.Fatalf("a frame of %d bytes", size)
				}
				if !bytes.Equal(append(again, rest...), b) {
					t.Fatal("the frames are not what was parsed")
				}
				return
			}
			frame := rest[:size]
			rest = rest[size:]
			if isControl(frame) {
				kind, data := parseControl(frame)
				again = appendControl(again, kind, data)
			} else {
				again = appendMessage(again, frame[headerSize:])
			}
		}
	})
}

func FuzzFirstBytes(f *testing.F) {
	for _, s := range []string{"", "h", "\x16", "\x16\x03\x01", "\x89parley\x01\x00", "\x89parl", "\x89parley\x02\x01", "\xff\xfe", "é"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		who := classify(b)
		for i := range b { // what is known does not change with more bytes
			if early := classify(b[:i]); early != unknown && early != who {
				t.Fatalf("%q is %d, but %q is %d", b[:i], early, b, who)
			}
		}
		if v, reason, err := parsePreamble(b); err == nil {
			if who != plain {
				t.Fatalf("%q is a preamble, but not plaintext parley", b)
			}
			if again := appendPreamble(nil, reason); v == version && !bytes.Equal(again, b) {
				t.Fatalf("%q became %q", b, again)
			}
		}
	})
}

// TestPulse steps through a pulse by hand.
func TestPulse(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		name string
		p    pulse
		now  time.Duration
		want deed
		wake time.Duration
	}{
		{"at rest", pulse{}, 1 * s, nothing, idleAfter},
		{"long at rest", pulse{}, idleAfter, askPeer, deadAfter},
		{"asked", pulse{asking: true, asked: idleAfter, heard: 18 * s}, 20 * s, nothing, idleAfter + deadAfter},
		{"long at rest, dialed", pulse{dialed: true}, dialedIdle, askPeer, deadAfter},
		{"heard, but not answered", pulse{asking: true, heard: 29 * s}, deadAfter, giveUp, never},
		{"heard, and not asked", pulse{heard: 14 * s}, idleAfter, askPeer, 44 * s},
		{"dead", pulse{asking: true}, deadAfter, giveUp, never},
		{"sent", pulse{owing: true, owed: 5 * s}, 5 * s, nothing, 6 * s},
		{"sent, no answer", pulse{owing: true, owed: 5 * s}, 6 * s, askPeer, deadAfter},
		{"writing", pulse{writing: true, progress: 2 * s, asking: true}, 3 * s, nothing, 12 * s},
		{"writing, heard", pulse{writing: true, progress: 2 * s, heard: 4 * s, asking: true}, 12 * s, nothing, 14 * s},
		{"writing, stuck", pulse{writing: true, progress: 2 * s, asking: true}, 12 * s, giveUp, never},
		{"behind", pulse{behind: true, told: 40 * s}, 40*s + 1, nothing, 41 * s},
		{"behind for a second", pulse{behind: true, told: 40 * s}, 41 * s, tellPeer, 42 * s},
		{"closing", pulse{closing: true, closed: 40 * s}, 44 * s, nothing, 45 * s},
		{"closing, progress", pulse{closing: true, closed: 40 * s, progress: 44 * s}, 45 * s, nothing, 49 * s},
		{"closing, stuck", pulse{closing: true, closed: 40 * s, progress: 44 * s}, 49 * s, giveUp, never},
		{"closing for too long", pulse{closing: true, closed: 40 * s, progress: 60 * s}, 60 * s, giveUp, never},
	} {
		p := c.p
		if got, wake := p.next(c.now); got != c.want || wake != c.wake {
			t.Errorf("%s: %d, wake at %v; want %d, %v", c.name, got, wake, c.want, c.wake)
		}
	}
}

func TestRTT(t *testing.T) {
	var r rtt
	for range 50 {
		r.sample(10 * time.Millisecond)
	}
	r.sample(2 * time.Millisecond)
	if r.smooth != 9*time.Millisecond || r.least != 2*time.Millisecond || r.dev < time.Millisecond {
		t.Errorf("%+v", r)
	}
}

// pump sends messages of the given size as fast as they are received, and
// returns what makes it stop.
func pump(tb testing.TB, c transport.Conn, batch [][]byte) (stop func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for c.(transport.Batcher).SendBatch(tb.Context(), batch) == nil {
		}
	}()
	return func() { <-done }
}

// TestAllocations: nothing is allocated for a message, sent or received. For
// each read of a record crypto/tls allocates 24 bytes, which we cannot help,
// and under the race detector its pools forget.
func TestAllocations(t *testing.T) {
	for _, c := range []struct {
		name      string
		plaintext bool
		most      float64
	}{{"plain", true, 0}, {"secure", false, 2}} {
		t.Run(c.name, func(t *testing.T) {
			a, b := overLoopback(c.plaintext)(t)
			ctx := t.Context()
			msg := make([]byte, 200)
			trip := func() {
				if err := a.Send(ctx, msg); err != nil {
					t.Fatal(err)
				}
				if _, err := b.Receive(ctx); err != nil {
					t.Fatal(err)
				}
			}
			for range 1000 {
				trip()
			}
			if n := testing.AllocsPerRun(1000, trip); n > c.most {
				t.Errorf("%v allocations for a message", n)
			}
			done := make(chan struct{})
			go func() { a.Close(); close(done) }()
			b.Close()
			<-done
		})
	}
}

func BenchmarkConn(b *testing.B) {
	for _, c := range []struct {
		name      string
		plaintext bool
		size, n   int
	}{
		{"plain/200B", true, 200, 1}, {"plain/200B/batch32", true, 200, 32}, {"plain/64KiB", true, 64 << 10, 1},
		{"secure/200B", false, 200, 1}, {"secure/200B/batch32", false, 200, 32}, {"secure/64KiB", false, 64 << 10, 1},
	} {
		b.Run(c.name, func(b *testing.B) {
			client, host := pairOf(b, &Endpoint{Plaintext: c.plaintext}, &Endpoint{Listener: loopback(b), Plaintext: c.plaintext})
			batch := make([][]byte, c.n)
			for i := range batch {
				batch[i] = make([]byte, c.size)
			}
			stop := pump(b, client, batch)
			b.SetBytes(int64(c.size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := host.Receive(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			host.Close()
			stop()
			client.Close()
		})
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	for name, plaintext := range map[string]bool{"plain": true, "secure": false} {
		b.Run(name, func(b *testing.B) {
			client, host := pairOf(b, &Endpoint{Plaintext: plaintext}, &Endpoint{Listener: loopback(b), Plaintext: plaintext})
			go func() {
				for {
					msg, err := host.Receive(b.Context())
					if err != nil || host.Send(b.Context(), msg) != nil {
						return
					}
				}
			}()
			msg := make([]byte, 200)
			b.ReportAllocs()
			for b.Loop() {
				if err := client.Send(b.Context(), msg); err != nil {
					b.Fatal(err)
				}
				if _, err := client.Receive(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			client.Close()
			host.Close()
		})
	}
}
