//go:build linux

package main_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inside runs f with the machine's network: sockets that it opens stay there.
// The thread goes back to its own afterwards. It must not end: processes that
// it has started would die with it.
func (m *machine) inside(f func()) error {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer home.Close()
	there, err := os.Open(filepath.Join("/var/run/netns", m.ns))
	if err != nil {
		return err
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return err
	}
	f()
	if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
		return err // and nobody else gets this thread
	}
	runtime.UnlockOSThread()
	return nil
}

// packets and stream make a machine one of sockets.
func (m *machine) packets(t testing.TB) (c net.PacketConn) {
	t.Helper()
	var err error
	if wrong := m.inside(func() { c, err = net.ListenPacket("udp4", net.JoinHostPort(m.ip.String(), "0")) }); wrong != nil || err != nil {
		t.Fatal(wrong, err)
	}
	return c
}

func (m *machine) stream(ctx context.Context, network, addr string) (c net.Conn, err error) {
	if wrong := m.inside(func() { c, err = new(net.Dialer).DialContext(ctx, network, addr) }); wrong != nil {
		return nil, wrong
	}
	return c, err
}

// on makes a client on a machine.
func (m *machine) client(addr, via string) *client {
	c := newClient(m.lan.t, addr, via)
	c.from = m
	return c
}

// Somebody who comes and goes as fast as he can, with ever new keys, puts a few
// lines on the others' screens and then one now and then; others come in
// meanwhile as always.
func TestLANComers(t *testing.T) {
	const burst, second = 40, 0.7 // lines of one address: at once, and then
	l := newLAN(t, "ana", "mallory", "cyn")
	boxes := l.boxes()
	ana := boxes[0].host("ana", "physics")
	for _, via := range []string{"udp", "tcp"} {
		began := time.Now()
		before := len(ana.out.all())
		stop := comers(l.machines[1].client(net.JoinHostPort(boxes[0].ip, "7667"), via), 4, true)
		ana.await("that they come", kind("join"))
		<-time.After(2 * time.Second)
		nick := "cyn-" + via
		cyn := boxes[2].join(nick, boxes[0].ip, "--transport", via)
		joined := cyn.sees("ready", kind("ready")).at.Sub(cyn.start)
		cyn.say("let me in")
		ana.await("a word", said("let me in"))
		got := stop()
		lines := 0
		for _, l := range ana.out.all()[before:] {
			if l.Type == "join" && strings.HasPrefix(l.Nick, "mouse") {
				lines++
			}
		}
		took := time.Since(began)
		t.Logf("FIGURE coming and going over %s with new keys for %v: %d lines, a good join meanwhile %v", via, took.Round(time.Second), lines, joined.Round(time.Millisecond))
		if most := burst + 1 + int(took.Seconds()*second); lines > most || via == "udp" && (got < burst/2 || lines < burst/2) {
			t.Errorf("they came in %d times, %d lines in %v, at most %d wanted", got, lines, took, most)
		}
	}
}

// Of a whisper in a room without encryption nothing reaches a third member's
// computer: not live, not to one who comes back, not to one who comes later.
func TestLANWhispers(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			l := newLAN(t, "ana", "ben", "cyn", "dan")
			boxes := l.boxes()
			flags := []string{"--plaintext", "--transport", transport}
			ana := boxes[0].host("ana", "physics", "--plaintext")
			var stops []func() []byte
			for _, m := range l.machines {
				stops = append(stops, m.capture("host", m.ip.String()))
			}
			ben, cyn := boxes[1].join("ben", boxes[0].ip, flags...), boxes[2].join("cyn", boxes[0].ip, flags...)
			ana.await("cyn", comes("cyn"))
			const secret, public = "nobody else may know", "everybody may know"
			for n := range 20 {
				ben.say(fmt.Sprintf("/msg ana %s %d", secret, n))
				ana.say(fmt.Sprintf("/msg ben %s %d", secret, n))
				ben.say(fmt.Sprintf("%s %d", public, n))
				if n == 10 { // cyn's connection is lost for a while, and hers is what came meanwhile
					l.machines[2].link("down")
				}
			}
			l.machines[2].link("up")
			last := fmt.Sprint(public, " 19")
			ana.await("the last word", said(last))
			cyn.awaitWithin(time.Minute, "the last word", said(last))
			dan := boxes[3].join("dan", boxes[0].ip, append(flags, "--history", "200")...)
			dan.await("the last word", said(last))
			for _, p := range []*proc{dan, cyn} {
				p.say("/names")
				p.await("who is here", kind("members"))
			}
			for i, p := range []*proc{ana, ben, cyn, dan} {
				wire := stops[i]()
				hits, words := bytes.Count(wire, []byte(secret)), bytes.Count(wire, []byte(public))
				t.Logf("FIGURE %s over %s: %d whispers and %d public words in %d bytes of packets", p.name, transport, hits, words, len(wire))
				// Some that are there may be cut in two, by the end of a packet.
				if words < 15 || i < 2 && hits < 35 || i >= 2 && hits > 0 {
					t.Errorf("%s: %d whispers and %d public words", p.name, hits, words)
				}
				for _, l := range p.out.all() {
					if i >= 2 && strings.Contains(l.text, secret) {
						t.Errorf("%s was shown %s", p.name, l.text)
					}
				}
			}
		})
	}
}
