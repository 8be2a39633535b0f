package main

import (
	"errors"
	"fmt"
	"time"

	"parley/node"
	"parley/room"
	"parley/text"
	"parley/transport"
)

// known is the file of the rooms that the user knows.
func (p *program) known() (*node.Pins, error) {
	dir, err := p.kept("rooms are remembered")
	if err != nil {
		return nil, err
	}
	return p.pins(dir), nil
}

// pinObject is a line of pins --json.
type pinObject struct {
	Type  string        `json:"type"`
	Room  string        `json:"room"`
	Key   transport.Key `json:"key"`
	Words string        `json:"words"`
	First time.Time     `json:"first,omitzero"`
	Last  time.Time     `json:"last,omitzero"`
	Addr  string        `json:"addr,omitempty"`
}

// Run lists the rooms that are remembered.
func (c *pinsListCmd) Run(p *program) error {
	known, err := p.known()
	if err != nil {
		return err
	}
	pins, err := known.List()
	if err != nil {
		return err
	}
	for _, pin := range pins {
		addr := ""
		if pin.Addr.IsValid() {
			addr = pin.Addr.String()
		}
		if p.flags.JSON {
			p.printJSON(pinObject{"pin", pin.Room, pin.Key, text.KeyWords(pin.Key), pin.First.UTC(), pin.Last.UTC(), addr})
			continue
		}
		line := pad(pin.Room, 16) + "  " + node.Fingerprint(pin.Key)
		if !pin.Last.IsZero() {
			line += "  last " + pin.Last.Local().Format("2006-01-02 15:04") + " at " + addr
		}
		p.printWords(p.out, line)
	}
	if len(pins) == 0 {
		p.talk("no room is known yet: those you join will be")
	}
	return nil
}

// Run trusts a key.
func (c *pinsAcceptCmd) Run(p *program) error {
	name, known, err := p.pinned(c.Room)
	if err != nil {
		return err
	}
	if c.Key == (transport.Key{}) {
		return usage{"that is nobody's key", ""}
	}
	added, err := known.Accept(name, c.Key)
	if err != nil {
		return unchanged(err)
	}
	if !added {
		p.talk("that key of %s is trusted already", name)
		return nil
	}
	p.talk("from now on whoever has this key is trusted as %s: %s", name, node.Fingerprint(c.Key))
	return nil
}

// Run forgets a room.
func (c *pinsForgetCmd) Run(p *program) error {
	name, known, err := p.pinned(c.Room)
	if err != nil {
		return err
	}
	n, err := known.Forget(name, c.Key)
	switch {
	case err != nil:
		return unchanged(err)
	case n == 0:
		return &node.Error{Code: node.CodeNotFound, Text: fmt.Sprintf("no such key of a room %s is known", name), Hint: "parley pins lists what is"}
	}
	p.talk("%s is known no more (keys: %d)", name, n)
	return nil
}

// pinned checks a room's name, and finds the file.
func (p *program) pinned(typed string) (string, *node.Pins, error) {
	name, err := text.RoomName(typed)
	if err != nil {
		return "", nil, usage{fmt.Sprintf("%q is no room's name: %v", typed, err), ""}
	}
	known, err := p.known()
	return name, known, err
}

// unchanged says of an error that nothing was written.
func unchanged(err error) error {
	var unsaved *node.UnsavedError
	if errors.As(err, &unsaved) {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	return err
}

// Run tells who the user is.
func (c *idCmd) Run(p *program) error {
	dir, err := p.kept("you are kept")
	if err != nil {
		return err
	}
	n := new(node.Node)
	if err := p.identify(n, dir); err != nil {
		return err
	}
	key := n.Identity.Key()
	if p.flags.JSON {
		p.printJSON(struct {
			Type  string        `json:"type"`
			Key   transport.Key `json:"key"`
			Words string        `json:"words"`
		}{"id", key, text.KeyWords(key)})
		return nil
	}
	fmt.Fprintf(p.out, "%s\n%s\n", key, text.KeyWords(key))
	return nil
}

// marked tells what is known of a room's key, where a list has it.
func marked(l room.Listing) string {
	switch l.Pin {
	case node.PinKnown:
		return ", known"
	case node.PinChanged:
		return ", OTHER KEY"
	}
	return ""
}
