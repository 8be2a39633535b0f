package tcp

import (
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/transport/transporttest"
)

// guestHost returns a host that welcomes guests, and a channel with the first
// line of each.
func guestHost(t *testing.T, plaintext bool) (*transporttest.LAN, *Endpoint, *Endpoint, chan string) {
	lan, client, host := onLAN(t, transporttest.Link{Delay: time.Millisecond}, plaintext)
	lines := make(chan string, 2*maxGuests)
	var inside sync.WaitGroup
	t.Cleanup(inside.Wait) // virtual time stops with the test
	host.Guests = func(nc net.Conn) {
		inside.Add(1)
		defer inside.Done()
		defer nc.Close()
		io.WriteString(nc, "name? ")
		var line []byte
		for b := make([]byte, 1); len(line) == 0 || line[len(line)-1] != '\n'; {
			if _, err := nc.Read(b); err != nil {
				break
			}
			line = append(line, b...)
		}
		lines <- string(line)
	}
	accepting(t, host)
	return lan, client, host, lines
}

func TestGuests(t *testing.T) {
	for _, plaintext := range []bool{false, true} {
		virtually(t, func(t *testing.T) {
			_, client, _, lines := guestHost(t, plaintext)
			defer client.Close()
			for _, first := range []string{"ana\n", "", "\x89parl", "\x16\x02\x01", "\x16", "x", "é\n", strings.Repeat("long ", 1000)} {
				nc, err := client.DialContext(t.Context(), "tcp", lan10)
				if err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				nc.Write([]byte(first))
				prompt := make([]byte, 6)
				if _, err := io.ReadFull(nc, prompt); err != nil || string(prompt) != "name? " {
					t.Errorf("a guest who began with %q was told %q, %v", first, prompt, err)
				}
				limit := 100 * time.Millisecond
				if first == "" {
					limit += guestSilence
				} else if classify([]byte(first)) == unknown {
					limit += shakeLimit
				}
				if took := time.Since(begin); took > limit {
					t.Errorf("the prompt for a guest who began with %q came after %v", first, took)
				}
				if !strings.HasSuffix(first, "\n") {
					nc.Write([]byte("rest\n"))
					first += "rest\n"
				}
				if line := <-lines; line != first {
					t.Errorf("a guest who said %q was heard as %q", first, line)
				}
				nc.Close()
			}
			c, err := client.Dial(t.Context(), netip.MustParseAddrPort(lan10))
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
		})
	}
}

func TestGuestsAreBounded(t *testing.T) {
	virtually(t, func(t *testing.T) {
		lan, client, host, _ := guestHost(t, false)
		defer client.Close()
		for i := range 20 {
			m := lan.Machine("mal"+string(rune('a'+i)), netip.AddrFrom4([4]byte{10, 0, 0, byte(100 + i)}).String()+"/24")
			for range 20 {
				nc, err := m.DialContext(t.Context(), "tcp", lan10)
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
			}
			time.Sleep(2 * guestSilence)
		}
		host.door.mu.Lock()
		guests, inside := len(host.door.guests.visits), len(host.door.inside.visits)
		host.door.mu.Unlock()
		if guests != maxGuests || inside != 0 {
			t.Errorf("%d guests, %d strangers, want %d and none", guests, inside, maxGuests)
		}
		c, err := client.Dial(t.Context(), netip.MustParseAddrPort(lan10))
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	})
}
