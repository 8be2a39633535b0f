//go:build !linux

package udp

import (
	"errors"
	"net/netip"
)

type rawSocket struct{}

func (s *fastSocket) tune() {}

func (s *fastSocket) crowded() bool { return false }

func (s *fastSocket) writeNow([]byte, []byte, netip.AddrPort) error { return errors.ErrUnsupported }

func (s *fastSocket) readJoined([]byte) (n, size int, from netip.AddrPort, err error) {
	return 0, 0, from, errors.ErrUnsupported
}

func (s *fastSocket) writeSegments([]byte, int, netip.AddrPort) (bool, error) { return false, nil }
