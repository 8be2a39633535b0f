package lanes

import (
	"errors"
	"strings"
	"sync"
	"time"
)

// A Screen draws a Recorder's lanes for one who looks at them, and does what he asks
// for. One goroutine draws.
type Screen struct {
	Recorder *Recorder
	Look     Look          // but for what changes
	Impaired func() string // what is done to what is sent now; nil: nothing

	mu     sync.Mutex
	frozen bool
	column time.Duration
	view   *View
}

// Rows draws the lanes.
func (s *Screen) Rows(width, height int) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.view == nil || !s.frozen {
		s.view = s.Recorder.View(s.view)
	}
	o := s.Look
	o.Width, o.Height, o.Column, o.Frozen = width, height, s.column, s.frozen
	if s.Impaired != nil {
		o.Impair = s.Impaired()
	}
	return s.view.Rows(o)
}

var errCommand = errors.New("it goes: /lanes shows or hides them; /lanes stop holds the picture, go lets it run, and 20ms to 1s is the time of a column")

// Command does what is asked: stop, go, or a time for each column.
func (s *Screen) Command(arg string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch arg = strings.ToLower(strings.TrimSpace(arg)); arg {
	case "stop":
		s.frozen = true
	case "go":
		s.frozen = false
	default:
		d, err := time.ParseDuration(arg)
		if err != nil || d < LeastColumn || d > MostColumn {
			return errCommand
		}
		s.column = d
	}
	return nil
}
