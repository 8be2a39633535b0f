package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"parley/lanes"
	"parley/line"
	"parley/node"
	"parley/udp"
)

// setImpair returns what /impair does.
func setImpair(n *node.Node) func(string) (string, error) {
	return func(arg string) (string, error) {
		arg = strings.TrimSpace(arg)
		if arg == "" {
			return damage(n.Impaired()), nil
		}
		var spec udp.Spec
		if arg != "off" {
			var err error
			if spec, err = udp.ParseSpec(arg); err != nil {
				return "", fmt.Errorf("%w; nothing has changed", err)
			}
		}
		if err := n.SetImpair(spec); err != nil {
			return "", err
		}
		return damage(n.Impaired()), nil
	}
}

// damage says what befalls the datagrams that are sent.
func damage(s udp.Spec) string {
	if s == (udp.Spec{}) {
		return "the datagrams that this program sends are not damaged"
	}
	return "the datagrams that this program sends are damaged, not what goes over TCP: " + s.String()
}

// laneScreen draws the lanes on the full screen.
func laneScreen(n *node.Node, color, ascii bool) *lanes.Screen {
	return &lanes.Screen{Recorder: n.Lanes, Impaired: func() string { return n.Impaired().String() },
		Look: lanes.Look{Color: color, ASCII: ascii, Hint: "F2 hides"}}
}

// laneLines tells those who see lines what the packets come to.
func laneLines(n *node.Node) func(string) (string, error) {
	return func(string) (string, error) {
		var parts []string
		for _, via := range []lanes.Via{lanes.UDP, lanes.TCP} {
			parts = append(parts, n.Lanes.Totals(via).Words(via))
		}
		return strings.Join(parts, "\n"), nil
	}
}

// maxBehind is how many packets wait to be printed; the rest waits in the Recorder.
const maxBehind = 256

// packets brings what happens to packets, until ctx ends. Acknowledgements of single
// packets are left out: what brings them is shown.
func packets(ctx context.Context, r *lanes.Recorder) <-chan line.Packet {
	out := make(chan line.Packet, maxBehind)
	go func() { // ends with ctx
		f := r.Follow()
		tick := time.NewTicker(lanes.Poll)
		defer tick.Stop()
		tell := func(p line.Packet) bool {
			select {
			case out <- p:
				return true
			case <-ctx.Done():
				return false
			}
		}
		for {
			some, missed := f.Next()
			if missed > 0 && !tell(missedPackets(missed)) {
				return
			}
			for _, p := range some {
				if p.Kind == lanes.Acked {
					continue
				}
				nick := r.Lane(p.Lane)
				if !tell(line.Packet{Words: p.Words(nick), Object: p.Object(nick)}) {
					return
				}
			}
			if len(some) > 0 {
				continue
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// missedPackets tells of those that went by too fast.
func missedPackets(n uint64) line.Packet {
	return line.Packet{Words: fmt.Sprintf("%d packets went by too fast to be shown", n), Object: struct {
		Type  string `json:"type"`
		Count uint64 `json:"count"`
	}{"packets_missed", n}}
}

// printPackets prints what happens to packets where nobody sits, until ctx ends.
func (p *program) printPackets(ctx context.Context, r *lanes.Recorder) {
	for from := packets(ctx, r); ; {
		select {
		case one := <-from:
			if p.flags.JSON {
				p.printJSON(one.Object)
			} else {
				p.print(p.err, one.Words)
			}
		case <-ctx.Done():
			return
		}
	}
}
