package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

func init() {
	commands["carriers"] = command{"udp and tcp beside TCP, TLS, QUIC and bare datagrams", carriers}
}

// carrierFlags say what to measure, and hold what was.
type carrierFlags struct {
	rounds                         int
	only                           string
	losses, batches, sizes, floods []int
	names                          []string
	pace, flood, fan               time.Duration
	got                            map[string]figures
}

// carriers measures what carries messages, ours beside others.
func carriers(args []string) error {
	if ran, err := asPart(args); ran {
		return err
	}
	c, err := parseCarriers(args)
	if err != nil {
		return err
	}
	cells, err := c.cells()
	if err != nil {
		return err
	}
	got, failed := measureAll(cells, c.rounds)
	c.got = spread(got)
	c.print(os.Stdout)
	return failed
}

func parseCarriers(args []string) (*carrierFlags, error) {
	f := flag.NewFlagSet("carriers", flag.ContinueOnError)
	c := &carrierFlags{pace: 20 * time.Second, flood: 5 * time.Second, fan: 3 * time.Second}
	short := f.Bool("short", false, "a look: a few seconds a cell")
	f.IntVar(&c.rounds, "rounds", 0, "how often each cell is measured; none: 3 times, or once with -short")
	f.StringVar(&c.only, "only", "latency,flood,fanout", "which workloads")
	names := f.String("carriers", "", "which carriers; none: all")
	losses := f.String("loss", "0,5,10,20,30", "latency: packets lost of 100")
	floods := f.String("floodloss", "0,1", "flood: packets lost of 100")
	batches := f.String("batch", "1,32", "flood: messages a call")
	sizes := f.String("members", "10,100,500", "fanout: how many")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if *short {
		c.pace, c.flood, c.fan = 4*time.Second, time.Second, time.Second
	}
	c.rounds = roundsOf(c.rounds, *short)
	for _, k := range carrierList {
		if *names == "" || slices.Contains(strings.Split(*names, ","), k.name) {
			c.names = append(c.names, k.name)
		}
	}
	var bad [4]error
	c.losses, bad[0] = numbers(*losses)
	c.floods, bad[1] = numbers(*floods)
	c.batches, bad[2] = numbers(*batches)
	c.sizes, bad[3] = numbers(*sizes)
	return c, errors.Join(bad[:]...)
}

func numbers(list string) (v []int, err error) {
	for field := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(field)
		if err != nil {
			return nil, err
		}
		v = append(v, n)
	}
	return v, nil
}

// together is how many carriers are measured at a time for their latency. With
// loss it is repairs that make it, not what else happens on the machine.
func together(loss int) int {
	if loss == 0 {
		return 3
	}
	return len(carrierList)
}

// cells are what is to be measured, in order.
func (c *carrierFlags) cells() (cells []cell, err error) {
	var list []carrier
	for _, name := range c.names {
		k, err := carrierOf(name)
		if err != nil {
			return nil, err
		}
		list = append(list, k)
	}
	if c.wants("latency") {
		for _, loss := range c.losses {
			for group := range slices.Chunk(list, together(loss)) {
				names := make([]string, len(group))
				for i, k := range group {
					names[i] = k.name
				}
				cells = append(cells, cell{fmt.Sprintf("latency %d/%s", loss, strings.Join(names, "+")), func() (figures, error) {
					return paced(group, loss, c.pace)
				}})
			}
		}
	}
	one := func(name string, k carrier, measure func() (figures, error)) {
		cells = append(cells, cell{name + "/" + k.name, measure})
	}
	for _, k := range list {
		for _, loss := range c.floods {
			for _, n := range c.batches {
				if c.wants("flood") && (k.reliable || n == 1) {
					one(fmt.Sprintf("flood %d %d", loss, n), k, func() (figures, error) { return flooded(k, n, loss, c.flood) })
				}
			}
		}
		for _, n := range c.sizes {
			if c.wants("fanout") && k.reliable {
				one(fmt.Sprintf("fanout %d", n), k, func() (figures, error) { return fanned(k, n, c.fan) })
			}
		}
	}
	return cells, nil
}

func (c *carrierFlags) wants(workload string) bool {
	return slices.Contains(strings.Split(c.only, ","), workload)
}
