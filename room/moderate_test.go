package room

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/transport"
)

// court is a play with a host in it, who has come to sit in judgement.
type court struct {
	*play
	t    *testing.T
	host *link
}

func newCourt(t *testing.T, change func(*Host)) *court {
	h := &Host{Name: "physics", HostKey: transport.Key{200}}
	if change != nil {
		change(h)
	}
	c := &court{play: newPlay(h), t: t}
	c.settle()
	c.host = c.pipe(c.core.host.HostKey)
	c.sit(c.host, "hana", "")
	return c
}

// pipe is a connection from inside the host's program.
func (c *court) pipe(key transport.Key) *link {
	l := &link{out: newOutbox(false), peer: transport.Peer{Key: key, Via: "pipe"}}
	c.core.attach(c.now, l)
	return l
}

// from is a connection of somebody over some carrier.
func (c *court) from(key byte, via, addr string) *link {
	l := &link{out: newOutbox(false), peer: transport.Peer{Key: transport.Key{key, 7}, Via: via, Addr: netip.MustParseAddrPort(addr)}}
	if c.core.host.Plaintext {
		l.peer.Key = transport.Key{}
	}
	c.core.attach(c.now, l)
	return l
}

// sit asks for a seat, and returns what comes of it.
func (c *court) sit(l *link, nick, session string) string {
	c.core.command(c.now, l, command{Type: typeJoin, V: Version, Nick: nick, Session: session})
	c.settle()
	return c.sees(l)
}

// member seats somebody over UDP whose address is that of the key.
func (c *court) member(nick string, key byte) *link {
	c.t.Helper()
	l := c.from(key, "udp", fmt.Sprintf("10.0.0.%d:1", key))
	if got := c.sit(l, nick, ""); !strings.Contains(got, "welcome") {
		c.t.Fatalf("%s is not let in: %s", nick, got)
	}
	return l
}

// types has somebody type a line, and returns what that brings to the screen.
func (c *court) types(l *link, line string) string {
	c.t.Helper()
	c.enter(l, line)
	c.settle()
	return c.sees(l)
}

// enter sends what a line says.
func (c *court) enter(l *link, line string) {
	c.t.Helper()
	cmd := command{Type: string(Message), Text: line}
	if word, rest := cut(line); word[0] == '/' {
		switch k, _ := Find(word[1:]); k.Name {
		case "me":
			cmd = command{Type: string(Act), Text: rest}
		case "msg":
			to, words := cut(rest)
			cmd = command{Type: string(Whisper), To: to, Text: words}
		case "nick":
			cmd = command{Type: string(Renamed), Nick: rest}
		case "topic":
			cmd = command{Type: string(Topic), Text: rest}
		case "away":
			cmd = command{Type: typeAway, Text: rest}
		case "quit":
			cmd = command{Type: typeLeave, Text: rest}
		default:
			var ok bool
			var err error
			if cmd, ok, err = act(k, rest); !ok || err != nil {
				c.t.Fatalf("%q: %v, %v", line, ok, err)
			}
		}
	}
	c.ids++
	cmd.ID = fmt.Sprintf("%032x", c.ids)
	c.core.command(c.now, l, cmd)
}

// sees returns what came to somebody since one looked last, in short.
func (c *court) sees(l *link) string {
	w := l.out.take(work{})
	var all []string
	add := func(data []byte) {
		r, _ := parseReport(data)
		words := []string{r.Type, r.Code, r.State, r.By, r.Nick, r.Reason, r.Text}
		if r.Seconds > 0 {
			words = append(words, fmt.Sprint(r.Seconds))
		}
		if !r.Until.IsZero() {
			words = append(words, r.Until.Sub(c.now).String())
		}
		if r.Type != string(Accepted) {
			all = append(all, strings.Join(slices.DeleteFunc(words, func(s string) bool { return s == "" }), " "))
		}
	}
	if w.begin != nil {
		all = append(all, "welcome "+w.begin.welcome.Role)
		l.out.sent = l.out.head
	}
	for _, x := range w.letters {
		add(x.data)
	}
	for _, f := range w.live {
		if f.visible(l.seat.key) {
			add(f.data)
		}
	}
	if w.last != nil {
		add(w.last)
	}
	return strings.Join(all, "; ")
}

func (c *court) want(got, want string) {
	c.t.Helper()
	if got != want {
		c.t.Errorf("got  %s\nwant %s", got, want)
	}
}

// has tells whether something is part of what somebody saw.
func (c *court) has(got, part string) {
	c.t.Helper()
	if !strings.Contains(got, part) {
		c.t.Errorf("got  %s\nwant in it %s", got, part)
	}
}

// restart ends the host and opens the room again on the same log, with nobody connected.
func (c *court) restart() {
	c.t.Helper()
	old := c.core.host
	h := &Host{Name: old.Name, HostKey: old.HostKey, Plaintext: old.Plaintext, Own: old.Own, Log: old.Log}
	h.setup()
	c.core = newCore(h, h.Log.ID())
	c.core.open(uint64(len(c.log.entries)))
	c.seen = 0
	c.fold()
	c.settle()
	c.host = c.pipe(h.HostKey)
	nick := "hana"
	if h.Plaintext { // whose seat has another key now
		nick = "hannah"
	}
	if got := c.sit(c.host, nick, ""); !strings.Contains(got, "welcome host") {
		c.t.Fatalf("the host is not let in: %s", got)
	}
}

func secretOf(l *link) string { return hexID(l.seat.session) }

// M1, M2: who is put out is told so, and does not come back by itself, but may
// come again.
func TestKick(t *testing.T) {
	c := newCourt(t, nil)
	cyn, ben := c.member("cyn", 1), c.member("ben", 2)
	second := c.from(1, "tcp", "10.0.0.1:2")
	c.sit(second, "cyn2", "")
	c.sees(ben)
	session, other := secretOf(cyn), secretOf(second)
	c.sees(cyn)
	c.want(c.types(c.host, "/kick CYN be nice"), "join cyn; join ben; join cyn2; kick hana cyn be nice; leave hana cyn kicked be nice; leave hana cyn2 kicked be nice")
	for _, l := range []*link{cyn, second} {
		c.has(c.sees(l), "kick hana cyn be nice; bye kicked you were put out of physics by hana: be nice")
		if !l.ended {
			t.Error("a connection is left")
		}
	}
	c.has(c.sees(ben), "kick hana cyn be nice; leave hana cyn kicked be nice")
	for _, s := range []string{session, other} { // by itself, as a program does that was away just then
		c.want(c.sit(c.from(1, "tcp", "10.0.0.1:3"), "cyn", s), "error kicked you were put out of physics by hana: be nice")
	}
	c.has(c.sit(c.from(1, "tcp", "10.0.0.1:3"), "cyn", ""), "welcome member")
	c.restart()
	c.want(c.sit(c.from(1, "tcp", "10.0.0.1:3"), "cyn", session), "error kicked you were put out of physics by hana: be nice")
}

// Whose connection is lost is put out all the same, and so is one of a former
// life of the host whose leave was not stored.
func TestKickOfTheLost(t *testing.T) {
	c := newCourt(t, nil)
	cyn := c.member("cyn", 1)
	session := secretOf(cyn)
	c.core.detach(c.now, cyn, "")
	c.enter(c.host, "/kick cyn")
	c.store(c.batch())
	c.fold() // the kick is stored, that she left is not
	c.want(c.sit(c.from(1, "udp", "10.0.0.1:3"), "cyn", session), "error kicked you were put out of physics by hana")
	c.core.batch = nil
	c.restart()
	if len(c.core.state.names["cyn"]) != 0 {
		t.Error("she is in the room")
	}
	c.want(c.sit(c.from(1, "udp", "10.0.0.1:3"), "cyn", session), "error kicked you were put out of physics by hana")
}

// M3: a ban holds for every nick, carrier, seat and address of the key, through
// a restart, for its time.
func TestBan(t *testing.T) {
	c := newCourt(t, nil)
	cyn, ben := c.member("cyn", 1), c.member("ben", 2)
	session := secretOf(cyn)
	c.sees(c.host)
	c.want(c.types(c.host, "/ban cyn 10m spam"), "ban hana cyn spam 10m0s; leave hana cyn banned spam")
	c.has(c.sees(cyn), "bye banned you were banned from physics for 10 minutes by hana: spam")
	c.has(c.sees(ben), "ban hana cyn spam 10m0s")
	for range 2 {
		c.now = c.now.Add(time.Minute)
		for i, via := range []string{"udp", "tcp"} {
			for _, s := range []string{"", session} {
				got := c.sit(c.from(1, via, fmt.Sprintf("10.0.9.%d:1", i+1)), "innocent", s)
				c.has(got, "error banned you are banned from physics for ")
				c.has(got, " minutes more by hana: spam")
			}
		}
		c.restart() // the same again
	}
	c.has(c.sit(c.from(3, "udp", "10.0.0.1:1"), "dee", ""), "welcome member") // the key is banned, not the place
	c.sees(c.host)
	c.want(c.types(c.host, "/bans"), "notice bans cyn is banned for 8 minutes more by hana: spam")
	c.now = c.now.Add(9 * time.Minute)
	back := c.from(1, "udp", "10.0.0.1:1")
	c.has(c.sit(back, "cyn", ""), "welcome member")
	c.sees(c.host)
	c.want(c.types(c.host, "/ban cyn"), "ban hana cyn; leave hana cyn banned")
	c.want(c.types(c.host, "/unban ben"), `failed unchanged nobody called "ben" is banned: /bans lists who is`)
	c.now = c.now.Add(10000 * time.Hour)
	c.want(c.sit(c.from(1, "udp", "10.0.0.1:1"), "cyn", ""), "error banned you are banned from physics by hana")
	c.want(c.types(c.host, "/unban cyn"), "unban hana cyn")
	c.has(c.sit(c.from(1, "udp", "10.0.0.1:1"), "cyn", ""), "welcome member")
	c.restart()
	c.has(c.sit(c.from(1, "udp", "10.0.0.1:1"), "cyn", ""), "welcome member")
}

// With -a the address is banned, too, which nobody but the host's own computer
// can read in the log; who has left can be banned.
// A time that is none makes nobody's ban endless, and a reason may begin with a
// number.
func TestTimesThatAreNone(t *testing.T) {
	for _, word := range []string{"10x", "10min", "3Days", "0m", "99999d", "10µ"} {
		c, _ := Find("ban")
		if cmd, _, err := act(c, "cyn "+word+" spam"); err == nil || !strings.Contains(err.Error(), "is no time") {
			t.Errorf("%s: %+v, %v", word, cmd, err)
		}
	}
	for _, word := range []string{"3rd", "2nd", "10m2", "m10", "10%", "7up"} {
		c, _ := Find("mute")
		if cmd, _, err := act(c, "cyn "+word+" warning"); err != nil || cmd.Reason != word+" warning" || cmd.Seconds != 0 {
			t.Errorf("%s: %+v, %v", word, cmd, err)
		}
	}
}

// Who comes to say one thing and is gone, and never joins, can be banned by the
// name it was said under, as can the last who had it.
func TestBanOfVisitors(t *testing.T) {
	c := newCourt(t, nil)
	visit := func(key byte) string {
		l := c.from(key, "udp", fmt.Sprintf("10.0.0.%d:1", key))
		c.core.command(c.now, l, command{Type: typeJoin, V: Version, Nick: "dan", Quiet: true, Deaf: true})
		c.settle()
		got := c.sees(l)
		c.types(l, "spam")
		c.types(l, "/quit")
		return got
	}
	c.has(visit(1), "welcome")
	c.sees(c.host)
	c.want(c.types(c.host, "/kick dan"), `failed no_nick nobody here is called "dan": /names tells who is`)
	c.want(c.types(c.host, "/ban dan spam"), "ban hana dan spam")
	c.has(visit(1), "error banned you are banned from physics by hana: spam")

	c.types(c.member("dan", 2), "/quit")
	c.sees(c.host)
	c.want(c.types(c.host, "/ban dan"), "ban hana dan")
	c.has(c.sit(c.from(2, "udp", "10.0.0.2:1"), "dan", ""), "error banned")
	c.has(visit(3), "welcome")
	c.sees(c.host)
	c.want(c.types(c.host, "/ban dan"), "ban hana dan")
	c.has(visit(3), "error banned")
}

func TestBanOfAddress(t *testing.T) {
	c := newCourt(t, func(h *Host) {
		h.Own = func(a netip.Addr) bool { return a == netip.MustParseAddr("10.0.0.9") }
	})
	cyn, here, ben := c.member("cyn", 1), c.member("here", 9), c.member("ben", 2)
	c.types(ben, "hi")
	c.types(c.host, "/ban -a cyn")
	if all := c.sees(ben) + c.sees(cyn); strings.Contains(all, "10.0.0.1") || strings.Contains(all, "address") {
		t.Errorf("members see %s", all)
	}
	c.restart()
	c.has(c.sit(c.from(5, "tcp", "10.0.0.1:9"), "eve", ""), "error banned")
	c.want(c.types(c.host, "/bans"), "notice bans cyn is banned by hana (10.0.0.1)")
	again := c.from(9, "udp", "10.0.0.9:1")
	c.sit(again, "here", secretOf(here))
	c.sees(c.host)
	c.has(c.types(c.host, "/ban -a here"), "notice the key of here is banned, but no address: it is not known, or the host's own")
	c.has(c.sit(c.from(5, "tcp", "10.0.0.9:9"), "eve", ""), "welcome")
	dee := c.member("dee", 4)
	c.types(dee, "/quit rude words")
	c.sees(c.host)
	c.want(c.types(c.host, "/ban dee"), "ban hana dee")
	c.has(c.sit(c.from(4, "tcp", "10.0.0.4:9"), "dan", ""), "error banned")
	c.types(c.host, "/unban cyn")
	c.has(c.sit(c.from(5, "tcp", "10.0.0.1:9"), "fay", ""), "welcome")
	for _, e := range c.log.entries {
		if strings.Contains(string(e.Body), "10.0.0.1") && (len(e.Audience) != 1 || e.Audience[0] != c.core.host.HostKey) {
			t.Errorf("others may see %s", e.Body)
		}
	}
}

// M2: who is muted reads on and may ask the host, under whatever name.
func TestMute(t *testing.T) {
	c := newCourt(t, nil)
	cyn, ben := c.member("cyn", 1), c.member("ben", 2)
	c.sees(cyn)
	c.want(c.types(c.host, "/mute cyn 5m caps"), "join cyn; join ben; mute hana cyn caps 5m0s")
	c.want(c.sees(cyn), "mute hana cyn caps 5m0s")
	no := "failed muted you were muted for 5 minutes more by hana: caps"
	for _, line := range []string{"HELLO", "/me SHOUTS", "/msg ben HELLO"} {
		c.want(c.types(cyn, line), no)
	}
	c.want(c.types(cyn, "/msg hana why?"), "whisper why?")
	c.types(ben, "hear me")
	c.want(c.sees(cyn), "message hear me")
	c.types(cyn, "/nick cy")
	c.want(c.types(cyn, "HELLO"), no)
	second := c.from(1, "tcp", "10.0.0.1:2")
	c.want(c.sit(second, "cy2", ""), "welcome member; notice muted you were muted for 5 minutes more by hana: caps; the host and ops hear what you whisper to them")
	c.want(c.types(second, "HELLO"), no)
	c.types(second, "/quit SHOUT")
	c.has(c.sees(ben), "leave cy2 quit")
	c.restart()
	again := c.from(1, "udp", "10.0.0.1:5")
	c.has(c.sit(again, "cynthia", ""), "notice muted")
	c.want(c.types(again, "HELLO"), no)
	c.want(c.types(c.host, "/unmute cynthia"), "join cynthia; unmute hana cynthia")
	c.sees(again)
	c.want(c.types(again, "thanks"), "message thanks")
	c.types(c.host, "/mute cynthia 5m")
	c.now = c.now.Add(5 * time.Minute)
	c.sees(again)
	c.want(c.types(again, "over"), "message over")
}

func TestMuteAll(t *testing.T) {
	c := newCourt(t, nil)
	cyn, ben := c.member("cyn", 1), c.member("ben", 2)
	c.types(c.host, "/op ben")
	c.want(c.types(c.host, "/mute all listen"), "mute hana listen")
	c.sees(cyn)
	no := "failed muted only the host and ops speak now: the room was muted by hana: listen"
	for _, line := range []string{"hi", "/me hi", "/msg cyn2 hi"} {
		if line[0] == '/' && line[1] == 'm' && line[2] == 's' {
			c.member("cyn2", 3)
			c.sees(cyn)
		}
		c.want(c.types(cyn, line), no)
	}
	c.has(c.types(cyn, "/msg ben may I?"), "whisper may I?")
	c.has(c.types(ben, "I may"), "message I may")
	c.has(c.types(c.host, "and I"), "message and I")
	c.has(c.sit(c.from(7, "udp", "10.0.0.7:1"), "late", ""), "notice muted only the host and ops speak now")
	c.has(c.types(c.host, "/unmute all"), "unmute hana")
	c.has(c.types(cyn, "hi"), "message hi")
	c.sees(c.host)
	c.want(c.types(c.host, "/unmute all"), "failed unchanged the room is not muted; /unmute NICK is for one person")
}

// What an op may do and what not, and that a right that is lost is lost at once.
func TestOps(t *testing.T) {
	c := newCourt(t, nil)
	ben, cyn, dee := c.member("ben", 2), c.member("cyn", 1), c.member("dee", 3)
	const no = "failed not_allowed only the host and ops may do that: /names tells who they are"
	for _, line := range []string{"/kick cyn", "/ban cyn", "/unban cyn", "/mute cyn", "/mute all", "/unmute cyn", "/op ben", "/deop cyn", "/slow 9", "/lock",
		"/unlock", "/topic x", "/motd x", "/approve on", "/deny cyn", "/filter x", "/unfilter x"} {
		c.sees(ben)
		c.want(c.types(ben, line), no)
	}
	c.want(c.types(ben, "/bans"), "failed not_allowed only the host and ops may ask that")
	c.want(c.types(ben, "/deop ben"), "failed unchanged you are no op")
	c.want(c.types(c.host, "/op ben"), "join ben; join cyn; join dee; op hana ben")
	c.types(c.host, "/op dee")
	c.sees(ben)
	c.want(c.types(ben, "/kick hana"), "failed not_allowed hana is the host: nobody can do that to the host")
	c.want(c.types(ben, "/mute dee"), "failed not_allowed dee is an op like you: only the host can do that")
	c.types(c.host, "/mute ben") // an op does not take back what the host did to him, or to another
	c.sees(ben)
	c.want(c.types(ben, "/unmute ben"), "failed not_allowed ben is an op: only the host can do that")
	c.sees(dee)
	c.want(c.types(dee, "/unmute ben"), "failed not_allowed ben is an op: only the host can do that")
	c.types(c.host, "/unmute ben")
	c.sees(ben)
	c.want(c.types(ben, "/op cyn"), "op ben cyn")
	c.want(c.types(ben, "/kick ben"), "failed self that is you")
	c.want(c.types(ben, "/kick nobody"), `failed no_nick nobody here is called "nobody": /names tells who is`)
	c.sees(cyn)
	c.want(c.types(cyn, "/deop"), "deop cyn cyn")
	c.want(c.types(ben, "/topic light"), "deop cyn cyn; topic light")

	// In mid-action: both are on their way when the host has decided.
	c.enter(c.host, "/deop ben")
	c.enter(ben, "/kick cyn")
	c.settle()
	c.has(c.sees(ben), no)
	if cyn.ended {
		t.Error("he did it all the same")
	}
	c.enter(dee, "/kick cyn")
	c.enter(cyn, "one more thing")
	c.settle()
	if last := c.log.entries[len(c.log.entries)-1]; strings.Contains(string(last.Body), "one more thing") {
		t.Error("she spoke after she was put out")
	}
	c.restart()
	again := c.from(3, "tcp", "10.0.0.3:8")
	c.has(c.sit(again, "dee", ""), "welcome op")
	c.sees(c.host)
	c.core.detach(c.now, again, "")
	c.pass(time.Minute)
	c.sees(c.host)
	c.want(c.types(c.host, "/deop dee"), "deop hana dee")
	c.has(c.sit(c.from(3, "tcp", "10.0.0.3:8"), "dee", ""), "welcome member")
}

// Every act is a row of the log with its number, who did it and why.
func TestActsAreRows(t *testing.T) {
	c := newCourt(t, nil)
	c.member("cyn", 1)
	for i, line := range []string{"/op cyn", "/deop cyn", "/mute cyn r", "/unmute cyn", "/mute all r", "/unmute all", "/slow 5", "/slow off", "/lock r", "/unlock",
		"/motd hi", "/topic t", "/filter x", "/unfilter x", "/approve on", "/approve off", "/ban cyn 1h r", "/unban cyn"} {
		before := len(c.log.entries)
		c.types(c.host, line)
		rows := c.log.entries[before:]
		if len(rows) == 0 {
			t.Fatalf("%s left no row", line)
		}
		e, err := rows[0].Event()
		word, _ := cut(line)
		if err != nil || "/"+string(e.Type) != word || e.Seq == 0 || e.By+e.From != "hana" || strings.HasSuffix(line, " r") != (e.Reason == "r") {
			t.Errorf("%d %s: %+v %v", i, line, e, err)
		}
	}
}

func TestSlowMode(t *testing.T) {
	c := newCourt(t, func(h *Host) { h.Slow = 10 })
	cyn := c.member("cyn", 1)
	c.enter(cyn, "one")
	c.enter(cyn, "two") // at once
	c.settle()
	c.want(c.sees(cyn), "failed slow_mode slow mode: 10 s until your next message; message one")
	c.now = c.now.Add(4 * time.Second)
	second := c.from(1, "tcp", "10.0.0.1:2")
	c.want(c.sit(second, "cyn2", ""), "welcome member; notice slow_mode slow mode: one message every 10 s")
	c.want(c.types(second, "three"), "failed slow_mode slow mode: 6 s until your next message")
	c.has(c.types(c.host, "again"), "message again")
	c.has(c.types(c.host, "and again"), "message and again")
	c.restart()
	cyn = c.member("cyn3", 1)
	c.want(c.types(cyn, "/me waves"), "failed slow_mode slow mode: 6 s until your next message")
	c.want(c.types(cyn, "/msg hana psst"), "whisper psst")
	c.now = c.now.Add(6 * time.Second)
	c.want(c.types(cyn, "/me waves"), "action waves")
	if wait := c.core.state.rules.wait(cyn.peer.Key, c.now.Add(-time.Hour)); wait != 10*time.Second {
		t.Errorf("a clock that was put right has her wait for %v", wait)
	}
	c.types(c.host, "/slow off")
	c.has(c.types(cyn, "hi"), "message hi")
	c.want(c.types(cyn, "ho"), "message ho")
}

// Who was let in before may come back into a locked room; nobody else.
func TestLock(t *testing.T) {
	c := newCourt(t, nil)
	cyn := c.member("cyn", 1)
	c.member("ben", 2)
	c.types(cyn, "/quit")
	c.types(c.host, "/lock exam")
	c.want(c.sit(c.from(5, "udp", "10.0.0.5:1"), "eve", ""), "error locked nobody new comes into physics now: it was locked by hana: exam")
	c.member("cyn", 1)
	c.types(c.host, "/kick cyn")
	c.restart()
	c.has(c.sit(c.from(1, "udp", "10.0.0.1:1"), "cyn", ""), "error locked")
	c.has(c.sit(c.from(2, "udp", "10.0.0.2:1"), "benny", ""), "welcome")
	c.types(c.host, "/unlock")
	c.has(c.sit(c.from(5, "udp", "10.0.0.5:1"), "eve", ""), "welcome")
}

// In plaintext, and of guests, there is no key to hold: the address is.
func TestWithoutKeys(t *testing.T) {
	for _, plaintext := range []bool{true, false} {
		c := newCourt(t, func(h *Host) {
			if h.Plaintext = plaintext; plaintext {
				h.HostKey = transport.Key{}
			}
		})
		guest := func(key byte, nick, addr string) (*link, string) {
			l := c.from(key, "udp", addr)
			if !plaintext {
				l.peer.Via = "pipe"
			}
			c.core.command(c.now, l, command{Type: typeJoin, V: Version, Nick: nick, Guest: !plaintext})
			c.settle()
			return l, c.sees(l)
		}
		cyn, _ := guest(1, "cyn", "10.0.0.1:1")
		c.sees(c.host)
		if got := c.types(c.host, "/op cyn"); !strings.Contains(got, "failed not_allowed") {
			t.Error(got)
		}
		c.types(c.host, "/mute cyn")
		c.has(c.types(cyn, "hi"), "failed muted")
		again, _ := guest(2, "cyn2", "10.0.0.1:2")
		c.has(c.types(again, "hi"), "failed muted")
		c.types(c.host, "/unmute cyn")
		c.has(c.types(again, "hi"), "message hi")
		c.types(c.host, "/ban cyn rude")
		c.has(c.sees(cyn), "bye banned")
		c.has(c.sees(again), "bye banned") // the other window
		_, got := guest(3, "innocent", "10.0.0.1:3")
		c.has(got, "error banned you are banned from physics by hana: rude")
		near, _ := guest(4, "near", "127.0.0.1:3")
		c.sees(c.host)
		c.has(c.types(c.host, "/ban near"), "notice near is only put out")
		if !near.ended {
			t.Error("it is not")
		}
		_, got = guest(5, "near", "127.0.0.1:4")
		c.has(got, "welcome")
	}
}

// Newcomers wait until they are let in, and are known from then on.
func TestApproval(t *testing.T) {
	c := newCourt(t, func(h *Host) { h.Approve = true })
	cyn := c.from(1, "udp", "10.0.0.1:1")
	c.want(c.sit(cyn, "cyn", ""), "wait approval physics lets nobody new in unasked: the host and the ops were told that you are here")
	c.has(c.sees(c.host), "asks to come in: /approve cyn or /deny cyn")
	eve := c.from(5, "udp", "10.0.0.5:1")
	c.want(c.sit(eve, "CYN", ""), `error nick_taken CYN somebody asks to come in as "CYN" already: choose another name`)
	c.has(c.sit(eve, "eve", ""), "wait approval")
	c.has(c.types(c.host, "/approve"), "eve (key: ")
	c.want(c.types(c.host, "/approve nobody"), `failed no_nick nobody called "nobody" asks to come in: /approve lists who does`)
	c.want(c.types(c.host, "/approve cyn"), "approve hana cyn; join cyn")
	c.has(c.sees(cyn), "welcome member")
	c.want(c.types(c.host, "/deny eve not in this class"), "deny hana eve not in this class")
	c.want(c.sees(eve), "error denied you were not let into physics by hana: not in this class")
	if got := c.sees(cyn); strings.Contains(got, "deny") {
		t.Errorf("all hear %s", got)
	}
	c.types(c.host, "/op cyn")
	c.restart()
	c.core.detach(c.now, c.host, "")
	dee := c.from(4, "udp", "10.0.0.4:1")
	c.want(c.sit(dee, "dee", ""), "wait approval physics lets nobody new in unasked, and nobody who decides is here: you wait until somebody is")
	cyn = c.from(1, "tcp", "10.0.0.1:1")
	got := c.sit(cyn, "cyn", "")
	c.has(got, "welcome op")
	c.has(got, "notice knock dee dee (key: ")
	c.types(cyn, "/approve dee")
	c.has(c.sees(dee), "welcome member")
	for i := range 6 { // of one address, and then of many
		l := c.from(byte(20+i), "udp", "10.0.3.1:1")
		if got := c.sit(l, fmt.Sprint("crowd", i), ""); strings.Contains(got, "wait") != (i < 4) {
			t.Errorf("%d: %s", i, got)
		}
	}
	banned := c.from(30, "udp", "10.0.0.4:2")
	c.has(c.sit(banned, "fay", ""), "wait approval")
	c.types(cyn, "/ban -a dee")
	c.has(c.sees(banned), "error banned")
	c.has(c.types(cyn, "/approve off"), "join crowd3")
}

// A newcomer whose key is made of its session keeps the key while it waits.
func TestApprovalWithoutKeys(t *testing.T) {
	c := newCourt(t, func(h *Host) { h.Plaintext, h.HostKey, h.Approve = true, transport.Key{}, true })
	cyn := c.from(1, "udp", "10.0.0.1:1")
	c.has(c.sit(cyn, "cyn", ""), "wait approval")
	c.types(c.host, "/approve cyn")
	c.has(c.sees(cyn), "welcome member")
	session := secretOf(cyn)
	c.restart()
	c.has(c.sit(c.from(1, "tcp", "10.0.0.1:1"), "cyn", session), "welcome member")
	c.has(c.sit(c.from(1, "tcp", "10.0.0.1:1"), "cyn", ""), "error nick_taken")
	c.has(c.sit(c.from(1, "tcp", "10.0.0.1:1"), "cyn2", ""), "wait approval")
}

// Whoever lets somebody in knows whom: nobody asks under the name of somebody who is here, or like it,
// who asks under that of one who was here is told to be somebody else, and an
// approval is for the key that the keeper was told of.
func TestWhomOneLetsIn(t *testing.T) {
	c := newCourt(t, nil)
	c.member("cyn", 1)
	ben := c.member("ben", 2)
	c.core.command(c.now, ben, command{Type: typeLeave})
	c.settle()
	c.types(c.host, "/approve on")
	eve := c.from(5, "udp", "10.0.0.5:1")
	for _, like := range []string{"cyn", "CYN", "ｃｙｎ", "сyn"} {
		if got := c.sit(eve, like, ""); !strings.HasPrefix(got, "error nick_") {
			t.Errorf("as %s: %s", like, got)
		}
	}
	if got := c.sees(c.host); strings.Contains(got, "knock") {
		t.Errorf("the host is told %s", got)
	}
	c.has(c.sit(eve, "Ben", ""), "wait approval")
	c.has(c.sees(c.host), ", which is not that of the ben who was here before) asks to come in: /approve Ben")
	dee := c.from(6, "udp", "10.0.0.6:1")
	c.has(c.sit(dee, "dee", ""), "wait approval")
	c.has(c.sees(c.host), "knock dee dee (key: ")
	approve := func(key transport.Key) string {
		c.ids++
		c.core.command(c.now, c.host, command{Type: string(Approve), ID: fmt.Sprintf("%032x", 1<<20+c.ids), Nick: "dee", Key: key})
		c.settle()
		return c.sees(c.host)
	}
	c.has(approve(eve.peer.Key), "is somebody else than the one you were told of before: compare the key, then say it again")
	c.has(approve(dee.peer.Key), "approve hana dee")
}

// A keeper's program says with an approval whom it was told of last, but not where that
// is another one than the keeper may have read of.
func TestApprovalOfTheOneThatWasTold(t *testing.T) {
	m := new(Member)
	knocks := func(nick string, key byte) { m.knocked(&report{Nick: nick, Key: transport.Key{key}}) }
	approves := func(nick string) (transport.Key, error) {
		cmd := command{Type: string(Approve), Nick: nick}
		err := m.approving(&cmd)
		return cmd.Key, err
	}
	if key, err := approves("dee"); err != nil || key != (transport.Key{}) {
		t.Error(key, err)
	}
	knocks("dee", 1)
	knocks("Dee", 1)
	if key, err := approves("DEE"); err != nil || key[0] != 1 {
		t.Error(key, err)
	}
	knocks("dee", 2)
	if _, err := approves("dee"); err == nil || !strings.Contains(err.Error(), "somebody else asks to come in") {
		t.Error(err)
	}
	if key, err := approves("dee"); err != nil || key[0] != 2 {
		t.Error(key, err)
	}
	for n := range 1000 {
		knocks(fmt.Sprint("n", n), 3)
	}
	if len(m.knockers) > wards[codeApproval].all {
		t.Errorf("%d are remembered", len(m.knockers))
	}
}

// What a filter is against is not said, in names and last words neither, and
// nobody but the host and who made it learns what it is.
func TestFilters(t *testing.T) {
	c := newCourt(t, func(h *Host) { h.Filters = []string{"heck*", "links"} })
	cyn, ben := c.member("cyn", 1), c.member("ben", 2)
	c.types(c.host, "/op ben")
	c.sees(ben)
	c.sees(cyn)
	c.want(c.types(cyn, "what the HECKЕR"), "failed filtered a filter of this room is against it: a word")
	c.want(c.types(cyn, "see www.example.org"), "failed filtered a filter of this room is against it: links")
	c.want(c.types(cyn, "/nick hecker"), "failed nick_invalid a filter of this room is against this name: choose another")
	c.want(c.types(cyn, "/away hecked"), "failed filtered a filter of this room is against these words")
	c.want(c.types(ben, "/filter whispers"), "filter ben whispers")
	c.want(c.types(cyn, "/msg ben psst"), "whisper psst")
	dee := c.member("dee", 3)
	c.sees(cyn)
	c.want(c.types(cyn, "/msg dee psst"), "failed filtered a filter of this room is against it: whispers")
	c.has(c.types(ben, "what the heck"), "message what the heck")
	c.sees(ben)
	c.want(c.types(ben, "/filter /(a|b/"), "failed usage this regular expression cannot be read: error parsing regexp: missing closing ): `(a|b`")
	c.types(dee, "/quit oh heck")
	if got := c.sees(ben); !strings.Contains(got, "leave dee quit") || strings.Contains(got, "heck") {
		t.Error(got)
	}
	c.want(c.sit(c.from(7, "udp", "10.0.0.7:1"), "heckler", ""), "error nick_invalid a filter of this room is against this name: choose another")
	c.restart()
	c.sees(c.host)
	c.want(c.types(c.host, "/filter"), "notice filters heck*\nlinks\nwhispers")
	c.types(c.host, "/unfilter all")
	c.has(c.types(c.member("cyn", 1), "what the heck"), "message what the heck")
	for _, e := range c.log.entries {
		if strings.Contains(string(e.Body), `"filter"`) && e.Audience == nil {
			t.Errorf("all may see %s", e.Body)
		}
	}
}

// What is told is told to newcomers, too.
func TestMotd(t *testing.T) {
	c := newCourt(t, nil)
	c.types(c.host, "/motd bring books")
	l := c.from(1, "udp", "10.0.0.1:1")
	c.core.command(c.now, l, command{Type: typeJoin, V: Version, Nick: "cyn"})
	c.settle()
	if w := l.out.begin.welcome; w.Motd != "bring books" {
		t.Errorf("%+v", w)
	}
	c.types(c.host, "/motd -")
	if c.core.state.rules.motd != "" {
		t.Error("it is there still")
	}
}

// Newcomers that come and go do not fill the keepers' screens, and all of them
// are turned away by a lock.
func TestKnocksArePaced(t *testing.T) {
	c := newCourt(t, func(h *Host) { h.Approve = true })
	var told string
	for i := range 200 {
		l := c.from(byte(i), "udp", fmt.Sprintf("10.1.%d.1:1", i))
		c.sit(l, fmt.Sprint("crowd", i), "")
		told += c.sees(c.host) + "\n"
		c.core.detach(c.now, l, "")
	}
	if n := strings.Count(told, "/deny"); n != knockBurst || strings.Count(told, "more ask") != 1 {
		t.Errorf("%d notices:\n%s", n, told)
	}
	c.now = c.now.Add(knockEvery)
	l := c.from(250, "udp", "10.2.0.1:1")
	c.sit(l, "late", "")
	c.has(c.sees(c.host), "late (key: ")
	c.types(c.host, "/lock")
	c.has(c.sees(l), "error locked")
}

// Who was banned and is let in again is no op any more.
func TestBanEndsRights(t *testing.T) {
	c := newCourt(t, nil)
	c.member("ben", 2)
	for _, line := range []string{"/op ben", "/ban ben", "/unban ben"} {
		c.types(c.host, line)
	}
	c.has(c.sit(c.from(2, "udp", "10.0.0.2:2"), "ben", ""), "welcome member")
}
