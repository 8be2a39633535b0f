//go:build !nolab

package wire

import (
	"io"
	"net"
	"os"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// netError returns what the net package would give in place of a stack's
// error, without the net.OpError around it.
func netError(call string, err tcpip.Error) error {
	errno := func(e syscall.Errno) error { return os.NewSyscallError(call, e) }
	switch err.(type) {
	case nil:
		return nil
	case *tcpip.ErrClosedForReceive:
		return io.EOF
	case *tcpip.ErrClosedForSend:
		return errno(syscall.EPIPE)
	case *tcpip.ErrConnectionRefused:
		return errno(syscall.ECONNREFUSED)
	case *tcpip.ErrConnectionReset:
		return errno(syscall.ECONNRESET)
	case *tcpip.ErrConnectionAborted, *tcpip.ErrAborted:
		return errno(syscall.ECONNABORTED)
	case *tcpip.ErrTimeout:
		return errno(syscall.ETIMEDOUT)
	case *tcpip.ErrHostUnreachable, *tcpip.ErrHostDown:
		return errno(syscall.EHOSTUNREACH)
	case *tcpip.ErrNetworkUnreachable, *tcpip.ErrNoNet:
		return errno(syscall.ENETUNREACH)
	case *tcpip.ErrPortInUse:
		return errno(syscall.EADDRINUSE)
	case *tcpip.ErrBadLocalAddress, *tcpip.ErrNoPortAvailable:
		return errno(syscall.EADDRNOTAVAIL)
	case *tcpip.ErrMessageTooLong:
		return errno(syscall.EMSGSIZE)
	case *tcpip.ErrBroadcastDisabled, *tcpip.ErrNotPermitted:
		return errno(syscall.EACCES)
	case *tcpip.ErrNotConnected:
		return errno(syscall.ENOTCONN)
	case *tcpip.ErrNoBufferSpace:
		return errno(syscall.ENOBUFS)
	case *tcpip.ErrInvalidEndpointState:
		return net.ErrClosed
	}
	return os.NewSyscallError(call, stackError{err.String()})
}

// stackError is an error of a stack for which the system has no number here.
type stackError struct{ text string }

func (e stackError) Error() string { return e.text }
