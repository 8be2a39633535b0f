package room

import (
	"fmt"
	"slices"
	"time"

	"parley/text"
	"parley/transport"
)

// offering is a file that somebody offers to somebody, as the host knows it.
type offering struct {
	id    [16]byte
	file  *File
	from  *seat
	key   transport.Key // whom it is for,
	nick  string        // and what he was called
	at    time.Time     // when it was offered
	taker *seat         // nil: not taken yet
	ends  [2]*wagon     // the connections of giver and taker
	left  int64         // how many bytes are passed on yet
}

// Sides of a transfer.
const (
	sideGive = iota
	sideTake
)

// checkFile decides what somebody says about a file. Nothing of it is stored.
func (c *core) checkFile(now time.Time, it *item) {
	f, s := it.cmd.File, it.seat
	switch {
	case s.guest || s.quiet || s.role == roleGuest:
		c.fail(it, codeNotAllowed, "only who sits in the room with a program of his own can send files")
		return
	case c.host.NoFiles:
		c.fail(it, codeNoFiles, "the host of this room passes no files on")
		return
	case !f.valid() && (f == nil || it.cmd.State == fileOffer):
		c.fail(it, codeProtocol, "that offers no file")
		return
	}
	id, ok := parseID(f.ID)
	if !ok {
		c.fail(it, codeProtocol, "a file needs an id of 32 hex digits")
		return
	}
	i := slices.IndexFunc(c.offers, func(o *offering) bool { return o.id == id })
	switch {
	case it.cmd.State == fileOffer && i >= 0:
		if o := c.offers[i]; o.from != s || o.file.Sum != f.Sum || o.file.Size != f.Size {
			c.fail(it, codeIDUsed, "the id was used for another file")
			return
		}
		c.accept(it, 0)
	case it.cmd.State == fileOffer:
		c.checkOffer(now, it, id)
	case i < 0 || c.offers[i].from != s && c.offers[i].key != s.key:
		c.fail(it, codeNoOffer, "this file is not offered any more")
	default:
		c.checkAnswer(it, c.offers[i])
	}
}

// checkOffer decides about a new offer.
func (c *core) checkOffer(now time.Time, it *item, id [16]byte) {
	s, f := it.seat, it.cmd.File
	to, key, _ := c.find(it.cmd.To)
	switch {
	case to == "":
		c.fail(it, codeNoNick, fmt.Sprintf("nobody here is called %.64q", text.Clean(it.cmd.To)))
		return
	case it.cmd.Key != transport.Key{} && it.cmd.Key != key:
		c.fail(it, codeNoNick, fmt.Sprintf("%s is somebody else than when you offered that: it was not sent", to))
		return
	case key == s.key:
		c.fail(it, codeSelf, "that is you")
		return
	}
	if no := c.silenced(now, s); no != nil {
		c.fail(it, no.Code, no.Text)
		return
	}
	if !c.keeper(s) && c.state.rules.stop(Whisper, f.Name) != nil { // as if it were whispered
		c.fail(it, codeFiltered, "a filter of this room is against it")
		return
	}
	mine := count(c.offers, func(o *offering) bool { return o.from.key == s.key })
	o := &offering{id: id, file: f.offered(), from: s, key: key, nick: to, at: now, left: 2*f.Size + carrySlack}
	switch {
	case !c.awaits(o):
		c.fail(it, codeNoFiles, to+" cannot be sent files: that takes a program like yours, which has not been told --no-files")
	case mine >= maxOffers:
		c.fail(it, codeTooMany, fmt.Sprintf("%d of your files wait already, which is the most: /files lists them, /cancel takes one back", maxOffers))
	case len(c.offers) >= maxRoomOffers:
		c.fail(it, codeTooMany, "this room has as many files under way as it can keep in mind: try later")
	default:
		c.offers = append(c.offers, o)
		for _, t := range c.takers(o) {
			c.tellFile(t, o, FileOffered, "")
		}
		c.accept(it, 0)
	}
}

// takers are the seats that may take an offer.
func (c *core) takers(o *offering) (all []*seat) {
	for _, s := range c.seats {
		if s.key == o.key && s.files && !s.quiet && !s.guest && s.link != nil {
			all = append(all, s)
		}
	}
	return all
}

// awaits tells whether somebody may take an offer, now or when he is back.
func (c *core) awaits(o *offering) bool {
	for _, s := range c.seats {
		if s.key == o.key && s.files && !s.quiet && !s.guest {
			return true
		}
	}
	return false
}

// checkAnswer decides what either side says about an offer that there is.
func (c *core) checkAnswer(it *item, o *offering) {
	s := it.seat
	giver := o.from == s
	words := text.Truncate(text.Clean(it.cmd.Text), maxLine)
	switch state := it.cmd.State; {
	case giver && (state == fileTake || state == fileDecline || state == FileDone):
		c.fail(it, codeSelf, "that is your own file")
		return
	case !giver && o.taker != nil && o.taker != s:
		c.fail(it, codeNoOffer, "your other program is taking this file")
		return
	case state == fileTake:
		c.checkTake(it, o)
		return
	case state == fileDecline && o.taker == nil:
		c.endOffer(o, s, FileDeclined, words)
	case state == fileCancel, state == fileDecline:
		c.endOffer(o, s, FileCancelled, words)
	case state == FileFailed:
		c.endOffer(o, s, FileFailed, words)
	case state == FileDone && o.taker == s:
		c.endOffer(o, s, FileDone, "")
	default:
		c.fail(it, codeProtocol, "that is nothing to do with a file")
		return
	}
	c.accept(it, 0)
}

// checkTake lets the first of somebody's seats that wants a file have it.
func (c *core) checkTake(it *item, o *offering) {
	if o.taker == it.seat { // it asks again: it does not know
		c.accept(it, 0)
		return
	}
	carried := func(key transport.Key) int {
		return count(c.offers, func(o *offering) bool { return o.taker != nil && (o.taker.key == key || o.from.key == key) })
	}
	switch all := count(c.offers, func(o *offering) bool { return o.taker != nil }); {
	case carried(it.seat.key) >= maxKeyCarried:
		c.fail(it, codeTooMany, fmt.Sprintf("%d of your files are under way, which is the most at once: take this one when one of them is done", maxKeyCarried))
	case carried(o.from.key) >= maxKeyCarried:
		c.fail(it, codeTooMany, fmt.Sprintf("%s has %d files under way, which is the most at once: take this one in a while", o.from.nick, maxKeyCarried))
	case all >= maxCarried:
		c.fail(it, codeTooMany, "as many files as can be are under way through this room: take this one in a while")
	default:
		o.taker = it.seat
		for _, s := range c.takers(o) {
			if s != it.seat {
				c.tellFile(s, o, FileCancelled, "your other program takes it")
			}
		}
		c.accept(it, 0)
		c.tellFile(o.from, o, FileTaken, "")
	}
}

// endOffer forgets an offer and tells everybody it was known to but by.
func (c *core) endOffer(o *offering, by *seat, state, words string) {
	c.offers = slices.DeleteFunc(c.offers, func(x *offering) bool { return x == o })
	for _, e := range o.ends {
		switch {
		case e == nil:
		case state == FileDone: // they have still a word to say
			time.AfterFunc(farewellTime, e.cancel)
		default:
			e.cancel()
		}
	}
	tell := c.takers(o)
	if o.taker != nil {
		tell = []*seat{o.taker}
	}
	for _, s := range append(tell, o.from) {
		if s == by {
			continue
		}
		if state == FileDeclined && s != o.from {
			c.tellFile(s, o, FileCancelled, "your other program declined it")
			continue
		}
		c.tellFile(s, o, state, words)
	}
}

// tellFile tells a seat what became of a file.
func (c *core) tellFile(s *seat, o *offering, state, words string) {
	if s.link == nil || s.link.ended {
		return // it is told when it is back, or asks
	}
	r := report{Type: typeFile, State: state, From: o.from.nick, To: o.nick, Text: words, File: o.file}
	if o.taker != nil {
		r.To = o.taker.nick
	}
	s.link.out.control(encode(r), false)
}

// retellFiles tells a seat that has a new connection of the offers that it may not have
// heard of, and ends those that it was awaited for and does not take.
func (c *core) retellFiles(s *seat) {
	for _, o := range slices.Clone(c.offers) {
		switch {
		case o.key == s.key && o.taker == nil && !c.awaits(o):
			c.endOffer(o, nil, FileCancelled, s.nick+" takes no files now")
		case o.from == s && o.taker != nil:
			c.tellFile(s, o, FileTaken, "")
		case o.key == s.key && o.taker == nil && s.files:
			c.tellFile(s, o, FileOffered, "")
		}
	}
}

// dropFiles ends what a seat that is no more had to do with files.
func (c *core) dropFiles(s *seat) {
	for _, o := range slices.Clone(c.offers) {
		if o.from == s || o.taker == s || o.taker == nil && o.key == s.key && !c.awaits(o) {
			c.endOffer(o, s, FileCancelled, s.nick+" is not here any more")
		}
	}
}

// tickFiles forgets offers that nobody has answered.
func (c *core) tickFiles(now time.Time) {
	for _, o := range slices.Clone(c.offers) {
		if o.taker == nil && now.Sub(o.at) >= offerLife {
			c.endOffer(o, nil, FileCancelled, fmt.Sprintf("nobody answered for %d minutes", int(offerLife/time.Minute)))
		}
	}
}

// wakeFiles returns when tickFiles is due next.
func (c *core) wakeFiles() time.Time {
	for _, o := range c.offers { // the oldest first
		if o.taker == nil {
			return o.at.Add(offerLife)
		}
	}
	return time.Time{}
}
