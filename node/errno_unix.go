//go:build unix

package node

import "syscall"

// What the system says when a socket cannot be bound.
const (
	errInUse     = syscall.EADDRINUSE
	errNotOurs   = syscall.EADDRNOTAVAIL
	errForbidden = syscall.EACCES
)
