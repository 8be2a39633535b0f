//go:build !nolab

package own

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"parley/text"
)

// A Fault is what is wrong with a script.
type Fault struct {
	File      string
	Line, Col int    // 0: nowhere in particular
	Source    string // the line
	Text      string // what is wrong
	Hint      string // what can be done
	Where     string // the callback, the end, the wire, the seed and the time at which it came out
	Log       []string
}

// Error tells all of it, on several lines, with nothing in it that a terminal
// obeys.
func (f *Fault) Error() string {
	var b strings.Builder
	b.WriteString(text.Clean(f.File))
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", f.Line, f.Col)
	}
	b.WriteString(": " + text.Clean(f.Text))
	if f.Line > 0 && strings.TrimSpace(f.Source) != "" {
		shown := []rune(strings.ReplaceAll(f.Source, "\t", " "))
		from := max(0, f.Col-60)
		to := min(len(shown), from+100)
		from = min(from, to)
		fmt.Fprintf(&b, "\n%5d | %s\n      | %s^", f.Line, text.Clean(string(shown[from:to])), strings.Repeat(" ", max(0, f.Col-1-from)))
	}
	if f.Where != "" {
		b.WriteString("\n  in " + f.Where)
	}
	if f.Hint != "" {
		b.WriteString("\n  " + f.Hint)
	}
	for _, l := range f.Log {
		b.WriteString("\n  log: " + l)
	}
	return b.String()
}

// aboutScript is the field of a Request that has the script.
const aboutScript = "own"

// About says which part of a Request is wrong.
func (f *Fault) About() string { return aboutScript }

func (s *script) fault(at syntax.Position, what string) *Fault {
	line, col := int(at.Line), max(int(at.Col), 1)
	return &Fault{File: s.file, Line: line, Col: col, Source: s.source(line), Text: what, Hint: hint(what)}
}

// explain makes a Fault of an error of Starlark's.
func (s *script) explain(err error) *Fault {
	var parse syntax.Error
	var names resolve.ErrorList
	var run *starlark.EvalError
	var fault *Fault
	switch {
	case errors.As(err, &fault):
		return fault
	case errors.As(err, &parse):
		return s.fault(parse.Pos, parse.Msg)
	case errors.As(err, &names) && len(names) > 0:
		return s.fault(names[0].Pos, names[0].Msg)
	case errors.As(err, &run):
		what := strings.TrimPrefix(run.Msg, "Starlark computation cancelled: ")
		for i := len(run.CallStack) - 1; i >= 0; i-- {
			if at := run.CallStack[i].Pos; at.IsValid() && at.Filename() == s.file && at.Line > 0 {
				return s.fault(at, what)
			}
		}
		return s.fault(syntax.Position{}, what)
	}
	return s.fault(syntax.Position{}, err.Error())
}

// hints say what a student can do about the mistakes that are made most.
var hints = []struct {
	of   *regexp.Regexp
	what string
}{
	{regexp.MustCompile(`referenced before assignment|cannot .* frozen`),
		"a name that is set outside of a function cannot be set again in it: keep what changes in state, as in state.next = 0 in on_start, then state.next += 1"},
	{regexp.MustCompile(`^undefined: (import|time|random|json|struct|open|math)`), "there are no modules; parley lab own --api lists what there is"},
	{regexp.MustCompile(`^undefined: `), "a name that is not known: misspelt, or not in this language; parley lab own --api lists what there is"},
	{regexp.MustCompile(`called recursively`), "functions cannot call themselves here: use a loop"},
	{regexp.MustCompile(`steps`), "is there a loop that never ends?"},
	{regexp.MustCompile(`key .* not in|state has no`), "on a bad wire a datagram comes twice, or late: ask first, with  if key in …:  or  .get(key)"},
	{regexp.MustCompile(`unknown (binary op|operand types).*NoneType|NoneType`), "a value is None: a .get(key) found nothing, or a function returns nothing"},
	{regexp.MustCompile(`^unpack:`), "unpack reads what pack made: does the other end send something else, too?"},
	{regexp.MustCompile(`unknown binary op: string \+ int|unknown binary op: int \+ string`), "make text of a number with str(n), or send several values with pack(n, text)"},
	{regexp.MustCompile(`got newline, want ':'`), "the line above lacks a : at its end, as in: def on_say(text):"},
	{regexp.MustCompile(`got '\*\*'`), "no ** here: multiply with *"},
	{regexp.MustCompile(`got '?(import|class|try|with|global|nonlocal|yield|async|raise|except|assert)`), "this is Starlark, a smaller Python: no import, class, try, with, global"},
	{regexp.MustCompile(`insert into|during iteration`), "a dict or list cannot change while a loop goes over it: loop over list(…) of it"},
	{regexp.MustCompile(`too many values to unpack|too few values to unpack`), "how many values were packed, and is it this kind of datagram?"},
	{regexp.MustCompile(`it takes more than .* of real time`), "fewer --messages or --seeds, or less to do in each call"},
	{regexp.MustCompile(`memory`), "is something kept that nobody needs any more?"},
}

func hint(what string) string {
	for _, h := range hints {
		if h.of.MatchString(what) {
			return h.what
		}
	}
	return ""
}
