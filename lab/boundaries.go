//go:build !nolab

package lab

import (
	"fmt"
	"io"
	"strings"
	"time"
)

var boundaries = Lesson{
	Number: 1, Name: "boundaries",
	Topic: "stream: no record boundaries; datagram and sequenced packet: boundaries kept",
	Claim: "Three messages that are sent are three reads of a datagram socket; of a stream socket they are three for who reads at once, and one for who reads late.",
	Setup: `A sends "A", "B", "C", {every} apart. B's program sleeps half a second, then reads; a second time it reads at once. By a stream (TCP), by datagrams (UDP), and by sequenced packets. Then A sends {size} bytes at once.`,
	Question: Question{
		Text:    "B's program reads late. How many reads does it need?",
		Answers: []string{"stream 3, datagram 3, sequenced packet 3", "stream 1, datagram 3, sequenced packet 3", "stream 1, datagram 1, sequenced packet 3"},
		Right:   1,
		Why:     "a stream is bytes in a row, and has no record boundaries: it may merge. Who reads at once gets 3 everywhere, so that a program that is tested on a quiet day seems to work",
	},
	So:       "over TCP, parley puts the length before each message; over UDP it does not have to",
	Filters:  map[string]string{"segments and datagrams with data": "tcp.len>0 || udp.length>8"},
	Defaults: Settings{"every": "2ms", "delay": "5ms", "reader": "late", "size": "4000"},
	Uses:     []string{"every", "size", "reader", "delay", "loss", "mtu", "drop"},
	Free:     []string{"seed", "reader", "delay"},
	Real:     true,
	run:      runBoundaries,
}

// napping is how long B's program sleeps before it reads.
const napping = 500 * time.Millisecond

// Kinds of sockets, as the tables name them. Stacks have no sequenced packets,
// which exist between programs of one machine, so a stream with lengths stands in.
var socketKinds = []struct{ name, network, what string }{
	{"stream", "tcp", "stream"},
	{"datagram", "udp", "datagram"},
	{"packets", "tcp", "seqpacket, stand-in"},
}

func runBoundaries(r *Run) {
	r.table("reads", "socket", "reader", "sends", "reads", "got")
	first := r.Reader == "late"
	for _, late := range []bool{first, !first} {
		reader := map[bool]string{true: "late", false: "eager"}[late]
		row := func(what string, got []string) {
			r.row("reads", what, reader, 3, len(got), quoted(got))
		}
		for _, k := range socketKinds {
			var got []string
			r.lane(k.name+", "+reader, k.network, r.config(), letters, func(l *Lane) {
				l.text = printable
				got = threeSends(l, k.network, k.name == "packets", late)
			})
			row(k.what, got)
			want := int64(3)
			if k.name == "stream" && late {
				want = 1
			}
			least := want
			if r.real && k.name == "stream" {
				least = 1 // a busy machine may merge what comes to an eager reader, too
			}
			r.between(fmt.Sprintf("reads.%s.%s", k.name, reader), int64(len(got)), least, want)
			r.check(fmt.Sprintf("bytes.%s.%s", k.name, reader), int64(len(strings.Join(got, ""))), 3)
		}
		if got, ok := machinePackets(late); ok {
			row("seqpacket, this machine's", got)
			r.rough("reads.this_machine."+reader, int64(len(got)), 3, 3)
		}
	}
	runLarge(r)
	r.note("sequenced packets exist between programs of one machine, on Linux but not on macOS or Windows, and never on a LAN: the stand-in is a stream with a length before each; a row that says so is this machine's own")
}

// runLarge has one send be more than a packet holds.
func runLarge(r *Run) {
	r.table("large", "socket", "bytes", "reads", "bytes of each")
	for _, k := range socketKinds[:2] {
		var got []int
		r.lane("large "+k.name, k.network, r.config(), whole, func(l *Lane) { got = oneSend(l, k.network) })
		all := 0
		for _, n := range got {
			all += n
		}
		r.row("large", k.what, r.Size, len(got), strings.Trim(fmt.Sprint(got), "[]"))
		r.check("bytes.large."+k.name, int64(all), int64(r.Size))
		switch {
		case k.name == "datagram":
			r.check("reads.large.datagram", int64(len(got)), 1)
		case r.real:
			r.atLeast("reads.large.stream", int64(len(got)), 1)
		default:
			r.check("reads.large.stream", int64(len(got)), 3)
		}
	}
	if r.real {
		r.note("this machine's way to itself carries 64 KiB in a piece, so %d bytes may be one read of a stream, too", r.Size)
	}
}

// quoted writes what reads got.
func quoted(got []string) string { return strings.Trim(fmt.Sprintf("%q", got), "[]") }

// printable leaves out what is not a letter: lengths.
func printable(p []byte) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' {
			return -1
		}
		return c
	}, string(p))
}

// letters are messages 1, 2 and 3.
func letters(data []byte, stream bool, offset uint64) (msgs []int) {
	for _, b := range data {
		if b >= 'A' && b <= 'C' {
			msgs = append(msgs, int(b-'A')+1)
		}
	}
	return msgs
}

// threeSends has A send three letters, and returns what each of B's reads got:
// reads of the socket or, if framed, of a program that knows of lengths.
func threeSends(l *Lane, network string, framed, late bool) (got []string) {
	c, in, end := l.connect(network)
	if c == nil {
		return nil
	}
	if late {
		l.late = patience // the cable is not to blame
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if late {
			time.Sleep(napping + 2*l.run.Way.Delay)
		}
		read := in.Read
		if framed {
			read = func(p []byte) (int, error) { return readFramed(in, p) }
		}
		buf := make([]byte, 2048)
		for len(strings.Join(got, "")) < 3 {
			in.SetReadDeadline(time.Now().Add(patience + l.run.Every + 2*l.run.Way.Delay))
			n, err := read(buf)
			if err != nil {
				return
			}
			got = append(got, string(buf[:n]))
			msgs := letters(buf[:n], false, 0)
			for _, m := range msgs {
				l.heardBy(l.B, m)
			}
			l.line(Line{K: "show", T: l.Now(), Host: "B", Msgs: msgs, Text: string(buf[:n])})
		}
	}()
	for i, letter := range []string{"A", "B", "C"} {
		if i > 0 {
			time.Sleep(l.run.Every)
		}
		l.said(i + 1)
		if framed {
			letter = string([]byte{byte(len(letter))}) + letter
		}
		c.Write([]byte(letter))
	}
	<-done
	c.Close()
	end()
	return got
}

// readFramed reads a length, and as many bytes. B's program sees one read.
func readFramed(in *Conn, p []byte) (int, error) {
	if _, err := io.ReadFull(in.Conn, p[:1]); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(in.Conn, p[:p[0]])
	if err == nil {
		in.host.lane.line(Line{K: "read", T: in.host.lane.Now(), Host: in.host.name, N: n, Msgs: letters(p[:n], false, 0), Text: string(p[:n])})
	}
	return n, err
}

// oneSend has A send many bytes at once, and returns how much each of B's reads
// got.
func oneSend(l *Lane, network string) (got []int) {
	c, in, end := l.connect(network)
	if c == nil {
		return nil
	}
	l.said(1)
	go c.Write(make([]byte, l.run.Size))
	buf, all := make([]byte, 1<<16), 0
	for all < l.run.Size {
		in.SetReadDeadline(time.Now().Add(patience + 2*l.run.Way.Delay))
		n, err := in.Read(buf)
		if err != nil {
			break
		}
		got, all = append(got, n), all+n
	}
	if all == l.run.Size {
		l.heardBy(l.B, 1)
	}
	c.Close()
	end()
	return got
}
