package udp

import (
	"context"
	"crypto/rand"
	"net"
	"time"

	"parley/transport"
)

// probeEvery is how often Probe asks again.
const probeEvery = 300 * time.Millisecond

// Probe asks whoever c is connected to whether it speaks this protocol, until
// it answers or ctx ends. An answer proves that datagrams pass both ways, full
// ones from here. It is nil for one that would go on, and a
// [transport.RefusedError] for one that would not. Other errors are the
// system's, such as that the computer is there and the port is closed.
func Probe(ctx context.Context, c net.Conn, plaintext bool) error {
	h := hello{version: protocolVersion, mode: modeSecure, id: randUint64(rand.Reader)}
	if plaintext {
		h.mode = modePlaintext
	}
	out, in := appendHello(nil, h), make([]byte, helloSize+1)
	defer context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Now()) })()
	for ctx.Err() == nil {
		if _, err := c.Write(out); err != nil {
			return err
		}
		c.SetReadDeadline(time.Now().Add(probeEvery))
		for ctx.Err() == nil {
			n, err := c.Read(in)
			if e, ok := err.(net.Error); ok && e.Timeout() {
				break
			}
			if err != nil {
				return err
			}
			if answered, err := answerTo(h.id, in[:n]); answered {
				return err
			}
		}
	}
	return ctx.Err()
}

// answerTo reads what may be the answer to a HELLO.
func answerTo(id uint64, b []byte) (answered bool, err error) {
	if to, _, ok := parseRetry(b); ok && to == id {
		return true, nil
	}
	if to, why, ok := parseRefuse(b); ok && to == id {
		return true, &transport.RefusedError{Reason: why}
	}
	return false, nil
}
