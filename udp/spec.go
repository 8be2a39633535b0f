package udp

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// A Spec says how to damage datagrams; see Impair. The zero Spec does nothing.
type Spec struct {
	Loss    float64       // this part of datagrams is lost, 0 to 1
	Dup     float64       // this part is sent twice
	Reorder float64       // this part is overtaken by the next datagram
	Corrupt float64       // in this part one bit is flipped
	Delay   time.Duration // all datagrams are this late
	Jitter  time.Duration // by up to so much more or less, which reorders too
	Seed    uint64        // the same seed makes the same luck
}

// maxDelay bounds Delay and Jitter: a mistyped unit should be noticed.
const maxDelay = time.Minute

// ParseSpec reads a Spec as people write it: "loss=20%,delay=50ms,seed=7". The
// names are those of Spec's fields in small letters. A part is a percentage
// ("20%") or a fraction ("0.2"), rounded to a millionth of a percent. What is
// not named is zero.
func ParseSpec(s string) (Spec, error) {
	var spec Spec
	if strings.TrimSpace(s) == "" {
		return spec, nil
	}
	seen := map[string]bool{}
	for item := range strings.SplitSeq(s, ",") {
		name, value, found := strings.Cut(item, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !found || name == "" || value == "" {
			return Spec{}, fmt.Errorf("impairment %q: want name=value, as in loss=20%%", item)
		}
		if seen[name] {
			return Spec{}, fmt.Errorf("impairment %s is given twice", name)
		}
		seen[name] = true
		if err := spec.set(name, value); err != nil {
			return Spec{}, fmt.Errorf("impairment %q: %w", item, err)
		}
	}
	return spec, nil
}

func (s *Spec) set(name, value string) (err error) {
	switch name {
	case "loss":
		s.Loss, err = parsePart(value)
	case "dup":
		s.Dup, err = parsePart(value)
	case "reorder":
		s.Reorder, err = parsePart(value)
	case "corrupt":
		s.Corrupt, err = parsePart(value)
	case "delay":
		s.Delay, err = parseDelay(value)
	case "jitter":
		s.Jitter, err = parseDelay(value)
	case "seed":
		if s.Seed, err = strconv.ParseUint(value, 10, 64); err != nil {
			err = fmt.Errorf("want a whole number from 0 to %d", uint64(math.MaxUint64))
		}
	default:
		err = fmt.Errorf("unknown; there are loss, dup, delay, jitter, reorder, corrupt and seed")
	}
	return err
}

func parsePart(s string) (float64, error) {
	digits, percent := strings.CutSuffix(s, "%")
	x, err := strconv.ParseFloat(digits, 64)
	if percent {
		x /= 100
	}
	if err != nil || !(x >= 0 && x <= 1) { // NaN, too
		return 0, fmt.Errorf("want 0%% to 100%%, or 0 to 1 without the percent sign")
	}
	return math.Round(x*1e8)/1e8 + 0, nil // as fine as String tells it; minus zero becomes zero
}

func parseDelay(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > maxDelay {
		return 0, fmt.Errorf("want a time from 0s to %v with its unit, such as 50ms", maxDelay)
	}
	return d, nil
}

// String gives s as ParseSpec reads it.
func (s Spec) String() string {
	var items []string
	part := func(name string, x float64) {
		if x != 0 {
			percent := strconv.FormatFloat(math.Round(x*1e8)/1e6, 'f', -1, 64)
			items = append(items, name+"="+percent+"%")
		}
	}
	delay := func(name string, d time.Duration) {
		if d != 0 {
			items = append(items, name+"="+d.String())
		}
	}
	part("loss", s.Loss)
	part("dup", s.Dup)
	delay("delay", s.Delay)
	delay("jitter", s.Jitter)
	part("reorder", s.Reorder)
	part("corrupt", s.Corrupt)
	if s.Seed != 0 {
		items = append(items, "seed="+strconv.FormatUint(s.Seed, 10))
	}
	return strings.Join(items, ",")
}
