//go:build !nolab

package lab

import (
	"bytes"
	"io"
	"time"

	"parley/lab/wire"
)

var checksum = Lesson{
	Number: 13, Name: "checksum",
	Topic: "what \"intact\" rests on",
	Claim: "With a bit flipped in {corrupt} of the frames, the checksum has a damaged datagram thrown away; without it the wrong text is shown. TCP sends again what was thrown away.",
	Setup: `A says "meet at noon" {messages} times. One bit is flipped in {corrupt} of the frames, anywhere behind the Ethernet header. Over UDP; over UDP without a checksum, which IPv4 allows; over TCP.`,
	Question: Question{
		Text:    "100 messages, a bit flipped in 20 of them, checksum on. How many wrong texts does B see?",
		Answers: []string{"about 20", "0, and about 80 right ones", "0, and 100 right ones", "1 or 2"},
		Right:   1,
		Why:     "the checksum finds the flipped bit; the datagram is thrown away and nobody is told. TCP does the same, and then sends it again",
	},
	So:       "our plaintext packets have a CRC-32C, which finds more than UDP's sum does; encrypted ones a tag that nobody can forge",
	Filters:  map[string]string{"bad sums (Wireshark checks them when told to)": `udp.checksum.status=="Bad" || tcp.checksum.status=="Bad"`, "what the lab damaged": `frame.comment contains "lab:corrupt"`},
	Defaults: Settings{"messages": "100", "corrupt": "20%", "delay": "5ms"},
	Uses:     []string{"messages", "corrupt", "delay"},
	run:      runChecksum,
}

const noon = "meet at noon"

func runChecksum(r *Run) {
	r.table("texts", "lane", "shown", "of them wrong", "thrown away", "one of the wrong ones")
	n := int64(r.Messages)
	var s seenTexts
	tell := func(name string, l *Lane) {
		r.row("texts", name, s.shown, s.wrong, s.thrown, s.example)
	}
	l := r.lane("udp", "udp", r.config(), nil, func(l *Lane) { s = l.noons(false) })
	tell("UDP", l)
	r.between("shown.udp", s.shown, n*65/100, n*95/100)
	r.check("wrong.udp", s.wrong, 0)
	r.atLeast("thrown_away.udp", s.thrown, 1)
	l = r.lane("udp no checksum", "udp", r.config(), nil, func(l *Lane) { s = l.noons(true) })
	tell("UDP without", l)
	r.atLeast("wrong.udp_no_checksum", s.wrong, 1)
	l = r.lane("tcp", "tcp", r.config(), nil, func(l *Lane) { s = l.noonsTCP() })
	tell("TCP", l)
	r.check("shown.tcp", s.shown, n)
	r.check("wrong.tcp", s.wrong, 0)
	r.atLeast("sent_again.tcp", l.count(func(f *wire.Frame) bool { return f.Resent }), 1)
	r.note("a bit that is flipped in the IP header is found by that header's own sum, so some are thrown away without UDP's, too")
}

// seenTexts is what B's program showed.
type seenTexts struct {
	shown, wrong, thrown int64
	example              string
}

func (s *seenTexts) see(l *Lane, text []byte) {
	s.shown++
	why := ""
	if string(text) != noon {
		s.wrong++
		s.example = wire.Printable(text)
		why = "wrong"
	}
	l.line(Line{K: "show", T: l.Now(), Host: "B", Text: wire.Printable(text), Why: why})
}

// noons says it by datagrams.
func (l *Lane) noons(skip bool) (s seenTexts) {
	c, in, end := l.connect("udp")
	if c == nil {
		return s
	}
	if p, ok := c.Conn.(*wire.PacketConn); ok && skip {
		p.SkipChecksum()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 100)
		for {
			in.SetReadDeadline(time.Now().Add(time.Second))
			n, err := in.Read(buf)
			if err != nil {
				return
			}
			s.see(l, buf[:n])
		}
	}()
	for range l.run.Messages {
		c.Write([]byte(noon))
		time.Sleep(10 * time.Millisecond)
	}
	<-done
	s.thrown = int64(l.B.wire.Discarded())
	c.Close()
	end()
	return s
}

// noonsTCP says it by a stream.
func (l *Lane) noonsTCP() (s seenTexts) {
	c, in, end := l.connect("tcp")
	if c == nil {
		return s
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, len(noon))
		for {
			in.SetReadDeadline(time.Now().Add(time.Minute))
			if _, err := io.ReadFull(in, buf); err != nil {
				return
			}
			s.see(l, bytes.Clone(buf))
		}
	}()
	for range l.run.Messages {
		c.Write([]byte(noon))
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(patience)
	c.Close()
	<-done
	s.thrown = int64(l.B.wire.Discarded())
	end()
	return s
}
