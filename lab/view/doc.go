// Package view turns the lines of a run of the lab into what people look at:
// text for a terminal or a projector, and files for other programs. Every view
// is a pure function of the lines, so a run that has just ended, one that was
// saved, and one that somebody sent look alike.
//
//	table     what was claimed, what was measured, what proves it
//	sequence  each frame on its way, what caused it, what it led to
//	timeline  all lanes on one axis of time
//	members   what each person saw, side by side
//	jsonl     the lines themselves
//	csv       a row for each message
//	md        a report
//	cast      the sequence as a recording of a terminal, asciicast v2
//	pcapng    what one host saw
//
// # What is on the screen
//
// A view is at most as wide as [Options] says; below 60 columns there are lists
// instead of pictures. Colour only repeats what a glyph and a word say:
//
//	o5  datagram with message 5        x   lost on its way
//	#5  TCP segment with message 5     ~   damaged on its way
//	R5  sent again                     !   late
//	d5  a second copy                  (5) arrived, but held back
//
// Names and texts may come from a file that somebody made up: all of them go
// through package text once, when the lines are taken in, and nothing but the
// colours of this package's own is added after that. Times and numbers of such
// a file may be anything; a view is bounded by how many lines it is given.
package view
