package room

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"parley/transport"
)

// knowing is a member that knows a password.
func knowing(password string) func(*JoinOptions) {
	return func(o *JoinOptions) {
		o.Password = func(context.Context, string, int) (string, bool) { return password, true }
	}
}

// refusedAs joins in vain and returns the refusal.
func refusedAs(t *testing.T, o JoinOptions, dial Dial) *Refused {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	m, err := Join(ctx, o, dial)
	if err == nil {
		m.Leave(context.Background(), "")
		t.Fatal("it is let in")
	}
	var r *Refused
	if !errors.As(err, &r) {
		t.Fatalf("not refused: %v", err)
	}
	return r
}

// guarded opens a room with a password.
func guarded(t testing.TB, by carrier, password string) *hall {
	v, err := NewVerifier(password)
	if err != nil {
		t.Fatal(err)
	}
	return open(t, by, func(h *Host) { h.Password = v })
}

func TestPasswordByCarrier(t *testing.T) {
	for name, by := range map[string]carrier{"pipe": secretPipes, "udp": cables(1, func(*cable) {})} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := guarded(t, by, "open sesame")
				defer h.close()
				ana := h.join("ana", knowing("open sesame"))
				ben := h.join("ben", knowing("open sesame"))
				say(t, ana, "hi")
				heard(t, ben, "hi")
				id := identity(t)
				if r := refusedAs(t, JoinOptions{Nick: "cyn", Identity: id}, h.dial(id)); r.Code != codePassword || !strings.Contains(r.Text, "physics wants a password") {
					t.Errorf("without one: %+v", r)
				}
				asked := 0
				o := JoinOptions{Nick: "cyn", Identity: id, Guarded: true, Password: func(_ context.Context, room string, wrong int) (string, bool) {
					if asked++; room != "physics" || wrong != asked-1 {
						t.Errorf("asked for %s, %d wrong", room, wrong)
					}
					return "open says me", wrong == 0
				}}
				if r := refusedAs(t, o, h.dial(id)); r.Code != codePassword || r.Text != "the password is wrong" || asked != 2 {
					t.Errorf("a wrong one, asked %d times: %+v", asked, r)
				}
				o.Password = func(_ context.Context, _ string, wrong int) (string, bool) {
					return []string{"open says me", "open sesame"}[wrong], true
				}
				cyn, err := Join(context.Background(), o, h.dial(id))
				if err != nil {
					t.Fatal("the right one after a wrong one:", err)
				}
				leave(t, ana, ben, cyn)
			})
		})
	}
}

// secretPipes are pipes whose ends do not look like the host's own seat.
func secretPipes(t testing.TB, host, member transport.Identity) (transport.Conn, transport.Conn) {
	a, b := pipes(t, host, member)
	return &disguise{a, "udp"}, &disguise{b, "udp"}
}

// disguise is a Conn that says it is by another carrier.
type disguise struct {
	transport.Conn
	via string
}

func (d *disguise) Peer() transport.Peer {
	p := d.Conn.Peer()
	p.Via = d.via
	return p
}

// A seat that was lost for longer than it is kept comes back with the password
// that was typed once.
func TestComingBackWithThePassword(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var last *cable
		h := guarded(t, cables(1, func(c *cable) { last = c }), "open sesame")
		defer h.close()
		asked := 0
		ana := h.join("ana", func(o *JoinOptions) {
			o.Password = func(context.Context, string, int) (string, bool) { asked++; return "open sesame", true }
		})
		h.mu.Lock()
		h.down = true
		h.mu.Unlock()
		last.cut()
		time.Sleep(lingering + 5*time.Second)
		h.mu.Lock()
		h.down = false
		h.mu.Unlock()
		until(t, ana, "to be back", func(e Event) bool { return e.Type == Link && e.State == "resumed" })
		if asked != 1 {
			t.Errorf("asked %d times", asked)
		}
		say(t, ana, "hi")
		heard(t, ana, "hi")
		leave(t, ana)
	})
}

// Who was away for long while the password was changed is told so, and no
// password is tried again and again.
func TestComingBackAfterAChange(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var last *cable
		id := identity(t)
		h := guarded(t, cables(1, func(c *cable) { last = c }), "open sesame")
		defer h.close()
		ana := h.join("ana", knowing("open sesame"))
		anas := last
		other, err := NewVerifier("other")
		if err != nil {
			t.Fatal(err)
		}
		h.mu.Lock()
		h.down = true
		h.mu.Unlock()
		anas.cut()
		time.Sleep(lingering + 5*time.Second)
		h.host.do(func(now time.Time, c *core) { c.setPassword(now, other) })
		h.mu.Lock()
		h.down = false
		h.mu.Unlock()
		for {
			_, err := ana.Next(context.Background())
			if err == nil {
				continue
			}
			var r *Refused
			if !errors.As(err, &r) || r.Code != codePassword || !strings.Contains(r.Text, "changed while you were away") {
				t.Errorf("%v", err)
			}
			break
		}
		ben, err := Join(context.Background(), JoinOptions{Nick: "ben", Identity: id, Password: func(context.Context, string, int) (string, bool) { return "other", true }}, h.dial(id))
		if err != nil {
			t.Fatal(err)
		}
		leave(t, ben)
	})
}

// The host's own seat changes the password by typing it, and nothing of it is
// to be seen: not in events, not in the log, not in what is logged.
func TestTypingAnotherPassword(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var logged strings.Builder
		logger := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
		by := func(t testing.TB, host, member transport.Identity) (transport.Conn, transport.Conn) {
			if host.Key() == member.Key() {
				return pipes(t, host, member)
			}
			return secretPipes(t, host, member)
		}
		h := open(t, by, func(h *Host) { h.Logger = logger; h.Log = NewMemory() })
		defer h.close()
		hana := h.join("hana", func(o *JoinOptions) { o.Identity = h.id })
		if hana.Ready().Role != roleHost {
			t.Fatalf("%+v", hana.Ready())
		}
		ana := h.join("ana", nil)
		if _, err := ana.Input(context.Background(), "/password mine"); err == nil || !strings.Contains(err.Error(), "only the host") {
			t.Errorf("a member: %v", err)
		}
		if _, err := hana.Input(context.Background(), "/password "); err == nil || !strings.Contains(err.Error(), "/password NEW|off") {
			t.Errorf("no password: %v", err)
		}
		if _, err := hana.Input(context.Background(), "/password \t"+strings.Repeat("x", MaxPassword+1)); err == nil {
			t.Error("too long")
		}
		typed(t, hana, "/password hunter2 hunter3")
		var seen []Event
		seen = append(seen, until(t, ana, "the change", func(e Event) bool { return e.Type == Notice && e.Code == codePassword && e.Seq > 0 }))
		seen = append(seen, until(t, hana, "the change", func(e Event) bool { return e.Type == Notice && e.Code == codePassword && e.Seq > 0 }))
		if want := "hana has set a password for those who join from now on"; seen[0].Text != want || seen[1].Text != want {
			t.Errorf("%+v", seen)
		}
		if !h.host.Guarded() {
			t.Error("the room does not say that it has a password")
		}
		id := identity(t)
		o := JoinOptions{Nick: "ben", Identity: id, Password: func(context.Context, string, int) (string, bool) { return "hunter2 hunter3", true }}
		ben, err := Join(context.Background(), o, h.dial(id))
		if err != nil {
			t.Fatal(err)
		}
		typed(t, hana, "/password off")
		until(t, ana, "the end of it", func(e Event) bool { return e.Type == Notice && strings.Contains(e.Text, "taken the password off") })
		cyn := h.join("cyn", nil)
		typed(t, hana, "/password other")
		until(t, cyn, "another", func(e Event) bool { return e.Type == Notice && strings.Contains(e.Text, "set a password") })
		o.Nick, o.Identity = "dan", identity(t)
		o.Password = func(context.Context, string, int) (string, bool) { // it goes while he types
			typed(t, hana, "/password off")
			until(t, cyn, "the end of it", func(e Event) bool { return e.Type == Notice && strings.Contains(e.Text, "taken the password off") })
			return "other", true
		}
		var no *Refused
		if _, err := Join(context.Background(), o, h.dial(o.Identity)); !errors.As(err, &no) || no.Code != codeOpened {
			t.Errorf("the password went while he typed it: %v", err)
		}
		entries, err := h.host.Log.Page(context.Background(), h.id.Key(), everything, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			logged.WriteString(string(e.Body) + e.Words)
		}
		fmt.Fprint(&logged, seen, ana.Names())
		if strings.Contains(logged.String(), "hunter") {
			t.Error("the password is to be seen")
		}
		leave(t, ana, ben, cyn, hana)
	})
}

// A relay (X11) is a machine in the middle with a key of its own: it ends the
// member's connection and has another one to the host, and passes on all that is
// said. change may rewrite what the host says.
type relay struct {
	h      *hall
	by     carrier
	id     transport.Identity
	change func(*report)
}

// dial is the way of a member who believes that he talks to the host.
func (y *relay) dial(t testing.TB, who transport.Identity) Dial {
	return func(ctx context.Context) (transport.Conn, error) {
		up, err := y.h.dial(y.id)(ctx)
		if err != nil {
			return nil, err
		}
		down, member := y.by(t, y.id, who)
		y.h.serving.Go(func() { // from the member to the host
			defer up.Close()
			for {
				msg, err := down.Receive(context.Background())
				if err != nil || up.Send(context.Background(), append([]byte(nil), msg...)) != nil {
					return
				}
			}
		})
		y.h.serving.Go(func() {
			defer down.Close()
			for {
				msg, err := up.Receive(context.Background())
				if err != nil {
					return
				}
				r, err := parseReport(msg)
				if err != nil {
					return
				}
				y.change(&r)
				if down.Send(context.Background(), encode(r)) != nil {
					return
				}
			}
		})
		return member, nil
	}
}

// TestRelay is row X11 in memory; main has it over sockets, with the program.
func TestRelay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := guarded(t, secretPipes, "open sesame")
		id, own, fake := identity(t), identity(t), identity(t)
		o := JoinOptions{Nick: "ana", Identity: id, Password: func(context.Context, string, int) (string, bool) { return "open sesame", true }}
		until := time.Now().Add(time.Hour).Unix()
		forged := &vouch{Key: fake.Key(), Until: until, Sig: fake.Sign(vouchText(own.Key(), until))}
		y := &relay{h: h, by: secretPipes, id: own, change: func(*report) {}}
		for name, c := range map[string]struct {
			change func(*report)
			code   string
		}{
			"as it is":                      {func(*report) {}, codeKey},
			"with a room's key of its own":  {func(r *report) { vouchBy(r, forged) }, codeRelay},
			"without a room's key":          {func(r *report) { r.Vouch = nil }, codeRelay},
			"with a welcome made up at all": {func(r *report) { vouchBy(r, forged); welcomeAnyway(r) }, codeImpostor},
		} {
			y.change = c.change
			r := refusedAs(t, o, y.dial(t, id))
			t.Logf("%s: %s: %s", name, r.Code, r.Text)
			if r.Code != c.code {
				t.Errorf("%s: %+v", name, r)
			}
		}
		h.close()
	})
}

func vouchBy(r *report, v *vouch) {
	if r.Vouch != nil {
		r.Vouch = v
	}
}

// welcomeAnyway makes a welcome of a refusal.
func welcomeAnyway(r *report) {
	if r.Type == string(Failure) {
		*r = report{Type: typeWelcome, V: Version, Room: "physics", Nick: "ana", Session: hexID([16]byte{1}), Log: hexID([16]byte{2}), Secure: true,
			Scram: "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}
	}
}

// A host that does not know the password is found out, whatever it does.
func TestACloneOfTheHost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		id, clone := identity(t), identity(t)
		o := JoinOptions{Nick: "ana", Identity: id, Guarded: true, Password: func(context.Context, string, int) (string, bool) { return "open sesame", true }}
		welcome := report{Type: typeWelcome, V: Version, Room: "physics", Nick: "ana", Session: hexID([16]byte{1}), Log: hexID([16]byte{2}), Secure: true}
		roster := report{Type: string(Members)}
		ask := report{Type: typeProve, Room: "physics"}
		offer := func(salt, rounds string) func(string) report {
			return func(nonce string) report {
				return report{Type: typeProve, Scram: "r=" + nonce + "more,s=" + salt + ",i=" + rounds}
			}
		}
		say := func(r report) func(string) report { return func(string) report { return r } }
		with := func(scram string) report { w := welcome; w.Scram = scram; return w }
		elsewhere := with("v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
		elsewhere.Room = "maths"
		for name, c := range map[string]struct {
			code  string
			steps []func(nonce string) report
		}{
			"asks for nothing":         {codeImpostor, []func(string) report{say(welcome), say(roster)}},
			"proves nothing":           {codeImpostor, []func(string) report{say(ask), offer("AAEC/w==", "100000"), say(welcome), say(roster)}},
			"proves something else":    {codeImpostor, []func(string) report{say(ask), offer("AAEC/w==", "100000"), say(with("v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")), say(roster)}},
			"welcomes before the end":  {codeImpostor, []func(string) report{say(ask), say(with("v=AAAA")), say(roster)}},
			"welcomes elsewhere":       {codeImpostor, []func(string) report{say(ask), offer("AAEC/w==", "100000"), say(elsewhere), say(roster)}},
			"wants too few rounds":     {codeImpostor, []func(string) report{say(ask), offer("AAEC/w==", "99999")}},
			"wants too many rounds":    {codeImpostor, []func(string) report{say(ask), offer("AAEC/w==", "2000001")}},
			"sends nonsense":           {codeProtocol, []func(string) report{say(ask), offer("?", "100000")}},
			"begins in the middle":     {codeProtocol, []func(string) report{offer("AAEC/w==", "100000")}},
			"asks twice":               {codeProtocol, []func(string) report{say(ask), offer("AAEC/w==", "100000"), offer("AAEC/w==", "100000")}},
			"asks for another room's":  {codeProtocol, []func(string) report{say(report{Type: typeProve, Room: "maths"})}},
			"does not say which":       {codeProtocol, []func(string) report{say(report{Type: typeProve})}},
			"writes a name with marks": {codeProtocol, []func(string) report{say(report{Type: typeProve, Room: "phy\u202esics"})}},
		} {
			host, member := secretPipes(t, clone, id)
			done := make(chan bool)
			go func() {
				defer close(done)
				defer host.Close()
				nonce := ""
				for _, step := range c.steps {
					r := step(nonce)
					if r.Type != string(Members) {
						msg, err := host.Receive(context.Background())
						if err != nil {
							return
						}
						cmd, _ := parseCommand(msg)
						_, nonce, _ = strings.Cut(cmd.Scram, "r=")
						r = step(nonce)
					}
					host.Send(context.Background(), encode(r))
				}
				host.Receive(context.Background())
			}()
			o.Room = "physics"
			r := refusedAs(t, o, func(context.Context) (transport.Conn, error) { return member, nil })
			if r.Code != c.code {
				t.Errorf("%s: %+v", name, r)
			}
			<-done
		}
	})
}

// Nothing is proved where others could read along, or where the key is wrong.
func TestAProofIsNotGivenAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		id, host := identity(t), identity(t)
		asked := false
		o := JoinOptions{Nick: "ana", Identity: id, Password: func(context.Context, string, int) (string, bool) { asked = true; return "open sesame", true }}
		errPinned := errors.New("another key is pinned")
		for name, c := range map[string]struct {
			peer  transport.Peer
			trust error
		}{
			"plaintext": {transport.Peer{Via: "tcp"}, nil},
			"no key":    {transport.Peer{Via: "tcp", Secure: true, Binding: [32]byte{1}}, nil},
			"unbound":   {transport.Peer{Via: "tcp", Secure: true, Key: host.Key()}, nil},
			"untrusted": {transport.Peer{Via: "tcp", Secure: true, Key: host.Key(), Binding: [32]byte{1}}, errPinned},
		} {
			a, b := pipes(t, host, id)
			go func() {
				a.Receive(context.Background())
				a.Send(context.Background(), encode(report{Type: typeProve, Room: "physics"}))
				if msg, err := a.Receive(context.Background()); err == nil {
					t.Errorf("%s: it sends %s", name, msg)
				}
			}()
			o.Trust = func(string, transport.Key) error { return c.trust }
			_, err := Join(context.Background(), o, Dial(func(context.Context) (transport.Conn, error) { return &peered{b, c.peer}, nil }))
			var r *Refused
			if c.trust != nil && !errors.Is(err, c.trust) || c.trust == nil && (!errors.As(err, &r) || r.Code != codePassword) || asked {
				t.Errorf("%s: %v, asked: %v", name, err, asked)
			}
			a.Close()
		}
	})
}

// peered is a Conn with another Peer.
type peered struct {
	transport.Conn
	peer transport.Peer
}

func (p *peered) Peer() transport.Peer { return p.peer }

// Rooms where everybody could read along have no password.
func TestRoomsThatCannotHaveAPassword(t *testing.T) {
	for _, h := range []*Host{{Name: "physics", Plaintext: true}, {Name: "physics", Guests: true}} {
		h.Password = verifierOf("secret")
		if err := h.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "cannot have a password") {
			t.Error(err)
		}
		h = &Host{Name: h.Name, Plaintext: h.Plaintext, Guests: h.Guests}
		p := newPlay(h)
		p.settle()
		l := p.link()
		l.peer = transport.Peer{Via: "pipe", Secure: true}
		p.core.command(p.now, l, command{Type: typeJoin, V: Version, Nick: "hana"})
		p.settle()
		answers(l)
		p.core.command(p.now, l, command{Type: typePassword, ID: hexID([16]byte{1}), Verifier: verifierOf("secret")})
		p.settle()
		if all := answers(l); last(all) != "failed not_allowed" {
			t.Errorf("%+v", all)
		}
	}
}

// A member is told how long it has to wait.
func TestAMemberHearsThatItWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := guarded(t, secretPipes, "open sesame")
		defer h.close()
		id := identity(t)
		o := JoinOptions{Nick: "ana", Identity: id, Password: func(_ context.Context, _ string, wrong int) (string, bool) {
			if wrong >= sourceGuesses {
				return "open sesame", true
			}
			return "open says me", true
		}}
		var told []string
		o.Waiting = func(e Event) { told = append(told, e.Text) }
		start := time.Now()
		ana, err := Join(context.Background(), o, h.dial(id))
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != guessSpan || len(told) != 15 || told[0] != "wrong passwords were tried here: yours is looked at in about 60 s" {
			t.Errorf("in after %v, told %d times: %q", took, len(told), told)
		}
		leave(t, ana)
	})
}
