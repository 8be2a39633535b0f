package roomtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Recorder turns a running test into a history. The test says what it sends
// and how it ended; what members see comes from their output as JSON lines.
// The zero Recorder is ready; any number of goroutines may use it.
//
// A message's first word is its id, so a test sends "a17 some text" and never
// the same first word for two messages.
type Recorder struct {
	mu      sync.Mutex
	start   time.Time
	history []Record
	members map[string]*stream
}

// stream is what the recorder keeps of one member's output.
type stream struct {
	lane string
	last uint64 // the highest number seen
	rows map[uint64]Record
}

// event is what is read of an object of the output. Objects may have more.
type event struct {
	Type    string `json:"type"`
	ID      string `json:"id"`
	Seq     uint64 `json:"seq"`
	From    string `json:"from"`
	To      string `json:"to"`
	Nick    string `json:"nick"`
	Text    string `json:"text"`
	State   string `json:"state"`
	FromSeq uint64 `json:"from_seq"`
	Count   uint64 `json:"count"`
}

// Add puts a record at the end of the history, and stamps it if it has no time.
func (r *Recorder) Add(record Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(record)
}

func (r *Recorder) add(record Record) {
	if r.start.IsZero() {
		r.start = time.Now()
	}
	if record.T == 0 {
		record.T = int64(time.Since(r.start)) + 1
	}
	r.history = append(r.history, record)
}

// Sending says that who is about to send text, as a whisper if to is somebody.
// It comes before the sending, so that no ack can be older than its message.
func (r *Recorder) Sending(who, to, text string) {
	r.Add(Record{Op: Send, Who: who, To: to, CID: firstWord(text), Body: text})
}

// Lane says in which lane who gets what is said, before its output begins.
func (r *Recorder) Lane(who, lane string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.member(who).lane = lane
}

// Stream takes in the output of who until its end. It stops at a line that is
// no object.
func (r *Recorder) Stream(who string, output io.Reader) error {
	lines := bufio.NewScanner(output)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	for lines.Scan() {
		if err := r.Line(who, lines.Bytes()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// Line takes in one line of the output of who.
func (r *Recorder) Line(who string, line []byte) error {
	if len(bytes.TrimSpace(line)) == 0 {
		return nil
	}
	var e event
	if err := json.Unmarshal(line, &e); err != nil {
		return fmt.Errorf("output of %s: %w: %.80q", who, err, line)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.member(who)
	switch e.Type {
	case "ready":
		m.last = e.Seq
		r.add(Record{Op: Join, Who: who, Seq: e.Seq, Lane: m.lane})
	case "link":
		if e.State == "resumed" || e.State == "moved" {
			r.add(Record{Op: Join, Who: who, Seq: m.last, Lane: m.lane})
		}
	case "accepted":
		r.add(Record{Op: Ack, CID: firstWord(e.Text), Seq: e.Seq})
	case "failed":
		r.add(Record{Op: Fail, CID: firstWord(e.Text)})
	case "gap":
		r.add(Record{Op: Gap, Who: who, Seq: e.FromSeq, Count: e.Count})
	default:
		if e.Seq != 0 && e.Type != "delivered" {
			r.row(m, who, e)
		}
	}
	return nil
}

// row takes in an event of the log.
func (r *Recorder) row(m *stream, who string, e event) {
	row := Record{Op: Log, Seq: e.Seq, From: e.From, To: e.To}
	switch e.Type {
	case "message", "action", "whisper":
		row.CID, row.Body = firstWord(e.Text), e.Text
	case "filter", "unfilter", "deny", "address": // for keepers of the room
		row.Some, row.Body = true, strings.TrimSpace(e.Type+" "+e.Nick+" "+e.Text)
	default: // the room's own
		row.Body = strings.TrimSpace(e.Type + " " + e.Nick + " " + e.Text)
	}
	if _, again := m.rows[e.Seq]; !again {
		m.rows[e.Seq] = row
	}
	m.last = max(m.last, e.Seq)
	shown := row
	shown.Op, shown.Who = Recv, who
	r.add(shown)
}

func (r *Recorder) member(who string) *stream {
	if r.members == nil {
		r.members = map[string]*stream{}
	}
	m := r.members[who]
	if m == nil {
		m = &stream{rows: map[uint64]Record{}}
		r.members[who] = m
	}
	return m
}

// History returns what was recorded. If no log was added, the rows that the
// given members saw stand for it, of two for one number the first's: the
// host's own seat comes first, and the others add the whispers it may not see.
func (r *Recorder) History(log ...string) []Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	rows := map[uint64]Record{}
	for _, who := range log {
		for seq, row := range r.member(who).rows {
			if _, ok := rows[seq]; !ok {
				rows[seq] = row
			}
		}
	}
	history := slices.Clone(r.history)
	for _, seq := range slices.Sorted(maps.Keys(rows)) {
		history = append(history, rows[seq])
	}
	return history
}

func firstWord(text string) string {
	word, _, _ := strings.Cut(text, " ")
	return word
}
