//go:build !nolab

// Package page is the class's web page: what a teacher shows on the projector
// and what students hold in their hands. All of it is embedded, and it asks
// nobody but the program that serves it.
//
//	teacher's browser ──┐ token in the link's fragment
//	                    ├── Server ── lab.Engine: one process a run
//	students' phones ───┘ code          └─ one for the live class
//
// What is drawn is drawn by the browsers, from the same lines that terminals and
// files get (package lab). A run is streamed to the teacher who asked for it. All
// that the class shares, who is here, what is asked, how they voted, what they
// said and how it fared, is a [State], of which the Server has one and everybody
// gets the part that is theirs: after each change, and when they come back.
//
// # Who may do what
//
// Whoever has the link that the terminal printed is the teacher: its fragment is a
// secret, which browsers do not send in addresses, and which the page puts into a
// header. A header of its own is also what pages of others cannot send, and
// names other than addresses are refused, which a page elsewhere could have made
// point here. Students give the code on the projector, of which few may be tried
// a minute, and get a token each. What they say is made harmless, bounded in
// length and number, and shown to nobody but the class; nothing is kept.
package page
