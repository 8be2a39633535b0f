package room

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"parley/text"
	"parley/transport"
)

// Nobody is kept from talking for talking much; whoever talks more than
// everybody can read is read more slowly. What counts is the person, which is
// a key, and not the seats, of which one person may have many; and, since
// anybody can make as many keys as he likes, the computer he sits at.
const (
	// peopleCost is how many people a list of who is here names for the price of a
	// message: in a large room it is long.
	peopleCost = 20
	// textCost is how many bytes of text are the price of a message: a long
	// one fills as many datagrams and lines as some short ones.
	textCost = 1 << 10
	// stepCost is how many steps of filters are the price of a message: half a
	// millisecond of the host's only loop, so that nobody keeps it busy with what
	// filters are slowest for.
	stepCost = 100_000
	// changeCost is the price of a change of name or topic, of which somebody
	// bored could make many, and which nobody can ignore, and of a search in the
	// log, which takes the host some 50 ms: ten at once and two a second, as it
	// is by default.
	changeCost = 50
	// actCost is the price of what a keeper does to others: fifty at once, for
	// a class to be put in order.
	actCost = 10
	// pageCost is the price of a page of the log: what as many messages are.
	pageCost = maxPage / 4
	// addressShare is how many members' pace the people at one address other
	// than our own have together: one may flood and the others there can talk.
	addressShare = 4

	// joinBurst is how often somebody may come in at once, each time with a
	// line on every screen, and joinRate how often a second after that. Whoever
	// comes back to a seat that is still kept makes no line.
	joinBurst = 10
	joinRate  = 1.0 / 6
	// maxHeld is how long a join may be put off until it is its turn, well
	// before a member gives up. One that had to wait longer is refused.
	maxHeld = 6 * time.Second

	// maxKeySeats is how many seats one key may have: more programs than
	// one person has open, and few enough that many are needed to fill a room.
	maxKeySeats = 32
	// maxPaces bounds the keys and addresses whose pace is remembered, but
	// for those of people who are here: some hundred kilobytes.
	maxPaces = 4096
)

// source is a key, or an address.
type source struct {
	key  transport.Key
	addr netip.Addr
}

// pace is what a source may still say, and how often come in.
type pace struct {
	said  bucket
	joins bucket
	share float64 // how many members' worth
}

// paceOf returns the pace of a key.
func (c *core) paceOf(now time.Time, key transport.Key) *pace {
	return c.paceAt(now, source{key: key}, 1)
}

// paceFrom returns the pace of an address, nil for our own.
func (c *core) paceFrom(now time.Time, from netip.Addr) *pace {
	if !remote(from) {
		return nil
	}
	return c.paceAt(now, source{addr: from}, addressShare)
}

func (c *core) paceAt(now time.Time, of source, share float64) *pace {
	p := c.paces[of]
	if p == nil {
		if len(c.paces) >= maxPaces {
			c.forgetPaces(now)
		}
		p = &pace{share: share}
		c.paces[of] = p
	}
	return p
}

// forgetPaces forgets those who may say everything again, and of the others
// who are not here an eighth of all, who soonest may.
func (c *core) forgetPaces(now time.Time) {
	here := map[*pace]bool{}
	for _, s := range c.seats {
		here[s.pace], here[s.fromPace] = true, true
	}
	type owing struct {
		of source
		d  time.Duration
	}
	var all []owing
	for of, p := range c.paces {
		if !here[p] {
			all = append(all, owing{of, max(p.said.full(now, c.said(p)), p.joins.full(now, joining(p)))})
		}
	}
	slices.SortFunc(all, func(a, b owing) int { return cmp.Compare(a.d, b.d) })
	for i, o := range all {
		if o.d > 0 && i >= maxPaces/8 {
			break
		}
		delete(c.paces, o.of)
	}
}

// flow is what a bucket holds, and what flows into it in a second.
type flow struct{ burst, rate float64 }

func (c *core) said(p *pace) flow {
	return flow{p.share * float64(c.host.burst()), p.share * float64(c.host.rate())}
}

func joining(p *pace) flow { return flow{p.share * joinBurst, p.share * joinRate} }

// pace has the link's reader wait when its member sends more than it may.
// Whatever it sends counts, as all of it is work for the host, and much of it
// for everybody.
func (c *core) pace(now time.Time, l *link, cmd *command) {
	cost := c.cost(cmd)
	if !c.keeper(l.seat) { // whom nothing is filtered of
		cost += float64(c.state.rules.work()*min(len(cmd.Text)+len(cmd.Nick), text.MaxText)) / stepCost
	}
	wait := c.charge(now, l.seat.pace, l.seat.fromPace, cost)
	l.out.pause(now.Add(wait))
	switch {
	case wait > 0 && !l.slow:
		l.slow = true
		l.out.control(encode(report{Type: string(Notice), Code: codeSlow,
			Text: fmt.Sprintf("sending slowly: this room takes %d messages a second from each of us, and nothing is lost", c.host.rate())}), false)
	case wait == 0 && l.slow && l.seat.pace.said.tokens > float64(c.host.burst())/2:
		l.slow = false
	}
}

// cost is the price of a command, in short messages.
func (c *core) cost(cmd *command) float64 {
	switch cmd.Type {
	case typeNames, typeJoin:
		return c.listCost()
	case string(Renamed), string(Topic), typeSearch:
		return changeCost
	case typePage:
		return pageCost
	case typeFile:
		return fileCost
	}
	if Kind(cmd.Type).acts() {
		return actCost
	}
	return 1 + float64(len(cmd.Text)/textCost)
}

// listCost is the price of a list of who is here.
func (c *core) listCost() float64 { return 1 + float64(len(c.state.people)/peopleCost) }

// charge takes the price of something said, and returns how long to wait for
// the next.
func (c *core) charge(now time.Time, key, from *pace, cost float64) time.Duration {
	wait := key.said.take(now, cost, c.said(key))
	if from != nil {
		wait = max(wait, from.said.take(now, cost, c.said(from)))
	}
	return wait
}

// outOfTurn puts a join off, or refuses it, where its key or address owes a
// wait: it would be told who is here, which is work.
func (c *core) outOfTurn(now time.Time, it *item, key transport.Key) bool {
	if it.heard {
		return false
	}
	it.heard = true
	mine, from := c.paceOf(now, key), c.paceFrom(now, it.link.from())
	wait := mine.said.debt(now, c.said(mine))
	if from != nil {
		wait = max(wait, from.said.debt(now, c.said(from)))
	}
	c.charge(now, mine, from, c.listCost())
	return wait > 0 && c.hold(now, it, wait)
}

// outOfBreath puts a join off, or refuses it, where its key or address comes
// and goes too often: everybody would see it, or those who are asked.
func (c *core) outOfBreath(now time.Time, it *item, key transport.Key) bool {
	if it.counted {
		return false
	}
	mine, from := c.paceOf(now, key), c.paceFrom(now, it.link.from())
	wait := mine.joins.after(now, 1, joining(mine))
	if from != nil {
		wait = max(wait, from.joins.after(now, 1, joining(from)))
	}
	if wait <= maxHeld { // else it does not come in
		mine.joins.take(now, 1, joining(mine))
		if from != nil {
			from.joins.take(now, 1, joining(from))
		}
		it.counted = true
	}
	return wait > 0 && c.hold(now, it, wait)
}

// held is a join that waits for its turn.
type held struct {
	join *item
	at   time.Time
}

// hold has a join wait, if not for too long.
func (c *core) hold(now time.Time, it *item, wait time.Duration) bool {
	if wait > maxHeld {
		return c.turnAway(it.link, codeTooOften, fmt.Sprintf("that was too often in a short time: come back in %d seconds", int(math.Ceil(wait.Seconds()))))
	}
	h := held{it, now.Add(wait)}
	i, _ := slices.BinarySearchFunc(c.held, h, func(a, b held) int {
		return cmp.Or(a.at.Compare(b.at), -1)
	})
	c.held = slices.Insert(c.held, i, h)
	it.link.held = true
	return true
}

// letIn checks the joins again whose turn it is.
func (c *core) letIn(now time.Time) {
	for len(c.held) > 0 && !now.Before(c.held[0].at) {
		it := c.held[0].join
		it.link.held = false
		c.waiting = append(c.waiting, it)
		c.held = c.held[1:]
	}
}

// manySeats tells whether a key has as many seats as one may. Those of ours
// who are behind the host's own pipe have a key for each.
func (c *core) manySeats(key transport.Key) bool {
	n := 0
	for _, s := range c.seats {
		if s.key == key {
			n++
		}
	}
	return n >= maxKeySeats
}

// bucket is a token bucket that may go into debt by what was read already.
type bucket struct {
	tokens float64
	at     time.Time
}

// fill lets flow in what has come since the last time.
func (b *bucket) fill(now time.Time, f flow) {
	if b.at.IsZero() {
		b.tokens = f.burst
	} else {
		b.tokens = min(f.burst, b.tokens+now.Sub(b.at).Seconds()*f.rate)
	}
	b.at = now
}

// take takes tokens and returns how long to wait before the next.
func (b *bucket) take(now time.Time, cost float64, f flow) time.Duration {
	b.fill(now, f)
	b.tokens -= cost
	return seconds(-b.tokens / f.rate)
}

// after returns how long it takes until there are so many tokens.
func (b *bucket) after(now time.Time, cost float64, f flow) time.Duration {
	b.fill(now, f)
	return seconds((cost - b.tokens) / f.rate)
}

// debt returns how long it takes until nothing is owed.
func (b *bucket) debt(now time.Time, f flow) time.Duration { return b.after(now, 0, f) }

// full returns how long it takes until there are as many tokens as can be.
func (b *bucket) full(now time.Time, f flow) time.Duration { return b.after(now, f.burst, f) }

// seconds is a wait of so many, none if less than nothing.
func seconds(s float64) time.Duration { return time.Duration(max(0, s) * float64(time.Second)) }
