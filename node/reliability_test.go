package node

import (
	"fmt"
	"testing"
	"time"

	"parley/transport"
	"parley/transport/transporttest"
)

// bad is the network that the promise is made for: 30 % is lost, 20 % comes
// twice, and everything up to 100 ms late, so that hardly anything is in order.
var bad = transporttest.Link{Loss: 0.3, Dup: 0.2, Jitter: 100 * time.Millisecond}

// settings are all kinds of rooms, of four members each.
func settings() (all []setting) {
	for _, carriers := range [][]Transport{{UDP, UDP, UDP, UDP}, {UDP, TCP, UDP, TCP}} {
		for _, plain := range []bool{false, true} {
			for _, lane := range []transport.Delivery{transport.Ordered, transport.Unordered} {
				s := setting{plain: plain, lane: lane, via: carriers}
				s.name = fmt.Sprintf("%s-%s-%s", map[bool]string{false: "udp", true: "mixed"}[carriers[1] == TCP],
					map[bool]string{false: "secure", true: "plain"}[plain], lane)
				all = append(all, s)
			}
		}
	}
	return all
}

// A thousand messages of 1 to 4,096 bytes, from four members and the host: each
// arrives exactly once, in the same order everywhere.
func TestThousandMessages(t *testing.T) {
	const each = 200
	all := settings()
	if runs == 1 { // each kind of each choice, but not every combination
		all = []setting{all[0], all[3], all[5], all[6]}
	}
	for _, s := range all {
		for seed := range uint64(runs) {
			t.Run(fmt.Sprintf("%s/%d", s.name, seed+1), func(t *testing.T) {
				inTrial(t, s, seed+1, bad, func(tr *trial) {
					var within time.Duration // as fast as the room takes it
					if seed%2 == 1 {
						within = 20 * time.Second
					}
					tr.speakAll(each, within)
					tr.settle()
					tr.disturbed("loss", "duplication", "reordering")
				})
			})
		}
	}
}
