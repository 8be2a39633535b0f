// Package talk is what all front ends say alike: events of a room in words, what
// a command may become when it is completed, and what is done with lines
// that are too long or secret. It knows no screen: names come out as its caller
// paints them, and all is clean.
//
//	words.go     events, people and rooms in words
//	files.go     files in words
//	commands.go  what is typed: completion, parts of what is too long, secrets
package talk

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"parley/room"
	"parley/text"
)

// Words puts events in words.
type Words struct {
	Self   string                   // our name
	Zone   *time.Location           // whose time is told; nil: this machine's
	Name   func(nick string) string // how a name is shown, cleaned; nil: plainly
	Recall bool                     // what was typed can be called back with the arrow up
}

// name shows a nick.
func (w *Words) name(nick string) string {
	if w.Name == nil {
		return text.Clean(nick)
	}
	return w.Name(nick)
}

// Event puts e in words: who does what, perhaps in colour; lines of what is
// said; and whether all this is about the connection rather than from the
// room. All is clean. Without a head nothing is shown.
func (w *Words) Event(e room.Event) (head string, body []string, talk bool) {
	switch e.Type {
	case room.Message:
		return w.name(e.From) + ": ", text.Lines(e.Text), false
	case room.Act: // one star is this program's: nobody's deeds may pass for its notices
		return "** " + w.name(e.From) + " ", text.Lines(e.Text), false
	case room.Whisper:
		return "[" + w.party(e.From) + " → " + w.party(e.To) + "] ", text.Lines(e.Text), false
	case room.Renamed:
		return "* " + w.name(e.From) + " is now called " + w.name(e.Nick), nil, false
	case room.Topic:
		by := cmp.Or(e.By, e.From)
		switch {
		case e.Text == "" && by != "":
			return "* " + w.name(by) + " took the topic away", nil, false
		case e.Text == "":
			return "* no topic is set", nil, false
		case by == "":
			return "* the topic is: ", text.Lines(e.Text), false
		}
		return "* " + w.name(by) + " made this the topic: ", text.Lines(e.Text), false
	case room.Notice:
		return "* ", text.Lines(e.Text), e.Code == room.NoticeNewKey || e.Code == room.NoticeOtherKey
	case room.Members:
		return "* ", []string{Roster(e.Members)}, false
	case room.Stats:
		if e.Stats == nil {
			return "", nil, false
		}
		return "* ", text.Lines(Statistics(e.Stats)), false
	}
	switch e.Type {
	case room.Transfer:
		head, body := w.transfer(e)
		return head, body, true
	case room.Transfers:
		return "* ", w.listed(e), true
	case room.Handover:
		head, body := w.handover(e)
		return head, body, true
	case room.Hosted:
		if text.Key(e.Nick) == text.Key(w.Self) && !e.Replay {
			return "", nil, false // it was said how we got there
		}
		return "* " + w.name(e.Nick) + " hosts the room now", nil, false
	}
	if head, body, ok := w.trouble(e); ok {
		return head, body, true
	}
	head, body = w.deed(e)
	return head, body, false
}

// trouble puts in words what is about the connection or our own messages.
func (w *Words) trouble(e room.Event) (head string, body []string, ok bool) {
	switch e.Type {
	case room.Accepted: // it is on the screen then
		return "", nil, true
	case room.Pending: // it is told when it takes long
		return "", nil, true
	case room.Delivered:
		if e.State == "asked" {
			return "* ", []string{receipt(e)}, true
		}
		return fmt.Sprintf("* delivered to %d of %d", e.Count, e.Of), nil, true
	case room.Failed:
		line := text.Truncate(text.Clean(e.Text), quoted) + because(cmp.Or(e.Reason, e.Code))
		if _, ok := room.Find("resend"); ok {
			line += ": /resend tries again"
		} else if w.Recall {
			line += ": the arrow up brings it back"
		}
		return "! not sent: ", []string{line}, true
	case room.Gap:
		if e.Count == 1 {
			return "! a message was lost on the way", nil, true
		}
		return fmt.Sprintf("! %d messages were lost on the way", e.Count), nil, true
	case room.Failure:
		said := e.Text
		switch {
		case e.Suggest == "" || strings.Contains(said, e.Suggest):
		case e.Code == "nick_taken":
			said += ": try /nick " + e.Suggest
		case e.Code == "unknown_command":
			said += ": did you mean /" + e.Suggest + "?"
		default:
			said += ": did you mean " + e.Suggest + "?"
		}
		return "! ", text.Lines(said), true
	case room.Link:
		switch {
		case e.State == "moved" && e.Nick != "": // to another of its hosts
			return "* ", []string{text.Clean(e.Why)}, true
		case e.State == "moved": // the room itself says where it went
			return "", nil, true
		}
		if e.State == "lost" {
			return "! ", []string{link(e)}, true
		}
		return "* ", []string{link(e)}, true
	}
	return "", nil, false
}

// receipt answers /delivered.
func receipt(e room.Event) string {
	switch {
	case e.Of == 0:
		return fmt.Sprintf("message %d: stored; nobody else was here to receive it", e.Seq)
	case e.Of == 1 && e.Count == 1:
		return fmt.Sprintf("message %d: delivered to the one who was here", e.Seq)
	case e.Count >= e.Of:
		return fmt.Sprintf("message %d: delivered to all %d who were here", e.Seq, e.Of)
	}
	return fmt.Sprintf("message %d: delivered to %d of %d so far", e.Seq, e.Count, e.Of)
}

// quoted is how many cells of what was not sent are shown.
const quoted = 60

// link tells what became of the connection.
func link(e room.Event) string {
	switch e.State {
	case "lost":
		return "connection lost" + because(e.Why) + ": trying again, what you type is kept"
	case "resumed":
		return "connected again" + over(e.Transport) + because(e.Why)
	case "switched":
		return "connected" + over(e.Transport) + " now" + because(e.Why)
	}
	return "connection " + text.Clean(e.State) + because(e.Why)
}

// because puts a reason in brackets, if there is one.
func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + text.Clean(reason) + ")"
}

func over(transport string) string {
	if transport == "" {
		return ""
	}
	return " over " + text.Clean(transport)
}

// Passage is one join or leave in words.
func (w *Words) Passage(e room.Event) string {
	who := w.name(e.Nick)
	if e.Type == room.Joined {
		return "--> " + who + " joined"
	}
	switch e.Reason {
	case "", "quit":
		return "<-- " + who + " left" + because(e.Text)
	case "lost":
		return "<-- " + who + " left (lost connection)"
	case "kicked":
		return "<-- " + who + " left (put out)"
	}
	return "<-- " + who + " left" + because(e.Reason)
}

// deeds are what keepers of a room do to others.
var deeds = map[room.Kind]string{
	room.Kick: "put out", room.Ban: "banned", room.Unban: "unbanned", room.Mute: "muted", room.Unmute: "allowed to speak again",
	room.Approve: "let in", room.Deny: "not let in",
}

// deed puts what a keeper of the room did in words. What a later version
// invents is shown in JSON only.
func (w *Words) deed(e room.Event) (head string, body []string) {
	if e.Nick == "" {
		return w.order(e)
	}
	done, ok := deeds[e.Type]
	switch {
	case e.Type == room.Op || e.Type == room.Deop:
		return w.promotion(e), nil
	case e.Type == room.Address:
		return "* the " + text.Clean(e.Code) + " of " + w.name(e.Nick) + " holds for everybody from " + text.Clean(e.Addr) + ", too", nil
	case !ok:
		return "", nil
	}
	head = "* " + w.name(e.Nick) + " is "
	if text.Key(e.Nick) == text.Key(w.Self) && !e.Replay { // who had the name before us may be somebody else
		if e.Type == room.Kick || e.Type == room.Ban {
			return "", nil // the host's last word to us says it
		}
		head = "* you are "
	}
	if head += done; e.By != "" {
		head += " by " + w.name(e.By)
	}
	return head + w.until(e) + because(e.Reason), nil
}

// promotion tells who is an op, or is none any more.
func (w *Words) promotion(e room.Event) string {
	us := text.Key(e.Nick) == text.Key(w.Self)
	switch op := e.Type == room.Op; {
	case op && us:
		return "* " + w.name(e.By) + " made you an op: /help lists what you may do now"
	case op:
		return "* " + w.name(e.By) + " made " + w.name(e.Nick) + " an op"
	case text.Key(e.By) == text.Key(e.Nick):
		return "* " + w.name(e.Nick) + " is no op any more"
	case us:
		return "* " + w.name(e.By) + " took the rights of an op from you"
	}
	return "* " + w.name(e.By) + " took the rights of an op from " + w.name(e.Nick)
}

// order puts in words what is for the whole room.
func (w *Words) order(e room.Event) (head string, body []string) {
	by := "the host"
	if e.By != "" {
		by = w.name(e.By)
	}
	head, tail := "* "+by+" ", w.until(e)+because(e.Reason)
	switch e.Type {
	case room.Mute:
		return head + "muted the room" + tail + ": only the host and ops speak now", nil
	case room.Unmute:
		return head + "has everybody speak again", nil
	case room.Slow:
		if e.Seconds == 0 {
			return head + "ended slow mode", nil
		}
		return head + fmt.Sprintf("began slow mode: everybody may say one thing every %d s", e.Seconds), nil
	case room.Lock:
		return head + "locked the room" + tail + ": nobody new comes in", nil
	case room.Unlock:
		return head + "unlocked the room", nil
	case room.Motd:
		if e.Text == "" {
			return head + "took the message of the day away", nil
		}
		return head + "made this the message of the day: ", text.Lines(e.Text)
	case room.Approve:
		if e.State == "on" {
			return head + "has newcomers wait until they are let in", nil
		}
		return head + "lets newcomers in unasked", nil
	case room.Filter:
		return head + "made a filter: ", text.Lines(e.Text)
	case room.Unfilter:
		if e.Text == "all" {
			return head + "took all filters away", nil
		}
		return head + "took a filter away: ", text.Lines(e.Text)
	}
	return "", nil
}

// until tells when something ends that does so by itself.
func (w *Words) until(e room.Event) string {
	if e.Until.IsZero() {
		return ""
	}
	at := e.Until.In(w.zone())
	if day := "2006-01-02"; at.Format(day) != e.At.In(w.zone()).Format(day) {
		return at.Format(" until 2 January, 15:04")
	}
	return at.Format(" until 15:04")
}

// Roster answers /names.
func Roster(people []room.Person) string {
	names := make([]string, len(people))
	for i, p := range people {
		names[i] = text.Clean(p.Nick)
		var notes []string
		if p.Role != "" && p.Role != "member" {
			notes = append(notes, p.Role)
		}
		if p.Away != "" {
			notes = append(notes, "away: "+inside.Replace(p.Away))
		}
		if len(notes) > 0 {
			names[i] += text.Clean(" (" + strings.Join(notes, ", ") + ")")
		}
	}
	return fmt.Sprintf("%d here: %s", len(people), strings.Join(names, ", "))
}

// inside keeps what stands in brackets in them: somebody is away with words of his
// own, and a bracket would begin another name, with rights that nobody has.
var inside = strings.NewReplacer("(", "[", ")", "]")

// Statistics answers /stats.
func Statistics(c *room.Counters) string {
	return fmt.Sprintf("round trip %.1f ms, window %d bytes, %d in flight\n"+
		"packets: %d sent, %d received, %d lost, %d sent again\nbytes: %d out, %d in\n"+
		"events: %d received, %d received twice, %d missed\nmessages pending: %d; reconnected: %d times",
		c.RTT, c.Window, c.InFlight, c.Sent, c.Received, c.Lost, c.Resent, c.BytesOut, c.BytesIn,
		c.Events, c.Twice, c.Missed, c.Pending, c.Reconnect)
}

// Greeting tells where we sit.
func Greeting(e room.Event) []string {
	first := fmt.Sprintf("you are %s in %s%s", text.Clean(e.Nick), text.Clean(e.Room), over(e.Transport))
	if e.Role == "host" {
		first = fmt.Sprintf("you are hosting %s as %s", text.Clean(e.Room), text.Clean(e.Nick))
	}
	switch {
	case !e.Secure:
		first += ", in plaintext: anyone on this network can read and forge what is said"
	case e.Guests:
		first += ", encrypted, but guests read this room in clear"
	default:
		first += ", encrypted"
	}
	lines := []string{first, text.Clean(e.Keeping())}
	if e.Text != "" {
		lines = append(lines, "the topic is: "+text.Clean(e.Text))
	}
	if e.Motd != "" {
		lines = append(lines, "the message of the day: "+text.Clean(e.Motd))
	}
	return lines
}

// Listing is a room found on the network, as one line for people.
func Listing(l room.Listing) string {
	if l.Gone {
		return fmt.Sprintf("- %s (%s) is gone", text.Clean(l.Room), l.Addr)
	}
	port := cmp.Or(l.UDP, l.TCP)
	line := fmt.Sprintf("%s  %d here  %s:%d", text.Clean(l.Room), l.Members, l.Addr, port)
	if l.Addr.Is6() {
		line = fmt.Sprintf("%s  %d here  [%s]:%d", text.Clean(l.Room), l.Members, l.Addr, port)
	}
	if l.Password {
		line += "  password"
	}
	if !l.Secure {
		line += "  plaintext"
	}
	if l.Guests {
		line += "  guests"
	}
	switch l.Pin {
	case "known":
		line += "  known"
	case "changed":
		line += "  OTHER KEY"
	}
	return line
}

// Mentions tells whether name is one of the words of what was said.
func Mentions(said, name string) bool {
	if name == "" {
		return false
	}
	key := text.Key(name)
	for word := range strings.FieldsSeq(said) {
		word = strings.TrimPrefix(strings.TrimRight(word, ".,:;!?"), "@")
		if len(word) <= 4*len(name) && text.Key(word) == key {
			return true
		}
	}
	return false
}

// party shows who whispers or is whispered to.
func (w *Words) party(nick string) string {
	if text.Key(nick) == text.Key(w.Self) {
		return "you"
	}
	return w.name(nick)
}

// handover puts in words how a room changes hands. All of it is in the event.
func (w *Words) handover(e room.Event) (head string, body []string) {
	switch e.State {
	case "failed":
		return "! ", text.Lines(e.Text)
	case "offered", "accepted", "copying", "done":
		return "* ", text.Lines(e.Text)
	}
	return "", nil
}

func (w *Words) zone() *time.Location {
	if w.Zone == nil {
		return time.Local
	}
	return w.Zone
}
