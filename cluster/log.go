package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"parley/room"
)

const (
	maxHeaders  = 512             // of an entry's message, which the stream's limit counts too
	maxUnderWay = 1024            // publications without an answer
	ackTime     = 4 * time.Second // for an answer to one
	tailGather  = 256             // entries handed on at once
	tailWaiting = 4 * tailGather  // entries that wait to be
	idle        = 3 * time.Second // without an entry, until the stream is asked how long it is
)

// Append stores a batch. See the package comment for how.
func (r *Room) Append(ctx context.Context, batch []room.Entry) ([]room.Result, error) {
	for i := range batch { // before any is stored: this one would be refused however often it is tried
		if n := len(encode(&batch[i])); n > maxEntry-maxHeaders {
			return nil, fmt.Errorf("%w: an entry of %d bytes is too large", room.ErrNotStored, n)
		}
	}
	if len(batch) == 0 {
		return nil, nil
	}
	first := r.subject(&batch[0])
	stored := r.doubts(first) // since an earlier attempt
	results, err := r.waves(ctx, batch, &stored)
	if err != nil {
		if stored && errors.Is(err, room.ErrNotStored) {
			err = errors.New(err.Error()) // some may be
		}
		if !errors.Is(err, room.ErrNotStored) {
			r.doubt(first)
		}
		return nil, err
	}
	r.doubt("")
	for _, res := range results {
		r.saw(res.Seq)
	}
	return results, nil
}

// doubts tells whether nobody knows what became of the batch that begins with a subject.
func (r *Room) doubts(first string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return first == r.doubted
}

// doubt notes that nobody does; with "" that it is known.
func (r *Room) doubt(first string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.doubted = first
}

// waves stores a batch, one entry of each key at a time. stored tells whether something of it is stored, or may
// be.
func (r *Room) waves(ctx context.Context, batch []room.Entry, stored *bool) ([]room.Result, error) {
	results := make([]room.Result, len(batch))
	left := make([]int, len(batch))
	for i := range left {
		left[i] = i
	}
	for len(left) > 0 {
		var now, later []int
		busy := make(map[[32]byte]bool, len(left))
		for _, i := range left {
			if busy[batch[i].Key] {
				later = append(later, i)
				continue
			}
			busy[batch[i].Key] = true
			now = append(now, i)
		}
		any, err := r.wave(ctx, batch, now, results)
		if *stored = *stored || any; err != nil {
			return nil, err
		}
		left = later
	}
	return results, nil
}

// wave stores the entries of batch at some places, of which no two are of one key.
func (r *Room) wave(ctx context.Context, batch []room.Entry, at []int, results []room.Result) (stored bool, err error) {
	if err := r.ended(); err != nil {
		return true, err
	}
	ctx, cancel := context.WithTimeout(ctx, ackTime)
	defer cancel()
	read := r.at.Load()
	futures := make([]jetstream.PubAckFuture, len(at))
	for n, i := range at {
		m := &nats.Msg{Subject: r.subject(&batch[i]), Data: encode(&batch[i])}
		futures[n], err = r.cluster.js.PublishMsgAsync(m, jetstream.WithExpectLastSequencePerSubject(0), jetstream.WithRetryAttempts(0))
		if err != nil {
			return true, err // nobody knows of those before
		}
	}
	var first error
	for n, i := range at {
		select {
		case ack := <-futures[n].Ok():
			if ack.Sequence <= read { // which another entry has
				return true, r.renumbered()
			}
			results[i], stored = room.Result{Seq: ack.Sequence}, true
			continue
		case err = <-futures[n].Err():
		case <-ctx.Done():
			return true, ctx.Err()
		}
		if there(err) {
			if results[i].Seq, err = r.find(ctx, r.subject(&batch[i])); err == nil {
				results[i].Duplicate, stored = true, true
				continue
			}
		}
		if first == nil || !refused(err) {
			first = err
		}
	}
	if refused(first) {
		first = fmt.Errorf("%w: %w", room.ErrNotStored, first)
	}
	return stored, first
}

// there tells that a publication was refused because its subject has a message. A
// server of a newer kind says so with another code.
func there(err error) bool {
	code := codeOf(err)
	return code == jetstream.JSErrCodeStreamWrongLastSequence || code == 10164
}

// refused tells that a server has answered that it does not store something.
func refused(err error) bool { return codeOf(err) != 0 }

func codeOf(err error) jetstream.ErrorCode {
	var js jetstream.JetStreamError
	if errors.As(err, &js) && js.APIError() != nil {
		return js.APIError().ErrorCode
	}
	return 0
}

// find returns the number of the entry under a subject.
func (r *Room) find(ctx context.Context, subject string) (uint64, error) {
	m, err := r.stream.GetLastMsgForSubject(ctx, subject)
	if err != nil {
		return 0, errors.New("what was stored before is not found: " + err.Error()) // not refused: nobody knows
	}
	return m.Sequence, nil
}

// got is an entry on its way through Tail.
type got struct {
	entry room.Entry
	err   error
}

// Tail hands on entries as they are stored.
func (r *Room) Tail(ctx context.Context, after uint64, each func([]room.Entry) error) error {
	r.at.Store(after)
	for {
		err := r.follow(ctx, &after, each)
		var own *handed
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &own):
			return own.err
		}
		r.inspect(ctx)
		if lost := r.ended(); lost != nil {
			return lost
		}
		r.cluster.log.Debug("reading the stream anew", "room", r.name, "after", after, "err", err)
		select {
		case <-time.After(reconnect):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// handed is an error of whom Tail hands entries to.
type handed struct{ err error }

func (h *handed) Error() string { return h.err.Error() }

// follow reads the stream until that fails, or is behind without reading anything.
func (r *Room) follow(ctx context.Context, after *uint64, each func([]room.Entry) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	opening, done := context.WithTimeout(ctx, requestTime)
	consumer, err := r.stream.OrderedConsumer(opening, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: *after + 1, InactiveThreshold: time.Minute})
	done()
	if err != nil {
		return err
	}
	entries := make(chan room.Entry, tailWaiting)
	reading, err := consumer.Consume(func(m jetstream.Msg) {
		meta, err := m.Metadata()
		if err != nil {
			return
		}
		e, _ := decode(r.prefix, m.Subject(), meta.Sequence.Stream, m.Data())
		r.saw(e.Seq + meta.NumPending)
		select {
		case entries <- e:
		case <-ctx.Done():
		}
	}, jetstream.PullMaxMessages(tailWaiting))
	if err != nil {
		return err
	}
	defer func() {
		cancel()
		reading.Stop()
		<-reading.Closed()
	}()
	quiet := time.NewTicker(idle)
	defer quiet.Stop()
	read, behind := false, false
	for {
		select {
		case e := <-entries:
			read = true
			if err := r.hand(e, entries, after, each); err != nil {
				return err
			}
		case <-quiet.C:
			gone, end, err := r.Bounds(ctx)
			if lost := r.ended(); lost != nil {
				return lost
			}
			if read {
				read, behind = false, false
				continue
			}
			if err == nil && end > *after {
				if gone >= end { // nothing else will come of it
					if err := r.handGone(end, after, each); err != nil {
						return err
					}
					continue
				}
				if behind {
					return errors.New("there is more, and it does not come")
				}
				behind = true
			}
		case <-reading.Closed():
			return errors.New("the consumer has ended")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// hand hands on an entry and those that are there already. Where numbers are left
// out, those entries were deleted.
func (r *Room) hand(e room.Entry, more <-chan room.Entry, after *uint64, each func([]room.Entry) error) error {
	run := make([]room.Entry, 0, 1+len(more))
	next := *after + 1
	for ok := true; ok; {
		if e.Seq < next {
			return fmt.Errorf("the stream goes back from %d to %d", next-1, e.Seq)
		}
		for ; next < e.Seq && len(run) < tailGather; next++ {
			run = append(run, room.Entry{Seq: next})
		}
		if next < e.Seq { // many are gone
			if err := each(run); err != nil {
				return &handed{err}
			}
			run = make([]room.Entry, 0, tailGather)
			continue
		}
		run, next = append(run, e), e.Seq+1
		ok = false
		if len(run) < tailGather {
			select {
			case e = <-more:
				ok = true
			default:
			}
		}
	}
	*after = next - 1
	r.at.Store(*after)
	r.saw(*after)
	if err := each(run); err != nil {
		return &handed{err}
	}
	return nil
}
