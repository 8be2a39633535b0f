//go:build !nolab

package lab

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Schema is the version of the lines. More fields may come, none go.
const Schema = 1

// A Line is one thing that a run tells: views, files and the page are made of
// nothing else. As JSON it is one object on one line. T is virtual time since
// its lane began, in nanoseconds; what is zero is left out. Kinds, by K:
//
//	run    begins: Lesson, Seed, Engine, Settings
//	lane   begins a lane: Lane, What carries it, Hosts
//	call   Host's program called Fn with N bytes of messages Msgs, which took Took, and Err if it failed
//	frame  From put a frame of N bytes on the cable, ID, that carries Len bytes for a program
//	fate   what becomes of frame ID on its way to To, and Why; At: when it arrives
//	read   Host's program got N bytes, parts of Msgs, from one call
//	show   Host's person sees message Msgs[0]
//	msg    what became of a message for Host: Sent, At, Copies, Late, Innocent, Lost
//	sample the value Got of Name at Host, or in the run with Seed of many
//	state  Host's socket is now in State Text
//	table  begins a table: Name, Cols; row: one of its rows: Name, Cells
//	note   an aside: Text
//	check  a number of the proof: Name, Got, Want, OK
//	file   a capture: Name, Data
//	clock  a live class has reached T
//	end    the run is over: OK, Verdict, Fingerprint, Frames
//	error  it cannot be run: Text, and Field, the setting that is wrong
type Line struct {
	K           string        `json:"k"`
	V           int           `json:"v,omitempty"`
	Lesson      string        `json:"lesson,omitempty"`
	Seed        uint64        `json:"seed,omitempty"`
	Engine      string        `json:"engine,omitempty"`
	Settings    string        `json:"settings,omitempty"`
	Lane        string        `json:"lane,omitempty"`
	What        string        `json:"what,omitempty"`
	Hosts       []string      `json:"hosts,omitempty"`
	T           time.Duration `json:"t,omitempty"`
	ID          uint64        `json:"id,omitempty"`
	Host        string        `json:"host,omitempty"`
	From        string        `json:"from,omitempty"`
	To          string        `json:"to,omitempty"` // "*": everybody
	Fn          string        `json:"fn,omitempty"`
	Proto       string        `json:"proto,omitempty"`
	Flags       string        `json:"flags,omitempty"` // of TCP: S F R P A
	Seq         uint32        `json:"seq,omitempty"`
	Ack         uint32        `json:"ack,omitempty"`
	Win         int           `json:"win,omitempty"`
	Len         int           `json:"len,omitempty"`
	N           int           `json:"n,omitempty"`
	Msgs        []int         `json:"msgs,omitempty"`
	Resent      bool          `json:"resent,omitempty"`
	Fate        string        `json:"fate,omitempty"` // deliver, drop, corrupt
	Why         string        `json:"why,omitempty"`
	Took        time.Duration `json:"took,omitempty"`
	Err         string        `json:"err,omitempty"`
	Sent        time.Duration `json:"sent,omitempty"`
	At          time.Duration `json:"at,omitempty"`
	Copies      int           `json:"copies,omitempty"`
	Late        bool          `json:"late,omitempty"`
	Innocent    bool          `json:"innocent,omitempty"` // late, though nothing of it was lost
	Lost        bool          `json:"lost,omitempty"`
	Name        string        `json:"name,omitempty"`
	Cols        []string      `json:"cols,omitempty"`
	Cells       []string      `json:"cells,omitempty"`
	Text        string        `json:"text,omitempty"`
	Field       string        `json:"field,omitempty"`
	Got         int64         `json:"got,omitempty"`
	Want        string        `json:"want,omitempty"` // "2", "16..57", ">=5", "<=3"
	OK          bool          `json:"ok,omitempty"`
	Verdict     string        `json:"verdict,omitempty"` // PASS, FAIL, INFO
	Fingerprint string        `json:"fingerprint,omitempty"`
	Frames      int           `json:"frames,omitempty"`
	Data        []byte        `json:"data,omitempty"`
}

// A Request asks an engine for a run, or for a live class.
type Request struct {
	Lesson   string   `json:"lesson,omitempty"`
	Settings Settings `json:"settings,omitempty"`
	Bytes    bool     `json:"bytes,omitempty"`    // frames with their bytes
	Captures []string `json:"captures,omitempty"` // "LANE:HOST", or "LANE" for all of its hosts
	Quiet    bool     `json:"quiet,omitempty"`    // only run, table, row, note, check, end
	Real     bool     `json:"real,omitempty"`     // on this machine's own sockets
	Live     bool     `json:"live,omitempty"`     // a class, which Commands follow
	Own      string   `json:"own,omitempty"`      // the source of a student's transport
}

// A Command is what somebody does in a live class, at the instant that the
// class has reached.
type Command struct {
	Do       string        `json:"do"` // join, leave, say, wire, drop, go, end
	Host     string        `json:"host,omitempty"`
	Text     string        `json:"text,omitempty"`
	Msg      int           `json:"msg,omitempty"`      // of say: its number, from 1
	Settings Settings      `json:"settings,omitempty"` // of wire
	Rule     string        `json:"rule,omitempty"`     // of drop
	Until    time.Duration `json:"until,omitempty"`    // of go: run to this instant
}

// maxLine is how long a line can be, in bytes: a capture of a long run is one.
const maxLine = 64 << 20

// A LineWriter writes lines as JSON.
type LineWriter struct {
	enc *json.Encoder
	err error
}

// NewLineWriter returns a LineWriter to w.
func NewLineWriter(w io.Writer) *LineWriter {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return &LineWriter{enc: enc}
}

// Write writes a line. The first error stays.
func (w *LineWriter) Write(l Line) error {
	if w.err == nil {
		w.err = w.enc.Encode(l)
	}
	return w.err
}

// ReadLines reads lines as JSON, as LineWriter writes them, and gives them to
// each until each returns an error or the input ends.
func ReadLines(r io.Reader, each func(Line) error) error {
	dec := json.NewDecoder(io.LimitReader(r, 8*maxLine))
	for n := 1; ; n++ {
		var l Line
		if err := dec.Decode(&l); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if l.K == "" {
			return fmt.Errorf("line %d: no kind; is this a saved run?", n)
		}
		if err := each(l); err != nil {
			return err
		}
	}
}
