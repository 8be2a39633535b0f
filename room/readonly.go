package room

import (
	"context"
	"errors"
	"time"

	"parley/text"
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

// trouble is that the log does not store.
type trouble struct {
	sure    bool // nothing is stored; else nobody knows
	words   string
	probing bool // the entry that tells that it is over is on its way
	next    time.Time
}

// readonly tells whether nothing can be stored.
func (c *core) readonly() bool { return c.trouble != nil && c.trouble.sure }

// troubled takes in that the log has failed, and tells everybody.
func (c *core) troubled(now time.Time, sure bool, err error) {
	t := c.trouble
	if t == nil {
		t = &trouble{}
		c.trouble = t
	} else if t.sure || !sure {
		t.next = now.Add(probeEvery)
		return
	}
	t.sure, t.next = sure, now.Add(probeEvery)
	if t.words = strugglesWords; sure {
		t.words = readonlyWords
	}
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
	if !c.readonly() || c.trouble.probing {
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
	case probed:
		c.trouble = nil
		c.warn(writableWords)
		c.sayLeaves()
	case !c.trouble.probing: // it went through after all
		c.trouble.probing = true
		c.waiting = append(c.waiting, c.relief())
	}
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
