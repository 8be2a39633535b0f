//go:build unix

package node

import "syscall"

// What the system says when a socket cannot be bound.
const (
	errInUse     = syscall.EADDRINUSE
	errNotOurs   = syscall.EADDRNOTAVAIL
	errForbidden = syscall.EACCES
)

// What it says when nothing can be sent, or it is answered that nobody is there.
const (
	errClosed     = syscall.ECONNREFUSED
	errReset      = syscall.ECONNRESET
	errNoHost     = syscall.EHOSTUNREACH
	errNoNetwork  = syscall.ENETUNREACH
	errNotAllowed = syscall.EPERM
)
