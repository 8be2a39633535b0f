package tcp

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"parley/transport"
)

// tune sets what the kernel should do for a connection of ours, as far as it
// is the kernel's.
func tune(nc net.Conn) {
	withSocket(nc, func(fd int) {
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(deadAfter/time.Millisecond))
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, outboxSize)
	})
}

func withSocket(nc net.Conn, f func(fd int)) {
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) { f(int(fd)) })
		}
	}
}

// kernelStats fills in what the kernel knows.
func kernelStats(nc net.Conn, s *transport.Stats) {
	withSocket(nc, func(fd int) {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return
		}
		s.RTT = time.Duration(info.Rtt) * time.Microsecond
		s.RTTVar = time.Duration(info.Rttvar) * time.Microsecond
		s.MinRTT = time.Duration(info.Min_rtt) * time.Microsecond
		s.Window = int(info.Snd_cwnd) * int(info.Snd_mss)
		s.InFlight = int(info.Unacked) * int(info.Snd_mss)
		s.Queued += int(info.Notsent_bytes)
		s.Sent, s.Received = uint64(info.Segs_out), uint64(info.Segs_in)
		s.Lost, s.Resent = uint64(info.Total_retrans), uint64(info.Total_retrans)
	})
}
