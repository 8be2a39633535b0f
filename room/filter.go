package room

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"
	"unicode"

	"parley/text"
)

// Bounds of filters. A message of 4,096 bytes is checked against all of them
// by the host's only loop, so the work of all together is bounded, too: it is
// at most maxSteps for each byte, which takes some 40 ms at the worst, and is part
// of what a message costs its sender (pace.go).
const (
	maxFilters  = 64
	maxPattern  = 256 // bytes
	maxStepsOne = 500 // instructions of a regular expression
	maxSteps    = 2000
	stepsLinks  = 50
)

// Patterns that stand for a kind of message.
const (
	filterLinks    = "links"
	filterWhispers = "whispers"
	filterActions  = "actions"
	everyFilter    = "all" // of unfilter
)

// A filter is a rule about what may be said. Its pattern is
//
//	a word or several   in any letter case, also written with letters that look alike;
//	                    * stands for any letters and digits of a word
//	/…/                 a regular expression of RE2
//	links, whispers, actions
type filter struct {
	pattern string
	words   []string       // folded
	expr    *regexp.Regexp // or this
	steps   int
}

// CheckFilter tells what is wrong with the pattern of a filter.
func CheckFilter(pattern string) error {
	_, err := newFilter(pattern)
	return err
}

func newFilter(pattern string) (*filter, error) {
	f := &filter{pattern: pattern}
	switch {
	case pattern == "" || len(pattern) > maxPattern || !line(pattern):
		return nil, fmt.Errorf("a filter is one line of 1 to %d bytes without control characters", maxPattern)
	case pattern == everyFilter:
		return nil, errors.New("\"all\" would be every filter: choose another word")
	case f.kind() != "a word":
		f.steps = stepsLinks
		return f, nil
	case len(pattern) > 2 && pattern[0] == '/' && pattern[len(pattern)-1] == '/':
		return f, f.compile(pattern[1 : len(pattern)-1])
	}
	for _, w := range split(pattern, '*') {
		if strings.Trim(w, "*") == "" {
			return nil, errors.New("a filter of stars alone would stop everything: /mute all does that")
		}
		f.words = append(f.words, w)
	}
	if f.steps = len(f.words); f.words == nil {
		return nil, errors.New("a filter needs a letter or a digit; between slashes it is a regular expression")
	}
	return f, nil
}

// compile reads a regular expression, and refuses one that is too much work.
func (f *filter) compile(expr string) error {
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err == nil {
		var prog *syntax.Prog
		if prog, err = syntax.Compile(tree.Simplify()); err == nil {
			if f.steps = len(prog.Inst); f.steps > maxStepsOne {
				return errors.New("this regular expression is too much work: make it shorter, with fewer repetitions")
			}
			f.expr, err = regexp.Compile(expr)
		}
	}
	if err != nil {
		return fmt.Errorf("this regular expression cannot be read: %s", text.Clean(err.Error()))
	}
	return nil
}

// kind names the filter without telling what is in it.
func (f *filter) kind() string {
	switch {
	case f.pattern == filterLinks:
		return "links"
	case f.pattern == filterWhispers:
		return "whispers"
	case f.pattern == filterActions:
		return "actions"
	case f.expr != nil:
		return "a pattern"
	}
	return "a word"
}

// stops tells whether the filter is against saying this. Names are neither
// links nor of any kind.
func (f *filter) stops(kind Kind, said string, folded []string) bool {
	switch {
	case f.expr != nil:
		return f.expr.MatchString(said)
	case f.words == nil:
		return f.pattern == filterWhispers && kind == Whisper || f.pattern == filterActions && kind == Act ||
			f.pattern == filterLinks && kind.said() && links().MatchString(said)
	}
	for i := 0; i+len(f.words) <= len(folded); i++ {
		n := 0
		for n < len(f.words) && glob(f.words[n], folded[i+n]) {
			n++
		}
		if n == len(f.words) {
			return true
		}
	}
	return false
}

// links finds what a front end, or a person, would take for the address of
// something elsewhere. Most rooms never look.
var links = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)\b[a-z][a-z0-9+.-]*://\S|\bwww\.[\pL\pN]|\bmailto:\S|` +
		`\b[\pL\pN-]+(\.[\pL\pN-]+)*\.(com|net|org|info|edu|gov|io|app|dev|xyz|gg|ly|me|tv|de|uk|fr|ru|cn|jp)(/|[^\pL\pN.]|$)|` +
		`\b[\pL\pN-]+(\.[\pL\pN-]+)*\.\pL{2,}/\S`)
})

// stop returns the first filter that is against saying this.
func (s *rules) stop(kind Kind, said string) *filter {
	if len(s.filters) == 0 {
		return nil
	}
	folded := split(said, 0)
	for _, f := range s.filters {
		if f.stops(kind, said, folded) {
			return f
		}
	}
	return nil
}

// work is how many steps all filters together take for a byte.
func (s *rules) work() (steps int) {
	for _, f := range s.filters {
		steps += f.steps
	}
	return steps
}

// split returns the words of s in the form in which words are compared: what
// is not seen is gone, and star counts as a letter.
func split(s string, star rune) []string {
	return strings.Fields(text.Key(strings.Map(func(r rune) rune {
		switch {
		case unicode.In(r, unicode.L, unicode.N, unicode.M) && !unicode.Is(unicode.Variation_Selector, r), r == star && star != 0:
			return r
		case unicode.In(r, unicode.Cf, unicode.Variation_Selector):
			return -1
		}
		return ' '
	}, s)))
}

// glob tells whether word is pattern, in which * stands for anything.
func glob(pattern, word string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == word
	}
	if !strings.HasPrefix(word, head) {
		return false
	}
	word = word[len(head):]
	for {
		part, next, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(word, part)
		}
		i := strings.Index(word, part)
		if i < 0 {
			return false
		}
		word, rest = word[i+len(part):], next
	}
}
