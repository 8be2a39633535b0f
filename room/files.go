package room

import (
	"context"
	"encoding/hex"
	"strings"
	"time"

	"parley/text"
	"parley/transport"
)

const (
	// maxOffers is how many files one key may have offered at a time, and
	// maxRoomOffers how many a room keeps in mind.
	maxOffers     = 8
	maxRoomOffers = 256
	// offerLife is how long an offer waits for an answer: somebody may be at lunch.
	offerLife = 10 * time.Minute
	// offerDoubt is how long a member waits for a host that it has come back to, or to a new one, to
	// tell of an offer again: whoever made it is back before, or gone (lingering).
	offerDoubt = lingering + 10*time.Second
	// maxKeyCarried is how many files one key may give and take at once, and
	// maxCarried how many pass through a room: more would only make each slower.
	maxKeyCarried = 4
	maxCarried    = 64
	// maxFileName bounds what a file is called in an offer.
	maxFileName = 255
	// maxOffered is how many offers a member keeps that wait for its user. With more
	// somebody is making a nuisance of himself, and they are declined.
	maxOffered = 32
	// maxTold is how many transfers that have ended are still listed.
	maxTold = 16
	// fileCost is the price of a message about a file: a line on somebody's screen,
	// who did not ask for it.
	fileCost = 10
)

// typeFile is that of messages about files, typeCarry of those that begin a
// connection for the bytes of one.
const (
	typeFile  = "file"
	typeCarry = "carry"
)

// States of a file, in messages and in events.
const (
	FileOffered   = "offered"   // From would give it to To
	FileTaken     = "taken"     // To wants it
	FileProgress  = "progress"  // Bytes of Size are there
	FileDone      = "done"      // whole, and checked
	FileFailed    = "failed"    // it goes no further; Text says why
	FileDeclined  = "declined"  // To does not want it
	FileCancelled = "cancelled" // somebody wanted it to end, or was gone

	fileOffer   = "offer" // and, in messages to the host only, these
	fileTake    = "take"
	fileDecline = "decline"
	fileCancel  = "cancel"
)

// Codes of refusals that are about files.
const (
	codeNoFiles = "no_files" // the host, or the other's program, has to do with none
	codeNoOffer = "no_offer" // there is no such offer, or not for us
	codeAlone   = "alone"    // the other side has not come
	codeSize    = "size"     // more than --max-file
)

// File is a file that is passed on, as messages and events name it.
type File struct {
	N     int    `json:"n,omitempty"` // what this program calls it, in events
	ID    string `json:"id,omitempty"`
	Name  string `json:"name,omitempty"`
	Size  int64  `json:"size"`
	Sum   string `json:"sum,omitempty"` // its SHA-256, in hex
	Bytes int64  `json:"bytes,omitempty"`
	Rate  int64  `json:"rate,omitempty"` // bytes a second, lately
	Path  string `json:"path,omitempty"` // where it is on this computer

	// Of one in the answer to /files.
	From  string `json:"from,omitempty"`
	To    string `json:"to,omitempty"`
	State string `json:"state,omitempty"`
}

// valid tells whether f is fit to be in an offer.
func (f *File) valid() bool {
	if f == nil {
		return false
	}
	_, ok := parseID(f.ID)
	return ok && f.Name != "" && len(f.Name) <= maxFileName && line(f.Name) && !strings.ContainsAny(f.Name, `/\`) && f.Size >= 0 && f.Size <= 1<<62 && isSum(f.Sum)
}

func isSum(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 32 && s == strings.ToLower(s)
}

// offered is what others are told of f.
func (f *File) offered() *File { return &File{ID: f.ID, Name: f.Name, Size: f.Size, Sum: f.Sum} }

// tame makes what a host says of a file fit to be shown.
func (f *File) tame() *File {
	if f == nil {
		return nil
	}
	return &File{ID: oneLine(f.ID), Name: text.Truncate(oneLine(f.Name), maxFileName), Size: f.Size, Sum: f.Sum}
}

// Files is this machine's part in passing files on: it reads and writes them, and
// makes the connections that their bytes travel on.
type Files interface {
	// Look reads the file at path, which is to be offered.
	Look(ctx context.Context, path string) (Looked, error)

	// Give gives a file that was looked at, over as many connections as it takes,
	// until the other side has it whole.
	Give(ctx context.Context, g Looked, c Carriage) error

	// Take takes a file, likewise, and returns where it is.
	Take(ctx context.Context, f File, c Carriage) (path string, err error)

	// Most is the size of the largest file that is given or taken.
	Most() int64
}

// Looked is a file that was looked at.
type Looked struct {
	File
	Time time.Time // of its last change
}

// Carriage is how the bytes of a file travel.
type Carriage struct {
	// Attach makes a new connection to the room's host one for this file. When it
	// returns, the other side is at its end, and what is sent is for that. An error
	// is no reason not to try again.
	Attach func(ctx context.Context, c transport.Conn) error
	// Moved is told how much the taker has.
	Moved func(bytes int64)
}
