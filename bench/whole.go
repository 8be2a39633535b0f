package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The whole program: a room of real processes, beside other servers that send to
// all what one says. The host, or server, is a process of its own; its members are
// in this one, each with a socket of its own, but for the ten who are real programs
// with a person's Enter written to their standard input. All is on loopback.
//
// Flat out, underWay messages are always on their way, each from another member,
// and the next is said when the slowest member has one. At a steady 20 a second
// each message is timed from its Enter to the slowest member. CPU and memory are
// the host's own; what else this machine did is in the last column.

func init() { commands["whole"] = command{"the whole program: rooms of real processes", whole} }

const (
	underWay  = 64
	perSecond = 20
	atOnce    = 32  // who join at the same time
	perMember = 400 // messages of a member flat out: fewer than a room paces
)

// wholeFlags are what may be asked of the command.
type wholeFlags struct {
	short  bool
	only   string
	parley string
	rounds int
	work   string
}

func whole(args []string) (err error) {
	f := wholeFlags{}
	set := flag.NewFlagSet("whole", flag.ContinueOnError)
	set.BoolVar(&f.short, "short", false, "a look: fewer members, less time")
	set.StringVar(&f.only, "only", "", "only cells whose name, such as parley/100, contains one of these, separated by commas")
	set.StringVar(&f.parley, "parley", "", "the program to measure; built if not given")
	set.IntVar(&f.rounds, "rounds", 1, "how often each cell is measured; medians are printed")
	if err := set.Parse(args); err != nil {
		return err
	}
	if f.work, err = os.MkdirTemp("", "parley-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(f.work)
	tellMachine()
	if err := f.rooms(); err != nil {
		return err
	}
	return f.crowd()
}

// wants tells whether a cell is asked for.
func (f *wholeFlags) wants(cell string) bool {
	return f.only == "" || slices.ContainsFunc(strings.Split(f.only, ","), func(s string) bool { return strings.Contains(cell, s) })
}

// program builds the program, once.
func (f *wholeFlags) program(ctx context.Context) (string, error) {
	if f.parley == "" {
		name := filepath.Join(f.work, "parley")
		if err := goBuild(ctx, "..", "-o", name, "-trimpath", "-ldflags=-s -w", "."); err != nil {
			return "", err
		}
		f.parley = name
	}
	return f.parley, nil
}

// roomRow is what a cell has measured.
type roomRow struct {
	joins    float64 // a second
	flat     float64 // messages a second
	perM     float64 // CPU seconds of the server for a million deliveries
	p50, p99 time.Duration
	core     float64 // of the server, at the steady rate
	rss      float64 // MiB, after the steady part
	peak     float64 // MiB, in all
	other    float64 // cores that neither server nor members used
}

// rooms measures every server with every number of members.
func (f *wholeFlags) rooms() error {
	sizes, length := []int{10, 100, 500}, 10*time.Second
	if f.short {
		sizes, length = []int{10, 100}, 3*time.Second
	}
	var table [][]string
	for _, s := range servers() {
		for _, n := range sizes {
			cell := fmt.Sprintf("%s/%d", s.name, n)
			if !f.wants(cell) || s.most > 0 && n > s.most || n < s.least {
				continue
			}
			var rows []roomRow
			for range f.rounds {
				r, err := f.measure(s, n, length)
				if err != nil {
					fmt.Fprintf(os.Stderr, "%s: %v\n", cell, err)
					break
				}
				rows = append(rows, r)
			}
			if len(rows) == 0 {
				table = append(table, []string{s.name, strconv.Itoa(n), "failed"})
				continue
			}
			table = append(table, append([]string{s.name, strconv.Itoa(n)}, medianRow(rows).cells(n)...))
			fmt.Fprintln(os.Stderr, strings.Join(table[len(table)-1], " | "))
		}
	}
	if len(table) == 0 {
		return nil
	}
	fmt.Printf("\nA room: %d messages under way flat out, then %d a second for %v.\n\n", underWay, perSecond, length)
	printMarkdown(strings.Split("server,members,joins/s,messages/s flat out,k deliveries/s,CPU s per M deliveries,p50 ms,p99 ms,core at 20/s,RSS MiB,peak MiB,other load", ","), table)
	return nil
}

func (r roomRow) cells(n int) []string {
	ms := func(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d.Microseconds())/1000) }
	return []string{fmt.Sprintf("%.0f", r.joins), fmt.Sprintf("%.0f", r.flat), fmt.Sprintf("%.0f", r.flat*float64(n)/1000),
		fmt.Sprintf("%.2f", r.perM), ms(r.p50), ms(r.p99), fmt.Sprintf("%.3f", r.core),
		fmt.Sprintf("%.1f", r.rss), fmt.Sprintf("%.1f", r.peak), fmt.Sprintf("%.2f", r.other)}
}

// medianRow is the median of each column.
func medianRow(rows []roomRow) (m roomRow) {
	mid := func(of func(roomRow) float64) float64 {
		var all []float64
		for _, r := range rows {
			all = append(all, of(r))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	m.joins = mid(func(r roomRow) float64 { return r.joins })
	m.flat = mid(func(r roomRow) float64 { return r.flat })
	m.perM = mid(func(r roomRow) float64 { return r.perM })
	m.p50 = time.Duration(mid(func(r roomRow) float64 { return float64(r.p50) }))
	m.p99 = time.Duration(mid(func(r roomRow) float64 { return float64(r.p99) }))
	m.core = mid(func(r roomRow) float64 { return r.core })
	m.rss = mid(func(r roomRow) float64 { return r.rss })
	m.peak = mid(func(r roomRow) float64 { return r.peak })
	m.other = mid(func(r roomRow) float64 { return r.other })
	return m
}

// measure measures one cell.
func (f *wholeFlags) measure(s server, n int, length time.Duration) (r roomRow, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	h, err := s.start(ctx, f, n)
	if err != nil {
		return r, err
	}
	defer h.stop()
	from := look(h.pid())
	l := newLoad(n)
	took, err := l.join(ctx, s, h)
	defer l.leave()
	if err != nil {
		return r, err
	}
	r.joins = float64(n) / took.Seconds()
	if err := l.settle(ctx); err != nil {
		return r, err
	}
	before := look(h.pid())
	if r.p50, r.p99, err = l.steady(ctx, length); err != nil {
		return r, fmt.Errorf("at %d a second: %w", perSecond, err)
	}
	after := look(h.pid())
	r.core = after.since(before).cpu / after.since(before).wall
	r.rss = after.rss
	before = look(h.pid())
	count, spent, err := l.flatOut(ctx, min(length/2, 5*time.Second))
	if err != nil {
		return r, fmt.Errorf("flat out: %w", err)
	}
	after = look(h.pid())
	r.flat = float64(count) / spent.Seconds()
	r.perM = after.since(before).cpu / float64(count*n) * 1e6
	whole := after.since(from)
	r.peak, r.other = after.peak, (whole.all-whole.cpu-whole.own-l.children(from))/whole.wall
	return r, nil
}

// tellMachine tells where the figures come from.
func tellMachine() {
	model := "?"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(b), "model name"); ok {
			model, _, _ = strings.Cut(strings.TrimLeft(rest, "\t :"), "\n")
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	fmt.Printf("%d CPUs, %s, Linux %s, %s\n", runtime.NumCPU(), model, strings.TrimSpace(string(kernel)), runtime.Version())
}

// printMarkdown prints Markdown.
func printMarkdown(head []string, rows [][]string) {
	fmt.Printf("| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat("---|", len(head)))
	for _, r := range rows {
		for len(r) < len(head) {
			r = append(r, "")
		}
		fmt.Printf("| %s |\n", strings.Join(r, " | "))
	}
}
