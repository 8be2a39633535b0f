package room_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/room"
	"parley/room/roomtest"
	"parley/transport"
)

// claims is a Names that several hosts share.
type claims struct {
	mu  sync.Mutex
	all map[string]string
}

func (c *claims) Claim(_ context.Context, name, owner string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.all[name]; h != "" && h != owner {
		return h, nil
	}
	c.all[name] = owner
	return "", nil
}

func (c *claims) Release(_ context.Context, name, owner string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all[name] == owner {
		delete(c.all, name)
	}
	return nil
}

func newIdentity(t testing.TB) transport.Identity {
	id, err := transport.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// site is one host of a room, and its way to the log.
type site struct {
	id     transport.Identity
	far    *roomtest.Far
	host   *room.Host
	cancel context.CancelFunc
	ran    chan error
	work   sync.WaitGroup

	mu    sync.Mutex
	down  bool
	conns []transport.Conn
}

// fleet is a room of several hosts.
type fleet struct {
	t     *testing.T
	log   *room.Memory
	key   transport.Identity
	names *claims
	queue bool
	sites []*site
}

func newFleet(t *testing.T, n int, queue bool) *fleet {
	f := &fleet{t: t, log: room.NewMemory(), key: newIdentity(t), names: &claims{all: map[string]string{}}, queue: queue}
	for range n {
		s := &site{id: newIdentity(t), far: &roomtest.Far{Log: f.log}}
		f.sites = append(f.sites, s)
		f.open(s)
	}
	f.tell()
	return f
}

func (f *fleet) open(s *site) {
	ctx, cancel := context.WithCancel(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.host = &room.Host{Name: "physics", Key: f.key, HostKey: s.id.Key(), Log: s.far, Names: f.names, Queue: f.queue,
		Received: func(to string, report []byte) { go f.pass(to, report) }}
	s.cancel, s.ran, s.down = cancel, make(chan error, 1), false
	host, ran := s.host, s.ran
	go func() { ran <- host.Run(ctx) }()
}

func (f *fleet) pass(to string, report []byte) {
	for _, s := range f.sites {
		s.mu.Lock()
		host, down := s.host, s.down
		s.mu.Unlock()
		if key := s.id.Key(); !down && fmt.Sprintf("%x", key[:8]) == to {
			host.Heard(report)
		}
	}
}

// kill ends a host as a power cut does.
func (f *fleet) kill(s *site) {
	s.mu.Lock()
	s.down = true
	for _, c := range s.conns {
		c.Close()
	}
	s.conns = nil
	s.mu.Unlock()
	s.cancel()
	if err := <-s.ran; err != nil {
		f.t.Errorf("Run: %v", err)
	}
	s.work.Wait()
}

// tell tells each host of those that are up.
func (f *fleet) tell() {
	var all []room.Move
	for i, s := range f.sites {
		if !s.down {
			all = append(all, room.Move{Nick: fmt.Sprint("host", i), Host: s.id.Key(), At: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, byte(i), 1})}, TCP: 7667})
		}
	}
	for _, s := range f.sites {
		if !s.down {
			s.host.Tell(all)
		}
	}
}

func (f *fleet) close() {
	for _, s := range f.sites {
		if !s.down {
			s.far.Heal()
			f.kill(s)
		}
	}
}

// walk is a Way to the hosts of a fleet.
type walk struct {
	fleet  *fleet
	who    transport.Identity
	stays  bool // with its host
	better chan int

	mu sync.Mutex
	at int
}

func (w *walk) dial(s *site) (transport.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return nil, errors.New("nobody there")
	}
	m, h := transport.Pipe(transport.Peer{Key: w.who.Key()}, transport.Peer{Key: s.id.Key()})
	s.conns = append(s.conns, m)
	host := s.host
	s.work.Go(func() {
		first, err := h.Receive(context.Background())
		if err != nil {
			h.Close()
			return
		}
		host.Serve(context.Background(), h, slices.Clone(first))
	})
	return m, nil
}

func (w *walk) Dial(ctx context.Context, before transport.Conn) (transport.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if before != nil && !w.stays {
		w.at = (w.at + 1) % len(w.fleet.sites)
	}
	return w.dial(w.fleet.sites[w.at])
}

func (w *walk) Better(ctx context.Context, now transport.Conn) (transport.Conn, string, error) {
	select {
	case to := <-w.better:
		w.mu.Lock()
		defer w.mu.Unlock()
		w.at = to
		c, err := w.dial(w.fleet.sites[to])
		return c, "moved over", err
	case <-ctx.Done():
		return nil, "", ctx.Err()
	}
}

// guest is a member whose events are kept.
type guest struct {
	*room.Member
	walk *walk
	rec  *roomtest.Recorder
	who  string

	mu     sync.Mutex
	events []room.Event
	seen   uint64
	ended  chan struct{}
}

func (f *fleet) join(rec *roomtest.Recorder, who string, at int, stays bool) *guest {
	f.t.Helper()
	id := newIdentity(f.t)
	g := &guest{walk: &walk{fleet: f, who: id, at: at, stays: stays, better: make(chan int, 1)}, rec: rec, who: who, ended: make(chan struct{})}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	m, err := room.Join(ctx, room.JoinOptions{Nick: who, Identity: id}, g.walk)
	if err != nil {
		f.t.Fatalf("%s: %v", who, err)
	}
	g.Member = m
	go g.read(f.t)
	return g
}

func (g *guest) read(t *testing.T) {
	defer close(g.ended)
	for {
		e, err := g.Next(context.Background())
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Errorf("%s ended: %v", g.who, err)
			}
			return
		}
		line, err := json.Marshal(e)
		if err == nil && g.rec != nil {
			err = g.rec.Line(g.who, line)
		}
		if err != nil {
			t.Error(err)
		}
		g.mu.Lock()
		g.events = append(g.events, e)
		if e.Type != room.Accepted && e.Type != room.Delivered {
			g.seen = max(g.seen, e.Seq)
		}
		g.mu.Unlock()
	}
}

// say says something, and has it recorded.
func (g *guest) say(t *testing.T, text string) {
	if g.rec != nil {
		g.rec.Sending(g.who, "", text)
	}
	if _, err := g.Say(context.Background(), text); err != nil {
		t.Errorf("%s says %s: %v", g.who, text, err)
	}
}

// count counts events.
func (g *guest) count(is func(room.Event) bool) (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range g.events {
		if is(e) {
			n++
		}
	}
	return n
}

func (g *guest) heard(text string) int {
	return g.count(func(e room.Event) bool { return e.Type == room.Message && e.Text == text })
}

func notice(code string) func(room.Event) bool {
	return func(e room.Event) bool { return e.Type == room.Notice && e.Code == code }
}

func (g *guest) leave() {
	g.Leave(context.Background(), "")
	<-g.ended
}

// stored counts what the log has of a text.
func (f *fleet) stored(text string) (n int) {
	_, end, _ := f.log.Bounds(context.Background())
	all, _ := f.log.Page(context.Background(), transport.Key{}, end+1, int(end))
	for _, e := range all {
		if e.Words == text {
			n++
		}
	}
	return n
}

// A host is cut off for 20 s: what is under way keeps its id, what comes then is refused,
// and people hear of it once; whoever loses the connection comes back. Nothing is
// there twice.
func TestCutOffReadOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 2, false)
		defer f.close()
		ana, cyn, ben := f.join(nil, "ana", 0, true), f.join(nil, "cyn", 0, true), f.join(nil, "ben", 1, true)
		synctest.Wait()
		f.sites[0].far.Cut(1)
		ana.say(t, "under way")
		time.Sleep(100 * time.Millisecond)
		ana.say(t, "behind it")
		time.Sleep(4 * time.Second)
		for _, g := range []*guest{ana, cyn} {
			if n := g.count(notice("readonly")); n != 1 {
				t.Errorf("%s was told %d times", g.who, n)
			}
		}
		for i := range 3 {
			ana.say(t, fmt.Sprint("refused", i))
		}
		synctest.Wait()
		refused := func(e room.Event) bool { return e.Type == room.Failed && e.Code == "not_stored" }
		if n := ana.count(refused); n != 4 {
			t.Errorf("%d refused", n)
		}
		ben.say(t, "from ben")
		f.sites[0].mu.Lock()
		for _, c := range f.sites[0].conns {
			c.Close()
		}
		f.sites[0].mu.Unlock()
		time.Sleep(8 * time.Second)
		for _, g := range []*guest{ana, cyn} {
			if n := g.count(func(e room.Event) bool { return e.Type == room.Link && e.State == "resumed" }); n != 1 {
				t.Errorf("%s came back %d times", g.who, n)
			}
		}
		time.Sleep(8 * time.Second)
		if ana.heard("from ben") != 0 || ben.heard("under way") != 1 {
			t.Error("it is not cut off")
		}
		f.sites[0].far.Heal()
		time.Sleep(6 * time.Second)
		for _, g := range []*guest{ana, cyn, ben} {
			if g.heard("under way") != 1 || g.heard("from ben") != 1 || g.heard("behind it") != 0 {
				t.Errorf("%s: %d %d %d", g.who, g.heard("under way"), g.heard("from ben"), g.heard("behind it"))
			}
		}
		if n, m := ana.count(notice("writable")), ben.count(notice("writable")); n != 1 || m != 0 {
			t.Errorf("told %d and %d times that it is over", n, m)
		}
		ana.say(t, "after")
		synctest.Wait()
		if f.stored("after") != 1 || f.stored("under way") != 1 || f.stored("refused0") != 0 || f.stored("behind it") != 0 {
			t.Error("what is stored")
		}
		ana.leave()
		cyn.leave()
		ben.leave()
	})
}

// With Queue, what is said while the host is cut off is stored when it is not.
func TestCutOffQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 2, true)
		defer f.close()
		ana, ben := f.join(nil, "ana", 0, true), f.join(nil, "ben", 1, true)
		synctest.Wait()
		f.sites[0].far.Cut(0)
		for i := range 20 {
			ana.say(t, fmt.Sprint("a", i))
			time.Sleep(time.Second)
			if i == 10 {
				f.sites[0].conns[0].Close()
			}
		}
		if ana.count(notice("readonly")) == 0 || ana.count(func(e room.Event) bool { return e.Type == room.Failed }) != 0 {
			t.Error("not told, or refused")
		}
		f.sites[0].far.Heal()
		time.Sleep(8 * time.Second)
		last := uint64(0)
		for i := range 20 {
			text := fmt.Sprint("a", i)
			if f.stored(text) != 1 || ben.heard(text) != 1 || ana.heard(text) != 1 {
				t.Errorf("%s: %d stored, heard %d and %d", text, f.stored(text), ben.heard(text), ana.heard(text))
			}
			ben.count(func(e room.Event) bool {
				if e.Type == room.Message && e.Text == text {
					if e.Seq < last {
						t.Errorf("%s is %d, after %d", text, e.Seq, last)
					}
					last = e.Seq
				}
				return false
			})
		}
		ana.leave()
		ben.leave()
	})
}

// Who goes from a host that is cut off to another takes along what is not answered.
func TestMovesFromCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, through := range []int{0, 1} {
			f := newFleet(t, 2, false)
			ana, ben := f.join(nil, "ana", 0, false), f.join(nil, "ben", 1, true)
			synctest.Wait()
			f.sites[0].far.Cut(through)
			ana.say(t, "one")
			ana.say(t, "two")
			time.Sleep(time.Second)
			ana.walk.better <- 1
			time.Sleep(3 * time.Second)
			for _, text := range []string{"one", "two"} {
				if ben.heard(text) != 1 || ana.heard(text) != 1 {
					t.Errorf("%s was heard %d and %d times", text, ben.heard(text), ana.heard(text))
				}
			}
			f.sites[0].far.Heal()
			time.Sleep(10 * time.Second)
			ana.say(t, "three")
			synctest.Wait()
			for _, text := range []string{"one", "two", "three"} {
				if f.stored(text) != 1 || ben.heard(text) != 1 || ana.heard(text) != 1 {
					t.Errorf("%s: %d stored, heard %d and %d", text, f.stored(text), ben.heard(text), ana.heard(text))
				}
			}
			ana.leave()
			ben.leave()
			f.close()
		}
	})
}

// Hosts die, come back and are cut off, people go from one to another, and the
// checker finds nothing.
func TestSeveralHostsInTrouble(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { inTrouble(t, seed) })
		})
	}
}

func inTrouble(t *testing.T, seed uint64) {
	const people, messages = 6, 60
	random := rand.New(rand.NewPCG(seed, 8))
	f := newFleet(t, 3, seed%2 == 1)
	rec := new(roomtest.Recorder)
	rec.Add(roomtest.Record{Op: roomtest.Plan, Count: people * messages})
	var all []*guest
	for i := range people {
		all = append(all, f.join(rec, fmt.Sprint("p", i), i%3, false))
	}
	var talking sync.WaitGroup
	for i, g := range all {
		mine := rand.New(rand.NewPCG(seed, uint64(100+i)))
		talking.Go(func() {
			for n := range messages {
				g.say(t, fmt.Sprintf("%s-%d from %s", g.who, n, g.who))
				time.Sleep(time.Duration(mine.Int64N(int64(2 * time.Second))))
			}
		})
	}
	var troubles uint64
	for range 12 {
		time.Sleep(time.Duration(random.Int64N(int64(4 * time.Second))))
		s := f.sites[random.IntN(3)]
		switch random.IntN(3) {
		case 0:
			f.kill(s)
			f.tell()
			time.Sleep(time.Duration(random.Int64N(int64(12 * time.Second))))
			f.open(s)
			f.tell()
		case 1:
			s.far.Cut(random.IntN(3))
			time.Sleep(time.Duration(random.Int64N(int64(15 * time.Second))))
			s.far.Heal()
		case 2:
			select {
			case all[random.IntN(people)].walk.better <- random.IntN(3):
			default:
			}
		}
		troubles++
	}
	rec.Add(roomtest.Record{Op: roomtest.Nemesis, Who: "troubles", Count: troubles})
	talking.Wait()
	time.Sleep(30 * time.Second)
	_, end, _ := f.log.Bounds(t.Context())
	entries, _ := f.log.Page(t.Context(), transport.Key{}, end+1, int(end))
	for _, e := range entries {
		event, err := e.Event()
		if err != nil {
			t.Fatal(err)
		}
		line, _ := json.Marshal(event)
		if err := rec.Line("log", line); err != nil {
			t.Fatal(err)
		}
	}
	for _, g := range all {
		g.mu.Lock()
		if g.seen != end {
			t.Errorf("%s has seen %d of %d", g.who, g.seen, end)
		}
		g.mu.Unlock()
	}
	if found := roomtest.Check(rec.History("log")); len(found) > 0 {
		t.Errorf("seed %d:\n%s", seed, roomtest.Report(found))
	}
	here := map[string]int{}
	for _, e := range entries {
		switch event, _ := e.Event(); {
		case event.Type == room.Joined && !event.Moved():
			here[event.Nick]++
		case event.Type == room.Left:
			here[event.Nick]--
		}
	}
	for _, g := range all {
		if here[g.who] != 1 || !strings.HasPrefix(g.Nick(), "p") {
			t.Errorf("%s: %d", g.who, here[g.who])
		}
	}
	for _, g := range all {
		g.leave()
	}
	f.close()
}
