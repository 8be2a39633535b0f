//go:build linux && slow

package main_test

// The rest of the matrix of carriers that fail, with its figures. It takes
// about four minutes, most of them waiting.

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"parley/room/roomtest"
)

// UDP is blocked from the start, or refused.
func TestLANStartsByTCP(t *testing.T) {
	t.Parallel()
	for _, way := range []struct {
		name, target string
		block        func(p *party)
	}{
		{"dropped both ways", "1s", blocks[0].block},
		{"dropped from the member", "1s", blocks[1].block},
		{"dropped from the host", "1s", blocks[2].block},
		{"refused by ICMP", "0.5s", func(p *party) {
			p.run("ip", "netns", "exec", p.machines[0].ns, "nft", "add", "rule", "inet", "parley", "in", "udp", "dport", "7667", "counter", "name", "forged", "reject")
		}},
	} {
		t.Run(way.name, func(t *testing.T) {
			p := newParty(t, 0, "ana", "ben")
			p.people[0].say("/quit")
			p.people[0].exits(0)
			way.block(p)
			var took []time.Duration
			for n := range 5 {
				q := p.boxes[1].join(fmt.Sprint("cyn", n), p.boxes[0].ip) // each a new one, who remembers nothing
				ready := q.sees("ready", kind("ready"))
				if ready.Transport != "tcp" {
					t.Errorf("by %s", ready.Transport)
				}
				took = append(took, ready.at.Sub(q.start).Round(time.Millisecond))
				q.say("/quit")
				q.exits(0)
			}
			t.Logf("FIGURE UDP %s, start of the program to seated by TCP: %v (target %s)", way.name, took, way.target)
			if strings.Contains(way.name, "dropped") && p.lost() == 0 || strings.Contains(way.name, "refused") && p.machines[0].counted()["forged"].Packets == 0 {
				t.Error("UDP was never tried")
			}
		})
	}
}

// UDP is blocked one way or both, while everybody talks.
func TestLANFallsBackEachWay(t *testing.T) {
	t.Parallel()
	for _, b := range blocks {
		t.Run(b.name, func(t *testing.T) { burst(t, 500, b.block) })
	}
}

// A member that says nothing and hears nothing notices all the same.
func TestLANFallsBackIdle(t *testing.T) {
	t.Parallel()
	for _, b := range blocks {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			p := newParty(t, 2, "ana", "ben")
			ben := p.people[0]
			ben.passes(12 * time.Second)
			blocked := time.Now()
			b.block(p)
			took := ben.onto("tcp", blocked, patience)
			t.Logf("FIGURE idle, UDP blocked %s, to sitting there by TCP: %v (target 18s)", b.name, took)
			said := time.Now()
			p.speak(1, ben, p.host)
			last := p.stored(1, ben, p.host)
			p.host.sees("the message", from("ben", numbered("ben", 0, 100)))
			ben.sees("the message", from("ana", numbered("ana", 0, 100)))
			t.Logf("FIGURE then a message each way: %v (target 1s)", time.Since(said).Round(time.Millisecond))
			p.judge(last)
		})
	}
}

// UDP is blocked for a while under a conversation, and then not any more.
func TestLANClimbsBack(t *testing.T) {
	t.Parallel()
	p := newParty(t, 200*3, "ana", "ben", "cyn")
	blocked := time.Now()
	blocks[0].block(p)
	p.speak(100, p.everybody()...)
	for _, q := range p.people {
		q.onto("tcp", blocked, patience)
	}
	p.heal()
	healed := time.Now()
	var took []time.Duration
	for _, q := range p.people {
		took = append(took, q.onto("udp", healed, 2*patience))
	}
	t.Logf("FIGURE UDP works again, to sitting there by UDP: %v (target 35s)", took)
	p.speak(100, p.everybody()...)
	last := p.stored(200, p.everybody()...)
	for _, q := range p.people {
		if all := q.links(blocked); len(all) != 2 {
			t.Errorf("%s was told %v", q.name, shown(all))
		}
	}
	p.judge(last)
}

// chat has everybody say something every so often until the returned function
// is called, which tells how often that was.
func (p *party) chat(every time.Duration) (stop func() int) {
	done, gone := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				for _, q := range p.everybody() {
					p.rec.Sending(q.name, "", numbered(q.name, n, 60))
					fmt.Fprintln(q.stdin, numbered(q.name, n, 60))
				}
				n++
			case <-done:
				gone <- n
				return
			}
		}
	}()
	return func() int { close(done); return <-gone }
}

// UDP comes and goes.
func TestLANFlaps(t *testing.T) {
	t.Parallel()
	for period, most := range map[time.Duration]int{2 * time.Second: 2, 5 * time.Second: 3} {
		t.Run(period.String(), func(t *testing.T) {
			t.Parallel()
			p := newParty(t, 0, "ana", "ben", "cyn")
			stop := p.chat(200 * time.Millisecond)
			began := time.Now()
			for time.Since(began) < time.Minute {
				blocks[0].block(p)
				<-time.After(period)
				p.heal()
				<-time.After(period)
			}
			n := stop()
			last := p.stored(n, p.everybody()...)
			for _, q := range p.people {
				changes, via := 0, "udp"
				for _, l := range q.links(began) {
					if l.State != "lost" && l.Transport != via {
						via = l.Transport
						changes++
					}
				}
				t.Logf("FIGURE UDP %v off and on for 60 s: %s changed carriers %d times (target %d): %v", period, q.name, changes, most, shown(q.links(began)))
				if changes > most {
					t.Errorf("%s: %d switches", q.name, changes)
				}
			}
			p.judge(last)
		})
	}
}

// TCP is blocked while everybody sits there by UDP: nobody notices. Then UDP,
// too: people are told, what they type is kept, and sent.
func TestLANBothBlocked(t *testing.T) {
	t.Parallel()
	p := newParty(t, 60, "ana", "ben", "cyn")
	p.drop("meta l4proto tcp")
	for range 20 {
		p.speak(1, p.everybody()...)
		p.people[0].passes(250 * time.Millisecond)
	}
	blocked := time.Now()
	blocks[0].block(p)
	p.speak(20, p.people...)
	for _, q := range p.people {
		l := q.sees("that the link is lost", func(l line) bool { return l.Type == "link" && l.State == "lost" })
		t.Logf("FIGURE both blocked, something said, to the notice: %v (target 3s)", l.at.Sub(blocked).Round(time.Millisecond))
		if len(q.links(time.Time{})) != 1 {
			t.Errorf("%s was told %v", q.name, shown(q.links(time.Time{})))
		}
	}
	<-time.After(8 * time.Second)
	dropped := p.lost()
	p.heal()
	healed := time.Now()
	last := p.stored(40, p.people...)
	t.Logf("FIGURE both blocked for 11 s, healed to all stored: %v (%d packets dropped)", time.Since(healed).Round(time.Millisecond), dropped)
	p.judge(last)
}

// fault is one that the checker is told of.
func fault(what string, count uint64) roomtest.Record {
	return roomtest.Record{Op: roomtest.Nemesis, Who: what, Count: count}
}

// blackouts of everything, for members of every wish.
func TestLANBlackoutsByWish(t *testing.T) {
	t.Parallel()
	for _, dark := range []time.Duration{500 * time.Millisecond, 2 * time.Second, 5 * time.Second, 20 * time.Second, 40 * time.Second} {
		t.Run(dark.String(), func(t *testing.T) {
			t.Parallel()
			p := newParty(t, 0, "ana", "ben", "cyn/udp", "dan/tcp")
			stop := p.chat(100 * time.Millisecond)
			p.people[0].passes(time.Second)
			began := time.Now()
			p.drop("meta l4proto { udp, tcp }")
			<-time.After(dark)
			p.rec.Add(fault("dark", p.lost()))
			p.heal()
			healed := time.Now()
			<-time.After(2 * time.Second)
			n := stop()
			last := p.stored(n, p.everybody()...)
			for i, q := range p.people {
				q.sees("the last message", func(l line) bool { return l.Type == "message" && l.Seq >= last })
				first, _, err := q.out.find(0, patience, func(l line) bool { return l.Type == "message" && l.at.After(healed) })
				if err != nil {
					t.Fatal(err)
				}
				links := q.links(began)
				t.Logf("FIGURE %v of darkness, %s: to the next message %v after (target 3s): %v", dark, []string{"auto", "udp", "tcp"}[i],
					first.at.Sub(healed).Round(time.Millisecond), shown(links))
				if dark <= 2*time.Second && len(links) > 0 && i < 2 {
					t.Errorf("%s noticed a blackout of %v: %v", q.name, dark, shown(links))
				}
			}
			p.judge(last)
		})
	}
}

// A program that was stopped itself does not blame the others, and one whose host was
// stopped for a moment does not run away.
func TestLANStoppedPrograms(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		who  string
		d    time.Duration
		talk bool
		most int // times that somebody may change its connection
	}{
		{"ben", 5 * time.Second, true, 1}, {"ben", 5 * time.Second, false, 1},
		{"ana", 2 * time.Second, true, 0}, {"ana", 10 * time.Second, true, 2},
	} {
		t.Run(fmt.Sprintf("%s for %v, talk %v", c.who, c.d, c.talk), func(t *testing.T) {
			t.Parallel()
			p := newParty(t, 0, "ana", "ben", "cyn")
			stop := func() int { return 0 }
			if c.talk {
				stop = p.chat(100 * time.Millisecond)
			}
			p.people[0].passes(3 * time.Second)
			began := time.Now()
			q := p.everybody()[slices.Index([]string{"ana", "ben", "cyn"}, c.who)]
			q.cmd.Process.Signal(syscall.SIGSTOP)
			<-time.After(c.d)
			q.cmd.Process.Signal(syscall.SIGCONT)
			<-time.After(8 * time.Second)
			n := stop()
			if !c.talk {
				p.speak(1, p.everybody()...)
				n = 1
			}
			last := p.stored(n, p.everybody()...)
			for _, q := range p.people {
				links, changes := q.links(began), 0
				for _, l := range links {
					if l.State != "lost" && l.Why != "the host answers again" {
						changes++
					}
				}
				t.Logf("FIGURE %s stopped for %v, talk %v: %s had %d new connections (at most %d): %v", c.who, c.d, c.talk, q.name, changes, c.most, shown(links))
				if changes > c.most {
					t.Errorf("%s: %d new connections", q.name, changes)
				}
			}
			p.rec.Add(fault("stopped", 1))
			p.judge(last)
		})
	}
}

// A host that dies and is started again is noticed by who only listens.
func TestLANListenerNoticesRestart(t *testing.T) {
	t.Parallel()
	l := newLAN(t, "ana", "ben", "cyn", "dan")
	boxes := l.boxes()
	ana := boxes[0].host("ana", "physics")
	var people []*proc
	for i, transport := range []string{"auto", "udp", "tcp"} {
		people = append(people, boxes[i+1].join(l.machines[i+1].name, boxes[0].ip, "--transport", transport))
	}
	for round := range 4 {
		people[0].passes(time.Duration(9+round) * 1500 * time.Millisecond)
		killed := time.Now()
		ana.kill()
		ana = boxes[0].host("ana", "physics", "--port", "7667")
		again := time.Now()
		var took []time.Duration
		for _, q := range people {
			l, _, err := q.out.find(0, patience, func(l line) bool {
				return l.Type == "link" && l.State != "lost" && l.at.After(killed)
			})
			if err != nil {
				t.Fatalf("%s: %v", q.name, err)
			}
			took = append(took, l.at.Sub(again).Round(time.Millisecond))
		}
		t.Logf("FIGURE host killed and back after %v, listeners by auto, udp, tcp seated again: %v later (target 5s)", again.Sub(killed).Round(time.Millisecond), took)
	}
}

// The host's computer gets another address: members find it by its key.
func TestLANHostMoves(t *testing.T) {
	t.Parallel()
	p := newParty(t, 0, "ana", "ben", "cyn/udp", "dan/tcp")
	p.people[0].passes(5 * time.Second)
	m := p.machines[0]
	moved := time.Now()
	p.run("ip", "-n", m.ns, "addr", "flush", "dev", "eth0")
	p.run("ip", "-n", m.ns, "addr", "add", "10.77.0.99/24", "brd", "+", "dev", "eth0")
	p.speak(1, p.people...)
	last := p.stored(1, p.people...)
	for _, q := range p.people {
		l := q.sees("what it said", from(q.name, numbered(q.name, 0, 100)))
		t.Logf("FIGURE host has another address, %s: what it said is there after %v: %v", q.name, l.at.Sub(moved).Round(time.Millisecond), shown(q.links(moved)))
	}
	p.rec.Add(fault("moved", 1))
	p.judge(last)
}

// A member's computer gets another address.
func TestLANMemberMoves(t *testing.T) {
	t.Parallel()
	p := newParty(t, 0, "ana", "ben", "cyn/tcp")
	moved := time.Now()
	for i := 1; i <= 2; i++ {
		m := p.machines[i]
		p.run("ip", "-n", m.ns, "addr", "flush", "dev", "eth0")
		p.run("ip", "-n", m.ns, "addr", "add", fmt.Sprintf("10.77.0.%d/24", 100+i), "brd", "+", "dev", "eth0")
	}
	p.speak(1, p.people...)
	last := p.stored(1, p.people...)
	for _, q := range p.people {
		l := q.sees("what it said", from(q.name, numbered(q.name, 0, 100)))
		t.Logf("FIGURE a member has another address, %s: what it said is there after %v: %v", q.name, l.at.Sub(moved).Round(time.Millisecond), shown(q.links(moved)))
	}
	p.rec.Add(fault("moved", 1))
	p.judge(last)
}

// Our own system refuses to send: its firewall, and a cable that is pulled.
func TestLANCannotSend(t *testing.T) {
	t.Parallel()
	p := newParty(t, 0, "ana", "ben", "cyn")
	ben, cyn := p.machines[1], p.machines[2]
	began := time.Now()
	p.run("ip", "netns", "exec", ben.ns, "nft", "add", "rule", "inet", "parley", "out", "udp", "dport", "7667", "drop")
	p.speak(1, p.people[0])
	t.Logf("FIGURE own firewall drops UDP (EPERM), to sitting there by TCP: %v", p.people[0].onto("tcp", began, patience))
	cyn.link("down")
	began = time.Now()
	p.people[1].say("into the dark")
	lost := p.people[1].sees("that the link is lost", func(l line) bool { return l.Type == "link" && l.State == "lost" })
	t.Logf("FIGURE cable pulled (ENETUNREACH), to the notice: %v (target 3s): %s", lost.at.Sub(began).Round(time.Millisecond), lost.text)
	cyn.link("up")
	began = time.Now()
	p.run("ip", "-n", cyn.ns, "addr", "replace", cyn.ip6.WithZone("").String()+"/64", "dev", "eth0", "nodad")
	heard := p.host.sees("the message", said("into the dark"))
	t.Logf("FIGURE cable back, to the message: %v", heard.at.Sub(began).Round(time.Millisecond))
}

// Whatever is blocked, and whoever sits at the host's address instead: nothing
// is said in clear.
func TestLANNoDowngrade(t *testing.T) {
	t.Parallel()
	l := newLAN(t, "ana", "ben")
	boxes := l.boxes()
	ana := boxes[0].host("ana", "physics")
	stop := l.machines[1].capture("host", boxes[0].ip)
	ben := boxes[1].join("benedikta", boxes[0].ip)
	ana.kill()
	fake := boxes[0].host("eve", "physics", "--plaintext", "--port", "7667")
	l.drop("udp dport 7667")
	ben.say("an open secret")
	<-time.After(8 * time.Second)
	ben.lives()
	wire := stop()
	for name, bad := range map[string][]byte{
		"what was said": []byte("an open secret"), "a name": []byte("benedikta"), "a plaintext stream": []byte("\x89parley"),
		"a plaintext HELLO": {1, 1, 2},
	} {
		for rest := wire; ; {
			i := bytes.Index(rest, bad)
			if i < 0 {
				break
			}
			// A HELLO begins a datagram of 1200 bytes; the fake's refusals begin with the preamble.
			hello := name == "a plaintext HELLO" && i >= 8 && rest[i-4] == 1208>>8 && rest[i-3] == 1208&0xff
			stream := name == "a plaintext stream" && i+8 < len(rest) && rest[i+8] == 0
			if hello || stream || name == "what was said" || name == "a name" {
				t.Errorf("%s is on the wire", name)
				break
			}
			rest = rest[i+1:]
		}
	}
	for _, l := range fake.out.all() {
		if strings.Contains(l.text, "secret") || strings.Contains(l.text, "benedikta") {
			t.Errorf("the plaintext host: %s", l.text)
		}
	}
	t.Logf("FIGURE UDP blocked, a plaintext host in its place: 0 bytes in clear in a capture of %d", len(wire))
}

// Who is banned while its connection changes stays out.
func TestLANBannedDuringSwitch(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{0, 2400 * time.Millisecond, 2600 * time.Millisecond, 2800 * time.Millisecond} {
		for _, act := range []string{"kick", "ban"} {
			t.Run(fmt.Sprintf("%s after %v", act, after), func(t *testing.T) {
				t.Parallel()
				p := newParty(t, 0, "ana", "ben")
				ben := p.people[0]
				blocks[0].block(p)
				ben.say("as it falls silent")
				<-time.After(after)
				p.host.say("/" + act + " ben")
				ben.exits(4)
				left := false
				for _, l := range p.host.out.all() {
					if l.Type == "leave" && l.Nick == "ben" {
						left = true
					}
					if left && l.Type == "join" && l.Nick == "ben" {
						t.Errorf("ben is back: %s", l.text)
					}
				}
				if act == "ban" {
					q := p.boxes[1].joining("ben", p.boxes[0].ip, "--no-input")
					q.exits(4)
				}
			})
		}
	}
}

// What it costs to sit there and be silent.
func TestLANIdleCosts(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			l := newLAN(t, "ana", "ben")
			boxes := l.boxes()
			boxes[0].host("ana", "physics", "--no-discovery")
			ben := boxes[1].join("ben", boxes[0].ip, "--transport", transport, "--no-discovery")
			ben.passes(15 * time.Second)
			before := l.machines[1].counted()
			ben.passes(time.Minute)
			after := l.machines[1].counted()
			bytes := after[transport+"_out"].Bytes - before[transport+"_out"].Bytes + after[transport+"_in"].Bytes - before[transport+"_in"].Bytes
			t.Logf("FIGURE a member that sits there by %s and is silent: %d bytes a minute, both ways, with IP headers (target 6000)", transport, bytes)
			if bytes > 6000 {
				t.Errorf("%d bytes a minute", bytes)
			}
		})
	}
}
