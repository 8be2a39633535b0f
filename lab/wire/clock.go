//go:build !nolab

package wire

import (
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// clock gives a stack the bubble's time. Its timers are events of the LAN, so
// they run one at a time and in a fixed order, while those of the bubble run in
// a random order where several are due at once.
type clock struct{ host *Host }

// Now implements tcpip.Clock.
func (c clock) Now() time.Time { return time.Now() }

// NowMonotonic implements tcpip.Clock.
func (c clock) NowMonotonic() tcpip.MonotonicTime {
	return tcpip.MonotonicTime{}.Add(time.Since(c.host.lan.zero) + time.Second) // zero means "never" in places
}

// AfterFunc implements tcpip.Clock.
func (c clock) AfterFunc(d time.Duration, f func()) tcpip.Timer {
	t := &timer{host: c.host, f: f}
	t.Reset(d)
	return t
}

type timer struct {
	host  *Host
	f     func()
	event *event // guarded by lan.mu
}

// Stop implements tcpip.Timer.
func (t *timer) Stop() bool {
	l := t.host.lan
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cancel(t.event)
}

// Reset implements tcpip.Timer.
func (t *timer) Reset(d time.Duration) {
	l := t.host.lan
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cancel(t.event)
	t.event = l.schedule(t.host, time.Now().Add(max(d, 0)), func() {
		t.host.touch()
		t.f()
	})
}
