package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// figures are what was measured, by name.
type figures map[string]float64

// parts are what helpers do, by name.
var parts = map[string]func(args []string) error{}

// asPart runs a part where the arguments of a command ask for one: "part NAME …".
func asPart(args []string) (ran bool, err error) {
	if len(args) < 2 || args[0] != "part" {
		return false, nil
	}
	do, known := parts[args[1]]
	if !known {
		return true, fmt.Errorf("no part %q", args[1])
	}
	return true, do(args[2:])
}

// A helper is this program once more, with a part to play. It is given orders, a
// line each, and answers each with a line of figures. The first line says that it
// is ready. It ends when nobody can give orders any more.
type helper struct {
	cmd     *exec.Cmd
	orders  io.WriteCloser
	answers chan string
}

// call starts a helper in a network namespace, or in ours if there is none.
func call(namespace string, args ...string) (*helper, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	line := append([]string{program, "carriers", "part"}, args...)
	if namespace != "" {
		line = append([]string{"ip", "netns", "exec", namespace}, line...)
	}
	h := &helper{cmd: exec.Command(line[0], line[1:]...), answers: make(chan string)}
	h.cmd.Stderr = os.Stderr
	h.cmd.Env = append(os.Environ(), "QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING=true")
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if h.orders, err = h.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := h.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(h.answers)
		for s := bufio.NewScanner(out); s.Scan(); {
			h.answers <- s.Text()
		}
	}()
	if _, err := h.answer(30 * time.Second); err != nil {
		h.dismiss()
		return nil, err
	}
	return h, nil
}

// answer waits for the next line of figures.
func (h *helper) answer(limit time.Duration) (f figures, err error) {
	select {
	case line, ok := <-h.answers:
		if !ok {
			return nil, fmt.Errorf("%v ended", h.cmd.Args)
		}
		return f, json.Unmarshal([]byte(line), &f)
	case <-time.After(limit):
		return nil, fmt.Errorf("%v said nothing for %v", h.cmd.Args, limit)
	}
}

// ask gives an order and waits for the answer.
func (h *helper) ask(order string, limit time.Duration) (figures, error) {
	if _, err := fmt.Fprintln(h.orders, order); err != nil {
		return nil, err
	}
	return h.answer(limit)
}

// dismiss ends the helper.
func (h *helper) dismiss() {
	h.orders.Close()
	h.cmd.Process.Kill()
	for range h.answers { // so that its reader ends
	}
	h.cmd.Wait()
}

// obey is a helper's life.
func obey(orders map[string]func() figures) error {
	fmt.Println("{}")
	for s := bufio.NewScanner(os.Stdin); s.Scan(); {
		do, known := orders[s.Text()]
		if !known {
			return fmt.Errorf("no order %q", s.Text())
		}
		f := do()
		if f == nil {
			f = figures{}
		}
		line, err := json.Marshal(f)
		if err != nil {
			return err
		}
		fmt.Println(string(line))
	}
	return nil
}

// clock is the time that all processes of a machine share, in nanoseconds.
func clock() int64 {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return t.Nano()
}

// spent is the processor time of this process in seconds.
func spent() float64 {
	var r unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &r)
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
}

// worked is the time in seconds that all processors of the machine were busy.
func worked() float64 {
	var v [8]float64 // user, nice, system, idle, waiting for disks, interrupts of two kinds, stolen
	b, _ := os.ReadFile("/proc/stat")
	fmt.Sscanf(string(b), "cpu %f %f %f %f %f %f %f %f", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7])
	return (v[0] + v[1] + v[2] + v[5] + v[6]) / 100
}

// held is a number of KiB from our own /proc/self/status, such as VmRSS.
func held(field string) (kib float64) {
	b, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(b), field+":")
	fmt.Sscan(rest, &kib)
	return kib
}

// lull waits until the machine has little else to do, but not for long.
func lull() {
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		before := worked()
		time.Sleep(300 * time.Millisecond)
		if worked()-before < 0.06 {
			return
		}
	}
}

// middle is the median, or 0 of nothing.
func middle(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

// percentile is the value that share q of sorted v does not exceed.
func percentile(v []float64, q float64) float64 {
	if len(v) == 0 {
		return 0
	}
	return v[min(int(q*float64(len(v))), len(v)-1)]
}

// middles is the median of each figure of some rounds.
func middles(rounds []figures) figures {
	all := map[string][]float64{}
	for _, f := range rounds {
		for name, x := range f {
			all[name] = append(all[name], x)
		}
	}
	m := figures{}
	for name, v := range all {
		m[name] = middle(v)
	}
	return m
}

// A cell is one thing to measure.
type cell struct {
	name    string
	measure func() (figures, error)
}

// measureAll measures every cell in each round, so that what disturbs hits all
// alike, and returns the medians by name. A cell that fails is told and left out.
func measureAll(cells []cell, rounds int) (map[string]figures, error) {
	got := map[string][]figures{}
	var failed error
	for round := range rounds {
		for _, c := range cells {
			lull()
			f, err := c.measure()
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("%s, round %d: %w", c.name, round+1, err))
				continue
			}
			fmt.Fprintf(os.Stderr, "%d %s %v\n", round+1, c.name, f)
			got[c.name] = append(got[c.name], f)
		}
	}
	m := map[string]figures{}
	for name, rounds := range got {
		m[name] = middles(rounds)
	}
	return m, failed
}

// digits prints three digits of x or so.
func digits(x float64) string {
	switch a := max(x, -x); {
	case a >= 100:
		return fmt.Sprintf("%.0f", x)
	case a >= 10:
		return fmt.Sprintf("%.1f", x)
	case a >= 0.1 || a < 0.0005:
		return fmt.Sprintf("%.2f", x)
	default:
		return fmt.Sprintf("%.3f", x)
	}
}

// writeTable writes a table in Markdown.
func writeTable(w io.Writer, title string, head []string, rows [][]string) {
	fmt.Fprintf(w, "\n**%s**\n\n| %s |\n|%s\n", title, strings.Join(head, " | "), strings.Repeat("---|", len(head)))
	for _, row := range rows {
		fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
	}
}
