//go:build !linux

package udp

import (
	"errors"
)

type rawSocket struct{}

func (s *fastSocket) tune() {}

func (s *fastSocket) crowded() bool { return false }

func (s *fastSocket) writeNow([]train) {}

func (s *fastSocket) readMany(func([]received) bool) error { return errors.ErrUnsupported }
