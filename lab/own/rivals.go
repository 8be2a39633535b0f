//go:build !nolab

package own

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"parley/lab/wire"
	"parley/udp"
)

// A rival is a transport to compare with. dial connects the two hosts and
// returns what each says with and hears with.
type rival struct {
	name string
	dial func(ctx context.Context, a, b *wire.Host) (ends [2]voice, stop func(), err error)
}

// voice is one end of a rival.
type voice struct {
	say  func(text string) error
	hear func() (text string, err error)
}

// rivals are bare UDP, TCP, and our own transport in plaintext.
var rivals = []rival{
	{"parley", dialOurs},
	{"TCP", dialTCP},
	{"bare UDP", dialBare},
}

func (r rival) play(l *lane, bubble wire.Bubble) (Score, error) {
	l.rival = true
	return l.hold(bubble, func(a, b *wire.Host) (func(), error) {
		ends, stop, err := r.dial(l.ctx, a, b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.name, err)
		}
		if late := l.now() - firstWord/2; late > 0 { // a connection takes what it takes; then they begin
			l.zero = l.zero.Add(late)
		}
		var talking, hearing sync.WaitGroup
		for i, h := range []*wire.Host{a, b} {
			name, v := h.Name(), ends[i]
			talking.Go(func() {
				for _, msg := range l.talk.of(name) {
					time.Sleep(l.said(msg) - l.now())
					if v.say(l.says(name, msg)) != nil {
						break
					}
				}
			})
			hearing.Go(func() {
				for {
					text, err := v.hear()
					if err != nil {
						return
					}
					l.shown(name, text)
				}
			})
		}
		return func() { stop(); talking.Wait(); hearing.Wait() }, nil
	})
}

// dialBare opens bare sockets.
func dialBare(ctx context.Context, a, b *wire.Host) (ends [2]voice, stop func(), err error) {
	var socks [2]net.PacketConn
	hosts := []*wire.Host{a, b}
	for i, h := range hosts {
		if socks[i], err = h.ListenPacket(ctx, "udp", fmt.Sprint(":", port)); err != nil {
			return ends, nil, err
		}
		to := &net.UDPAddr{IP: hosts[1-i].Addr().AsSlice(), Port: port}
		buf := make([]byte, maxDatagram)
		ends[i] = voice{
			func(text string) error { _, err := socks[i].WriteTo([]byte(text), to); return err },
			func() (string, error) { n, _, err := socks[i].ReadFrom(buf); return string(buf[:n]), err },
		}
	}
	return ends, func() { socks[0].Close(); socks[1].Close() }, nil
}

// dialTCP connects by TCP. Each text has its length before it.
func dialTCP(ctx context.Context, a, b *wire.Host) (ends [2]voice, stop func(), err error) {
	ln, err := b.Listen(ctx, "tcp", fmt.Sprint(":", port))
	if err != nil {
		return ends, nil, err
	}
	defer ln.Close()
	var conns [2]net.Conn
	if conns[0], err = a.DialContext(ctx, "tcp", fmt.Sprint("B:", port)); err != nil {
		return ends, nil, err
	}
	if conns[1], err = ln.Accept(); err != nil {
		return ends, nil, err
	}
	for i, c := range conns {
		ends[i] = voice{
			func(text string) error {
				_, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(text))), text...))
				return err
			},
			func() (string, error) {
				var size [2]byte
				if _, err := io.ReadFull(c, size[:]); err != nil {
					return "", err
				}
				text := make([]byte, binary.BigEndian.Uint16(size[:]))
				_, err := io.ReadFull(c, text)
				return string(text), err
			},
		}
	}
	return ends, func() { conns[0].Close(); conns[1].Close() }, nil
}

// dialOurs connects by our own transport: in plaintext, because what is
// encrypted does not repeat itself.
func dialOurs(ctx context.Context, a, b *wire.Host) (ends [2]voice, stop func(), err error) {
	var points [2]*udp.Endpoint
	for i, h := range []*wire.Host{a, b} {
		s, err := h.ListenPacket(ctx, "udp", netip.AddrPortFrom(h.Addr(), port).String())
		if err != nil {
			return ends, nil, err
		}
		points[i] = &udp.Endpoint{Socket: s, Plaintext: true}
	}
	close := func() { points[0].Close(); points[1].Close() }
	type accepted struct {
		voice
		err error
	}
	came := make(chan accepted, 1)
	go func() {
		c, err := points[1].Accept(ctx)
		if err != nil {
			came <- accepted{err: err}
			return
		}
		came <- accepted{voice{func(text string) error { return c.Send(ctx, []byte(text)) },
			func() (string, error) { text, err := c.Receive(ctx); return string(text), err }}, nil}
	}()
	a.Pause(firstWord / 4)
	c, err := points[0].Dial(ctx, netip.AddrPortFrom(b.Addr(), port))
	if err != nil {
		close()
		<-came
		return ends, nil, err
	}
	ends[0] = voice{func(text string) error { return c.Send(ctx, []byte(text)) },
		func() (string, error) { text, err := c.Receive(ctx); return string(text), err }}
	other := <-came
	ends[1] = other.voice
	return ends, close, other.err
}
