package history

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// small mounts a file system of some megabytes until the test ends.
func small(t *testing.T, megabytes int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("parley-test", dir, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=700", megabytes)); err != nil {
		t.Skipf("SKIPPED: a small file system cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestFullDisk fills a disk: what does not fit is surely not stored, reading goes
// on, and when there is space again the same log goes on, too.
func TestFullDisk(t *testing.T) {
	dir := small(t, 4)
	path := filepath.Join(dir, "history", "room.log")
	l := open(t, path, options)
	fill(t, l, 0, 500)
	ballast := filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	for chunk := make([]byte, 4096); ; {
		if _, err := f.Write(chunk); err != nil {
			break
		}
	}
	f.Close()
	next := 500
	stored := func() error {
		_, err := l.Append(t.Context(), []Record{said(ana, next, strings.Repeat("x", 2000))})
		if err == nil {
			next++
		}
		return err
	}
	for err = stored(); err == nil && next < 5000; err = stored() {
	}
	if !errors.Is(err, ErrNotStored) || !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "free some space") {
		t.Fatalf("after %d: %v", next, err)
	}
	for range 20 {
		if err := stored(); !errors.Is(err, ErrNotStored) {
			t.Errorf("%v", err)
		}
	}
	if got := len(all(t, l)); got != next {
		t.Errorf("%d records are read, %d are stored", got, next)
	}
	if page, err := l.Page(t.Context(), ana, everything, 100); err != nil || len(page) != 100 {
		t.Errorf("a page of %d, %v", len(page), err)
	}
	if found, err := l.Search(t.Context(), ana, "common", everything, 10_000); err != nil || len(found) != 500 || found[0].Seq > found[499].Seq {
		t.Errorf("%d are found, %v", len(found), err)
	}
	if found, err := l.Search(t.Context(), ana, strings.Repeat("x", 2000), everything, 10_000); err != nil || len(found) != next-500 {
		t.Errorf("of the last %d %d are found, %v", next-500, len(found), err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	fill(t, l, 10_000, 100)
	if report, err := l.Check(t.Context()); err != nil || len(report.Faults) > 0 || report.Last != uint64(next+100) {
		t.Errorf("%+v %v, want %d", report, err, next+100)
	}
	if found, err := l.Search(t.Context(), ana, "common", everything, 1000); err != nil || len(found) != 600 {
		t.Errorf("%d found, %v", len(found), err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	open(t, path, options)
}

// TestNoRoomToBegin opens a log where there is no space for one.
func TestNoRoomToBegin(t *testing.T) {
	dir := small(t, 1)
	f, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	for chunk := make([]byte, 4096); ; {
		if _, err := f.Write(chunk); err != nil {
			break
		}
	}
	f.Close()
	os.Truncate(f.Name(), 1<<20-2*4096)
	path := filepath.Join(dir, "room.log")
	refused(t, path, options, ErrFull, "space")
	os.Remove(f.Name())
	fill(t, open(t, path, options), 0, 10)
}

// TestReadOnlyFileSystem has a log on a disk that takes no changes.
func TestReadOnlyFileSystem(t *testing.T) {
	dir := small(t, 4)
	path := filepath.Join(dir, "room.log")
	l := open(t, path, options)
	fill(t, l, 0, 300)
	l.Close()
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	refused(t, path, options, ErrReadOnly, "writable")
	refused(t, filepath.Join(dir, "deeper", "room.log"), options, ErrReadOnly, "writable")
	r := open(t, path, Options{Room: "physics", Reading: true})
	defer r.Close()
	if page, err := r.Page(t.Context(), ana, everything, 1000); err != nil || len(page) != 300 {
		t.Errorf("%d records, %v", len(page), err)
	}
	if _, err := r.Search(t.Context(), ana, "common", everything, 1000); err != nil {
		t.Error(err)
	}
}
