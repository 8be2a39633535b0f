package node

import "golang.org/x/sys/windows"

// What the system says when a socket cannot be bound.
const (
	errInUse     = windows.WSAEADDRINUSE
	errNotOurs   = windows.WSAEADDRNOTAVAIL
	errForbidden = windows.WSAEACCES
)

// What it says when nothing can be sent, or it is answered that nobody is there.
const (
	errClosed     = windows.WSAECONNREFUSED
	errReset      = windows.WSAECONNRESET
	errNoHost     = windows.WSAEHOSTUNREACH
	errNoNetwork  = windows.WSAENETUNREACH
	errNotAllowed = windows.WSAEACCES
)
