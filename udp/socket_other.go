//go:build !linux

package udp

import (
	"errors"
	"net/netip"
)

type rawSocket struct{}

func (s *fastSocket) tune() {}

func (s *fastSocket) crowded() bool { return false }

func (s *fastSocket) writeNow([]byte, int, netip.AddrPort) error { return errors.ErrUnsupported }

func (s *fastSocket) readMany(func([]received) bool) error { return errors.ErrUnsupported }

func (s *fastSocket) writeSegments([]byte, int, netip.AddrPort) (bool, error) { return false, nil }
