package room

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"parley/transport"
)

// An Importer is a Log that takes another's entries as they are: the next ones,
// with their numbers, and keeps them before it returns.
type Importer interface {
	Log
	Import(ctx context.Context, entries []Entry) error

	// Gone notes that of the entries up to one, which were imported, what was said
	// is deleted.
	Gone(ctx context.Context, upto uint64) error
}

// Secrets are what makes its holder a room's host.
type Secrets struct {
	Key      transport.Identity // zero in plaintext
	Verifier *Verifier
}

// A Receiver is the machine's part in taking a room over.
type Receiver interface {
	// Open makes a Host of the deed, with Taking set and a Log that is an
	// Importer. Whoever connects to it is put off for now.
	Open(ctx context.Context, d Deed) (*Host, error)

	// Run has the Host run; all that was there of a checkpoint is in its Log.
	Run()

	// Keep keeps the secrets so that they outlive this program, but not yet as
	// those of a room that may be hosted.
	Keep(ctx context.Context, s Secrets) error

	// Serve is called when the room is ours: what was kept is now a room that may
	// be hosted. Begin has its Host serve it.
	Serve(ctx context.Context) error
}

// An Offer is what a member is told when the room is offered to it.
type Offer struct {
	Room   string
	Key    transport.Key // the room's
	Ticket string        // by which it is known
	Heir   Heir          // who takes the room, and whose it was
}

// Doubt is the error of a Take that does not know whether the room is ours: all
// is there, and the old host could not be heard any more. Ask it, or wait until
// it tells.
type Doubt struct {
	Err   error
	Words string // for people, with what can be done; may be empty
}

// Error tells why.
func (d *Doubt) Error() string {
	if d.Words != "" {
		return d.Words
	}
	return "the old host fell silent before it said that the room is ours: " + d.Err.Error()
}

// Unwrap gives the reason.
func (d *Doubt) Unwrap() error { return d.Err }

// taking is one handover's work at the new host.
type taking struct {
	conn   transport.Conn
	from   Receiver
	host   *Host
	log    Importer
	at     sum
	run    bool
	need   uint64 // of the log, before Run: the checkpoint's
	gone   uint64 // up to here entries are empty
	sketch []byte // and it
	tell   func(state, words string)
	head   uint64
}

// Take takes a room over from the host at the other end of c, at which we are to
// be found at move. It returns when we serve it. tell is told how it goes.
func Take(ctx context.Context, c transport.Conn, o Offer, move Move, r Receiver, tell func(state, words string)) error {
	if err := c.Send(ctx, encode(handing{Type: typeTakeover, V: Version, Room: o.Room, Ticket: o.Ticket, Move: &move})); err != nil {
		return err
	}
	t := &taking{conn: c, from: r, tell: tell}
	err := t.take(ctx, o)
	if err != nil && !errors.Is(err, errOff) {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
		defer cancel()
		c.Send(last, encode(handing{Type: typeOff, Text: err.Error()}))
	}
	return err
}

func (t *taking) take(ctx context.Context, o Offer) error {
	x, err := t.expect(ctx, typeHand)
	if err != nil {
		return err
	}
	d := x.Deed
	if d == nil || d.Room != o.Room || d.Key != o.Key || d.Former != t.conn.Peer().Key {
		return fmt.Errorf("%w: it is not the room that was offered", errWire)
	}
	if t.host, err = t.from.Open(ctx, *d); err != nil {
		return err
	}
	var ok bool
	if t.log, ok = t.host.Log.(Importer); !ok {
		return errors.New("the log cannot take entries")
	}
	t.head, t.gone = d.Seq, d.Gone
	t.tell("copying", fmt.Sprintf("%s is being copied: %d entries so far", d.Room, d.Seq))
	if x, err = t.entries(ctx); err != nil {
		return err
	}
	return t.secrets(ctx, x, *d)
}

// expect reads a message with a limit.
func (t *taking) expect(ctx context.Context, kind string) (handing, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, copyStall, errors.New("the old host says nothing"))
	defer cancel()
	return expect(ctx, t.conn, kind)
}

// entries takes in entries until the key comes, which is returned. What has
// gathered while some were stored is stored together.
func (t *taking) entries(parent context.Context) (last handing, err error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	const ahead = 64 // of at most maxHand each
	incoming := make(chan handing, ahead)
	failed := make(chan error, 1)
	go func() { // ends with ctx, or after the key
		defer close(incoming)
		for {
			x, err := receive(ctx, t.conn)
			if err != nil {
				failed <- err
				return
			}
			select {
			case incoming <- x:
			case <-ctx.Done():
				failed <- ctx.Err()
				return
			}
			if x.Type == typeKey {
				failed <- nil
				return
			}
		}
	}()
	defer func() {
		cancel(nil)
		for range incoming {
		}
	}()
	var sketch []byte
	for x := range incoming {
		switch x.Type {
		case typeSketch:
			if sketch = append(sketch, x.Data...); len(sketch) > maxCheckpoint || t.at.seq > 0 {
				return last, errWire
			}
			if !x.More {
				t.need, t.sketch = x.Seq, sketch
			}
		case typeEntries:
			all := x.Entries
			next := handing{Type: typeEntries}
			for n := len(incoming); n > 0 && len(all) < maxImport && next.Type == typeEntries; n-- {
				if next = <-incoming; next.Type == typeEntries {
					all = append(all, next.Entries...)
				}
			}
			if err := t.store(ctx, all); err != nil {
				return last, err
			}
			switch next.Type {
			case typeKey:
				return next, nil
			case typeEntries, "": // the latter when there is no more
			default:
				return last, errWire
			}
		case typeKey:
			return x, nil
		default:
			return last, fmt.Errorf("%w: %.32q", errWire, x.Type)
		}
	}
	return last, <-failed
}

// maxImport is how many entries are stored at once, about: a commit's worth.
const maxImport = 4096

// store keeps entries and says so.
func (t *taking) store(ctx context.Context, crates []crate) error {
	entries := make([]Entry, 0, len(crates))
	at := t.at
	for i := range crates {
		e, err := crates[i].unpack()
		if err != nil {
			return err
		}
		if e.Seq != at.seq+1 {
			return fmt.Errorf("%w: entry %d after %d", errWire, e.Seq, at.seq)
		}
		at.seq = e.Seq
		at.chain.add(e)
		entries = append(entries, e)
	}
	if err := t.log.Import(ctx, entries); err != nil {
		return fmt.Errorf("cannot keep the room's record: %w", err)
	}
	t.at = at
	if err := t.begin(ctx); err != nil {
		return err
	}
	return t.conn.Send(ctx, encode(handing{Type: typeCopied, Seq: at.seq, Chain: at.chain[:]}))
}

// begin has the Host read the log as soon as it can: the older part is read by the time
// the rest comes.
func (t *taking) begin(ctx context.Context) error {
	if t.run || t.at.seq < t.need {
		return nil
	}
	t.run = true
	if t.gone > t.need {
		return errors.New("the old host does not tell what older entries add up to")
	}
	if err := t.log.Gone(ctx, t.gone); err != nil {
		return fmt.Errorf("cannot note what is not there any more: %w", err)
	}
	if len(t.sketch) > 0 {
		k, ok := t.log.(Checkpointer)
		if !ok {
			return errors.New("the log cannot keep what older entries add up to")
		}
		if err := k.SaveCheckpoint(ctx, t.need, t.sketch); err != nil {
			return fmt.Errorf("cannot keep what older entries add up to: %w", err)
		}
		t.sketch = nil
	}
	t.from.Run()
	return nil
}

// secrets takes in the key, and waits until the room is ours.
func (t *taking) secrets(ctx context.Context, x handing, d Deed) error {
	var s Secrets
	if x.Seq != t.at.seq || string(x.Chain) != string(t.at.chain[:]) {
		return errors.New("what has come is not what the room holds")
	}
	if !d.Plaintext {
		key, err := transport.IdentityFromSeed(x.Seed)
		if err != nil || key.Key() != d.Key {
			return errors.New("that is not the key of the room")
		}
		s.Key = key
	}
	s.Verifier = x.Verifier
	if t.need > t.at.seq {
		return errWire
	}
	if err := t.begin(ctx); err != nil {
		return err
	}
	if err := t.from.Keep(ctx, s); err != nil {
		return err
	}
	if err := t.conn.Send(ctx, encode(handing{Type: typePrepared, Seq: t.at.seq, Chain: t.at.chain[:]})); err != nil {
		return &Doubt{Err: err} // it may have arrived
	}
	if _, err := t.expect(ctx, typeGo); err != nil {
		if errors.Is(err, errOff) {
			return err
		}
		return &Doubt{Err: err}
	}
	t.host.end = t.at.seq
	if err := t.from.Serve(ctx); err != nil {
		return err
	}
	t.conn.Send(ctx, encode(handing{Type: typeServing, Seq: t.at.seq})) // if it is not heard, we are asked again
	return nil
}

// Ask asks the old host, at the other end of c, what became of an offer for which
// everything was prepared: nil when the room is ours. An error wrapping
// ErrNotOurs says that it is not, and never will be; others, that nobody knows.
func Ask(ctx context.Context, c transport.Conn, roomName, ticket string) error {
	if err := c.Send(ctx, encode(handing{Type: typeTakeover, V: Version, Room: roomName, Ticket: ticket, Ready: true})); err != nil {
		return err
	}
	_, err := expect(ctx, c, typeGo)
	if errors.Is(err, errOff) {
		return fmt.Errorf("%w: %w", ErrNotOurs, err)
	}
	return err
}

// ErrNotOurs is wrapped by the error of Ask when the room stayed where it was.
var ErrNotOurs = errors.New("the room was not handed over")

// Tell tells the new host, at the other end of c, that a room is its, and waits
// until it says that it serves.
func Tell(ctx context.Context, c transport.Conn, roomName, ticket string) error {
	if err := c.Send(ctx, encode(handing{Type: typeGo, Room: roomName, Ticket: ticket})); err != nil {
		return err
	}
	_, err := expect(ctx, c, typeServing)
	return err
}

// ToldTicket is the ticket in the first message of a Tell.
func ToldTicket(first []byte) (ticket string, ok bool) {
	x, err := parseFirst(first)
	return x.Ticket, err == nil && x.Type == typeGo
}

// Serving is the answer to Tell: we serve, or we know of nothing.
func Serving(yes bool) []byte {
	if yes {
		return encode(handing{Type: typeServing})
	}
	return encode(handing{Type: typeOff, Text: "nothing was handed over to us"})
}

// Begin has a Host that was Taking serve the room, with its key and password, as
// seat's of the key that is to be the host. It returns when the log says so.
func (h *Host) Begin(ctx context.Context, s Secrets, heir Heir) error {
	h.setup()
	begun := make(chan struct{})
	err := h.do(func(now time.Time, c *core) {
		h.Key, h.Password, c.verifier, c.vouch = s.Key, s.Verifier, s.Verifier, nil
		c.opening, c.begun = max(c.upto, h.end), begun
		c.waiting = append([]*item{{own: &report{Type: string(Hosted), Nick: heir.Nick, Seat: heir.Seat, Key: heir.Key, By: heir.From,
			Host: h.id(), Secure: !h.Plaintext}}}, c.waiting...)
	})
	if err != nil {
		return err
	}
	select {
	case <-begun:
		return nil
	case <-h.ended:
		return errors.New("the room could not be opened")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// An Heir is whose a room is after a handover.
type Heir struct {
	Nick, Seat string
	Key        transport.Key
	From       string // who had it before
}

// never is a seq that no log reaches.
const never = math.MaxUint64
