//go:build !nolab

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"parley/lab"
	"parley/lab/wire"
	"parley/node"
	"parley/room"
)

// A labDoctorCmd says what can be done here.
type labDoctorCmd struct {
	LAN bool `name:"lan" env:"-" help:"Look at the network, too: whether a class could reach this computer."`
}

// Run looks, and tells. What is no fault of this computer is no fault.
func (c *labDoctorCmd) Run(ctx context.Context, p *program) error {
	worst := node.Finding{Check: "lab", Code: "fine", Text: "lessons run here, and prove what they say"}
	tell := func(f node.Finding) {
		if f.Class != node.Fine && worst.Class == node.Fine {
			worst = f
		}
		p.printFinding(f)
	}
	tell(labEngineHere(ctx))
	tell(labProcessors())
	for _, f := range labSockets() {
		tell(f)
	}
	tell(labPort("127.0.0.1", "page", "the class's page can be opened on this computer: parley lab serve"))
	tell(labWireshark())
	if c.LAN {
		for _, f := range c.network(ctx, p) {
			tell(f)
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	p.printDiagnosis(node.Diagnosis{Finding: worst})
	if worst.Class != node.Fine {
		return errQuiet(worst.Class)
	}
	return nil
}

// tries is how often the doctor has the engine repeat itself.
const tries = 3

// labEngineHere runs a lesson and looks whether the engine repeats itself.
func labEngineHere(ctx context.Context) node.Finding {
	f := node.Finding{Check: "engine", Code: "engine"}
	lesson := lab.Lessons[0]
	want, began := lab.Golden()[lesson.Name], time.Now()
	for range tries {
		lines, err := labRun(ctx, lab.Request{Lesson: lesson.Name, Quiet: true})
		switch got := labEnd(lines).Fingerprint; {
		case err != nil:
			f.Code, f.Class, f.Text = "no_engine", node.ThisMachine, "it does not run: "+err.Error()
			f.Next = "the program must be allowed to start itself: copy it to a place where programs may run"
			return f
		case got != want:
			f.Code, f.Class = "other_engine", node.ThisMachine
			f.Text = fmt.Sprintf("lesson %s has the fingerprint %s here, and %s elsewhere", lesson.Name, got, want)
			f.Next = "report it, with what parley version says"
			return f
		}
	}
	f.Text = fmt.Sprintf("%s repeats itself: %d runs of lesson %s, one fingerprint, %d ms a run", wire.Engine, tries, lesson.Name, time.Since(began).Milliseconds()/tries)
	return f
}

// labProcessors says how many there are; an engine uses one.
func labProcessors() node.Finding {
	f := node.Finding{Check: "processor", Code: "processors", Text: fmt.Sprintf("%d of them; an engine uses one", runtime.NumCPU())}
	if runtime.NumCPU() == 1 {
		f.Code, f.Note, f.Text = "one_processor", true, "there is one: parley lab verify and sweep take twice as long"
	}
	return f
}

// labSockets tries the types of sockets that --real could use.
func labSockets() (all []node.Finding) {
	dir, err := os.MkdirTemp("", "parley")
	if err != nil {
		return []node.Finding{{Check: "sockets", Code: "no_temp", Note: true, Text: "they cannot be tried: " + err.Error()}}
	}
	defer os.RemoveAll(dir)
	var has, lacks []string
	try := func(name string, open func() (interface{ Close() error }, error)) {
		s, err := open()
		if err != nil {
			lacks = append(lacks, name)
			return
		}
		s.Close()
		has = append(has, name)
	}
	try("stream (TCP)", func() (interface{ Close() error }, error) { return net.Listen("tcp", "127.0.0.1:0") })
	try("datagram (UDP)", func() (interface{ Close() error }, error) { return net.ListenPacket("udp", "127.0.0.1:0") })
	try("sequenced packet", func() (interface{ Close() error }, error) {
		if runtime.GOOS == "windows" {
			return nil, errors.ErrUnsupported
		}
		return net.Listen("unixpacket", filepath.Join(dir, "s"))
	})
	f := node.Finding{Check: "sockets", Code: "sockets", Text: "this system has " + strings.Join(has, ", ")}
	if len(lacks) > 0 {
		f.Code, f.Text = "some_sockets", f.Text+"; it has no "+strings.Join(lacks, ", ")+", for which lessons have a stand-in"
	}
	raw := node.Finding{Check: "raw", Code: "raw", Text: "raw sockets may be opened"}
	if s, err := net.ListenPacket("ip4:icmp", "127.0.0.1"); err == nil {
		s.Close()
	} else {
		raw.Code, raw.Text = "no_raw", "raw sockets may not be opened without privileges, which no lesson needs: the virtual machines have theirs"
	}
	return append(all, f, raw)
}

// labPort tries to open a port for the class's page.
func labPort(address, check, good string) node.Finding {
	l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		return node.Finding{Check: check, Code: "no_port", Class: node.ThisMachine, Text: "no port may be opened on " + address + ": " + err.Error(),
			Next: "parley lab run and quiz need none"}
	}
	l.Close()
	f := node.Finding{Check: check, Code: "port", Text: good}
	usual, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(webPort)))
	if err != nil {
		f.Text += fmt.Sprintf(" (its usual port, %d, is taken; it takes another)", webPort)
		return f
	}
	usual.Close()
	return f
}

// sharks is where Wireshark is that is not in the path.
var sharks = []string{"/Applications/Wireshark.app/Contents/MacOS/tshark", `C:\Program Files\Wireshark\tshark.exe`}

// labWireshark looks for Wireshark.
func labWireshark() node.Finding {
	f := node.Finding{Check: "wireshark", Code: "wireshark"}
	for _, name := range append([]string{"wireshark", "tshark"}, sharks...) {
		if path, err := exec.LookPath(name); err == nil {
			f.Text = path + " opens what parley lab run LESSON --out FILE.pcapng writes; parley lab wireshark prints what makes it read parley's own packets"
			return f
		}
	}
	f.Code, f.Note, f.Text = "no_wireshark", true, "Wireshark is not found here; captures (--out FILE.pcapng) can be opened on another computer"
	return f
}

// network looks at the network that a class would be in.
func (c *labDoctorCmd) network(ctx context.Context, p *program) (all []node.Finding) {
	mine := map[string]bool{}
	for _, a := range lanAddresses() {
		mine[a] = true
		all = append(all, labPort(a, "address", fmt.Sprintf("students could reach the page at http://%s", net.JoinHostPort(a, strconv.Itoa(webPort)))))
	}
	if len(mine) == 0 {
		return append(all, node.Finding{Check: "address", Code: "no_network", Class: node.NobodyThere, Text: "this computer is in no network that a class could share",
			Next: "a hotspot of this computer, or of a phone, is one"})
	}
	p.progress("listening for other computers")
	others := map[string]bool{}
	if n, err := p.doctorNode(); err == nil {
		p.list(ctx, n, 1500*time.Millisecond, func(l room.Listing) {
			if a := l.Addr.String(); !mine[a] && !l.Addr.IsLoopback() {
				others[a] = true
			}
		})
		n.Close()
	}
	f := node.Finding{Check: "isolation", Code: "not_isolated"}
	switch near := neighbours(); {
	case len(others) > 0:
		f.Text = fmt.Sprintf("rooms of %d other computers are heard: this network lets its clients hear each other", len(others))
	case near > 0:
		f.Text = fmt.Sprintf("this computer has spoken to %d others of its network; that students reach it is likely", near)
	default:
		f.Code, f.Note = "maybe_isolated", true
		f.Text = "nobody else is heard. A school's Wi-Fi may keep its clients apart; one computer alone cannot tell"
		f.Next = "have a student open the page's address; if it does not come, use a hotspot, or parley lab quiz"
	}
	return append(all, f)
}

// lanAddresses are the addresses of this computer in networks that others may
// be in.
func lanAddresses() (all []string) {
	list, err := net.Interfaces()
	if err != nil {
		return nil
	}
	for _, i := range list {
		if i.Flags&net.FlagUp == 0 || i.Flags&(net.FlagLoopback|net.FlagPointToPoint) != 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLinkLocalUnicast() {
				all = append(all, n.IP.String())
			}
		}
	}
	return all
}

// neighbours is how many computers this one has spoken to lately, where the
// system tells. The first is usually the router.
func neighbours() int {
	table, err := os.ReadFile("/proc/net/arp")
	if err != nil {
		return 0
	}
	n := -1 // the router
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) >= 4 && f[2] != "0x0" && strings.Count(f[3], ":") == 5 {
			n++
		}
	}
	return max(0, n)
}
