package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"parley/cluster"
	"parley/line"
	"parley/node"
	"parley/room"
	"parley/text"
)

// failure is an error as it is told: to people in words with the next step, to
// programs with a code, and to the system as an exit code.
type failure struct {
	code    string
	text    string
	more    []string // what goes with it, a line each
	hint    string   // what to do next
	command string   // and by which command
	suggest string   // a free name
	exit    int
}

// MarshalJSON writes the "error" object of the output schema.
func (f failure) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Type    room.Kind `json:"type"`
		Code    string    `json:"code"`
		Text    string    `json:"text"`
		More    []string  `json:"more,omitempty"`
		Hint    string    `json:"hint,omitempty"`
		Command string    `json:"command,omitempty"`
		Suggest string    `json:"suggest,omitempty"`
	}{room.Failure, f.code, text.Mark(f.text), f.more, text.Mark(f.hint), f.command, f.suggest})
}

// errQuiet ends the program with a code, all having been said.
type errQuiet int

func (e errQuiet) Error() string { return "" }

// usage is a misuse of the command line that only a command itself can find.
type usage struct{ text, hint string }

func (u usage) Error() string { return u.text }

// failed is a failure here with a next step.
type failed struct{ text, hint string }

func (f failed) Error() string { return f.text }

// impossible is what cannot be done on this computer, with a next step.
type impossible struct{ text, hint string }

func (i impossible) Error() string { return i.text }

// codeImpossible is the code of an impossible.
const codeImpossible = "impossible"

// exitOf is the exit code for what a node reports; other codes are failures.
var exitOf = map[string]int{
	node.CodeTarget:      exitUsage,
	node.CodePassword:    exitUsage,
	node.CodeAmbiguous:   exitUsage,
	node.CodeNotFound:    exitNotFound,
	node.CodeMode:        exitRefused,
	node.CodeVersion:     exitRefused,
	node.CodeFull:        exitRefused,
	node.CodeKey:         exitRefused,
	node.CodeMoved:       exitRefused,
	node.CodePlaintext:   exitRefused,
	node.CodeUnreachable: exitUndelivered,

	node.CodeCluster + cluster.CodeAddress:      exitUsage,
	node.CodeCluster + cluster.CodeMissing:      exitNotFound,
	node.CodeCluster + cluster.CodeUnauthorized: exitRefused,
	node.CodeCluster + cluster.CodeTLS:          exitRefused,
	node.CodeCluster + cluster.CodeUnreachable:  exitUndelivered,
}

// explain finds out what kind of error err is.
func explain(err error) failure {
	var (
		quiet   errQuiet
		misuse  usage
		failing failed
		never   impossible
		ours    *node.Error
		refused *room.Refused
	)
	switch {
	case errors.As(err, &quiet):
		return failure{exit: int(quiet)}
	case errors.As(err, &misuse):
		return failure{code: "usage", text: misuse.text, hint: misuse.hint, exit: exitUsage}
	case errors.As(err, &failing):
		return failure{code: "failed", text: failing.text, hint: failing.hint, exit: exitFailure}
	case errors.As(err, &never):
		return failure{code: codeImpossible, text: never.text, hint: never.hint, exit: exitNotFound}
	case errors.As(err, &ours):
		return explainNode(ours)
	case errors.As(err, &refused):
		return explainRefused(refused)
	case errors.Is(err, context.Canceled):
		return failure{exit: exitInterrupted}
	case node.Undelivered(err):
		return failure{code: "lost", text: "the connection is lost: " + err.Error(), exit: exitUndelivered}
	}
	return failure{code: "failed", text: err.Error(), exit: exitFailure}
}

func explainNode(e *node.Error) failure {
	f := failure{code: e.Code, text: e.Text, more: e.More, hint: e.Hint, command: e.Command, exit: exitFailure}
	if code, ok := exitOf[e.Code]; ok {
		f.exit = code
	}
	switch {
	case e.Code == node.CodeAmbiguous:
		for _, l := range e.Choices {
			f.more = append(f.more, joinLine(l), fmt.Sprintf("    key %s%s", node.Fingerprint(l.Key), marked(l)))
		}
	case e.Code == node.CodeNotFound && len(e.Choices) > 0:
		f.more = append(f.more, "these are:")
		for _, l := range e.Choices {
			f.more = append(f.more, fmt.Sprintf("%-20s  %s", l.Room, joinLine(l)))
		}
	}
	return f
}

func explainRefused(r *room.Refused) failure {
	f := failure{code: r.Code, text: r.Text, suggest: r.Suggest, exit: exitRefused, more: r.Rooms}
	switch r.Code {
	case "no_room":
		if f.exit = exitNotFound; len(f.more) > 0 {
			f.more = append([]string{"these are:"}, f.more...)
		}
	case "password":
		f.hint = "give it with --password-file FILE or in PARLEY_PASSWORD, or on a terminal when asked"
	case "closing", "not_stored": // while we waited to be let in; the host cannot
		f.exit = exitUndelivered
	case "which_room":
		f.exit, f.hint = exitUsage, "say which one: parley join HOST/ROOM"
	}
	if r.Suggest != "" {
		f.hint = "free: --nick " + r.Suggest
	}
	return f
}

// noNetwork begins a sentence.
const noNetwork = "This computer is in no network:"

// alone tells whether this computer is in no network.
func alone() bool {
	all, err := net.Interfaces()
	return err == nil && !slices.ContainsFunc(all, func(i net.Interface) bool {
		addrs, err := i.Addrs()
		return i.Flags&net.FlagUp != 0 && i.Flags&net.FlagLoopback == 0 && (err != nil || len(addrs) > 0)
	})
}

// joinLine is the command that joins the room l and no other.
func joinLine(l room.Listing) string {
	port := l.UDP
	if port == 0 {
		port = l.TCP
	}
	return node.JoinLine(netip.AddrPortFrom(l.Addr, port), l.Room)
}

// printJSON prints one object on a line, for programs and yet harmless to a terminal.
func (p *program) printJSON(v any) {
	line.Object(p.out, v) // an error is that of out: nobody reads us
}

// clean makes s, which may come from the network or a file, fit for a terminal.
func clean(s string) string { return text.Clean(s) }
