package room

import (
	"strings"
	"time"

	"parley/transport"
)

// Kind says what an Event tells.
type Kind string

// The kinds that a room's log holds: everybody sees them, with the same seq,
// but for whispers, which two people see.
const (
	Message Kind = "message" // From said Text
	Act     Kind = "action"  // From did Text: /me
	Whisper Kind = "whisper" // From said Text to To alone
	Joined  Kind = "join"    // Nick sat down
	Left    Kind = "leave"   // Nick left; Reason is quit, lost, kicked or banned, Text a last word, or why By did that
	Renamed Kind = "nick"    // From is called Nick from now on
	Topic   Kind = "topic"   // From made Text the topic
	Notice  Kind = "notice"  // the host, or this very program, says Text; in the log when it has a seq
)

// The kinds by which the log tells what the host and its ops did. By did it,
// or the host's own settings where By is empty; Nick, whose key is Key, is whom it
// is about, Reason why, Until when it ends by itself, if it does.
const (
	Kick     Kind = "kick"     // Nick was put out
	Ban      Kind = "ban"      // Nick was put out, and may not come back
	Unban    Kind = "unban"    // Nick may
	Mute     Kind = "mute"     // Nick may not speak; without a Nick nobody may but the host and ops
	Unmute   Kind = "unmute"   // Nick may, or everybody
	Op       Kind = "op"       // Nick may do all this, too
	Deop     Kind = "deop"     // Nick may not any more
	Slow     Kind = "slow"     // one message every Seconds; 0: as many as one likes
	Lock     Kind = "lock"     // nobody new comes in
	Unlock   Kind = "unlock"   // again they do
	Motd     Kind = "motd"     // Text is what newcomers are told
	Approve  Kind = "approve"  // Nick is let in; without a Nick, State tells whether newcomers wait for that: on or off
	Deny     Kind = "deny"     // Nick, who waited, is not; only the host and ops see it
	Filter   Kind = "filter"   // Text may not be said; only the host and By see it
	Unfilter Kind = "unfilter" // Text, or with "all" everything, may; likewise
	Address  Kind = "address"  // what Code says (ban, mute) of Nick holds for everybody from Addr, too; only the host sees it
)

// Hosted is the log's word that Nick hosts the room from here on, and By does not
// any more. Handover is for whom it is about: State is offered, accepted, copying,
// done or failed, Nick the other side, and Text says it.
const (
	Hosted   Kind = "host"
	Handover Kind = "handover"
)

// Transfer is what becomes of a file that From gives To: State is offered, taken,
// progress, done, failed, declined or cancelled, and Text says why, or where it is.
// Transfers is the answer to /files. Own tells that we are the giver.
const (
	Transfer  Kind = "file"
	Transfers Kind = "files"
)

// acts tells the kinds by which the host and its ops act on the room.
func (k Kind) acts() bool {
	switch k {
	case Kick, Ban, Unban, Mute, Unmute, Op, Deop, Slow, Lock, Unlock, Motd, Approve, Deny, Filter, Unfilter, Address:
		return true
	}
	return false
}

// What a State of approve says.
const (
	stateOn  = "on"
	stateOff = "off"
)

// The kinds that are for one member.
const (
	Ready     Kind = "ready"     // the first: where one sits
	Pending   Kind = "pending"   // the message ID, Text, is safe on disk, and not with the host yet
	Accepted  Kind = "accepted"  // the message ID is stored as Seq
	Delivered Kind = "delivered" // Count of Of others have received the message Seq
	Failed    Kind = "failed"    // the message ID, Text, was not stored: Code, and Reason in words
	Link      Kind = "link"      // State lost, resumed or switched
	Gap       Kind = "gap"       // Count events from FromSeq on never came (bare rooms)
	Members   Kind = "members"   // the answer to /names
	Found     Kind = "found"     // the answer to Code: Events, Count of them, as State (host, copy) has them; Why is "more" if there are older ones
	Failure   Kind = "error"     // Code, and Text in words
	Stats     Kind = "stats"     // the answer to /stats
)

// said tells the kinds that somebody said.
func (k Kind) said() bool { return k == Message || k == Act || k == Whisper }

// Moved tells of a join that it was none: somebody who is here went to another host
// of the room. People need not see it.
func (e *Event) Moved() bool { return e.Type == Joined && e.Reason == movedSeat }

// Version is that of the output schema, and of the room protocol.
const Version = 1

// An Event is one thing that a front end shows: one JSON object of the output
// schema. Which fields mean something depends on Type.
//
// Text and names are valid UTF-8 without control characters (but newline and
// tab in Text), and nothing more: a terminal shows them through text.Clean.
type Event struct {
	Type      Kind          `json:"type"`
	V         int           `json:"v,omitempty"` // of a ready: Version
	Seq       uint64        `json:"seq,omitempty"`
	At        time.Time     `json:"at,omitzero"` // by the host's clock; order is Seq's matter
	Room      string        `json:"room,omitempty"`
	From      string        `json:"from,omitempty"`
	To        string        `json:"to,omitempty"`
	Nick      string        `json:"nick,omitempty"`
	By        string        `json:"by,omitempty"`
	Text      string        `json:"text,omitempty"`
	Reason    string        `json:"reason,omitempty"`
	Replay    bool          `json:"replay,omitempty"` // said before this member sat down
	ID        string        `json:"id,omitempty"`     // of a message: 32 hex digits
	Count     int           `json:"count,omitempty"`
	Of        int           `json:"of,omitempty"`
	FromSeq   uint64        `json:"from_seq,omitempty"`
	State     string        `json:"state,omitempty"`
	Until     time.Time     `json:"until,omitzero"` // by the host's clock
	Seconds   int           `json:"seconds,omitempty"`
	Role      string        `json:"role,omitempty"` // host, op, member or guest
	Transport string        `json:"transport,omitempty"`
	Why       string        `json:"why,omitempty"`
	Code      string        `json:"code,omitempty"`
	Suggest   string        `json:"suggest,omitempty"`
	Rooms     []string      `json:"rooms,omitempty"`
	Members   []Person      `json:"members,omitempty"`
	Events    []Event       `json:"events,omitempty"` // of a found, oldest first
	Key       transport.Key `json:"key,omitzero"`     // of a ready the room's, otherwise the person's

	// Of a ready. The node that made the Conn fills in the addresses.
	Secure   bool   `json:"secure,omitempty"`
	Guests   bool   `json:"guests,omitempty"`   // guests read this room in clear
	Delivery string `json:"delivery,omitempty"` // how what is said travels to members
	Kept     bool   `json:"kept,omitempty"`     // what is said outlives the host
	Keep     string `json:"keep,omitempty"`     // and how long: "forever", "90d", "10000" messages
	Motd     string `json:"motd,omitempty"`     // what newcomers are told
	Addr     string `json:"addr,omitempty"`     // also of an address
	TCPAddr  string `json:"tcp_addr,omitempty"`
	Invite   string `json:"link,omitempty"`
	Words    string `json:"words,omitempty"` // the room's key, for people to compare

	File  *File     `json:"file,omitempty"`
	Files []File    `json:"files,omitempty"`
	Stats *Counters `json:"stats,omitempty"`
	Own   bool      `json:"-"` // this seat's own doing
}

// Keeping tells in words, for a ready event, how long what is said is kept.
func (e Event) Keeping() string {
	days, isDays := strings.CutSuffix(e.Keep, "d")
	switch {
	case !e.Kept:
		return "what is said here is not kept: it is gone when the host ends"
	case e.Keep == "" || e.Keep == "forever":
		return "what is said here is kept, by the host and by whoever is here"
	case isDays:
		return "what is said here is kept for " + days + " days, by the host and by whoever is here"
	}
	return "the last " + e.Keep + " things said here are kept, by the host and by whoever is here"
}

// Counters are what /stats answers.
type Counters struct {
	RTT       float64 `json:"rtt_ms"`
	Window    int     `json:"window"`
	InFlight  int     `json:"in_flight"`
	Sent      uint64  `json:"sent"`
	Received  uint64  `json:"received"`
	Lost      uint64  `json:"lost"`
	Resent    uint64  `json:"resent"`
	BytesOut  uint64  `json:"bytes_out"`
	BytesIn   uint64  `json:"bytes_in"`
	Events    uint64  `json:"events"`    // of the room, received by this member
	Twice     uint64  `json:"twice"`     // received again and dropped
	Missed    uint64  `json:"missed"`    // shown as gaps
	Pending   int     `json:"pending"`   // said and not yet stored
	Reconnect int     `json:"reconnect"` // times the seat was resumed
}

// A Person is somebody in the room.
type Person struct {
	Nick      string        `json:"nick"`
	Transport string        `json:"transport"` // the carrier: udp, tcp or pipe
	Role      string        `json:"role"`      // host, op, member or guest
	Key       transport.Key `json:"key,omitzero"`
	Away      string        `json:"away,omitempty"` // why, when away
	Since     time.Time     `json:"since,omitzero"`
}

// MarshalJSON writes the object of the output schema. Fields that a kind
// always has are written when they are false or zero, too.
func (e Event) MarshalJSON() ([]byte, error) {
	type fields Event
	e.Until = e.Until.UTC()
	out := struct {
		Type Kind    `json:"type"`
		V    int     `json:"v,omitempty"`
		Seq  *uint64 `json:"seq,omitempty"`
		At   string  `json:"at,omitempty"`
		Nick *string `json:"nick,omitempty"`
		fields
		Text    *string   `json:"text,omitempty"`
		Replay  *bool     `json:"replay,omitempty"`
		Secure  *bool     `json:"secure,omitempty"`
		Guests  *bool     `json:"guests,omitempty"`
		Seconds *int      `json:"seconds,omitempty"`
		Count   *int      `json:"count,omitempty"`
		Of      *int      `json:"of,omitempty"`
		Members *[]Person `json:"members,omitempty"`
		Events  *[]Event  `json:"events,omitempty"`
		Files   *[]File   `json:"files,omitempty"`
	}{Type: e.Type, V: e.V, fields: fields(e)}
	if e.Seq != 0 || e.Type == Ready {
		out.Seq = &e.Seq
	}
	if e.Nick != "" || e.Type == Ready {
		out.Nick = &e.Nick // empty where the host has no seat
	}
	if !e.At.IsZero() {
		out.At = stamp(e.At)
	}
	if e.Text != "" || e.Type.said() || e.Type == Topic || e.Type == Motd {
		out.Text = &e.Text
	}
	switch e.Type {
	case Message, Act, Whisper:
		out.Replay = &e.Replay
	case Ready:
		out.Secure, out.Guests = &e.Secure, &e.Guests
	case Slow:
		out.Seconds = &e.Seconds
	case Delivered:
		out.Count, out.Of = &e.Count, &e.Of
	case Found:
		out.Events, out.Count = &e.Events, &e.Count
		if e.Events == nil {
			out.Events = &[]Event{}
		}
	case Transfers:
		if out.Files = &e.Files; e.Files == nil {
			out.Files = &[]File{}
		}
	case Members:
		out.Members = &e.Members
		if e.Members == nil {
			out.Members = &[]Person{}
		}
	}
	if e.Replay {
		out.Replay = &e.Replay
	}
	if e.Type != Delivered && e.Count != 0 {
		out.Count = &e.Count
	}
	return encode(out), nil
}

// stamp writes a time as the wire and the output schema do.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }
