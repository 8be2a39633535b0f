package tui

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/room"
)

// fake is a seat in a room where everything is taken at once.
type fake struct {
	events chan room.Event
	gone   chan struct{}
	once   sync.Once

	mu     sync.Mutex
	said   []string
	reason string
}

func newFake() *fake {
	return &fake{events: make(chan room.Event, 64), gone: make(chan struct{})}
}

func (f *fake) Ready() room.Event {
	return room.Event{Type: room.Ready, Room: "physics", Nick: "ana", Secure: true, Transport: "udp"}
}

func (f *fake) Next(ctx context.Context) (room.Event, error) {
	select {
	case e := <-f.events:
		return e, nil
	default:
	}
	select {
	case e := <-f.events:
		return e, nil
	case <-f.gone:
		return room.Event{}, io.EOF
	case <-ctx.Done():
		return room.Event{}, ctx.Err()
	}
}

func (f *fake) Input(_ context.Context, line string) (room.Action, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if rest, ok := strings.CutPrefix(line, "/quit"); ok {
		return room.Action{Do: "quit", Arg: strings.TrimSpace(rest)}, nil
	}
	f.said = append(f.said, line)
	return room.Action{}, nil
}

func (f *fake) Flush(context.Context) error { return nil }
func (f *fake) Names() []room.Person        { return []room.Person{{Nick: "ana"}} }
func (f *fake) Stats() room.Counters        { return room.Counters{RTT: 1} }
func (f *fake) Unsent() []room.Unsent       { return nil }
func (f *fake) Nick() string                { return "ana" }
func (f *fake) Hosts() (host, others bool)  { return false, false }

func (f *fake) Spoken(context.Context, uint64, int) (room.Look, error) { return room.Look{}, nil }

func (f *fake) Leave(_ context.Context, reason string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reason = reason
	f.once.Do(func() { close(f.gone) })
	return nil
}

// While a thousand events come in, what is typed goes out as it was typed; and
// when the person leaves, nothing is left running.
func TestTypingIsNotDisturbed(t *testing.T) {
	before := runtime.NumGoroutine()
	keys, typing, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	defer typing.Close()
	s := newShell(t.Context(), Options{In: keys, Out: io.Discard, Deaf: true, Nick: "ana", Zone: time.UTC}, nil)
	ended := make(chan error, 1)
	go func() { ended <- s.run(t.Context()) }()
	f := newFake()
	s.seatDown(f, nil)
	go func() {
		for i := range 1000 {
			f.events <- room.Event{Type: room.Message, Seq: uint64(i + 1), From: "ben", Text: fmt.Sprintf("line %d", i), At: noon}
		}
	}()
	for _, key := range "typed in between" {
		fmt.Fprint(typing, string(key))
	}
	fmt.Fprint(typing, "\r/quit so long\r")
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it ended with: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it has not ended")
	}
	if got := strings.Join(f.said, "|"); got != "typed in between" || f.reason != "so long" {
		t.Errorf("said %q, left with %q", got, f.reason)
	}
	for len(f.events) > 0 { // so that who fills it can end
		<-f.events
	}
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before+1; {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<16)
			t.Fatalf("left running:\n%s", buf[:runtime.Stack(buf, true)])
		}
		select {
		case <-f.events:
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// The end of a seat that nobody wished for is shown, and what the host said last.
func TestPutOut(t *testing.T) {
	b := newBench(t, Options{}, 60, 12)
	b.sits(1, "physics")
	b.tell(endedMsg{1, []string{"you were put out by ben (spam)"}})
	b.sees("put out by ben", "OVER")
	b.types("hello")
	b.press("enter")
	b.sees("not in this room any more")
	b.press("ctrl+c", "ctrl+d")
	b.sees("Rooms on this network")
}
