package udp

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"
)

// tune asks for what Linux can do besides: joined reads (UDP_GRO), split
// writes (UDP_SEGMENT), and no fragmentation by routers or by ourselves.
func (s *fastSocket) tune() {
	raw, err := s.udp.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) {
		s.joined = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_GRO, 1) == nil
		_, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT)
		s.split = err == nil
		unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
		unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE)
	})
}

func (s *fastSocket) readJoined(b []byte) (n, size int, from netip.AddrPort, err error) {
	var control [64]byte
	n, nc, _, from, err := s.udp.ReadMsgUDPAddrPort(b, control[:])
	for rest := control[:nc]; err == nil && len(rest) >= unix.SizeofCmsghdr; {
		h, data, more, bad := unix.ParseOneSocketControlMessage(rest)
		if bad != nil {
			break
		}
		if h.Level == unix.IPPROTO_UDP && h.Type == unix.UDP_GRO && len(data) >= 4 {
			size = int(binary.NativeEndian.Uint32(data))
		}
		rest = more
	}
	return n, size, from, err
}

// writeSegments sends b as datagrams of size bytes, the last of what remains,
// in one call. It returns false where that cannot be and nothing was sent.
func (s *fastSocket) writeSegments(b []byte, size int, to netip.AddrPort) bool {
	if !s.split {
		return false
	}
	var control [32]byte
	h := control[:unix.CmsgSpace(2)]
	// A cmsghdr: the length in a machine word, then level and type.
	if unix.SizeofCmsghdr == 16 {
		binary.NativeEndian.PutUint64(h, uint64(unix.CmsgLen(2)))
	} else {
		binary.NativeEndian.PutUint32(h, uint32(unix.CmsgLen(2)))
	}
	at := unix.SizeofCmsghdr - 8
	binary.NativeEndian.PutUint32(h[at:], unix.IPPROTO_UDP)
	binary.NativeEndian.PutUint32(h[at+4:], unix.UDP_SEGMENT)
	binary.NativeEndian.PutUint16(h[unix.CmsgLen(0):], uint16(size))
	_, _, err := s.udp.WriteMsgUDPAddrPort(b, h, to)
	if errors.Is(err, unix.EIO) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EMSGSIZE) {
		s.split = false // this interface, or this system, does not
		return false
	}
	return true
}
