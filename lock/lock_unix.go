//go:build unix

package lock

import (
	"errors"
	"os"
	"syscall"
)

func try(f *os.File) bool {
	return !errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}

func release(f *os.File) { syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }
