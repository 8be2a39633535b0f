package room

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"parley/text"
	"parley/transport"
)

// Bounds of the room protocol.
const (
	maxWire  = 16 << 10 // bytes of a room message: 4,096 of text written in \u escapes, and room to spare
	maxLine  = 400      // bytes of a topic, a reason, a last word: what fits a line or four of a terminal
	maxRooms = 64       // names in an answer to which_room

	// maxName bounds what names people and things in a host's messages: more
	// than the longest nick or room of any version has.
	maxName = 256
	// maxCrowd bounds the people whom a member knows: ten rooms full.
	maxCrowd = 10 * defaultSeats
	// maxRuns bounds the ranges of missed events in one report.
	maxRuns = 64
	// maxTriples bounds the counts in one delivered message.
	maxTriples = 100
	// maxPeople is how many people one members message lists: 40 with the
	// longest of nicks and reasons stay under maxWire.
	maxPeople = 20
)

// Types of messages besides those of events.
const (
	typeJoin    = "join"
	typeWelcome = "welcome"
	typeLeave   = "leave"
	typeGot     = "got"
	typeNames   = "names"
	typeAway    = "away"
	typeSkip    = "skip"
	typeUpto    = "upto"
	typeBye     = "bye"
	typePing    = "ping"
	typeBans    = "bans"
	typeFilters = "filters"
	typeKnocks  = "knocks"
	typeWait    = "wait"
	typeProve   = "prove"

	typePassword = "password"
	typePage     = "page"
	typeSearch   = "search"
	typeReceipt  = "receipt"
	typeHosts    = "hosts"
)

// Reasons why a host refuses or ends something.
const (
	codeTaken     = "nick_taken"
	codeNick      = "nick_invalid"
	codeNoRoom    = "no_room"
	codeWhich     = "which_room"
	codeFull      = "full"
	codeVersion   = "version"
	codeSession   = "session"
	codeKey       = "key"
	codeProtocol  = "protocol"
	codeTooLong   = "too_long"
	codeText      = "bad_text"
	codeNoNick    = "no_nick"
	codeSelf      = "self"
	codeNotStored = "not_stored"
	codeIDUsed    = "id_used"
	codeUnknown   = "unknown_command"
	codeUsage     = "usage"
	codeSlow      = "slow"     // a notice: the host reads us slowly
	codeTooSlow   = "too_slow" // a bye: we read the host too slowly
	codeTooOften  = "too_often"
	codeClosing   = "closing"
	codeReplaced  = "replaced"
	codeLeft      = "left"
	codeIdle      = "idle"
	codeNewLog    = "new_log"
	codeStale     = "stale"     // an older join than the last of the seat
	codeElsewhere = "elsewhere" // a notice: our key is used from another address, too
	codeKicked    = "kicked"
	codeBanned    = "banned"
	codeMuted     = "muted"
	codeSlowMode  = "slow_mode"
	codeFiltered  = "filtered"
	codeLocked    = "locked"
	codeDenied    = "denied"
	codeKnock     = "knock"     // a notice: somebody asks to come in
	codeUnchanged = "unchanged" // it is so already
	codeTooMany   = "too_many"
	codeForgotten = "forgotten"
	codeUnread    = "unread"   // the log could not be read
	codeMoved     = "moved"    // a bye: the room has another host
	codeNotHere   = "not_here" // nowhere where we could look
	codeReadonly  = "readonly" // a notice: nothing can be stored,
	codeWritable  = "writable" // and, in the log, again it can
	codeExpired   = "expired"  // a draft is too old to be sent by itself
)

// command is a message from member to host.
type command struct {
	Type string `json:"type"`
	ID   string `json:"id,omitempty"`
	To   string `json:"to,omitempty"`
	Nick string `json:"nick,omitempty"`
	Text string `json:"text,omitempty"`

	// Of a whisper: who To is. A nick may be another's by the time it is sent.
	Key transport.Key `json:"key,omitzero"`

	// Of an act: why, how long or how often, whether addresses count, on or off.
	Reason  string `json:"reason,omitempty"`
	Seconds int    `json:"seconds,omitempty"`
	Address bool   `json:"address,omitempty"`
	State   string `json:"state,omitempty"`

	N int `json:"n,omitempty"` // of a page and a search: how many, before Seq

	// Of what is said: it was sent before, and may be stored.
	Again bool `json:"again,omitempty"`

	// Of a got, and of any command: what has been received.
	Got    uint64      `json:"got,omitempty"`
	Missed [][2]uint64 `json:"missed,omitempty"`

	Scram    string    `json:"scram,omitempty"`    // of a prove
	Verifier *Verifier `json:"verifier,omitempty"` // of a password
	Ticket   string    `json:"ticket,omitempty"`   // of an offer that is declined
	File     *File     `json:"file,omitempty"`     // of a message about one

	// Of a join; of a question the seq, too.
	V         int    `json:"v,omitempty"`
	Room      string `json:"room,omitempty"`
	Session   string `json:"session,omitempty"`
	Log       string `json:"log,omitempty"`
	Seq       uint64 `json:"seq,omitempty"`
	Epoch     uint64 `json:"epoch,omitempty"`
	LastSeq   uint64 `json:"last_seq,omitempty"`
	LastID    string `json:"last_id,omitempty"`
	History   int    `json:"history,omitempty"`
	Quiet     bool   `json:"quiet,omitempty"`
	Deaf      bool   `json:"deaf,omitempty"`
	Share     bool   `json:"share,omitempty"`
	Guest     bool   `json:"guest,omitempty"`
	Hosts     bool   `json:"hosts,omitempty"`
	Files     bool   `json:"files,omitempty"`
	Transport string `json:"transport,omitempty"`

	anew bool          // the sender's log is another than ours
	end  uint64        // the log's, when a join came
	read time.Duration // when it was, after epoch; 0: that is not counted
}

// report is a message from host to member: an event, or an answer.
type report struct {
	Type      string        `json:"type"`
	Seq       uint64        `json:"seq,omitempty"`
	At        time.Time     `json:"at,omitzero"`
	ID        string        `json:"id,omitempty"`
	From      string        `json:"from,omitempty"`
	To        string        `json:"to,omitempty"`
	Nick      string        `json:"nick,omitempty"`
	By        string        `json:"by,omitempty"`
	Text      string        `json:"text,omitempty"`
	Reason    string        `json:"reason,omitempty"`
	Seat      string        `json:"seat,omitempty"`
	Host      string        `json:"host,omitempty"`
	Transport string        `json:"transport,omitempty"`
	Role      string        `json:"role,omitempty"`
	Key       transport.Key `json:"key,omitzero"`
	Until     time.Time     `json:"until,omitzero"`
	Seconds   int           `json:"seconds,omitempty"`
	State     string        `json:"state,omitempty"`
	Addr      string        `json:"addr,omitempty"`
	Ticket    string        `json:"ticket,omitempty"` // of an offer to host the room
	Move      *Move         `json:"move,omitempty"`   // of a bye
	File      *File         `json:"file,omitempty"`   // of a message about one
	Hosts     places        `json:"hosts,omitempty"`  // of a welcome, and of their own message
	Epoch     uint64        `json:"epoch,omitempty"`  // of a join that moved a seat

	FromSeq   uint64      `json:"from_seq,omitempty"`
	Count     uint64      `json:"count,omitempty"`
	Delivered [][3]uint64 `json:"delivered,omitempty"`
	Code      string      `json:"code,omitempty"`
	Suggest   string      `json:"suggest,omitempty"`
	Rooms     []string    `json:"rooms,omitempty"`
	Members   crowd       `json:"members,omitempty"`
	More      bool        `json:"more,omitempty"`
	Events    found       `json:"events,omitempty"` // of a found
	Earlier   bool        `json:"earlier,omitempty"`

	raw []byte // the message itself, until the next

	// Of a welcome.
	V        int    `json:"v,omitempty"`
	Room     string `json:"room,omitempty"`
	Log      string `json:"log,omitempty"`
	Session  string `json:"session,omitempty"`
	After    uint64 `json:"after,omitempty"`
	Resumed  bool   `json:"resumed,omitempty"`
	Anew     bool   `json:"anew,omitempty"`
	Delivery string `json:"delivery,omitempty"`
	Lane     string `json:"lane,omitempty"`
	Secure   bool   `json:"secure,omitempty"`
	Guests   bool   `json:"guests,omitempty"`
	Kept     bool   `json:"kept,omitempty"`
	Keep     string `json:"keep,omitempty"`
	Topic    string `json:"topic,omitempty"`
	Motd     string `json:"motd,omitempty"`
	Why      string `json:"why,omitempty"`
	Vouch    *vouch `json:"vouch,omitempty"`
	Scram    string `json:"scram,omitempty"`
}

// occupant is a Person with the public name of the seat.
type occupant struct {
	Person
	Seat string `json:"seat,omitempty"`
}

// vouch is the room key's word for a host's key.
type vouch struct {
	Key   transport.Key `json:"key"`
	Until int64         `json:"until"` // seconds since 1970
	Sig   []byte        `json:"sig"`
}

// vouchText is what the room's key signs.
func vouchText(host transport.Key, until int64) []byte {
	b := append([]byte("parley vouch 1\n"), host[:]...)
	return append(b, fmt.Sprintf("\n%d", until)...)
}

// check tells whether the room's key vouches for host. Until is not looked at:
// on a LAN clocks may be wrong by years, on either side, and nobody is to be kept
// out by that. What it could bound, the use of a host's stolen key, is bounded by the
// room's owner alone, with a new key for the room.
func (v *vouch) check(host transport.Key) bool {
	return v.Key.Verify(vouchText(host, v.Until), v.Sig)
}

// encode writes a message.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // a page never sees it, and < would take six bytes
	if err := e.Encode(v); err != nil {
		panic("room: " + err.Error()) // of our own structs
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

var errWire = errors.New("not a room message")

// decode reads a message into a command or a report. Fields it does not know
// are passed over.
func decode(msg []byte, into any) error {
	if len(msg) > maxWire || !utf8.Valid(msg) {
		return errWire
	}
	if err := json.Unmarshal(msg, into); err != nil {
		return fmt.Errorf("%w: %v", errWire, err)
	}
	return nil
}

// parseCommand reads a message from a member.
func parseCommand(msg []byte) (c command, err error) {
	if err := decode(msg, &c); err != nil {
		return command{}, err
	}
	if c.Type == "" || len(c.Missed) > maxRuns {
		return command{}, errWire
	}
	return c, nil
}

// parseReport reads a message from a host.
func parseReport(msg []byte) (r report, err error) {
	if err := r.parse(msg); err != nil {
		return report{}, err
	}
	return r, nil
}

// parse is parseReport in the place of what r was: a kilobyte, at every message.
func (r *report) parse(msg []byte) error {
	*r = report{}
	if err := decode(msg, r); err != nil {
		return err
	}
	r.raw = msg
	r.tame()
	if r.Type == "" || len(r.Delivered) > maxTriples || len(r.Members) > maxPeople || len(r.Rooms) > maxRooms || !r.short() {
		return errWire
	}
	return nil
}

// short tells whether what is kept of a message, such as names, is no longer
// than any name is. Texts are for showing, and bounded by the message itself.
func (r *report) short() bool {
	long := func(s string) bool { return len(s) > maxName }
	for i := range r.Members {
		o := &r.Members[i]
		if long(o.Nick) || long(o.Transport) || long(o.Role) || long(o.Seat) || len(o.Away) > 4*maxLine {
			return false
		}
	}
	return !slices.ContainsFunc([]string{r.From, r.To, r.Nick, r.By, r.Seat, r.Host, r.Transport, r.Role, r.Code, r.Suggest,
		r.Room, r.Log, r.Session, r.Delivery, r.Lane, r.State, r.Addr, r.Keep, r.Ticket}, long) && max(len(r.Topic), len(r.Motd)) <= 4*maxLine
}

// ParseJoin returns the room that a connection's first message asks for:
// empty means the only one there.
func ParseJoin(first []byte) (roomName string, err error) {
	c, err := parseCommand(first)
	if err != nil || c.Type != typeJoin {
		return "", errWire
	}
	if c.Room == "" {
		return "", nil
	}
	return text.RoomName(c.Room)
}

// WhichRoom is the answer to a join that names no room where there are several.
func WhichRoom(rooms []string) []byte {
	return encode(report{Type: string(Failure), Code: codeWhich, Rooms: rooms[:min(len(rooms), maxRooms)],
		Text: "there are several rooms here: name one"})
}

// Full is the answer to a join at a host that serves as many as it can.
func Full() []byte { return refusal(codeFull, "this host has as many people as it can serve") }

// NoRoom is the answer to a join for a room that is not here. rooms are those
// that may be told.
func NoRoom(name string, rooms []string) []byte {
	return encode(report{Type: string(Failure), Code: codeNoRoom, Rooms: rooms[:min(len(rooms), maxRooms)],
		Text: fmt.Sprintf("there is no room %q here", name)})
}

// wireForm returns the message that tells of an entry: its body with the
// number, the time and the id, which the body does not hold, in front.
func wireForm(e Entry) []byte {
	if len(e.Body) < 3 || e.Body[0] != '{' {
		return nil
	}
	b := make([]byte, 0, len(e.Body)+112)
	b = append(b, `{"seq":`...)
	b = strconv.AppendUint(b, e.Seq, 10)
	b = append(b, `,"at":"`...)
	b = append(b, stamp(e.At)...)
	b = append(b, `","id":"`...)
	b = hex.AppendEncode(b, e.ID[:])
	b = append(b, `",`...)
	return append(b, e.Body[1:]...)
}

// eventForm is wireForm, and nil for what is not an event.
func eventForm(e Entry) []byte {
	data := wireForm(e)
	if _, err := parseReport(data); err != nil {
		return nil
	}
	return data
}

// Event returns the event that an entry holds, as a member would show it.
func (e Entry) Event() (Event, error) {
	r, err := parseReport(wireForm(e))
	return r.event(), err
}

// event returns the event that r tells of.
func (r *report) event() Event {
	return Event{Type: Kind(r.Type), Seq: r.Seq, At: r.At, From: r.From, To: r.To, Nick: r.Nick, By: r.By, Text: r.Text,
		Reason: r.Reason, ID: r.ID, Role: r.Role, Transport: r.Transport, Key: r.Key, Code: r.Code, Suggest: r.Suggest,
		Until: r.Until, Seconds: r.Seconds, State: r.State, Addr: r.Addr}
}

// seatID names a seat in public: a hash of its secret.
type seatID [16]byte

func (id seatID) String() string { return hex.EncodeToString(id[:]) }

// seatOf returns the public name of the seat with the given secret.
func seatOf(session [16]byte) seatID {
	sum := sha256.Sum256(append([]byte("parley seat 1\n"), session[:]...))
	return seatID(sum[:16])
}

// keyOf returns the key under which a seat's entries are stored when its
// holder has none that is proved.
func keyOf(session [16]byte) transport.Key {
	return sha256.Sum256(append([]byte("parley seat key 1\n"), session[:]...))
}

// parseID reads 32 hex digits.
func parseID(s string) (id [16]byte, ok bool) {
	if len(s) != 32 {
		return id, false
	}
	n, err := hex.Decode(id[:], []byte(s))
	return id, err == nil && n == 16
}

// line tells whether s is fit to be a topic, a reason or a last word.
func line(s string) bool {
	return len(s) <= maxLine && utf8.ValidString(s) &&
		!slices.ContainsFunc([]rune(s), func(r rune) bool { return r < 0x20 || 0x7f <= r && r < 0xa0 })
}
