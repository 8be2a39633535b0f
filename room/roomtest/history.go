package roomtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Op says what a Record tells of.
type Op string

// The ops, with the fields they use beside T; see the package comment.
const (
	Plan    Op = "plan"    // Count, Seq
	Nemesis Op = "nemesis" // Who, Count
	Send    Op = "send"    // Who, CID, Body, To
	Ack     Op = "ack"     // CID, Seq
	Fail    Op = "fail"    // CID
	Join    Op = "join"    // Who, Seq, Lane
	Recv    Op = "recv"    // Who, Seq, From, To, CID, Body
	Gap     Op = "gap"     // Who, Seq, Count
	End     Op = "end"     // Who, Dead
	Log     Op = "log"     // Seq, From, To, CID, Body
)

// Record is one thing that happened.
type Record struct {
	Op    Op     `json:"op"`
	T     int64  `json:"t,omitempty"`     // monotonic nanoseconds
	Who   string `json:"who,omitempty"`   // the program this happened to
	Seq   uint64 `json:"seq,omitempty"`   // the row's number; of a join the cursor
	CID   string `json:"cid,omitempty"`   // the message's id, chosen by the test
	From  string `json:"from,omitempty"`  // the row's author
	To    string `json:"to,omitempty"`    // of a whisper
	Body  string `json:"body,omitempty"`  // valid UTF-8
	Lane  string `json:"lane,omitempty"`  // of a join: "" (ordered), "unordered" or "bare"
	Some  bool   `json:"some,omitempty"`  // of a row: only some may see it, such as the host
	Count uint64 `json:"count,omitempty"` // how many
	Dead  bool   `json:"dead,omitempty"`  // of an end
}

// maxLine bounds a line of a history: the longest message, every byte of it
// escaped, twice over.
const maxLine = 128 << 10

// Write appends the history to w as JSON lines.
func Write(w io.Writer, history []Record) error {
	buffered := bufio.NewWriter(w)
	enc := json.NewEncoder(buffered)
	enc.SetEscapeHTML(false)
	for _, r := range history {
		if err := enc.Encode(r); err != nil {
			return fmt.Errorf("write history: %w", err)
		}
	}
	return buffered.Flush()
}

// Read reads what Write wrote. It refuses a line that it does not understand
// wholly: a verdict over half a history would be worth nothing.
func Read(r io.Reader) ([]Record, error) {
	var history []Record
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	for n := 1; lines.Scan(); n++ {
		record, err := parse(lines.Bytes())
		if err != nil {
			return nil, fmt.Errorf("history line %d: %w", n, err)
		}
		history = append(history, record)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	return history, nil
}

func parse(line []byte) (r Record, err error) {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return r, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return r, errors.New("more than one object")
	}
	return r, r.valid()
}

func (r Record) valid() error {
	switch r.Op {
	case Plan:
	case Log:
		if r.Seq == 0 {
			return errors.New("log without seq")
		}
	case Recv:
		if r.Who == "" || r.Seq == 0 {
			return errors.New("recv without who or seq")
		}
	case Nemesis, End:
		if r.Who == "" {
			return fmt.Errorf("%s without who", r.Op)
		}
	case Send:
		if r.Who == "" || r.CID == "" {
			return fmt.Errorf("send without who or cid")
		}
	case Ack:
		if r.CID == "" || r.Seq == 0 {
			return errors.New("ack without cid or seq")
		}
	case Fail:
		if r.CID == "" {
			return errors.New("fail without cid")
		}
	case Join:
		if r.Who == "" {
			return errors.New("join without who")
		}
		if r.Lane != "" && r.Lane != laneUnordered && r.Lane != laneBare {
			return fmt.Errorf("unknown lane %q", r.Lane)
		}
	case Gap:
		if r.Who == "" || r.Seq == 0 || r.Count == 0 {
			return errors.New("gap without who, seq or count")
		}
	default:
		return fmt.Errorf("unknown op %q", r.Op)
	}
	return nil
}

const (
	laneUnordered = "unordered"
	laneBare      = "bare"
)
