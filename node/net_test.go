package node

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/room"
)

// The debug log has every use of a socket under the name that books have for
// it, and nothing of what is said.
func TestDebugLog(t *testing.T) {
	inBubble(t, func(w *world) {
		logs := make(map[string]*syncBuffer)
		logging := func(name string, via Transport) func(*Node) {
			logs[name] = new(syncBuffer)
			return func(n *Node) {
				n.Transport, n.Plaintext = via, true
				n.Logger = slog.New(slog.NewTextHandler(logs[name], &slog.HandlerOptions{Level: slog.LevelDebug}))
			}
		}
		w.open(w.node("10.0.0.1", logging("host", Auto)), "physics")
		for i, via := range []Transport{UDP, TCP} {
			p := w.join(w.node(fmt.Sprintf("10.0.0.%d", i+2), logging(string(via), via)), "10.0.0.1", "ben-"+string(via))
			p.says("a secret")
			p.hears("a secret")
		}
		for name, calls := range map[string][]string{
			"host": {"bind", "listen", "accept", "send", "recv"},
			"udp":  {"bind", "send", "recv"},
			"tcp":  {"connect", "send", "recv"},
		} {
			log := logs[name].String()
			for _, call := range calls {
				if !strings.Contains(log, "msg="+call+" ") {
					t.Errorf("%s: no %s in the log", name, call)
				}
			}
			if strings.Contains(log, "secret") {
				t.Errorf("%s: the log has what was said", name)
			}
		}
	})
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// A datagram that is answered is reported before the handshake is over.
func TestAnsweredIsReported(t *testing.T) {
	inBubble(t, func(w *world) {
		w.open(w.node("10.0.0.1"), "physics")
		n := w.node("10.0.0.2")
		n.start()
		begin := time.Now()
		var first time.Duration
		c, err := n.dialDatagrams(w.Context(), netip.MustParseAddrPort("10.0.0.1:7667"), func() {
			if first == 0 {
				first = time.Since(begin)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if whole := time.Since(begin); first == 0 || first >= whole {
			t.Errorf("answered after %v, done after %v", first, whole)
		}
	})
}

func TestPortOwner(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: only Linux tells whose a port is")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	for network, port := range map[string]uint16{"tcp": portOf(l.Addr()), "udp": portOf(u.LocalAddr())} {
		if got := portOwner(network, port); !strings.Contains(got, fmt.Sprintf("(process %d)", os.Getpid())) {
			t.Errorf("the owner of %s port %d is %q", network, port, got)
		}
	}
	if got := portOwner("tcp", 1); got != "" {
		t.Errorf("the owner of a port that nobody has is %q", got)
	}
}

// The same program over the sockets of this machine.
func TestSystemNet(t *testing.T) {
	host := &Node{NoDiscovery: true, PortExplicit: true, Bind: netip.MustParseAddr("127.0.0.1")} // any port that is free
	defer host.Close()
	h, err := host.Open(t.Context(), room.HostOptions{Rooms: []string{"physics"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, via := range []Transport{UDP, TCP, Auto} {
		n := &Node{NoDiscovery: true, Transport: via}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		m, err := n.Join(ctx, fmt.Sprintf("127.0.0.1:%d", h.Addrs()[0].Port()), room.JoinOptions{Nick: "ben"})
		if err != nil {
			t.Fatalf("%s: %v", via, err)
		}
		if _, err := m.Say(ctx, "hello"); err != nil {
			t.Error(err)
		}
		if err := m.Flush(ctx); err != nil {
			t.Errorf("%s: %v", via, err)
		}
		m.Leave(ctx, "")
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		cancel()
	}
}
