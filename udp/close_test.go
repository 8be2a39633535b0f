package udp

import (
	"net/netip"
	"testing"
	"testing/synctest"

	"parley/transport"
)

// The socket dies when the goodbye is due and not sent yet: nobody will send it
// any more, and Close must not wait for that.
func TestCloseAfterTheSocketDied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which fails when Close waits for ever
		e := &Endpoint{Plaintext: true}
		c := newConn(e, 1, false, netip.MustParseAddrPort("10.0.0.1:7667"))
		c.link = newLink(1, false, c.peer.Addr, checksum{}, 0, 0)
		c.link.sayGoodbye(0)
		c.link.fail(transport.ErrLost)
		c.Close()
	})
}
