package lock

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "held")
	open := func() *os.File {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	one, two := open(), open()
	defer two.Close()
	if !Try(one) {
		t.Fatal("nobody has it, and it was not to be had")
	}
	if Try(two) {
		t.Fatal("two have it")
	}
	if err := Close(one); err != nil {
		t.Fatal(err)
	}
	if !Try(two) {
		t.Fatal("it was given back, and is not to be had")
	}
}

// A lock that is given back is free, though a process that was started meanwhile has
// the file open still: every child has, until it runs another program.
func TestGivenBackInSpiteOfChildren(t *testing.T) {
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "held"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	path := f.Name()
	if !Try(f) {
		t.Fatal("not to be had")
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$")
	child.Env = append(os.Environ(), "LOCK_CHILD=1")
	child.Stdin = f // which stays open in it
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in := make([]byte, 16)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer child.Process.Kill()
	if n, err := out.Read(in); err != nil || !strings.HasPrefix(string(in[:n]), "here") {
		t.Fatalf("the child says %q, %v", in[:n], err)
	}
	if err := Close(f); err != nil {
		t.Fatal(err)
	}
	again, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if !Try(again) {
		t.Error("a child that has the file open keeps the lock")
	}
}

func TestChild(t *testing.T) {
	if os.Getenv("LOCK_CHILD") == "" {
		return
	}
	os.Stdout.WriteString("here\n")
	<-time.After(time.Minute) // until it is killed
}
