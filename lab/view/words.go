//go:build !nolab

package view

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// minus is a-b that does not wrap around, whatever a file says.
func minus(a, b time.Duration) time.Duration {
	switch d := a - b; {
	case b < 0 && d < a:
		return math.MaxInt64
	case b > 0 && d > a:
		return math.MinInt64
	default:
		return d
	}
}

// millis is a time in milliseconds, as short as it can be said exactly to the
// microsecond.
func millis(d time.Duration) string {
	return strconv.FormatFloat(math.Round(float64(d)/1e3)/1e3, 'f', -1, 64)
}

// short is a time with its unit, in about four digits.
func short(d time.Duration) string {
	switch a := d.Abs(); {
	case a < 10*time.Second:
		return millis(d.Round(100*time.Microsecond)) + " ms"
	case a < 100*time.Second:
		return strconv.FormatFloat(math.Round(d.Seconds()*10)/10, 'f', -1, 64) + " s"
	case a < 2*time.Hour:
		return fmt.Sprintf("%.0f s", d.Seconds())
	default:
		return fmt.Sprintf("%.0f h", d.Hours())
	}
}

// A unit is how instants of a lane are written: in milliseconds, or seconds
// where it takes long.
type unit struct {
	name string
	of   time.Duration
}

// inSeconds is how long a lane takes for its instants to be in seconds.
const inSeconds = 100 * time.Second

func unitFor(last time.Duration) unit {
	if last >= inSeconds {
		return unit{"s", time.Second}
	}
	return unit{"ms", time.Millisecond}
}

func (u unit) say(d time.Duration) string {
	digits := 1000.0
	if u.of == time.Millisecond {
		digits = 100
	}
	return strconv.FormatFloat(math.Round(float64(d)/float64(u.of)*digits)/digits, 'f', -1, 64)
}

// count is a number with what it counts.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return grouped(int64(n)) + " " + what + "s"
}

// grouped is a number with its thousands apart.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// maxNumbers is how many numbers of messages are said one by one.
const maxNumbers = 4

// numbers are the numbers of messages: 5, 5-8, 5,7.
func numbers(msgs []int) string {
	if len(msgs) == 0 {
		return ""
	}
	var parts []string
	for i := 0; i < len(msgs); {
		j := i
		for j+1 < len(msgs) && msgs[j] < math.MaxInt && msgs[j+1] == msgs[j]+1 {
			j++
		}
		if len(parts) == maxNumbers {
			return strings.Join(parts, ",") + ".."
		}
		if j > i {
			parts = append(parts, fmt.Sprintf("%d-%d", msgs[i], msgs[j]))
		} else {
			parts = append(parts, strconv.Itoa(msgs[i]))
		}
		i = j + 1
	}
	return strings.Join(parts, ",")
}

// share tells whether two sorted lists have a number in common.
func share(a, b []int) bool {
	return slices.ContainsFunc(a, func(n int) bool { return slices.Contains(b, n) })
}
