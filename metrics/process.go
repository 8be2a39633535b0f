package metrics

import (
	"context"
	"runtime/metrics"
	"time"
)

// started is when the program was, but for milliseconds.
var started = time.Now()

// process is what the system knows of this process; what it does not tell is
// less than zero.
type process struct {
	cpu      time.Duration
	resident int64
	files    int64
	maxFiles int64
}

// Process is a Collector of what the program costs its computer, under the names
// by which it is known of every program.
func Process(_ context.Context, p *Page) {
	s := process{cpu: -1, resident: -1, files: -1, maxFiles: -1}
	s.read()
	p.Gauge("process_start_time_seconds", "When the program was started, in seconds since 1970.", float64(started.UnixMilli())/1000)
	if s.cpu >= 0 {
		p.Counter("process_cpu_seconds_total", "Processor time that the program has used.", s.cpu.Seconds())
	}
	gauge := func(name, help string, v int64) {
		if v >= 0 {
			p.Gauge(name, help, float64(v))
		}
	}
	gauge("process_resident_memory_bytes", "Memory that the program has.", s.resident)
	gauge("process_open_fds", "File descriptors that are open.", s.files)
	gauge("process_max_fds", "File descriptors that may be open.", s.maxFiles)
	samples := []metrics.Sample{{Name: "/sched/goroutines:goroutines"}, {Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/total:bytes"}, {Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(samples)
	value := func(i int) int64 {
		if samples[i].Value.Kind() != metrics.KindUint64 { // a Go that does not know it
			return -1
		}
		return int64(samples[i].Value.Uint64())
	}
	gauge("go_goroutines", "Goroutines that there are.", value(0))
	gauge("go_memstats_alloc_bytes", "Memory of objects, those that are not swept yet, too.", value(1))
	gauge("go_memstats_sys_bytes", "Memory that Go has from the system.", value(2))
	if n := value(3); n >= 0 {
		p.Counter("go_gc_cycles_total", "Times that the garbage collector has run.", float64(n))
	}
}
