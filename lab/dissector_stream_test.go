//go:build !nolab

package lab

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"time"

	"parley/lab/wire"
	"parley/node"
	"parley/tcp"
)

// talkTCP has A say 200 things to B over TCP, whatever their sizes, and B answer
// some. Then somebody with a bare socket comes, if guests may.
func talkTCP(t *testing.T, port int, plaintext bool, way wire.Way) (a, b *wire.Host, frames []*wire.Frame) {
	t.Helper()
	defer wire.Steady(7)()
	rec := wire.NewRecorder(t.Name())
	wire.Test(t)(func() {
		l := wire.New(wire.Config{Seed: 7, Tap: rec.Tap, Way: way})
		defer l.Close()
		ctx := context.Background()
		a, b = l.Host("A"), l.Host("B")
		ln, err := b.Listen(ctx, "tcp", ":"+strconv.Itoa(port))
		if err != nil {
			t.Fatal(err)
		}
		from := &tcp.Endpoint{DialContext: a.DialContext, Plaintext: plaintext}
		to := &tcp.Endpoint{Listener: ln, Plaintext: plaintext, Guests: func(c net.Conn) {
			io.WriteString(c, "Your name? ")
			io.Copy(c, c)
			c.Close()
		}}
		at := netip.AddrPortFrom(b.Addr(), uint16(port))
		done := make(chan struct{})
		go func() {
			defer close(done)
			c, err := to.Accept(ctx)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			for n := 0; ; n++ {
				msg, err := c.Receive(ctx)
				if err != nil {
					return
				}
				if n%10 == 0 {
					c.Send(ctx, msg)
				}
			}
		}()
		c, err := from.Dial(ctx, at)
		if err != nil {
			t.Fatal(err)
		}
		read := make(chan struct{})
		go func() {
			defer close(read)
			for {
				if _, err := c.Receive(ctx); err != nil {
					return
				}
			}
		}()
		for i := range 200 {
			if err := c.Send(ctx, streamed(i)); err != nil {
				t.Error(err)
			}
			if i%4 != 0 {
				a.Pause(10 * time.Millisecond)
			}
		}
		a.Pause(3 * time.Second)
		if plaintext {
			guest(t, a, at)
		}
		c.Close()
		<-read
		<-done
		from.Close()
		to.Close()
	})
	frames, _ = rec.Frames()
	return a, b, frames
}

// streamed is message i of talkTCP.
func streamed(i int) []byte {
	switch {
	case i%50 == 7:
		return bytes.Repeat([]byte{byte(i)}, 30_000)
	case i%3 == 0:
		return fmt.Appendf(nil, `{"type":"say","id":"%032x","text":"thing \"%d\" – ☃"}`, i, i)
	}
	return bytes.Repeat([]byte{0, byte(i)}, i%7+1)
}

// guest says a line and hears it.
func guest(t *testing.T, a *wire.Host, at netip.AddrPort) {
	t.Helper()
	c, err := a.DialContext(context.Background(), "tcp", at.String())
	if err != nil {
		t.Error(err)
		return
	}
	io.WriteString(c, "zoë\r\nhello there\r\n")
	c.(interface{ CloseWrite() error }).CloseWrite()
	io.Copy(io.Discard, c)
	c.Close()
}

// TestDissectorTCP compares the messages that are shown with those that were
// sent, and what Wireshark calls sent again with what was.
func TestDissectorTCP(t *testing.T) {
	s := newShark(t)
	var want []string
	for i := range 200 {
		want = append(want, fmt.Sprint(len(streamed(i))))
	}
	for _, loss := range []float64{0, .02, .05} {
		for _, port := range ports(loss == 0) {
			a, b, frames := talkTCP(t, port, true, wire.Way{Delay: 5 * time.Millisecond, Loss: loss})
			file := s.capture(t, a, frames)
			s.sound(t, file)
			if thorough {
				s.sound(t, s.capture(t, b, frames))
			}
			var got []string
			for _, r := range s.fields(t, file, fmt.Sprintf("tcp.dstport==%d && parley.tcp", port), "parley.tcp.length") {
				for _, length := range r[0] {
					if length != "0" { // of a control frame
						got = append(got, length)
					}
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("loss %v, port %d: messages of %v bytes shown, sent %v", loss, port, got, want)
			}
			s.finds(t, file, "parley.guest.text")
			counted := 0
			for _, f := range frames {
				if f.From == a && f.Resent {
					counted++
				}
			}
			// Of what comes soon after it was missed Wireshark says that it is out of order.
			n := s.count(t, file, "frame.packet_flags_direction==2 && (tcp.analysis.retransmission || "+
				"tcp.analysis.fast_retransmission || tcp.analysis.spurious_retransmission || tcp.analysis.out_of_order)",
				`frame.packet_flags_direction==2 && frame.comment contains "lab:resent"`)
			if n[0] != counted || n[1] != counted || (loss > 0) != (counted > 0) {
				t.Errorf("loss %v: Wireshark names %d sent again, the comments %d, the lab %d", loss, n[0], n[1], counted)
			}
			t.Logf("FIGURE loss %v, port %d: %d messages as sent; sent again: %d by Wireshark, %d by the lab", loss, port, len(got), n[0], counted)
		}
	}
}

// TestDissectorSecure has a secure conversation over either carrier: DTLS and TLS
// are Wireshark's, headers are shown, and the rest is sealed.
func TestDissectorSecure(t *testing.T) {
	s := newShark(t)
	for _, port := range ports(true) {
		k := talkUDP(t, port, false, wire.Way{Delay: 5 * time.Millisecond, Loss: .02, Dup: .02})
		for i, h := range k.host {
			file := s.capture(t, h, k.frames)
			s.sound(t, file)
			var got, want []string
			for _, r := range s.fields(t, file, "parley.sealed && frame.packet_flags_direction==2", "parley.pn") {
				got = append(got, r[0]...)
			}
			for _, p := range k.sent[i] {
				want = append(want, fmt.Sprint(p.number))
			}
			if !slices.Equal(got, want) {
				t.Errorf("port %d, %s: packets %v shown, %v sent", port, h.Name(), got, want)
			}
			s.finds(t, file, "parley.type==5 && dtls.handshake.type==1", "parley.type==5 && dtls.handshake.type==2",
				"parley.type==5 && dtls.handshake.type==14", "parley.type==5 && dtls.record.content_type==20", "parley.type==1", "parley.type==2")
			s.lacks(t, file, "parley.type==5 && !dtls", "parley.type!=5 && dtls", "parley.frame.type", "udp && !parley")
		}
		a, _, frames := talkTCP(t, port, false, wire.Way{Delay: 5 * time.Millisecond})
		file := s.capture(t, a, frames)
		s.sound(t, file)
		s.finds(t, file, "tls.handshake.type==1", "tls.handshake.type==2", "tls.app_data")
		s.lacks(t, file, "parley", "tcp.len>0 && !tls && !tcp.segment_data")
	}
}

// TestDissectorRoom has a room, with all that nodes say to find it.
func TestDissectorRoom(t *testing.T) {
	s := newShark(t)
	for _, via := range []node.Transport{node.UDP, node.TCP} {
		p := Party{
			Members: 2, Each: 5, Every: 100 * time.Millisecond, Via: via, Recorder: wire.NewRecorder(t.Name()),
			Wire: wire.Config{Seed: 7, Way: wire.Way{Delay: time.Millisecond}},
		}
		heard, err := p.Run(wire.Test(t))
		if err != nil || !slices.Equal(heard, []int{10, 10}) {
			t.Fatal(heard, err)
		}
		frames, _ := p.Recorder.Frames()
		var host *wire.Host
		for _, f := range frames {
			if f.From.Name() == "host" {
				host = f.From
			}
		}
		file := s.capture(t, host, frames)
		s.sound(t, file)
		said := 0
		for _, r := range s.fields(t, file, `parley.room.type=="message" && !parley.room.seq`, "parley.room.type") {
			for _, kind := range r[0] {
				if kind == "message" {
					said++
				}
			}
		}
		if said != 10 {
			t.Errorf("%v: %d things said", via, said)
		}
		s.finds(t, file, `parley.room.type=="welcome" && json`, `parley.room.text=="5 of 5"`, "parley.room.seq==2",
			"parley.disc.kind==1", "parley.disc.kind==2", `parley.disc.kind==3 && parley.disc.room=="lab"`, "parley.disc.kind==4")
	}
}
