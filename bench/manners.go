package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

func init() { commands["manners"] = command{"how udp shares a narrow path", manners} }

// Each workload of manners is measured on paths of its own, all cells of it at
// the same time: a narrow path leaves the machine idle.
type mannersFlags struct {
	length, warm time.Duration
	only         string
}

// manners measures what udp does to others, and to itself, where the path is
// narrow, long, or mixes things up.
func manners(args []string) error {
	if ran, err := asPart(args); ran {
		return err
	}
	f := flag.NewFlagSet("manners", flag.ContinueOnError)
	m := mannersFlags{length: 30 * time.Second, warm: 5 * time.Second}
	short := f.Bool("short", false, "a look: 8 seconds a cell")
	f.StringVar(&m.only, "only", "share,narrow,needless,far", "which workloads")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *short {
		m.length, m.warm = 8*time.Second, 2*time.Second
	}
	fmt.Println(machineLine())
	var failed error
	for _, w := range []struct {
		name    string
		measure func(io.Writer) error
	}{{"share", m.share}, {"narrow", m.narrow}, {"needless", m.needless}, {"far", m.far}} {
		if slices.Contains(strings.Split(m.only, ","), w.name) {
			lull()
			failed = errors.Join(failed, w.measure(os.Stdout))
		}
	}
	return failed
}

// sideBySide measures n cells at the same time and returns their rows in order.
func sideBySide(n int, measure func(i int) ([]string, error)) ([][]string, error) {
	rows, failed := make([][]string, n), make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if rows[i], failed[i] = measure(i); failed[i] != nil {
				rows[i] = []string{failed[i].Error()}
			}
		})
	}
	all.Wait()
	return rows, errors.Join(failed...)
}

// Who shares a link with whom, and how much queue it has.
var (
	companies = [][2]string{{"TCP", "parley-udp"}, {"parley-udp", "parley-udp"}, {"TCP", "TCP"}, {"TCP", "QUIC"}}
	queues    = []time.Duration{25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond}
)

const linkRate = 10_000_000 // bits a second

// share has two flows share a link: the first is there when the second comes.
func (m *mannersFlags) share(w io.Writer) error {
	before, begin := worked(), time.Now()
	n := len(queues) * len(companies)
	rows, err := sideBySide(n, func(i int) ([]string, error) {
		return m.shared(companies[i%len(companies)], queues[i/len(companies)])
	})
	writeTable(w, fmt.Sprintf("two flows on a link of %d Mbit/s for %v, after %v", linkRate/1_000_000, m.length, m.warm),
		[]string{"queue", "flows", "Mbit/s, first", "second", "Jain's index"}, rows)
	fmt.Fprintf(w, "\n%d cells at once, %.2f cores busy.\n", n, (worked()-before)/time.Since(begin).Seconds())
	return err
}

func (m *mannersFlags) shared(names [2]string, queue time.Duration) ([]string, error) {
	p, err := newPath()
	if err != nil {
		return nil, err
	}
	defer p.remove()
	if err := p.narrow(linkRate, queue); err != nil {
		return nil, err
	}
	var flows [2]*flow
	for i, name := range names {
		if flows[i], err = newFlow(p.near, p.far, name, fmt.Sprintf("%s:%d", farIP, 7000+i), ""); err != nil {
			return nil, err
		}
		defer flows[i].end()
		if _, err := flows[i].speaker.ask("pour", helperLimit); err != nil {
			return nil, err
		}
		time.Sleep(m.warm / 2)
	}
	got, err := m.measure(flows[:]...)
	if err != nil {
		return nil, err
	}
	x, y := got[0]["bytes"]*8/1e6/m.length.Seconds(), got[1]["bytes"]*8/1e6/m.length.Seconds()
	return []string{queue.String(), names[0] + ", " + names[1], digits(x), digits(y),
		fmt.Sprintf("%.3f", (x+y)*(x+y)/(2*(x*x+y*y)))}, nil
}

// measure tells by how much the figures of each flow grow while it lasts.
func (m *mannersFlags) measure(flows ...*flow) ([]figures, error) {
	before, err := lookAtFlows(flows)
	if err != nil {
		return nil, err
	}
	time.Sleep(m.length)
	after, err := lookAtFlows(flows)
	for i := range after {
		after[i] = after[i].less(before[i])
	}
	return after, err
}

const policed = 50 // packets a second

// narrow pours into a path that passes so many packets a second and drops the
// rest. What a carrier sends beyond that helps nobody.
func (m *mannersFlags) narrow(w io.Writer) error {
	names := []string{"parley-udp", "QUIC", "TCP"}
	rows, err := sideBySide(len(names), func(i int) ([]string, error) { return m.police(names[i]) })
	writeTable(w, fmt.Sprintf("a path of %d packets a second that drops the rest, one way, for %v", policed, m.length),
		[]string{"", "packets sent a second", "passed a second", "kB/s that arrived", "of what the path carries, %"}, rows)
	return err
}

func (m *mannersFlags) police(name string) ([]string, error) {
	p, err := newPath()
	if err != nil {
		return nil, err
	}
	defer p.remove()
	f, err := newFlow(p.near, p.far, name, farIP+":7000", "")
	if err != nil {
		return nil, err
	}
	defer f.end()
	if err := p.police(policed); err != nil {
		return nil, err
	}
	if _, err := f.speaker.ask("pour", helperLimit); err != nil {
		return nil, err
	}
	time.Sleep(m.warm)
	sent, passed := p.packets()
	got, err := m.measure(f)
	if err != nil {
		return nil, err
	}
	sent2, passed2 := p.packets()
	s := m.length.Seconds()
	const full = 1452 // bytes of a datagram that fills an Ethernet frame, with IPv6
	return []string{name, digits((sent2 - sent) / s), digits((passed2 - passed) / s), digits(got[0]["bytes"] / s / 1000),
		digits(100 * got[0]["bytes"] / s / (policed * full))}, nil
}

// needless counts what is sent again though nothing was lost.
func (m *mannersFlags) needless(w io.Writer) error {
	type cell struct {
		what  string
		via   distance
		order string
	}
	cells := []cell{
		{"100 messages a second", distance{}, "pace"},
		{"flat out", distance{}, "pour"},
		{"100 messages a second, 10 ms of jitter", distance{jitter: 10 * time.Millisecond}, "pace"},
		{"500 messages a second, 10 ms of jitter", distance{jitter: 10 * time.Millisecond}, "pace5"},
		{"flat out, 10 ms of jitter", distance{jitter: 10 * time.Millisecond}, "pour"},
	}
	var rows [][]string
	var failed error
	for _, group := range [][]cell{cells[:1], cells[1:2], cells[2:4], cells[4:]} { // flat out the machine is not idle
		got, err := sideBySide(len(group), func(i int) ([]string, error) {
			c := group[i]
			got, err := m.distant("parley-udp", c.via, c.order)
			if err != nil {
				return nil, err
			}
			return []string{c.what, digits(got["sent"]), digits(100 * got["resent"] / got["sent"]), digits(100 * got["spurious"] / got["sent"]),
				digits(100 * got["dropped"] / got["sent"])}, nil
		})
		rows, failed = append(rows, got...), errors.Join(failed, err)
	}
	writeTable(w, fmt.Sprintf("sent again, for %v", m.length),
		[]string{"", "packets sent", "that carried something again, %", "taken for lost and were not, %", "dropped on the way, %"}, rows)
	return failed
}

// far talks over a long path that loses a little.
func (m *mannersFlags) far(w io.Writer) error {
	names := []string{"parley-udp", "QUIC", "parley-udp", "QUIC"}
	rows, err := sideBySide(len(names), func(i int) ([]string, error) {
		got, err := m.distant(names[i], distance{delay: 20 * time.Millisecond, loss: 0.01}, "pace")
		return []string{names[i], digits(got["p50"]), digits(got["p99"]), digits(got["max"]), digits(got["arrived"])}, err
	})
	writeTable(w, fmt.Sprintf("100 messages a second over 20 ms and 1 %% of loss each way, for %v, one way", m.length),
		[]string{"", "p50, ms", "p99, ms", "latest, ms", "arrived"}, rows)
	return err
}

// distant measures one flow by way of a relay.
func (m *mannersFlags) distant(name string, d distance, order string) (figures, error) {
	r, err := newDetour(d)
	if err != nil {
		return nil, err
	}
	defer r.close()
	f, err := newFlow("", "", name, r.beyond(), r.address())
	if err != nil {
		return nil, err
	}
	defer f.end()
	if _, err := f.speaker.ask(order, helperLimit); err != nil {
		return nil, err
	}
	time.Sleep(m.warm)
	if _, err := f.hearer.ask("afresh", helperLimit); err != nil {
		return nil, err
	}
	lost := r.lost()
	got, err := m.measure(f)
	if err != nil {
		return nil, err
	}
	got[0]["dropped"] = r.lost() - lost
	delays, err := f.hearer.ask("delays", helperLimit)
	for k, v := range delays {
		got[0][k] = v
	}
	return got[0], err
}
