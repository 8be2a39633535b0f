package metrics

import (
	"context"
	"strings"
	"testing"
	"time"

	"parley/metrics/metricstest"
)

func TestPage(t *testing.T) {
	var p Page
	p.Gauge("parley_room_members", `Who is "here" \o/`+"\nnow.", 3, "room", "a \"b\"\\c\nd", "carrier", "udp")
	p.Counter("parley_room_joins_total", "Joins.", 1<<40, "room", "a")
	p.Gauge("parley_room_members", "another help", 0, "room", "ü\xff", "carrier", "")
	p.Gauge("parley_share", "A share.", 0.25)
	want := strings.Join([]string{
		`# HELP parley_room_members Who is "here" \\o/\nnow.`,
		`# TYPE parley_room_members gauge`,
		`parley_room_members{room="a \"b\"\\c\nd",carrier="udp"} 3`,
		"parley_room_members{room=\"ü\uFFFD\"} 0",
		`# HELP parley_room_joins_total Joins.`,
		`# TYPE parley_room_joins_total counter`,
		`parley_room_joins_total{room="a"} 1099511627776`,
		`# HELP parley_share A share.`,
		`# TYPE parley_share gauge`,
		`parley_share 0.25`,
	}, "\n") + "\n"
	if got := string(p.Bytes()); got != want {
		t.Errorf("it is\n%s\nand not\n%s", got, want)
	}
	if _, err := metricstest.Parse(string(p.Bytes())); err != nil {
		t.Error(err)
	}
}

func TestHistogram(t *testing.T) {
	var h Histogram
	for _, d := range []time.Duration{-time.Second, 0, 100 * time.Microsecond, 100*time.Microsecond + 1, time.Millisecond, time.Hour} {
		h.Observe(d)
	}
	before := h
	h.Observe(time.Second)
	if before.Count() != 6 || h.Count() != 7 {
		t.Errorf("%d and %d were counted", before.Count(), h.Count())
	}
	var p Page
	p.Histogram("x_seconds", "X.", &before, "room", "a")
	page, err := metricstest.Parse(string(p.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	for le, want := range map[string]float64{"0.0001": 3, "0.00025": 4, "0.001": 5, "10": 5, "+Inf": 6} {
		if n, ok := page.Get("x_seconds_bucket", "room", "a", "le", le); !ok || n != want {
			t.Errorf("the bucket up to %s holds %g, want %g", le, n, want)
		}
	}
	if sum, _ := page.Get("x_seconds_sum", "room", "a"); sum < 3600.001 || sum > 3600.002 {
		t.Errorf("the sum is %g", sum)
	}
}

func TestObserveAllocatesNothing(t *testing.T) {
	var h Histogram
	d := time.Duration(1)
	if n := testing.AllocsPerRun(1000, func() { h.Observe(d); d *= 3 }); n != 0 {
		t.Errorf("it allocates %g times", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	var h Histogram
	for i := range b.N {
		h.Observe(time.Duration(i) * time.Microsecond)
	}
}

func TestProcess(t *testing.T) {
	var p Page
	Process(context.Background(), &p)
	page, err := metricstest.Parse(string(p.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if began, ok := page.Get("process_start_time_seconds"); !ok || time.Since(time.UnixMilli(int64(began*1000))) > time.Hour {
		t.Errorf("it was started at %g", began)
	}
	for _, name := range []string{"go_goroutines", "go_memstats_alloc_bytes", "go_memstats_sys_bytes"} {
		if n, _ := page.Get(name); n <= 0 {
			t.Errorf("%s is %g", name, n)
		}
	}
	for _, name := range []string{"process_resident_memory_bytes", "process_open_fds", "process_max_fds"} {
		if n, there := page.Get(name); there && n <= 0 {
			t.Errorf("%s is %g", name, n)
		}
	}
}

// FuzzPage has pages read back what was put into them, whatever that is.
func FuzzPage(f *testing.F) {
	f.Add("help", "a", "b", 1.5)
	f.Add("h\\n\n", "a\"\\", "\xff", 1e300)
	f.Fuzz(func(t *testing.T, help, a, b string, v float64) {
		if v != v || v-v != 0 {
			return
		}
		var p Page
		p.Gauge("x", help+".", v, "a", a, "b", b)
		page, err := metricstest.Parse(string(p.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		labels := []string{}
		for name, value := range map[string]string{"a": a, "b": b} {
			if value != "" {
				labels = append(labels, name, strings.ToValidUTF8(value, "\uFFFD"))
			}
		}
		if got, ok := page.Get("x", labels...); !ok || got != v {
			t.Fatalf("%q gives %g, %v and not %g", p.Bytes(), got, ok, v)
		}
	})
}
