package main_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/metrics/metricstest"
)

// metricsURL is where a host says that its metrics are.
func metricsURL(p *proc) string {
	p.t.Helper()
	l, _, err := p.talk.find(0, patience, has("Metrics: http://"))
	if err != nil {
		p.t.Fatalf("%s does not say where its metrics are: %v\n%s", p.name, err, p.story())
	}
	_, url, _ := strings.Cut(l.text, "Metrics: ")
	return url
}

// scrape reads a page, which must be all that the format asks.
func scrape(t testing.TB, url string) metricstest.Page {
	t.Helper()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	a, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil || a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "text/plain; version=0.0.4; charset=utf-8" {
		t.Fatalf("%s with %v: %v\n%s", a.Status, a.Header, err, b)
	}
	page, err := metricstest.Parse(string(b))
	if err != nil {
		t.Fatalf("%v in\n%s", err, b)
	}
	return page
}

// counts waits until a metric is what it should be.
func counts(t testing.TB, url string, want float64, name string, labels ...string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		got, ok := scrape(t, url).Get(name, labels...)
		if ok && got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("%s%v is %g (there: %v), want %g", name, labels, got, ok, want)
			return
		}
	}
}

// While people talk by both carriers, what they do is what the host shows.
func TestMetrics(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics", "--metrics", "127.0.0.1:0")
	url := metricsURL(ana)
	ben := b.join("ben", b.addr(), "--transport", "udp")
	eve := b.join("eve", b.addr(), "--transport", "tcp")
	const each = 40
	stop := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() { // whoever looks, changes nothing; and what is counted never shrinks
		last := map[string]float64{}
		for {
			for _, s := range scrape(t, url) {
				key := fmt.Sprint(s.Name, s.Labels)
				if strings.HasSuffix(s.Name, "_total") && s.Value < last[key] {
					t.Errorf("%s was %g and is %g", key, last[key], s.Value)
				}
				last[key] = s.Value
			}
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	people := []*proc{ana, ben, eve}
	for n := range each {
		for _, p := range people {
			p.say(fmt.Sprintf("%d of %s", n, p.name))
		}
	}
	for _, p := range people {
		heard := 0
		p.await("all that was said", func(l line) bool {
			if l.Type == "message" {
				heard++
			}
			return heard == each*len(people)
		})
	}
	ben.say("/nick ana")
	ben.await("its refusal", func(l line) bool { return l.Code == "nick_taken" })
	close(stop)
	looking.Wait()
	in := []string{"room", "physics"}
	with := func(more ...string) []string { return slices.Concat(in, more) }
	counts(t, url, 3*each*2, "parley_room_delivered_total", in...)
	counts(t, url, 3*each, "parley_room_accepted_total", with("kind", "message")...)
	counts(t, url, 1, "parley_room_refused_total", with("code", "nick_taken")...)
	counts(t, url, 1, "parley_room_members", with("carrier", "pipe", "role", "host")...)
	counts(t, url, 1, "parley_room_members", with("carrier", "udp", "role", "member")...)
	counts(t, url, 1, "parley_room_members", with("carrier", "tcp", "role", "member")...)
	page := scrape(t, url)
	for _, name := range []string{"parley_room_stored_seconds_count", "parley_room_commit_seconds_count", "parley_room_delivery_seconds_count",
		"parley_room_log_entries", "parley_room_log_bytes", "process_start_time_seconds", "go_goroutines"} {
		if page.Sum(name) <= 0 {
			t.Errorf("%s is %g", name, page.Sum(name))
		}
	}
	if page.Sum("parley_build_info") != 1 || page.Sum("parley_room_up") != 1 {
		t.Errorf("neither who it is nor which rooms: %v", page)
	}
	for _, s := range page {
		for _, v := range s.Labels {
			if strings.Contains(v, "ana") || strings.Contains(v, "ben") || strings.Contains(v, "127.0.0.1") {
				t.Errorf("%v tells about people", s)
			}
		}
	}
	eve.kill() // her seat lingers
	counts(t, url, 1, "parley_room_lingering_seats", in...)
	counts(t, url, 0, "parley_room_members", with("carrier", "tcp", "role", "member")...)
	ana.say("/quit")
	ana.exits(0)
	if c, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/metrics")); err == nil {
		c.Close()
		t.Error("the metrics outlive the host")
	}
}

// A host without a seat, in the mode for programs, shows them, too; and nothing is
// said about them where they are not asked for.
func TestMetricsHeadless(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	p := b.parley("host", "host", "physics", "maths", "--headless", "--json", "--port", strconv.Itoa(b.port), "--metrics", "127.0.0.1:0")
	p.await("ready", kind("ready"))
	url := metricsURL(p)
	counts(t, url, 1, "parley_room_up", "room", "maths")
	b.join("ben", b.addr()+"/maths")
	counts(t, url, 1, "parley_room_joins_total", "room", "maths")
	counts(t, url, 0, "parley_room_joins_total", "room", "physics")

	quiet := loopback(t)
	ana := quiet.host("ana", "physics")
	ana.say("/quit")
	ana.exits(0)
	if strings.Contains(ana.story(), "Metrics") {
		t.Errorf("it talks of metrics: %s", ana.story())
	}
}

// Those who ask and send nothing, or anything else, get no page and stop nobody.
func TestMetricsBadAskers(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics", "--metrics", "127.0.0.1:0")
	url := metricsURL(ana)
	addr := strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/metrics")
	dial := func() net.Conn {
		c, err := net.DialTimeout("tcp", addr, patience)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(2 * patience))
		t.Cleanup(func() { c.Close() })
		return c
	}
	slow := dial()
	io.WriteString(slow, "GET /metrics HTTP/1.1\r\nX: ")
	began := time.Now()
	for range 100 { // more than are kept
		dial()
	}
	if page := scrape(t, url); page.Sum("parley_room_up") != 1 {
		t.Error("beside slow askers there is no page")
	}
	if _, err := io.ReadAll(slow); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("a slow asker is not let go of: %v after %v", err, time.Since(began))
	}
	for _, c := range []struct{ question, answer string }{
		{"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "404"},
		{"POST /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "405"},
		{"GET /metrics HTTP/1.1\r\nHost: rebound.example\r\n\r\n", "421"},
		{"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + strings.Repeat("x", 9000) + "\r\n\r\n", "431"},
		{"\x16\x03\x01\x00\xff\r\n\r\n", "400"},
	} {
		conn := dial()
		io.WriteString(conn, c.question)
		got, _ := io.ReadAll(conn)
		if !strings.HasPrefix(string(got), "HTTP/1.1 "+c.answer) {
			t.Errorf("%.40q gets %.40q", c.question, got)
		}
	}
	counts(t, url, 1, "parley_room_members", "room", "physics", "carrier", "pipe", "role", "host")
	if fds, there := scrape(t, url).Get("process_open_fds"); there && fds > 100 {
		t.Errorf("%g descriptors are open", fds)
	}
	ana.lives()
}

// Addresses that are none, or are taken, are told before a room is opened.
func TestMetricsBadAddresses(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		addr  string
		code  int
		words string
	}{
		{"ninety", 2, "ADDRESS:PORT"},
		{"127.0.0.1", 2, "127.0.0.1:9090"},
		{"127.0.0.1:99999", 2, "65535"},
		{"*:9090", 2, "0.0.0.0:9090"},
		{strconv.Itoa(b.port), 2, "a port of its own"},
		{"", 0, ""},
		{taken.Addr().String(), 1, "in use|Only one usage"},
		{"192.0.2.1:9090", 1, "192.0.2.1:9090"},
	} {
		args := []string{"host", "physics", "--nick", "ana", "--no-input", "--port", strconv.Itoa(b.port), "--metrics=" + c.addr}
		stdout, stderr, code := b.once("ana", "", args...)
		found := false
		for word := range strings.SplitSeq(c.words, "|") {
			found = found || strings.Contains(stderr, word)
		}
		if code != c.code || !found || c.code != 0 && stdout != "" {
			t.Errorf("%q: exit code %d, want %d and %q\nstdout: %s\nstderr: %s", c.addr, code, c.code, c.words, stdout, stderr)
		}
	}
	_, stderr, code := b.once("ana", "", "host", "physics", "--nick", "ana", "--no-input", "--port", strconv.Itoa(b.port), "--metrics", "0.0.0.0:0")
	if code != 0 || !strings.Contains(stderr, "Metrics: http://0.0.0.0:") || !strings.Contains(stderr, "Whoever reaches this computer") {
		t.Errorf("for all to see: %d\n%s", code, stderr)
	}
}
