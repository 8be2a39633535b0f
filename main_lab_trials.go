//go:build !nolab

package main

import (
	"context"
	"sync"
	"time"

	"parley/lab"
	"parley/lab/view"
)

// labAtOnce is how many engines run at once: each needs a processor of its own.
const labAtOnce = 2

// A labAnswer is what came of a run.
type labAnswer struct {
	lines []lab.Line
	took  time.Duration
	err   error
}

// labMany runs many requests, quietly and some at once, and gives what came of
// each to done, in order. It ends with the first error of a run or of done.
func labMany(ctx context.Context, requests []lab.Request, done func(i int, a labAnswer) error) error {
	ctx, cancel := context.WithCancel(ctx)
	answers := make([]chan labAnswer, len(requests))
	for i := range answers {
		answers[i] = make(chan labAnswer, 1)
	}
	next := make(chan int, len(requests))
	for i := range requests {
		next <- i
	}
	close(next)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer cancel()
	for range min(labAtOnce, len(requests)) {
		workers.Go(func() {
			for i := range next {
				if ctx.Err() != nil {
					return
				}
				began := time.Now()
				lines, err := labRun(ctx, requests[i])
				answers[i] <- labAnswer{lines, time.Since(began), err}
			}
		})
	}
	for i := range requests {
		select {
		case a := <-answers[i]:
			if err := done(i, a); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// labTrials runs a lesson once for each of some values of a setting.
func labTrials(ctx context.Context, q lab.Request, setting string, values []string) (trials []view.Trial, err error) {
	var requests []lab.Request
	for _, v := range values {
		one := q
		one.Quiet = true
		one.Settings = lab.Settings{setting: v}
		for name, value := range q.Settings {
			if name != setting {
				one.Settings[name] = value
			}
		}
		requests = append(requests, one)
	}
	err = labMany(ctx, requests, func(i int, a labAnswer) error {
		trials = append(trials, view.Trial{Value: values[i], Lines: a.lines})
		return a.err
	})
	return trials, err
}
