//go:build !nolab

package lab

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
	"unicode/utf8"
)

var framing = Lesson{
	Number: 2, Name: "framing",
	Topic: "length header and UTF-8",
	Claim: "A stream may cut a character in two: who decodes each read on its own shows garbage, who reads a length first and decodes once shows what was said.",
	Setup: "A sends a greeting of ten characters, which are 18 bytes, by TCP. B reads 4 bytes at a time. First B decodes each read on its own; then A sends the length first, and B decodes when it has all.",
	Question: Question{
		Text:    "How many of the ten characters does B show right if it decodes each read on its own?",
		Answers: []string{"all ten", "nine", "eight", "none"},
		Right:   2,
		Why:     "one read ends within the emoji, and one within the first Chinese character: both become garbage on both sides of the cut",
	},
	So:       "parley's TCP carrier writes 4 bytes of length before each message, and decodes whole messages only",
	Filters:  map[string]string{"the greeting": "tcp.len==18 || tcp.len==22"},
	Defaults: Settings{"delay": "5ms", "messages": "100"},
	Uses:     []string{"messages", "delay", "loss", "mtu", "drop"},
	Free:     []string{"seed", "delay"},
	Real:     true,
	run:      runFraming,
}

// greeting has ten characters of one to four bytes.
const greeting = "Ol\u00e1 \U0001F642 \u4f60\u597d!!"

// worldly is what a class of many languages says.
var worldly = []string{
	"Bom dia!", "\u00bfQui\u00e9n tiene los apuntes?", "J'ai oubli\u00e9 mon cahier \U0001F605", "Stra\u00dfe 12, bei Jana",
	"\u041f\u0440\u0438\u0432\u0435\u0442 \u0432\u0441\u0435\u043c", "\u660e\u5929\u8003\u8bd5", "\u3042\u308a\u304c\u3068\u3046", "\u0634\u0643\u0631\u0627", "see you at ten", greeting,
}

// garbage is what a byte that is no character is shown as.
const garbage = string(utf8.RuneError)

// maxPiece is the most that B reads at a time where it reads pieces of any size.
const maxPiece = 13

func runFraming(r *Run) {
	r.table("reads", "read", "bytes", "decoded")
	var shown strings.Builder
	reads, number := 0, 0
	r.lane("each read decoded", "tcp", r.config(), whole, func(l *Lane) {
		l.text = decoded
		reads = l.fourAtATime(func(piece []byte) {
			number++
			r.row("reads", number, fmt.Sprintf("% x", piece), decoded(piece))
			shown.WriteString(decoded(piece))
		}, []byte(greeting))
		l.line(Line{K: "show", T: l.Now(), Host: "B", Msgs: []int{1}, Text: shown.String()})
	})
	bad := int64(strings.Count(shown.String(), garbage))
	r.table("shown", "program", "reads", "what B shows", "garbage")
	r.row("shown", "decodes each read", reads, shown.String(), bad)
	r.check("reads.naive", int64(reads), int64(len(greeting)+3)/4)
	r.check("garbage.naive", bad, 7)
	r.check("right.naive", int64(utf8.RuneCountInString(shown.String()))-bad, 8)

	text := ""
	r.lane("length first", "tcp", r.config(), whole, func(l *Lane) {
		l.text = decoded
		var got []byte
		reads = l.fourAtATime(func(piece []byte) { got = append(got, piece...) }, framed(greeting))
		if n := len(got) - 4; n >= 0 && int(binary.BigEndian.Uint32(got)) == n {
			text = string(got[4:])
		}
		l.line(Line{K: "show", T: l.Now(), Host: "B", Msgs: []int{1}, Text: text})
	})
	r.row("shown", "reads the length, decodes once", reads, text, strings.Count(text, garbage))
	r.check("garbage.framed", int64(strings.Count(text, garbage)), 0)
	r.check("equal.framed", int64(strings.Count(text, greeting)), 1)

	var m many
	r.lane("many", "tcp", r.config(), nil, func(l *Lane) { m = manyFramed(l) })
	r.check("equal.many", m.equal, int64(r.Messages))
	r.seeded("garbage.many_naive", m.garbage, 120, int64(r.Messages), unlimited)
	r.note("%d of %d messages are equal, read in pieces of 1 to %d bytes; each piece decoded on its own would be %d pieces of garbage", m.equal, r.Messages, maxPiece, m.garbage)
	r.note("garbage is counted as Go has it, a mark for each byte; other languages put one for all bytes of a piece. What was said is gone either way")
}

// decoded is how a program shows bytes that it takes for text: what is no
// character becomes a mark, one for each byte.
func decoded(piece []byte) string { return string([]rune(string(piece))) }

// framed is a message with its length before it.
func framed(text string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
}

// fourAtATime has A send data at once and B read it, 4 bytes at a time. It
// returns how many reads that took.
func (l *Lane) fourAtATime(each func([]byte), data []byte) (reads int) {
	c, in, end := l.connect("tcp")
	if c == nil {
		return 0
	}
	l.said(1)
	l.late = patience // B's program sleeps: the cable is not to blame
	c.Write(data)
	time.Sleep(napping + 2*l.run.Way.Delay)
	buf, got := make([]byte, 4), 0
	for got < len(data) {
		in.SetReadDeadline(time.Now().Add(patience + 10*l.run.Way.Delay))
		n, err := in.Read(buf)
		if err != nil {
			break
		}
		each(buf[:n])
		got, reads = got+n, reads+1
	}
	if got == len(data) {
		l.heardBy(l.B, 1)
	}
	c.Close()
	end()
	return reads
}

// many is what became of many messages: how many are equal, and how many marks
// there would be if each read were decoded on its own.
type many struct{ equal, garbage int64 }

// manyFramed sends messages of many lengths, and has them read in pieces of any
// size.
func manyFramed(l *Lane) (m many) {
	c, in, end := l.connect("tcp")
	if c == nil {
		return m
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for i := range l.run.Messages {
			l.said(i + 1)
			c.Write(framed(worldly[i%len(worldly)]))
			time.Sleep(time.Millisecond)
		}
	}()
	luck := rand.New(rand.NewPCG(l.run.Seed, maxPiece))
	read := func(n uint32) (data []byte, ok bool) {
		for uint32(len(data)) < n {
			buf := make([]byte, min(1+luck.Uint32N(maxPiece), n-uint32(len(data))))
			in.SetReadDeadline(time.Now().Add(patience + 10*l.run.Way.Delay))
			k, err := in.Read(buf)
			if err != nil {
				return nil, false
			}
			if n != 4 { // not the length
				m.garbage += int64(strings.Count(decoded(buf[:k]), garbage))
			}
			data = append(data, buf[:k]...)
		}
		return data, true
	}
	for i := range l.run.Messages {
		head, ok := read(4)
		if !ok {
			break
		}
		text, ok := read(min(binary.BigEndian.Uint32(head), 1<<10)) // no message is longer
		if !ok {
			break
		}
		if string(text) == worldly[i%len(worldly)] {
			m.equal++
			l.heardBy(l.B, i+1)
		}
		l.line(Line{K: "show", T: l.Now(), Host: "B", Msgs: []int{i + 1}, Text: string(text)})
	}
	<-ended
	c.Close()
	end()
	return m
}
