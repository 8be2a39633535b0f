//go:build !nolab

package lab

import (
	"encoding/binary"
	"fmt"
)

// chatter is what a class says in the lessons, in turn. What is lost matters:
// the fifth is "not".
var chatter = []string{
	"hi all", "anyone there?", "yes, just came in", "the exam is", "not", "on Friday", "it is on Monday", "really?",
	"who told you?", "it is on the board", "which room?", "room 12", "not 21?", "no, 12", "what do we need?", "a pencil",
	"and a ruler", "no phones", "chapter 4, too?", "only 1 to 3", "thanks!", "who has the notes?", "I do", "can you share them?",
	"after lunch", "where?", "in the library", "second floor", "by the window", "save me a seat", "me, too", "how many are we?",
	"five", "six with Ben", "is Ben coming?", "he said yes", "and Cyn?", "has football", "until when?", "three, I think",
	"shall we wait?", "for ten minutes", "bring the book", "the blue one", "got it", "my bus is here", "see you there", "bye",
}

// says is what message n says.
func says(n int) string { return chatter[(n-1)%len(chatter)] }

// messageSize is that of the messages of the lessons that do not say, in
// bytes: a line of chat.
const messageSize = 64

// message is a message of messageSize bytes: its number, four bytes, and again
// for people to read, and what it says.
func message(number int) []byte {
	m := make([]byte, messageSize)
	binary.BigEndian.PutUint32(m, uint32(number))
	n := 4 + copy(m[4:], fmt.Sprintf(" message %d", number))
	copy(m[n+1:], says(number))
	return m
}

// numbered says which messages of messageSize some bytes carry a part of: on a
// stream by where the bytes are, in a datagram by the number it begins with.
func numbered(data []byte, stream bool, offset uint64) (msgs []int) {
	if !stream {
		if len(data) < 4 {
			return nil
		}
		return []int{int(binary.BigEndian.Uint32(data))}
	}
	for i := offset / messageSize; i*messageSize < offset+uint64(len(data)); i++ {
		msgs = append(msgs, int(i)+1)
	}
	return msgs
}

// A screen is what a person has seen of numbered messages.
type screen struct {
	last                int
	seen                map[int]bool
	shown, twice, wrong int64 // in all; of them seen before; of them after a later one
}

// show shows a message, and says what is wrong with it. One goroutine does.
func (s *screen) show(l *Lane, msg int) {
	why := ""
	switch {
	case s.seen[msg]:
		s.twice++
		why = "dup"
	case msg < s.last:
		s.wrong++
		why = "order"
	case l.wait(l.B.name, msg) > l.late:
		why = "late"
	}
	s.shown++
	s.seen[msg], s.last = true, max(s.last, msg)
	l.line(Line{K: "show", T: l.Now(), Host: l.B.name, Msgs: []int{msg}, Text: says(msg), Why: why})
}

// told is what a lane tells of the bytes of a read.
func (l *Lane) told(p []byte) string {
	if l.text == nil {
		return ""
	}
	return l.text(p)
}

// unsaid counts all messages as said: there was no way to B, so they are missing.
func (l *Lane) unsaid() {
	for i := range l.run.Messages {
		l.said(i + 1)
	}
}
