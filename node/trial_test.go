package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/room"
	"parley/room/roomtest"
	"parley/transport"
	"parley/transport/transporttest"
)

// setting is what kind of room a trial is held in.
type setting struct {
	name  string
	plain bool
	lane  transport.Delivery
	via   []Transport // of the members, one each
}

// trial is a room on a bad network. All that its people do and see is written
// down as a history, for roomtest to judge.
type trial struct {
	*world
	setting
	seed  uint64
	rng   *rand.Rand // of the scripts and the faults
	keys  struct{ host, room transport.Identity }
	host  *Node
	open  *Hosting
	log   *room.Memory
	rec   roomtest.Recorder
	short map[string]bool // messages of a few bytes that are taken
	start time.Time

	people  []*speaker // the host's own seat first; those who are gone, too
	said    sync.WaitGroup
	leaks   leaks
	drained time.Duration // the longest settle

	mu   sync.Mutex
	rows []roomtest.Record // of the log
}

const hostAddr = "10.0.0.1"

// inTrial runs f in a room with the members of s, named m1, m2 and so on, whose
// host's own user is m0. When f returns, everything is judged.
func inTrial(t *testing.T, s setting, seed uint64, link transporttest.Link, f func(tr *trial)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		tr := &trial{world: &world{T: t, lan: transporttest.NewLAN(seed, link)}, setting: s, seed: seed,
			rng: rand.New(rand.NewPCG(seed, 1)), log: room.NewMemory(), short: map[string]bool{}, start: time.Now()}
		tr.keys.host, _ = transport.NewIdentity()
		tr.keys.room, _ = transport.NewIdentity()
		tr.leaks.test = t
		ctx, cancel := context.WithCancel(t.Context())
		var following sync.WaitGroup
		following.Go(func() { tr.follow(ctx) })
		defer following.Wait()
		defer cancel()
		defer tr.goHome()
		tr.openRoom()
		for i, via := range s.via {
			tr.enter(fmt.Sprintf("m%d", i+1), fmt.Sprintf("10.0.0.%d", i+2), via)
		}
		f(tr)
		tr.judge()
	})
}

// openRoom hosts the room on a machine of the first address, with the log and
// the keys that it may have had before, and has the host's user sit down.
func (tr *trial) openRoom() *speaker {
	tr.Helper()
	var m *transporttest.Machine
	if tr.host != nil { // the same computer, started again
		m = tr.host.Net.(tapped).Machine
	} else {
		m = tr.lan.Machine("host", hostAddr+"/24")
	}
	n := &Node{Net: tapped{machine: machine{m}}, Identity: tr.keys.host, Plaintext: tr.plain, NoDiscovery: true,
		RoomKey: func(string) (transport.Identity, func(), error) { return tr.keys.room, nil, nil }}
	tr.host, tr.nodes = n, append(tr.nodes, n)
	n.start()
	h := &Hosting{node: n, options: room.HostOptions{Rooms: []string{"physics"}, Delivery: tr.lane},
		changed: make(chan struct{}, 1), done: make(chan struct{})}
	if err := h.makeRooms(tr.Context()); err != nil {
		tr.Fatal(err)
	}
	h.rooms[0].Log = tr.log
	s, err := n.listen(tr.Context())
	if err != nil {
		tr.Fatal(err)
	}
	h.ctx, h.cancel = context.WithCancel(n.ctx)
	h.seats, h.cut = context.WithCancel(context.Background())
	h.serve(s)
	n.open[h] = true
	tr.open = h
	own, err := h.Sit(tr.Context(), room.JoinOptions{Nick: "m0", Ask: tr.anyName})
	if err != nil {
		tr.Fatal(err)
	}
	return tr.seat(own, n)
}

// anyName takes the name that the host suggests.
func (tr *trial) anyName(ctx context.Context, r room.Refused) (string, bool) {
	tr.Logf("%s: %s", r.Code, r.Text)
	return r.Suggest, r.Suggest != ""
}

// enter has somebody join from a machine of its own.
func (tr *trial) enter(nick, addr string, via Transport) *speaker {
	tr.Helper()
	m := tr.lan.Machine(nick, addr+"/24")
	id, _ := transport.NewIdentity()
	return tr.join(nick, &Node{Net: tapped{machine{m}, &tap{nick: nick, leaks: &tr.leaks, reads: tr.plain}}, Transport: via, Identity: id,
		Plaintext: tr.plain, NoDiscovery: true})
}

// join has somebody sit down by way of a new node.
func (tr *trial) join(nick string, n *Node) *speaker {
	tr.Helper()
	tr.nodes = append(tr.nodes, n)
	const tries = 3 // the first connection is given up after 10 s, and this network is bad
	for try := 1; ; try++ {
		p, err := n.Join(tr.Context(), hostAddr, room.JoinOptions{Nick: nick, Share: true, Ask: tr.anyName})
		if err == nil {
			return tr.seat(p, n)
		}
		tr.Logf("%s joins by %s, try %d: %v: %v", nick, n.Transport, try, err, errors.Unwrap(err))
		if try == tries {
			tr.FailNow()
		}
	}
}

// speaker is one who sits in the room: what it is shown goes into the history.
type speaker struct {
	*room.Member
	trial *trial
	node  *Node
	who   string

	planned int // sentences

	// Guarded by trial.mu.
	sent  int
	dead  bool
	shown map[uint64]bool
	links []room.Event
	done  chan struct{}
}

// seat has m watched. The second program of a nick is called nick:2.
func (tr *trial) seat(m *room.Member, n *Node) *speaker {
	s := &speaker{Member: m, trial: tr, node: n, who: m.Nick(), shown: map[uint64]bool{}, done: make(chan struct{})}
	for again := 2; slices.ContainsFunc(tr.people, func(o *speaker) bool { return o.who == s.who }); again++ {
		s.who = fmt.Sprintf("%s:%d", m.Nick(), again)
	}
	if t, ok := n.Net.(tapped); ok && t.tap != nil {
		t.tap.nick = m.Nick()
	}
	if tr.lane != transport.Ordered && m.Ready().Transport == "udp" {
		tr.rec.Lane(s.who, tr.lane.String())
	}
	tr.people = append(tr.people, s)
	go s.watch()
	return s
}

// watch is the speaker's screen.
func (s *speaker) watch() {
	defer close(s.done)
	for {
		e, err := s.Next(context.Background())
		if err != nil {
			return
		}
		line, err := json.Marshal(e)
		s.trial.mu.Lock()
		if s.dead { // nobody sees it
			s.trial.mu.Unlock()
			continue
		}
		if err == nil {
			err = s.trial.rec.Line(s.who, line)
		}
		if err != nil {
			s.trial.Errorf("%s was shown %q: %v", s.who, line, err)
		}
		switch {
		case e.Type == room.Link:
			e.At = time.Now()
			s.links = append(s.links, e)
		case e.Seq > 0 && e.Type != room.Ready && e.Type != room.Accepted && e.Type != room.Delivered:
			s.shown[e.Seq] = true
		}
		s.trial.mu.Unlock()
	}
}

// sentence is something to be said, after a pause.
type sentence struct {
	after time.Duration
	to    string
	text  string
}

// say begins to say all of a script.
func (s *speaker) say(script []sentence) {
	s.planned += len(script)
	s.trial.said.Go(func() {
		for _, l := range script {
			time.Sleep(l.after)
			s.trial.rec.Sending(s.who, l.to, l.text)
			s.trial.mu.Lock()
			s.sent++
			s.trial.mu.Unlock()
			var err error
			if l.to == "" {
				_, err = s.Say(context.Background(), l.text)
			} else {
				_, err = s.Input(context.Background(), "/msg "+l.to+" "+l.text)
			}
			if err != nil {
				if !s.isDead() {
					s.trial.Errorf("%s cannot say anything any more: %v", s.who, err)
				}
				return
			}
		}
	})
}

func (s *speaker) isDead() bool {
	s.trial.mu.Lock()
	defer s.trial.mu.Unlock()
	return s.dead
}

// linkEvents returns what the speaker was told of its connection, or of it that
// it is in a state.
func (s *speaker) linkEvents(state string) (list []room.Event) {
	s.trial.mu.Lock()
	defer s.trial.mu.Unlock()
	for _, e := range s.links {
		if e.State == state || state == "" {
			list = append(list, e)
		}
	}
	return list
}

// alphabet of the shortest messages: its letters do not begin a longer one.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// script writes n sentences, at random moments within about the given time.
func (tr *trial) script(who string, n int, within time.Duration) []sentence {
	script := make([]sentence, n)
	for i := range script {
		l := sentence{text: tr.text(fmt.Sprintf("%s.%d", who, i))}
		if within > 0 {
			l.after = time.Duration(tr.rng.Int64N(int64(2*within) / int64(n)))
		}
		if tr.rng.IntN(10) == 0 {
			nick, _, _ := strings.Cut(who, ":")
			for l.to == "" || l.to == nick {
				l.to = fmt.Sprintf("m%d", tr.rng.IntN(len(tr.via)+1))
			}
			l.text = whispered(fmt.Sprintf("%s.%d", who, i), nick, l.to, 20+tr.rng.IntN(2000))
		}
		script[i] = l
	}
	return script
}

// text makes a message of 1 to 4,096 bytes, small ones as often as large ones,
// whose first word nobody else says.
func (tr *trial) text(id string) string {
	size := 1 << tr.rng.IntN(13)
	if size = min(4096, size+tr.rng.IntN(size)); size < 4 {
		for try := 0; try < 100; try++ {
			b := make([]byte, size)
			for i := range b {
				b[i] = alphabet[tr.rng.IntN(len(alphabet))]
			}
			if s := string(b); !tr.short[s] {
				tr.short[s] = true
				return s
			}
		}
	}
	var b bytes.Buffer
	b.WriteString(id + " ")
	letters := []rune("abc def\tghi\näöü € 漢字 👋🏽\"\\</>&") // what JSON and UTF-8 find hard
	for b.Len() < size-4 {
		b.WriteRune(letters[tr.rng.IntN(len(letters))])
	}
	for b.Len() < size {
		b.WriteByte('.')
	}
	return b.String()
}

// speakAll has everybody there say n things.
func (tr *trial) speakAll(n int, within time.Duration) {
	for _, p := range tr.people {
		if !p.isDead() {
			p.say(tr.script(p.who, n, within))
		}
	}
}

// die ends the speaker's program as kill -9 does.
func (s *speaker) die() {
	s.trial.mu.Lock()
	s.dead = true
	s.trial.rec.Add(roomtest.Record{Op: roomtest.End, Who: s.who, Dead: true})
	s.trial.mu.Unlock()
	s.node.Net.(tapped).Machine.Kill()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.Leave(ctx, "")
	s.node.Close()
	<-s.done
}

// goHome has everybody leave and every node end.
func (tr *trial) goHome() {
	var leaving sync.WaitGroup
	for _, p := range tr.people {
		leaving.Go(func() {
			p.Leave(context.Background(), "")
			<-p.done
		})
	}
	leaving.Wait()
	tr.said.Wait()
	for _, n := range tr.nodes {
		leaving.Go(func() { n.Close() })
	}
	leaving.Wait()
}
