package node

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/room"
	"parley/transport"
)

// estate is what a computer of a handover keeps.
type estate struct {
	id   transport.Identity
	dir  string
	mu   sync.Mutex
	told []string // what its person was told
}

func (e *estate) use(n *Node) {
	keys := Keys{Dir: e.dir}
	n.Identity, n.RoomKey, n.AdoptKey, n.Moves = e.id, keys.Room, keys.Adopt, &Moves{Dir: e.dir}
	n.Warn = func(text string) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.told = append(e.told, text)
	}
}

// doubtful hands a room over from one to the other, and leaves both as they would be
// had the power failed after the old host wrote down that the room is not its any
// more, and before the new one heard of that.
func doubtful(t *testing.T) (ana, ben *estate) {
	ana, ben = new(estate), new(estate)
	for _, e := range []*estate{ana, ben} {
		var err error
		if e.id, err = transport.NewIdentity(); err != nil {
			t.Fatal(err)
		}
		e.dir = t.TempDir()
	}
	then := [2]string{t.TempDir(), t.TempDir()}
	inBubble(t, func(w *world) {
		nodes := 0
		_, a, b, _ := w.handing(func(n *Node) {
			if nodes++; nodes == 1 {
				ana.use(n)
			}
			if nodes != 2 {
				return
			}
			ben.use(n)
			n.AdoptKey = func(name string) (func(transport.Identity) error, func(), error) {
				keep, release, err := Keys{Dir: ben.dir}.Adopt(name)
				return func(id transport.Identity) error { // it has just heard
					for i, e := range []*estate{ana, ben} {
						if err := os.CopyFS(then[i], os.DirFS(e.dir)); err != nil {
							t.Error(err)
						}
					}
					return keep(id)
				}, release, err
			}
		})
		a.types("/handover ben")
		b.await("an offer", handover("offered"))
		b.types("/accept")
		a.await("done", handover("done"))
	})
	ana.dir, ben.dir = then[0], then[1]
	return ana, ben
}

// A new host that was cut off at the last moment does not serve, and its person is
// told what to type where; when that is done, the two find out.
func TestHandoverInDoubt(t *testing.T) {
	ana, ben := doubtful(t)
	inBubble(t, func(w *world) {
		heir := w.node("10.0.0.2", ben.use)
		host := room.HostOptions{Rooms: []string{"physics"}}
		_, err := heir.Open(w.Context(), host)
		e := wantCode(w.T, err, CodeMoved, "only ana's computer knows")
		if e == nil || !strings.Contains(e.Hint, "start parley there, with parley host physics, ") || !strings.Contains(e.Hint, "parley host physics --continue") {
			w.Errorf("what is to be done: %+v", e)
		}
		old := w.node("10.0.0.1", ana.use)
		refused := make(chan error, 1)
		began := time.Now()
		go func() {
			_, err := old.Open(w.Context(), host)
			refused <- err
		}()
		time.Sleep(tryLimit + 5*time.Second)
		ana.mu.Lock()
		if words := strings.Join(ana.told, "\n"); !strings.Contains(words, "Have this typed there: parley host physics") {
			w.Errorf("ana is told %q", words)
		}
		ana.mu.Unlock()
		if _, err = heir.Open(w.Context(), host); err != nil {
			w.Fatalf("with both there: %v", err)
		}
		if e := wantCode(w.T, <-refused, CodeMoved, "handed over to ben"); e != nil && time.Since(began) > persuading {
			w.Errorf("it took %v", time.Since(began))
		}
		w.join(w.node("10.0.0.3"), "physics", "cyn").says("hello")
		began = time.Now() // it is known now
		_, err = old.Open(w.Context(), host)
		if wantCode(w.T, err, CodeMoved, "handed over to ben"); time.Since(began) > time.Second {
			w.Errorf("it took %v", time.Since(began))
		}
	})
}

// A program that waits in vain for the old host's word ends with what is to be done.
func TestHandoverAsksInVain(t *testing.T) {
	inBubble(t, func(w *world) {
		n := w.node("10.0.0.2")
		n.start()
		r := &receiver{node: n, via: []target{{netip.MustParseAddr("10.0.0.1"), Port, Port}}, told: make(chan struct{}, 1),
			offer: room.Offer{Room: "the lab", Ticket: "t", Heir: room.Heir{From: "ana"}}}
		began := time.Now()
		err := r.ask(w.Context())
		var doubt *room.Doubt
		if !errors.As(err, &doubt) || time.Since(began) > askLimit+tryLimit {
			w.Fatalf("after %v: %v", time.Since(began), err)
		}
		for _, words := range []string{"being handed over to you by ana", "parley host 'the lab', ", "parley host 'the lab' --continue"} {
			if !strings.Contains(err.Error(), words) {
				w.Errorf("%q is not in %q", words, err.Error())
			}
		}
	})
}

// Who wants to host a room again that went away does not wait for ever for a
// computer that is not there.
func TestHandoverToNobody(t *testing.T) {
	ana, _ := doubtful(t)
	inBubble(t, func(w *world) {
		began := time.Now()
		_, err := w.node("10.0.0.1", ana.use).Open(w.Context(), room.HostOptions{Rooms: []string{"physics"}})
		e := wantCode(w.T, err, CodeMoved, "handed over to ben")
		if took := time.Since(began); took > persuading+time.Minute || e != nil && !strings.Contains(e.Hint, "parley host physics --continue") {
			w.Errorf("after %v: %+v", took, e)
		}
	})
}
