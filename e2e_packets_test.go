package main_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// packet is what --lanes tells of one.
type packet struct {
	Type, Via, Nick, What string
	Bytes, Messages       int
	Seq                   uint64
	Ack, Again            bool
}

// seesPacket waits for a packet that is so, whenever.
func (p *proc) seesPacket(what string, is func(packet) bool) packet {
	p.t.Helper()
	var found packet
	p.sees(what, func(l line) bool {
		found = packet{}
		if l.Type != "packet" || json.Unmarshal([]byte(l.text), &found) != nil {
			return false
		}
		return is(found)
	})
	return found
}

// A host that watches sees its own messages leave, for members of either carrier,
// and sees them lost and sent again from when it says that they are to be.
func TestLanesOfARunningRoom(t *testing.T) {
	for _, mode := range []string{"secure", "plaintext"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			b := loopback(t)
			var more []string
			if mode == "plaintext" {
				more = []string{"--plaintext"}
			}
			ana := b.host("ana", "demo", append(more, "--lanes")...)
			ben := b.join("ben", b.addr(), append(more, "--transport", "udp")...)
			cyn := b.join("cyn", b.addr(), append(more, "--transport", "tcp")...)
			ana.await("both", comes("cyn"))
			for _, nick := range []string{"ben", "cyn"} { // it is told a moment later whose a lane is
				ben.say("hello")
				ana.seesPacket("a packet of "+nick, func(p packet) bool { return p.Nick == nick })
			}
			ana.say("good morning")
			seq := ben.await("it", said("good morning")).Seq
			cyn.await("it", said("good morning"))
			for nick, via := range map[string]string{"ben": "udp", "cyn": "tcp"} {
				p := ana.seesPacket("the message to "+nick, func(p packet) bool { // or the one before, which it may have travelled with
					return p.What == "sent" && p.Nick == nick && p.Seq > 0 && p.Seq <= seq && seq < p.Seq+uint64(p.Messages)
				})
				if p.Via != via || p.Messages == 0 || p.Bytes < len("good morning") || p.Ack || p.Again {
					t.Errorf("to %s: %+v", nick, p)
				}
			}
			ben.say("and to you")
			ana.seesPacket("what ben said", func(p packet) bool { return p.What == "received" && p.Nick == "ben" && !p.Ack })
			ana.seesPacket("an acknowledgement", func(p packet) bool { return p.What == "sent" && p.Nick == "ben" && p.Ack })

			for _, bad := range []string{"loss=120%", "speed=3", "loss"} {
				ana.say("/impair " + bad)
				ana.await("that "+bad+" is refused", func(l line) bool {
					return l.Type == "error" && strings.Contains(l.Text, bad) && strings.Contains(l.Text, "nothing has changed")
				})
			}
			ana.say("/impair loss=50%,seed=7")
			ana.await("that it is so now", func(l line) bool { return l.Type == "notice" && strings.Contains(l.Text, "loss=50%") })
			for range 30 {
				ana.say("is this heard?")
			}
			ana.say("the end")
			ben.await("the end", said("the end"))
			ana.seesPacket("a loss", func(p packet) bool { return p.What == "lost" && p.Nick == "ben" })
			ana.seesPacket("a repetition", func(p packet) bool { return p.What == "sent" && p.Nick == "ben" && p.Again })
			ana.say("/impair off")
			ana.await("that it is over", func(l line) bool { return l.Type == "notice" && strings.Contains(l.Text, "not damaged") })
			ana.say("/lanes")
			ana.await("what it came to", func(l line) bool { return l.Type == "notice" && strings.Contains(l.Text, "bytes each") })
			ben.say("/impair loss=50%")
			ben.await("that members cannot", func(l line) bool { return l.Type == "error" && strings.Contains(l.Text, "only who hosts") })
		})
	}
}

// Where nothing can be damaged, it says why.
func TestImpairIsRefused(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "demo", "--transport", "tcp", "--lanes")
	ana.say("/impair loss=5%")
	ana.await("why not", func(l line) bool { return l.Type == "error" && strings.Contains(l.Text, "datagrams") })
	b = loopback(t)
	ana = b.host("ana", "demo")
	ana.say("/impair loss=5%")
	ana.await("why not", func(l line) bool { return l.Type == "error" && strings.Contains(l.Text, "--lanes") })
	ana.say("/lanes")
	ana.await("why not", func(l line) bool { return l.Type == "error" && strings.Contains(l.Text, "not recorded") })
}
