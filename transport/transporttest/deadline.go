package transporttest

import (
	"sync"
	"time"
)

// deadline is a time that calls wait for, and that may be moved while they
// do. The zero deadline never comes.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	done  chan struct{} // closed when the time has come
}

// over returns a channel that is closed when the deadline has come.
func (d *deadline) over() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.channel()
}

func (d *deadline) channel() chan struct{} {
	if d.done == nil {
		d.done = make(chan struct{})
	}
	return d.done
}

// set moves the deadline; the zero time means never.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.channel() // it has come, or is about to
	}
	d.timer = nil
	select {
	case <-d.channel():
		d.done = make(chan struct{})
	default:
	}
	if t.IsZero() {
		return
	}
	done := d.channel()
	if wait := time.Until(t); wait > 0 {
		d.timer = time.AfterFunc(wait, func() { close(done) })
		return
	}
	close(done)
}
