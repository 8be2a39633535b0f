package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	pairPort  = ":7097"
	paceEvery = 10 * time.Millisecond // a message of the latency workload
	paceGrace = 10 * time.Second      // how long late ones are waited for
)

func init() {
	parts["listen"] = listenPart
	parts["speak"] = speakPart
}

// A tally is what a listener notes of the messages it hears. Each begins with its
// number and the time it was said.
type tally struct {
	mu      sync.Mutex
	late    []float64 // ms by number, 0 while missing
	start   int64     // when number 0 was said
	count   int
	next    uint64
	strange int // heard twice, or not in order
}

func (t *tally) hear(m []byte, now int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	number, said := binary.BigEndian.Uint64(m), int64(binary.BigEndian.Uint64(m[8:]))
	if number != t.next {
		t.strange++
	}
	t.next = number + 1
	t.count++
	if number < uint64(len(t.late)) && t.late[number] == 0 {
		if t.start == 0 {
			t.start = said - int64(number)*int64(paceEvery)
		}
		t.late[number] = float64(max(now-said, 1)) / 1e6
	}
}

// delays are the percentiles. What a reliable carrier has not brought is at least
// as late as it is now.
func (t *tally) delays(reliable bool) figures {
	t.mu.Lock()
	defer t.mu.Unlock()
	v := make([]float64, 0, len(t.late))
	for number, late := range t.late {
		if late == 0 && !reliable {
			continue
		} else if late == 0 {
			late = float64(clock()-t.start-int64(number)*int64(paceEvery)) / 1e6
		}
		v = append(v, late)
	}
	slices.Sort(v)
	return figures{"p50": percentile(v, .5), "p99": percentile(v, .99), "p99.9": percentile(v, .999), "max": percentile(v, 1),
		"arrived": float64(t.count), "strange": float64(t.strange)}
}

// listenPart accepts one talker and notes what it says.
func listenPart(args []string) error {
	c, err := carrierOf(args[0])
	if err != nil {
		return err
	}
	total, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	accept, err := c.listen(farIP + pairPort)
	if err != nil {
		return err
	}
	notes := &tally{late: make([]float64, total)}
	go func() {
		t, err := accept()
		if err != nil {
			quit(err)
		}
		if _, err = t.hear(); err == nil {
			err = t.say([][]byte{[]byte("welcome")})
		}
		for err == nil {
			var m []byte
			if m, err = t.hear(); err == nil && len(m) == messageSize {
				notes.hear(m, clock())
			}
		}
	}()
	return obey(map[string]func() figures{
		"look": func() figures {
			notes.mu.Lock()
			defer notes.mu.Unlock()
			return figures{"messages": float64(notes.count), "cpu": spent()}
		},
		"delays": func() figures { return notes.delays(c.reliable) },
	})
}

// quit ends a helper that cannot go on.
func quit(err error) {
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

// speakPart dials, and then speaks at a pace or as fast as it can.
func speakPart(args []string) error {
	c, err := carrierOf(args[0])
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	t, err := c.dial(farIP + pairPort)
	if err != nil {
		return err
	}
	if err := t.say([][]byte{[]byte("hello")}); err != nil {
		return err
	}
	if _, err := t.hear(); err != nil {
		return err
	}
	go func() { // some carriers only work while somebody listens
		for {
			if _, err := t.hear(); err != nil {
				return
			}
		}
	}()
	var sent atomic.Int64
	return obey(map[string]func() figures{
		"pace":  func() figures { go pace(t, n, &sent); return nil },
		"flood": func() figures { go gush(t, n, &sent); return nil },
		"look": func() figures {
			f := crossed()
			f["messages"], f["cpu"] = float64(sent.Load()), spent()
			return f
		},
	})
}

// put begins a message with its number and the time.
func put(m []byte, number uint64, said int64) {
	binary.BigEndian.PutUint64(m, number)
	binary.BigEndian.PutUint64(m[8:], uint64(said))
}

// pace says total messages, each when it is due.
func pace(t talker, total int, sent *atomic.Int64) {
	m := make([]byte, messageSize)
	due, free := clock(), int64(0)
	for i := range total {
		time.Sleep(time.Duration(due - clock()))
		said := clock()
		if free > due { // we were held up: it is late from when it was due
			said = due
		}
		put(m, uint64(i), said)
		if t.say([][]byte{m}) == nil {
			sent.Add(1)
		}
		free = clock()
		due += int64(paceEvery)
	}
}

// gush says batches of n for ever.
func gush(t talker, n int, sent *atomic.Int64) {
	batch := make([][]byte, n)
	for i := range batch {
		batch[i] = make([]byte, messageSize)
	}
	for number := uint64(0); ; {
		for _, m := range batch {
			binary.BigEndian.PutUint64(m, number)
			number++
		}
		if err := t.say(batch); err != nil {
			quit(err)
		}
		sent.Add(int64(n))
	}
}

// A pair is one talker speaking to another over a wire of their own.
type pair struct {
	wire          *wire
	speak, listen *helper
}

// newPair connects a pair, and only then begins to lose packets.
func newPair(name string, total, n, loss int) (p *pair, err error) {
	p = &pair{}
	defer func() {
		if err != nil {
			p.end()
		}
	}()
	if p.wire, err = newWire(false); err != nil {
		return nil, err
	}
	if p.listen, err = call(p.wire.far, "listen", name, strconv.Itoa(total)); err != nil {
		return nil, err
	}
	if p.speak, err = call(p.wire.near, "speak", name, strconv.Itoa(n)); err != nil {
		return nil, err
	}
	time.Sleep(200 * time.Millisecond)
	return p, p.wire.lose(loss)
}

func (p *pair) end() {
	for _, h := range []*helper{p.speak, p.listen} {
		if h != nil {
			h.dismiss()
		}
	}
	if p.wire != nil {
		p.wire.cut()
	}
}

// flooded is a cell of the flood workload.
func flooded(c carrier, n, loss int, length time.Duration) (figures, error) {
	p, err := newPair(c.name, 0, n, loss)
	if err != nil {
		return nil, err
	}
	defer p.end()
	if _, err := p.speak.ask("flood", time.Second); err != nil {
		return nil, err
	}
	time.Sleep(300 * time.Millisecond)
	d, err := during(length, p.speak, p.listen)
	if err != nil {
		return nil, err
	}
	got, cpu := d["1 messages"], d["0 cpu"]+d["1 cpu"]
	return figures{
		"rate": got / d["time"] / 1000, "cpu": cpu / got * 1e6, "bytes": d["0 bytes"] / got / messageSize, "packets": d["0 packets"] / got,
		"others": (d["worked"] - cpu) / d["time"],
	}, nil
}

// paced is a cell of the latency workload: some carriers at a time, each with a
// wire of its own. The names of its figures begin with the carrier's.
func paced(cs []carrier, loss int, length time.Duration) (figures, error) {
	total := int(length / paceEvery)
	all, failed := figures{}, make([]error, len(cs))
	each := make([]figures, len(cs))
	pairs := make([]*pair, len(cs))
	for i, c := range cs {
		p, err := newPair(c.name, total, total, loss)
		if err != nil {
			return nil, err
		}
		defer p.end()
		pairs[i] = p
	}
	var running sync.WaitGroup
	busy, begin := worked(), time.Now()
	for i, c := range cs {
		running.Go(func() { each[i], failed[i] = pairs[i].pace(c, total, length) })
	}
	running.Wait()
	cpu, lasted := 0.0, time.Since(begin).Seconds()
	for i, c := range cs {
		if failed[i] != nil {
			return nil, fmt.Errorf("%s: %w", c.name, failed[i])
		}
		cpu += each[i]["cpu"]
	}
	for i, c := range cs {
		each[i]["others"] = (worked() - busy - cpu) / lasted
		for name, x := range each[i] {
			all[c.name+" "+name] = x
		}
	}
	return all, nil
}

func (p *pair) pace(c carrier, total int, length time.Duration) (figures, error) {
	before, err := lookAt(p.speak, p.listen)
	if err != nil {
		return nil, err
	}
	if _, err := p.speak.ask("pace", time.Second); err != nil {
		return nil, err
	}
	time.Sleep(length)
	var d figures
	for end := time.Now().Add(paceGrace); ; {
		after, err := lookAt(p.speak, p.listen)
		if err != nil {
			return nil, err
		}
		d = after.less(before)
		if enough := d["1 messages"] >= float64(total); enough || time.Now().After(end) || !c.reliable && d["0 messages"] >= float64(total) {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	f, err := p.listen.ask("delays", 5*time.Second)
	if err != nil {
		return nil, err
	}
	f["bytes"], f["packets"] = d["0 bytes"]/f["arrived"]/messageSize, d["0 packets"]/f["arrived"]
	f["cpu"] = d["0 cpu"] + d["1 cpu"]
	return f, nil
}
