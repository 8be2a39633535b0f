package room

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"parley/transport"
)

// A Host is one room. Its fields do not change once Run or Serve was called.
type Host struct {
	Name      string
	Log       Log                // nil: NewMemory()
	Key       transport.Identity // the room's; zero in plaintext
	HostKey   transport.Key      // of the host's connections; Key vouches for it
	Delivery  transport.Delivery // of what is said, from host to member
	Plaintext bool               // no key is proved, and anyone on the wire can forge
	Guests    bool               // guests sit here, who read in clear
	Hidden    bool               // not announced; the room itself does not care
	Topic     string             // the first, unless the log has one
	Approve   bool               // newcomers wait until they are let in
	Slow      int                // seconds from one's message to one's next; 0: as the log says
	Filters   []string           // what may not be said, beside what the log says; see CheckFilter
	MaxSeats  int                // 0: 1,000
	Burst     int                // messages a member may say at once; 0: 500
	Rate      int                // and then per second; 0: 100
	Names     Names              // nil: nobody else gives names away
	Password  *Verifier          // of the password that newcomers prove; nil: none. Not in plaintext, not with guests
	Logger    *slog.Logger       // nil: none
	Alone     bool               // nobody else serves the room: who sits at another host, by the log, is gone
	NoFiles   bool               // files are not passed on here
	Mover     Mover              // for handing the room over; nil: it is not tried where it goes, nor written down
	Taking    bool               // it is being handed over to us: nobody is served until Begin
	Metered   bool               // it counts for Figures

	// Queue says, where other hosts append to the log, too, what becomes of what is said
	// while it does not answer: it waits. Otherwise it is refused at once.
	Queue bool

	// Received is called with what members here have received of what another host's
	// said, and which host that is: where several serve one room, Heard takes it in
	// there. It must not wait. Nil: what is counted is members of this host alone.
	Received func(to string, report []byte)

	// Own tells whether an address is one of this machine's: nobody is banned
	// by it. Nil: only loopback is.
	Own func(netip.Addr) bool

	// Warn is told, in words for people, that the room cannot store anything, and
	// that it can again, where the host has no seat to be told at. It must not
	// wait. Nil: nobody is told.
	Warn func(text string)

	// Secured is called when the password was changed here, nil for taken off. It must
	// not wait. Nil: nobody is told.
	Secured func(*Verifier)

	// Changed is called when Guarded has. It must not wait. Nil: nobody is told.
	Changed func()

	once    sync.Once
	in      chan func(time.Time, *core) // what the owner of the core is to do
	commits chan []*item
	saves   chan *snapshot
	asking  chan struct{} // holds one for each question being read
	ended   chan struct{} // Run has returned
	members atomic.Int64
	guarded atomic.Bool
	end     uint64 // of a log that was handed over
	feed    feed
}

// Names gives nicks away where several hosts serve one room. A name is what
// text.Key makes of a nick, an owner is somebody's key.
type Names interface {
	// Claim gives name to owner unless somebody else has it, who is returned then.
	Claim(ctx context.Context, name, owner string) (holder string, err error)
	// Release takes name from owner, if it has it.
	Release(ctx context.Context, name, owner string) error
}

// inputs is how many inputs may wait for the owner of the core: enough to
// keep it busy, few enough that who floods it waits.
const inputs = 256

func (h *Host) setup() {
	h.once.Do(func() {
		if h.Log == nil {
			h.Log = NewMemory()
		}
		if h.Logger == nil {
			h.Logger = slog.New(slog.DiscardHandler)
		}
		h.in = make(chan func(time.Time, *core), inputs)
		h.commits = make(chan []*item, 1)
		h.asking = make(chan struct{}, maxAsking)
		h.saves = make(chan *snapshot, 1)
		h.ended = make(chan struct{})
	})
}

func (h *Host) maxSeats() int { return orElse(h.MaxSeats, defaultSeats) }
func (h *Host) burst() int    { return orElse(h.Burst, defaultBurst) }
func (h *Host) rate() int     { return orElse(h.Rate, defaultRate) }

func orElse(n, otherwise int) int {
	if n <= 0 {
		return otherwise
	}
	return n
}

// id tells in the log which host seated somebody.
func (h *Host) id() string {
	if h.HostKey == (transport.Key{}) {
		return ""
	}
	return hostID(h.HostKey)
}

// Members counts the people in the room: the host's own seat too, quiet seats not.
func (h *Host) Members() int { return int(h.members.Load()) }

// Seated tells whose the connections are that have a seat.
func (h *Host) Seated() (nicks map[transport.Peer]string) {
	h.setup()
	done := make(chan struct{})
	err := h.do(func(_ time.Time, c *core) {
		defer close(done)
		nicks = make(map[transport.Peer]string, len(c.links))
		for l := range c.links {
			if l.seat != nil {
				nicks[l.peer] = l.seat.nick
			}
		}
	})
	if err != nil {
		return nil
	}
	select {
	case <-done:
		return nicks
	case <-h.ended:
		return nil
	}
}

// Guarded tells whether newcomers have to prove a password.
func (h *Host) Guarded() bool { return h.guarded.Load() }

// Secure has newcomers prove another password, or none, from now on: another host of the
// room has changed it.
func (h *Host) Secure(v *Verifier) {
	h.setup()
	h.do(func(now time.Time, c *core) { c.setPassword(now, v) })
}

// Run serves the room until ctx ends and every connection has ended, or the
// log fails. It may be called once.
func (h *Host) Run(ctx context.Context) error {
	h.setup()
	defer close(h.ended)
	if h.Password != nil && (h.Plaintext || h.Guests) {
		return errors.New("a room in plaintext, or with guests, cannot have a password")
	}
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	c := newCore(h, h.Log.ID())
	after, err := h.openLog(ctx, c)
	if err != nil {
		stop()
		return err
	}

	failed := make(chan error, 1)
	var running sync.WaitGroup
	running.Go(func() { failed <- h.follow(work, after) })
	running.Go(func() { h.store(work) })
	running.Go(func() { h.save(work) })
	err = h.own(ctx, c, failed)
	stop()
	running.Wait()
	h.saveLast(c)
	return err
}

// own is the loop of the core's only owner.
func (h *Host) own(ctx context.Context, c *core, failed <-chan error) (err error) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	done := ctx.Done()
	for {
		now := time.Now()
		if batch := c.next(now); batch != nil {
			h.commits <- batch // never full: one batch is under way at a time
		}
		if c.checkpointDue(now) {
			if len(h.saves) == 0 {
				h.saves <- c.checkpoint(now)
			} else { // the last is not saved yet
				c.savedAt = now
			}
		}
		h.members.Store(int64(len(c.state.people)))
		if guarded := c.verifier != nil; h.guarded.Swap(guarded) != guarded && h.Changed != nil {
			h.Changed()
		}
		if c.closing && len(c.links) == 0 {
			h.Logger.Debug("the room is closed", "room", h.Name, "dropped", c.dropped)
			return err
		}
		timer.Stop()
		if at := c.wake(); !at.IsZero() {
			timer.Reset(max(0, at.Sub(now)))
		}
		select {
		case f := <-h.in:
			f(time.Now(), c)
		case <-timer.C:
			c.tick(time.Now())
		case err = <-failed:
			h.Logger.Error("the room's log failed", "room", h.Name, "err", err)
			failed, done = nil, nil
			c.close(time.Now())
		case <-done:
			done = nil
			c.close(time.Now())
		}
	}
}

// do hands f to the owner of the core.
func (h *Host) do(f func(time.Time, *core)) error {
	select {
	case h.in <- f:
		return nil
	case <-h.ended:
		return net.ErrClosed
	}
}

// follow hands every entry of the log after one to the owner.
func (h *Host) follow(ctx context.Context, after uint64) error {
	var broken error
	done := make(chan error, 1)
	err := h.Log.Tail(ctx, after, func(entries []Entry) error {
		f := func(now time.Time, c *core) { done <- c.tailed(now, entries) }
		select {
		case h.in <- f:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case broken = <-done:
			return broken
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	if broken != nil {
		return broken
	}
	return err
}

// store appends batches, one after the other.
func (h *Host) store(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case batch := <-h.commits:
			outcomes, err := h.commit(ctx, batch)
			if err != nil {
				return // the room is being closed
			}
			select {
			case h.in <- func(now time.Time, c *core) { c.committed(now, outcomes) }:
			case <-ctx.Done():
				return
			}
		}
	}
}

// commit claims the names and stores the entries of a batch.
func (h *Host) commit(ctx context.Context, batch []*item) ([]outcome, error) {
	outcomes := make([]outcome, len(batch))
	var entries []Entry
	var at []int
	for i, it := range batch {
		if it.claim != "" && h.Names != nil {
			holder, err := h.Names.Claim(ctx, it.claim, it.owner)
			if err != nil {
				h.Logger.Warn("a name could not be claimed", "room", h.Name, "err", err)
			}
			if it.moved { // it has the name, by the log
				holder = ""
			}
			if outcomes[i] = (outcome{holder: holder, err: err}); holder != "" || err != nil {
				continue
			}
		}
		if it.entry != nil {
			entries, at = append(entries, *it.entry), append(at, i)
		}
	}
	results, err := h.append(ctx, entries)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for j, i := range at {
		if err != nil {
			outcomes[i].err = err
			continue
		}
		outcomes[i].result = results[j]
		if results[j].Duplicate {
			outcomes[i].reused = h.differs(ctx, results[j].Seq, entries[j])
		}
	}
	if h.Names != nil {
		h.release(ctx, batch, outcomes)
	}
	return outcomes, nil
}

// Retries of an Append whose outcome is unknown.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
)

var errSilent = errors.New("no answer yet")

// append stores entries. An error means that surely none is stored.
func (h *Host) append(ctx context.Context, entries []Entry) ([]Result, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	began, told := time.Now(), false
	if h.Names != nil { // a log that is not on this computer may not even say that it does not answer
		told = true
		late := time.AfterFunc(struggle, func() { h.struggling(ctx, errSilent) })
		defer late.Stop()
	}
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		results, err := h.Log.Append(ctx, entries)
		if err == nil && len(results) == len(entries) {
			return results, nil
		}
		h.Logger.Warn("the room's log did not store", "room", h.Name, "entries", len(entries), "err", err)
		if err != nil && errors.Is(err, ErrNotStored) {
			return nil, err
		}
		if !told && time.Since(began) >= struggle {
			told = true
			h.struggling(ctx, err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// differs tells whether the entry stored as seq is another than e.
func (h *Host) differs(ctx context.Context, seq uint64, e Entry) bool {
	page, err := h.Log.Page(ctx, e.Key, seq+1, 1)
	return err == nil && len(page) == 1 && page[0].Seq == seq && page[0].Words != e.Words
}

// release gives back names that are not used any more, and those that were
// claimed in vain.
func (h *Host) release(ctx context.Context, batch []*item, outcomes []outcome) {
	for i, it := range batch {
		name := it.release
		if outcomes[i].err != nil {
			name = it.claim
		}
		if name == "" || outcomes[i].holder != "" || it.orphan != nil && outcomes[i].result.Duplicate || it.moved {
			continue
		}
		if err := h.Names.Release(ctx, name, it.owner); err != nil {
			h.Logger.Warn("a name could not be given back", "room", h.Name, "err", err)
		}
	}
}
