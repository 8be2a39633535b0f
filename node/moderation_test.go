package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"parley/room"
	"parley/transport"
	"parley/transport/transporttest"
)

// acts waits for an act on somebody.
func (s *seated) acts(kind room.Kind, nick string) room.Event {
	s.w.Helper()
	return s.await(string(kind)+" "+nick, func(e room.Event) bool { return e.Type == kind && e.Nick == nick })
}

// types types a line.
func (s *seated) types(line string) {
	s.w.Helper()
	if _, err := s.Input(context.Background(), line); err != nil {
		s.w.Fatalf("%s: %v", line, err)
	}
}

// putOut waits until a member has been put out, and returns the code.
func (s *seated) putOut() string {
	s.w.Helper()
	select {
	case <-s.done:
	case <-time.After(time.Minute):
		s.w.Fatalf("%s is there still", s.Nick())
	}
	_, err := s.Next(context.Background())
	var r *room.Refused
	if !errors.As(err, &r) {
		s.w.Fatalf("%s ended with %v", s.Nick(), err)
	}
	return r.Code
}

// judge opens a room and sits its host down.
func (w *world) judge(change ...func(*Node)) (*Hosting, *seated) {
	h := w.open(w.node("10.0.0.1", change...), "physics")
	own, err := h.Sit(w.Context(), room.JoinOptions{Nick: "ana"})
	if err != nil {
		w.Fatal(err)
	}
	return h, w.watch(own)
}

// turnedAway joins in vain and returns the code of the refusal.
func (w *world) turnedAway(n *Node, nick string) string {
	w.Helper()
	m, err := n.Join(w.Context(), "10.0.0.1", room.JoinOptions{Nick: nick})
	if err == nil {
		w.watch(m)
		w.Errorf("%s is let in", nick)
		return ""
	}
	var r *room.Refused
	if !errors.As(err, &r) {
		w.Fatalf("%s: %v", nick, err)
	}
	return r.Code
}

func as(id transport.Identity) func(*Node) { return func(n *Node) { n.Identity = id } }

// M1, M2, M3 on every carrier and in both modes: out within a second; muted and
// reading; banned under every name, on every carrier, from every address.
func TestModeration(t *testing.T) {
	for _, secure := range []bool{true, false} {
		for _, via := range []Transport{UDP, TCP} {
			t.Run(fmt.Sprintf("%s/secure=%v", via, secure), func(t *testing.T) {
				inBubble(t, func(w *world) {
					id, _ := transport.NewIdentity()
					mode := as(id)
					if !secure {
						mode = plaintext
					}
					_, ana := w.judge(func(n *Node) { n.Plaintext = !secure })
					n := w.node("10.0.0.2", using(via), mode)
					cyn := w.join(n, "10.0.0.1", "cyn")
					ana.types("/mute cyn caps")
					cyn.acts(room.Mute, "cyn")
					cyn.says("HELLO")
					if e := cyn.await("refused", func(e room.Event) bool { return e.Type == room.Failed }); e.Code != "muted" || e.Text != "HELLO" {
						t.Errorf("refused: %+v", e)
					}
					ana.says("read this")
					cyn.hears("read this")
					ana.types("/unmute cyn")

					start := time.Now()
					ana.types("/kick cyn be nice")
					if e := cyn.acts(room.Kick, "cyn"); e.Reason != "be nice" || e.By != "ana" {
						t.Errorf("%+v", e)
					}
					if code, took := cyn.putOut(), time.Since(start); code != "kicked" || took > time.Second {
						t.Errorf("%s after %v", code, took)
					}
					ana.await("leave", func(e room.Event) bool { return e.Type == room.Left && e.Reason == "kicked" })

					cyn = w.join(n, "10.0.0.1", "cyn")
					ana.types("/ban cyn")
					if code := cyn.putOut(); code != "banned" {
						t.Errorf("put out: %s", code)
					}
					for i, carrier := range []Transport{UDP, TCP} {
						n := w.node(fmt.Sprintf("10.0.0.%d", 10+i), using(carrier), mode)
						if secure { // the key, wherever it is
							if code := w.turnedAway(n, "innocent"); code != "banned" {
								t.Errorf("over %s: %s", carrier, code)
							}
							continue
						}
						w.join(n, "10.0.0.1", fmt.Sprint("other", i)) // the address, whoever it is
					}
					if code := w.turnedAway(n, "innocent"); code != "banned" {
						t.Errorf("from the same address: %s", code)
					}
					ana.types("/unban cyn")
					ana.await("unban", func(e room.Event) bool { return e.Type == room.Unban })
					w.join(n, "10.0.0.1", "cyn")
				})
			})
		}
	}
}

// F-11: who is banned while its datagrams are cut off stays out on the streams
// it goes over to, and so does who is kicked.
func TestPutOutDuringTheSwitch(t *testing.T) {
	for line, want := range map[string]string{"/ban cyn": "banned", "/kick cyn": "kicked"} {
		inBubble(t, func(w *world) {
			_, ana := w.judge()
			n := w.node("10.0.0.2")
			cyn := w.join(n, "10.0.0.1", "cyn")
			if via := cyn.Ready().Transport; via != "udp" {
				t.Fatalf("she came by %s", via)
			}
			host, member := w.nodes[0].Net.(machine).Machine, n.Net.(machine).Machine
			shut := transporttest.Link{MTU: 1} // for datagrams
			w.lan.Set(host, member, shut)
			w.lan.Set(member, host, shut)
			ana.types(line)
			if code := cyn.putOut(); code != want {
				t.Errorf("%s: %s", line, code)
			}
		})
	}
}

// An address of the host's own computer is banned neither by the way nor on purpose.
func TestTheHostsAddressIsNotBanned(t *testing.T) {
	inBubble(t, func(w *world) {
		_, ana := w.judge()
		same := func() *Node {
			n := &Node{Net: w.nodes[0].Net, Transport: TCP}
			w.nodes = append(w.nodes, n)
			return n
		}
		if host := w.nodes[0]; !host.own(netip.MustParseAddr("10.0.0.1")) || host.own(netip.MustParseAddr("10.0.0.2")) {
			t.Error("a node does not know its addresses")
		}
		cyn := w.join(same(), "10.0.0.1", "cyn")
		ana.types("/ban -a cyn")
		cyn.putOut()
		ana.await("the note", func(e room.Event) bool { return strings.Contains(e.Text, "but no address") })
		w.join(same(), "10.0.0.1", "dan")
	})
}

// M4: an op who is one no more while he acts has not acted.
func TestOpAcrossCarriers(t *testing.T) {
	inBubble(t, func(w *world) {
		_, ana := w.judge()
		id, _ := transport.NewIdentity()
		ben := w.join(w.node("10.0.0.2", using(UDP), as(id)), "10.0.0.1", "ben")
		cyn := w.join(w.node("10.0.0.3", using(TCP)), "10.0.0.1", "cyn")
		ana.types("/op ben")
		ben.acts(room.Op, "ben")
		again := w.join(w.node("10.0.0.4", using(TCP), as(id)), "10.0.0.1", "ben2")
		if role := again.Ready().Role; role != "op" {
			t.Errorf("on another carrier he is %s", role)
		}
		again.types("/mute cyn")
		cyn.acts(room.Mute, "cyn")
		ana.types("/deop ben")
		ben.types("/kick cyn")
		if e := ben.await("refused", func(e room.Event) bool { return e.Type == room.Failure }); e.Code != "not_allowed" {
			t.Errorf("%+v", e)
		}
		cyn.acts(room.Deop, "ben")
	})
}
