package history

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// crashes is how often a program is killed in the middle of its work.
const crashes = 8/rounds + 1

// childOf is set in the environment of a program that is there to be killed: it
// is the path of its log.
const childOf = "HISTORY_TEST_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childOf); path != "" {
		if err := child(path); err != nil {
			fmt.Println("error", err)
		}
		return
	}
	os.Exit(m.Run())
}

// child appends until it is killed, and says what is stored.
func child(path string) error {
	l, err := Open(path, options)
	if err != nil {
		return err
	}
	from := int(l.Last()) * 2 // ids are not used twice
	var mu sync.Mutex
	var work sync.WaitGroup
	for s := range 4 {
		work.Go(func() {
			for i := from; ; i++ {
				r := said([32]byte{byte(s)}, i, fmt.Sprintf("sender %d says %d", s, i))
				res, err := l.Append(background, []Record{r, r})
				mu.Lock()
				if err != nil {
					fmt.Println("error", err)
				} else {
					fmt.Println("stored", res[0].Seq, s, i)
				}
				mu.Unlock()
				if i%50 == 0 {
					l.SaveCheckpoint(background, l.Last(), []byte("x"))
					l.Search(background, ana, "sender", everything, 5)
				}
			}
		})
	}
	work.Wait()
	return nil
}

// TestKilled kills a program that appends, again and again: what it was told is stored
// is there, once, at its number.
func TestKilled(t *testing.T) {
	path := file(t)
	stored := map[uint64]string{}
	for round := range crashes {
		run(t, path, (300+100*round)/rounds, stored)
		l := open(t, path, options)
		names := map[string]bool{}
		for _, r := range all(t, l) {
			if names[r.Words] {
				t.Errorf("%q is there twice", r.Words)
			}
			names[r.Words] = true
			if want, known := stored[r.Seq]; known && want != r.Words {
				t.Errorf("%d is %q, and was %q", r.Seq, r.Words, want)
			}
		}
		for seq, words := range stored {
			if !names[words] {
				t.Errorf("%d, %q, was stored and is not there", seq, words)
			}
		}
		if report, err := l.Check(t.Context()); err != nil || len(report.Faults) > 0 {
			t.Errorf("%v %v", report.Faults, err)
		}
		found, err := l.Search(t.Context(), ana, "sender", everything, len(names)+1)
		if err != nil || len(found) != len(names) {
			t.Errorf("%d of %d are found, %v", len(found), len(names), err)
		}
		l.Close()
	}
	t.Logf("killed %d times, %d records stored", crashes, len(stored))
}

// run runs a child until it has stored n records, and kills it.
func run(t *testing.T, path string, n int, stored map[uint64]string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, os.Args[0])
	c.Env = append(os.Environ(), childOf+"="+path)
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for i := 0; lines.Scan(); i++ {
		f := strings.Fields(lines.Text())
		if len(f) != 4 || f[0] != "stored" {
			t.Fatalf("the child says %q", lines.Text())
		}
		seq, _ := strconv.ParseUint(f[1], 10, 64)
		stored[seq] = fmt.Sprintf("sender %s says %s", f[2], f[3])
		if i == n {
			c.Process.Kill()
		}
	}
	c.Wait()
}

func TestInUse(t *testing.T) {
	path := file(t)
	l := open(t, path, options)
	_, err := Open(path, options)
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, ErrInUse) || e.PID != os.Getpid() || !strings.Contains(err.Error(), path) ||
		!strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) || !strings.Contains(err.Error(), "parley join physics") {
		t.Error(err)
	}
	if _, err := Repair(t.Context(), path, options); !errors.Is(err, ErrInUse) {
		t.Error(err)
	}
	fill(t, l, 0, 700)
	r := open(t, path, Options{Room: "physics", Reading: true})
	if found, err := r.Search(t.Context(), cyn, "common", everything, 1000); err != nil || len(found) != 700 {
		t.Errorf("%d found while it is written, %v", len(found), err)
	}
	if _, err := r.Append(t.Context(), []Record{said(ana, 9999, "x")}); !errors.Is(err, ErrNotStored) {
		t.Error(err)
	}
	if err := r.Put(t.Context(), []Record{said(ana, 9999, "x")}); !errors.Is(err, ErrNotStored) {
		t.Error(err)
	}
	fill(t, l, 700, 700) // and its index goes on where the reader's ended
	if found, err := l.Search(t.Context(), cyn, "common", everything, 2000); err != nil || len(found) != 1400 {
		t.Errorf("%d found, %v", len(found), err)
	}
	if s := r.Summary(); s.Room != "physics" || s.Of != options.Of || s.Copy || s.Log != l.ID() || s.Last != 700 {
		t.Errorf("%+v", s)
	}
	l.Close()
	open(t, path, options)
	_, err = Open(filepath.Join(t.TempDir(), "none"), Options{Reading: true})
	if !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// TestClosed closes a log while it is used.
func TestClosed(t *testing.T) {
	l := open(t, file(t), options)
	var work sync.WaitGroup
	for s := range 8 {
		work.Go(func() {
			for i := 0; ; i++ {
				var err error
				switch s % 4 {
				case 0:
					_, err = l.Append(t.Context(), []Record{said([32]byte{byte(s)}, i, "x")})
				case 1:
					_, err = l.Page(t.Context(), ana, everything, 5)
				case 2:
					_, err = l.Search(t.Context(), ana, "x", everything, 5)
				case 3:
					err = l.Tail(t.Context(), 0, func([]Record) error { return nil })
				}
				if err != nil {
					if s%4 == 0 && !errors.Is(err, ErrNotStored) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	for l.Last() < 50 {
		select {
		case <-l.growing():
		case <-time.After(10 * time.Second):
			t.Fatal("nothing is stored")
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	work.Wait()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// growing is closed when the log has grown.
func (l *Log) growing() <-chan struct{} {
	_, _, grown := l.end(1 << 62)
	return grown
}

// TestCanceled gives up waiting; the log is none the worse.
func TestCanceled(t *testing.T) {
	l := open(t, file(t), options)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for i := range 200 {
		l.Append(ctx, []Record{said(ana, i, "x")})
	}
	l.Search(ctx, ana, "x", everything, 5)
	l.Page(ctx, ana, everything, 5)
	for i := range 200 {
		if _, err := l.Append(t.Context(), []Record{said(ana, i, "x")}); err != nil {
			t.Fatal(err)
		}
	}
	if got := all(t, l); len(got) != 200 || slices.ContainsFunc(got, func(r Record) bool { return r.Words != "x" }) {
		t.Errorf("%d records", len(got))
	}
}

func TestTooLarge(t *testing.T) {
	l := open(t, file(t), options)
	for _, r := range []Record{{Body: make([]byte, maxRecord+1)}, {Words: strings.Repeat("x", maxRecord+1)}} {
		if _, err := l.Append(t.Context(), []Record{said(ana, 1, "x"), r}); !errors.Is(err, ErrNotStored) {
			t.Error(err)
		}
	}
	if l.Last() != 0 {
		t.Error(l.Last())
	}
	if err := l.SaveCheckpoint(t.Context(), 0, make([]byte, maxState+1)); err == nil {
		t.Error("a checkpoint without end")
	}
}
