package main_test

import (
	"fmt"
	"testing"
)

// What a lane promises is seen when a fifth of the datagrams is lost.
func TestLanes(t *testing.T) {
	for _, lane := range []string{"ordered", "unordered", "bare"} {
		t.Run(lane, func(t *testing.T) {
			t.Parallel()
			const count = 400
			b := loopback(t)
			b.record(count)
			if lane != "ordered" {
				for _, name := range []string{"ben", "cyn"} {
					b.rec.Lane(name, lane)
				}
			}
			ana := b.host("ana", "demo", "--delivery", lane, "--impair", "loss=20%,seed=7")
			ben, cyn := b.join("ben", b.addr(), "--transport", "udp"), b.join("cyn", b.addr(), "--transport", "tcp")
			last := b.chatter(count, 200, ana)
			missed, shown := b.tally(ben, count)
			switch {
			case lane != "bare":
				if missed != 0 || shown != count {
					t.Errorf("lane %s: %d of %d shown, %d missed", lane, shown, count, missed)
				}
				b.judge(last, ana, ben, cyn)
			case shown < count*65/100 || shown > count*95/100:
				t.Errorf("lane bare at 20 %% loss: %d of %d shown, %d said to be missing; want about four fifths", shown, count, missed)
			case shown+missed != count:
				t.Errorf("lane bare: %d shown and %d said to be missing, of %d", shown, missed, count)
			}
			if missed, shown := b.tally(cyn, count); missed != 0 || shown != count {
				t.Errorf("over TCP every lane is ordered and complete: %d of %d shown, %d missed", shown, count, missed)
			}
			t.Logf("lane %s, 20 %% loss: %d of %d shown, %d said to be missing", lane, shown, count, missed)
		})
	}
}

// tally waits until p was shown, or told that it will not be shown, as many
// messages as were said, and counts both.
func (b *box) tally(p *proc, said int) (missed, shown int) {
	b.t.Helper()
	p.sees(fmt.Sprintf("%d messages, or that they are missing", said), func(l line) bool {
		switch l.Type {
		case "message":
			shown++
		case "gap":
			missed += l.Count
		}
		return shown+missed >= said
	})
	return missed, shown
}
