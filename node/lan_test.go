package node

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/discovery"
	"parley/room"
	"parley/transport/transporttest"
)

// machine is a computer of a LAN in memory, as a Net.
type machine struct{ *transporttest.Machine }

func (m machine) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return m.Machine.DialContext(ctx, network, address)
}

func (m machine) Discovery() discovery.Net { return sharing(m) }

// sharing is the machine as discovery sees it: it shares the known port.
type sharing struct{ *transporttest.Machine }

func (s sharing) Interfaces() (list []discovery.Interface, err error) {
	for _, i := range s.Machine.Interfaces() {
		list = append(list, discovery.Interface{Index: i.Index, Name: i.Name, Flags: i.Flags, Prefixes: i.Prefixes})
	}
	return list, nil
}

func (s sharing) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	if strings.HasSuffix(address, ":0") {
		return s.Machine.ListenPacket(ctx, network, address)
	}
	return s.Machine.ListenShared(ctx, network, address)
}

// place is a test's LAN and the nodes on it.
type world struct {
	*testing.T
	lan   *transporttest.LAN
	nodes []*Node
}

// inBubble runs f in virtual time on a LAN of its own, and ends its nodes.
func inBubble(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, lan: transporttest.NewLAN(1, transporttest.Link{Delay: 500 * time.Microsecond, Jitter: 500 * time.Microsecond})}
		defer func() {
			var closing sync.WaitGroup
			for _, n := range w.nodes {
				closing.Go(func() { n.Close() })
			}
			closing.Wait()
		}()
		f(w)
	})
}

// node adds a node on a machine of its own.
func (w *world) node(addr string, change ...func(*Node)) *Node {
	w.Helper()
	n := &Node{Net: machine{w.lan.Machine(addr, addr+"/24", "fe80::"+addr[strings.LastIndex(addr, ".")+1:]+"/64")}}
	for _, f := range change {
		f(n)
	}
	w.nodes = append(w.nodes, n)
	return n
}

// open hosts rooms on n.
func (w *world) open(n *Node, rooms ...string) *Hosting {
	w.Helper()
	h, err := n.Open(w.Context(), room.HostOptions{Rooms: rooms})
	if err != nil {
		w.Fatal(err)
	}
	return h
}

// join sits down, and up again at the end.
func (w *world) join(n *Node, target, nick string) *seated {
	w.Helper()
	m, err := n.Join(w.Context(), target, room.JoinOptions{Nick: nick})
	if err != nil {
		w.Fatalf("%s joins %s: %v", nick, target, err)
	}
	return w.watch(m)
}

// seated is a member and all that it has been told.
type seated struct {
	*room.Member
	w    *world
	mu   sync.Mutex
	seen []room.Event
	more chan struct{}
	done chan struct{}
}

func (w *world) watch(m *room.Member) *seated {
	s := &seated{Member: m, w: w, more: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		for {
			e, err := m.Next(context.Background())
			if err != nil {
				return
			}
			s.mu.Lock()
			s.seen = append(s.seen, e)
			close(s.more)
			s.more = make(chan struct{})
			s.mu.Unlock()
		}
	}()
	w.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		m.Leave(ctx, "")
		<-s.done
	})
	return s
}

// await waits for an event.
func (s *seated) await(what string, is func(room.Event) bool) room.Event {
	s.w.Helper()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	for next := 0; ; {
		s.mu.Lock()
		seen, more := s.seen, s.more
		s.mu.Unlock()
		for ; next < len(seen); next++ {
			if is(seen[next]) {
				return seen[next]
			}
		}
		select {
		case <-more:
		case <-limit.C:
			s.w.Fatalf("%s waits for %s; seen: %v", s.Nick(), what, seen)
		}
	}
}

func (s *seated) hears(text string) room.Event {
	s.w.Helper()
	return s.await(text, func(e room.Event) bool { return e.Type == room.Message && e.Text == text })
}

func (s *seated) says(text string) {
	s.w.Helper()
	if _, err := s.Say(s.w.Context(), text); err != nil {
		s.w.Fatalf("%s says %s: %v", s.Nick(), text, err)
	}
}

func (s *seated) said() (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.seen {
		if e.Type == room.Message {
			list = append(list, e.Text)
		}
	}
	return list
}
