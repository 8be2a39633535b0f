//go:build !nolab

package lab

import (
	"fmt"
	"slices"
	"time"
)

var realtime = Lesson{
	Number: 7, Name: "realtime",
	Topic: "latency under loss in a live chat",
	Claim: "At {messages} messages, one every {every}, with {loss} of all frames lost: TCP delivers all, some late; UDP delivers most, none late; ours delivers all, few late.",
	Setup: "A says {messages} messages to B, one every {every}, over a cable of {delay} that loses {loss} of the frames each way. The same with the seeds {seeds}, since what is lost is luck. Late is more than 5 ms longer than the cable.",
	Question: Question{
		Text:    "Of 500 messages, 2 % of the frames are lost. How many come late over TCP?",
		Answers: []string{"none: TCP repairs losses", "about 10: the lost ones", "about 25: the lost ones and who waited behind them", "nearly all: TCP slows down"},
		Right:   2,
		Why:     "each loss delays itself by a round trip and more, and one or two behind it, to which nothing happened",
	},
	So:       "this is why our UDP transport has each message ride in the next packet, too, where something was lost: most losses cost one message one gap, and no other any",
	Filters:  map[string]string{"what TCP sent again": "tcp.analysis.retransmission || tcp.analysis.out_of_order", "what was lost": `frame.comment contains "lab:drop"`},
	Defaults: Settings{"messages": "500", "every": "20ms", "delay": "20ms", "loss": "2%", "seeds": "1..30"},
	Uses:     []string{"transport", "seeds", "messages", "every", "delay", "loss", "dup", "reorder", "rate", "queue"},
	Free:     []string{"seed", "transport"},
	run:      runRealtime,
}

// band is what the runs with all seeds had, of each number.
type band struct{ late, got, p50, p99 []int64 }

func (b *band) add(t Tally) {
	b.late, b.got = append(b.late, t.Late), append(b.got, t.Got)
	b.p50, b.p99 = append(b.p50, t.Percentile(.5).Milliseconds()), append(b.p99, t.Percentile(.99).Milliseconds())
}

// spread writes least, median and most.
func spread(all []int64) string {
	s := slices.Sorted(slices.Values(all))
	return fmt.Sprintf("%d %d %d", s[0], median(s), s[len(s)-1])
}

// median is the upper one of the two in the middle.
func median(all []int64) int64 { return slices.Sorted(slices.Values(all))[len(all)/2] }

func runRealtime(r *Run) {
	r.table("realtime", "lane", "late: least median most", "delivered", "p50 ms", "p99 ms", "seed "+fmt.Sprint(r.Seed)+": late", "missing")
	bands := map[string]*band{}
	for _, name := range []string{"tcp", "udp", "parley"} {
		if r.Transport == "udp" && name == "tcp" || r.Transport == "tcp" && name != "tcp" {
			continue
		}
		one := func(seed uint64) *Lane {
			c := r.config()
			c.Seed = seed
			if name == "parley" {
				return r.ownLane(name, name, c, written, chatOwn)
			}
			return r.lane(name, name, c, numbered, func(l *Lane) { chat(l, name, r.Every) })
		}
		l := one(r.Seed)
		mine := l.tally()
		b := &band{}
		bands[name] = b
		shares := map[time.Duration][]int64{}
		var late []Line
		r.aside(func() {
			for seed := r.Seeds[0]; seed <= r.Seeds[1]; seed++ {
				t := one(seed).tally()
				b.add(t)
				late = append(late, Line{K: "sample", Lane: name, Host: "B", Seed: seed, Name: "late", Got: t.Late},
					Line{K: "sample", Lane: name, Host: "B", Seed: seed, Name: "delivered", Got: t.Got})
				for _, at := range cdfAt(r.Way.Delay) {
					shares[at] = append(shares[at], share1000(t, at))
				}
			}
		})
		for _, l := range late {
			r.line(l)
		}
		for _, at := range cdfAt(r.Way.Delay) {
			s := slices.Sorted(slices.Values(shares[at]))
			r.line(Line{K: "sample", Lane: name, T: at, Name: "cdf least", Got: s[0]})
			r.line(Line{K: "sample", Lane: name, T: at, Name: "cdf median", Got: median(s)})
			r.line(Line{K: "sample", Lane: name, T: at, Name: "cdf most", Got: s[len(s)-1]})
		}
		r.row("realtime", name, spread(b.late), spread(b.got), median(b.p50), median(b.p99), mine.Late, mine.Missing)
		r.notes = append(r.notes, fmt.Sprint(name, *b))
	}
	n := int64(r.Messages)
	// The numbers that are known are those of the defaults, on these stacks; the
	// ranges hold Linux's, too.
	if b := bands["tcp"]; b != nil {
		r.check("delivered_least.tcp", slices.Min(b.got), n)
		r.seeded("late_median.tcp", median(b.late), 27, 17, 57)
		r.seeded("p99_ms_median.tcp", median(b.p99), 80, 60, 140)
	}
	if b := bands["udp"]; b != nil {
		r.check("late_most.udp", slices.Max(b.late), 0)
		r.seeded("delivered_median.udp", median(b.got), 492, n*97/100, n*99/100)
		r.check("p99_ms_median.udp", median(b.p99), r.Way.Delay.Milliseconds())
	}
	if b := bands["parley"]; b != nil {
		r.check("delivered_least.parley", slices.Min(b.got), n)
		r.seeded("late_median.parley", median(b.late), 11, 5, 20)
		r.atMost("p99_ms_median.parley", median(b.p99), 3*r.Way.Delay.Milliseconds())
		if t := bands["tcp"]; t != nil {
			r.atMost("twice_late_median.parley", 2*median(b.late), median(t.late))
		}
	}
	if r.Way.Loss > 0.04 {
		r.note("above 4 %% loss, this TCP is more cautious than your operating system's")
	}
	if r.untouched(true) {
		r.note("a Linux kernel's TCP had 12 33 63 late in the same test, and 99 of 100 within 80 ms: Linux 6.18, 20 to 30 runs")
	}
}

// cdfAt are the waiting times at which the share of messages is told, for the
// picture of all seeds.
func cdfAt(delay time.Duration) (at []time.Duration) {
	for i := range 17 {
		at = append(at, delay+time.Duration(i)*delay/2)
	}
	return at
}

// share1000 is how many of a thousand messages took that long at most.
func share1000(t Tally, most time.Duration) (n int64) {
	for _, w := range t.Waits {
		if w <= most+time.Millisecond {
			n++
		}
	}
	return n * 1000 / max(t.Sent, 1)
}

// aside runs lanes of which only what f makes of them is told.
func (r *Run) aside(f func()) {
	quiet, lanes, notes := r.quiet, len(r.Lanes), len(r.notes)
	r.quiet = true
	f()
	r.quiet, r.Lanes, r.notes = quiet, r.Lanes[:lanes], r.notes[:notes]
}
