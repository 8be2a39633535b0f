package history

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Keep says how long records stay. The zero Keep is for ever.
type Keep struct {
	Age   time.Duration // those that are older go; 0: they stay
	Count int           // of those beyond so many the oldest go; 0: they stay
	None  bool          // nothing is written at all
}

const (
	day = 24 * time.Hour
	// maxDays and maxCount are more than anybody means.
	maxDays  = 36500
	maxCount = 1_000_000_000
)

// ParseKeep reads 90d, 10000, forever or none.
func ParseKeep(s string) (Keep, error) {
	switch s {
	case "forever":
		return Keep{}, nil
	case "none":
		return Keep{None: true}, nil
	}
	digits, days := strings.CutSuffix(s, "d")
	switch n, err := strconv.ParseUint(digits, 10, 32); {
	case err != nil || n == 0:
	case days && n <= maxDays:
		return Keep{Age: time.Duration(n) * day}, nil
	case !days && n <= maxCount:
		return Keep{Count: int(n)}, nil
	}
	return Keep{}, errors.New("want 90d (so many days), 10000 (so many messages), forever or none")
}

// String is what ParseKeep reads.
func (k Keep) String() string {
	switch {
	case k.None:
		return "none"
	case k.Age > 0:
		return strconv.Itoa(int(k.Age/day)) + "d"
	case k.Count > 0:
		return strconv.Itoa(k.Count)
	}
	return "forever"
}
