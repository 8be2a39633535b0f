package node

import (
	"strings"

	"parley/room"
	"parley/transport"
)

// Error is a failure that the person at the keyboard can do something about.
type Error struct {
	Code    string         // one of the Code constants: for programs
	Text    string         // what happened: for people
	More    []string       // what goes with it, a line each
	Hint    string         // what to do about it, or empty
	Command string         // a command that does it, to be copied, or empty
	Choices []room.Listing // CodeAmbiguous: the rooms it may have meant; CodeNotFound: those that are there
	Err     error          // what caused it, or nil

	// Of CodeKey, where accepting the key would help: the room, and its key now.
	Room string
	Key  transport.Key
}

// What an Error is about.
const (
	CodeTarget      = "bad_target"   // what was typed names nothing
	CodeNotFound    = "not_found"    // no such room, no such host
	CodeAmbiguous   = "ambiguous"    // several rooms have that name
	CodeUnreachable = "unreachable"  // nobody answers there
	CodeMode        = "mode"         // one side is encrypted and the other is plaintext
	CodeVersion     = "version"      // they speak another version
	CodeFull        = "full"         // no place left there
	CodeKey         = "key_mismatch" // the room is not the one that was meant
	CodePassword    = "password"     // a room that everybody could read along in has none
	CodePort        = "port_taken"   // somebody else has the port
	CodeMoved       = "moved"        // the room was handed over to another host
	CodeHosted      = "hosted"       // this user hosts that room already
	CodeKeyFile     = "key_file"     // a file with a key cannot be used
	CodeDataDir     = "data_dir"     // nor the directory of all that is kept
	CodeNoDir       = "data_no_dir"  // nor is there room for one: something else has its name
	CodeHistory     = "history"      // nor the one with what was said
	CodePinsFile    = "pins_file"    // nor the one with the keys of rooms
	CodePlaintext   = "downgrade"    // a room that is known as encrypted was asked for in plaintext
	CodeSocket      = "socket"       // the system refuses a socket
)

// Error is what happened, on the first line; what goes with it and what to do
// follow where the first line alone would help nobody.
func (e *Error) Error() string {
	if len(e.More) == 0 && e.Command == "" {
		return e.Text
	}
	lines := append(append([]string{e.Text}, e.More...), e.Hint, e.Command)
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }
