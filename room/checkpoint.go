package room

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"parley/text"
	"parley/transport"
)

// A room that is opened again need not read its whole log: the host saves, now
// and then and when it closes, what the entries so far add up to (state), and
// goes on from there. It also means that entries which are in a checkpoint may
// be deleted, a ban's among them, and the ban holds.
//
// The owner of the core copies the state, which takes a millisecond or two in a
// large room; it is written, and saved, beside it (Host.save).

const (
	// checkpointEvery is after how many entries a checkpoint is saved: so
	// many are read again when a room opens, which takes less than 100 ms, and a
	// room as busy as can be saves one every few seconds.
	checkpointEvery = 4096
	// checkpointAfter is how soon one is saved where less is said, so that the
	// log may delete what is older.
	checkpointAfter = 10 * time.Minute
	// refill is how many entries before a checkpoint are read for their ids: a
	// message that is sent again because its answer was lost with the host was
	// among the last.
	refill = 4096
	// maxCheckpoint bounds what is read as one: five times what a room of 5,000
	// people with full lists needs.
	maxCheckpoint = 16 << 20
	// lastSave bounds the saving when a room closes.
	lastSave = 5 * time.Second

	checkpointVersion = 1
)

// A snapshot is the state as of one entry: values alone, which nobody changes.
// It is a checkpoint's form, too: as a JSON object.
type snapshot struct {
	seq      uint64
	V        int             `json:"v"`
	Topic    string          `json:"topic,omitempty"`
	People   []savedPerson   `json:"people,omitempty"` // who share a name stay in their order
	Ops      []savedOp       `json:"ops,omitempty"`    // lists begin with what is forgotten first
	Bans     []savedSentence `json:"bans,omitempty"`
	Mutes    []savedSentence `json:"mutes,omitempty"`
	Silence  *savedSentence  `json:"silence,omitempty"`
	Locked   *savedSentence  `json:"locked,omitempty"`
	Slow     int             `json:"slow,omitempty"` // seconds
	Spoke    []savedSpoke    `json:"spoke,omitempty"`
	Approval bool            `json:"approval,omitempty"`
	Known    []transport.Key `json:"known,omitempty"`
	Kicked   []savedSentence `json:"kicked,omitempty"`
	Gone     []savedGone     `json:"gone,omitempty"`
	Motd     string          `json:"motd,omitempty"`
	Filters  []string        `json:"filters,omitempty"`
}

type savedPerson struct {
	Seat  string        `json:"seat"`
	Nick  string        `json:"nick"`
	Key   transport.Key `json:"key,omitzero"`
	Via   string        `json:"via,omitempty"`
	Role  string        `json:"role,omitempty"`
	Host  string        `json:"host,omitempty"`
	Since time.Time     `json:"since,omitzero"`
	Born  uint64        `json:"born,omitempty"`
	Epoch uint64        `json:"epoch,omitempty"`

	id   seatID
	name string
}

type savedOp struct {
	Key  transport.Key `json:"key"`
	Nick string        `json:"nick"`
}

// savedSentence is a sentence, and whom it is about: a key, a seat or everybody.
type savedSentence struct {
	Key    transport.Key `json:"key,omitzero"`
	Seat   string        `json:"seat,omitempty"`
	Nick   string        `json:"nick,omitempty"`
	By     string        `json:"by,omitempty"`
	Reason string        `json:"reason,omitempty"`
	Until  time.Time     `json:"until,omitzero"`
	From   []netip.Addr  `json:"from,omitempty"`
}

type savedSpoke struct {
	Key transport.Key `json:"key"`
	At  time.Time     `json:"at"`
}

type savedGone struct {
	Nick string        `json:"nick"`
	Role string        `json:"role,omitempty"`
	Key  transport.Key `json:"key,omitzero"`
	Seq  uint64        `json:"seq"`
}

// snapshot copies what outlives the entries. The ids of the last ones are not
// in it: they come from the log again.
func (s *state) snapshot() *snapshot {
	r := &s.rules
	p := &snapshot{seq: s.seq, V: checkpointVersion, Topic: s.topic, Slow: int(r.slow / time.Second), Approval: r.approval, Motd: r.motd,
		People: make([]savedPerson, 0, len(s.people)), Known: slices.Clone(r.known.order),
		Bans: sentences(&r.bans), Mutes: sentences(&r.mutes), Silence: saved(r.silence), Locked: saved(r.locked)}
	for _, namesakes := range s.names {
		for _, o := range namesakes {
			p.People = append(p.People, savedPerson{Nick: o.nick, Key: o.key, Via: o.via, Role: o.role, Host: o.host, Since: o.since, Born: o.born, Epoch: o.epoch, id: o.seat, name: o.name})
		}
	}
	for _, k := range r.ops.order {
		p.Ops = append(p.Ops, savedOp{k, r.ops.all[k]})
	}
	for _, k := range r.spoke.order {
		p.Spoke = append(p.Spoke, savedSpoke{k, r.spoke.all[k]})
	}
	for _, id := range r.kicked.order {
		o := saved(r.kicked.all[id])
		o.Seat = id.String()
		p.Kicked = append(p.Kicked, *o)
	}
	for _, name := range r.gone.order {
		d := r.gone.all[name]
		p.Gone = append(p.Gone, savedGone{d.nick, d.role, d.key, d.seq})
	}
	for _, f := range r.filters {
		p.Filters = append(p.Filters, f.pattern)
	}
	return p
}

func saved(s *sentence) *savedSentence {
	if s == nil {
		return nil
	}
	return &savedSentence{Nick: s.nick, By: s.by, Reason: s.reason, Until: s.until, From: s.from[:len(s.from):len(s.from)]}
}

func sentences(t *table[transport.Key, *sentence]) []savedSentence {
	all := make([]savedSentence, 0, len(t.order))
	for _, k := range t.order {
		o := saved(t.all[k])
		o.Key = k
		all = append(all, *o)
	}
	return all
}

// encode writes a checkpoint: the same bytes for the same state.
func (p *snapshot) encode() []byte {
	slices.SortStableFunc(p.People, func(a, b savedPerson) int { return strings.Compare(a.name, b.name) })
	for i := range p.People {
		p.People[i].Seat = p.People[i].id.String()
	}
	return encode(p)
}

// restore returns the state that a checkpoint holds.
func restore(seq uint64, data []byte) (*state, error) {
	if len(data) > maxCheckpoint {
		return nil, fmt.Errorf("a checkpoint of %d bytes is too large", len(data))
	}
	var p snapshot
	if err := json.Unmarshal(data, &p); err != nil {
		return nil, fmt.Errorf("not a checkpoint: %w", err)
	}
	if p.V != checkpointVersion {
		return nil, fmt.Errorf("a checkpoint of version %d", p.V)
	}
	s := newState()
	s.seq, s.topic = seq, p.Topic
	for _, o := range p.People {
		id, ok := parseID(o.Seat)
		if !ok || s.people[id] != nil {
			return nil, fmt.Errorf("a checkpoint with the seat %.40q", o.Seat)
		}
		s.add(&person{seat: id, nick: o.Nick, key: o.Key, via: o.Via, role: o.Role, host: o.Host, since: o.Since, born: o.Born, epoch: o.Epoch})
	}
	return s, s.rules.restore(&p)
}

func (r *rules) restore(p *snapshot) error {
	r.approval, r.motd = p.Approval, p.Motd
	r.silence, r.locked = p.Silence.sentence(), p.Locked.sentence()
	if d := time.Duration(p.Slow) * time.Second; 0 < p.Slow && p.Slow <= int(maxSlow/time.Second) {
		r.slow = d
	}
	for _, o := range p.Ops {
		r.ops.put(o.Key, o.Nick)
	}
	for _, o := range p.Bans {
		r.bans.put(o.Key, o.sentence())
	}
	for _, o := range p.Mutes {
		r.mutes.put(o.Key, o.sentence())
	}
	for _, o := range p.Spoke {
		r.spoke.put(o.Key, o.At)
	}
	for _, k := range p.Known {
		r.known.put(k, true)
	}
	for _, o := range p.Kicked {
		id, ok := parseID(o.Seat)
		if !ok {
			return fmt.Errorf("a checkpoint with the kicked seat %.40q", o.Seat)
		}
		r.kicked.put(id, o.sentence())
	}
	for _, o := range p.Gone {
		r.gone.put(text.Key(o.Nick), departed{o.Nick, o.Role, o.Key, o.Seq})
	}
	for _, pattern := range p.Filters {
		if f, err := newFilter(pattern); err == nil && len(r.filters) < maxFilters && !r.filtered(pattern) {
			r.filters = append(r.filters, f)
		}
	}
	return nil
}

func (o *savedSentence) sentence() *sentence {
	if o == nil {
		return nil
	}
	return &sentence{nick: o.Nick, by: o.By, reason: o.Reason, until: o.Until, from: o.From[:min(len(o.From), maxFrom)]}
}

// checkpointDue tells whether it is time for a checkpoint. While somebody is
// being put out it is not: that the kick is still to be carried out is in the
// entries alone.
func (c *core) checkpointDue(now time.Time) bool {
	news := c.state.seq - c.saved
	if !c.saves || news == 0 || c.state.seq < c.opening || news < checkpointEvery && now.Sub(c.savedAt) < checkpointAfter {
		return false
	}
	return c.expelled == 0 && c.trouble == nil
}

// checkpointWake returns when the next checkpoint is due, zero for never.
func (c *core) checkpointWake() time.Time {
	if !c.saves || c.state.seq == c.saved || c.state.seq < c.opening || c.expelled > 0 || c.trouble != nil {
		return time.Time{}
	}
	return c.savedAt.Add(checkpointAfter)
}

// checkpoint copies the state to be saved.
func (c *core) checkpoint(now time.Time) *snapshot {
	c.saved, c.savedAt = c.state.seq, now
	return c.state.snapshot()
}

// errNoState refuses to open a room whose rules nobody knows any more.
var errNoState = errors.New("what the room was like cannot be told any more: entries of its log were deleted that no readable checkpoint holds")

// openLog readies the core to go on from the log's checkpoint, and returns after
// which entry to read.
func (h *Host) openLog(ctx context.Context, c *core) (after uint64, err error) {
	gone, end, err := h.Log.Bounds(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the log: %w", err)
	}
	seq, s, err := h.checkpoint(ctx, end)
	if err != nil {
		h.Logger.Warn("the room's checkpoint cannot be used", "room", h.Name, "err", err)
	}
	_, c.saves = h.Log.(Checkpointer)
	switch {
	case seq < gone && c.saves:
		return 0, cmp.Or(err, errNoState)
	case seq > 0:
		after = max(gone, seq-min(seq, refill))
		c.resume(time.Now(), s, after)
	}
	c.savedAt = time.Now()
	c.open(end)
	return after, nil
}

// checkpoint returns the state that the log's checkpoint holds, and its seq, 0
// if there is none.
func (h *Host) checkpoint(ctx context.Context, end uint64) (uint64, *state, error) {
	log, ok := h.Log.(Checkpointer)
	if !ok {
		return 0, nil, nil
	}
	seq, data, err := log.Checkpoint(ctx)
	switch {
	case err != nil || seq == 0:
		return 0, nil, err
	case seq > end:
		return 0, nil, fmt.Errorf("it is of entry %d, and the log ends with %d", seq, end)
	}
	s, err := restore(seq, data)
	if err != nil {
		return 0, nil, err
	}
	return seq, s, nil
}

// resume goes on from a restored state, once the entries after one, up to the
// state's, have been read for their ids.
func (c *core) resume(now time.Time, s *state, after uint64) {
	c.saved, c.restored = s.seq, s.seq
	c.state, s.seq = s, after
	if s.seq == c.restored {
		c.ghosts(now)
	}
}

// ghosts makes lost seats of the people whom a former life of this host seated.
func (c *core) ghosts(now time.Time) {
	if c.host.Taking { // the log says so when it is ours
		return
	}
	var ours []*person
	for _, p := range c.state.people {
		if p.host == c.host.id() || c.host.Alone {
			ours = append(ours, p)
		}
	}
	slices.SortFunc(ours, func(a, b *person) int {
		return cmp.Or(a.since.Compare(b.since), strings.Compare(a.seat.String(), b.seat.String()))
	})
	for _, p := range ours {
		c.ghost(now, p)
	}
}

// save saves checkpoints, one after the other.
func (h *Host) save(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-h.saves:
			h.saveOne(ctx, s)
		}
	}
}

func (h *Host) saveOne(ctx context.Context, s *snapshot) {
	data := s.encode()
	err := error(nil)
	if len(data) > maxCheckpoint {
		err = fmt.Errorf("%d bytes are too many", len(data))
	} else {
		err = h.Log.(Checkpointer).SaveCheckpoint(ctx, s.seq, data)
	}
	if err != nil {
		h.Logger.Warn("the room's checkpoint could not be saved", "room", h.Name, "seq", s.seq, "err", err)
	}
}

// saveLast saves what a room that is closed adds up to.
func (h *Host) saveLast(c *core) {
	if !c.saves || c.state.seq < c.opening || c.state.seq == c.saved || c.expelled > 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastSave)
	defer cancel()
	h.saveOne(ctx, c.checkpoint(time.Now()))
}
