//go:build !nolab

package own

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"parley/lab"
	"parley/lab/wire"
)

// A Wire is one that a transport has to stand.
type Wire struct {
	Name string
	Text string // as --wire takes it
	wire.Way
	Burst float64 // share of the time in which nothing arrives, some hundredths of a second each
}

// cable is how long the cables are: long enough that waiting for an answer
// costs something that can be seen.
const cable = 20 * time.Millisecond

// wires are those of the score.
var wires = []Wire{
	mustWire("clean", "loss=0%"),
	mustWire("loss 5%", "loss=5%"),
	mustWire("loss 20%", "loss=20%"),
	mustWire("shuffle", "dup=10%,reorder=20%:50ms,delay=20ms+-10ms"),
	mustWire("burst 30%", "burst=30%"),
}

func mustWire(name, text string) Wire {
	w, err := newWire(text)
	if err != nil {
		panic(err)
	}
	w.Name = name
	return w
}

// maxBurst is the largest share of gusts: with more, a minute is not enough for
// anybody.
const maxBurst = 0.8

// parseWire reads "loss=20%,dup=5%,delay=50ms+-10ms,burst=30%", or the name of
// one of the wires of the score.
func parseWire(text string) (Wire, error) {
	var names []string
	for _, w := range wires {
		if names = append(names, w.Name); w.Name == text {
			return w, nil
		}
	}
	if !strings.Contains(text, "=") {
		return Wire{}, &lab.SettingError{Field: "wire", Value: text, Why: "want NAME=VALUE,… as in loss=20%,dup=5%, or one of: " + strings.Join(names, ", ")}
	}
	return newWire(text)
}

// newWire reads the settings of a wire.
func newWire(text string) (Wire, error) {
	bad := func(why string) (Wire, error) { return Wire{}, &lab.SettingError{Field: "wire", Value: text, Why: why} }
	w := Wire{Name: text, Text: text}
	given := lab.Settings{"delay": cable.String()}
	for part := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		switch {
		case !ok:
			return bad(strconv.Quote(part) + ": want NAME=VALUE, as in loss=20%")
		case name == "burst":
			x, err := strconv.ParseFloat(strings.TrimSuffix(value, "%"), 64)
			if err != nil || !strings.HasSuffix(value, "%") || !(x >= 0 && x <= maxBurst*100) {
				return bad(fmt.Sprintf("burst: want a share of the time from 0%% to %g%%, as in 30%%", maxBurst*100))
			}
			w.Burst = x / 100
		default:
			given[name] = value
		}
	}
	v, err := given.Wire()
	if err != nil {
		return Wire{}, err
	}
	w.Way = v
	return w, nil
}
