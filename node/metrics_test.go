package node

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/metrics"
	"parley/metrics/metricstest"
	"parley/room"
)

func counting(n *Node) { n.Metered = true }

// collected is what a node's rooms count, as a page that is read strictly.
func collected(w *world, n *Node) metricstest.Page {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 5*time.Second)
	defer cancel()
	var p metrics.Page
	n.Collect(ctx, &p)
	page, err := metricstest.Parse(string(p.Bytes()))
	if err != nil {
		w.Fatalf("%v in\n%s", err, p.Bytes())
	}
	return page
}

func wantMetric(w *world, p metricstest.Page, want float64, name string, labels ...string) {
	w.Helper()
	if got, ok := p.Get(name, labels...); !ok || got != want {
		w.Errorf("%s%v is %g (there: %v), want %g", name, labels, got, ok, want)
	}
}

// TestCollect has people talk in two rooms, by both carriers, over a path that loses.
func TestCollect(t *testing.T) {
	inBubble(t, func(w *world) {
		n := w.node("10.0.0.1", counting)
		const odd = `maths"1\0"`
		h := w.open(n, "physics", odd)
		own, err := h.Sit(w.Context(), room.JoinOptions{Nick: "secretana"})
		if err != nil {
			w.Fatal(err)
		}
		ana := w.watch(own)
		lossy := func(n *Node) { n.Impair.Loss = 0.3; n.Impair.Seed = 7 }
		ben, eve := w.join(w.node("10.0.0.2", using(UDP), lossy), "10.0.0.1/physics", "secretben"), w.join(w.node("10.0.0.3", using(TCP)), "10.0.0.1/physics", "secreteve")
		for range 50 {
			for _, p := range []*seated{ana, ben, eve} {
				p.says("secret word")
			}
		}
		for _, p := range []*seated{ana, ben, eve} {
			p.await("all", func(room.Event) bool { return len(p.said()) == 150 })
		}
		time.Sleep(10 * time.Second)
		p := collected(w, n)
		wantMetric(w, p, 1, "parley_room_up", "room", "physics")
		wantMetric(w, p, 1, "parley_room_up", "room", odd)
		wantMetric(w, p, 1, "parley_room_members", "room", "physics", "carrier", "pipe", "role", "host")
		wantMetric(w, p, 1, "parley_room_members", "room", "physics", "carrier", "udp", "role", "member")
		wantMetric(w, p, 1, "parley_room_members", "room", "physics", "carrier", "tcp", "role", "member")
		wantMetric(w, p, 0, "parley_room_members", "room", odd, "carrier", "udp", "role", "member")
		wantMetric(w, p, 3, "parley_room_joins_total", "room", "physics")
		wantMetric(w, p, 150, "parley_room_accepted_total", "room", "physics", "kind", "message")
		wantMetric(w, p, 300, "parley_room_delivered_total", "room", "physics")
		wantMetric(w, p, 150, "parley_room_delivery_seconds_count", "room", "physics")
		wantMetric(w, p, 0, "parley_room_switches_total", "room", "physics", "from", "udp", "to", "tcp")
		wantMetric(w, p, 1, "parley_room_connections", "room", "physics", "carrier", "udp")
		wantMetric(w, p, 0, "parley_room_events_behind", "room", "physics")
		wantMetric(w, p, 0, "parley_room_read_only", "room", "physics")
		wantMetric(w, p, 3, "parley_connections_seated")
		for _, more := range []string{"packets_sent_total", "packets_received_total", "bytes_sent_total", "bytes_received_total", "rtt_median_seconds", "rtt_max_seconds"} {
			for _, via := range []string{"udp", "tcp"} {
				if v, _ := p.Get("parley_room_"+more, "room", "physics", "carrier", via); v <= 0 {
					w.Errorf("%s by %s is %g", more, via, v)
				}
			}
		}
		if v := p.Sum("parley_room_log_entries", "room", "physics"); v < 153 {
			w.Errorf("the log has %g entries", v)
		}
		// Nothing tells who talks, from where, or what.
		var page metrics.Page
		n.Collect(w.Context(), &page)
		for _, secret := range []string{"secret", "10.0.0.", n.Identity.Key().String(), h.Ready().Key.String()} {
			if strings.Contains(string(page.Bytes()), secret) {
				w.Errorf("%q is in it", secret)
			}
		}
	})
}

// TestCollectLosses has the host's own packets be lost, which it then counts.
func TestCollectLosses(t *testing.T) {
	inBubble(t, func(w *world) {
		n := w.node("10.0.0.1", counting, func(n *Node) { n.Impair.Loss = 0.3; n.Impair.Seed = 7 })
		w.open(n, "physics")
		ben := w.join(w.node("10.0.0.2", using(UDP)), "10.0.0.1", "ben")
		for range 200 {
			ben.says("x")
		}
		ben.await("all", func(room.Event) bool { return len(ben.said()) == 200 })
		p := collected(w, n)
		for _, name := range []string{"parley_room_packets_lost_total", "parley_room_packets_resent_total"} {
			if v, _ := p.Get(name, "room", "physics", "carrier", "udp"); v <= 0 {
				w.Errorf("%s is %g", name, v)
			}
		}
		sent, _ := p.Get("parley_room_packets_sent_total", "room", "physics", "carrier", "udp")
		ben.Leave(w.Context(), "")
		synctest.Wait()
		time.Sleep(time.Second)
		if after, _ := collected(w, n).Get("parley_room_packets_sent_total", "room", "physics", "carrier", "udp"); after < sent {
			w.Errorf("%g packets were sent, and %g when the member had left", sent, after)
		}
	})
}

// TestCollectOfNothing is a page of a node without rooms, and of one that counts nothing.
func TestCollectOfNothing(t *testing.T) {
	inBubble(t, func(w *world) {
		n := w.node("10.0.0.1")
		wantMetric(w, collected(w, n), 0, "parley_connections_seated")
		h := w.open(n, "physics")
		wantMetric(w, collected(w, n), 0, "parley_room_joins_total", "room", "physics")
		h.Close()
		if p := collected(w, n); len(p) != 3 {
			w.Errorf("of no room there is %v", p)
		}
	})
}

// TestCollectOfARoomThatOpens has one room be still opening beside another.
func TestCollectOfARoomThatOpens(t *testing.T) {
	inBubble(t, func(w *world) {
		n := w.node("10.0.0.1", counting)
		h := w.open(n, "physics")
		stuck := &hosted{Host: &room.Host{Name: "maths", Hidden: true}, release: func() {}}
		h.mu.Lock()
		h.rooms = append(h.rooms, stuck)
		h.mu.Unlock()
		began := time.Now()
		p := collected(w, n)
		wantMetric(w, p, 0, "parley_room_up", "room", "maths")
		wantMetric(w, p, 1, "parley_room_up", "room", "physics")
		if d := time.Since(began); d > figuresTime {
			w.Errorf("it took %v", d)
		}
	})
}

// TestCollectOfACluster has what a room of several hosts knows besides be there, too.
func TestCollectOfACluster(t *testing.T) {
	inBubble(t, func(w *world) {
		n := w.node("10.0.0.1", counting)
		h := w.open(n, "physics")
		h.rooms[0].collect = append(h.rooms[0].collect, clustered{
			up:    func() bool { return false },
			lag:   func() (uint64, time.Duration) { return 7, 1500 * time.Millisecond },
			hosts: func() int { return 3 },
		}.collector("physics"))
		p := collected(w, n)
		wantMetric(w, p, 0, "parley_cluster_up", "room", "physics")
		wantMetric(w, p, 7, "parley_cluster_lag_entries", "room", "physics")
		wantMetric(w, p, 1.5, "parley_cluster_lag_seconds", "room", "physics")
		wantMetric(w, p, 3, "parley_cluster_hosts", "room", "physics")
	})
}

// A log on disk tells its size, with what is not in its file yet.
func TestLogTellsItsSize(t *testing.T) {
	books := &Histories{Dir: t.TempDir()}
	n := &Node{Histories: books}
	h, err := n.Open(t.Context(), room.HostOptions{Rooms: []string{"physics"}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	log, ok := h.rooms[0].Log.(roomLog)
	if !ok {
		t.Fatalf("the log is a %T", h.rooms[0].Log)
	}
	if size, err := log.Size(); err != nil || size <= 0 {
		t.Errorf("it has %d bytes: %v", size, err)
	}
	if err := errors.Join(n.Close()); err != nil {
		t.Error(err)
	}
}
