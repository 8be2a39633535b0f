package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A process is a server, and where it is.
type process struct {
	cmd  *exec.Cmd
	addr string // host and port
	link string // of a parley room
	out  *bufio.Scanner
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// spawn starts a program that dies with us, and whose standard output is read
// from out.
func spawn(ctx context.Context, name string, args ...string) (*process, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, out: bufio.NewScanner(out)}
	p.out.Buffer(nil, 1<<20)
	return p, cmd.Start()
}

// stop ends the process.
func (p *process) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(5*time.Second, func() { p.cmd.Process.Kill() })
	p.cmd.Wait()
	late.Stop()
}

// listens waits until the process takes connections.
func (p *process) listens(ctx context.Context) error {
	for range 200 {
		if c, err := new(net.Dialer).DialContext(ctx, "tcp", p.addr); err == nil {
			return c.Close()
		}
		time.Sleep(25 * time.Millisecond)
	}
	p.stop()
	return errors.New("the server did not start")
}

// freePort is a port that nobody has now.
func freePort() int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 17667
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// goBuild runs go build in a directory.
func goBuild(ctx context.Context, dir string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"build"}, args...)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %v: %w\n%s", args, err, out)
	}
	return nil
}

// consumed is what was used up to a moment: seconds, MiB.
type consumed struct {
	at        time.Time
	wall      float64
	cpu       float64 // of the process
	own       float64 // of this one
	all       float64 // of the machine
	rss, peak float64
}

// look reads what a process, and the machine, have used.
func look(pid int) consumed {
	u := consumed{at: time.Now(), own: rusageSeconds(syscall.RUSAGE_SELF), all: machineCPU()}
	if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
		if i := strings.LastIndexByte(string(b), ')'); i > 0 {
			f := strings.Fields(string(b[i+1:]))
			u.cpu = (decimal(f[11]) + decimal(f[12])) / 100
		}
	}
	if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)); err == nil {
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
				u.rss = decimal(f[1]) / 1024
			} else if len(f) > 1 && f[0] == "VmHWM:" {
				u.peak = decimal(f[1]) / 1024
			}
		}
	}
	return u
}

func (u consumed) since(v consumed) consumed {
	return consumed{wall: u.at.Sub(v.at).Seconds(), cpu: u.cpu - v.cpu, own: u.own - v.own, all: u.all - v.all}
}

func rusageSeconds(who int) float64 {
	var r syscall.Rusage
	syscall.Getrusage(who, &r)
	return float64(r.Utime.Sec+r.Stime.Sec) + float64(r.Utime.Usec+r.Stime.Usec)/1e6
}

// machineCPU is the seconds that all CPUs have worked.
func machineCPU() (sum float64) {
	b, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(b), "\n")
	for i, f := range strings.Fields(line)[1:] {
		if i != 3 && i != 4 && i < 8 { // idle, waiting for disks; guests are in user
			sum += decimal(f) / 100
		}
	}
	return sum
}

func decimal(s string) float64 {
	f, _ := strconv.ParseFloat(s, 64)
	return f
}
