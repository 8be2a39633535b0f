package room

import (
	"fmt"
	"time"

	"parley/text"
	"parley/transport"
)

// Roles of people.
const (
	roleHost   = "host"
	roleOp     = "op"
	roleMember = "member"
	roleGuest  = "guest"
)

// next checks waiting commands against the committed state and returns those
// to be stored, as one batch; nil when there is nothing to store or a batch is
// under way. Commands that rest on one in the batch wait for the next.
func (c *core) next(now time.Time) []*item {
	if c.frozen() {
		return nil
	}
	if c.stuck() {
		c.meanwhile(now)
		return nil
	}
	for c.batch == nil && c.state.seq >= max(c.need, c.opening) && len(c.waiting) > 0 && !c.closing {
		clear(c.flying)
		var later []*item
		held := holds{links: map[*link]bool{}, seats: map[*seat]bool{}, names: map[string]bool{}, spoke: map[transport.Key]bool{}}
		for i, it := range c.waiting {
			if len(c.batch) >= maxBatch {
				later = append(later, c.waiting[i:]...)
				break
			}
			if it.link != nil && (it.link.ended || held.links[it.link]) {
				if !it.link.ended {
					later = append(later, it)
				} else {
					c.dropped++
				}
				continue
			}
			if !c.check(now, it, &held) {
				later = append(later, it)
				if it.link != nil {
					held.links[it.link] = true
				}
			}
		}
		c.waiting = later
		if c.batch == nil && len(later) > 0 {
			break // cannot be: what waits, waits for something in the batch
		}
	}
	if c.batch == nil || c.asking {
		return nil
	}
	c.asking = true
	c.meter.begin(now)
	return c.batch
}

// holds are what commands of the batch are about to change.
type holds struct {
	links map[*link]bool
	seats map[*seat]bool
	names map[string]bool
	rules bool                   // what is allowed at all
	spoke map[transport.Key]bool // in slow mode
}

// check decides one command: it answers it at once, or puts it into the batch,
// or returns false to have it wait.
func (c *core) check(now time.Time, it *item, held *holds) bool {
	if held.rules {
		return false
	}
	switch {
	case it.own != nil:
		if c.readonly() || c.stuck() {
			return false
		}
		c.checkHosted(now, it, held)
		return true
	case it.orphan != nil:
		return c.checkOrphan(now, it, held)
	case it.cmd.Type == typeJoin:
		return c.checkJoin(now, it, held)
	case it.link == nil && it.seat == nil:
		if c.stuck() || c.readonly() && it.cmd.State != codeWritable {
			return false
		}
		c.checkOwn(now, it, held)
		return true
	}
	if it.link != nil {
		if it.seat = it.link.seat; it.seat == nil {
			it.link.out.control(refusal(codeProtocol, "join first"), true)
			return true
		}
	}
	if held.seats[it.seat] {
		return false
	}
	if it.seat.gone {
		return true
	}
	switch it.cmd.Type {
	case typeLeave:
		c.checkLeave(now, it, held)
	case typeNames:
		c.tellNames(it)
	case typeAway:
		c.checkAway(now, it)
	case typeBans, typeFilters, typeKnocks:
		c.tellRules(now, it)
	case typeReceipt:
		c.tellReceipt(it)
	case typePassword:
		if c.readonly() || c.stuck() {
			c.fail(it, codeNotStored, c.notStored())
			return true
		}
		return c.checkPassword(now, it)
	case typeHandover:
		c.checkHandover(now, it)
	case typeFile:
		c.checkFile(now, it)
	default:
		return c.checkSaid(now, it, held)
	}
	return true
}

// put adds an entry to the batch.
func (c *core) put(now time.Time, it *item, id [16]byte, audience []transport.Key, words string, r report) {
	key := c.host.HostKey
	if it.seat != nil {
		key = it.seat.key
	}
	c.putAs(now, it, key, id, audience, words, r)
}

// putAs is put for somebody's key.
func (c *core) putAs(now time.Time, it *item, key transport.Key, id [16]byte, audience []transport.Key, words string, r report) {
	it.entry = &Entry{Key: key, ID: id, At: now.UTC().Truncate(time.Millisecond), Audience: audience, Words: words, Body: encode(r)}
	c.flying[entryID{key, id}] = it
	c.batch = append(c.batch, it)
}

// checkSaid decides a message, action, whisper, nick or topic.
func (c *core) checkSaid(now time.Time, it *item, held *holds) bool {
	id, ok := parseID(it.cmd.ID)
	if !ok {
		c.fail(it, codeProtocol, "a message needs an id of 32 hex digits")
		return true
	}
	words := it.cmd.Text
	if !Kind(it.cmd.Type).said() {
		words = ""
	}
	if seq, same, ok := c.state.stored(it.seat.key, id, words); ok { // before anything could refuse what was accepted
		if same {
			c.meter.repeats()
			c.accept(it, seq)
		} else {
			c.fail(it, codeIDUsed, idUsed)
		}
		return true
	}
	if _, ok := c.flying[entryID{it.seat.key, id}]; ok {
		return false
	}
	s := it.seat
	if d, ok := s.denial(id); ok {
		c.fail(it, d.code, d.words)
		return true
	}
	switch kind := Kind(it.cmd.Type); {
	case c.trouble != nil && c.several() && (it.cmd.Again || c.host.Queue && c.stuck()): // another host may have stored it
		return false
	case c.stuck(), c.readonly() && !(kind == Renamed && s.quiet):
		c.fail(it, codeNotStored, c.notStored())
		return true
	case kind == Renamed:
		return c.checkNick(now, it, id, held)
	case kind == Topic || kind.acts():
		c.checkAct(now, it, id, held)
		return true
	case held.spoke[s.key] && kind != Whisper:
		return false
	}
	if err := text.Valid(it.cmd.Text); err != nil {
		c.fail(it, textCode(it.cmd.Text), err.Error())
		return true
	}
	r := report{Type: it.cmd.Type, From: s.nick, Text: it.cmd.Text}
	var audience []transport.Key
	if Kind(it.cmd.Type) == Whisper {
		to, key, away := c.find(it.cmd.To)
		switch {
		case to == "":
			c.fail(it, codeNoNick, fmt.Sprintf("nobody here is called %.64q", text.Clean(it.cmd.To)))
			return true
		case it.cmd.Key != transport.Key{} && it.cmd.Key != key:
			c.fail(it, codeNoNick, fmt.Sprintf("%s is somebody else than when you wrote that: it was not sent", to))
			return true
		case key == s.key && text.Key(to) == text.Key(s.nick):
			c.fail(it, codeSelf, "that is you")
			return true
		}
		r.To, audience = to, []transport.Key{s.key, key}
		if away != "" {
			it.link.out.control(encode(report{Type: string(Notice), Code: typeAway, Nick: to, Text: to + " is away: " + away}), false)
		}
	}
	if c.host.Delivery == transport.Bare {
		if over := len(encode(r)) + wireFront - transport.MaxBare; over > 0 {
			c.fail(it, codeTooLong, fmt.Sprintf("this room sends bare datagrams and the message is %d bytes longer than one holds", over))
			return true
		}
	}
	if no := c.forbidden(now, it); no != nil {
		c.fail(it, no.Code, no.Text)
		return true
	}
	if c.state.rules.slow > 0 {
		held.spoke[s.key] = true
	}
	c.put(now, it, id, audience, it.cmd.Text, r)
	return true
}

const idUsed = "the id was used for another message"

// wireFront is the most that wireForm puts in front of a body.
const wireFront = 112

func textCode(s string) string {
	if len(s) > text.MaxText {
		return codeTooLong
	}
	return codeText
}

// find returns who is called nick.
func (c *core) find(nick string) (name string, key transport.Key, away string) {
	name = text.Key(nick)
	for _, p := range c.state.names[name] {
		return p.nick, p.key, c.away(p)
	}
	for _, s := range c.quiet[name] {
		return s.nick, s.key, s.away
	}
	return "", transport.Key{}, ""
}

// checkNick decides a change of name.
func (c *core) checkNick(now time.Time, it *item, id [16]byte, held *holds) bool {
	s := it.seat
	if no := c.silenced(now, s); no != nil { // a name says something, too
		c.fail(it, no.Code, no.Text)
		return true
	}
	nick, err := text.Nick(it.cmd.Nick)
	if err != nil {
		c.fail(it, codeNick, err.Error())
		return true
	}
	if c.keptFrom(s.role, s.key, nick) {
		c.fail(it, codeNick, filteredName)
		return true
	}
	name := text.Key(nick)
	if held.names[name] {
		return false
	}
	if !c.free(nick, s.key, s.id, s.quiet) {
		c.refuseNick(it, nick, string(Failed))
		return true
	}
	it.claim, it.owner = name, s.key.String()
	if old := text.Key(s.nick); old != name && !c.shared(s) {
		it.release = old
	}
	held.seats[s] = true
	held.names[name] = true
	if s.quiet { // nobody is told, so there is nothing to store
		c.batch = append(c.batch, it)
		return true
	}
	c.put(now, it, id, nil, "", report{Type: it.cmd.Type, From: s.nick, Nick: nick, Seat: s.id.String()})
	return true
}

// shared tells whether another seat has the nick of s, too.
func (c *core) shared(s *seat) bool {
	name := text.Key(s.nick)
	return len(c.state.names[name])+len(c.quiet[name]) > 1
}

// free tells whether key's seat may be called nick: if nobody is, or only
// other seats of the same key and sharing is wanted.
func (c *core) free(nick string, key transport.Key, id seatID, share bool) bool {
	name := text.Key(nick)
	for _, p := range c.state.names[name] {
		if p.seat != id && !(p.key == key && (share || c.abandoned(p))) {
			return false
		}
	}
	for _, s := range c.quiet[name] {
		if s.id != id && s.key != key {
			return false
		}
	}
	return true
}

// abandoned tells whether a person's connection to this host is lost.
func (c *core) abandoned(p *person) bool {
	s := c.seats[p.seat]
	return s != nil && s.link == nil
}

// refuseNick says that a nick is taken, and which is free.
func (c *core) refuseNick(it *item, nick, kind string) {
	if kind == string(Failed) {
		c.meter.fails(codeTaken)
	} else {
		c.meter.refuses(codeTaken)
	}
	free := text.Suggest(nick, func(n string) bool { return !c.free(n, transport.Key{}, seatID{}, false) })
	it.link.out.control(encode(report{Type: kind, ID: it.cmd.ID, Code: codeTaken, Nick: nick, Suggest: free,
		Text: fmt.Sprintf("the name %q is taken: %q is free", nick, free)}), true)
}

// checkLeave decides a goodbye, or that a lost seat is given up.
func (c *core) checkLeave(now time.Time, it *item, held *holds) {
	s := it.seat
	if it.link == nil && s.link != nil { // it came back
		return
	}
	if (c.readonly() || c.stuck()) && !s.quiet {
		c.putOff(now, it)
		return
	}
	r := report{Type: typeLeave, Nick: s.nick, Reason: "quit", Text: it.cmd.Text, Seat: s.id.String()}
	switch {
	case s.out != nil:
		r.Reason, r.By, r.Text = s.out.code, s.out.by, s.out.reason
	case it.link == nil && s.parted != nil:
		if line(s.parted.Text) && c.speechless(now, s) == nil && !c.keptFrom(s.role, s.key, s.parted.Text) {
			r.Text = s.parted.Text
		}
	case it.link == nil:
		r.Reason = "lost"
	case !line(it.cmd.Text) || c.speechless(now, s) != nil || c.keptFrom(s.role, s.key, it.cmd.Text):
		r.Text = ""
	}
	it.owner = s.key.String()
	if !c.shared(s) {
		it.release = text.Key(s.nick)
	}
	held.seats[s] = true
	if s.quiet {
		c.remove(s, codeLeft, "goodbye")
		if c.host.Names != nil && it.release != "" && !c.stuck() { // else the name is given back when nobody is seen to have it
			c.batch = append(c.batch, it)
		}
		return
	}
	held.names[text.Key(s.nick)] = true
	c.put(now, it, c.newID(), nil, "", r)
}

// checkAway notes that somebody is away, or back.
func (c *core) checkAway(now time.Time, it *item) {
	if !line(it.cmd.Text) {
		c.fail(it, codeTooLong, fmt.Sprintf("a reason is one line of at most %d bytes without control characters", maxLine))
		return
	}
	if c.keptFrom(it.seat.role, it.seat.key, it.cmd.Text) {
		c.fail(it, codeFiltered, "a filter of this room is against these words")
		return
	}
	if no := c.silenced(now, it.seat); no != nil && it.cmd.Text != "" && it.cmd.Text != typeAway {
		c.fail(it, no.Code, no.Text)
		return
	}
	it.seat.away = it.cmd.Text
	c.absent(now)
	c.accept(it, 0)
}

// tellNames answers who is here.
func (c *core) tellNames(it *item) {
	if _, ok := parseID(it.cmd.ID); !ok && it.cmd.ID != "" { // it comes back with every part of the list
		c.fail(it, codeProtocol, "an id is 32 hex digits")
		return
	}
	chunks := c.tellPeople(it.cmd.ID)
	for i, b := range chunks {
		it.link.out.control(b, i == len(chunks)-1)
	}
}

func (c *core) accept(it *item, seq uint64) {
	if it.link != nil {
		it.link.out.control(encode(report{Type: string(Accepted), ID: it.cmd.ID, Seq: seq}), true)
	}
}

func (c *core) fail(it *item, code, words string) {
	if it.link != nil {
		c.meter.fails(code)
		if id, ok := parseID(it.cmd.ID); ok && it.seat != nil {
			it.seat.deny(id, code, words)
		}
		it.link.out.control(encode(report{Type: string(Failed), ID: it.cmd.ID, Code: code, Text: words}), true)
	}
}

// committed takes in what became of the batch.
func (c *core) committed(now time.Time, outcomes []outcome) {
	c.outcomes(now, outcomes)
	c.meter.stores(now, c.batch, outcomes)
	for i, o := range outcomes {
		it := c.batch[i]
		c.need = max(c.need, o.result.Seq)
		switch {
		case it.cmd.Type == typeJoin:
			c.joinDone(now, it, o)
		case it.link == nil || it.cmd.Type == typeLeave:
			if o.err != nil && it.seat != nil && !it.seat.gone {
				c.putOff(now, it)
			}
			if o.err != nil && it.orphan != nil {
				c.waiting = append(c.waiting, &item{orphan: it.orphan, release: it.release, owner: it.owner})
			}
			if o.err != nil && it.own != nil {
				c.waiting = append(c.waiting, &item{own: it.own})
			}
		case o.holder != "":
			c.refuseNick(it, it.cmd.Nick, string(Failed))
		case o.err != nil:
			c.fail(it, codeNotStored, c.notStored())
		case o.reused:
			c.fail(it, codeIDUsed, idUsed)
		default:
			if it.entry == nil && Kind(it.cmd.Type) == Renamed {
				c.unname(it.seat)
				it.seat.nick, _ = text.Nick(it.cmd.Nick)
				c.quiet[it.claim] = append(c.quiet[it.claim], it.seat)
			}
			if it.cmd.Type == typePassword {
				if c.setPassword(now, it.cmd.Verifier); c.host.Secured != nil {
					c.host.Secured(it.cmd.Verifier)
				}
			}
			c.accept(it, o.result.Seq)
		}
	}
	c.batch, c.asking, c.looked = nil, false, 0 // but flying stays until the fold has come as far
}
