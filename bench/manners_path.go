package main

import (
	"container/heap"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A path is two namespaces and a hub between them. What happens to packets
// happens in the hub, so that the sender's system does not know of it.
type path struct{ near, hub, far string }

func newPath() (p *path, err error) {
	var id [3]byte
	rand.Read(id[:])
	name := "bench" + hex.EncodeToString(id[:])
	p = &path{name + "n", name + "h", name + "f"}
	defer func() {
		if err != nil {
			p.remove()
		}
	}()
	steps := []string{"netns add " + p.near, "netns add " + p.hub, "netns add " + p.far,
		"-n " + p.hub + " link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
		"-n " + p.hub + " link set br0 up"}
	for _, end := range []struct{ ns, port, ip string }{{p.near, "near", nearIP}, {p.far, "far", farIP}} {
		steps = append(steps,
			fmt.Sprintf("-n %s link add %s type veth peer name %s netns %s", p.hub, end.port, wireDevice, end.ns),
			fmt.Sprintf("-n %s link set %s gso_max_segs 1 master br0 up", p.hub, end.port),
			"netns exec "+end.ns+" sysctl -qw net.ipv6.conf.all.disable_ipv6=1",
			fmt.Sprintf("-n %s address add %s/24 dev %s", end.ns, end.ip, wireDevice),
			fmt.Sprintf("-n %s link set %s gso_max_segs 1 up", end.ns, wireDevice))
	}
	for _, step := range steps {
		if err = run("ip", strings.Fields(step)...); err != nil {
			return p, err
		}
	}
	return p, nil
}

// narrow has the hub send no more than rate bits a second towards far, and keep
// in a queue what takes no longer than the given time to send.
func (p *path) narrow(rate int, queue time.Duration) error {
	return run("ip", "netns", "exec", p.hub, "tc", "qdisc", "add", "dev", "far", "root", "tbf", "rate", fmt.Sprintf("%dbit", rate),
		"burst", "3100", "limit", fmt.Sprint(int(float64(rate)/8*queue.Seconds())))
}

// police has the hub drop what exceeds so many packets a second towards far.
func (p *path) police(packets int) error {
	for _, rule := range []string{"add table bridge bench", "add chain bridge bench pass { type filter hook forward priority 0 ; }",
		fmt.Sprintf("add rule bridge bench pass oifname far limit rate over %d/second burst 5 packets drop", packets)} {
		if err := run("ip", "netns", "exec", p.hub, "nft", rule); err != nil {
			return err
		}
	}
	return nil
}

// packets is how many came from near and how many left for far.
func (p *path) packets() (came, left float64) {
	out, _ := exec.Command("ip", "netns", "exec", p.hub, "cat", "/proc/net/dev").Output()
	count := func(port string, field int) (n float64) {
		_, line, _ := strings.Cut(string(out), " "+port+":")
		if f := strings.Fields(line); len(f) > field {
			fmt.Sscan(f[field], &n)
		}
		return n
	}
	return count("near", 1), count("far", 9)
}

func (p *path) remove() {
	for _, ns := range []string{p.near, p.hub, p.far} {
		run("ip", "netns", "delete", ns)
	}
}

// distance is what a detour does to datagrams, each way.
type distance struct {
	delay, jitter time.Duration
	loss          float64
}

// A detour passes the datagrams of one conversation on, later: what a long wire
// does, where the system has no means for it.
type detour struct {
	distance
	near, far *net.UDPConn   // whom the near and the far end talk to
	end       netip.AddrPort // where the far end listens
	nearEnd   atomic.Pointer[netip.AddrPort]
	dropped   atomic.Int64
	news      chan struct{}
	running   sync.WaitGroup

	mu    sync.Mutex
	queue waiting
	count int
	done  bool
}

// late is a datagram on its way.
type late struct {
	at    time.Time
	order int
	b     []byte
	out   bool // towards the far end
}

type waiting []late

func (w waiting) Len() int      { return len(w) }
func (w waiting) Swap(i, j int) { w[i], w[j] = w[j], w[i] }
func (w *waiting) Push(x any)   { *w = append(*w, x.(late)) }
func (w waiting) Less(i, j int) bool {
	return w[i].at.Before(w[j].at) || w[i].at.Equal(w[j].at) && w[i].order < w[j].order
}
func (w *waiting) Pop() any {
	last := (*w)[len(*w)-1]
	*w = (*w)[:len(*w)-1]
	return last
}

func newDetour(d distance) (*detour, error) {
	loopback := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	free, err := net.ListenUDP("udp4", loopback) // a port for the far end
	if err != nil {
		return nil, err
	}
	r := &detour{distance: d, end: free.LocalAddr().(*net.UDPAddr).AddrPort(), news: make(chan struct{}, 1)}
	free.Close()
	if r.near, err = net.ListenUDP("udp4", loopback); err != nil {
		return nil, err
	}
	if r.far, err = net.ListenUDP("udp4", loopback); err != nil {
		r.near.Close()
		return nil, err
	}
	for _, c := range []*net.UDPConn{r.near, r.far} {
		c.SetReadBuffer(floorBuffer)
	}
	r.running.Go(func() { r.read(r.near, true) })
	r.running.Go(func() { r.read(r.far, false) })
	r.running.Go(r.write)
	return r, nil
}

func (r *detour) address() string { return r.near.LocalAddr().String() }
func (r *detour) beyond() string  { return r.end.String() }
func (r *detour) lost() float64   { return float64(r.dropped.Load()) }

func (r *detour) close() {
	r.mu.Lock()
	r.done = true
	r.mu.Unlock()
	r.near.Close()
	r.far.Close()
	r.wake()
	r.running.Wait()
}

func (r *detour) wake() {
	select {
	case r.news <- struct{}{}:
	default:
	}
}

func (r *detour) read(from *net.UDPConn, out bool) {
	var buf [2048]byte
	for {
		n, addr, err := from.ReadFromUDPAddrPort(buf[:])
		if err != nil && !refused(err) {
			return
		}
		if out {
			r.nearEnd.Store(&addr)
		}
		if err != nil || mathrand.Float64() < r.loss {
			r.dropped.Add(1)
			continue
		}
		at := time.Now().Add(r.delay)
		if r.jitter > 0 {
			at = at.Add(mathrand.N(r.jitter))
		}
		r.mu.Lock()
		r.count++
		heap.Push(&r.queue, late{at, r.count, append([]byte(nil), buf[:n]...), out})
		first := r.queue[0].order == r.count
		r.mu.Unlock()
		if first {
			r.wake()
		}
	}
}

func (r *detour) write() {
	timer := time.NewTimer(0)
	for {
		r.mu.Lock()
		wait := time.Hour
		var l late
		if len(r.queue) > 0 {
			if wait = time.Until(r.queue[0].at); wait <= 0 {
				l = heap.Pop(&r.queue).(late)
			}
		}
		done := r.done
		r.mu.Unlock()
		switch {
		case done:
			return
		case l.b == nil:
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-r.news:
			}
		case l.out:
			r.far.WriteToUDPAddrPort(l.b, r.end)
		default:
			r.near.WriteToUDPAddrPort(l.b, *r.nearEnd.Load())
		}
	}
}
