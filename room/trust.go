package room

import (
	"fmt"

	"parley/text"
	"parley/transport"
)

// Codes of notices about the room's key, from whoever joins for us.
const (
	NoticeDrafts   = "drafts"    // Count messages of before are being sent, or Text tells what is not
	NoticeUnkept   = "unkept"    // what is not sent cannot be kept on disk
	NoticeNewKey   = "new_key"   // it was never met before
	NoticeOtherKey = "other_key" // the name has another one, too
)

// Tell has Next give a notice of this very program.
func (m *Member) Tell(code, words string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.push(Event{Type: Notice, Code: code, Text: words})
}

// foreign is the code of a host's notice: what only this program can know, no
// host may seem to have said.
func foreign(code string) string {
	switch code {
	case NoticeNewKey, NoticeOtherKey, NoticeDrafts, NoticeUnkept, "link":
		return ""
	}
	return code
}

// keys tells the room's key and our own, for people to compare. The caller holds mu.
func (m *Member) keys() string {
	if m.roomKey == (transport.Key{}) {
		return "nothing is proved in plaintext: the room has no key, and neither have you"
	}
	said := fmt.Sprintf("the key of %s: %s\nin words: %s", m.room, m.roomKey, text.KeyWords(m.roomKey))
	if own := m.o.Identity.Key(); own != (transport.Key{}) && !m.o.Guest {
		said += fmt.Sprintf("\nyour own: %s\nin words: %s", own, text.KeyWords(own))
	}
	return said
}
