package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"encoding/json"

	"parley/history"
	"parley/room"
	"parley/transport"
)

// Continued is a new room that begins with what is known of an old one.
type Continued struct {
	Old      Book
	Key      transport.Key // the new room's; zero in plaintext
	Messages int
}

// continueRun is how many entries are read and written at once.
const continueRun = 512

// Continue makes a new room of the newest book of name that there is here: it has
// a key and a log id of its own, and what everybody could see said in the old one,
// after a notice that says what it is. It is for those whose host is gone for
// good. Nobody takes it for the old room: who knew that, is warned of the key.
// The next to host name here hosts the new one. Rules, rights, the password and
// whispers are not continued.
func (n *Node) Continue(ctx context.Context, name string, renew func(name string, key transport.Identity) error) (c Continued, err error) {
	n.start()
	if n.Histories == nil || n.Histories.Keep.None {
		return c, &Error{Code: CodeHistory, Text: "nothing is kept here, so there is nothing to continue"}
	}
	books, err := n.Histories.Find(name)
	if err != nil {
		return c, err
	}
	for _, b := range n.Histories.Together(ctx, books) {
		if b.Err == nil && b.Last > 0 && (b.Key == transport.Key{}) == n.Plaintext {
			c.Old = b
			break
		}
	}
	if c.Old.Path == "" {
		return c, &Error{Code: CodeNotFound, Text: fmt.Sprintf("there is no history of %s here that could be continued", name),
			Hint: "to open an empty room leave out --continue"}
	}
	var key transport.Identity
	if !n.Plaintext {
		if key, err = transport.NewIdentity(); err != nil {
			return c, err
		}
		c.Key = key.Key()
	}
	c.Messages, err = n.Histories.continueAs(ctx, c)
	if err == nil && !n.Plaintext && renew != nil {
		err = renew(name, key)
	}
	if err == nil {
		n.Moves.arrived(n.Plaintext, name)
	}
	return c, err
}

// continueAs writes the new log.
func (h *Histories) continueAs(ctx context.Context, c Continued) (messages int, err error) {
	r, err := h.Read(c.Old)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	place := h.path(c.Old.Name, c.Key) + logSuffix
	if c.Old.Path == place || c.Old.Before == place { // in plaintext: there is no key to tell them apart
		r.Close()
		if err := h.unused(c.Old); err != nil {
			return 0, err
		}
		aside := place + ".before-" + time.Now().Format("2006-01-02-150405")
		if err := h.move(place, aside); err != nil {
			return 0, err
		}
		defer func() {
			if err != nil { // the old room is hosted on, as if nothing had been
				err = errors.Join(err, h.move(aside, place))
			}
		}()
		if c.Old.Before == place {
			c.Old.Before = aside
		} else {
			c.Old.Path = aside
		}
		if r, err = h.Read(c.Old); err != nil {
			return 0, err
		}
		defer r.Close()
	}
	l, err := history.Open(place, h.options(c.Old.Name, c.Key))
	if err != nil {
		return 0, historyError(c.Old.Name, err)
	}
	if l.Last() > 0 {
		l.Close()
		return 0, &Error{Code: CodeHistory, Text: fmt.Sprintf("%s holds another room", place), Hint: "move that file away first"}
	}
	defer func() {
		if err = errors.Join(err, l.Close()); err != nil { // half a room would be taken for a whole one
			err = errors.Join(err, removeLog(place))
		}
	}()
	w := continuing{log: l, copied: c.Old.Copy}
	w.notice(fmt.Sprintf("this is a new room, which begins with what %s had of the old %s: what follows was said there", "its host", c.Old.Name))
	for after := uint64(0); err == nil; {
		run, next, e := r.After(ctx, transport.Key{}, after, continueRun)
		if err = e; e != nil || next == after {
			break
		}
		after = next
		for _, entry := range run {
			w.take(entry)
		}
		err = w.flush(ctx)
	}
	w.notice(fmt.Sprintf("here the new room begins (messages from the old one: %d)", w.said))
	return w.said, errors.Join(err, w.flush(ctx))
}

// unused refuses a log that a program has open for writing.
func (h *Histories) unused(b Book) error {
	l, err := history.Open(b.Path, h.options(b.Name, b.Key))
	if err == nil {
		err = l.Close()
	}
	if err != nil {
		return historyError(b.Name, err)
	}
	return nil
}

// continuing writes a log.
type continuing struct {
	log     *history.Log
	copied  bool // it is made of a copy
	pending []history.Record
	said    int
}

// take takes in what everybody could see said.
func (w *continuing) take(e room.Entry) {
	ev, err := e.Event()
	if err != nil || e.Audience != nil {
		return
	}
	switch ev.Type {
	case room.Message, room.Act:
		w.said++
	case room.Topic:
	default:
		return
	}
	r := record(e)
	if w.copied { // in which senders have no keys, and ids may be those of others
		rand.Read(r.ID[:])
	}
	w.add(r)
}

func (w *continuing) notice(words string) {
	body, _ := json.Marshal(map[string]string{"type": string(room.Notice), "code": "continued", "text": words})
	r := history.Record{At: time.Now().UTC().Truncate(time.Millisecond), Body: body}
	rand.Read(r.ID[:])
	w.add(r)
}

func (w *continuing) add(r history.Record) {
	r.Seq = w.log.Last() + uint64(len(w.pending)) + 1
	w.pending = append(w.pending, r)
}

func (w *continuing) flush(ctx context.Context) error {
	if len(w.pending) == 0 {
		return nil
	}
	err := w.log.Put(ctx, w.pending)
	w.pending = w.pending[:0]
	return err
}

// Renew gives a room another key: the old one is put aside.
func (k Keys) Renew(name string, key transport.Identity) error {
	keep, release, err := k.Adopt(name)
	if err != nil {
		return err
	}
	defer release()
	return keep(key)
}
