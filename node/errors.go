package node

import "parley/room"

// Error is a failure that the person at the keyboard can do something about.
type Error struct {
	Code    string         // one of the Code constants: for programs
	Text    string         // what happened: for people
	Hint    string         // what to do about it, or empty
	Choices []room.Listing // CodeAmbiguous: the rooms it may have meant; CodeNotFound: those that are there
	Err     error          // what caused it, or nil
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
	CodeHosted      = "hosted"       // this user hosts that room already
	CodeKeyFile     = "key_file"     // a file with a key cannot be used
	CodeSocket      = "socket"       // the system refuses a socket
)

func (e *Error) Error() string { return e.Text }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }
