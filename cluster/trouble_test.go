package cluster

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"parley/cluster/clustertest"
	"parley/room"
	"parley/transport"
)

// TestFull has a stream that takes no more say so, and never that nothing is stored
// where an entry of the batch is, if only by an earlier attempt.
func TestFull(t *testing.T) {
	s := clustertest.Start(t, 1, nil)
	r := open(t, connect(t, s), "physics")
	config := r.stream.CachedInfo().Config
	config.MaxMsgs, config.Discard = 1, jetstream.DiscardNew
	if _, err := r.cluster.js.UpdateStream(context.Background(), config); err != nil {
		t.Fatal(err)
	}
	a, b := entryOf(1, 1), entryOf(2, 1)
	if _, err := r.Append(context.Background(), []room.Entry{a}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Append(context.Background(), []room.Entry{b}); !errors.Is(err, room.ErrNotStored) {
		t.Errorf("an entry for which there is no place: %v", err)
	}
	if _, err := r.Append(context.Background(), []room.Entry{a, b}); err == nil || errors.Is(err, room.ErrNotStored) {
		t.Errorf("a batch of which one is stored since before: %v", err)
	}
}

// TestSmallMessages has servers refused that would not take every entry.
func TestSmallMessages(t *testing.T) {
	s := clustertest.Start(t, 1, func(o *server.Options) { o.MaxPayload = 4096 })
	var e *Error
	if _, err := Connect(context.Background(), Options{URLs: s.URLs()}); !errors.As(err, &e) || e.Code != CodeFull && e.Code != CodePayload || e.Hint == "" {
		t.Errorf("%#v", err)
	}
}

// TestLargeEntry has an entry that no stream takes refused for sure, rather than tried for ever.
func TestLargeEntry(t *testing.T) {
	r := open(t, connect(t, clustertest.Start(t, 1, nil)), "physics")
	for _, size := range []int{maxEntry + 1, 2 << 20} {
		e := entryOf(1, size)
		e.Body = make([]byte, size)
		if _, err := r.Append(context.Background(), []room.Entry{entryOf(2, size), e}); !errors.Is(err, room.ErrNotStored) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	if _, end, err := r.Bounds(context.Background()); end != 0 || err != nil {
		t.Errorf("%d entries are stored: %v", end, err)
	}
}

// TestKeyDeleted has a room whose key somebody deleted get no other: members would
// be told that somebody poses as it.
func TestKeyDeleted(t *testing.T) {
	r := open(t, connect(t, clustertest.Start(t, 1, nil)), "physics")
	ctx := context.Background()
	if _, err := r.Secret(ctx, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := r.agreed.Delete(ctx, keySecret); err != nil {
		t.Fatal(err)
	}
	var e *Error
	if got, err := r.Secret(ctx, []byte("two")); !errors.As(err, &e) || e.Code != CodeEdited {
		t.Errorf("%q, %v", got, err)
	}
}

// TestPageWithoutTail has who follows nothing be shown what others wrote since.
func TestPageWithoutTail(t *testing.T) {
	s := clustertest.Start(t, 1, nil)
	reader, writer := open(t, connect(t, s), "physics"), open(t, connect(t, s), "physics")
	if _, err := writer.Append(context.Background(), []room.Entry{entryOf(1, 1), entryOf(2, 1)}); err != nil {
		t.Fatal(err)
	}
	if page, err := reader.Page(context.Background(), transport.Key{}, 100, 10); len(page) != 2 || err != nil {
		t.Error(page, err)
	}
}

// TestNamesLeaveNothing has names that come and go leave nothing behind in the bucket, nor in the host,
// and names that nobody reads to the end no goroutine.
func TestNamesLeaveNothing(t *testing.T) {
	r := open(t, connect(t, clustertest.Start(t, 1, nil)), "physics")
	ctx := context.Background()
	for n := range 40 {
		name := fmt.Sprint("ana", n)
		if holder, err := r.Claim(ctx, name, "owner"); holder != "" || err != nil {
			t.Fatal(holder, err)
		}
		if n%2 == 0 { // the others leave at another host
			if err := r.Release(ctx, name, "owner"); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.sweep(ctx, time.Now(), claims{}, func(name string) bool { return name == "ana1" })
	info, err := r.agreed.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if n := info.Values(); n != 20 {
		t.Errorf("the bucket has %d entries, want those of 20 names", n)
	}
	if len(r.claims) != 1 {
		t.Errorf("the host remembers %d claims", len(r.claims))
	}
	if holder, err := r.Claim(ctx, "ana0", "another"); holder != "" || err != nil {
		t.Error(holder, err)
	}
	if _, err := r.Secret(ctx, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := r.agreed.Delete(ctx, keySecret); err != nil {
		t.Fatal(err)
	}
	r.sweep(ctx, time.Now(), claims{}, func(string) bool { return true })
	if _, err := r.Secret(ctx, []byte("two")); err == nil {
		t.Error("the mark of the key that was deleted is gone")
	}
}

// TestWatchersEnd has a watcher that is not read to its end leave no goroutine.
func TestWatchersEnd(t *testing.T) {
	r := open(t, connect(t, clustertest.Start(t, 1, nil)), "physics")
	ctx := context.Background()
	for n := range 600 {
		if _, err := r.cluster.js.PublishAsync("$KV."+r.agreed.Bucket()+"."+keyName+fmt.Sprintf("%x", fmt.Sprint(n)), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	<-r.cluster.js.PublishAsyncComplete()
	before := runtime.NumGoroutine()
	for range 10 {
		w, err := r.agreed.Watch(ctx, keyName+">")
		if err != nil {
			t.Fatal(err)
		}
		<-w.Updates()
		unwatch(w)
	}
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before+5; <-time.After(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, and %d before", runtime.NumGoroutine(), before)
		}
	}
}

// TestManyHosts has hosts that somebody makes up take no place of ours, and not have all members told of
// each of them.
func TestManyHosts(t *testing.T) {
	p, now := &presence{heard: map[string]Host{}, at: map[string]time.Time{}}, time.Unix(1000, 0)
	for n := range 2 * maxHosts {
		p.hear(now, hostOf(byte(n+1)), true)
	}
	own := hostOf(200)
	p.own = own.ID
	p.hear(now, own, false)
	list, _ := p.news(now)
	if len(list) != maxHosts+1 || !slices.ContainsFunc(list, func(h Host) bool { return h.ID == own.ID }) {
		t.Errorf("%d hosts, or without ours", len(list))
	}
	told := 0
	for n := range 100 {
		p.forget(hostOf(byte(n%50 + 1)).ID)
		if _, news := p.news(now.Add(time.Duration(n) * 10 * time.Millisecond)); news {
			told++
		}
	}
	if told > 4 {
		t.Errorf("told %d times in a second", told)
	}
}
