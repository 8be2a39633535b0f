//go:build !linux

package tcp

import (
	"net"

	"parley/transport"
)

// tune sets what the kernel should do for a connection of ours.
func tune(nc net.Conn) {
	if tcp, ok := nc.(*net.TCPConn); ok {
		tcp.SetNoDelay(true)
	}
}

// kernelStats fills in what the kernel knows: here nothing is asked.
func kernelStats(net.Conn, *transport.Stats) {}
