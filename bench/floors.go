package main

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"flag"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func init() { commands["floors"] = command{"what the system itself can do", floors} }

const (
	messageSize = 200
	perDatagram = 7 // messages that fit beside a header
	headSize    = 8 // the datagram's number
	tagSize     = 16
	floorBuffer = 4 << 20 // of a socket
)

// floors measures bare datagrams: what no protocol above them can beat.
func floors(args []string) error {
	if ran, err := asPart(args); ran {
		return err
	}
	f := flag.NewFlagSet("floors", flag.ContinueOnError)
	short := f.Bool("short", false, "a look: one second a cell")
	rounds := f.Int("rounds", 0, "how often each cell is measured; none: 3 times, or once with -short")
	only := f.String("only", "flood,fanout", "which workloads")
	if err := f.Parse(args); err != nil {
		return err
	}
	length := 2 * time.Second
	if *short {
		length = time.Second
	}
	*rounds = roundsOf(*rounds, *short)
	var failed error
	if strings.Contains(*only, "flood") {
		failed = errors.Join(failed, floodFloors(os.Stdout, *rounds, length))
	}
	if strings.Contains(*only, "fanout") {
		failed = errors.Join(failed, fanFloors(os.Stdout, *rounds, length))
	}
	return failed
}

// sealer puts datagrams together: a number, messages, and a tag if they are
// sealed.
type sealer struct{ aead cipher.AEAD }

func newSealer(sealed bool) (s sealer) {
	if sealed {
		block, err := aes.NewCipher(make([]byte, 16))
		if err == nil {
			s.aead, _ = cipher.NewGCM(block)
		}
	}
	return s
}

// size is how long a datagram with n messages is.
func (s sealer) size(n int) int {
	size := headSize + n*messageSize
	if s.aead != nil {
		size += tagSize
	}
	return size
}

// seal appends a datagram of messages.
func (s sealer) seal(dst []byte, number uint64, messages []byte) []byte {
	head := len(dst)
	dst = binary.BigEndian.AppendUint64(dst, number)
	if s.aead == nil {
		return append(dst, messages...)
	}
	var nonce [12]byte
	copy(nonce[4:], dst[head:])
	return s.aead.Seal(dst, nonce[:], messages, dst[head:])
}

// open returns a datagram's number and messages; ok is false if it is not whole.
func (s sealer) open(d []byte) (number uint64, messages []byte, ok bool) {
	if len(d) < headSize {
		return 0, nil, false
	}
	number = binary.BigEndian.Uint64(d)
	if s.aead == nil {
		return number, d[headSize:], true
	}
	var nonce [12]byte
	copy(nonce[4:], d[:headSize])
	messages, err := s.aead.Open(d[headSize:headSize], nonce[:], d[headSize:], d[:headSize])
	return number, messages, err == nil
}

// setSegments has the kernel cut what is written into datagrams of size bytes,
// and setJoined has it hand over what came together in one read.
func setSegments(u *net.UDPConn, size int) error { return setUDP(u, unix.UDP_SEGMENT, size) }
func setJoined(u *net.UDPConn) error             { return setUDP(u, unix.UDP_GRO, 1) }

func setUDP(u *net.UDPConn, option, value int) error {
	u.SetReadBuffer(floorBuffer)
	u.SetWriteBuffer(floorBuffer)
	raw, err := u.SyscallConn()
	if err != nil {
		return err
	}
	var bad error
	err = raw.Control(func(fd uintptr) { bad = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, option, value) })
	return errors.Join(err, bad)
}

// joined tells from the control message of a read how long each datagram in it
// is, or n if it came alone.
func joined(control []byte, n int) int {
	const at = unix.SizeofCmsghdr
	if len(control) >= at+4 && binary.NativeEndian.Uint32(control[at-4:]) == unix.UDP_GRO {
		return int(binary.NativeEndian.Uint32(control[at:]))
	}
	return max(n, 1)
}

// refused tells an error that a datagram socket outlives.
func refused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, os.ErrDeadlineExceeded)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// roundsOf is how often to measure where that was not said.
func roundsOf(said int, short bool) int {
	switch {
	case said > 0:
		return said
	case short:
		return 1
	}
	return 3
}
