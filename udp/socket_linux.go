package udp

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tune asks for what Linux can do besides: joined reads (UDP_GRO), split
// writes (UDP_SEGMENT), and no fragmentation by routers or by ourselves.
func (s *fastSocket) tune() {
	raw, err := s.udp.SyscallConn()
	if err != nil {
		return
	}
	s.raw = &rawSocket{conn: raw, readSize: 2 << 10, six: s.udp.LocalAddr().(*net.UDPAddr).IP.To4() == nil}
	s.raw.writers.New = func() any { return newRawWriter() }
	raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_GRO, 1) == nil {
			s.raw.readSize = 64 << 10
		}
		_, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT)
		s.split.Store(err == nil)
		unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
		unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE)
	})
}

// atOnce is how many datagrams, or joined ones, are read in a call.
const atOnce = 32

// rawReader is what reading takes.
type rawReader struct {
	heads   [atOnce]mmsghdr
	vectors [atOnce]unix.Iovec
	names   [atOnce]unix.RawSockaddrInet6
	control [atOnce][64]byte
	bufs    [atOnce][]byte
	got     [atOnce]received
}

// mmsghdr is the system's struct mmsghdr.
type mmsghdr struct {
	unix.Msghdr
	n uint32
}

func newRawReader(size int) *rawReader {
	r := &rawReader{}
	for i := range r.heads {
		r.bufs[i] = make([]byte, size)
		r.vectors[i].Base = &r.bufs[i][0]
		r.vectors[i].SetLen(size)
		r.heads[i].Iov = &r.vectors[i]
		r.heads[i].SetIovlen(1)
		r.heads[i].Name = (*byte)(unsafe.Pointer(&r.names[i]))
		r.heads[i].Control = &r.control[i][0]
	}
	return r
}

// readMany gives all there is, and waits for more without asking once more
// whether there is any: what comes after the last look ends the wait.
func (s *fastSocket) readMany(give func([]received) bool) (err error) {
	r := newRawReader(s.raw.readSize)
	failed := s.raw.conn.Read(func(fd uintptr) (done bool) {
		for {
			var some []received
			var all bool
			if some, all, err = r.read(fd); err == unix.EAGAIN {
				err = nil
				return false
			}
			if err != nil || !give(some) {
				return true
			}
			if all {
				return false
			}
		}
	})
	if failed != nil {
		err = failed
	}
	return err
}

// read returns what is there, but for empty datagrams, and whether that is all.
func (r *rawReader) read(fd uintptr) (some []received, all bool, err error) {
	for i := range r.heads {
		r.heads[i].Namelen = unix.SizeofSockaddrInet6
		r.heads[i].SetControllen(len(r.control[i]))
	}
	got, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&r.heads)), atOnce, unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return nil, false, errno
	}
	n := 0
	for i := range int(got) {
		h := &r.heads[i]
		if h.n == 0 {
			continue
		}
		size := segmentSize(r.control[i][:h.Controllen])
		if size == 0 {
			size = int(h.n)
		}
		r.got[n] = received{r.bufs[i][:h.n], size, r.from(i)}
		n++
	}
	return r.got[:n], got < atOnce, nil
}

// segmentSize is how long the datagrams were that the system joined, or 0.
func segmentSize(control []byte) int {
	for len(control) >= unix.SizeofCmsghdr {
		h, data, rest, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			break
		}
		if h.Level == unix.IPPROTO_UDP && h.Type == unix.UDP_GRO && len(data) >= 4 {
			return int(binary.NativeEndian.Uint32(data))
		}
		control = rest
	}
	return 0
}

// from is who sent the i-th datagram.
func (r *rawReader) from(i int) netip.AddrPort {
	six := &r.names[i]
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&six.Port))[:])
	if six.Family == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(six)).Addr), port)
	}
	addr := netip.AddrFrom16(six.Addr).Unmap()
	if six.Scope_id != 0 {
		addr = addr.WithZone(zoneName(six.Scope_id))
	}
	return netip.AddrPortFrom(addr, port)
}

// rawSocket reads and writes past package net, which reads one datagram in a
// call and waits where the system's buffer for writing is full. That happens: packets to an address at which nobody answers stay in it
// for seconds.
type rawSocket struct {
	conn     syscall.RawConn
	six      bool // an IPv6 socket; IPv4 addresses are mapped
	readSize int  // how much may come at once
	writers  sync.Pool
}

// rawWriter is what writing takes besides the datagrams. It is kept, since as
// local variables all of it would be allocated each time.
type rawWriter struct {
	heads   [atOnce]mmsghdr
	vectors [atOnce]unix.Iovec
	names   [atOnce]unix.RawSockaddrInet6
	control [atOnce][24]byte
	errs    [atOnce]syscall.Errno
	n       int
	write   func(fd uintptr)
}

func newRawWriter() *rawWriter {
	w := &rawWriter{}
	for i := range w.heads {
		w.heads[i].Iov = &w.vectors[i]
		w.heads[i].SetIovlen(1)
		w.heads[i].Name = (*byte)(unsafe.Pointer(&w.names[i]))
	}
	w.write = func(fd uintptr) {
		for at := 0; at < w.n; {
			sent, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&w.heads[at])), uintptr(w.n-at), unix.MSG_DONTWAIT, 0, 0)
			if errno != 0 { // of the first of them: the others are tried again
				w.errs[at], sent = errno, 1
			}
			at += int(sent)
		}
	}
	return w
}

// put makes t the i-th to be written.
func (w *rawWriter) put(i int, t *train, six bool) error {
	addr, h, name := t.addr.Addr().Unmap(), &w.heads[i], &w.names[i]
	switch {
	case six:
		name.Family, name.Addr, name.Scope_id = unix.AF_INET6, addr.As16(), zoneIndex(addr.Zone())
		h.Namelen = unix.SizeofSockaddrInet6
	case addr.Is4():
		four := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		four.Family, four.Addr = unix.AF_INET, addr.As4()
		h.Namelen = unix.SizeofSockaddrInet4
	default:
		return unix.EAFNOSUPPORT
	}
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&name.Port))[:], t.addr.Port()) // at the same place in both
	w.vectors[i].Base = unsafe.SliceData(t.b)
	w.vectors[i].SetLen(len(t.b))
	h.Control = nil
	h.SetControllen(0)
	if len(t.b) > t.size {
		b := segments(w.control[i][:], t.size)
		h.Control = &b[0]
		h.SetControllen(len(b))
	}
	w.errs[i] = 0
	return nil
}

// writeNow sends trains, and notes what became of each. Those that the system or an
// interface does not cut are sent in pieces.
func (s *fastSocket) writeNow(trains []train) {
	w := s.raw.writers.Get().(*rawWriter)
	defer s.raw.writers.Put(w)
	for len(trains) > 0 {
		some := trains[:min(len(trains), atOnce)]
		trains = trains[len(some):]
		w.n = 0
		for i := range some {
			if some[i].err = w.put(w.n, &some[i], s.raw.six); some[i].err == nil {
				w.n++
			}
		}
		closed := s.raw.conn.Control(w.write) // not Write, which lets in one at a time
		n := 0
		for i := range some {
			t := &some[i]
			if t.err != nil {
				continue
			}
			errno := w.errs[n]
			w.vectors[n].Base = nil
			n++
			switch {
			case closed != nil:
				t.err = closed
			case len(t.b) > t.size && (errno == unix.EIO || errno == unix.EINVAL || errno == unix.EMSGSIZE):
				s.split.Store(false)
				s.writePieces(t)
			case errno != 0:
				t.err = errno
			}
		}
	}
}

// writePieces sends the datagrams of a train one by one. One that was taken is
// enough.
func (s *fastSocket) writePieces(t *train) {
	for b := t.b; len(b) > 0; {
		one := [...]train{{b: b[:min(t.size, len(b))], size: t.size, addr: t.addr}}
		s.writeNow(one[:])
		if len(b) == len(t.b) || !refusal(one[0].err) {
			t.err = one[0].err
		}
		b = b[len(one[0].b):]
	}
}

// segments writes the control message that has what is sent cut into size bytes.
func segments(b []byte, size int) []byte {
	h := b[:unix.CmsgSpace(2)]
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
	return h
}

// zoneIndex is the number of an interface.
func zoneIndex(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n)
	}
	if i, ok := zones.Load(zone); ok && time.Since(i.(zoneEntry).at) < zoneLife {
		return i.(zoneEntry).index
	}
	i, err := net.InterfaceByName(zone)
	if err != nil {
		return 0
	}
	zones.Store(zone, zoneEntry{uint32(i.Index), time.Now()})
	return uint32(i.Index)
}

// zoneName is the name of an interface.
func zoneName(index uint32) string {
	if name, ok := zoneNames.Load(index); ok && time.Since(name.(zoneNameEntry).at) < zoneLife {
		return name.(zoneNameEntry).name
	}
	name := strconv.FormatUint(uint64(index), 10)
	if i, err := net.InterfaceByIndex(int(index)); err == nil {
		name = i.Name
	}
	zoneNames.Store(index, zoneNameEntry{name, time.Now()})
	return name
}

// zoneLife is how long an interface's number is remembered: asking takes the
// system longer than sending.
const zoneLife = 2 * time.Second

type zoneEntry struct {
	index uint32
	at    time.Time
}

type zoneNameEntry struct {
	name string
	at   time.Time
}

var (
	zones     sync.Map // of zoneEntry by name
	zoneNames sync.Map // of zoneNameEntry by index
)

// crowded tells whether packets that cannot leave fill half the send buffer:
// the other half is for those we know.
func (s *fastSocket) crowded() (full bool) {
	if s.raw == nil {
		return false
	}
	s.raw.conn.Control(func(fd uintptr) {
		size, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF)
		waiting, err2 := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
		full = err == nil && err2 == nil && waiting > size/2
	})
	return full
}
