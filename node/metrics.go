package node

import (
	"cmp"
	"context"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"parley/metrics"
	"parley/room"
)

// figuresTime is how long a room may take to tell its figures: one that is just
// reading what was said there answers later.
const figuresTime = time.Second

// Collect puts into a page what the rooms hosted here count. It is a
// [metrics.Collector]. No name, key or address of anybody is in it: names of rooms are.
func (n *Node) Collect(ctx context.Context, p *metrics.Page) {
	n.start()
	n.mu.Lock()
	open := slices.Collect(maps.Keys(n.open))
	n.mu.Unlock()
	var waiting, seated, carrying int
	var rooms []*hosted
	for _, h := range open {
		h.mu.Lock()
		waiting, seated, carrying = waiting+len(h.waiting), seated+h.seated, carrying+h.carrying
		rooms = append(rooms, h.rooms...)
		h.mu.Unlock()
	}
	rooms = slices.DeleteFunc(rooms, func(r *hosted) bool { return r.gone.Load() != nil })
	slices.SortStableFunc(rooms, func(a, b *hosted) int { return cmp.Compare(a.Name, b.Name) })
	rooms = slices.CompactFunc(rooms, func(a, b *hosted) bool { return a.Name == b.Name })
	p.Gauge("parley_connections_waiting", "Connections that have not said yet which room they want.", float64(waiting))
	p.Gauge("parley_connections_seated", "Connections that are with a room.", float64(seated))
	p.Gauge("parley_connections_files", "Connections that carry files.", float64(carrying))
	collectRooms(ctx, p, rooms)
}

// collectRooms asks all rooms at once, so that none waits for another.
func collectRooms(ctx context.Context, p *metrics.Page, rooms []*hosted) {
	soon, cancel := context.WithTimeout(ctx, figuresTime)
	defer cancel()
	figures, errs := make([]room.Figures, len(rooms)), make([]error, len(rooms))
	var asking sync.WaitGroup
	for i, r := range rooms {
		asking.Go(func() { figures[i], errs[i] = r.Figures(soon) })
	}
	asking.Wait()
	for i, r := range rooms {
		p.Gauge("parley_room_up", "Whether the room answers: 0 while it is being opened.", metrics.Bool(errs[i] == nil), "room", r.Name)
		if errs[i] == nil {
			w := roomPage{p, r.Name}
			w.people(&figures[i])
			w.words(&figures[i])
			w.log(&figures[i])
			w.traffic(&figures[i])
		}
		for _, more := range r.collect {
			more(ctx, p)
		}
	}
}

// roomPage writes what one room counts.
type roomPage struct {
	page *metrics.Page
	name string
}

func (w roomPage) gauge(name, help string, value float64, labels ...string) {
	w.page.Gauge("parley_room_"+name, help, value, append([]string{"room", w.name}, labels...)...)
}

func (w roomPage) counter(name, help string, value uint64, labels ...string) {
	w.page.Counter("parley_room_"+name, help, float64(value), append([]string{"room", w.name}, labels...)...)
}

// counters writes one for each value of a label, those of always even when
// nothing was counted, so that a rate begins where the first is counted.
func (w roomPage) counters(name, help, label string, counted map[string]uint64, always ...string) {
	values := append(slices.Sorted(maps.Keys(counted)), always...)
	slices.Sort(values)
	for _, v := range slices.Compact(values) {
		w.counter(name, help, counted[v], label, v)
	}
}

// people writes who is here, and who came.
func (w roomPage) people(f *room.Figures) {
	here := []room.Presence{{Carrier: "tcp", Role: "member"}, {Carrier: "udp", Role: "member"}}
	for at := range f.Members {
		if !slices.Contains(here, at) {
			here = append(here, at)
		}
	}
	slices.SortFunc(here, func(a, b room.Presence) int {
		return cmp.Or(cmp.Compare(a.Carrier, b.Carrier), cmp.Compare(a.Role, b.Role))
	})
	for _, at := range here {
		w.gauge("members", "People who are connected to this host, by what carries their words.", float64(f.Members[at]), "carrier", at.Carrier, "role", at.Role)
	}
	for _, via := range slices.Sorted(maps.Keys(f.Quiet)) {
		w.gauge("quiet_seats", "Programs that are connected and are not shown as people, such as parley tail.", float64(f.Quiet[via]), "carrier", via)
	}
	w.gauge("lingering_seats", "Seats whose connection is lost and which are still kept.", float64(f.Lingering))
	w.gauge("unseated_connections", "Connections that have no seat yet.", float64(f.Unseated))
	w.counter("joins_total", "Seats that were taken.", f.Joins)
	w.counters("joins_refused_total", "Joins that were refused, by the code of the refusal.", "code", f.RefusedJoins)
	w.counters("resumes_total", "Seats that were connected again, by the carrier they came by.", "carrier", f.Resumed, "tcp", "udp")
	changes := []room.Switch{{From: "tcp", To: "udp"}, {From: "udp", To: "tcp"}}
	for s := range f.Switched {
		if !slices.Contains(changes, s) {
			changes = append(changes, s)
		}
	}
	slices.SortFunc(changes, func(a, b room.Switch) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	for _, s := range changes {
		w.counter("switches_total", "Seats that came back by another carrier.", f.Switched[s], "from", s.From, "to", s.To)
	}
}

// words writes what became of what was said.
func (w roomPage) words(f *room.Figures) {
	w.counters("accepted_total", "Commands that were stored, by what they were.", "kind", f.Accepted, "message", "action", "whisper", "other")
	w.counters("refused_total", "Commands that were refused, by the code of the refusal.", "code", f.Refused)
	w.counter("repeated_total", "Commands that came again and were stored already.", f.Repeated)
	w.counter("delivered_total", "Times that a member has confirmed what another said.", f.Delivered)
	histogram := func(name, help string, h *metrics.Histogram) {
		w.page.Histogram("parley_room_"+name, help, h, "room", w.name)
	}
	histogram("commit_seconds", "From a batch being handed to the log to its answer.", &f.Commit)
	histogram("stored_seconds", "From a command being read to its being stored.", &f.Stored)
	histogram("delivery_seconds", "From something said being shown to the confirmation of the last member who was here. Who leaves before confirms nothing.", &f.Heard)
	w.gauge("commands_waiting", "Commands that wait for the batch under way.", float64(f.Waiting))
	w.gauge("batch_entries", "Entries of the batch under way.", float64(f.InBatch))
	w.gauge("joins_waiting", "Joins that wait for their turn, for a password or to be let in.", float64(f.Parked))
	w.gauge("members_reading_log", "Members so far behind that they read the log.", float64(f.ReadingLog))
	w.gauge("events_behind", "Events that members are still to be sent, of all members together.", float64(f.Behind))
	w.gauge("events_behind_max", "Events that the member who is furthest behind is still to be sent.", float64(f.MostBehind))
}

// log writes how the log is.
func (w roomPage) log(f *room.Figures) {
	if f.Entries >= 0 {
		w.gauge("log_entries", "Entries that the log keeps.", float64(f.Entries))
	}
	if f.Bytes >= 0 {
		w.gauge("log_bytes", "Bytes that the log takes.", float64(f.Bytes))
	}
	w.gauge("last_sequence", "Number of the last event that was shown.", float64(f.Seq))
	w.gauge("read_only", "Whether nothing can be stored.", metrics.Bool(f.ReadOnly))
	w.gauge("log_unsure", "Whether the log does not say if it stores.", metrics.Bool(f.Struggling))
}

// traffic writes what the carriers count.
func (w roomPage) traffic(f *room.Figures) {
	for _, via := range slices.Sorted(maps.Keys(f.Carriers)) {
		t := f.Carriers[via]
		gauge := func(name, help string, v float64) { w.gauge(name, help, v, "carrier", via) }
		counter := func(name, help string, v uint64) { w.counter(name, help, v, "carrier", via) }
		gauge("connections", "Connections that there are.", float64(t.Connections))
		counter("packets_sent_total", "Packets sent.", t.Sum.Sent)
		counter("packets_received_total", "Packets received.", t.Sum.Received)
		counter("packets_lost_total", "Packets sent and given up as lost.", t.Sum.Lost)
		counter("packets_resent_total", "Packets that carried something for the second time.", t.Sum.Resent)
		counter("packets_spurious_total", "Packets given up as lost that had arrived.", t.Sum.Spurious)
		counter("packets_repeated_total", "Packets that came a second time.", t.Sum.Repeated)
		counter("bytes_sent_total", "Bytes sent.", t.Sum.BytesOut)
		counter("bytes_received_total", "Bytes received.", t.Sum.BytesIn)
		gauge("bytes_in_flight", "Bytes under way.", float64(t.Sum.InFlight))
		gauge("bytes_queued", "Bytes that wait to be sent.", float64(t.Sum.Queued))
		if t.Longest > 0 {
			gauge("rtt_median_seconds", "Round-trip time of the connection in the middle.", t.Median.Seconds())
			gauge("rtt_max_seconds", "Round-trip time of the slowest connection.", t.Longest.Seconds())
		}
	}
}

// clustered is what a room of several hosts knows besides. What is nil is left out.
type clustered struct {
	up    func() bool
	lag   func() (entries uint64, age time.Duration)
	hosts func() int // this one among them
}

// collector makes a [metrics.Collector] of it, for hosted.collect.
func (c clustered) collector(name string) metrics.Collector {
	return func(_ context.Context, p *metrics.Page) {
		if c.up != nil {
			p.Gauge("parley_cluster_up", "Whether the host is connected to the cluster.", metrics.Bool(c.up()), "room", name)
		}
		if c.lag != nil {
			entries, age := c.lag()
			p.Gauge("parley_cluster_lag_entries", "Entries of the stream that this host has not read yet, as far as it knows.", float64(entries), "room", name)
			p.Gauge("parley_cluster_lag_seconds", "For how long this host has been behind.", age.Seconds(), "room", name)
		}
		if c.hosts != nil {
			p.Gauge("parley_cluster_hosts", "Hosts that the room has.", float64(c.hosts()), "room", name)
		}
	}
}

var _ room.Sizer = roomLog{}

// Size is that of the file and of what is not in it yet.
func (l roomLog) Size() (bytes int64, err error) {
	info, err := os.Stat(l.Log.Path())
	if err != nil {
		return 0, err
	}
	bytes = info.Size()
	if info, err := os.Stat(l.Log.Path() + "-wal"); err == nil {
		bytes += info.Size()
	}
	return bytes, nil
}
