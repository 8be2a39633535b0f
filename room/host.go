package room

import (
	"context"
	"log/slog"

	"parley/transport"
)

// A Host is one room.
type Host struct {
	Name      string
	Log       Log                // nil: NewMemory()
	Key       transport.Identity // the room's; zero in plaintext
	HostKey   transport.Key      // of the host's connections; Key vouches for it
	Delivery  transport.Delivery // of what is said, from host to member
	Plaintext bool
	Guests    bool // bare text clients may sit here
	Hidden    bool
	Topic     string       // said at the start, unless the log has one
	MaxSeats  int          // 0: 1,000
	Burst     int          // messages a member may say at once; 0: 500
	Rate      int          // and then per second; 0: 100
	Names     Names        // nil: nobody else gives names away
	Logger    *slog.Logger // nil: none
}

// Names gives nicks away where several hosts serve one room.
type Names interface {
	// Claim gives name to owner unless another has it, and returns who has it then.
	Claim(ctx context.Context, name, owner string) (holder string, err error)
	// Release takes name from owner, if it has it.
	Release(ctx context.Context, name, owner string) error
}

// Run serves the room until ctx ends and every seat has ended.
func (h *Host) Run(ctx context.Context) error { return nil }

// Serve serves one connection.
func (h *Host) Serve(ctx context.Context, c transport.Conn, first []byte) error { return nil }

// Members counts the seats.
func (h *Host) Members() int { return 0 }

// ParseJoin returns the room that a connection's first message asks for.
func ParseJoin(first []byte) (roomName string, err error) { return "", nil }

// WhichRoom is the answer to a JOIN that names no room where there are several.
func WhichRoom(rooms []string) []byte { return nil }

// NoRoom is the answer to a JOIN for a room that is not here.
func NoRoom(name string, rooms []string) []byte { return nil }
