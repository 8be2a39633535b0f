package room

import (
	"context"
	"errors"
	"slices"
	"time"

	"parley/text"
	"parley/transport"
)

// When the log can store nothing, its disk being full, the room is read-only:
// what is said is refused at once, so that nobody thinks it was heard and
// nothing queues; who is here stays, comes back and reads. The host tries with an
// entry of its own, which tells everybody that it works again.
//
// An error that does not say whether anything was stored is another matter: the
// same batch is tried again, and what is said waits behind it (Host.append).

const (
	// probeEvery is how often the host tries whether it can store again: soon
	// enough for whoever made room on the disk to see it happen.
	probeEvery = 5 * time.Second
	// struggle is how long an Append may be tried again before everybody is
	// told why nothing appears.
	struggle = 3 * time.Second
)

// What is told about it, beside why to the host itself.
const (
	readonlyWords  = "the host can store nothing now, its disk may be full: nothing can be said until it can, and what was said before can be read"
	notStoredWords = "the host could not store it, its disk may be full: say it again once the host can"
	strugglesWords = "the host's disk does not answer: what is said waits for it, and is neither lost nor seen yet"
	noSeatWords    = "nobody new can come in now: the host can store nothing, its disk may be full; whoever was here may come back"
	writableWords  = "the host can store again"
)

// What is told where several hosts write to the log, which is not on this computer.
const (
	fullWords    = "the room's log takes nothing now: nothing can be said until it does, and what was said before can be read"
	cutWords     = "this host is cut off from the room's log: nothing can be said here until it is not, and what was said before can be read"
	queueWords   = "this host is cut off from the room's log: what is said waits here, and is neither lost nor seen yet"
	notCutWords  = "this host is cut off from the room's log, and could not store it: say it again once it is not"
	noHereWords  = "nobody can come in here now: this host is cut off from the room's log"
	inTouchWords = "this host is not cut off from the room's log any more"
)

// trouble is that the log does not store.
type trouble struct {
	sure    bool // nothing is stored; else nobody knows
	words   string
	probing bool // the entry that tells that it is over is on its way
	next    time.Time
}

// readonly tells whether nothing can be stored.
func (c *core) readonly() bool {
	return c.trouble != nil && (c.trouble.sure || c.several() && !c.host.Queue)
}

// stuck tells whether a batch is under way to a log of several hosts that does not
// answer. That can last, so the rest goes on beside it (meanwhile).
func (c *core) stuck() bool { return c.trouble != nil && (c.asking || c.cut) && c.several() }

// notStored are the words of a refusal.
func (c *core) notStored() string {
	if c.several() && (c.trouble == nil || !c.trouble.sure) {
		return notCutWords
	}
	return notStoredWords
}

// noSeat are the words that refuse a newcomer.
func (c *core) noSeat() string {
	if c.several() {
		return noHereWords
	}
	return noSeatWords
}

// troubleWords tell what the trouble is.
func (c *core) troubleWords(sure bool) string {
	switch several := c.several(); {
	case several && sure:
		return fullWords
	case several && c.host.Queue:
		return queueWords
	case several:
		return cutWords
	case sure:
		return readonlyWords
	}
	return strugglesWords
}

// meanwhile checks what came while a batch is under way that nobody knows the end of: who
// was here comes back, what is asked is answered, and what is said is refused, unless it
// is to wait, or may be stored already. Nothing is put into the batch.
func (c *core) meanwhile(now time.Time) {
	if c.looked >= len(c.waiting) {
		return
	}
	held := holds{links: map[*link]bool{}, seats: map[*seat]bool{}, names: map[string]bool{}, spoke: map[transport.Key]bool{}}
	for _, it := range c.batch {
		if it.seat != nil && (it.cmd.Type == typeLeave || it.cmd.Type == typeJoin || it.cmd.Type == string(Renamed)) {
			held.seats[it.seat], held.names[it.seat.id.String()] = true, true
		}
	}
	some := slices.Clone(c.waiting[c.looked:])
	left := c.waiting[:c.looked]
	c.waiting = nil // what is added now is looked at next
	for _, it := range some {
		last := it.cmd.Type == typeLeave && it.link != nil && slices.ContainsFunc(left, func(o *item) bool { return o.link == it.link })
		switch {
		case it.link != nil && it.link.ended:
			c.dropped++
		case last || !c.check(now, it, &held):
			left = append(left, it)
		}
	}
	c.looked = len(left)
	c.waiting = append(left, c.waiting...)
}

// troubled takes in that the log has failed, and tells everybody.
func (c *core) troubled(now time.Time, sure bool, err error) {
	if !sure && !c.asking && !c.cut { // it went through in that very moment
		return
	}
	t := c.trouble
	if t == nil {
		t = &trouble{}
		c.trouble = t
	} else if t.sure || !sure {
		t.next = now.Add(probeEvery)
		return
	}
	t.sure, t.next = sure, now.Add(probeEvery)
	t.words, c.looked = c.troubleWords(sure), 0
	for _, s := range c.seats {
		c.tellTrouble(s)
		if s.role == roleHost && s.link != nil && err != nil {
			s.link.out.control(encode(report{Type: string(Notice), Text: "the log says: " + text.Clean(err.Error())}), false)
		}
	}
	if words := t.words; err != nil {
		c.warn(words + ". The log says: " + text.Clean(err.Error()))
	} else {
		c.warn(words)
	}
}

// warn tells whoever hosts the room without a seat in it.
func (c *core) warn(words string) {
	seated := false
	for _, s := range c.seats {
		seated = seated || s.role == roleHost && s.link != nil
	}
	if !seated && c.host.Warn != nil {
		c.host.Warn(words)
	}
}

// tellTrouble tells one seat, if there is any trouble.
func (c *core) tellTrouble(s *seat) {
	if c.trouble != nil && s.link != nil {
		s.link.out.control(encode(report{Type: string(Notice), Code: codeReadonly, Text: c.trouble.words}), false)
	}
}

// probe has the entry stored that ends the trouble, when it is time to try.
func (c *core) probe(now time.Time) {
	if t := c.trouble; t != nil && t.sure && !t.probing && !now.Before(t.next) {
		t.probing = true
		c.waiting = append(c.waiting, c.relief())
	}
}

// relief is the entry that tells that the trouble is over.
func (c *core) relief() *item {
	return &item{cmd: command{Type: string(Notice), State: codeWritable, Text: writableWords}}
}

// probeWake returns when probe is due, zero for never.
func (c *core) probeWake() time.Time {
	if c.trouble == nil || !c.trouble.sure || c.trouble.probing {
		return time.Time{}
	}
	return c.trouble.next
}

// outcomes takes in whether a batch was stored.
func (c *core) outcomes(now time.Time, all []outcome) {
	stored, probed := false, false
	var failure error
	for i, o := range all {
		if errors.Is(o.err, ErrNotStored) {
			failure = o.err
		}
		stored = stored || o.result.Seq > 0
		probed = probed || c.batch[i].cmd.State == codeWritable && c.batch[i].link == nil
	}
	switch {
	case failure != nil:
		c.troubled(now, true, failure)
		c.trouble.probing = c.trouble.probing && !probed
	case c.trouble == nil || !stored:
	case c.several() && !c.trouble.sure:
		c.healed()
	case probed:
		c.trouble = nil
		c.warn(writableWords)
		c.sayLeaves()
	case !c.trouble.probing: // it went through after all
		c.trouble.probing = true
		c.waiting = append(c.waiting, c.relief())
	}
}

// healed takes in that a log of several hosts answers again, and tells those who were
// told that it did not: nobody at another host knows of it.
func (c *core) healed() {
	c.trouble, c.cut = nil, false
	words := encode(report{Type: string(Notice), Code: codeWritable, Text: inTouchWords})
	for _, s := range c.seats {
		if s.link != nil {
			s.link.out.control(words, false)
		}
	}
	c.warn(inTouchWords)
	c.sayLeaves()
}

// putOff postpones a leave, which cannot be stored now: whoever said goodbye has
// gone, and when the seat has lingered once more it is tried again.
func (c *core) putOff(now time.Time, it *item) {
	s := it.seat
	if l := s.link; l != nil {
		s.parted, s.link, l.ended = &it.cmd, nil, true
		l.out.finish(encode(report{Type: typeBye, Code: codeLeft, Text: "goodbye"}))
	}
	c.lose(now, s)
}

// sayLeaves has the leaves stored that were put off.
func (c *core) sayLeaves() {
	for _, s := range c.seats {
		if s.link == nil && (s.out != nil || s.parted != nil) {
			c.waiting = append(c.waiting, &item{seat: s, cmd: command{Type: typeLeave}})
		}
	}
}

// struggling tells everybody, once an Append has been tried for some time, what
// is going on.
func (h *Host) struggling(ctx context.Context, err error) {
	select {
	case h.in <- func(now time.Time, c *core) { c.troubled(now, false, err) }:
	case <-ctx.Done():
	}
}
