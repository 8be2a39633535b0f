package room

import (
	"context"
	"encoding/json"
	"net/netip"
	"time"

	"parley/transport"
)

// A Network is what front ends need of the machine they run on.
type Network interface {
	// Rooms tells of every room heard on the LAN until ctx ends, and again,
	// with Gone, of one that has vanished.
	Rooms(ctx context.Context, heard func(Listing)) error

	// Join sits down in the room that target names, as a person types it:
	// a room, HOST[:PORT][/ROOM], or parley://…
	Join(ctx context.Context, target string, o JoinOptions) (*Member, error)

	// Host opens rooms on this machine.
	Host(ctx context.Context, o HostOptions) (Hosting, error)
}

// HostOptions say which rooms to open, and how.
type HostOptions struct {
	Rooms       []string // their names; the first is the one that Sit means
	Topic       string
	Delivery    transport.Delivery
	Guests      bool      // let bare text clients in
	Hidden      bool      // do not announce
	Approve     bool      // newcomers wait until they are let in
	Slow        int       // seconds from one's message to one's next; 0: as the log says
	Filters     []string  // what may not be said
	Password    *Verifier // of what newcomers have to know; nil: nothing. Not in plaintext, not with guests
	MaxSeats    int       // of a room; 0: 1,000
	Burst, Rate int       // flood control of a member; 0: 500 and 100/s
	Queue       bool      // while a cluster cannot be reached, what is said waits, instead of being refused
}

// Hosting is rooms being open on this machine.
type Hosting interface {
	Ready() Event                                            // the "ready" of the first room, addresses and link included
	Sit(ctx context.Context, o JoinOptions) (*Member, error) // the host's own seat in o.Room, or in the first room
	Wait(ctx context.Context) error                          // until hosting has ended
	Close() error                                            // says goodbye and ends; bounded
}

// A Listing is a room heard on the LAN.
type Listing struct {
	Room                     string
	Addr                     netip.Addr
	UDP, TCP                 uint16
	Key                      transport.Key
	Members                  int
	Secure, Password, Guests bool
	Seen                     time.Time
	Gone                     bool   // it is there no more
	Pin                      string // what we know of its key: known, new or changed; empty: nothing
}

// MarshalJSON writes the "room" object of the output schema.
func (l Listing) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Type     string        `json:"type"`
		Room     string        `json:"room"`
		Addr     netip.Addr    `json:"addr"`
		UDP      uint16        `json:"udp"`
		TCP      uint16        `json:"tcp"`
		Key      transport.Key `json:"key"`
		Members  int           `json:"members"`
		Secure   bool          `json:"secure"`
		Password bool          `json:"password"`
		Guests   bool          `json:"guests"`
		Pin      string        `json:"pin,omitempty"`
		Gone     bool          `json:"gone,omitempty"`
	}{"room", l.Room, l.Addr, l.UDP, l.TCP, l.Key, l.Members, l.Secure, l.Password, l.Guests, l.Pin, l.Gone})
}
