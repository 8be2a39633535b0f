// Package tui shows rooms on a full screen: a lobby where the rooms of the network
// appear as they are heard, and a window for each room that one sits in.
//
//	tui.go       Options and Run
//	shell.go     what touches the world: seats, their goroutines, the terminal
//	model.go     the machine: messages in, effects out
//	keys.go      what keys do
//	lobby.go     the rooms that are heard
//	window.go    a room: what was said there, how far one has scrolled
//	prompt.go    questions: a name, a password, an address, what was pasted
//	edit.go      the line being typed
//	panel.go     what covers the talk for a while: help, search, the link, counters
//	theme.go     colours and marks
//	view.go      the screen, as rows
//
// # The machine
//
// A model owns all there is to show. It takes one message after the other (a key,
// a batch of events of a room, what a room counts, rooms that were heard), starts
// nothing and waits for nothing: what is to be done comes out as effects, which
// the shell does. What it shows is a function of the model, its size and its theme.
//
// Each seat has two goroutines. The reader turns the seat's stream of events
// into batches, at most one for every frame; while the screen is behind, it waits,
// then the seat, then the host. The typist does what lines say, because that
// may wait for the host. Run has waited for all of them when it returns.
//
// # What reaches the terminal
//
// Names and texts of others come to the screen by way of text.Clean and text.Lines
// alone, and rows are as wide as package text says. Notifications hold words of
// this program only.
package tui

import (
	"context"
	"io"
	"time"

	"parley/room"
)

// A Network is what the screen needs of the machine it runs on.
type Network interface {
	room.Network

	// JoinHeard sits down in a room that was heard.
	JoinHeard(ctx context.Context, l room.Listing, o room.JoinOptions) (*room.Member, error)
}

// A Start is a room to begin with.
type Start struct {
	Title string // what is being done, such as "joining physics"
	Sit   func(ctx context.Context, o room.JoinOptions) (*room.Member, error)
}

// Options say how the screen is. Zero values are usual.
type Options struct {
	In  io.Reader // the terminal
	Out io.Writer

	Nick  string           // the name to ask for
	Join  room.JoinOptions // how to sit down; Ask and Waiting are the screen's own, and Password, if it is nil
	Start *Start           // nil: the lobby
	Deaf  bool             // rooms are not looked for

	// Notes are lines for people from elsewhere in the program.
	Notes <-chan string
	// Explain puts an error in words, with what can be done. Nil: Error does.
	Explain func(error) []string

	Theme  string // dark, light or contrast; empty: dark
	Color  bool   // colours may be used
	ASCII  bool   // marks and lines in ASCII
	Bell   string // off, dm, mention or all; empty: mention
	Notify bool   // ask the terminal for a notification, too (OSC 9)
	Quiet  bool   // no joins and leaves
	Zone   *time.Location
}

// Run shows the screen until the person leaves, or ctx ends. It returns nil, ctx's
// error, or the *room.Refused by which the last seat was put out.
func Run(ctx context.Context, o Options, n Network) error {
	return newShell(ctx, o, n).run(ctx)
}
