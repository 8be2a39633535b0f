package history

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// aging is a log whose clock is the test's.
type aging struct {
	*Log
	now    time.Time
	warned []string
	mu     sync.Mutex
}

func (a *aging) options(o Options) Options {
	o.Now = func() time.Time { a.mu.Lock(); defer a.mu.Unlock(); return a.now }
	o.Warn = func(s string) { a.warned = append(a.warned, s) }
	return o
}

// pass lets d pass while the log is open.
func (a *aging) pass(t *testing.T, d, ran time.Duration) {
	t.Helper()
	a.mu.Lock()
	a.now = a.now.Add(d)
	a.mu.Unlock()
	if err := a.prune(ran); err != nil {
		t.Fatal(err)
	}
}

// checkpoints saves as many checkpoints as deleting needs.
func (a *aging) save(t *testing.T) {
	t.Helper()
	for _, seq := range []uint64{a.Last(), a.Last() - 1} {
		if err := a.SaveCheckpoint(t.Context(), seq, []byte("state")); err != nil {
			t.Fatal(err)
		}
	}
}

func older(t *testing.T, keep string) (*aging, string) {
	t.Helper()
	o := options
	var err error
	if o.Keep, err = ParseKeep(keep); err != nil {
		t.Fatal(err)
	}
	a, path := &aging{now: noon}, file(t)
	a.Log = open(t, path, a.options(o))
	return a, path
}

func TestKeepDays(t *testing.T) {
	a, path := older(t, "90d")
	secret := "Xylophonsecret"
	if _, err := a.Append(t.Context(), []Record{said(ana, 5_000_000, secret)}); err != nil {
		t.Fatal(err)
	}
	fill(t, a.Log, 0, 999)
	if found, err := a.Search(t.Context(), ana, secret, everything, 5); err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	before := all(t, a.Log)
	a.save(t)
	chain, err := a.Chain(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	a.pass(t, 0, 0)
	for range 80 {
		a.pass(t, day, day)
	}
	fill(t, a.Log, 2000, 100)
	a.save(t)
	a.pass(t, 9*day, 9*day)
	if a.Pruned() != 0 {
		t.Fatalf("%d records are deleted a day early", a.Pruned())
	}
	a.pass(t, day, day)
	if a.Pruned() != 1000 {
		t.Fatalf("%d records are deleted, not 1000", a.Pruned())
	}
	for range 2 {
		for i, r := range all(t, a.Log) {
			switch {
			case i < 1000 && (!r.Blank() || r.Words != "" || r.Key != before[i].Key || r.ID != before[i].ID):
				t.Fatalf("of %d is left %+v", r.Seq, r)
			case i >= 1000 && r.Blank():
				t.Fatalf("%d is empty", r.Seq)
			}
		}
		if page, err := a.Page(t.Context(), ana, everything, 2000); err != nil || len(page) != 100 {
			t.Errorf("a page of %d, %v", len(page), err)
		}
		if found, err := a.Search(t.Context(), ana, "common", everything, 2000); err != nil || len(found) != 100 {
			t.Errorf("%d found, %v", len(found), err)
		}
		if found, err := a.Search(t.Context(), ana, secret, everything, 2000); err != nil || len(found) != 0 {
			t.Errorf("%d found, %v", len(found), err)
		}
		if res, err := a.Append(t.Context(), []Record{before[0], before[999]}); err != nil || !res[0].Duplicate || res[1].Seq != 1000 {
			t.Errorf("%v %v", res, err)
		}
		if got, err := a.Chain(t.Context(), 1000); err != nil || got != chain {
			t.Errorf("the chain is another: %v", err)
		}
		if _, err := a.Chain(t.Context(), 10); !errors.Is(err, ErrPruned) {
			t.Error(err)
		}
		if report, err := a.Check(t.Context()); err != nil || len(report.Faults) > 0 || report.Deleted != 1000 || report.Records != 100 {
			t.Errorf("%+v %v", report, err)
		}
		a.Close()
		a.Log = open(t, path, a.o)
	}
	for range 40 {
		a.pass(t, day, day)
	}
	if a.traceless() != 1000 {
		t.Errorf("ids up to %d are gone, not 1000", a.traceless())
	}
	for range 2 {
		got := all(t, a.Log)
		if len(got) != 1100 || got[0].Seq != 1 || !got[999].traceless() || got[1000].Blank() {
			t.Errorf("%d records, %+v", len(got), got[0])
		}
		if report, err := a.Check(t.Context()); err != nil || len(report.Faults) > 0 || report.Last != 1100 {
			t.Errorf("%+v %v", report, err)
		}
		a.Close()
		a.Log = open(t, path, a.o)
	}
	a.Close()
	if b, err := os.ReadFile(path); err != nil || bytes.Contains(b, []byte(secret)) || bytes.Contains(bytes.ToLower(b), []byte(strings.ToLower(secret))) {
		t.Error("what was deleted can be read in the file", err)
	}
}

func TestKeepCount(t *testing.T) {
	a, _ := older(t, "100")
	fill(t, a.Log, 0, 1000)
	a.pass(t, time.Hour, time.Hour)
	if a.Pruned() != 0 {
		t.Error("records are deleted that are in no checkpoint")
	}
	a.save(t)
	a.pass(t, time.Hour, time.Hour)
	if a.Pruned() != 900 {
		t.Errorf("%d are deleted, not 900", a.Pruned())
	}
	fill(t, a.Log, 2000, 50)
	a.save(t)
	a.pass(t, time.Hour, time.Hour)
	if a.Pruned() != 950 {
		t.Errorf("%d are deleted, not 950", a.Pruned())
	}
	if page, err := a.Page(t.Context(), ana, everything, 1000); err != nil || len(page) != 100 {
		t.Errorf("a page of %d, %v", len(page), err)
	}
}

// TestAllGo has a log lie until nothing of it is left: numbers go on.
// TestMarksOfAnotherRule has a mark say that records were deleted which are still
// there, since the rule was changed before it was done: they stay.
func TestMarksOfAnotherRule(t *testing.T) {
	a, _ := older(t, "90d")
	fill(t, a.Log, 0, 500)
	a.save(t)
	a.pass(t, 0, 0)
	if err := a.do(t.Context(), func() error { return a.setMark(markDeleted, 400, 0) }); err != nil {
		t.Fatal(err)
	}
	for range 35 {
		a.pass(t, day, day)
	}
	if n := len(all(t, a.Log)); n != 500 || a.traceless() != 0 {
		t.Errorf("%d records are left, up to %d without a trace", n, a.traceless())
	}
}

func TestAllGo(t *testing.T) {
	a, path := older(t, "1d")
	fill(t, a.Log, 0, 700)
	for _, seq := range []uint64{699, 700} {
		if err := a.SaveCheckpoint(t.Context(), seq, []byte("state")); err != nil {
			t.Fatal(err)
		}
	}
	a.SaveCheckpoint(t.Context(), 700, []byte("state"))
	for range 50 {
		a.pass(t, day, day)
	}
	if a.Pruned() != 699 || a.traceless() != 699 {
		t.Errorf("%d %d", a.Pruned(), a.traceless())
	}
	a.Close()
	a.Log = open(t, path, a.o)
	if res, err := a.Append(t.Context(), []Record{said(ben, 1, "x")}); err != nil || res[0].Seq != 701 {
		t.Error(res, err)
	}
}

// TestClockJumps sets the clock ahead by years: nothing goes for that. When it
// stays so it is believed.
func TestClockJumps(t *testing.T) {
	a, path := older(t, "90d")
	fill(t, a.Log, 0, 100)
	a.save(t)
	a.pass(t, 0, 0)
	a.pass(t, 50*365*day, time.Hour)
	if a.Pruned() != 0 || len(a.warned) != 1 || !strings.Contains(a.warned[0], "clock") {
		t.Fatalf("%d deleted, told %q", a.Pruned(), a.warned)
	}
	a.Close()
	a.Log = open(t, path, a.o)
	a.pass(t, day, 0)
	a.pass(t, 3*day, 3*day)
	if a.pass(t, -50*365*day, time.Hour); a.Pruned() != 0 {
		t.Fatal("deleted")
	}
	for range 60 {
		a.pass(t, day, day)
	}
	if a.Pruned() != 0 {
		t.Fatal("deleted when the clock was right again")
	}
	for range 25 {
		a.pass(t, day, day)
	}
	if a.Pruned() == 0 {
		t.Error("never deleted")
	}

	a, _ = older(t, "90d")
	fill(t, a.Log, 0, 100)
	a.save(t)
	a.pass(t, 0, 0)
	a.pass(t, 200*day, 0) // the holidays
	for range 6 {
		a.pass(t, day, time.Hour)
	}
	if a.Pruned() != 0 {
		t.Error("believed too early")
	}
	a.pass(t, day, time.Hour)
	if a.pass(t, day, time.Hour); a.Pruned() == 0 {
		t.Error("not believed after a week")
	}
}

// TestClock has a clock jump as it likes: age never goes back, never faster than
// the clock and a week a jump, and in good order it is the time that passes.
func TestClock(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 0))
		c := clock{}
		now := noon
		c.tick(now, 0)
		for range 200 {
			ran := time.Duration(random.Int64N(int64(day)))
			d := ran
			switch random.IntN(10) {
			case 0:
				d = time.Duration(random.Int64N(int64(20000*day))) - 10000*day
			case 1:
				d += time.Duration(random.Int64N(int64(6 * day)))
			}
			was := c
			now = now.Add(d)
			c.tick(now, ran)
			if c.age < was.age || c.doubt < 0 {
				t.Fatalf("seed %d: from %+v to %+v", seed, was, c)
			}
			if c.age-was.age > ran+leap+was.doubt {
				t.Fatalf("seed %d: it went on by %v in %v", seed, c.age-was.age, ran)
			}
			again, ok := parseClock(c.marshal())
			if !ok || again.age/time.Millisecond != c.age/time.Millisecond || !again.wall.Equal(c.wall.Truncate(time.Millisecond)) {
				t.Fatalf("%+v, %+v", c, again)
			}
		}
	}
	c := clock{}
	for i := range 1000 {
		c.tick(noon.Add(time.Duration(i)*time.Hour), time.Hour)
	}
	if c.age != 999*time.Hour {
		t.Error(c.age)
	}
}

// TestPruneBesideAppend deletes while somebody appends and reads.
func TestPruneBesideAppend(t *testing.T) {
	a, _ := older(t, "500")
	const n = 5000/rounds + 500
	fill(t, a.Log, 0, n)
	a.save(t)
	var work sync.WaitGroup
	work.Go(func() { a.pass(t, time.Hour, time.Hour) })
	work.Go(func() { fill(t, a.Log, 10_000, 500) })
	work.Go(func() { all(t, a.Log) })
	work.Wait()
	if a.Pruned() < n-500-2 || a.Last() != n+500 {
		t.Errorf("%d of %d deleted", a.Pruned(), a.Last())
	}
	if report, err := a.Check(t.Context()); err != nil || len(report.Faults) > 0 {
		t.Errorf("%+v %v", report, err)
	}
}

// TestLostCheckpoint damages what deleted records added up to.
func TestLostCheckpoint(t *testing.T) {
	a, path := older(t, "100")
	fill(t, a.Log, 0, 1000)
	a.save(t)
	a.pass(t, time.Hour, time.Hour)
	a.Close()
	raw(t, path, "UPDATE checkpoints SET state = x'00' WHERE seq = 1000")
	l := open(t, path, options)
	if seq, state, err := l.Checkpoint(t.Context()); err != nil || seq != 999 || string(state) != "state" {
		t.Error(seq, state, err)
	}
	l.Close()
	raw(t, path, "UPDATE checkpoints SET state = x'00'")
	refused(t, path, options, ErrDamaged, "--repair")
}

func TestParseKeep(t *testing.T) {
	for _, s := range []string{"90d", "1d", "10000", "1", "forever", "none"} {
		if k, err := ParseKeep(s); err != nil || k.String() != s {
			t.Errorf("%s: %v %v", s, k, err)
		}
	}
	for _, s := range []string{"", "0", "0d", "-1", "90", "d", "90 d", "1e9", "99999999999999999999d", "36501d", "Forever", "90d ", "+5d"} {
		if k, err := ParseKeep(s); err == nil && s != "90" {
			t.Errorf("%q is %v", s, k)
		}
	}
	if k, _ := ParseKeep("forever"); k != (Keep{}) {
		t.Error(k)
	}
}
