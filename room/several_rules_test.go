package room

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"parley/transport"
)

// own seats the user of host i.
func (r *ring) own(nick string, i int) *Member {
	return r.halls[i].join(nick, r.halls[i].own)
}

// refused asks host i for a seat, in vain.
func (r *ring) refused(i int, o JoinOptions) string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	m, err := Join(ctx, o, r.halls[i].dial(o.Identity))
	var no *Refused
	if err == nil {
		leave(r.t, m)
	}
	if !errors.As(err, &no) {
		r.t.Fatalf("%s: %v", o.Nick, err)
	}
	return no.Code
}

// What one host's user does to people holds at the other, and the users of both are hosts.
func TestKeepersOfSeveralHosts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := openRing(t, 2, pipes, nil)
		defer r.close()
		ana, bob := r.own("ana", 0), r.own("bob", 1)
		cynID := identity(t)
		cyn, _ := r.join("cyn", 1, func(o *JoinOptions) { o.Identity = cynID })
		dan, _ := r.join("dan", 1, nil)
		eve, _ := r.join("eve", 1, nil)
		until(t, ana, "eve", func(e Event) bool { return e.Type == Joined && e.Nick == "eve" })
		if ana.Ready().Role != roleHost || bob.Ready().Role != roleHost {
			t.Error("the users of hosts are hosts")
		}
		typed(t, ana, "/mute dan")
		until(t, dan, "the mute", func(e Event) bool { return e.Type == Mute })
		say(t, dan, "hm")
		if e := kind(t, dan, Failed); e.Code != codeMuted {
			t.Errorf("%+v", e)
		}
		began := time.Now()
		typed(t, ana, "/ban cyn")
		if code := judged(t, cyn); code != codeBanned || time.Since(began) > time.Second {
			t.Errorf("%s after %v", code, time.Since(began))
		}
		typed(t, ana, "/kick eve out")
		if code := judged(t, eve); code != codeKicked {
			t.Error(code)
		}
		typed(t, ana, "/kick bob")
		until(t, ana, "a refusal", func(e Event) bool { return e.Type == Failure && e.Code == codeNotAllowed })
		typed(t, bob, "/unmute dan")
		until(t, dan, "the unmute", func(e Event) bool { return e.Type == Unmute })
		typed(t, ana, "/lock")
		until(t, bob, "the lock", func(e Event) bool { return e.Type == Lock })
		if c, d := r.refused(1, JoinOptions{Nick: "cy", Identity: cynID}), r.refused(1, JoinOptions{Nick: "fay", Identity: identity(t)}); c != codeBanned || d != codeLocked {
			t.Error(c, d)
		}
		typed(t, bob, "/unlock")
		typed(t, bob, "/approve on")
		until(t, ana, "the approval", func(e Event) bool { return e.Type == Approve })
		go func() {
			until(t, bob, "a knock", func(e Event) bool { return e.Code == codeKnock })
			typed(t, bob, "/approve fay")
		}()
		fay, way := r.join("fay", 1, nil)
		way.better <- 0 // where she needs not be let in again
		until(t, fay, "the link", moved)
		typed(t, ana, "/handover dan")
		e := until(t, ana, "a refusal", func(e Event) bool { return e.Type == Failure })
		if e.Text != "this room has several hosts: end this one and its people go to another" {
			t.Errorf("%+v", e)
		}
		typed(t, ana, "/filter heck")
		until(t, bob, "the filter", func(e Event) bool { return e.Type == Filter && e.Text == "heck" })
		typed(t, ana, "/kick dan")
		if code := judged(t, dan); code != codeKicked {
			t.Error(code)
		}
		synctest.Wait()
		leave(t, ana, bob, fay)
	})
}

// Hosts are opened again, one after the other; who sat there is there again, at
// whichever.
func TestSeveralHostsReopen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := openRing(t, 2, pipes, nil)
		defer r.close()
		ana, _ := r.join("ana", 0, nil)
		ben, _ := r.join("ben", 1, nil)
		for i := range 6 {
			h := r.halls[i%2]
			h.kill()
			r.tell(1 - i%2)
			say(t, ana, fmt.Sprint("a", i))
			say(t, ben, fmt.Sprint("b", i))
			for _, m := range []*Member{ana, ben} {
				heard(t, m, fmt.Sprint("a", i))
			}
			h.reopen(r.log)
			r.tell()
			time.Sleep(10 * time.Second)
		}
		time.Sleep(lingering)
		say(t, ben, "end")
		until(t, ana, "the end", func(e Event) bool {
			if e.Type == Left || e.Type == Joined && !e.Moved() && e.Nick != "ben" && e.Nick != "ana" {
				t.Errorf("%+v", e)
			}
			return e.Type == Message && e.Text == "end"
		})
		leave(t, ana, ben)
	})
}

// Quiet seats and guests at two hosts.
func TestQuietAndGuestsOfSeveralHosts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := openRing(t, 2, pipes, func(_ int, h *Host) { h.Guests = true })
		defer r.close()
		id := identity(t)
		ana, _ := r.join("ana", 0, func(o *JoinOptions) { o.Identity = id })
		ben, _ := r.join("ben", 1, nil)
		tail, way := r.join("ana", 1, func(o *JoinOptions) { o.Identity, o.Quiet = id, true })
		g, _ := r.join("guest", 1, func(o *JoinOptions) { o.Guest = true })
		until(t, ana, "the guest", func(e Event) bool { return e.Type == Joined && e.Nick == "guest" })
		say(t, ana, "hi")
		for _, m := range []*Member{ben, tail, g} {
			heard(t, m, "hi")
		}
		if e := until(t, ana, "the count", func(e Event) bool { return e.Type == Delivered && e.Count == e.Of }); e.Of != 2 {
			t.Errorf("%+v", e) // ben and the quiet seat; no guest
		}
		way.better <- 0
		until(t, tail, "the link", moved)
		say(t, ben, "to all")
		for _, m := range []*Member{ana, tail, g} {
			heard(t, m, "to all")
		}
		typed(t, ben, "/msg ana psst")
		heard(t, ana, "psst")
		heard(t, tail, "psst")
		leave(t, g, tail, ben, ana)
	})
}

// A password is proved once, at whichever host.
func TestMovingNeedsNoPassword(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v, err := NewVerifier("open sesame")
		if err != nil {
			t.Fatal(err)
		}
		r := openRing(t, 2, cables(1, func(*cable) {}), func(_ int, h *Host) { h.Password = v })
		defer r.close()
		asked := 0
		ana, way := r.join("ana", 0, func(o *JoinOptions) {
			o.Password = func(context.Context, string, int) (string, bool) { asked++; return "open sesame", true }
		})
		way.better <- 1
		until(t, ana, "the link", moved)
		if asked != 1 {
			t.Errorf("asked %d times", asked)
		}
		leave(t, ana)
	})
}

// Who has nothing but somebody else's session cannot move his seat.
func TestMovingNeedsTheKey(t *testing.T) {
	p := newPlay(&Host{Name: "physics", HostKey: transport.Key{1}, Names: &register{}})
	session := [16]byte{7}
	seat := seatOf(session)
	body := encode(report{Type: typeJoin, Nick: "ana", Seat: seat.String(), Host: "0000000000000002", Role: roleMember, Key: transport.Key{7}, Epoch: 5})
	e := Entry{Seq: p.core.state.seq + 1, Key: transport.Key{7}, ID: [16]byte{1}, At: p.now, Body: body}
	if _, err := p.log.Append(t.Context(), []Entry{e}); err != nil {
		t.Fatal(err)
	}
	p.fold()
	for _, c := range []struct {
		key   byte
		epoch uint64
		want  string
	}{{8, 6, "error session"}, {7, 5, "error stale"}, {7, 6, "welcome"}} {
		l := p.sits("ana", "10.0.0.5:1", transport.Key{c.key}, func(_ *link, cmd *command) { cmd.Session, cmd.Epoch = hexID(session), c.epoch })
		if got := types(l); len(got) < len(c.want) || got[:len(c.want)] != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// While a host is cut off, what is new is refused, and what was sent before, which another
// host may have stored, waits.
func TestCutOffKeepsWhatMayBeStored(t *testing.T) {
	for _, queue := range []bool{false, true} {
		p := newPlay(&Host{Name: "physics", HostKey: transport.Key{200}, Names: &register{}, Queue: queue})
		ana := p.join("ana")
		p.fold()
		types(ana)
		p.say(ana, "under way")
		stuck := p.batch()
		p.core.troubled(p.now, false, errSilent)
		say := func(id byte, again bool) {
			p.core.command(p.now, ana, command{Type: string(Message), ID: hexID([16]byte{id}), Text: fmt.Sprint("message ", id), Again: again})
			if p.batch() != nil {
				t.Error("a second batch")
			}
		}
		say(1, true)
		say(2, false)
		say(3, true)
		want := "notice readonly, failed not_stored"
		if queue {
			want = "notice readonly"
		}
		if got := types(ana); got != want {
			t.Errorf("queue %v: %q", queue, got)
		}
		// another host has stored the first of them
		p.log.Append(t.Context(), []Entry{{Key: ana.seat.key, ID: [16]byte{1}, At: p.now, Words: "message 1",
			Body: encode(report{Type: string(Message), From: "ana", Text: "message 1"})}})
		p.store(stuck)
		p.fold()
		p.settle()
		if _, end, _ := p.log.Bounds(t.Context()); queue && end != 5 || !queue && end != 4 {
			t.Errorf("queue %v: the log ends with %d", queue, end)
		}
		if p.core.trouble != nil || p.core.readonly() {
			t.Error("it is still cut off")
		}
	}
}

// Whatever a report between hosts holds, it is read or passed over.
func FuzzHeard(f *testing.F) {
	f.Add([]byte(`{"log":"00","to":"a","from":"b","got":[[1,2,3,4]]}`))
	f.Add([]byte(`{"got":[[18446744073709551615,18446744073709551615,1,1],[1,18446744073709551615,0,10000]]}`))
	f.Add(encode(hearsay{Log: hexID([16]byte{1}), To: "0100000000000000", From: "0200000000000000", Got: [][4]uint64{{1, 9, 1, 2}, {3, 3, 2, 2}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, ok := parseHearsay(b)
		if !ok {
			return
		}
		if again, ok := parseHearsay(encode(x)); !ok && len(encode(x)) <= maxHeardSize {
			t.Errorf("%+v is read, and is not when written: %+v", x, again)
		}
		c := newCore(&Host{Name: "physics", HostKey: transport.Key{1}}, [16]byte{1})
		c.fleet.ids = map[string]bool{x.From: true}
		from := &seat{}
		for seq := range uint64(5) {
			c.receipts.track(time.Unix(1000, 0), Entry{Seq: seq + 1}, from, nil, []distant{{x.From, 0, 2}})
		}
		c.heard(time.Unix(1000, 0), x)
		for _, r := range c.receipts.list {
			if r.count < 0 || r.count > r.of || r.of > maxCrowd {
				t.Errorf("%d of %d", r.count, r.of)
			}
		}
	})
}

// Whatever a host says of hosts, few of them are kept, and none that cannot be reached.
func FuzzHosts(f *testing.F) {
	f.Add([]byte(`[{"nick":"ben","at":["10.0.0.3"],"udp":7667}]`))
	f.Add([]byte(`[{"at":[]},{"at":["::"],"tcp":1},{},null]`))
	f.Fuzz(func(t *testing.T, list []byte) {
		msg, err := json.Marshal(map[string]any{"type": "hosts", "hosts": json.RawMessage(list)})
		if err != nil {
			return
		}
		r, err := parseReport(msg)
		if err != nil {
			return
		}
		var told []Move
		m := &Member{o: JoinOptions{Hosts: func(all []Move) { told = all }}}
		m.tellHosts(r.Hosts)
		for _, h := range told {
			if !h.valid() || oneLine(h.Nick) != h.Nick {
				t.Errorf("%+v", h)
			}
		}
		if len(told) > maxHosts {
			t.Errorf("%d hosts", len(told))
		}
	})
}
