package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

// spread gives each carrier its own entry where several were measured at a time:
// what is keyed "latency 5/a+b", with figures "a p99" and "b p99", becomes
// "latency 5/a" and "latency 5/b", with "p99".
func spread(got map[string]figures) map[string]figures {
	all := map[string]figures{}
	for name, f := range got {
		if !strings.HasPrefix(name, "latency ") {
			all[name] = f
			continue
		}
		cell, _, _ := strings.Cut(name, "/")
		for key, x := range f {
			carrier, figure, _ := strings.Cut(key, " ")
			to := cell + "/" + carrier
			if all[to] == nil {
				all[to] = figures{}
			}
			all[to][figure] = x
		}
	}
	return all
}

// column is a figure and what a table calls it.
type column struct{ figure, head string }

// print writes the tables of what was measured.
func (c *carrierFlags) print(w io.Writer) {
	fmt.Fprintf(w, "%s\n\nMessages of %d bytes; median of %d rounds, interleaved. \"Others\" are the cores that were busy with something else.\n",
		machineLine(), messageSize, c.rounds)
	if c.wants("latency") {
		title := fmt.Sprintf("latency: 100 messages a second for %v, one way", c.pace)
		for _, col := range []column{{"p50", "p50, ms"}, {"p99", "p99, ms"}, {"p99.9", "p99.9, ms"}, {"max", "latest, ms"}, {"arrived", "arrived"},
			{"strange", "twice or out of order"}, {"bytes", "bytes on the wire, both ways, per byte"}, {"packets", "packets, both ways, per message"}, {"others", "others, cores"}} {
			c.across(w, title+": "+col.head, "latency", col.figure, c.losses, "% lost")
		}
	}
	if c.wants("flood") {
		for _, loss := range c.floods {
			for _, n := range c.batches {
				c.down(w, fmt.Sprintf("flood: flat out for %v, %d a call, %d %% lost", c.flood, n, loss), fmt.Sprintf("flood %d %d", loss, n),
					[]column{{"rate", "k msgs/s"}, {"cpu", "CPU s/M, both ends"}, {"bytes", "wire bytes per byte"}, {"packets", "packets per message"}, {"others", "others, cores"}})
			}
		}
	}
	if c.wants("fanout") {
		for _, col := range []column{{"rate", "flat out: k deliveries/s"}, {"host", "flat out: host CPU s/M"}, {"both", "flat out: CPU s/M, host and members"},
			{"p50", "20 msg/s: p50, ms"}, {"p99", "20 msg/s: p99, ms"}, {"steady", "20 msg/s: host CPU s/M"}, {"kib", "host KiB a member after 20 msg/s"},
			{"peak", "host's peak KiB a member"}, {"others", "others, cores"}} {
			c.across(w, "fan-out on loopback, "+col.head, "fanout", col.figure, c.sizes, "members")
		}
	}
	c.judge(w)
}

// across prints one figure: a row for each carrier, a column for each parameter.
func (c *carrierFlags) across(w io.Writer, title, workload, figure string, parameters []int, unit string) {
	head := []string{""}
	for _, p := range parameters {
		head = append(head, fmt.Sprintf("%d %s", p, unit))
	}
	var rows [][]string
	for _, name := range c.names {
		row := []string{name}
		for _, p := range parameters {
			row = append(row, c.figure(fmt.Sprintf("%s %d", workload, p), name, figure))
		}
		rows = append(rows, row)
	}
	writeTable(w, title, head, rows)
}

// down prints some figures of one cell: a row for each carrier.
func (c *carrierFlags) down(w io.Writer, title, cell string, columns []column) {
	head := []string{""}
	for _, col := range columns {
		head = append(head, col.head)
	}
	var rows [][]string
	for _, name := range c.names {
		row := []string{name}
		for _, col := range columns {
			row = append(row, c.figure(cell, name, col.figure))
		}
		rows = append(rows, row)
	}
	writeTable(w, title, head, rows)
}

func (c *carrierFlags) figure(cell, carrier, figure string) string {
	if x, ok := c.got[cell+"/"+carrier][figure]; ok {
		return digits(x)
	}
	return "–"
}

// An aim is a bound for a figure of a carrier of ours: a fixed one, or so many
// times that of another carrier.
type aim struct {
	cell, figure string
	least        bool // the figure shall be at least the bound, else at most
	bound        float64
	of           string // the other carrier; none: bound is fixed
}

// aims are what parley-udp is held to.
var aims = []aim{
	{"latency 0", "p99", false, 2, "raw"},
	{"latency 5", "p99", false, 4, ""},
	{"latency 20", "p99", false, 12, ""},
	{"latency 30", "p99", false, 25, ""},
	{"latency 30", "arrived", true, 1, "QUIC"},
	{"latency 0", "bytes", false, 1, "QUIC"}, {"latency 10", "bytes", false, 1, "QUIC"}, {"latency 30", "bytes", false, 1, "QUIC"},
	{"latency 0", "packets", false, 1, "QUIC"}, {"latency 10", "packets", false, 1, "QUIC"}, {"latency 30", "packets", false, 1, "QUIC"},
	{"flood 0 1", "rate", true, 1, "QUIC"}, {"flood 0 1", "rate", true, 1, "TLS"},
	{"flood 0 32", "rate", true, 1.25, "QUIC"}, {"flood 0 32", "rate", true, 0.8, "TLS"}, {"flood 0 32", "cpu", false, 1, "QUIC"},
	{"flood 1 32", "rate", true, 1.5, "QUIC"}, {"flood 1 32", "rate", true, 1.5, "TLS"},
	{"fanout 100", "rate", true, 2.5, "QUIC"}, {"fanout 100", "rate", true, 0.8, "TLS"},
	{"fanout 500", "rate", true, 2.5, "QUIC"}, {"fanout 500", "rate", true, 0.8, "TLS"},
	{"fanout 100", "p99", false, 1.5, "TCP"}, {"fanout 500", "p99", false, 1.5, "TCP"},
	{"fanout 100", "kib", false, 1, "TLS"}, {"fanout 500", "kib", false, 1, "TLS"},
}

// judge prints which of the aims were met.
func (c *carrierFlags) judge(w io.Writer) {
	var rows [][]string
	for _, a := range aims {
		x, known := c.got[a.cell+"/parley-udp"][a.figure]
		if row := a.verdict(x, c.got[a.cell+"/"+a.of][a.figure]); known && row != nil {
			rows = append(rows, row)
		}
	}
	if rows != nil {
		writeTable(w, "parley-udp and what it is held to", []string{"", "figure", "parley-udp", "bound", "", "ratio"}, rows)
	}
}

// verdict is a row of judge's table, or nil if the other carrier was not measured.
func (a aim) verdict(x, other float64) []string {
	bound, ratio, what := a.bound, "–", digits(a.bound)
	if a.of != "" {
		if other == 0 {
			return nil
		}
		bound, ratio = a.bound*other, digits(x/other)
		what = fmt.Sprintf("%v × %s's %s", a.bound, a.of, digits(other))
	}
	side, met := "at most ", x <= bound
	if a.least {
		side, met = "at least ", x >= bound
	}
	verdict := "not met"
	if met {
		verdict = "met"
	}
	return []string{a.cell, a.figure, digits(x), side + what, verdict, ratio}
}

// machineLine tells what this was measured on.
func machineLine() string {
	model := runtime.GOARCH
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%d cores, %s, Linux %s, %s.", runtime.NumCPU(), model, strings.TrimSpace(string(kernel)), runtime.Version())
}
