package lanes

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// An Object is a packet as a program reads it.
type Object struct {
	Type     string `json:"type"` // packet
	T        int64  `json:"t"`    // ns since the program began to record
	Via      string `json:"via"`  // udp, tcp
	Lane     int    `json:"lane"` // which connection
	Nick     string `json:"nick"` // whose; an address while that is not known
	What     string `json:"what"` // sent, received, acked, lost, repeated, kernel (which sent Number segments again)
	Number   uint64 `json:"number"`
	Bytes    int    `json:"bytes"`
	Messages int    `json:"messages,omitempty"` // that begin in it
	Seq      uint64 `json:"seq,omitempty"`      // of the first event in it
	Ack      bool   `json:"ack,omitempty"`      // there is no message in it
	Again    bool   `json:"again,omitempty"`    // it carries something for the second time
}

// Object returns p as an object, nick being whose its lane is.
func (p Packet) Object(nick string) Object {
	return Object{Type: "packet", T: int64(p.At), Via: p.Via.String(), Lane: p.Lane, Nick: nick, What: p.Kind.String(), Number: p.Number,
		Bytes: p.Size, Messages: p.Messages, Seq: p.Seq, Again: p.Again, Ack: !p.Talk && (p.Kind == Sent || p.Kind == Received)}
}

// Words returns p as a line for people, in the marks of the lanes.
func (p Packet) Words(nick string) string {
	mark, arrow, what := "o", "->", ""
	if p.Via == TCP {
		mark = "#"
	}
	switch p.Kind {
	case Received:
		arrow = "<-"
	case Acked:
		arrow, what = "<-", " has come"
	case Lost:
		mark, what = "x", " is lost"
	case Repeated:
		mark, arrow, what = "d", "<-", " came twice"
	case Kernel:
		return fmt.Sprintf("%9.3f TCP R -> %s  the kernel sent %d segments again", p.At.Seconds(), nick, p.Number)
	}
	switch {
	case p.Again:
		mark, what = "R", " sent again"
	case !p.Talk && (p.Kind == Sent || p.Kind == Received):
		mark = "-"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%9.3f %s %s %s %s  no. %d%s", p.At.Seconds(), strings.ToUpper(p.Via.String()), mark, arrow, nick, p.Number, what)
	if p.Size > 0 {
		fmt.Fprintf(&b, ", %d bytes", p.Size)
	}
	switch {
	case p.Seq > 0 && p.Messages > 1:
		fmt.Fprintf(&b, ", messages %d and on, %d of them", p.Seq, p.Messages)
	case p.Seq > 0:
		fmt.Fprintf(&b, ", message %d", p.Seq)
	case p.Messages == 1:
		b.WriteString(", 1 message")
	case p.Messages > 1:
		fmt.Fprintf(&b, ", %d messages", p.Messages)
	}
	return b.String()
}

// labLine is one of the lab's lines, as far as packets need them; see package lab.
type labLine struct {
	K      string        `json:"k"`
	Lane   string        `json:"lane,omitempty"`
	What   string        `json:"what,omitempty"`
	Hosts  []string      `json:"hosts,omitempty"`
	T      time.Duration `json:"t,omitempty"`
	ID     uint64        `json:"id,omitempty"`
	Host   string        `json:"host,omitempty"`
	From   string        `json:"from,omitempty"`
	To     string        `json:"to,omitempty"`
	Proto  string        `json:"proto,omitempty"`
	Flags  string        `json:"flags,omitempty"` // A: there is no message in it
	Len    int           `json:"len,omitempty"`
	Msgs   []int         `json:"msgs,omitempty"`
	Resent bool          `json:"resent,omitempty"`
	Fate   string        `json:"fate,omitempty"`
	Why    string        `json:"why,omitempty"`
	At     time.Duration `json:"at,omitempty"`
	Name   string        `json:"name,omitempty"`
	Text   string        `json:"text,omitempty"`
	Got    int64         `json:"got,omitempty"`
}

const (
	// host is what lines call this program.
	host = "host"
	// maxMsgs is how many messages of a packet are named.
	maxMsgs = 32
)

// WriteLines writes what happens from now on to w as the lab's JSON lines, until ctx ends
// or w fails: a lane line for each connection, frame and fate lines, and samples of the
// round trip and the window. IDs of frames are 2*number, and 1 more where they
// came; they count for each lane.
func (r *Recorder) WriteLines(ctx context.Context, w io.Writer) error {
	f := r.Follow()
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	tick := time.NewTicker(Poll)
	defer tick.Stop()
	begun := make(map[int]string)
	for sampled := 0; ; sampled++ {
		for {
			some, missed := f.Next()
			if missed > 0 {
				if err := enc.Encode(labLine{K: "note", Text: fmt.Sprintf("%d packets went by unseen: there were too many", missed)}); err != nil {
					return err
				}
			}
			if len(some) == 0 {
				break
			}
			for _, p := range some {
				if err := r.writeLine(enc, begun, p); err != nil {
					return err
				}
			}
		}
		if sampled%(int(sampling/Poll)) == 0 {
			for _, l := range r.samples() {
				if err := enc.Encode(l); err != nil {
					return err
				}
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// laneName is what lines call a lane.
func laneName(via Via, index int) string { return fmt.Sprintf("%s-%d", via, index) }

func (r *Recorder) writeLine(enc *json.Encoder, begun map[int]string, p Packet) error {
	lane, nick := laneName(p.Via, p.Lane), r.Lane(p.Lane)
	if begun[p.Lane] != nick { // again when it is known whose it is
		begun[p.Lane] = nick
		if err := enc.Encode(labLine{K: "lane", Lane: lane, What: p.Via.String(), Hosts: []string{host, nick}}); err != nil {
			return err
		}
	}
	line := labLine{K: "frame", Lane: lane, T: p.At, ID: 2 * p.Number, From: host, To: nick, Proto: p.Via.String(), Len: p.Size, Resent: p.Again}
	if !p.Talk {
		line.Flags = "A"
	}
	for i := range min(p.Messages, maxMsgs) {
		if p.Seq > 0 {
			line.Msgs = append(line.Msgs, int(p.Seq)+i)
		}
	}
	switch p.Kind {
	case Received:
		line.ID, line.From, line.To = line.ID+1, nick, host
	case Acked:
		line = labLine{K: "fate", Lane: lane, T: p.At, ID: line.ID, To: nick, Fate: "deliver", Why: "acknowledged", At: p.At}
	case Lost:
		line = labLine{K: "fate", Lane: lane, T: p.At, ID: line.ID, To: nick, Fate: "drop", Why: "declared lost"}
	case Repeated:
		line = labLine{K: "note", Lane: lane, T: p.At, Host: host, Text: fmt.Sprintf("packet %d came twice", p.Number)}
	case Kernel:
		line = labLine{K: "sample", Lane: lane, T: p.At, Host: host, Name: "resent", Got: int64(p.Number)}
	}
	return enc.Encode(line)
}

// samples are the round trips, in microseconds, and the windows, in bytes.
func (r *Recorder) samples() (lines []labLine) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.board.lanes {
		if l.counted && l.ended == 0 {
			lane := laneName(l.via, l.index)
			lines = append(lines, labLine{K: "sample", Lane: lane, T: now, Host: host, Name: "rtt", Got: l.stats.RTT.Microseconds()},
				labLine{K: "sample", Lane: lane, T: now, Host: host, Name: "window", Got: int64(l.stats.Window)})
		}
	}
	return lines
}

// Words tell what a carrier came to.
func (c Counts) Words(via Via) string {
	each := "-"
	if c.Messages > 0 {
		each = fmt.Sprint((c.BytesOut + c.Messages/2) / c.Messages)
	}
	if via == TCP {
		return fmt.Sprintf("TCP  writes %d, sent again by the kernel %d; %d messages, %s bytes each", c.Sent, c.Again, c.Messages, each)
	}
	return fmt.Sprintf("UDP  sent %d, lost %d, again %d, twice %d; %d messages, %s bytes each", c.Sent, c.Lost, c.Again, c.Repeated, c.Messages, each)
}

// Millis writes a round trip.
func Millis(d time.Duration) string {
	if ms := float64(d) / float64(time.Millisecond); ms < 100 {
		return fmt.Sprintf("%.1fms", ms)
	}
	return fmt.Sprintf("%dms", d.Milliseconds())
}

// Bytes writes a number of bytes in five cells.
func Bytes(n uint64) string {
	switch {
	case n < 10_000:
		return fmt.Sprintf("%dB", n)
	case n < 10_000_000:
		return fmt.Sprintf("%dK", n/1000)
	}
	return fmt.Sprintf("%dM", n/1_000_000)
}
