package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"parley/cluster/clustertest"
	"parley/room"
	"parley/transport"
)

func connect(t testing.TB, s *clustertest.Servers) *Cluster {
	t.Helper()
	c, err := Connect(context.Background(), Options{URLs: s.URLs(), Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func open(t testing.TB, c *Cluster, name string) *Room {
	t.Helper()
	r, err := c.Room(context.Background(), name, 0)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// entryOf is the nth entry of somebody.
func entryOf(who byte, n int) room.Entry {
	e := room.Entry{Key: transport.Key{who}, At: time.UnixMilli(1_700_000_000_000 + int64(n)).UTC(), Body: fmt.Appendf(nil, `{"type":"message","text":"%d"}`, n), Words: fmt.Sprint(n)}
	binary.BigEndian.PutUint64(e.ID[:], uint64(n))
	e.ID[15] = who
	return e
}

// follow reads the log until it has end entries.
func follow(t testing.TB, r *Room, end uint64) (all []room.Entry) {
	t.Helper()
	done := errors.New("done")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := r.Tail(ctx, 0, func(run []room.Entry) error {
		if all = append(all, run...); uint64(len(all)) >= end {
			return done
		}
		return nil
	})
	if err != done {
		t.Fatalf("after %d of %d entries: %v", len(all), end, err)
	}
	return all
}

func TestLog(t *testing.T) {
	s := clustertest.Start(t, 1, nil)
	r := open(t, connect(t, s), "physics")
	a, b := entryOf(1, 1), entryOf(2, 1)
	b.Audience = []transport.Key{{2}, {3}}
	empty := entryOf(3, 1)
	empty.Audience = []transport.Key{}
	for range 2 { // what is there already is told so
		results, err := r.Append(context.Background(), []room.Entry{a, b, a, empty})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []uint64{1, 2, 1, 3} {
			if results[i].Seq != want && i != 2 {
				t.Errorf("%d is %+v", i, results[i])
			}
		}
		if results[2].Seq != results[0].Seq || !results[2].Duplicate {
			t.Errorf("the same twice: %+v", results)
		}
	}
	again := open(t, connect(t, s), "Physics") // as another host, which spells it in its own way
	if again.ID() != r.ID() {
		t.Error("the log has two ids")
	}
	all := follow(t, again, 3)
	slices.SortFunc(all, func(x, y room.Entry) int { return int(x.Key[0]) - int(y.Key[0]) })
	for i, want := range []room.Entry{a, b, empty} {
		want.Seq = all[i].Seq
		if fmt.Sprintf("%#v", all[i]) != fmt.Sprintf("%#v", want) {
			t.Errorf("got  %#v\nwant %#v", all[i], want)
		}
	}
	gone, end, err := again.Bounds(context.Background())
	if gone != 0 || end != 3 || err != nil {
		t.Error(gone, end, err)
	}
	page, err := again.Page(context.Background(), transport.Key{9}, 100, 10)
	if len(page) != 1 || err != nil {
		t.Errorf("a stranger is shown %v, %v", page, err)
	}
}

// TestOrder has three hosts append at once, while servers come and go: there is one order, nothing
// is lost or twice, and each sender's entries are in his own.
func TestOrder(t *testing.T) {
	s := clustertest.Start(t, 3, nil)
	const hosts, people, each = 3, 4, 60
	var rooms []*Room
	for range hosts {
		rooms = append(rooms, open(t, connect(t, s), "physics"))
	}
	if n := rooms[0].stream.CachedInfo().Config.Replicas; n != 3 {
		t.Errorf("it is kept on %d servers", n)
	}
	var talking sync.WaitGroup
	for h, r := range rooms {
		talking.Go(func() {
			for n := 0; n < each; n += 5 {
				var batch []room.Entry
				for p := range people {
					for k := range 5 {
						batch = append(batch, entryOf(byte(1+h*people+p), n+k))
					}
				}
				for end := time.Now().Add(time.Minute); ; {
					results, err := r.Append(context.Background(), batch)
					if err == nil && len(results) == len(batch) {
						break
					}
					if errors.Is(err, room.ErrNotStored) || time.Now().After(end) {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	for range 2 {
		<-time.After(300 * time.Millisecond)
		if l := s.Leader("PARLEY_" + rooms[0].hash); l >= 0 {
			s.Stop(l)
			<-time.After(500 * time.Millisecond)
			s.Restart(l)
			s.Settle()
		}
	}
	talking.Wait()
	var first []room.Entry
	for _, r := range rooms {
		all := follow(t, r, hosts*people*each)
		if first == nil {
			first = all
		}
		if len(all) != hosts*people*each || fmt.Sprint(all) != fmt.Sprint(first) {
			t.Fatalf("%d entries, or in another order", len(all))
		}
	}
	next := map[byte]uint64{}
	for i, e := range first {
		if e.Seq != uint64(i+1) || binary.BigEndian.Uint64(e.ID[:]) != next[e.Key[0]] {
			t.Fatalf("entry %d of %d is number %d, want %d", e.Seq, e.Key[0], binary.BigEndian.Uint64(e.ID[:]), next[e.Key[0]])
		}
		next[e.Key[0]]++
	}
}

// TestIdsAreForEver has what was stored long ago be recognised: the servers' own window is over.
func TestIdsAreForEver(t *testing.T) {
	s := clustertest.Start(t, 1, nil)
	r := open(t, connect(t, s), "physics")
	config := r.stream.CachedInfo().Config
	config.Duplicates = 100 * time.Millisecond // as little as there is
	if _, err := r.cluster.js.UpdateStream(context.Background(), config); err != nil {
		t.Fatal(err)
	}
	e := entryOf(1, 1)
	for n := range 3 {
		results, err := r.Append(context.Background(), []room.Entry{e})
		if err != nil || results[0].Seq != 1 || results[0].Duplicate != (n > 0) {
			t.Fatal(results, err)
		}
		<-time.After(150 * time.Millisecond)
	}
	s.Stop(0)
	s.Restart(0)
	for {
		results, err := r.Append(context.Background(), []room.Entry{e})
		if err != nil {
			continue // the server is not there yet
		}
		if results[0].Seq != 1 || !results[0].Duplicate {
			t.Error(results)
		}
		return
	}
}

// TestNames has many ask for one name at the same instant: one gets it.
func TestNames(t *testing.T) {
	s := clustertest.Start(t, 1, nil)
	var rooms []*Room
	for range 3 {
		rooms = append(rooms, open(t, connect(t, s), "physics"))
	}
	ctx := context.Background()
	for n := range 50 {
		won := make(chan string, len(rooms))
		var asking sync.WaitGroup
		for i, r := range rooms {
			asking.Go(func() {
				holder, err := r.Claim(ctx, fmt.Sprint("ana", n), fmt.Sprint(i))
				if err != nil {
					t.Error(err)
				}
				if holder == "" {
					won <- fmt.Sprint(i)
				}
			})
		}
		asking.Wait()
		if len(won) != 1 {
			t.Fatalf("%d have the name", len(won))
		}
		owner := <-won
		for _, who := range []string{"nobody", owner} {
			if err := rooms[0].Release(ctx, fmt.Sprint("ana", n), who); err != nil {
				t.Fatal(err)
			}
			holder, err := rooms[1].Claim(ctx, fmt.Sprint("ana", n), "cyn")
			if want := map[bool]string{true: "", false: owner}[who == owner]; holder != want || err != nil {
				t.Fatalf("after %s gave it back %q has it, %v", who, holder, err)
			}
		}
	}
}

// TestSecret has the room's key be one, whoever was first.
func TestSecret(t *testing.T) {
	s := clustertest.Start(t, 1, nil)
	a, b := open(t, connect(t, s), "physics"), open(t, connect(t, s), "physics")
	mine, yours := make([]byte, 32), make([]byte, 32)
	yours[0] = 1
	got, err := a.Secret(context.Background(), mine)
	if err != nil || got[0] != 0 {
		t.Fatal(got, err)
	}
	if got, err = b.Secret(context.Background(), yours); err != nil || got[0] != 0 {
		t.Fatal(got, err)
	}
	if _, err := b.agreed.PutString(context.Background(), keySecret, "mallory was here"); err != nil {
		t.Fatal(err)
	}
	var e *Error
	if _, err = a.Secret(context.Background(), mine); !errors.As(err, &e) || e.Code != CodeEdited {
		t.Error(err)
	}
}

// TestHosts has hosts hear of each other, and of one that goes.
func TestHosts(t *testing.T) {
	s := clustertest.Start(t, 1, nil)
	heard := make(chan int, 100)
	var attending sync.WaitGroup
	defer attending.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var leave context.CancelFunc
	for i := range 3 {
		r, own := open(t, connect(t, s), "physics"), ctx
		if i == 2 {
			own, leave = context.WithCancel(ctx)
		}
		h := hostOf(byte(i + 1))
		attending.Go(func() {
			r.Attend(own, func() Host { return h }, func(all []Host) {
				if i == 0 {
					heard <- len(all)
				}
			}, func(bool) {})
		})
	}
	await := func(n int) {
		t.Helper()
		for end := time.After(20 * time.Second); ; {
			select {
			case got := <-heard:
				if got == n {
					return
				}
			case <-end:
				t.Fatalf("never %d hosts", n)
			}
		}
	}
	await(3)
	leave()
	await(2)
}

// TestClocksApart has a host whose clock is an hour ahead be told apart, and otherwise
// be a host like others.
func TestClocksApart(t *testing.T) {
	s := clustertest.Start(t, 1, nil)
	var attending sync.WaitGroup
	defer attending.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	heard := make(chan []Host, 100)
	for i := range 2 {
		r := open(t, connect(t, s), "physics")
		r.shift = time.Duration(i) * time.Hour
		h := hostOf(byte(i + 1))
		attending.Go(func() {
			r.Attend(ctx, func() Host { return h }, func(all []Host) {
				if i == 0 {
					heard <- all
				}
			}, func(bool) {})
		})
	}
	for end := time.After(20 * time.Second); ; {
		select {
		case all := <-heard:
			if len(all) == 2 && all[0].Ahead == 0 && all[1].Ahead == time.Hour {
				return
			}
		case <-end:
			t.Fatal("nobody said so")
		}
	}
}

// TestServersThatWillNotDo are told apart.
func TestServersThatWillNotDo(t *testing.T) {
	with := func(change func(*server.Options)) []string { return clustertest.Start(t, 1, change).URLs() }
	for _, c := range []struct {
		name, code string
		o          Options
	}{
		{"none", CodeUnreachable, Options{URLs: []string{"nats://127.0.0.1:1"}}},
		{"no JetStream", CodeNoJetStream, Options{URLs: with(func(o *server.Options) { o.JetStream = false })}},
		{"a password", CodeUnauthorized, Options{URLs: with(func(o *server.Options) { o.Username, o.Password = "ana", "secret" })}},
		{"no TLS there", CodeTLS, Options{URLs: []string{"tls" + with(nil)[0][4:]}}},
		{"no address", CodeAddress, Options{URLs: []string{"http://10.0.0.1"}}},
		{"no file", CodeFile, Options{URLs: []string{"nats://127.0.0.1"}, Creds: "/proc/none"}},
	} {
		var e *Error
		_, err := Connect(context.Background(), c.o)
		if !errors.As(err, &e) || e.Code != c.code || e.Hint == "" {
			t.Errorf("%s: %#v", c.name, err)
		}
	}
}

func hostOf(n byte) Host {
	k := transport.Key{n}
	return Host{ID: fmt.Sprintf("%x", k[:8]), Key: k, At: addrs("10.0.0.1"), UDP: 7667, TCP: 7667}
}
