//go:build linux && slow

package main_test

// Files over a LAN of namespaces, at no loss and at 5 % of everything lost, on both
// carriers, beside netcat on the same wire, and what is said meanwhile. 100 MB where
// that is quick; what is slow has a bounded time and says how much it managed. It
// takes about 35 s in all.

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// netcat has a machine send size bytes to another, for a limited time, and returns
// how many came in how long.
func netcat(t *testing.T, from, to *machine, size int, limit time.Duration) (int, time.Duration) {
	t.Helper()
	count := to.start("sh", "-c", "nc -l -p 9000 | wc -c")
	for { // it listens
		out := string(to.lan.run("ip", "netns", "exec", to.ns, "ss", "-Hltn", "sport", "=", ":9000"))
		if strings.Contains(out, "9000") {
			break
		}
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	send := from.start("sh", "-c", fmt.Sprintf("head -c %d /dev/zero | timeout %.1f nc -N %s 9000", size, limit.Seconds(), to.ip))
	select {
	case <-send.done:
	case <-ctx.Done():
		<-send.done
	}
	took := time.Since(began)
	to.lan.heal() // or the end of a broken stream takes for ever
	n, err := strconv.Atoi(strings.TrimSpace(count.await("the count", func(l line) bool { return true }).text))
	if err != nil {
		t.Fatal(err)
	}
	return n, took
}

func TestLANFiles(t *testing.T) {
	for _, c := range []struct {
		via     string
		percent int
		size    int
		target  time.Duration // of what is said meanwhile
	}{
		{"udp", 0, 100e6, 50 * time.Millisecond},
		{"tcp", 0, 100e6, 50 * time.Millisecond},
		{"udp", 5, 100e6, 50 * time.Millisecond},
		{"tcp", 5, 10e6, 0},
	} {
		t.Run(fmt.Sprintf("%s, %d%% lost", c.via, c.percent), func(t *testing.T) { filesOver(t, c.via, c.percent, c.size, c.target) })
	}
}

func filesOver(t *testing.T, via string, percent, size int, target time.Duration) {
	l := newLAN(t, "ana", "ben", "cyn")
	boxes := l.boxes()
	dir := t.TempDir()
	boxes[0].host("ana", "physics")
	ben := boxes[1].join("ben", boxes[0].ip, "--transport", via)
	cyn := boxes[2].join("cyn", boxes[0].ip, "--transport", via, "--downloads", filepath.Join(dir, "cyn"))
	path, content := made(t, dir, "data", size)
	if percent > 0 {
		l.lose(percent, "all")
	}
	ben.say("/send cyn " + path)
	cyn.await("the offer", transfer("offered"))
	before := len(cyn.out.all())
	said := map[string]time.Time{}
	cyn.say("/take")
	began := cyn.await("the beginning", transfer("taken")).at
	var end line
	for n := 0; ; n++ {
		l, _, err := cyn.out.find(before, 10*time.Millisecond, func(l line) bool {
			return l.Type == "file" && (l.State == "done" || l.State == "failed")
		})
		if err == nil {
			end = l
			break
		}
		if time.Since(began) > 40*time.Second {
			t.Fatal("it takes too long")
		}
		text := fmt.Sprint("tick ", n)
		said[text] = time.Now()
		ben.say(text)
	}
	if end.State != "done" {
		t.Fatalf("it failed: %s", end.text)
	}
	ben.await("that it is there", transfer("done"))
	last := fmt.Sprint("tick ", len(said)-1)
	cyn.sees("the last word", func(l line) bool { return l.Text == last })
	var took []time.Duration
	for _, l := range cyn.out.all() {
		if at, ok := said[l.Text]; ok && l.Type == "message" {
			took = append(took, l.at.Sub(at))
		}
	}
	slices.Sort(took)
	arrived(t, end.File.Path, content)
	if percent > 0 && l.lost() == 0 {
		t.Error("nothing was lost")
	}
	for _, p := range []*proc{ben, cyn} {
		p.say("/stats")
		s := p.await("counters", kind("stats"))
		if s.Transport != via {
			t.Errorf("%s: by %s", p.name, s.Transport)
		}
	}
	lasted := end.at.Sub(began)
	nc, ncTook := netcat(t, l.machines[1], l.machines[2], size, 4*time.Second)
	wish := "none"
	if target > 0 {
		wish = target.String()
	}
	mbs := func(n int, d time.Duration) string { return fmt.Sprintf("%.1f MB/s", float64(n)/1e6/d.Seconds()) }
	t.Logf("FIGURE files over %s, %d %% lost: %d MB through the host in %v, %s; nc without a host on the same wire: %.1f MB, %s; said meanwhile: %d, p50 %v, p99 %v (target %s), most %v",
		via, percent, size/1e6, round(lasted), mbs(size, lasted), float64(nc)/1e6, mbs(nc, ncTook), len(took), round(quantile(took, .5)), round(quantile(took, .99)), wish, round(quantile(took, 1)))
}

// underWay has 200 MB on their way from ben to cyn, in a room of ana, whom nobody is
// made to reach by one carrier.
func underWay(t *testing.T) (l *lan, boxes []*box, ana, ben, cyn *proc, content []byte) {
	l = newLAN(t, "ana", "ben", "cyn")
	boxes = l.boxes()
	dir := t.TempDir()
	ana = boxes[0].host("ana", "physics")
	ben = boxes[1].join("ben", boxes[0].ip)
	cyn = boxes[2].join("cyn", boxes[0].ip, "--downloads", filepath.Join(dir, "cyn"))
	path, content := made(t, dir, "data", 200e6)
	ben.say("/send cyn " + path)
	cyn.await("the offer", transfer("offered"))
	cyn.say("/take")
	cyn.await("progress", transfer("progress"))
	return l, boxes, ana, ben, cyn, content
}

// The giver's datagrams vanish in the middle: the file goes on over TCP, as the seat does.
func TestLANFilesFallBack(t *testing.T) {
	l, _, _, ben, cyn, content := underWay(t)
	blocked := time.Now()
	l.block(l.machines[1], l.machines[0], "udp")
	l.block(l.machines[0], l.machines[1], "udp")
	end := cyn.await("the file", transfer("done"))
	arrived(t, end.File.Path, content)
	t.Logf("FIGURE the giver's UDP blocked in the middle of 200 MB: the rest was there by TCP after %v", round(end.at.Sub(blocked)))
	ben.sees("the seat's change, too", func(l line) bool { return l.Type == "link" && l.State == "switched" && l.Transport == "tcp" })
}

// The host is killed in the middle, and comes back: the file goes on.
func TestLANFilesHostKilled(t *testing.T) {
	_, boxes, ana, ben, cyn, content := underWay(t)
	ana.kill()
	ben.await("the loss", kind("link"))
	back := time.Now()
	boxes[0].host("ana", "physics")
	end := cyn.await("the file", func(l line) bool { return l.Type == "file" && (l.State == "done" || l.State == "failed") })
	if end.State != "done" {
		t.Fatalf("it failed: %s", end.text)
	}
	arrived(t, end.File.Path, content)
	t.Logf("FIGURE the host killed in the middle of 200 MB: the rest was there %v after it was started again", round(end.at.Sub(back)))
	ben.await("that it is there", transfer("done"))
}

// The disk is full in the middle: both are told, the taker why, and when there is
// room again it goes on.
func TestLANFilesDiskFull(t *testing.T) {
	b := loopback(t)
	dir, disk := t.TempDir(), t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=600k"); err != nil {
		t.Skipf("SKIPPED: no small disk here: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(disk, syscall.MNT_DETACH) })
	ana := b.host("ana", "physics")
	ben := b.join("ben", b.addr(), "--downloads", disk)
	path, content := made(t, dir, "data", 1<<20)
	ana.say("/send ben " + path)
	ben.await("the offer", transfer("offered"))
	ben.say("/take")
	if e := ben.await("the failure", transfer("failed")); !strings.Contains(e.Text, "full") {
		t.Errorf("the taker: %s", e.text)
	}
	if e := ana.await("the failure", transfer("failed")); strings.Contains(e.Text, disk) || e.Text == "" {
		t.Errorf("the giver: %s", e.text)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size=3m"); err != nil {
		t.Fatal(err)
	}
	ana.say("/send ben " + path)
	ben.await("the offer", transfer("offered"))
	ben.say("/take")
	arrived(t, ben.await("the file", transfer("done")).File.Path, content)
}
