//go:build !nolab

package lab

import (
	"context"
	"fmt"
	"sync"
	"time"

	"parley/lab/wire"
	"parley/node"
	"parley/room"
)

// Party is a room of the program's own code: nodes on hosts of a LAN, with
// everything that the program does, in plaintext.
type Party struct {
	Members  int           // besides the host, which has no seat
	Each     int           // how many things each says
	Every    time.Duration // how often
	Via      node.Transport
	Wire     wire.Config // its Tap is the Party's
	Recorder *wire.Recorder
}

// Run holds the party in a bubble and returns how many messages each member
// got.
func (p Party) Run(bubble wire.Bubble) (heard []int, err error) {
	defer wire.Steady(p.Wire.Seed)()
	p.Wire.Tap = p.Recorder.Tap
	bubble(func() { heard, err = p.hold() })
	return heard, err
}

// stagger is how long after the other each begins.
const stagger = 137 * time.Millisecond

func (p Party) hold() (heard []int, err error) {
	l := wire.New(p.Wire)
	defer l.Close()
	ctx := context.Background()
	machine := func(name string) (*wire.Host, *node.Node) {
		h := l.Host(name)
		return h, &node.Node{Net: Machine{h}, Plaintext: true, Transport: p.Via}
	}
	_, host := machine("host")
	defer host.Close()
	opened, err := host.Open(ctx, room.HostOptions{Rooms: []string{"lab"}})
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	var seats []*room.Member
	var hosts []*wire.Host
	var reading, talking sync.WaitGroup
	heard = make([]int, p.Members)
	for i := range p.Members {
		h, n := machine(fmt.Sprint("m", i+1))
		defer n.Close()
		h.Pause(stagger)
		m, err := n.Join(ctx, "lab", room.JoinOptions{Nick: fmt.Sprint("ann", i+1)})
		if err != nil {
			return nil, err
		}
		seats, hosts = append(seats, m), append(hosts, h)
		reading.Go(func() {
			for {
				e, err := m.Next(ctx)
				if err != nil {
					return
				}
				if e.Type == room.Message {
					heard[i]++
				}
			}
		})
	}
	for i, m := range seats {
		talking.Go(func() {
			hosts[i].Pause(time.Duration(i) * p.Every / time.Duration(p.Members))
			for k := range p.Each {
				m.Say(ctx, fmt.Sprintf("%d of %d", k+1, p.Each))
				hosts[i].Pause(p.Every)
			}
			m.Flush(ctx)
		})
	}
	talking.Wait()
	time.Sleep(3 * time.Second) // until all is heard, with what is lost sent again
	for _, m := range seats {
		m.Leave(ctx, "")
	}
	reading.Wait()
	return heard, nil
}

// maxRuns is how often a run of the program's own code is repeated until two
// agree: see wire.Steady for why they might not.
const maxRuns = 5

// Agree runs until two fingerprints are equal. It returns that fingerprint and
// how many runs it took, or that no two were.
func Agree(run func() string) (fingerprint string, runs int, ok bool) {
	seen := map[string]bool{}
	for runs = 1; runs <= maxRuns; runs++ {
		if fingerprint = run(); seen[fingerprint] {
			return fingerprint, runs, true
		}
		seen[fingerprint] = true
	}
	return fingerprint, maxRuns, false
}
