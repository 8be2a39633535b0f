package main

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	relayAddr  = "127.0.0.1:7096"
	relayQueue = 64 // messages that wait for one member
	relayBatch = 64 // and leave together
	steadyRate = 20 // messages a second
)

func init() {
	parts["relay"] = relayPart
	parts["crowd"] = crowdPart
}

// relay passes on to its members what senders say.
type relay struct {
	mu      sync.Mutex
	members []chan []byte
}

// relayPart is a host, the simplest: a queue and a goroutine for each member.
func relayPart(args []string) error {
	c, err := carrierOf(args[0])
	if err != nil {
		return err
	}
	accept, err := c.listen(relayAddr)
	if err != nil {
		return err
	}
	r := &relay{}
	go func() {
		for {
			t, err := accept()
			if err != nil {
				quit(err)
			}
			go r.serve(t)
		}
	}()
	return obey(map[string]func() figures{"look": func() figures {
		return figures{"cpu": spent(), "rss": held("VmRSS"), "peak": held("VmHWM")}
	}})
}

// serve hears who somebody is, and welcomes it.
func (r *relay) serve(t talker) {
	who, err := t.hear()
	if err != nil {
		return
	}
	if string(who) == "member" {
		queue := make(chan []byte, relayQueue)
		r.mu.Lock()
		r.members = append(r.members, queue)
		r.mu.Unlock()
		go t.hear() // some carriers only work while somebody listens
		if t.say([][]byte{[]byte("welcome")}) == nil {
			attend(t, queue)
		}
		return
	}
	err = t.say([][]byte{[]byte("welcome")})
	for err == nil {
		var m []byte
		if m, err = t.hear(); err == nil {
			r.pass(slices.Clone(m))
		}
	}
}

// attend tells one member what is in its queue, all at once.
func attend(t talker, queue <-chan []byte) {
	batch := make([][]byte, 0, relayBatch)
	for m := range queue {
		batch = append(batch[:0], m)
		for len(batch) < cap(batch) && len(queue) > 0 {
			batch = append(batch, <-queue)
		}
		if t.say(batch) != nil {
			return
		}
	}
}

func (r *relay) pass(m []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, queue := range r.members {
		queue <- m
	}
}

// crowd is all the members, and a sender.
type crowd struct {
	sender talker
	size   int
	got    atomic.Int64
	timing atomic.Bool
	mu     sync.Mutex
	late   []float64 // ms
}

func crowdPart(args []string) error {
	c, err := carrierOf(args[0])
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	length, err := time.ParseDuration(args[2])
	if err != nil {
		return err
	}
	w := &crowd{size: n}
	var joining sync.WaitGroup
	doors := make(chan bool, 8) // that many join at a time
	for range n {
		joining.Go(func() {
			doors <- true
			t, err := enter(c, "member")
			if err != nil {
				quit(err)
			}
			<-doors
			go w.listen(t)
		})
	}
	joining.Wait()
	if w.sender, err = enter(c, "sender"); err != nil {
		return err
	}
	return obey(map[string]func() figures{
		"look":   func() figures { return figures{"cpu": spent()} },
		"steady": func() figures { return w.steady(length) },
		"flat":   func() figures { return w.flat(length) },
	})
}

func enter(c carrier, who string) (talker, error) {
	t, err := c.dial(relayAddr)
	if err != nil {
		return nil, err
	}
	if err := t.say([][]byte{[]byte(who)}); err != nil {
		return nil, err
	}
	_, err = t.hear()
	return t, err
}

// listen is a member's life.
func (w *crowd) listen(t talker) {
	for {
		m, err := t.hear()
		if err != nil {
			return
		}
		if len(m) != messageSize {
			continue
		}
		if w.timing.Load() {
			late := float64(clock()-int64(binary.BigEndian.Uint64(m))) / 1e6
			w.mu.Lock()
			w.late = append(w.late, late)
			w.mu.Unlock()
		}
		w.got.Add(1)
	}
}

// post says n messages, one by one, with the time.
func (w *crowd) post(n int) {
	m := make([]byte, messageSize)
	for range n {
		binary.BigEndian.PutUint64(m, uint64(clock()))
		if err := w.sender.say([][]byte{m}); err != nil {
			quit(err)
		}
	}
}

// steady says steadyRate messages a second and tells how late they came.
func (w *crowd) steady(length time.Duration) figures {
	w.timing.Store(true)
	defer w.timing.Store(false)
	tick := time.NewTicker(time.Second / steadyRate)
	defer tick.Stop()
	said := int(length.Seconds() * steadyRate)
	for range said {
		<-tick.C
		w.post(1)
	}
	want := int64(said * w.size)
	for end := time.Now().Add(2 * time.Second); w.got.Load() < want && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(w.late)
	got := w.got.Swap(0)
	return figures{"p50": percentile(w.late, .5), "p99": percentile(w.late, .99), "got": float64(got), "missing": float64(want - got)}
}

// flat keeps fanAhead messages under way.
func (w *crowd) flat(length time.Duration) figures {
	var lost atomic.Int64
	begin := time.Now()
	pour(w.size, begin.Add(length), &w.got, &lost, w.post)
	return figures{"got": float64(w.got.Load()), "lost": float64(lost.Load()), "seconds": time.Since(begin).Seconds()}
}

// fanned is a cell of the fan-out workload.
func fanned(c carrier, members int, length time.Duration) (figures, error) {
	host, err := call("", "relay", c.name)
	if err != nil {
		return nil, err
	}
	defer host.dismiss()
	empty, err := lookAt(host)
	if err != nil {
		return nil, err
	}
	all, err := call("", "crowd", c.name, strconv.Itoa(members), length.String())
	if err != nil {
		return nil, err
	}
	defer all.dismiss()
	var looks [3]figures
	var told [2]figures
	for i := range looks {
		if looks[i], err = lookAt(host, all); err != nil {
			return nil, err
		}
		if i < len(told) {
			if told[i], err = all.ask([]string{"steady", "flat"}[i], length+20*time.Second); err != nil {
				return nil, err
			}
		}
	}
	steady, flat, whole := looks[1].less(looks[0]), looks[2].less(looks[1]), looks[2].less(looks[0])
	if told[0]["missing"] > 0 && c.reliable {
		return nil, fmt.Errorf("%.0f messages did not come", told[0]["missing"])
	}
	n := float64(members)
	return figures{
		"rate": told[1]["got"] / told[1]["seconds"] / 1000, "host": flat["0 cpu"] / told[1]["got"] * 1e6, "both": (flat["0 cpu"] + flat["1 cpu"]) / told[1]["got"] * 1e6,
		"p50": told[0]["p50"], "p99": told[0]["p99"], "steady": steady["0 cpu"] / told[0]["got"] * 1e6,
		"kib": (looks[1]["0 rss"] - empty["0 rss"]) / n, "peak": (looks[2]["0 peak"] - empty["0 rss"]) / n,
		"others": (whole["worked"] - whole["0 cpu"] - whole["1 cpu"]) / whole["time"],
	}, nil
}
