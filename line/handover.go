package line

// keeper is a seat that knows whether it hosts the room, and whether others are
// there: a *room.Member.
type keeper interface {
	Hosts() (host, others bool)
}

// closes tells, once, that a line which ends the program would close the room
// under the people who sit in it. Only a person on a terminal is asked: for
// scripts the line means what it always did.
func (t *typist) closes() bool {
	k, ok := t.at.(keeper)
	if !ok || !t.s.o.Terminal || t.warned {
		return false
	}
	host, others := k.Hosts()
	t.warned = host && others
	return t.warned
}

// staying is what a host is told who quits while others are there.
const staying = "others are still here, and the room closes with you: /handover NICK first gives it to one of them (/handover lists who), or /quit again to close it"
