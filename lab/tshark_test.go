//go:build !nolab

package lab

import (
	"bytes"
	"context"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"parley/lab/wire"
)

// A shark is tshark with the dissector, and nobody's settings.
type shark struct {
	path, dir string
}

// newShark finds tshark, or skips the test, aloud.
func newShark(t *testing.T) shark {
	t.Helper()
	path, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("SKIPPED: tshark is missing")
	}
	s := shark{path, t.TempDir()}
	if err := os.WriteFile(filepath.Join(s.dir, "parley.lua"), Dissector, 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// capture writes what a host saw into a file and returns its name.
func (s shark) capture(t *testing.T, at *wire.Host, frames []*wire.Frame) string {
	t.Helper()
	var b bytes.Buffer
	if err := wire.WritePcapng(&b, at, frames, t.Name()); err != nil {
		t.Fatal(err)
	}
	return s.file(t, b.Bytes())
}

// file keeps a capture and returns its name.
func (s shark) file(t *testing.T, capture []byte) string {
	t.Helper()
	f, err := os.CreateTemp(s.dir, "*.pcapng")
	if err == nil {
		_, err = f.Write(capture)
		f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// sharkTime is far more than tshark needs for a capture, unless it goes in circles.
const sharkTime = 2 * time.Minute

// ports are those on which the program is tried: its own, and one that Wireshark
// knows nothing of. One of them must do where there is no time.
func ports(own bool) []int {
	switch {
	case thorough:
		return []int{7667, 50007}
	case own:
		return []int{7667}
	}
	return []int{50007}
}

// read has tshark read a capture, sums and all, and returns what it prints. It
// has to say nothing else.
func (s shark) read(t *testing.T, file string, args ...string) string {
	t.Helper()
	args = append([]string{"-X", "lua_script:" + filepath.Join(s.dir, "parley.lua"), "-n", "-r", file,
		"-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
		"-o", "tcp.reassemble_out_of_order:TRUE"}, args...) // else Wireshark takes what is sent again for an error
	ctx, cancel := context.WithTimeout(context.Background(), sharkTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.path, args...)
	cmd.Env = append(os.Environ(), "HOME="+s.dir, "XDG_CONFIG_HOME="+s.dir, "WIRESHARK_CONFIG_DIR="+s.dir, "LC_ALL=C.UTF-8")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	said := strings.TrimSpace(strings.ReplaceAll(errs.String(), `Running as user "root" and group "root". This could be dangerous.`, ""))
	if err != nil || said != "" {
		t.Fatalf("tshark %q: %v\n%s", args, err, said)
	}
	return string(out)
}

// count returns how many frames each filter finds. The test fails where one is
// none that Wireshark knows.
func (s shark) count(t *testing.T, file string, filters ...string) []int {
	t.Helper()
	counts := make([]int, len(filters))
	if info, err := os.Stat(file); err == nil && info.Size() < 4096 { // a capture without length, in time, has no statistics
		for i, f := range filters {
			counts[i] = strings.Count(s.read(t, file, "-Y", f, "-T", "fields", "-e", "frame.number"), "\n")
		}
		return counts
	}
	said := s.read(t, file, "-q", "-z", "io,stat,0,"+strings.Join(filters, ","))
	for line := range strings.Lines(said) {
		cells := strings.Split(line, "|") // |from <> to|frames|bytes|frames|bytes|...
		if strings.Contains(line, "<>") && len(cells) >= 2*len(filters)+3 {
			for i := range counts {
				n, err := strconv.Atoi(strings.TrimSpace(cells[2+2*i]))
				if err != nil {
					t.Fatal(line)
				}
				counts[i] += n
			}
			return counts
		}
	}
	if !strings.Contains(said, "IO Statistics") {
		t.Fatalf("tshark did not count %q:\n%s", filters, said)
	}
	return counts // there are no frames
}

// finds fails the test where a filter finds nothing.
func (s shark) finds(t *testing.T, file string, filters ...string) {
	t.Helper()
	for i, n := range s.count(t, file, filters...) {
		if n == 0 {
			t.Errorf("nothing is found by %s", filters[i])
		}
	}
}

// lacks fails the test where a filter finds something.
func (s shark) lacks(t *testing.T, file string, filters ...string) {
	t.Helper()
	for i, n := range s.count(t, file, filters...) {
		if n > 0 {
			t.Errorf("%d frames are found by %s:\n%.2000s", n, filters[i], s.read(t, file, "-Y", filters[i]))
		}
	}
}

// fields returns the values that some fields have in each frame that a filter finds.
func (s shark) fields(t *testing.T, file, filter string, fields ...string) (rows [][][]string) {
	t.Helper()
	args := []string{"-Y", filter, "-T", "fields", "-E", "separator=/t", "-E", "aggregator=\x1f"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	for line := range strings.Lines(s.read(t, file, args...)) {
		var row [][]string
		for _, cell := range strings.Split(strings.TrimSuffix(line, "\n"), "\t") {
			if cell == "" {
				row = append(row, nil)
			} else {
				row = append(row, strings.Split(cell, "\x1f"))
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// wrong finds what Wireshark could not read, and what is wrong with the capture.
const wrong = "_ws.malformed || _ws.lua.error || _ws.expert.group==malformed || _ws.unreassembled" +
	" || ip.checksum.status==Bad || udp.checksum.status==Bad || tcp.checksum.status==Bad" +
	" || parley.crc.bad || parley.broken || parley.extra || parley.tcp.inside || parley.cut"

// sound fails the test if Wireshark finds anything wrong, or leaves bytes unread.
func (s shark) sound(t *testing.T, file string) {
	t.Helper()
	s.lacks(t, file, wrong)
	s.covered(t, file)
}

// A part is a part of a frame as tshark sees it.
type part struct {
	Name   string `xml:"name,attr"`
	Size   int    `xml:"size,attr"`
	Pos    int    `xml:"pos,attr"`
	Protos []part `xml:"proto"`
	Fields []part `xml:"field"`
}

// covered fails the test if there are bytes above TCP and UDP that no field of
// a protocol shows. What is put together from several frames is left out: there
// positions are others.
func (s shark) covered(t *testing.T, file string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(s.read(t, file, "-T", "pdml", "-Y", "(udp || tcp.len>0) && !tcp.segments && !tcp.reassembled_in")))
	frames := 0
	for {
		token, err := d.Token()
		if err != nil {
			break
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "packet" {
			continue
		}
		var p part
		if err := d.DecodeElement(&p, &start); err != nil {
			t.Fatal(err)
		}
		frames++
		if from, to := bareBytes(p); from < to {
			t.Errorf("frame %s: nobody shows bytes %d to %d", p.frame(), from, to)
		}
	}
	if frames == 0 {
		t.Error("no frames")
	}
}

// frame is the number of a packet.
func (n part) frame() string {
	for _, p := range n.Protos {
		if p.Name == "frame" {
			return strconv.Itoa(p.Size) + " bytes, " + p.Name
		}
	}
	return "?"
}

// bareBytes finds bytes of a packet that no leaf covers.
func bareBytes(p part) (from, to int) {
	end, seen := 0, map[int]bool{}
	for _, proto := range p.Protos {
		switch proto.Name {
		case "geninfo":
			continue
		case "frame":
			end = proto.Size
			continue
		case "data", "fake-field-wrapper":
			continue
		case "dtls", "tls": // Wireshark's own; what is in a certificate stands elsewhere
			for i := range proto.Size {
				seen[proto.Pos+i] = true
			}
		}
		proto.leaves(func(n part) {
			if n.Name == "udp.payload" || n.Name == "tcp.payload" {
				return
			}
			for i := range n.Size {
				seen[n.Pos+i] = true
			}
		})
	}
	for i := range end {
		if !seen[i] {
			to = i + 1
			if from == 0 {
				from = i
			}
		}
	}
	return from, to
}

// leaves calls f for what has no parts.
func (n part) leaves(f func(part)) {
	parts := append(n.Protos, n.Fields...)
	if len(parts) == 0 {
		f(n)
	}
	for _, p := range parts {
		p.leaves(f)
	}
}
