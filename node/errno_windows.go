package node

import "golang.org/x/sys/windows"

// What the system says when a socket cannot be bound.
const (
	errInUse     = windows.WSAEADDRINUSE
	errNotOurs   = windows.WSAEADDRNOTAVAIL
	errForbidden = windows.WSAEACCES
)
