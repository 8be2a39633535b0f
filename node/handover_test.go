package node

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/room"
)

// handing hosts a room with ana, and has ben and cyn sit down in it.
func (w *world) handing(change ...func(*Node)) (h *Hosting, ana, ben, cyn *seated) {
	w.Helper()
	h = w.open(w.node("10.0.0.1", change...), "physics")
	own, err := h.Sit(w.Context(), room.JoinOptions{Nick: "ana"})
	if err != nil {
		w.Fatal(err)
	}
	ana = w.watch(own)
	ben = w.join(w.node("10.0.0.2", change...), "10.0.0.1", "ben")
	cyn = w.join(w.node("10.0.0.3", change...), "10.0.0.1", "cyn")
	return h, ana, ben, cyn
}

func handover(state string) func(room.Event) bool {
	return func(e room.Event) bool { return e.Type == room.Handover && e.State == state }
}

func TestHandover(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Node)
	}{{"auto", func(*Node) {}}, {"udp", using(UDP)}, {"tcp", using(TCP)}, {"plaintext", plaintext}} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				h, ana, ben, cyn := w.handing(c.change)
				for i := range 300 {
					ana.says(fmt.Sprint("before ", i))
				}
				cyn.hears("before 299")
				ana.types("/handover ben")
				ben.await("an offer", handover("offered"))
				began := time.Now()
				ben.types("/accept")
				for _, s := range []*seated{ana, ben, cyn} {
					s.await("the move", func(e room.Event) bool { return e.Type == room.Link && e.State == "moved" })
				}
				w.Logf("FIGURE handover of %d entries, from /accept to everybody's move: %v", 306, time.Since(began))
				ben.await("done", handover("done"))
				for _, s := range []*seated{cyn, ana, ben} {
					s.says("after by " + s.Nick())
				}
				for _, s := range []*seated{ana, ben, cyn} {
					s.hears("after by ana")
					s.hears("after by ben")
					s.hears("after by cyn")
				}
				roles := map[string]string{}
				for _, p := range cyn.Names() {
					roles[p.Nick] = p.Role
				}
				op := "op"
				if h.node.Plaintext {
					op = "member"
				}
				if roles["ben"] != "host" || roles["ana"] != op || roles["cyn"] != "member" {
					w.Errorf("roles afterwards: %v", roles)
				}
			})
		})
	}
}

// Whose port is taken hosts on the next one, unless it was asked for: then the room
// stays where it is.
func TestHandoverPortTaken(t *testing.T) {
	for _, explicit := range []bool{false, true} {
		inBubble(t, func(w *world) {
			_, ana, ben, cyn := w.handing(func(n *Node) { n.Port, n.PortExplicit = Port, explicit })
			w.open(w.nodes[1], "chess")
			ana.types("/handover ben")
			ben.await("an offer", handover("offered"))
			ben.types("/accept")
			if explicit {
				ben.await("that it cannot be", handover("failed"))
				e := ana.await("that it cannot be", handover("failed"))
				if !strings.Contains(e.Text, "port 7667") {
					w.Errorf("%q", e.Text)
				}
			} else {
				ana.await("done", handover("done"))
			}
			cyn.says("here we are")
			ana.hears("here we are")
			ben.hears("here we are")
		})
	}
}

// Whoever joins late, at the old host, is sent on; and a room that went away is not
// hosted again.
func TestHandoverForwards(t *testing.T) {
	dir := t.TempDir()
	inBubble(t, func(w *world) {
		keys := Keys{Dir: dir}
		h, ana, ben, _ := w.handing(func(n *Node) {
			if len(w.nodes) == 0 {
				n.RoomKey, n.AdoptKey, n.Moves = keys.Room, keys.Adopt, &Moves{Dir: dir}
			}
		})
		ana.types("/handover ben")
		ben.await("an offer", handover("offered"))
		ben.types("/accept")
		ana.await("done", handover("done"))
		dan := w.join(w.node("10.0.0.4"), "10.0.0.1", "dan")
		dan.says("late")
		ben.hears("late")
		if at := dan.Ready().Addr; !strings.HasPrefix(at, "10.0.0.2:") {
			w.Errorf("dan sits at %s", at)
		}
		_, err := h.node.Open(w.Context(), room.HostOptions{Rooms: []string{"physics"}})
		if e := wantCode(w.T, err, CodeMoved, ""); e != nil && !strings.Contains(e.Text, "ben") {
			w.Errorf("%q", e.Text)
		}
	})
}
