package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	floorPort = ":7099"
	// floorWindow is how many datagrams may be under way where the receiver
	// says how far it is: what fits in its socket's buffer.
	floorWindow = 512
	creditEvery = 16 // datagrams
	creditLimit = 20 * time.Millisecond
)

func init() {
	parts["floor-receive"] = floorReceive
	parts["floor-send"] = floorSend
}

// floorReceive counts the messages that arrive, and tells the sender how far it
// is.
func floorReceive(args []string) error {
	addr, err := net.ResolveUDPAddr("udp4", args[0]+floorPort)
	if err != nil {
		return err
	}
	u, err := net.ListenUDP("udp4", addr)
	if err != nil {
		return err
	}
	if err := setJoined(u); err != nil {
		return err
	}
	var messages, calls atomic.Int64
	go func() {
		s := newSealer(args[1] == "yes")
		b, control := make([]byte, 1<<16), make([]byte, 64)
		var last, told uint64
		var credit [8]byte
		for {
			n, nc, _, from, err := u.ReadMsgUDPAddrPort(b, control)
			if err != nil {
				return
			}
			calls.Add(1)
			size := joined(control[:nc], n)
			for d := b[:n]; len(d) > 0; {
				k := min(size, len(d))
				if number, body, ok := s.open(d[:k]); ok {
					messages.Add(int64(len(body) / messageSize))
					last = max(last, number+1)
				}
				d = d[k:]
			}
			if last-told >= creditEvery {
				told = last
				binary.BigEndian.PutUint64(credit[:], last)
				u.WriteToUDPAddrPort(credit[:], from)
			}
		}
	}()
	return obey(map[string]func() figures{"look": func() figures {
		return figures{"messages": float64(messages.Load()), "calls": float64(calls.Load()), "cpu": spent()}
	}})
}

// floorSend sends trains of datagrams as fast as they go, or no further ahead of
// the receiver than floorWindow.
func floorSend(args []string) error {
	to, err := netip.ParseAddrPort(args[0] + floorPort)
	if err != nil {
		return err
	}
	s, free := newSealer(args[1] == "yes"), args[3] == "free"
	train, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	u, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return err
	}
	if err := setSegments(u, s.size(perDatagram)); err != nil {
		return err
	}
	var messages atomic.Int64
	go func() {
		body := make([]byte, perDatagram*messageSize)
		var b []byte
		var number, credit uint64
		for {
			if !free {
				credit = awaitCredit(u, number, credit)
			}
			b = b[:0]
			for range train {
				for i := 0; i < len(body); i += messageSize {
					binary.BigEndian.PutUint64(body[i:], number)
				}
				b = s.seal(b, number, body)
				number++
			}
			if _, err := u.Write(b); err == nil {
				messages.Add(int64(train * perDatagram))
			} else if !refused(err) {
				fmt.Println(err)
				return
			}
		}
	}()
	return obey(map[string]func() figures{"look": func() figures {
		return figures{"messages": float64(messages.Load()), "cpu": spent()}
	}})
}

// awaitCredit waits until the receiver is near. What it does not hear of for a
// while is lost.
func awaitCredit(u *net.UDPConn, number, credit uint64) uint64 {
	var b [8]byte
	for number-credit > floorWindow {
		u.SetReadDeadline(time.Now().Add(creditLimit))
		n, err := u.Read(b[:])
		if err != nil {
			return number
		}
		if n == len(b) {
			credit = max(credit, binary.BigEndian.Uint64(b[:]))
		}
	}
	return credit
}

// floodFloors prints what one sender can get to one receiver.
func floodFloors(w io.Writer, rounds int, length time.Duration) error {
	type variant struct {
		offload, sealed bool
		train           int
		pace            string
	}
	var variants []variant
	for _, offload := range []bool{false, true} {
		for _, sealed := range []bool{false, true} {
			for _, train := range []int{1, 8, 32} {
				variants = append(variants, variant{offload, sealed, train, "credit"})
			}
			variants = append(variants, variant{offload, sealed, 32, "free"})
		}
	}
	var cells []cell
	for _, v := range variants {
		cells = append(cells, cell{fmt.Sprint("flood ", v), func() (figures, error) {
			return floodFloor(v.offload, yes(v.sealed), strconv.Itoa(v.train), v.pace, length)
		}})
	}
	got, err := measureAll(cells, rounds)
	var rows [][]string
	for i, v := range variants {
		f := got[cells[i].name]
		rows = append(rows, []string{yes(v.offload), yes(v.sealed), strconv.Itoa(v.train), v.pace, digits(f["rate"]), digits(f["send"]),
			digits(f["receive"]), digits(f["send"] + f["receive"]), digits(f["joined"]), digits(f["lost"]), digits(f["others"])})
	}
	writeTable(w, fmt.Sprintf("Bare UDP from one namespace to another: %d messages of %d bytes a datagram, %v, median of %d", perDatagram, messageSize, length, rounds),
		[]string{"offload", "AES-GCM", "datagrams a call", "pace", "k msgs/s", "sender CPU s/M", "receiver CPU s/M", "both", "msgs a read", "lost %", "others, cores"}, rows)
	return err
}

func floodFloor(offload bool, sealed, train, pace string, length time.Duration) (figures, error) {
	net, err := newWire(offload)
	if err != nil {
		return nil, err
	}
	defer net.cut()
	r, err := call(net.far, "floor-receive", farIP, sealed)
	if err != nil {
		return nil, err
	}
	defer r.dismiss()
	s, err := call(net.near, "floor-send", farIP, sealed, train, pace)
	if err != nil {
		return nil, err
	}
	defer s.dismiss()
	time.Sleep(200 * time.Millisecond)
	d, err := during(length, s, r)
	if err != nil {
		return nil, err
	}
	got := d["1 messages"]
	return figures{
		"rate": got / d["time"] / 1000, "send": d["0 cpu"] / got * 1e6, "receive": d["1 cpu"] / got * 1e6,
		"lost": 100 * (1 - got/d["0 messages"]), "joined": got / d["1 calls"],
		"others": (d["worked"] - d["0 cpu"] - d["1 cpu"]) / d["time"],
	}, nil
}

// lookAt gathers what helpers have counted, with each one's place before the
// names, and what the machine has.
func lookAt(helpers ...*helper) (figures, error) {
	all := figures{"time": float64(clock()) / 1e9, "worked": worked()}
	for i, h := range helpers {
		f, err := h.ask("look", 5*time.Second)
		if err != nil {
			return nil, err
		}
		for name, x := range f {
			all[strconv.Itoa(i)+" "+name] = x
		}
	}
	return all, nil
}

// during is what helpers count meanwhile.
func during(length time.Duration, helpers ...*helper) (figures, error) {
	before, err := lookAt(helpers...)
	if err != nil {
		return nil, err
	}
	time.Sleep(length)
	after, err := lookAt(helpers...)
	if err != nil {
		return nil, err
	}
	return after.less(before), nil
}

// less is the difference from what was counted before.
func (f figures) less(before figures) figures {
	d := figures{}
	for name, x := range f {
		d[name] = x - before[name]
	}
	return d
}
