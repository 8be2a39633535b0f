package main

import (
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"time"

	"parley/transport"
)

func init() {
	parts["manners-hear"] = mannersHear
	parts["manners-speak"] = mannersSpeak
}

const (
	helperLimit = 20 * time.Second // to answer an order
	pourSize    = 1000             // bytes of a message, flat out
	paceSize    = 200
)

// A flow is one carrier between two helpers.
type flow struct{ hearer, speaker *helper }

// newFlow has a helper in namespace near talk to one in far, which listens at
// addr; where via is not empty, that is whom to dial.
func newFlow(near, far, carrier, addr, via string) (f *flow, err error) {
	f = &flow{}
	if f.hearer, err = call(far, "manners-hear", carrier, addr); err != nil {
		return nil, err
	}
	if via == "" {
		via = addr
	}
	if f.speaker, err = call(near, "manners-speak", carrier, via); err != nil {
		f.hearer.dismiss()
		return nil, err
	}
	return f, nil
}

func (f *flow) end() {
	f.speaker.dismiss()
	f.hearer.dismiss()
}

// lookAtFlows asks both ends of each flow, all at the same time.
func lookAtFlows(flows []*flow) ([]figures, error) {
	got, failed := make([]figures, len(flows)), make([]error, len(flows))
	var all sync.WaitGroup
	for i, f := range flows {
		all.Go(func() {
			heard, err := f.hearer.ask("look", helperLimit)
			said, err2 := f.speaker.ask("look", helperLimit)
			failed[i] = errors.Join(err, err2)
			got[i] = figures{"bytes": heard["bytes"], "sent": said["sent"], "resent": said["resent"], "spurious": said["spurious"]}
		})
	}
	all.Wait()
	return got, errors.Join(failed...)
}

// mannersHear is the far end: CARRIER ADDRESS. Each message begins with the time
// when it was due.
func mannersHear(args []string) error {
	c, err := carrierOf(args[0])
	if err != nil {
		return err
	}
	accept, err := c.listen(args[1])
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var bytes float64
	var delays []float64
	go func() {
		t, err := accept()
		for err == nil {
			var m []byte
			if m, err = t.hear(); err == nil {
				now := clock()
				mu.Lock()
				bytes += float64(len(m))
				if len(m) == paceSize {
					delays = append(delays, float64(now-int64(binary.BigEndian.Uint64(m)))/1e6)
				}
				mu.Unlock()
			}
		}
	}()
	order := func(do func() figures) func() figures {
		return func() figures {
			mu.Lock()
			defer mu.Unlock()
			return do()
		}
	}
	return obey(map[string]func() figures{
		"look":   order(func() figures { return figures{"bytes": bytes} }),
		"afresh": order(func() figures { delays = nil; return nil }),
		"delays": order(func() figures {
			slices.Sort(delays)
			return figures{"p50": percentile(delays, .5), "p99": percentile(delays, .99), "max": percentile(delays, 1), "arrived": float64(len(delays))}
		}),
	})
}

// mannersSpeak is the near end: CARRIER ADDRESS.
func mannersSpeak(args []string) error {
	c, err := carrierOf(args[0])
	if err != nil {
		return err
	}
	t, err := c.dial(args[1])
	if err != nil {
		return err
	}
	if err := t.say([][]byte{make([]byte, pourSize)}); err != nil {
		return err
	}
	return obey(map[string]func() figures{
		"pour":  func() figures { go pourOut(t); return nil },
		"pace":  func() figures { go speakPaced(t, 10*time.Millisecond); return nil },
		"pace5": func() figures { go speakPaced(t, 2*time.Millisecond); return nil },
		"look": func() figures {
			o, ok := t.(*ours)
			if !ok {
				return nil
			}
			s, ok := o.conn.(transport.Statser)
			if !ok {
				return nil
			}
			v := s.Stats()
			return figures{"sent": float64(v.Sent), "resent": float64(v.Resent), "spurious": float64(v.Spurious)}
		},
	})
}

// pourOut says as much as is taken.
func pourOut(t talker) {
	m := make([]byte, pourSize)
	for {
		binary.BigEndian.PutUint64(m, uint64(clock()))
		if t.say([][]byte{m}) != nil {
			return
		}
	}
}

// speakPaced says something at each interval, and is late where it must wait.
func speakPaced(t talker, every time.Duration) {
	m := make([]byte, paceSize)
	for due := clock(); ; due += int64(every) {
		time.Sleep(time.Duration(due - clock()))
		binary.BigEndian.PutUint64(m, uint64(due))
		if t.say([][]byte{m}) != nil {
			return
		}
	}
}
