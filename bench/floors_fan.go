package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

const (
	fanAddr   = "127.0.0.1:7098"
	fanAhead  = 32 // messages under way
	fanAtOnce = 64 // members a call, where a call can be for several
)

func init() {
	parts["floor-host"] = floorHost
	parts["floor-crowd"] = floorCrowd
}

// floorMember is where a member is, and what seals for it.
type floorMember struct {
	at     *net.UDPAddr
	port   netip.AddrPort
	seal   sealer
	number uint64
}

// floorHost passes on to every member what the sender says: as many messages in a
// datagram as fit, and all of a round in one call a member, or for several.
func floorHost(args []string) error {
	addr := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(fanAddr))
	u, err := net.ListenUDP("udp4", addr)
	if err != nil {
		return err
	}
	if err := setJoined(u); err != nil {
		return err
	}
	var sent atomic.Int64
	go func() {
		sealed, several := args[0] == "yes", args[1] == "yes"
		h := &floorSpeaker{u: u, pc: ipv4.NewPacketConn(u), several: several}
		in := make([]ipv4.Message, 2*fanAhead)
		for i := range in {
			in[i].Buffers = [][]byte{make([]byte, 2*fanAhead*messageSize)}
		}
		var messages []byte
		for {
			k, err := h.pc.ReadBatch(in, 0) // all that waits
			if err != nil {
				return
			}
			messages = messages[:0]
			for _, m := range in[:k] {
				b, from := m.Buffers[0][:m.N], m.Addr.(*net.UDPAddr)
				if len(b) > 1 { // some messages
					messages = append(messages, b...)
					continue
				}
				h.members = append(h.members, &floorMember{at: from, port: from.AddrPort(), seal: newSealer(sealed)})
				u.WriteToUDP(b, from)
			}
			h.speak(messages)
			sent.Add(int64(len(messages) / messageSize * len(h.members)))
		}
	}()
	return obey(map[string]func() figures{"look": func() figures {
		return figures{"sent": float64(sent.Load()), "cpu": spent(), "rss": held("VmRSS")}
	}})
}

// floorSpeaker writes the same to all members.
type floorSpeaker struct {
	u       *net.UDPConn
	pc      *ipv4.PacketConn
	several bool
	members []*floorMember
	out     []ipv4.Message
	buf     []byte
}

// speak sends messages to every member.
func (h *floorSpeaker) speak(messages []byte) {
	if len(messages) == 0 {
		return
	}
	h.out, h.buf = h.out[:0], h.buf[:0]
	if h.buf == nil {
		h.buf = make([]byte, 0, 4<<20) // never grows: what was gathered points into it
	}
	for _, m := range h.members {
		begin := len(h.buf)
		for rest := messages; len(rest) > 0; {
			k := min(perDatagram*messageSize, len(rest))
			h.buf = m.seal.seal(h.buf, m.number, rest[:k])
			m.number++
			rest = rest[k:]
		}
		train := h.buf[begin:]
		size := m.seal.size(perDatagram)
		if !h.several {
			h.u.WriteMsgUDPAddrPort(train, segmentsOf(size, len(train)), m.port)
			h.buf = h.buf[:0]
			continue
		}
		h.out = append(h.out, ipv4.Message{Buffers: [][]byte{train}, OOB: segmentsOf(size, len(train)), Addr: m.at})
		if len(h.out) == fanAtOnce {
			h.flush()
		}
	}
	h.flush()
}

func (h *floorSpeaker) flush() {
	for out := h.out; len(out) > 0; {
		n, err := h.pc.WriteBatch(out, 0)
		if err != nil {
			break
		}
		out = out[n:]
	}
	h.out, h.buf = h.out[:0], h.buf[:0]
}

var segmentControl sync.Map // by size: the control messages are always the same

// segmentsOf is the control message that has n bytes cut into datagrams of size.
func segmentsOf(size, n int) []byte {
	if n <= size {
		return nil
	}
	if b, ok := segmentControl.Load(size); ok {
		return b.([]byte)
	}
	b := make([]byte, unix.CmsgSpace(2))
	const at = unix.SizeofCmsghdr
	binary.NativeEndian.PutUint64(b, uint64(unix.CmsgLen(2)))
	binary.NativeEndian.PutUint32(b[at-8:], unix.IPPROTO_UDP)
	binary.NativeEndian.PutUint32(b[at-4:], unix.UDP_SEGMENT)
	binary.NativeEndian.PutUint16(b[at:], uint16(size))
	segmentControl.Store(size, b)
	return b
}

// floorCrowd is all the members, each with a socket of its own, and the sender,
// who keeps fanAhead messages under way.
func floorCrowd(args []string) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	to := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(fanAddr))
	var got atomic.Int64
	for range n {
		u, err := net.DialUDP("udp4", nil, to)
		if err != nil {
			return err
		}
		if err := setJoined(u); err != nil {
			return err
		}
		var b [1]byte
		u.SetReadDeadline(time.Now().Add(time.Second))
		u.Write(b[:])
		if _, err := u.Read(b[:]); err != nil {
			return err
		}
		u.SetReadDeadline(time.Time{})
		go hearFloor(u, newSealer(args[1] == "yes"), &got)
	}
	u, err := net.DialUDP("udp4", nil, to)
	if err != nil {
		return err
	}
	if err := setSegments(u, messageSize); err != nil {
		return err
	}
	var lost atomic.Int64
	go pour(n, time.Now().Add(time.Hour), &got, &lost, func(messages int) { u.Write(make([]byte, messages*messageSize)) })
	return obey(map[string]func() figures{"look": func() figures {
		return figures{"got": float64(got.Load()), "lost": float64(lost.Load()), "cpu": spent()}
	}})
}

func hearFloor(u *net.UDPConn, s sealer, got *atomic.Int64) {
	b, control := make([]byte, 1<<16), make([]byte, 64)
	for {
		n, nc, _, _, err := u.ReadMsgUDPAddrPort(b, control)
		if err != nil {
			return
		}
		size := joined(control[:nc], n)
		for d := b[:n]; len(d) > 0; {
			k := min(size, len(d))
			if _, body, ok := s.open(d[:k]); ok {
				got.Add(int64(len(body) / messageSize))
			}
			d = d[k:]
		}
	}
}

// pour keeps fanAhead messages to n members under way. What does not come for a
// tenth of a second is lost.
func pour(n int, end time.Time, got, lost *atomic.Int64, post func(messages int)) {
	posted, seen, moved := int64(0), int64(0), time.Now()
	for time.Now().Before(end) {
		now := got.Load()
		if now != seen {
			seen, moved = now, time.Now()
		}
		if room := fanAhead - (posted*int64(n)-now-lost.Load()+int64(n)-1)/int64(n); room > 0 {
			post(int(room))
			posted += room
			continue
		}
		if time.Since(moved) > 100*time.Millisecond {
			lost.Store(posted*int64(n) - now)
			moved = time.Now()
		}
		time.Sleep(50 * time.Microsecond)
	}
}

// fanFloors prints what one host can get to many members.
func fanFloors(w io.Writer, rounds int, length time.Duration) error {
	type variant struct {
		members         int
		sealed, several bool
	}
	var variants []variant
	for _, n := range []int{100, 500} {
		for _, sealed := range []bool{false, true} {
			for _, several := range []bool{false, true} {
				variants = append(variants, variant{n, sealed, several})
			}
		}
	}
	var cells []cell
	for _, v := range variants {
		cells = append(cells, cell{fmt.Sprint("fanout ", v), func() (figures, error) {
			return fanFloor(v.members, yes(v.sealed), yes(v.several), length)
		}})
	}
	got, err := measureAll(cells, rounds)
	var rows [][]string
	for i, v := range variants {
		f := got[cells[i].name]
		rows = append(rows, []string{strconv.Itoa(v.members), yes(v.sealed), yes(v.several), digits(f["rate"]), digits(f["host"]), digits(f["crowd"]),
			digits(f["host"] + f["crowd"]), digits(f["lost"]), digits(f["others"])})
	}
	writeTable(w, fmt.Sprintf("Bare UDP from one socket to many on loopback, %d messages under way, %v, median of %d", fanAhead, length, rounds),
		[]string{"members", "AES-GCM", "sendmmsg", "k deliveries/s", "host CPU s/M", "members CPU s/M", "both", "lost %", "others, cores"}, rows)
	return err
}

func fanFloor(members int, sealed, several string, length time.Duration) (figures, error) {
	host, err := call("", "floor-host", sealed, several)
	if err != nil {
		return nil, err
	}
	defer host.dismiss()
	crowd, err := call("", "floor-crowd", strconv.Itoa(members), sealed)
	if err != nil {
		return nil, err
	}
	defer crowd.dismiss()
	time.Sleep(200 * time.Millisecond)
	d, err := during(length, host, crowd)
	if err != nil {
		return nil, err
	}
	got := d["1 got"]
	return figures{
		"rate": got / d["time"] / 1000, "host": d["0 cpu"] / got * 1e6, "crowd": d["1 cpu"] / got * 1e6,
		"lost": 100 * d["1 lost"] / (got + d["1 lost"]), "others": (d["worked"] - d["0 cpu"] - d["1 cpu"]) / d["time"],
	}, nil
}
