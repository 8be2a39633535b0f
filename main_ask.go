package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/term"

	"parley/room"
	"parley/text"
)

// maxAnswer bounds what a person may type at a question.
const maxAnswer = 1024

// mayAsk tells whether somebody is there to answer.
func (p *program) mayAsk() bool {
	return !p.flags.NoInput && !p.flags.JSON && p.in != nil && term.IsTerminal(int(p.in.Fd()))
}

// say is talk that belongs to a question and is never left out.
func (p *program) say(format string, args ...any) {
	p.print(p.err, fmt.Sprintf(format, args...))
}

// ask asks a question. An empty answer means preset. The end of the input, as
// by Ctrl-D, or of ctx is an error.
func (p *program) ask(ctx context.Context, question, preset string) (string, error) {
	if preset != "" {
		question += " [" + preset + "]"
	}
	fmt.Fprintf(p.err, "%s ", rows(clean(question+":"), columns(p.err)))
	type answer struct {
		text string
		err  error
	}
	got := make(chan answer, 1)
	go func() { // a read of a terminal cannot be called off: after ctx it lives until the program ends
		text, err := readLine(p.in)
		got <- answer{text, err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(p.err)
		return "", ctx.Err()
	case a := <-got:
		if a.err != nil {
			fmt.Fprintln(p.err)
			return "", errQuiet(exitOK) // leaving is an answer, too
		}
		if a.text = strings.TrimSpace(a.text); a.text == "" {
			a.text = preset
		}
		return a.text, nil
	}
}

// readLine reads a line and not a byte more: the rest is somebody else's.
func readLine(r io.Reader) (string, error) {
	var line []byte
	var b [1]byte
	for {
		n, err := r.Read(b[:])
		switch {
		case n == 1 && b[0] == '\n':
			return string(line), nil
		case n == 1 && len(line) < maxAnswer:
			line = append(line, b[0])
		case err != nil && !(errors.Is(err, io.EOF) && len(line) > 0):
			return "", err
		case err != nil:
			return string(line), nil
		}
	}
}

// choice is a question whose answers are numbered.
type choice struct {
	question string
	preset   string // what Enter means; empty: ask again
	n        int    // numbers from 1 to this
}

// choose lets the person pick by number. It returns -1 and what was typed if
// that is no number. Every time it is about to ask, it has next say what.
func (p *program) choose(ctx context.Context, next func() choice) (int, string, error) {
	for {
		c := next()
		typed, err := p.ask(ctx, c.question, c.preset)
		if err != nil {
			return -1, "", err
		}
		number, err := strconv.Atoi(typed)
		switch {
		case typed == "":
		case err != nil:
			return -1, typed, nil
		case number >= 1 && number <= c.n:
			return number - 1, "", nil
		default:
			p.say("there is no number %d", number)
		}
	}
}

// oneOf is the question for one of n that have been listed.
func oneOf(n int) func() choice {
	return func() choice { return choice{question: "Number", n: n} }
}

// describe is a line about a room. With a number or a key it still fits in 80
// columns where names are short.
func describe(l room.Listing) string { return summary(l) + marked(l) }

// summary is describe without what is known of the room's key.
func summary(l room.Listing) string {
	people := fmt.Sprintf("%d people", l.Members)
	if l.Members == 1 {
		people = "1 person"
	}
	how := "encrypted"
	switch {
	case !l.Secure:
		how = "PLAINTEXT"
	case l.Guests:
		how = "open to guests"
	}
	if l.Password {
		how += ", password"
	}
	return pad(l.Room, 16) + "  " + pad(place(l), 20) + "  " + pad(people, 9) + "  " + how
}

// pad fills s up with spaces to w cells of a terminal.
func pad(s string, w int) string {
	return s + strings.Repeat(" ", max(w-text.Width(clean(s)), 0))
}

// place is where a room is, and by what it may be reached.
func place(l room.Listing) string {
	switch {
	case l.UDP == 0:
		return fmt.Sprintf("%s:%d (tcp)", l.Addr, l.TCP)
	case l.TCP == 0:
		return fmt.Sprintf("%s:%d (udp)", l.Addr, l.UDP)
	}
	return fmt.Sprintf("%s:%d", l.Addr, l.UDP)
}
