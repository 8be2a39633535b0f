package room

// maxDenied is how many refusals of a seat are remembered: as many as its
// member may have under way.
const maxDenied = maxPending

// A denial is what a seat was told when it said something.
type denial struct {
	id          [16]byte
	code, words string
}

// deny remembers that something is refused. The answer may be lost with the
// connection that it is sent on; the member then sends the same again on its next
// one, and means what it said before all that has been accepted since. Stored now, it
// would stand behind that. Whoever has seen a refusal, and says it again, does
// that under a new id.
func (s *seat) deny(id [16]byte, code, words string) {
	if _, again := s.denial(id); again {
		return
	}
	if s.denied = append(s.denied, denial{id, code, words}); len(s.denied) > maxDenied {
		s.denied = append(s.denied[:0], s.denied[1:]...)
	}
}

// denial finds what the seat was told about an id.
func (s *seat) denial(id [16]byte) (denial, bool) {
	for _, d := range s.denied {
		if d.id == id {
			return d, true
		}
	}
	return denial{}, false
}
