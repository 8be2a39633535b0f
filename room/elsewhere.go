package room

import (
	"fmt"
	"net/netip"
)

// elsewhere tells the holders of a key that it is used from two computers at
// once: either one person has copied the key, or somebody has taken it. Both get
// to know, for the host cannot tell which of them is which. Addresses are
// compared only within a family: one computer has an address of each. A seat
// at the host's own computer is not compared either: from there, the host may be
// reached by any of its addresses.
func (c *core) elsewhere(s *seat) {
	if c.host.Plaintext || s.guest || !remote(s.from) {
		return
	}
	for _, o := range c.seats {
		if o == s || o.key != s.key || o.from == s.from || !o.there() || !remote(o.from) || o.from.Is4() != s.from.Is4() {
			continue
		}
		o.warn(s.from)
		s.warn(o.from)
	}
}

// there tells whether somebody holds the seat, as far as is known: a connection
// that owes an answer may be that of a computer that has just moved.
func (s *seat) there() bool {
	return s.link != nil && (s.link.silent == nil || s.link.silent() < noReply)
}

// warn tells the holder of a seat, once, that its key is used from another address.
func (s *seat) warn(from netip.Addr) {
	if s.rival == from || s.link == nil {
		return
	}
	s.rival = from
	s.link.out.control(encode(report{Type: string(Notice), Code: codeElsewhere, Text: fmt.Sprintf(
		"your key is used from %s, too: if that is not you, somebody has a copy of your identity; move yours away to be somebody new", from)}), false)
}
