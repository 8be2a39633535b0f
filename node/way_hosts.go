package node

import (
	"slices"
	"time"

	"parley/room"
	"parley/transport"
)

// othersAfter is how long the host that we had is called alone before the others
// are, too: what is lost by chance is repeated by then, and nobody moves for it.
const othersAfter = 500 * time.Millisecond

// told notes which hosts the room has. Each is as good as the one we have: what
// it is asked to prove is that the room's key vouches for it.
func (w *way) told(hosts []room.Move) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hosts = slices.Clone(hosts)
}

// others are the places of the hosts that we are not at. The caller holds w.mu.
func (w *way) others() (via []target) {
	local := w.reached.Addr.Addr().IsLoopback()
	for _, h := range w.hosts {
		if h.Host != w.host {
			via = append(via, targets(h, local)...)
		}
	}
	return via
}

// among tells whether a key is one of the room's hosts'. The caller holds w.mu.
func (w *way) among(key transport.Key) bool {
	return slices.ContainsFunc(w.hosts, func(h room.Move) bool { return h.Host == key })
}

func (w *way) oneOf(key transport.Key) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.among(key)
}
