package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A member is one of those who talk. hear is called, by one goroutine, with
// every text that it gets.
type member interface {
	say(text string) error
	leave()
	pid() int // of its own process; 0: it has none
}

// filling makes a message as long as people's are.
const filling = " the quick brown fox jumps over the lazy dog and sleeps"

// load is members who say things and count who has heard them.
type load struct {
	members []member
	said    []heard
	next    atomic.Int64
	done    chan int // numbers that all have heard
	failed  chan error
}

// heard is one message on its way.
type heard struct {
	left atomic.Int32
	sent time.Time
	last time.Time
}

func newLoad(n int) *load {
	return &load{members: make([]member, n), said: make([]heard, 1<<18), done: make(chan int, 1<<18), failed: make(chan error, n)}
}

// hear takes in that a member has got a text.
func (l *load) hear(text string) {
	number, _, ok := strings.Cut(text, " ")
	if !ok {
		return
	}
	i, err := strconv.Atoi(number)
	if err != nil || i < 0 || i >= len(l.said) {
		return
	}
	if m := &l.said[i]; m.left.Add(-1) == 0 {
		m.last = time.Now()
		l.done <- i
	}
}

// join has all members come in and tells how long that took.
func (l *load) join(ctx context.Context, s server, h *process) (time.Duration, error) {
	began := time.Now()
	var joining sync.WaitGroup
	turns := make(chan struct{}, atOnce)
	errs := make(chan error, len(l.members))
	for i := range l.members {
		turns <- struct{}{}
		joining.Go(func() {
			m, err := s.join(ctx, h, i, l)
			if l.members[i] = m; err != nil {
				errs <- fmt.Errorf("member %d: %w", i, err)
			}
			<-turns
		})
	}
	joining.Wait()
	took := time.Since(began)
	select {
	case err := <-errs:
		return took, err
	default:
		return took, nil
	}
}

// say has the next member say the next thing.
func (l *load) say() error {
	i := int(l.next.Add(1) - 1)
	if i >= len(l.said) {
		return fmt.Errorf("more than %d messages", len(l.said))
	}
	m := &l.said[i]
	m.left.Store(int32(len(l.members)))
	m.sent = time.Now()
	return l.members[i%len(l.members)].say(strconv.Itoa(i) + filling)
}

// await waits until one more message was heard by all.
func (l *load) await(ctx context.Context) (int, error) {
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	select {
	case i := <-l.done:
		return i, nil
	case err := <-l.failed:
		return 0, err
	case <-limit.C:
		return 0, fmt.Errorf("a message was not heard by all within 20 s")
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// settle says some things until all hear them: who came in last may still be
// told who else is there, and some servers let people in before they are heard.
func (l *load) settle(ctx context.Context) error {
	for quick, tries := 0, 0; quick < 5; tries++ {
		if err := l.say(); err != nil {
			return err
		}
		select {
		case <-l.done:
			quick++
		case err := <-l.failed:
			return err
		case <-time.After(time.Second):
			quick = 0
		case <-ctx.Done():
			return ctx.Err()
		}
		if tries == 30 {
			return errors.New("what is said is not heard by all")
		}
	}
	for { // what was late after all
		select {
		case <-l.done:
		case <-time.After(200 * time.Millisecond):
			return nil
		}
	}
}

// steady says perSecond things a second and tells how long they took to be heard by
// the slowest member.
func (l *load) steady(ctx context.Context, length time.Duration) (p50, p99 time.Duration, err error) {
	tick := time.NewTicker(time.Second / perSecond)
	defer tick.Stop()
	count := int(length.Seconds() * perSecond)
	for range count {
		<-tick.C
		if err := l.say(); err != nil {
			return 0, 0, err
		}
	}
	var took []time.Duration
	for range count {
		i, err := l.await(ctx)
		if err != nil {
			return 0, 0, err
		}
		took = append(took, l.said[i].last.Sub(l.said[i].sent))
	}
	slices.Sort(took)
	return took[len(took)/2], took[len(took)*99/100], nil
}

// flatOut says as much as is heard for some time.
func (l *load) flatOut(ctx context.Context, length time.Duration) (count int, took time.Duration, err error) {
	began := time.Now()
	said := 0
	for most := perMember * len(l.members); time.Since(began) < length && said < most; {
		for said-count < underWay {
			if err := l.say(); err != nil {
				return 0, 0, err
			}
			said++
		}
		if _, err := l.await(ctx); err != nil {
			return 0, 0, err
		}
		count++
	}
	for ; count < said; count++ {
		if _, err := l.await(ctx); err != nil {
			return 0, 0, err
		}
	}
	return count, time.Since(began), nil
}

// leave has all members go.
func (l *load) leave() {
	var leaving sync.WaitGroup
	for _, m := range l.members {
		if m != nil {
			leaving.Go(m.leave)
		}
	}
	leaving.Wait()
}

// children is the CPU seconds of members that are processes.
func (l *load) children(consumed) (sum float64) {
	for _, m := range l.members {
		if m != nil && m.pid() != 0 {
			sum += look(m.pid()).cpu
		}
	}
	return sum
}
