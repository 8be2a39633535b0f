package room

import (
	"context"

	"parley/transport"
)

// A Way leads to the host, by whatever carriers there are and whichever is good
// now. A Member asks one thing at a time of it.
type Way interface {
	// Dial connects to the host. It is called for the first connection, with
	// a nil before, and whenever the last one, before, has failed or fallen
	// silent; before may yet turn out to live and is the caller's to close.
	// An error ends the Member if it is a *Refused.
	Dial(ctx context.Context, before transport.Conn) (transport.Conn, error)

	// Better is called with each connection that the Member begins to use. It
	// waits until there is a better one and returns it, with the reason in
	// words for people, or ctx's error. The Member moves over and closes the
	// old one; or, if that fails, closes the new one and asks again.
	Better(ctx context.Context, now transport.Conn) (better transport.Conn, why string, err error)
}

// Dial is a Way of one carrier: no connection is better than another.
type Dial func(ctx context.Context) (transport.Conn, error)

// Dial connects to the host.
func (d Dial) Dial(ctx context.Context, _ transport.Conn) (transport.Conn, error) { return d(ctx) }

// Better waits for the end of ctx.
func (d Dial) Better(ctx context.Context, _ transport.Conn) (transport.Conn, string, error) {
	<-ctx.Done()
	return nil, "", ctx.Err()
}
