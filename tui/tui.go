// Package tui shows rooms on a full screen: a lobby where the rooms of the network
// appear as they are heard, and a window for each room that one sits in.
//
//	tui.go       Options and Run
//	shell.go     what touches the world: the terminal, and what the model asks for
//	sitting.go   how one gets into a room, and what is asked on the way
//	seated.go    a seat and its goroutines
//	past.go      what was typed, on disk
//	messages.go  what the model is told, and what it asks for
//	model.go     the machine: messages in, effects out
//	happen.go    what happens in rooms, and what lines do
//	keys.go      what keys do
//	lobby.go     the rooms that are heard
//	window.go    a room: what was said there, how far one has scrolled
//	draw.go      what was said, as rows
//	prompt.go    questions: a name, a password, an address, what was pasted
//	edit.go      the line being typed
//	panel.go     what covers the talk for a while: help, search, the link, the doctor
//	stats.go     what a connection counts, drawn
//	lanes.go     the packets of a room, above the talk
//	theme.go     colours and marks
//	view.go      the screen, as rows
//	bars.go      its first row, and the one above what is typed
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

// Lanes draw the packets of rooms.
type Lanes interface {
	// Rows are at most so many, and so wide; they may be painted.
	Rows(width, height int) []string
	// Command does what stands behind /lanes, if it is more than to show or hide them.
	Command(arg string) error
}

// A Start is a room to begin with. If it cannot be, Run ends with the reason.
type Start struct {
	Title  string // what is being done, such as "joining physics"
	Target string // what is joined, if it was named
	Sit    func(ctx context.Context, o room.JoinOptions) (*room.Member, error)
}

// An Offer is a way on from an error: what Lines explain, if the person types Word.
type Offer struct {
	Lines []string
	Word  string
	Do    func() error
}

// Options say how the screen is. Zero values are usual.
type Options struct {
	In  io.Reader // the terminal
	Out io.Writer

	Nick      string           // the name to ask for
	Join      room.JoinOptions // how to sit down; Ask and Waiting are the screen's own, and Password, if it is nil
	Start     *Start           // nil: the lobby
	Host      room.HostOptions // how rooms are that are opened from the lobby, but for their name and password
	Secret    string           // their password, if no other is typed; empty: none
	Deaf      bool             // rooms are not looked for
	Plaintext bool             // nothing is encrypted, so no room has a password

	// Notes are lines for people from elsewhere in the program.
	Notes <-chan string
	// Explain puts an error in words, with what can be done. Nil: Error does.
	Explain func(error) []string
	// Choices are the rooms that were meant, if err is that there are several.
	Choices func(err error) []room.Listing
	// Offer is a way on from err, or nil.
	Offer func(err error) *Offer
	// Doctor looks for what keeps people from seeing each other, a line at a time.
	Doctor func(ctx context.Context, tell func(line string))
	// Export writes what was said where m sits into a file, and tells what it did.
	Export func(ctx context.Context, m *room.Member, file string) (said string, err error)
	// Lanes are the packets of rooms that are hosted here, from the beginning if they
	// are there at all. Nil: none are recorded.
	Lanes Lanes
	// Impair changes what befalls the datagrams that are sent, and tells what it is
	// now. Nil: it cannot be changed.
	Impair func(spec string) (said string, err error)
	// QR draws a link for cameras in so many cells, or returns nothing.
	QR func(link string, width, height int) []string

	Theme  string // dark, light or contrast; empty: dark
	Color  bool   // colours may be used
	ASCII  bool   // marks and lines in ASCII
	Bell   string // off, dm, mention or all; empty: mention
	Notify bool   // ask the terminal for a notification, too (OSC 9)
	Quiet  bool   // no joins and leaves
	Past   string // the file of what was typed; empty: none
	Zone   *time.Location
}

// Shown is an error that has been on the screen: how the last seat ended.
type Shown struct{ Err error }

func (s *Shown) Error() string { return s.Err.Error() }

// Unwrap returns what was shown.
func (s *Shown) Unwrap() error { return s.Err }

// Undelivered is how Run ends when what was said last did not reach the host.
type Undelivered struct {
	N    int  // messages
	Kept bool // they are on disk, and are sent another time
}

func (u *Undelivered) Error() string { return "the host cannot be reached: not all was delivered" }

// Run shows the screen until the person leaves, or ctx ends. It returns nil, ctx's
// error, why the room to begin with could not be entered, *Undelivered, or *Shown
// when the last seat ended otherwise than by leaving it.
func Run(ctx context.Context, o Options, n Network) error {
	return newShell(ctx, o, n).run(ctx)
}
