package tui

import (
	"context"
	"io"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"

	"parley/room"
	"parley/transport"
)

// ears is a network that counts who listens for rooms, and how rooms are opened.
type ears struct {
	Network
	listening, times int
	opened           room.HostOptions
}

func (e *ears) Rooms(ctx context.Context, _ func(room.Listing)) error {
	e.listening++
	e.times++
	<-ctx.Done()
	e.listening--
	return ctx.Err()
}

func (e *ears) Host(_ context.Context, o room.HostOptions) (room.Hosting, error) {
	e.opened = o
	return nil, io.ErrUnexpectedEOF
}

// Rooms are listened for while the lobby is shown, and only then: a list that is
// kept open costs the network megabytes an hour.
func TestListensOnlyInTheLobby(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &ears{}
		s := newShell(t.Context(), Options{In: nil, Out: io.Discard, Nick: "ana", Zone: time.UTC}, net)
		s.send = func(any) {}
		s.m.begin(time.Now())
		turn := func(msg tea.Msg, want, times int) {
			t.Helper()
			teaModel{s}.Update(msg)
			synctest.Wait()
			if net.listening != want || net.times != times {
				t.Fatalf("%d listen, begun %d times; want %d and %d", net.listening, net.times, want, times)
			}
		}
		turn(tickMsg{}, 1, 1)
		turn(tickMsg{}, 1, 1)
		turn(satMsg{win: 1, ready: newFake().Ready()}, 0, 1)
		turn(tickMsg{}, 0, 1)
		turn(tea.KeyPressMsg{Code: '0', Mod: tea.ModAlt}, 1, 2)
		turn(tea.KeyPressMsg{Code: '1', Mod: tea.ModAlt}, 0, 2)
		turn(endedMsg{win: 1}, 1, 3)
		s.cancel()
		s.tasks.Wait()
		if net.listening != 0 {
			t.Error("somebody still listens")
		}
	})
}

// What went while nobody listened is dropped when it is not heard again.
func TestForgetsWhatWentUnheard(t *testing.T) {
	l := &lobby{since: noon}
	here := room.Listing{Room: "here", Key: transport.Key{1}, Addr: netip.MustParseAddr("10.0.0.1")}
	l.hear(here, noon)
	l.hear(room.Listing{Room: "gone", Key: transport.Key{2}, Addr: here.Addr}, noon)
	l.since = noon.Add(time.Hour)
	l.hear(here, l.since.Add(time.Second))
	if l.forget(l.since.Add(stale - 1)); len(l.rooms) != 2 {
		t.Errorf("%d rooms before it can tell, want 2", len(l.rooms))
	}
	if l.forget(l.since.Add(stale)); len(l.rooms) != 1 || l.rooms[0].Room != "here" {
		t.Errorf("left: %v", l.rooms)
	}
}

// A room that is opened from the lobby is as the options say.
func TestOpensAsConfigured(t *testing.T) {
	net := &ears{}
	s := newShell(t.Context(), Options{Out: io.Discard, Host: room.HostOptions{Topic: "lenses", Guests: true, Rooms: []string{"other"}}}, net)
	defer s.cancel()
	s.join(t.Context(), doSit{host: "physics"}, room.JoinOptions{})
	if o := net.opened; o.Topic != "lenses" || !o.Guests || len(o.Rooms) != 1 || o.Rooms[0] != "physics" || o.Password != nil {
		t.Errorf("opened as %+v", o)
	}
}

// A password that the program was started with holds for a room that is opened from
// the lobby, unless another is typed.
func TestOpensWithPassword(t *testing.T) {
	for typed, want := range map[string]string{"": "given to parley", "another one": "another one"} {
		m := newModel(Options{Secret: "given to parley"})
		m.prompt = &prompt{kind: "host"}
		m.answerHost(m.prompt, "physics")
		m.prompt.edit.set(typed)
		m.answerHost(m.prompt, typed)
		if typed != "" {
			m.prompt.edit.set(typed)
			m.answerHost(m.prompt, typed)
		}
		got := ""
		for _, e := range m.effects() {
			if d, ok := e.(doSit); ok {
				got = d.secret
			}
		}
		if got != want {
			t.Errorf("%q typed: the password is %q", typed, got)
		}
	}
}
