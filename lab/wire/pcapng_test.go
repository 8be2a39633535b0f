//go:build !nolab

package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// captured is a packet block as the test reads it back.
type captured struct {
	at      uint64
	data    []byte
	comment string
	flags   uint32
}

// readPcapng reads a file back, and complains of what the format forbids.
func readPcapng(t *testing.T, b []byte) (name string, list []captured) {
	t.Helper()
	le := binary.LittleEndian
	for first := true; len(b) > 0; first = false {
		if len(b) < 12 {
			t.Fatalf("%d bytes at the end", len(b))
		}
		kind, size := le.Uint32(b), le.Uint32(b[4:])
		if size%4 != 0 || int(size) > len(b) || le.Uint32(b[size-4:]) != size || first != (kind == blockSection) {
			t.Fatalf("block %#x of %d bytes", kind, size)
		}
		body := b[8 : size-4]
		b = b[size:]
		switch kind {
		case blockSection:
			if le.Uint32(body) != byteOrder || le.Uint16(body[4:]) != 1 {
				t.Fatal("section header")
			}
		case blockInterface:
			if le.Uint16(body) != linkEthernet {
				t.Fatal("link type")
			}
			name = string(readOptions(t, body[8:])[optName])
		case blockPacket:
			n := le.Uint32(body[12:])
			if n != le.Uint32(body[16:]) {
				t.Fatal("captured in part")
			}
			o := readOptions(t, body[20+(n+3)/4*4:])
			list = append(list, captured{uint64(le.Uint32(body[4:]))<<32 | uint64(le.Uint32(body[8:])),
				body[20 : 20+n], string(o[optComment]), le.Uint32(o[optFlags])})
		default:
			t.Fatalf("block %d", kind)
		}
	}
	return name, list
}

func readOptions(t *testing.T, b []byte) map[uint16][]byte {
	t.Helper()
	found := map[uint16][]byte{}
	for {
		if len(b) < 4 {
			t.Fatal("options without an end")
		}
		code, n := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
		if code == optEnd {
			if n != 0 || len(b) != 4 {
				t.Fatal("options go on after their end")
			}
			return found
		}
		found[code] = b[4 : 4+n]
		b = b[4+(n+3)/4*4:]
	}
}

// lossyRun is a transfer with some of everything, seen by the sender.
func lossyRun(t *testing.T) (rec *Recorder, file []byte) {
	t.Helper()
	c := Config{Seed: 3, Way: Way{Loss: .03, Dup: .01, Delay: 5 * time.Millisecond}, TCP: TCP{MaxRTO: time.Second}}
	var a *Host
	rec = on(t, c, func(p *place) {
		bulk(p, 500_000)
		a = p.Hosts()[0]
	})
	frames, _ := rec.Frames()
	var b bytes.Buffer
	if err := WritePcapng(&b, a, frames, "a test"); err != nil {
		t.Fatal(err)
	}
	return rec, b.Bytes()
}

func TestPcapng(t *testing.T) {
	rec, file := lossyRun(t)
	name, list := readPcapng(t, file)
	if name != "A" {
		t.Errorf("interface %q", name)
	}
	frames, _ := rec.Frames()
	sent, lost, resent, came := 0, 0, 0, 0
	for _, f := range frames {
		for _, c := range f.Copies {
			if f.From.name == "A" && c.Fate == Dropped {
				lost++
			}
			if f.From.name == "B" && c.Fate != Dropped {
				came++
			}
		}
		if f.From.name == "A" {
			sent++
			if f.Resent {
				resent++
			}
		}
	}
	got := map[string]int{}
	before := uint64(0)
	for _, p := range list {
		if p.at < before {
			t.Fatal("goes back in time")
		}
		before = p.at
		if p.flags == flagOutbound {
			got["sent"]++
		} else {
			got["came"]++
		}
		for _, mark := range []string{"lab:drop why=loss", "lab:resent"} {
			if p.flags == flagOutbound && strings.Contains(p.comment, mark) {
				got[mark]++
			}
		}
	}
	want := map[string]int{"sent": sent, "came": came, "lab:drop why=loss": lost, "lab:resent": resent}
	if fmt.Sprint(got) != fmt.Sprint(want) || lost == 0 || resent == 0 {
		t.Errorf("file %v, recorder %v", got, want)
	}
}

// TestWiresharkAgrees asks tshark about a capture.
func TestWiresharkAgrees(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("no tshark here")
	}
	rec, file := lossyRun(t)
	path := filepath.Join(t.TempDir(), "a.pcapng")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	count := func(filter string) int {
		out, err := exec.Command(tshark, "-r", path, "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-Y", filter).Output()
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Count(out, []byte("\n"))
	}
	if n := count("_ws.malformed || tcp.checksum.status == 0 || ip.checksum.status == 0"); n > 0 {
		t.Errorf("%d malformed frames or bad checksums", n)
	}
	resent := 0
	frames, _ := rec.Frames()
	for _, f := range frames {
		if f.From.name == "A" && f.Resent {
			resent++
		}
	}
	// It calls some of them out of order, which they are.
	named := count("frame.packet_flags_direction == 2 && (tcp.analysis.retransmission || tcp.analysis.out_of_order)")
	if named != resent {
		t.Errorf("tshark names %d retransmissions, we %d", named, resent)
	}
}
