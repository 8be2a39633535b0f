package file

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"parley/text"
)

const (
	// maxName is the size in bytes of the longest name a file gets: with a number
	// behind it, every file system in use takes it.
	maxName = 120
	// maxExt is how much of that its extension may be, which is kept when a name
	// is cut.
	maxExt = 16
	// nameless is what a file is called of whose name nothing is left.
	nameless = "file"
)

// Name makes of what somebody else calls a file a name that is harmless on any
// system: without directories, control characters, what changes the
// direction of writing, or what Windows keeps for itself; not hidden, and no longer
// than 120 bytes. A harmless name stays what it is.
func Name(s string) string {
	if i := strings.LastIndexAny(s, `/\`); i >= 0 {
		s = s[i+1:]
	}
	for range 3 { // what goes may leave another beginning, or end, that has to go
		t := strings.Map(harmless, text.Clean(text.Mark(s)))
		t = strings.TrimRight(strings.TrimLeft(t, ". "), ". ")
		if t == s {
			break
		}
		s = t
	}
	s = cut(s)
	if s == "" {
		return nameless
	}
	if reserved(s) || s[0] == '-' { // which a shell's * hands to programs as an option
		s = cut("_" + s)
	}
	return s
}

// harmless keeps a rune, puts another in its place, or drops it.
func harmless(r rune) rune {
	switch {
	case r == utf8.RuneError, unicode.IsControl(r), strings.ContainsRune(`<>:"/\|?*`, r):
		return '_'
	case 0x2400 <= r && r <= 0x2421 || r == '\u23ce': // the visible mark of a control character
		return '_'
	case unicode.Is(unicode.Cf, r): // what cannot be seen, the signs of direction among it
		return -1
	case unicode.IsSpace(r):
		return ' '
	}
	return r
}

// cut makes a name short enough, from the middle: what it ends with tells what
// it is.
func cut(s string) string {
	if len(s) <= maxName {
		return s
	}
	stem, ext := split(s)
	n := maxName - len(ext)
	for n > 0 && !utf8.RuneStart(stem[n]) {
		n--
	}
	return strings.TrimRight(stem[:n], ". ") + ext
}

// split cuts the extension off, if the name has one of a usual length.
func split(s string) (stem, ext string) {
	if i := strings.LastIndexByte(s, '.'); i > 0 && len(s)-i <= maxExt {
		return s[:i], s[i:]
	}
	return s, ""
}

// reserved tells whether Windows takes a name for a device.
func reserved(s string) bool {
	stem, _, _ := strings.Cut(s, ".")
	stem = strings.ToUpper(strings.TrimRight(stem, " "))
	switch stem {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$":
		return true
	}
	for _, port := range []string{"COM", "LPT"} {
		if n, ok := strings.CutPrefix(stem, port); ok && utf8.RuneCountInString(n) == 1 && strings.Contains("0123456789¹²³", n) {
			return true
		}
	}
	return false
}
