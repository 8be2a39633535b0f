package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/quic-go/quic-go"
	"golang.org/x/sys/unix"

	"parley/tcp"
	"parley/transport"
	"parley/udp"
)

// A talker carries whole messages to one peer and back. One goroutine says, one
// hears.
type talker interface {
	say(messages [][]byte) error // in one go, where that can be
	hear() ([]byte, error)       // valid until the next
}

// A carrier is a way to get talkers. The one that dials speaks first.
type carrier struct {
	name     string
	reliable bool
	listen   func(addr string) (accept func() (talker, error), err error)
	dial     func(addr string) (talker, error)
}

// carrierList has ours first.
var carrierList = []carrier{
	{"parley-udp", true, listenUDP, dialUDP},
	{"parley-tcp", true, listenTCP, dialTCP},
	{"TCP", true, listenStream(nil), dialStream(nil)},
	{"TLS", true, listenStream(certified), dialStream(trusting)},
	{"QUIC", true, listenQUIC, dialQUIC},
	{"raw", false, listenRaw, dialRaw},
}

func carrierOf(name string) (carrier, error) {
	for _, c := range carrierList {
		if c.name == name {
			return c, nil
		}
	}
	return carrier{}, fmt.Errorf("no carrier %q", name)
}

// ours is a Conn of parley's as a talker.
type ours struct {
	conn  transport.Conn
	batch transport.Batcher
}

func ourOwn(c transport.Conn, err error) (talker, error) {
	if err != nil {
		return nil, err
	}
	b, ok := c.(transport.Batcher)
	if !ok {
		return nil, fmt.Errorf("%T sends no batches", c)
	}
	return &ours{c, b}, nil
}

func (o *ours) say(messages [][]byte) error {
	if len(messages) == 1 {
		return o.conn.Send(context.Background(), messages[0])
	}
	return o.batch.SendBatch(context.Background(), messages)
}

func (o *ours) hear() ([]byte, error) { return o.conn.Receive(context.Background()) }

func listenUDP(addr string) (func() (talker, error), error) {
	pc, err := net.ListenPacket("udp4", addr)
	if err != nil {
		return nil, err
	}
	e := &udp.Endpoint{Socket: pc}
	return func() (talker, error) { return ourOwn(e.Accept(context.Background())) }, nil
}

func dialUDP(addr string) (talker, error) {
	pc, err := net.ListenPacket("udp4", ":0")
	if err != nil {
		return nil, err
	}
	e := &udp.Endpoint{Socket: pc}
	return ourOwn(e.Dial(context.Background(), netip.MustParseAddrPort(addr)))
}

// cubic has a stream controlled as most are, whatever is usual on this machine.
func cubic(_, _ string, raw syscall.RawConn) (err error) {
	bad := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, "cubic")
	})
	if err == nil {
		err = bad
	}
	return err
}

var (
	streamListener = net.ListenConfig{Control: cubic}
	streamDialer   = net.Dialer{Control: cubic}
)

func listenTCP(addr string) (func() (talker, error), error) {
	l, err := streamListener.Listen(context.Background(), "tcp4", addr)
	if err != nil {
		return nil, err
	}
	e := &tcp.Endpoint{Listener: l}
	return func() (talker, error) { return ourOwn(e.Accept(context.Background())) }, nil
}

func dialTCP(addr string) (talker, error) {
	e := &tcp.Endpoint{DialContext: streamDialer.DialContext}
	return ourOwn(e.Dial(context.Background(), netip.MustParseAddrPort(addr)))
}

// framed carries messages over a stream: each after its length, two bytes.
type framed struct {
	stream io.ReadWriter
	in     *bufio.Reader
	out    []byte
	got    []byte
}

func newFramed(stream io.ReadWriter) *framed {
	return &framed{stream: stream, in: bufio.NewReaderSize(stream, 32<<10), got: make([]byte, 4096)}
}

func (f *framed) say(messages [][]byte) error {
	f.out = f.out[:0]
	for _, m := range messages {
		f.out = binary.BigEndian.AppendUint16(f.out, uint16(len(m)))
		f.out = append(f.out, m...)
	}
	_, err := f.stream.Write(f.out)
	return err
}

func (f *framed) hear() ([]byte, error) {
	if _, err := io.ReadFull(f.in, f.got[:2]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(f.got))
	if n > len(f.got) {
		return nil, io.ErrShortBuffer
	}
	_, err := io.ReadFull(f.in, f.got[:n])
	return f.got[:n], err
}

// certified and trusting are the two sides of an encryption that proves nothing.
func certified() (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	paper := &x509.Certificate{SerialNumber: big.NewInt(7), NotAfter: time.Now().AddDate(0, 0, 2)}
	signed, err := x509.CreateCertificate(rand.Reader, paper, paper, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{signed}, PrivateKey: key}},
		MinVersion:   tls.VersionTLS13, NextProtos: []string{"bench"},
	}, nil
}

func trusting() (*tls.Config, error) {
	return &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, NextProtos: []string{"bench"}}, nil
}

func listenStream(config func() (*tls.Config, error)) func(string) (func() (talker, error), error) {
	return func(addr string) (func() (talker, error), error) {
		l, err := streamListener.Listen(context.Background(), "tcp4", addr)
		if err != nil {
			return nil, err
		}
		if config != nil {
			c, err := config()
			if err != nil {
				return nil, err
			}
			l = tls.NewListener(l, c)
		}
		return func() (talker, error) {
			c, err := l.Accept()
			if err != nil {
				return nil, err
			}
			return newFramed(c), nil
		}, nil
	}
}

func dialStream(config func() (*tls.Config, error)) func(string) (talker, error) {
	return func(addr string) (talker, error) {
		c, err := streamDialer.Dial("tcp4", addr)
		if err != nil || config == nil {
			return newFramed(c), err
		}
		settings, err := config()
		if err != nil {
			return nil, err
		}
		t := tls.Client(c, settings)
		return newFramed(t), t.Handshake()
	}
}

var quicSettings = &quic.Config{MaxIdleTimeout: time.Minute, HandshakeIdleTimeout: 20 * time.Second}

func listenQUIC(addr string) (func() (talker, error), error) {
	config, err := certified()
	if err != nil {
		return nil, err
	}
	l, err := quic.ListenAddr(addr, config, quicSettings)
	if err != nil {
		return nil, err
	}
	return func() (talker, error) {
		c, err := l.Accept(context.Background())
		if err != nil {
			return nil, err
		}
		s, err := c.AcceptStream(context.Background())
		if err != nil {
			return nil, err
		}
		return newFramed(s), nil
	}, nil
}

func dialQUIC(addr string) (talker, error) {
	config, err := trusting()
	if err != nil {
		return nil, err
	}
	c, err := quic.DialAddr(context.Background(), addr, config, quicSettings)
	if err != nil {
		return nil, err
	}
	s, err := c.OpenStreamSync(context.Background())
	if err != nil {
		return nil, err
	}
	return newFramed(s), nil
}

// bare sends each message as a datagram, and that is all.
type bare struct {
	socket *net.UDPConn
	to     netip.AddrPort // not valid: the socket is connected
	first  []byte
	buf    [4096]byte
}

func (b *bare) say(messages [][]byte) (err error) {
	for _, m := range messages {
		if b.to.IsValid() {
			_, err = b.socket.WriteToUDPAddrPort(m, b.to)
		} else {
			_, err = b.socket.Write(m)
		}
		if err != nil && !refused(err) {
			return err
		}
	}
	return nil
}

func (b *bare) hear() ([]byte, error) {
	if m := b.first; m != nil {
		b.first = nil
		return m, nil
	}
	n, _, err := b.socket.ReadFromUDPAddrPort(b.buf[:])
	return b.buf[:n], err
}

// listenRaw accepts one peer, the first that says something.
func listenRaw(addr string) (func() (talker, error), error) {
	a, err := net.ResolveUDPAddr("udp4", addr)
	if err != nil {
		return nil, err
	}
	u, err := net.ListenUDP("udp4", a)
	return func() (talker, error) {
		b := &bare{socket: u}
		n, from, err := u.ReadFromUDPAddrPort(b.buf[:])
		b.to, b.first = from, b.buf[:n]
		return b, err
	}, err
}

func dialRaw(addr string) (talker, error) {
	a, err := net.ResolveUDPAddr("udp4", addr)
	if err != nil {
		return nil, err
	}
	u, err := net.DialUDP("udp4", nil, a)
	return &bare{socket: u}, err
}
