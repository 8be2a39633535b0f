package room

import (
	"context"
	"io"
	"log/slog"

	"parley/transport"
)

// JoinOptions say how to sit down in a room.
type JoinOptions struct {
	Room     string             // empty: the only public room there
	Nick     string             // the name to ask for
	Quiet    bool               // no join and leave lines; may share a nick of the same key
	Deaf     bool               // wants to hear nothing, as one that only sends; counts for no delivery
	Share    bool               // may share a nick that another seat of the same key holds
	History  int                // how many events from before to replay; -1: none
	Identity transport.Identity // our own; zero in plaintext
	Via      string             // the carrier to show; empty: what the Conn says
	Guest    bool               // a bare text client's seat: no replay, no rights, counts for no delivery
	Logger   *slog.Logger       // nil: none

	// Ask is called when the nick is refused, and the Conn kept. It returns
	// the next to try. Nil: Join returns the Refused.
	Ask func(ctx context.Context, r Refused) (nick string, ok bool)

	// Trust is called with the room's key before Join returns, where the
	// room has one. An error ends the join with that error. Nil: any will do.
	Trust func(room transport.Key) error
}

// Dial connects to the host. A Member calls it for its first connection and
// whenever one fails.
type Dial func(ctx context.Context) (transport.Conn, error)

// Refused is the error of a Join that the host refused, and of Next when the
// member was put out. Code is for programs: nick_taken, nick_invalid, no_room,
// which_room, full, version, kicked, banned, key, too_long, …
type Refused struct {
	Code, Text, Suggest string
	Rooms               []string // of which_room and no_room: what there is
}

func (r *Refused) Error() string { return r.Text }

// A Member is a seat in a room.
type Member struct{ ready Event }

// Join sits down.
func Join(ctx context.Context, o JoinOptions, dial Dial) (*Member, error) { return nil, io.EOF }

// Ready returns the "ready" event: where we sit.
func (m *Member) Ready() Event { return m.ready }

// Next returns the next event.
func (m *Member) Next(ctx context.Context) (Event, error) { return Event{}, io.EOF }

// Say queues a message.
func (m *Member) Say(ctx context.Context, text string) (id string, err error) { return "", io.EOF }

// Input does what a typed line says.
func (m *Member) Input(ctx context.Context, line string) (Action, error) { return Action{}, nil }

// Flush waits until nothing is pending.
func (m *Member) Flush(ctx context.Context) error { return nil }

// Names returns who is here.
func (m *Member) Names() []Person { return nil }

// Nick returns our name.
func (m *Member) Nick() string { return m.ready.Nick }

// Stats returns the counters.
func (m *Member) Stats() Counters { return Counters{} }

// Leave says goodbye.
func (m *Member) Leave(ctx context.Context, reason string) error { return nil }
