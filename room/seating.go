package room

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"parley/text"
	"parley/transport"
)

// checkJoin decides whether somebody may sit down.
func (c *core) checkJoin(now time.Time, it *item, held *holds) bool {
	l, cmd := it.link, it.cmd
	session, known := parseID(cmd.Session)
	switch {
	case l.seat != nil:
		l.out.control(refusal(codeProtocol, "seated already"), true)
		return true
	case l.held:
		l.out.control(refusal(codeProtocol, "one after the other"), true)
		return true
	case cmd.V != Version:
		return c.turnAway(l, codeVersion, fmt.Sprintf("this host speaks version %d of the room protocol and you speak %d", Version, cmd.V))
	case cmd.Room != "" && text.RoomKey(cmd.Room) != text.RoomKey(c.host.Name):
		return c.turnAway(l, codeNoRoom, fmt.Sprintf("there is no room %.64q here", text.Clean(cmd.Room)))
	case cmd.Session != "" && !known:
		return c.turnAway(l, codeProtocol, "a session is 32 hex digits")
	}
	if !known {
		session = c.newID()
	}
	id, key := seatOf(session), c.keyFor(l, session)
	if held.names[id.String()] || c.state.seq < cmd.end && c.several() { // it may have sat down elsewhere just now
		return false
	}
	role := c.roleOf(l, cmd)
	if no := c.shutOut(now, id, key, role, l.address()); no != nil {
		return c.turnAway(l, no.Code, no.Text)
	}
	s := c.seats[id]
	switch {
	case s != nil && held.seats[s]:
		return false
	case c.outOfTurn(now, it, key):
		return true
	case s != nil && s.role == roleHost && c.host.Plaintext && l.peer.Via != "pipe": // its session was seen on the wire
		return c.turnAway(l, codeSession, "this seat is the host's own")
	case s != nil && s.key != key:
		return c.turnAway(l, codeSession, "this seat is another key's")
	case s != nil && cmd.Epoch > 0 && cmd.Epoch <= s.epoch:
		return c.turnAway(l, codeStale, "this seat was joined again since")
	case s != nil:
		s.session = session
		c.seatLink(now, l, s, cmd, true)
		return true
	case len(c.seats) >= c.host.maxSeats():
		return c.turnAway(l, codeFull, "the room has no seat left")
	case c.manySeats(key):
		return c.turnAway(l, codeFull, "your key has as many seats in the room as one may")
	}
	newcomer := &seat{id: id, session: session, key: key, quiet: cmd.Quiet, deaf: cmd.Deaf,
		guest: cmd.Guest, via: viaOf(l, cmd), role: role, since: now.UTC().Truncate(time.Millisecond)}
	if p := c.elsewhereSeat(id); p != nil {
		return c.checkMoved(now, it, held, newcomer, p)
	}
	if no := c.lockedOut(now, key, role); no != nil {
		return c.turnAway(l, no.Code, no.Text)
	}
	switch {
	case c.challenge(now, it):
		return true
	case c.crowded(l.from()):
		return c.turnAway(l, codeFull, "your address has as many seats in the room as one may")
	case c.state.rules.approval && role != roleHost && c.state.rules.stranger(key):
		return c.outOfBreath(now, it, key) || c.knock(now, it, session, key)
	}
	return c.checkNewcomer(now, it, held, newcomer)
}

// checkNewcomer decides whether a new seat may have the name it asks for.
func (c *core) checkNewcomer(now time.Time, it *item, held *holds, s *seat) bool {
	nick, err := text.Nick(it.cmd.Nick)
	if err != nil {
		free := text.Suggest(it.cmd.Nick, func(n string) bool { return !c.free(n, transport.Key{}, seatID{}, false) })
		c.meter.refuses(codeNick)
		it.link.out.control(encode(report{Type: string(Failure), Code: codeNick, Text: err.Error(), Suggest: free}), true)
		return true
	}
	if c.keptFrom(s.role, s.key, nick) {
		c.meter.refuses(codeNick)
		it.link.out.control(refusal(codeNick, filteredName), true)
		return true
	}
	name := text.Key(nick)
	if held.names[name] {
		return false
	}
	share := it.cmd.Share || it.cmd.Quiet
	if !c.free(nick, s.key, s.id, share) {
		if c.doubt(now, it, name, s.key) {
			return true
		}
		c.refuseNick(it, nick, string(Failure))
		return true
	}
	if c.stuck() || c.readonly() && !s.quiet { // that somebody came is an entry
		c.meter.refuses(codeNotStored)
		it.link.out.control(refusal(codeNotStored, c.noSeat()), true)
		return true
	}
	if !s.quiet && c.outOfBreath(now, it, s.key) {
		return true
	}
	s.nick, it.seat = nick, s
	it.claim, it.owner = name, s.key.String()
	held.names[name], held.names[s.id.String()], held.links[it.link] = true, true, true
	if s.quiet {
		c.batch = append(c.batch, it)
		return true
	}
	if !share { // our own ghosts make room
		for _, p := range c.state.names[name] {
			if ghost := c.seats[p.seat]; p.seat != s.id && ghost != nil {
				held.seats[ghost] = true
				c.put(now, &item{seat: ghost, cmd: command{Type: typeLeave}}, c.newID(), nil, "",
					report{Type: typeLeave, Nick: p.nick, Reason: "lost", Seat: p.seat.String()})
			}
		}
	}
	c.put(now, it, c.newID(), nil, "", report{Type: typeJoin, Nick: nick, Seat: s.id.String(), Host: c.host.id(),
		Transport: s.via, Role: c.roleNow(s), Key: s.key})
	return true
}

// doubt has a join wait where its own key has the name, in other seats alone:
// a program that was killed is still seated and cannot say goodbye, and its
// user should not be kept out by his own ghost. The seats are written to; who
// does not acknowledge that is gone.
func (c *core) doubt(now time.Time, it *item, name string, key transport.Key) bool {
	if it.doubted || len(c.quiet[name]) > 0 {
		return false
	}
	d := doubt{join: it, until: now.Add(doubted)}
	for _, p := range c.state.names[name] {
		s := c.seats[p.seat]
		if p.key != key || s == nil || s.link != nil && s.link.silent == nil {
			return false
		}
		if s.link != nil {
			d.seats = append(d.seats, s)
		}
	}
	for _, s := range d.seats {
		s.link.out.control(encode(report{Type: typePing}), false)
	}
	it.doubted = true
	c.doubts = append(c.doubts, d)
	return true
}

// resolve takes the seats from those who were not there and checks the join
// again.
func (c *core) resolve(now time.Time, d doubt) {
	for _, s := range d.seats {
		if l := s.link; l != nil && l.silent() >= noReply {
			c.detach(now, l, "")
			l.out.finish(encode(report{Type: typeBye, Code: codeReplaced, Text: "the name is used from elsewhere"}))
		}
	}
	c.waiting = append(c.waiting, d.join)
}

// crowded tells whether an address has its share of the seats.
func (c *core) crowded(from netip.Addr) bool {
	if !remote(from) {
		return false
	}
	n := 0
	for _, s := range c.seats {
		if transport.Source(s.from) == from {
			n++
		}
	}
	return n >= max(1, c.host.maxSeats()/seatsShare)
}

// turnAway refuses a join for good.
func (c *core) turnAway(l *link, code, words string) bool {
	l.ended = true
	c.meter.refuses(code)
	l.out.finish(refusal(code, words))
	return true
}

// keyFor returns the key that names a seat: the proved one, or one made of
// the seat's secret.
func (c *core) keyFor(l *link, session [16]byte) transport.Key {
	if c.host.Plaintext || l.peer.Key == (transport.Key{}) {
		return keyOf(session)
	}
	return l.peer.Key
}

// viaOf returns the carrier to show. Only a pipe, which ends in this program,
// may speak for another.
func viaOf(l *link, cmd command) string {
	if l.peer.Via == "pipe" && line(cmd.Transport) && cmd.Transport != "" {
		return cmd.Transport
	}
	return l.peer.Via
}

func (c *core) roleOf(l *link, cmd command) string {
	switch {
	case cmd.Guest:
		return roleGuest
	case l.peer.Via == "pipe" && (l.peer.Key == c.host.HostKey || c.host.Plaintext), c.rank("", l.peer.Key) == rankHost:
		return roleHost
	}
	return roleMember
}

// joinDone takes in what became of a join that was checked. Where it was
// stored, the fold seats the newcomer.
func (c *core) joinDone(now time.Time, it *item, o outcome) {
	switch {
	case o.holder != "" && !it.link.ended:
		c.refuseNick(it, it.seat.nick, string(Failure))
	case o.err != nil && !it.link.ended:
		c.meter.refuses(codeNotStored)
		it.link.out.control(refusal(codeNotStored, c.noSeat()), true)
	case o.holder == "" && o.err == nil && it.seat.quiet:
		name := text.Key(it.seat.nick)
		c.quiet[name] = append(c.quiet[name], it.seat)
		c.sit(now, it)
	}
}

// sit gives a newcomer its seat.
func (c *core) sit(now time.Time, it *item) {
	s := it.seat
	if old := c.seats[s.id]; old != nil { // it sat at another host, too
		c.remove(old, codeReplaced, "the seat is used from elsewhere")
	}
	c.seats[s.id] = s
	s.born, s.got = c.state.seq, c.state.seq
	if it.link.ended {
		c.lose(now, s)
	} else {
		c.seatLink(now, it.link, s, it.cmd, it.moved)
	}
	if x := c.overtaken(now, s, it.link.address()); x != nil {
		c.putOut(now, x, func(o *seat) bool { return o == s })
	}
}

// overtaken tells why somebody who sits down is put out at once: another host has decided
// that since his join was checked here.
func (c *core) overtaken(now time.Time, s *seat, from netip.Addr) *expulsion {
	r := &c.state.rules
	if !c.several() || s.role == roleHost {
		return nil
	}
	if r.ops.has(s.key) {
		from = netip.Addr{}
	}
	if b := r.banned(s.key, from, now); b != nil {
		return &expulsion{codeBanned, b.by, b.reason, b.until}
	}
	if k := r.kicked.get(s.id); k != nil {
		return &expulsion{code: codeKicked, by: k.by, reason: k.reason}
	}
	return nil
}

// seatLink connects a seat, in place of the connection it may have, and
// welcomes its holder.
func (c *core) seatLink(now time.Time, l *link, s *seat, cmd command, resumed bool) {
	if old := s.link; old != nil {
		old.ended = true
		old.out.finish(encode(report{Type: typeBye, Code: codeReplaced, Text: "the seat has another connection now"}))
	}
	via := viaOf(l, cmd)
	c.meter.seats(s.via, via, resumed)
	s.from = l.peer.Addr.Addr().Unmap()
	s.pace, s.fromPace = c.paceOf(now, s.key), c.paceFrom(now, l.from())
	if via != s.via {
		c.roster.changed()
	}
	l.seat, s.link, s.via, s.epoch = s, l, via, cmd.Epoch
	s.hosts, s.files = cmd.Hosts && l.peer.Via != "pipe", cmd.Files
	c.newLinks = slices.DeleteFunc(c.newLinks, func(o *link) bool { return o == l })
	h := c.host
	w := report{Type: typeWelcome, V: Version, Room: h.Name, Nick: s.nick, Role: c.roleNow(s), Log: hexID(c.logID), Session: hexID(s.session),
		Seat: s.id.String(), Seq: c.state.seq, Resumed: resumed, Delivery: h.Delivery.String(), Secure: !h.Plaintext, Guests: h.Guests,
		Topic: c.state.topic, Motd: c.state.rules.motd, Why: s.why, Vouch: c.voucher(now), Scram: l.answer}
	if k, ok := h.Log.(Keeper); ok {
		w.Keep = k.Kept()
		w.Kept = w.Keep != ""
	}
	st := &start{welcome: w, roster: c.tellPeople(""), viewer: s.key, feed: &h.feed, head: c.state.seq, deaf: s.deaf, after: c.state.seq}
	switch {
	case s.deaf:
	case cmd.anew:
		st.welcome.Anew = true
	case cmd.Log == w.Log && cmd.Seq <= c.state.seq:
		st.after = cmd.Seq
	case cmd.Log == "":
		if !resumed && !s.quiet {
			st.after-- // its own join
		}
		if !s.guest {
			st.history = max(0, min(cmd.History, maxReplay))
		}
	}
	if !s.guest {
		st.welcome.Hosts = c.fleet.shown
	}
	s.why, s.parted = "", nil
	l.out.start(st)
	c.elsewhere(s)
	c.tellLimits(now, s)
	c.retellFiles(s)
}

// voucher returns the room key's word for our connections' key.
func (c *core) voucher(now time.Time) *vouch {
	h := c.host
	if h.Key.IsZero() || h.Plaintext {
		return nil
	}
	if c.vouch == nil || now.Add(vouched/2).Unix() > c.vouch.Until {
		until := now.Add(vouched).Unix()
		c.vouch = &vouch{Key: h.Key.Key(), Until: until, Sig: h.Key.Sign(vouchText(h.HostKey, until))}
	}
	return c.vouch
}
