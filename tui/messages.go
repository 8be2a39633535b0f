package tui

import "parley/room"

// Effects are what the shell is asked to do.
type (
	effect any
	doSit  struct { // sit down: in Start's room, a room that was heard, one that is named, or one of our own
		start  bool
		heard  *room.Listing
		target string
		host   string
		secret string // of host: the password others need
		nick   string
	}
	doGiveUp struct{} // what doSit began
	doInput  struct {
		win  int
		line string
	}
	doPage struct {
		win    int
		before uint64
	}
	doAnswer struct {
		id   int
		text string
		ok   bool
	}
	doLeave struct {
		win    int
		reason string
	}
	doRing  struct{ words string } // the bell; words: a notification, too
	doClear struct{}               // draw everything anew
	doQuit  struct {
		reason string
		broken bool // nothing was entered: as if interrupted
	}
	doDoctor struct{}
	doExport struct {
		win  int
		file string
	}
	doKeep struct{ line string } // what was typed, for another day
)

// Messages are what the shell tells. Keys and the like are Bubble Tea's.
type (
	heardMsg struct{ room.Listing }
	satMsg   struct {
		win   int
		ready room.Event
	}
	unsatMsg struct { // sitting down has failed
		lines []string
		code  string
		rooms []string
		was   doSit
	}
	eventsMsg struct {
		win    int
		events []room.Event
	}
	countMsg struct { // what a seat counts, now and then
		win          int
		nick         string
		people       []room.Person
		unsent       []room.Unsent
		stats        room.Counters
		host, others bool
	}
	endedMsg struct {
		win   int
		lines []string // why; none: as we wished
	}
	actionMsg struct {
		win    int
		line   string
		action room.Action
		err    string
	}
	pageMsg struct {
		win  int
		look room.Look
		err  string
	}
	askMsg struct { // of a sitting down that is under way
		id     int
		kind   string // nick, password, number, trust, waiting
		lines  []string
		preset string
		most   int    // of number: so many there are
		word   string // of trust: what has to be typed
	}
	noteMsg   struct{ words string }
	doctorMsg struct { // a finding, or that all is found
		line string
		done bool
	}
	saidMsg struct { // what became of an export
		win   int
		words string
		bad   bool
	}
	tickMsg struct{}
	laneMsg struct{} // the lanes may look different now
)
