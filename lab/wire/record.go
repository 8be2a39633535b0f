//go:build !nolab

package wire

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"sync"
)

// Engine is the version of what decides the bytes on the wire: ours, and that
// of the stack. It is part of every fingerprint.
const Engine = "1/gvisor-20260905035102"

// maxKept is how many frames a Recorder keeps: a minute of 30 hosts that
// talk. What is more is counted and is in the fingerprint.
const maxKept = 1 << 20

// A Recorder is a tap that keeps what it sees, and its fingerprint.
type Recorder struct {
	mu     sync.Mutex
	frames []*Frame
	lost   int
	sum    hash.Hash
}

// NewRecorder makes a recorder. The settings are what else decides the run,
// such as the lesson's name, in a fixed form.
func NewRecorder(settings string) *Recorder {
	r := &Recorder{sum: sha256.New()}
	r.sum.Write([]byte(Engine + "\x00" + settings + "\x00"))
	return r
}

// Tap is the recorder's Config.Tap.
func (r *Recorder) Tap(f *Frame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := binary.BigEndian.AppendUint64(nil, uint64(f.At))
	b = append(b, byte(f.From.index))
	b = binary.BigEndian.AppendUint32(b, uint32(len(f.Data)))
	b = append(b, f.Data...)
	for _, c := range f.Copies {
		b = append(b, byte(c.To.index), byte(c.Fate), byte(len(c.Why)))
		b = append(b, c.Why...)
		b = binary.BigEndian.AppendUint64(b, uint64(c.At))
	}
	r.sum.Write(b)
	if len(r.frames) < maxKept {
		r.frames = append(r.frames, f)
	} else {
		r.lost++
	}
}

// Note adds to the fingerprint what a lesson saw beside the wire.
func (r *Recorder) Note(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sum.Write([]byte(text + "\x00"))
}

// Frames returns the frames in the order sent, and how many more there were.
func (r *Recorder) Frames() (kept []*Frame, more int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.frames, r.lost
}

// Fingerprint returns 12 hexadecimal digits: the same for the same engine,
// settings, seed and frames, on any system.
func (r *Recorder) Fingerprint() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return hex.EncodeToString(r.sum.Sum(nil)[:6])
}

// Printable shows bytes as a line of text: what is no printable ASCII is a dot.
func Printable(data []byte) string {
	out := make([]byte, len(data))
	for i, b := range data {
		if out[i] = '.'; b >= ' ' && b <= '~' {
			out[i] = b
		}
	}
	return string(out)
}
