package line

import (
	"hash/fnv"

	"parley/room"
	"parley/talk"
	"parley/text"
)

// words puts e in words: who does what, perhaps in colour; lines of what is
// said; and whether all this is about the connection rather than from the
// room. All is clean. Without a head nothing is shown.
func (v *view) words(e room.Event) (head string, body []string, about bool) {
	if e.Type == room.Message && v.echoed && e.Own && !e.Replay {
		return "", nil, false
	}
	return v.talk().Event(e)
}

// passage is one join or leave in words.
func (v *view) passage(e room.Event) string { return v.talk().Passage(e) }

func (v *view) talk() *talk.Words {
	return &talk.Words{Self: v.self, Zone: v.zone, Name: v.name, Recall: v.recall}
}

// greeting tells where we sit.
func greeting(e room.Event) []string { return talk.Greeting(e) }

// Listing is a room found on the network, as one line for people.
func Listing(l room.Listing) string { return talk.Listing(l) }

// rings tells whether e is worth the bell.
func (v *view) rings(e room.Event) bool {
	switch e.Type {
	case room.Whisper:
		return v.bell != bellOff
	case room.Transfer:
		return v.bell != bellOff && e.State == room.FileOffered
	case room.Notice: // somebody waits to be let in
		return v.bell != bellOff && e.Code == "knock"
	case room.Message, room.Act:
		return v.bell == bellAll || v.bell == bellMention && talk.Mentions(e.Text, v.self)
	}
	return false
}

// palette are the colours of names: those that can be read on black and on white.
var palette = [...]string{"31", "32", "33", "34", "35", "36", "91", "92", "94", "95", "96"}

// name shows a nick, in a colour of its own that it has on every screen.
func (v *view) name(nick string) string {
	clean := text.Clean(nick)
	if !v.color || clean == "" {
		return clean
	}
	h := fnv.New32a()
	h.Write([]byte(text.Key(nick)))
	return "\x1b[" + palette[h.Sum32()%uint32(len(palette))] + "m" + clean + "\x1b[0m"
}

// dim shows what is beside the point.
func (v *view) dim(s string) string {
	if !v.color || s == "" {
		return s
	}
	return "\x1b[2m" + s + "\x1b[0m"
}
