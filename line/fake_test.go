package line

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"parley/room"
)

// fake is a seat in a room where everything is taken at once, unless it holds.
type fake struct {
	ready  room.Event
	people []room.Person
	events chan happening
	gone   chan struct{}
	once   sync.Once

	mu      sync.Mutex
	said    []string
	pending int
	left    string
	hold    bool // the host takes nothing
	refuse  map[string]error
}

func newFake() *fake {
	return &fake{
		ready: room.Event{Type: room.Ready, V: 1, Room: "physics", Nick: "ana", Role: "member", Transport: "udp", Secure: true, Seq: 41},
		// the room's own queue is bounded too; the tests stay below
		events: make(chan happening, 4096), gone: make(chan struct{}), refuse: map[string]error{},
	}
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func (f *fake) Ready() room.Event    { return f.ready }
func (f *fake) Names() []room.Person { return f.people }
func (f *fake) Nick() string         { return f.ready.Nick }

func (f *fake) Unsent() []room.Unsent {
	f.mu.Lock()
	defer f.mu.Unlock()
	return make([]room.Unsent, f.pending)
}

func (f *fake) Page(context.Context, uint64, int) (room.Look, error) { return room.Look{}, nil }

func (f *fake) Stats() room.Counters {
	f.mu.Lock()
	defer f.mu.Unlock()
	return room.Counters{Pending: f.pending}
}

func (f *fake) Next(ctx context.Context) (room.Event, error) {
	select {
	case h := <-f.events:
		return h.event, h.err
	default:
	}
	select {
	case h := <-f.events:
		return h.event, h.err
	case <-f.gone:
		return room.Event{}, io.EOF
	case <-ctx.Done():
		return room.Event{}, ctx.Err()
	}
}

func (f *fake) Input(ctx context.Context, line string) (room.Action, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.refuse[line]; err != nil {
		return room.Action{}, err
	}
	word, arg, _ := strings.Cut(line, " ")
	if word == "/delivered" {
		return room.Action{Do: "delivered", Arg: arg}, nil
	}
	if do := front(word); do != "" {
		return room.Action{Do: do, Arg: arg}, nil
	}
	f.said = append(f.said, line)
	if f.hold {
		f.pending++
		return room.Action{}, nil
	}
	seq := uint64(41 + len(f.said))
	f.events <- happening{event: room.Event{Type: room.Accepted, ID: "00112233445566778899aabbccddeeff", Seq: seq, Text: line}}
	f.events <- happening{event: room.Event{Type: room.Message, Seq: seq, At: noon, From: f.ready.Nick, Text: line, Own: true}}
	return room.Action{}, nil
}

func (f *fake) Flush(ctx context.Context) error {
	for f.Stats().Pending > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

func (f *fake) Leave(ctx context.Context, reason string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = "left: " + reason
	f.once.Do(func() { close(f.gone) })
	return nil
}

func (f *fake) lines() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.said, "|")
}

func (f *fake) goodbye() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.left
}

func (f *fake) come(e ...room.Event) {
	for _, e := range e {
		f.events <- happening{event: e}
	}
}

// said is a message of another.
func said(from, text string) room.Event {
	return room.Event{Type: room.Message, Seq: 42, At: noon, From: from, Text: text}
}

// buffer is a writer whose content can be read while it is written to.
type buffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

var errFull = errors.New("disk full")

// full is a writer that takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

func roomPerson(nick string) room.Person { return room.Person{Nick: nick} }
