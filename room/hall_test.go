package room

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/transport"
)

// carrier makes the two ends of a Conn, as a network would: the host's and
// the member's.
type carrier func(t testing.TB, host, member transport.Identity) (transport.Conn, transport.Conn)

// pipes is the carrier in memory.
func pipes(t testing.TB, host, member transport.Identity) (transport.Conn, transport.Conn) {
	m, h := transport.Pipe(transport.Peer{Key: member.Key()}, transport.Peer{Key: host.Key()})
	return h, m
}

// hall is a host and a way to it.
type hall struct {
	t       testing.TB
	host    *Host
	id      transport.Identity
	carrier carrier
	cancel  context.CancelFunc
	ran     chan error
	serving sync.WaitGroup

	mu    sync.Mutex
	conns []transport.Conn // the members' ends
	down  bool
}

func identity(t testing.TB) transport.Identity {
	t.Helper()
	id, err := transport.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// open runs a host; change may set its fields before.
func open(t testing.TB, by carrier, change func(*Host)) *hall {
	t.Helper()
	id := identity(t)
	h := &hall{t: t, id: id, carrier: by, ran: make(chan error, 1)}
	h.host = &Host{Name: "physics", Key: identity(t), HostKey: id.Key()}
	if change != nil {
		change(h.host)
	}
	if h.host.Plaintext {
		h.host.HostKey = transport.Key{}
	}
	h.run()
	return h
}

func (h *hall) run() {
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel = cancel
	host := h.host
	go func() { h.ran <- host.Run(ctx) }()
}

// reopen runs the host again after close, with a log.
func (h *hall) reopen(log Log) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = false
	h.host = &Host{Name: h.host.Name, Key: h.host.Key, HostKey: h.host.HostKey, Log: log, Names: h.host.Names, Received: h.host.Received}
	h.run()
}

// close ends the host and waits for everything.
func (h *hall) close() {
	h.t.Helper()
	h.cancel()
	select {
	case err := <-h.ran:
		if err != nil {
			h.t.Errorf("Run: %v", err)
		}
	case <-time.After(time.Minute):
		h.t.Fatal("Run does not return")
	}
	h.mu.Lock()
	h.down = true
	h.mu.Unlock()
	h.serving.Wait()
}

// kill ends the host as a power cut does: nobody hears of it.
func (h *hall) kill() {
	h.t.Helper()
	h.mu.Lock()
	h.down = true
	for _, c := range h.conns {
		c.Close()
	}
	h.mu.Unlock()
	h.close()
}

var errDown = errors.New("the network is down")

// dial returns a way to the host for somebody.
func (h *hall) dial(who transport.Identity) Dial {
	return func(ctx context.Context) (transport.Conn, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.down {
			return nil, errDown
		}
		if h.host.Plaintext {
			who = transport.Identity{}
		}
		a, b := h.carrier(h.t, h.id, who)
		h.conns = append(h.conns, b)
		host := h.host
		h.serving.Go(func() {
			first, err := a.Receive(context.Background())
			if err != nil {
				a.Close()
				return
			}
			host.Serve(context.Background(), a, append([]byte(nil), first...))
		})
		return b, nil
	}
}

// join seats somebody.
func (h *hall) join(nick string, change func(*JoinOptions)) *Member {
	h.t.Helper()
	id := identity(h.t)
	o := JoinOptions{Nick: nick, Identity: id}
	if change != nil {
		change(&o)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	m, err := Join(ctx, o, h.dial(o.Identity))
	if err != nil {
		h.t.Fatalf("%s joins: %v", nick, err)
	}
	return m
}

// own has somebody join as the host itself.
func (h *hall) own(o *JoinOptions) { o.Identity = h.id }

// until reads events until one is wanted, and returns it.
func until(t testing.TB, m *Member, what string, wanted func(Event) bool) Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
	defer cancel()
	var seen []string
	for {
		e, err := m.Next(ctx)
		if err != nil {
			t.Fatalf("waiting for %s: %v; saw %v", what, err, seen)
		}
		seen = append(seen, fmt.Sprintf("%s %d %q", e.Type, e.Seq, e.Text))
		if wanted(e) {
			return e
		}
	}
}

func heard(t testing.TB, m *Member, text string) Event {
	t.Helper()
	return until(t, m, fmt.Sprintf("%q", text), func(e Event) bool { return e.Type.said() && e.Text == text })
}

func kind(t testing.TB, m *Member, k Kind) Event {
	t.Helper()
	return until(t, m, string(k), func(e Event) bool { return e.Type == k })
}

func say(t testing.TB, m *Member, text string) string {
	t.Helper()
	id, err := m.Say(context.Background(), text)
	if err != nil {
		t.Fatalf("say %.20q: %v", text, err)
	}
	return id
}

func typed(t testing.TB, m *Member, line string) Action {
	t.Helper()
	a, err := m.Input(context.Background(), line)
	if err != nil {
		t.Fatalf("type %q: %v", line, err)
	}
	return a
}

func leave(t testing.TB, ms ...*Member) {
	t.Helper()
	for _, m := range ms {
		if err := m.Leave(context.Background(), ""); err != nil {
			t.Errorf("leave: %v", err)
		}
		for {
			if _, err := m.Next(context.Background()); err != nil {
				if !errors.Is(err, io.EOF) {
					t.Errorf("after Leave, Next returns %v", err)
				}
				break
			}
		}
	}
}

// bubble runs f in virtual time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}
