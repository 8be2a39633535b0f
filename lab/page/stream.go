//go:build !nolab

package page

import (
	"net/http"
	"time"

	"parley/lab"
)

// stream writes lines as they come. begun tells whether it has begun: before, an
// error can still be one of HTTP.
type stream struct {
	w     http.ResponseWriter
	lines *lab.LineWriter
	begun bool
	live  bool // what is written is looked at now: there may be no more for a while
	last  time.Time
}

func (s *stream) write(l lab.Line) error {
	if !s.begun {
		s.begun = true
		s.w.Header().Set("Content-Type", "application/x-ndjson")
		s.w.Header().Set("Cache-Control", "no-store")
		s.lines = lab.NewLineWriter(s.w)
	}
	control, now := http.NewResponseController(s.w), time.Now()
	flush := s.live || now.Sub(s.last) > 50*time.Millisecond
	if flush {
		s.last = now
		control.SetWriteDeadline(now.Add(silence)) // a browser that does not read ends the run
	}
	err := s.lines.Write(l)
	if flush && err == nil {
		err = control.Flush()
	}
	return err
}

// fail tells why a run could not be.
func (s *stream) fail(err error) {
	field, misused := lab.Misused(err)
	switch {
	case s.begun:
		s.lines.Write(lab.Line{K: "error", Text: err.Error(), Field: field})
	case misused:
		fail(s.w, http.StatusUnprocessableEntity, field, err.Error())
	default:
		fail(s.w, http.StatusInternalServerError, "", err.Error())
	}
}
