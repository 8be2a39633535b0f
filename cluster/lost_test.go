package cluster

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"parley/cluster/clustertest"
	"parley/room"
)

// tailed reads a log until that ends, and returns why.
func tailed(t *testing.T, r *Room, after uint64, read func(room.Entry)) (ended chan error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended = make(chan error, 1)
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		ended <- r.Tail(ctx, after, func(run []room.Entry) error {
			for _, e := range run {
				read(e)
			}
			return nil
		})
	}()
	return ended
}

// TestStreamMadeAnew has a host whose log somebody deletes, and begins anew, store nothing in it, take
// nothing from it, and end; whether another host has made it, or somebody who makes it look the same.
func TestStreamMadeAnew(t *testing.T) {
	for _, forged := range []bool{false, true} {
		t.Run(map[bool]string{false: "by another host", true: "by a forger"}[forged], func(t *testing.T) {
			t.Parallel()
			s := clustertest.Start(t, 1, nil)
			r, ctx := open(t, connect(t, s), "physics"), context.Background()
			for n := range 3 {
				if _, err := r.Append(ctx, []room.Entry{entryOf(1, n)}); err != nil {
					t.Fatal(err)
				}
			}
			seen := make(chan room.Entry, 100)
			ended := tailed(t, r, 0, func(e room.Entry) { seen <- e })
			for range 3 {
				<-seen
			}
			config := r.stream.CachedInfo().Config
			if err := r.cluster.js.DeleteStream(ctx, r.streamName()); err != nil {
				t.Fatal(err)
			}
			if forged {
				if _, err := r.cluster.js.CreateStream(ctx, config); err != nil {
					t.Fatal(err)
				}
			} else {
				open(t, connect(t, s), "physics")
			}
			for range 2 {
				if results, err := r.Append(ctx, []room.Entry{entryOf(2, 1)}); err == nil || errors.Is(err, room.ErrNotStored) {
					t.Errorf("stored as %v, %v", results, err)
				}
			}
			select {
			case err := <-ended:
				var e *Error
				if !errors.As(err, &e) || e.Hint == "" || !strings.Contains(e.Text, "physics") {
					t.Errorf("ended with %v", err)
				}
			case <-time.After(20 * time.Second):
				t.Error("the host goes on")
			}
			if len(seen) > 0 {
				t.Errorf("it was shown %+v", <-seen)
			}
		})
	}
}

// TestStreamLost judges what servers say of a stream: what may be a moment's is borne for a while.
func TestStreamLost(t *testing.T) {
	r, now := (&Cluster{log: nil}).named("physics"), time.Unix(1000, 0)
	r.id, r.made = [16]byte{1}, now
	r.at.Store(7)
	fine := func(end uint64) *jetstream.StreamInfo {
		return &jetstream.StreamInfo{Created: now, Config: jetstream.StreamConfig{Description: describe(whole, r.id, r.name), Subjects: []string{r.prefix + ">"}}, State: jetstream.StreamState{LastSeq: end}}
	}
	anew := fine(9)
	anew.Created = now.Add(1)
	other := (&Cluster{}).named("physics")
	if other.id, other.made = r.id, r.made; other.judge(anew, nil, now) == nil {
		t.Error("a stream that looks the same, and is younger, is taken for the log")
	}
	later := now.Add(lostAfter)
	for i, c := range []struct {
		info *jetstream.StreamInfo
		err  error
		at   time.Time
		code string
	}{
		{fine(7), nil, now, ""},
		{fine(6), nil, now, ""},
		{fine(7), nil, now.Add(lostAfter / 2), ""},
		{fine(6), nil, later, ""},
		{nil, context.DeadlineExceeded, later.Add(lostAfter), ""},
		{nil, jetstream.ErrStreamNotFound, later.Add(lostAfter - 1), ""},
		{nil, jetstream.ErrStreamNotFound, later.Add(lostAfter), CodeMissing},
		{fine(9), nil, later.Add(2 * lostAfter), CodeMissing},
	} {
		err := r.judge(c.info, c.err, c.at)
		var e *Error
		if errors.As(err, &e); err == nil && c.code != "" || err != nil && e.Code != c.code {
			t.Errorf("%d: %v", i, err)
		}
	}
}

// TestStreamChanged has people told when somebody has the stream forget, once, and when he does it again.
func TestStreamChanged(t *testing.T) {
	s := clustertest.Start(t, 1, nil)
	r, ctx := open(t, connect(t, s), "physics"), context.Background()
	var told []string
	r.cluster.told = func(text string) { told = append(told, text) }
	for _, age := range []time.Duration{time.Hour, time.Hour, 0, time.Minute} {
		config := r.stream.CachedInfo().Config
		config.MaxAge, config.Duplicates = age, min(age, time.Minute)
		if _, err := r.cluster.js.UpdateStream(ctx, config); err != nil {
			t.Fatal(err)
		}
		if _, _, err := r.Bounds(ctx); err != nil {
			t.Error(err)
		}
	}
	if len(told) != 2 || !strings.Contains(told[0], "it forgets") {
		t.Errorf("%q", told)
	}
}

// TestBucketDeleted has a room in which something was said get no other key though its whole bucket is gone.
func TestBucketDeleted(t *testing.T) {
	s := clustertest.Start(t, 1, nil)
	c, ctx := connect(t, s), context.Background()
	r := open(t, c, "physics")
	key := bytes.Repeat([]byte{1}, 32)
	if _, err := r.Secret(ctx, key); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Append(ctx, []room.Entry{entryOf(1, 1)}); err != nil {
		t.Fatal(err)
	}
	if err := c.js.DeleteKeyValue(ctx, r.agreed.Bucket()); err != nil {
		t.Fatal(err)
	}
	var e *Error
	if got, err := open(t, c, "physics").Secret(ctx, bytes.Repeat([]byte{2}, 32)); !errors.As(err, &e) || e.Code != CodeEdited {
		t.Errorf("%x, %v", got, err)
	}
}

// TestRefusedAfterDoubt has a batch of which nobody knows what became never be called not stored,
// though the servers refuse it now, before they look whether they have it.
func TestRefusedAfterDoubt(t *testing.T) {
	s := clustertest.Start(t, 1, nil)
	r := open(t, connect(t, s), "physics")
	e := entryOf(1, 1)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.Append(ended, []room.Entry{e}); err == nil || errors.Is(err, room.ErrNotStored) { // it is published, and nobody waits for the answer
		t.Fatal(err)
	}
	config := r.stream.CachedInfo().Config
	config.Sealed = true
	if _, err := r.cluster.js.UpdateStream(context.Background(), config); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Append(context.Background(), []room.Entry{e}); err == nil || errors.Is(err, room.ErrNotStored) {
		t.Errorf("it is stored, and called: %v", err)
	}
	if _, err := r.Append(context.Background(), []room.Entry{entryOf(2, 1)}); !errors.Is(err, room.ErrNotStored) {
		t.Errorf("another: %v", err)
	}
}

// TestBucketGoneIsTold has people told, once, that nobody can come in any more, and why.
func TestBucketGoneIsTold(t *testing.T) {
	r, ctx := open(t, connect(t, clustertest.Start(t, 1, nil)), "physics"), context.Background()
	var told []string
	r.cluster.told = func(text string) { told = append(told, text) }
	sweep := func() { r.sweep(ctx, time.Now(), claims{}, func(string) bool { return true }) }
	if sweep(); len(told) > 0 {
		t.Error(told)
	}
	if err := r.cluster.js.DeleteKeyValue(ctx, r.agreed.Bucket()); err != nil {
		t.Fatal(err)
	}
	sweep()
	if sweep(); len(told) != 1 || !strings.Contains(told[0], r.agreed.Bucket()) {
		t.Errorf("%q", told)
	}
	if _, err := r.Claim(ctx, "ana", "x"); err == nil {
		t.Error("a name is given away that nobody keeps")
	}
}
