package main_test

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/tcp"
	"parley/transport"
	"parley/udp"
)

// object is a message of the room protocol, written by hand.
type object map[string]any

// badHost is a host that is none of ours: it has our transports, and says what
// it likes.
type badHost struct {
	t    testing.TB
	addr string
	work sync.WaitGroup
}

// caller is a member on its connection to a badHost.
type caller struct {
	t    testing.TB
	ctx  context.Context
	conn transport.Conn
	nick string
	seq  uint64
}

// openBadHost has serve talk to everybody who connects, until the test ends.
// It is told which caller it has, from 0.
func openBadHost(t testing.TB, carrier string, serve func(c *caller, n int)) *badHost {
	t.Helper()
	id, err := transport.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	h := &badHost{t: t}
	var listener interface {
		transport.Listener
	}
	if carrier == "udp" {
		socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		h.addr = socket.LocalAddr().String()
		listener = &udp.Endpoint{Socket: socket, Identity: id}
	} else {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		h.addr = l.Addr().String()
		listener = &tcp.Endpoint{Listener: l, Identity: id}
	}
	h.work.Go(func() {
		for n := 0; ; n++ {
			conn, err := listener.Accept(ctx)
			if err != nil {
				return
			}
			h.work.Go(func() {
				defer conn.Close()
				c := &caller{t: t, ctx: ctx, conn: conn}
				if join, ok := c.hear(); ok {
					c.nick, _ = join["nick"].(string)
					serve(c, n)
				}
			})
		}
	})
	t.Cleanup(func() {
		cancel()
		listener.Close()
		h.work.Wait()
	})
	return h
}

// hear receives one message.
func (c *caller) hear() (object, bool) {
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	msg, err := c.conn.Receive(ctx)
	if err != nil {
		if ctx.Err() != nil && c.ctx.Err() == nil {
			c.t.Errorf("nothing was said for %v", patience)
		}
		return nil, false
	}
	var o object
	if json.Unmarshal(msg, &o) != nil {
		c.t.Errorf("the member says %q", msg)
	}
	return o, true
}

// until receives what the member sends until something has the type, and
// returns it.
func (c *caller) until(kind string) (object, bool) {
	for {
		o, ok := c.hear()
		if !ok || o["type"] == kind {
			return o, ok
		}
	}
}

func (c *caller) say(o object) {
	b, err := json.Marshal(o)
	if err != nil {
		c.t.Error(err)
	}
	c.raw(b)
}

func (c *caller) raw(b []byte) {
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	c.conn.Send(ctx, b) // whoever has gone does not listen
}

// tell says an event of the room.
func (c *caller) tell(o object) {
	c.seq++
	o["seq"], o["at"], o["id"] = c.seq, "2026-01-02T15:04:05.000Z", fmt.Sprintf("%032x", c.seq)
	c.say(o)
}

// welcome seats the member, with the events up to seq to follow as history.
func (c *caller) welcome(seq int, more object) {
	w := object{"type": "welcome", "v": 1, "room": "physics", "nick": c.nick, "role": "member", "seat": strings.Repeat("1", 32),
		"session": strings.Repeat("2", 32), "log": strings.Repeat("3", 32), "seq": seq, "secure": true}
	for k, v := range more {
		w[k] = v
	}
	c.say(w)
	c.say(object{"type": "members", "seq": 0, "members": []object{{"nick": c.nick, "transport": "udp", "role": "member", "seat": strings.Repeat("1", 32)}}})
}

// curse says s in every field that an event of the room has.
func (c *caller) curse(s string) {
	name := s // names have a bound of their own
	if len(name) > 256 {
		name = name[:256]
	}
	seat := fmt.Sprintf("%032x", c.seq+1<<40)
	c.tell(object{"type": "join", "nick": name, "seat": seat, "transport": name, "role": name})
	c.tell(object{"type": "message", "from": name, "text": s})
	c.tell(object{"type": "action", "from": name, "text": s})
	c.tell(object{"type": "whisper", "from": name, "to": c.nick, "text": s})
	c.tell(object{"type": "whisper", "from": c.nick, "to": name, "text": s})
	c.tell(object{"type": "message", "from": "roe", "text": s})
	c.tell(object{"type": "nick", "from": name, "nick": name + "2"[:len(name)%2], "seat": seat})
	c.tell(object{"type": "topic", "from": name, "text": s})
	c.tell(object{"type": "topic", "by": name, "text": s})
	for _, kind := range []string{"kick", "ban", "mute", "op", "unban", "deop", "slow", "lock", "motd", "filter", "approve", "notice",
		"unmute", "unlock", "deny", "unfilter"} {
		c.tell(object{"type": kind, "nick": name, "by": name, "from": name, "reason": s, "text": s, "code": name,
			"state": name, "until": "2026-01-02T15:04:05Z", "addr": "127.0.0.1"})
	}
	c.tell(object{"type": name, "nick": name, "by": name, "text": s}) // of a later version, as it were
	c.say(object{"type": "notice", "code": name, "nick": name, "text": s})
	c.say(object{"type": "error", "code": name, "text": s, "suggest": name})
	c.say(object{"type": "error", "code": "nick_taken", "text": s, "suggest": name})
	c.say(object{"type": "error", "code": "unknown_command", "text": "no", "suggest": name})
	c.say(object{"type": name, "text": s})
	c.say(object{"type": "members", "seq": c.seq, "members": []object{{"nick": name, "transport": name, "role": name, "away": s, "seat": seat}}})
	c.tell(object{"type": "leave", "nick": name, "seat": seat, "reason": "quit", "text": s})
	c.tell(object{"type": "leave", "nick": name, "seat": seat, "reason": s})
}

// cursed is how many events a curse has.
const cursed = 28

// badBeacons announces rooms that are nowhere, as a host that is none of ours
// might, until the test ends: each under a key of its own, signed, and from
// addresses enough, for one may announce so many and no more.
func badBeacons(t testing.TB, port int, names ...string) {
	t.Helper()
	keys, sockets := make([]ed25519.PrivateKey, len(names)), make([]net.PacketConn, len(names))
	for i := range keys {
		var err error
		if _, keys[i], err = ed25519.GenerateKey(nil); err != nil {
			t.Fatal(err)
		}
		if sockets[i], err = net.ListenPacket("udp4", fmt.Sprintf("127.0.1.%d:0", i/5+1)); err != nil {
			t.Fatal(err)
		}
	}
	stop := make(chan struct{})
	var work sync.WaitGroup
	work.Go(func() {
		every := time.NewTicker(100 * time.Millisecond)
		defer every.Stop()
		for {
			for i, name := range names {
				sockets[i].WriteTo(beaconOf(name, keys[i]), &net.UDPAddr{IP: net.IPv4(127, 255, 255, 255), Port: port})
			}
			select {
			case <-every.C:
			case <-stop:
				return
			}
		}
	})
	t.Cleanup(func() {
		close(stop)
		work.Wait()
		for _, s := range sockets {
			s.Close()
		}
	})
}

// beaconOf is a beacon as the package discovery describes it.
func beaconOf(name string, key ed25519.PrivateKey) []byte {
	var nonce [8]byte
	body := binary.BigEndian.AppendUint16(nil, uint16(60+len(name)+ed25519.SignatureSize))
	body = append(body, "instance"...)
	body = binary.BigEndian.AppendUint64(body, uint64(time.Now().UnixMicro()))
	body = binary.BigEndian.AppendUint16(body, 60) // seconds
	body = append(body, 1)                         // encrypted
	body = binary.BigEndian.AppendUint16(body, 9009)
	body = binary.BigEndian.AppendUint16(body, 9009)
	body = binary.BigEndian.AppendUint16(body, 2)
	body = append(body, key.Public().(ed25519.PublicKey)...)
	body = append(append(body, byte(len(name))), name...)
	signed := append([]byte("parley notice 1\n\x01"), nonce[:]...)
	packet := append([]byte("prly\x01\x01\x00"), nonce[:]...)
	packet = append(packet, body...)
	return append(packet, ed25519.Sign(key, append(signed, body...))...)
}

// badMember connects to a host of ours, and can say to it what no member would.
func badMember(t testing.TB, carrier, addr string, join object) *caller {
	t.Helper()
	id, err := transport.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var dialer transport.Dialer
	end := func() error { return nil }
	if carrier == "udp" {
		socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		e := &udp.Endpoint{Socket: socket, Identity: id}
		dialer, end = e, e.Close
	} else {
		e := &tcp.Endpoint{Identity: id}
		dialer, end = e, e.Close
	}
	t.Cleanup(func() {
		cancel()
		end()
	})
	conn, err := dialer.Dial(ctx, netip.MustParseAddrPort(addr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &caller{t: t, ctx: ctx, conn: conn}
	c.say(join)
	return c
}

// discoveryPort is where the rooms of a box find each other.
func (b *box) discoveryPort() int {
	for _, v := range b.env {
		if port, ok := strings.CutPrefix(v, "PARLEY_DISCOVERY_PORT="); ok {
			n, _ := strconv.Atoi(port)
			return n
		}
	}
	b.t.Fatal("the box has no discovery port")
	return 0
}
