package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/room"
	"parley/transport"
)

// seatings is a room over a log on disk, which is opened again and again.
type seatings struct {
	t       *testing.T
	at      *Histories
	key, id transport.Identity

	mu      sync.Mutex
	host    *room.Host // nil: it is down
	stop    func()
	serving sync.WaitGroup
}

func newIdentity(t *testing.T) transport.Identity {
	t.Helper()
	id, err := transport.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// open opens the room.
func (s *seatings) open() {
	s.t.Helper()
	log, release, err := s.at.Open("physics", s.key.Key())
	if err != nil {
		s.t.Fatal(err)
	}
	h := &room.Host{Name: "physics", Key: s.key, HostKey: s.id.Key(), Log: log}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- h.Run(ctx) }()
	s.mu.Lock()
	s.host = h
	s.stop = func() {
		cancel()
		if err := <-ran; err != nil {
			s.t.Error(err)
		}
		s.serving.Wait()
		if err := release(); err != nil {
			s.t.Error(err)
		}
	}
	s.mu.Unlock()
}

// close closes the room and its log.
func (s *seatings) close() {
	s.mu.Lock()
	stop := s.stop
	s.host = nil
	s.mu.Unlock()
	stop()
}

func (s *seatings) dial(who transport.Identity) room.Dial {
	return func(context.Context) (transport.Conn, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.host == nil {
			return nil, errors.New("the host is down")
		}
		mine, its := transport.Pipe(transport.Peer{Key: who.Key()}, transport.Peer{Key: s.id.Key()})
		h := s.host
		s.serving.Go(func() {
			if first, err := its.Receive(context.Background()); err == nil {
				h.Serve(context.Background(), its, append([]byte(nil), first...))
			}
		})
		return mine, nil
	}
}

func (s *seatings) join(nick string, id transport.Identity) (*room.Member, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return room.Join(ctx, room.JoinOptions{Nick: nick, Identity: id}, s.dial(id))
}

func (s *seatings) sit(nick string, id transport.Identity) *room.Member {
	s.t.Helper()
	m, err := s.join(nick, id)
	if err != nil {
		s.t.Fatalf("%s: %v", nick, err)
	}
	return m
}

func typeIn(t *testing.T, m *room.Member, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if _, err := m.Input(t.Context(), line); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
	}
}

// nextThat reads events until one is wanted.
func nextThat(t *testing.T, m *room.Member, what string, wanted func(room.Event) bool) room.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		e, err := m.Next(ctx)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if wanted(e) {
			return e
		}
	}
}

func saying(words string) func(room.Event) bool {
	return func(e room.Event) bool { return e.Text == words && (e.Type == room.Message || e.Type == room.Whisper) }
}

func resumed(e room.Event) bool { return e.Type == room.Link && e.State == "resumed" }

func asked(t *testing.T, m *room.Member, words string) string {
	t.Helper()
	l, err := m.Search(t.Context(), words, 0, 50)
	if words == "" {
		l, err = m.Page(t.Context(), 0, 50)
	}
	if err != nil || l.Copy {
		t.Errorf("%+v %v", l, err)
	}
	var all []string
	for _, e := range l.Events {
		if e.Type == room.Message || e.Type == room.Whisper {
			all = append(all, e.Text)
		}
	}
	return strings.Join(all, ", ")
}

// TestRoomOpensAgain opens a room again on its log on disk: who is banned stays
// so, who is here is here, nobody misses anything, and a whisper is for its two
// people whoever asks.
func TestRoomOpensAgain(t *testing.T) {
	s := &seatings{t: t, at: histories(t), key: newIdentity(t), id: newIdentity(t)}
	s.open()
	benID, cynID, danID := newIdentity(t), newIdentity(t), newIdentity(t)
	ana, ben, cyn := s.sit("ana", s.id), s.sit("ben", benID), s.sit("cyn", cynID)
	dan := s.sit("dan", danID)
	for i := range 20 {
		typeIn(t, ana, fmt.Sprint("light ", i))
	}
	typeIn(t, ana, "/msg ben light secret", "/ban dan spam", "/topic light")
	nextThat(t, ben, "the topic", func(e room.Event) bool { return e.Type == room.Topic })
	dan.Leave(t.Context(), "")
	for range 2 {
		s.close()
		s.open()
		for _, m := range []*room.Member{ana, ben, cyn} {
			nextThat(t, m, "the link", resumed)
		}
	}
	if _, err := s.join("innocent", danID); err == nil || !strings.Contains(err.Error(), "banned") {
		t.Errorf("dan: %v", err)
	}
	typeIn(t, cyn, "and now")
	nextThat(t, ben, "and now", func(e room.Event) bool {
		if strings.HasPrefix(e.Text, "light") || e.Code == "new_log" || e.Type == room.Joined {
			t.Errorf("%+v", e)
		}
		return saying("and now")(e)
	})
	if got := asked(t, ben, "secret"); got != "light secret" {
		t.Errorf("ben finds %q", got)
	}
	for _, words := range []string{"", "light", "secret"} {
		if got := asked(t, cyn, words); strings.Contains(got, "secret") {
			t.Errorf("cyn finds %q", got)
		}
	}
	if got := asked(t, cyn, ""); !strings.HasPrefix(got, "light 0, light 1,") || !strings.HasSuffix(got, "light 19, and now") {
		t.Errorf("cyn reads %q", got)
	}
	if n := s.host.Members(); n != 3 {
		t.Errorf("%d are here", n)
	}
	for _, m := range []*room.Member{ana, ben, cyn} {
		m.Leave(t.Context(), "")
	}
	s.close()
}

// TestOlderFile puts an older copy of the file in its place and goes on there:
// whoever comes back sees a line, and nothing twice.
func TestOlderFile(t *testing.T) {
	s := &seatings{t: t, at: histories(t), key: newIdentity(t), id: newIdentity(t)}
	path := s.at.path("physics", s.key.Key()) + logSuffix
	s.open()
	ana := s.sit("ana", newIdentity(t))
	typeIn(t, ana, "both")
	nextThat(t, ana, "both", saying("both"))
	s.close()
	older, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s.open()
	typeIn(t, ana, "lost 1", "lost 2", "lost 3")
	nextThat(t, ana, "lost 3", saying("lost 3"))
	if err := ana.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	s.close()
	if err := errors.Join(os.WriteFile(path, older, 0o600), os.Remove(path+".lock")); err != nil { // as on a new disk
		t.Fatal(err)
	}
	log, release, err := s.at.Open("physics", s.key.Key())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		e := room.Entry{Key: transport.Key{9}, ID: [16]byte{byte(i), 9}, At: time.UnixMilli(1e12), Body: fmt.Appendf(nil, `{"type":"message","from":"zoe","text":"others %d"}`, i)}
		if _, err := log.Append(t.Context(), []room.Entry{e}); err != nil {
			t.Fatal(err)
		}
	}
	release()
	s.open()
	twice := func(e room.Event) {
		if e.Type == room.Message && e.Text != "and now" {
			t.Errorf("%+v", e)
		}
	}
	nextThat(t, ana, "the line", func(e room.Event) bool {
		twice(e)
		return e.Code == "new_log"
	})
	typeIn(t, ana, "and now")
	nextThat(t, ana, "what is said", func(e room.Event) bool {
		twice(e)
		return saying("and now")(e)
	})
	ana.Leave(t.Context(), "")
	s.close()
}
