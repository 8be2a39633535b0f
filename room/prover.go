package room

import (
	"cmp"
	"context"
	"fmt"

	"parley/text"
	"parley/transport"
)

// codeImpostor is our own refusal of a host that does not know the password.
const codeImpostor = "impostor"

// prover is what a Member keeps of the password, to come back with.
type prover struct {
	password string // clean; empty: none
	salt     string
	rounds   int
	keys     keys // of these three
}

// proofs are the exchanges on one connection.
type proofs struct {
	coming bool // back: nobody is asked for anything
	wrong  int
	told   bool // that we have to wait

	asking *asking // nil: the host has not asked
	read   bool    // its offer, and the proof was given
	room   string
	key    transport.Key
}

// prove takes a step of the exchange by which host and member show each other
// that they know the password. Before anything is proved, the host has proved to
// be the one that is meant.
func (m *Member) prove(ctx context.Context, c transport.Conn, r *report, x *proofs) error {
	if r.Scram == "" {
		first, err := m.proveFirst(ctx, c.Peer(), r, x)
		if err != nil {
			return err
		}
		return c.Send(ctx, encode(command{Type: typeProve, Scram: first}))
	}
	if x.asking == nil || x.read {
		return notOurs("the host asks for a proof that was not begun")
	}
	o, err := x.asking.read(r.Scram)
	if err != nil {
		return notOurs("the host asks for a proof, but " + err.Error())
	}
	if o.rounds < minRounds || o.rounds > maxRounds {
		return &Refused{Code: codeImpostor, Text: fmt.Sprintf("the host wants the password hashed %d times, which only somebody would who is after it: nothing was proved to it", o.rounds)}
	}
	p := &m.prover
	if p.salt != string(o.salt) || p.rounds != o.rounds {
		p.salt, p.rounds, p.keys = string(o.salt), o.rounds, derive(p.password, o.salt, o.rounds)
	}
	x.read = true
	return c.Send(ctx, encode(command{Type: typeProve, Scram: x.asking.final(o, p.keys)}))
}

// changePassword has newcomers prove another password, or none. What is sent is
// what the host is to keep, and only to a host in this very program.
func (m *Member) changePassword(ctx context.Context, password string) error {
	m.mu.Lock()
	ours := m.ready.Role == roleHost && m.conn != nil && m.conn.Peer().Via == "pipe"
	m.mu.Unlock()
	if !ours {
		return &Refused{Code: codeNotAllowed, Text: notHost}
	}
	cmd := command{Type: typePassword}
	if password != "off" {
		v, err := NewVerifier(password)
		if err != nil {
			return &Refused{Code: codeUsage, Text: err.Error()}
		}
		cmd.Verifier = v
	}
	_, err := m.send(ctx, &saying{cmd: cmd})
	return err
}

// proveFirst checks who asks, finds the password, and begins an exchange.
func (m *Member) proveFirst(ctx context.Context, peer transport.Peer, r *report, x *proofs) (string, error) {
	x.read = false
	name, err := text.RoomName(r.Room)
	if err != nil || name != r.Room {
		return "", notOurs("the host does not say which room's password it wants")
	}
	if !peer.Secure || peer.Key == (transport.Key{}) || peer.Binding == ([32]byte{}) {
		return "", &Refused{Code: codePassword, Text: "the host asks for a password over a connection that others may read: nothing was proved to it"}
	}
	m.mu.Lock()
	wanted := m.room
	m.mu.Unlock()
	if wanted != "" && text.RoomKey(wanted) != text.RoomKey(name) {
		return "", notOurs("the host asks for the password of another room")
	}
	w := *r
	w.Secure = true
	key, err := m.vetKey(w, peer)
	if err != nil {
		return "", err
	}
	if x.asking != nil && (key != x.key || name != x.room) {
		return "", notOurs("the host has changed its mind about which room it is")
	}
	if m.prover.password == "" {
		if err := m.askPassword(ctx, x, &Refused{Code: codePassword, Text: fmt.Sprintf("the room %s wants a password", name)}, name); err != nil {
			return "", err
		}
	}
	x.room, x.key = name, key
	x.asking = newAsking(bound(proofOf(peer.Binding, key, peer.Key, m.o.Identity.Key(), name)), newNonce())
	return x.asking.first(), nil
}

// askPassword asks our user; otherwise is the error when there is no answer.
func (m *Member) askPassword(ctx context.Context, x *proofs, otherwise *Refused, name string) error {
	if x.coming || m.o.Password == nil {
		return otherwise
	}
	typed, ok := m.o.Password(ctx, name, x.wrong)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case !ok:
		return otherwise
	}
	clean, err := cleanPassword(typed)
	if err != nil {
		return &Refused{Code: codePassword, Text: err.Error()}
	}
	m.prover = prover{password: clean}
	return nil
}

// wrongPassword finds another password after the host has refused ours.
func (m *Member) wrongPassword(ctx context.Context, x *proofs, r *Refused) error {
	if x.coming {
		return &Refused{Code: codePassword, Text: "the password of the room was changed while you were away: join again with the new one"}
	}
	x.wrong++
	m.prover = prover{}
	return m.askPassword(ctx, x, r, x.room)
}

// vetProof tells whether a host that welcomes us has shown that it knows the
// password, where there is one.
func (m *Member) vetProof(w report, key transport.Key, x *proofs) error {
	switch {
	case x.asking == nil && m.o.Guarded && !x.coming:
		return &Refused{Code: codeImpostor, Text: fmt.Sprintf("the room %s does not ask for the password that you have for it: it may be another room, or somebody else's", text.Clean(w.Room))}
	case x.asking == nil:
		return nil
	case key != x.key || w.Room != x.room || !x.read || !x.asking.convinced(w.Scram):
		return &Refused{Code: codeImpostor, Text: "the host does not know the password: it is not the room it says it is"}
	}
	return nil
}

// putOff tells our user that the host has not decided yet: before we sit, each
// time, and while we are coming back once.
func (m *Member) putOff(e Event, x *proofs) {
	if !x.coming {
		if m.o.Waiting != nil {
			m.o.Waiting(e)
		}
		return
	}
	if x.told {
		return
	}
	x.told = true
	m.mu.Lock()
	defer m.mu.Unlock()
	e.Text = cmp.Or(e.Text, "the host has not decided yet")
	m.push(e)
}
