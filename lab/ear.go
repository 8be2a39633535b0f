//go:build !nolab

package lab

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
)

// An ear is where B hears numbered messages: a datagram socket, or one
// connection.
type ear struct {
	packets *PacketConn
	ln      *Listener

	mu   sync.Mutex
	conn *Conn
}

// listen opens B's port 7.
func (l *Lane) listen(network string) (e *ear, err error) {
	e = &ear{}
	if network == "udp" {
		e.packets, err = l.B.Packet(":7")
	} else {
		e.ln, err = l.B.Listen(":7")
	}
	return e, err
}

// read reads messages until the ear is closed. Reads are large: what has come
// is taken in one gulp.
func (e *ear) read(each func(msg int)) {
	buf := make([]byte, 64<<10)
	if e.packets != nil {
		for {
			n, err := e.packets.Read(buf)
			if err != nil {
				return
			}
			if n >= 4 {
				each(int(binary.BigEndian.Uint32(buf)))
			}
		}
	}
	c, err := e.ln.AcceptConn()
	if err != nil {
		return
	}
	e.mu.Lock()
	e.conn = c
	e.mu.Unlock()
	defer c.Close()
	var rest []byte
	for {
		n, err := c.Read(buf)
		for rest = append(rest, buf[:n]...); len(rest) >= messageSize; rest = rest[messageSize:] {
			each(int(binary.BigEndian.Uint32(rest)))
		}
		if err != nil {
			return
		}
	}
}

// close ends it, whatever the other side does.
func (e *ear) close() {
	var first, second io.Closer = e.packets, nil
	if e.packets == nil {
		first = e.ln
		e.mu.Lock()
		if e.conn != nil {
			second = e.conn.Conn
		}
		e.mu.Unlock()
	}
	first.Close()
	if second != nil {
		second.Close()
	}
}

// connect gives A a way to B's port 7: its socket, B's, and what ends B's. It
// returns nils if there is none.
func (l *Lane) connect(network string) (a, b *Conn, end func()) {
	if network == "udp" {
		in, err := l.B.Packet(":7")
		if err != nil {
			return nil, nil, nil
		}
		c, err := l.A.Dial("udp", "B:7")
		if err != nil {
			in.Close()
			return nil, nil, nil
		}
		return c, &Conn{Conn: readFrom{in.PacketConn}, host: l.B}, func() { in.Close() }
	}
	ln, err := l.B.Listen(":7")
	if err != nil {
		return nil, nil, nil
	}
	got := make(chan *Conn, 1)
	go func() {
		c, _ := ln.acceptSoon()
		got <- c
	}()
	c, err := l.A.Dial("tcp", "B:7")
	if err != nil {
		ln.Close()
		<-got
		return nil, nil, nil
	}
	in := <-got
	if in == nil {
		c.Close()
		ln.Close()
		return nil, nil, nil
	}
	return c, in, func() { in.Close(); ln.Close() }
}

// readFrom is a datagram socket as a net.Conn that is read only.
type readFrom struct{ net.PacketConn }

func (r readFrom) Read(p []byte) (int, error) {
	n, _, err := r.ReadFrom(p)
	return n, err
}

func (r readFrom) Write([]byte) (int, error) { return 0, errors.ErrUnsupported }
func (r readFrom) RemoteAddr() net.Addr      { return nil }
