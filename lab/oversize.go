//go:build !nolab

package lab

import (
	"fmt"
	"time"
)

var oversize = Lesson{
	Number: 11, Name: "oversize",
	Topic: "MTU, fragments, truncation",
	Claim: "A datagram larger than the cable's {mtu} bytes is cut in fragments, and is lost if one of them is; one larger than the reader's buffer loses its tail.",
	Setup: "A sends datagrams of growing size to B, whose program reads into a buffer of 2,048 bytes; then 1,000 datagrams of 1, 3 and 11 fragments, of which 10 % are lost.",
	Question: Question{
		Text:    "10 % of the frames are lost. How many of 1,000 datagrams of three fragments arrive?",
		Answers: []string{"about 730", "about 900", "about 970", "none"},
		Right:   0,
		Why:     "all three have to arrive: 0.9 times 0.9 times 0.9. Who cuts a message into datagrams himself can send one again; IP cannot",
	},
	So:       "our UDP transport sends no packet above 1,200 bytes before a larger one has come through, and cuts messages itself, so that a lost piece is sent again alone",
	Filters:  map[string]string{"fragments": "ip.flags.mf==1 || ip.frag_offset>0"},
	Defaults: Settings{"size": "4000", "mtu": "1500", "delay": "5ms", "loss": "10%"},
	Uses:     []string{"size", "mtu", "delay", "loss"},
	Free:     nil,
	Real:     false,
	run:      runOversize,
}

// readBuffer is B's, in bytes.
const readBuffer = 2048

func runOversize(r *Run) {
	r.table("sizes", "bytes sent", "packets", "bytes read", "")
	perfect := r.config()
	perfect.Way.Loss = 0
	sizes := []struct{ size, packets, read int }{
		{r.MTU - 28, 1, min(r.MTU-28, readBuffer)}, {r.MTU - 27, 2, min(r.MTU-27, readBuffer)}, {r.Size, fragments(r.Size, r.MTU), min(r.Size, readBuffer)},
		{65507, fragments(65507, r.MTU), readBuffer}, {65508, 0, 0},
	}
	for i, s := range sizes {
		name := []string{"just fits", "one more", "large", "largest", "too large"}[i]
		var read int
		var err error
		l := r.lane(name, "udp", perfect, whole, func(l *Lane) { read, err = l.oneDatagram(s.size) })
		said := ""
		switch {
		case err != nil:
			said = "send: " + plain(err)
		case read < s.size:
			said = fmt.Sprintf("the last %d bytes are gone", s.size-read)
		}
		r.row("sizes", s.size, l.count(proto("udp")), read, said)
		r.check("packets."+name, l.count(proto("udp")), int64(s.packets))
		r.check("read."+name, int64(read), int64(s.read))
	}
	r.table("survival", "fragments", "arrived of 1,000", "if each frame has its own luck")
	r.sparse = true
	for _, n := range []int{1, 3, 11} {
		size := n*(r.MTU-20)/8*8 - 100*n
		n = fragments(size, r.MTU)
		got := int64(0)
		r.lane(fmt.Sprint(n, " fragments"), "udp", r.config(), nil, func(l *Lane) { got = l.manyDatagrams(size) })
		theory := 1000.0
		for range n {
			theory *= 1 - r.Way.Loss
		}
		r.row("survival", n, got, fmt.Sprintf("%.0f", theory))
		r.between(fmt.Sprintf("arrived.%d", n), got, int64(theory)-60, int64(theory)+60)
	}
}

// fragments is how many packets a datagram takes.
func fragments(size, mtu int) int {
	body := (mtu - 20) / 8 * 8 // all but the last are multiples of 8
	all := size + 8
	if all <= mtu-20 {
		return 1
	}
	return (all + body - 1) / body
}

// oneDatagram sends one, and returns what B read of it.
func (l *Lane) oneDatagram(size int) (read int, err error) {
	c, in, end := l.connect("udp")
	if c == nil {
		return 0, nil
	}
	defer end()
	defer c.Close()
	l.said(1)
	if _, err = c.Write(make([]byte, size)); err != nil {
		return 0, err
	}
	in.SetReadDeadline(time.Now().Add(time.Second))
	if read, _ = in.Read(make([]byte, readBuffer)); read > 0 {
		l.heardBy(l.B, 1)
	}
	return read, nil
}

// manyDatagrams sends a thousand, and returns how many B read.
func (l *Lane) manyDatagrams(size int) (got int64) {
	c, in, end := l.connect("udp")
	if c == nil {
		return 0
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 65536)
		for {
			in.SetReadDeadline(time.Now().Add(time.Second))
			if _, err := in.Conn.Read(buf); err != nil {
				return
			}
			got++
		}
	}()
	buf := make([]byte, size)
	for range 1000 {
		c.Conn.Write(buf)
		time.Sleep(10 * time.Millisecond)
	}
	<-done
	c.Close()
	end()
	return got
}
