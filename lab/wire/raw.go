//go:build !nolab

package wire

import (
	"net"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// ListenRaw opens a raw socket, which gets a copy of every UDP packet that comes
// to the host, with its IP and UDP headers. What it sends begins with the UDP
// header; the IP header is the stack's.
func (h *Host) ListenRaw() (*PacketConn, error) {
	wq := new(waiter.Queue)
	ep, err := h.stack.NewRawEndpoint(udp.ProtocolNumber, ipv4.ProtocolNumber, wq, true)
	if err == nil {
		if err = ep.Bind(tcpip.FullAddress{}); err != nil {
			ep.Close()
		}
	}
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "ip4:udp", Err: netError("socket", err)}
	}
	return &PacketConn{socket: newSocket(h, "udp", ep, wq)}, nil
}
