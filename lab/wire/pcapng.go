//go:build !nolab

package wire

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Block types and options of pcapng. Numbers are little-endian.
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockPacket    = 6
	byteOrder      = 0x1a2b3c4d
	linkEthernet   = 1

	optEnd         = 0
	optComment     = 1
	optApplication = 4 // of a section
	optName        = 2 // of an interface
	optResolution  = 9 // of an interface: 9 for nanoseconds
	optFlags       = 2 // of a packet
	flagInbound    = 1
	flagOutbound   = 2
)

// epoch is when captures begin: the bubble's midnight, for all runs.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// sight is a frame as one host sees it.
type sight struct {
	at   time.Duration
	in   bool
	data []byte
	f    *Frame
	copy *Copy // the one that came in
}

// WritePcapng writes what a capture program on one host sees: the frames it
// sends, those included that are lost on their way, and those that come. There
// is one capture point in a file, since Wireshark takes a segment that it sees
// twice for one sent twice. Comments tell what it cannot know: "lab:drop
// why=loss". The comment is the section's, such as the command that made it.
func WritePcapng(w io.Writer, at *Host, frames []*Frame, comment string) error {
	b := block(nil, blockSection, func(b []byte) []byte {
		b = binary.LittleEndian.AppendUint32(b, byteOrder)
		b = binary.LittleEndian.AppendUint32(b, 1) // version 1.0
		b = binary.LittleEndian.AppendUint64(b, 1<<64-1)
		return options(b, option{optComment, []byte(comment)}, option{optApplication, []byte("parley lab " + Engine)})
	})
	b = block(b, blockInterface, func(b []byte) []byte {
		b = binary.LittleEndian.AppendUint32(b, linkEthernet)
		b = binary.LittleEndian.AppendUint32(b, 0)
		return options(b, option{optName, []byte(at.name)}, option{optResolution, []byte{9}})
	})
	for _, s := range sights(at, frames) {
		b = s.append(b)
		if len(b) > 1<<16 {
			if _, err := w.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	_, err := w.Write(b)
	return err
}

// sights returns what a host sees, in the order of time.
func sights(at *Host, frames []*Frame) (list []sight) {
	for _, f := range frames {
		if f.From == at {
			list = append(list, sight{at: f.At, data: f.Data, f: f})
			continue
		}
		for i := range f.Copies {
			if c := &f.Copies[i]; c.To == at && c.Fate != Dropped {
				list = append(list, sight{c.At, true, c.Data, f, c})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b sight) int { return cmp.Compare(a.at, b.at) })
	return list
}

func (s sight) append(b []byte) []byte {
	return block(b, blockPacket, func(b []byte) []byte {
		b = binary.LittleEndian.AppendUint32(b, 0) // the interface
		t := uint64(epoch.UnixNano()) + uint64(s.at)
		b = binary.LittleEndian.AppendUint32(b, uint32(t>>32))
		b = binary.LittleEndian.AppendUint32(b, uint32(t))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(s.data)))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(s.data)))
		b = pad(append(b, s.data...))
		flags := uint32(flagOutbound)
		if s.in {
			flags = flagInbound
		}
		return options(b,
			option{optComment, []byte(s.comment())},
			option{optFlags, binary.LittleEndian.AppendUint32(nil, flags)})
	})
}

// comment says what a capture program would not know.
func (s sight) comment() string {
	var c []string
	if s.in {
		if s.copy.Why != "" {
			c = append(c, "lab:"+s.copy.Why)
		}
	} else {
		for _, copy := range s.f.Copies {
			switch {
			case copy.Fate == Dropped && len(s.f.Copies) > 1:
				c = append(c, fmt.Sprintf("lab:drop to=%s why=%s", copy.To.name, copy.Why))
			case copy.Fate == Dropped:
				c = append(c, "lab:drop why="+copy.Why)
			case copy.Why != "":
				c = append(c, "lab:"+copy.Why)
			}
		}
	}
	if s.f.Resent {
		c = append(c, "lab:resent")
	}
	for _, m := range s.f.Messages {
		c = append(c, fmt.Sprintf("lab:msg=%d", m))
	}
	return strings.Join(c, " ")
}

// block appends a block whose body is written by body.
func block(b []byte, kind uint32, body func([]byte) []byte) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint32(b, kind)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = body(b)
	size := uint32(len(b) - start + 4)
	binary.LittleEndian.PutUint32(b[start+4:], size)
	return binary.LittleEndian.AppendUint32(b, size)
}

type option struct {
	code  uint16
	value []byte
}

// options appends those options that have a value.
func options(b []byte, list ...option) []byte {
	for _, o := range list {
		if len(o.value) > 0 {
			v := o.value[:min(len(o.value), 1<<16-1)]
			b = binary.LittleEndian.AppendUint16(b, o.code)
			b = binary.LittleEndian.AppendUint16(b, uint16(len(v)))
			b = pad(append(b, v...))
		}
	}
	return binary.LittleEndian.AppendUint32(b, optEnd)
}

// pad fills up to a multiple of four bytes; blocks begin at one.
func pad(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}
