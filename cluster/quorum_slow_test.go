//go:build slow

package cluster

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"parley/cluster/clustertest"
	"parley/room"
)

// TestNoMajority has one server of three left: nothing is stored, nobody is told that it
// surely is not, and when the others are back the same batch is stored once.
func TestNoMajority(t *testing.T) {
	s := clustertest.Start(t, 3, nil)
	r := open(t, connect(t, s), "physics")
	ctx := context.Background()
	if _, err := r.Append(ctx, []room.Entry{entryOf(1, 0)}); err != nil {
		t.Fatal(err)
	}
	s.Stop(0)
	s.Stop(1)
	batch := []room.Entry{entryOf(1, 1), entryOf(2, 1), entryOf(1, 2)}
	for range 3 {
		began := time.Now()
		if _, err := r.Append(ctx, batch); err == nil || errors.Is(err, room.ErrNotStored) {
			t.Fatalf("without a majority: %v", err)
		}
		if took := time.Since(began); took > 2*requestTime {
			t.Errorf("the answer took %v", took)
		}
	}
	if holder, err := r.Claim(ctx, "ana", "key"); err == nil {
		t.Errorf("a name is given away without a majority, %q", holder)
	}
	s.Restart(0)
	s.Restart(1)
	s.Settle()
	var results []room.Result
	err := errors.New("not tried")
	for end := time.Now().Add(time.Minute); err != nil && time.Now().Before(end); {
		if results, err = r.Append(ctx, batch); errors.Is(err, room.ErrNotStored) {
			t.Fatal(err)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	all := follow(t, r, 4)
	if len(all) != 4 {
		t.Fatalf("%d entries", len(all))
	}
	if results[0].Seq >= results[2].Seq {
		t.Errorf("what one sender said has another order: %+v", results)
	}
	for i, res := range results {
		if e := all[res.Seq-1]; e.ID != batch[i].ID || e.Key != batch[i].Key {
			t.Errorf("%d is stored as %d, where another is", i, res.Seq)
		}
	}
}

// TestPresentAfterRestart has hosts be there again when a server alone, which keeps
// nothing of who is there, was restarted.
func TestPresentAfterRestart(t *testing.T) {
	s := clustertest.Start(t, 1, nil)
	r := open(t, connect(t, s), "physics")
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	ups, lists := make(chan bool, 100), make(chan []Host, 100)
	wg.Go(func() {
		r.Attend(ctx, func() Host { return hostOf(1) }, func(l []Host) { lists <- l }, func(ok bool) { ups <- ok })
	})
	select {
	case <-lists:
	case <-time.After(10 * time.Second):
		t.Fatal("nobody is there")
	}
	s.Stop(0)
	await := func(want bool) {
		t.Helper()
		for end := time.After(25 * time.Second); ; {
			select {
			case ok := <-ups:
				if ok == want {
					return
				}
			case <-end:
				t.Fatalf("not told that writing is possible: %v", want)
			}
		}
	}
	await(false)
	s.Restart(0)
	await(true)
	other := open(t, connect(t, s), "physics")
	w, err := other.hosts.Get(ctx, hostOf(1).ID)
	for end := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(end); w, err = other.hosts.Get(ctx, hostOf(1).ID) {
		<-time.After(100 * time.Millisecond)
	}
	if err != nil || len(w.Value()) == 0 {
		t.Error("the host is not in the bucket:", err)
	}
}
