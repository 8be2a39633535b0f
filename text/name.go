package text

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"
)

const (
	maxNick      = 32 // code points, as IRC's most generous servers allow
	maxNickBytes = 64 // so that a roster's size is known
	maxRoom      = 63 // bytes: a room is a DNS-SD instance name too
)

// reserved are the names that would let their bearer speak for the program:
// its own parts, and the words it uses where a name could stand.
var reserved = []string{"server", "host", "system", "admin", "administrator", "moderator", "op", "operator", "parley", "you", "all", "everyone",
	"the", "nobody", "somebody", "everybody"} // with which its sentences begin: ** the host muted the room

// Nick returns the nick that s stands for, as everybody will see it, or an
// error that states the rule that s breaks.
//
// A nick is a nickname of RFC 8266, so width and compatibility variants are
// folded and letter case is kept. It has 1 to 32 characters in at most 64 bytes,
// no spaces, no colon, comma or round brackets, nothing that looks like a colon, an arrow or a line
// drawn across, nothing invisible, and none of @ # / - in
// front, nor any with which the program's own lines begin: * ! | < >. Its letters are of one script, or of those that one language writes
// together. It has a letter, a digit or a picture, and is not a word by
// which the program itself speaks.
func Nick(s string) (string, error) {
	switch {
	case len(s) > 4*maxNickBytes: // too long whatever it folds to
		return "", errNickLength
	case !utf8.ValidString(s):
		return "", errors.New("the name is not valid UTF-8")
	}
	if err := checkNickRunes(strings.TrimSpace(s)); err != nil {
		return "", err
	}
	nick, err := precis.Nickname.String(s)
	if err != nil {
		if strings.TrimSpace(s) == "" {
			return "", errNickLength
		}
		return "", fmt.Errorf("the name %q has characters that names may not have: use letters and digits", Clean(s))
	}
	if utf8.RuneCountInString(nick) > maxNick || len(nick) > maxNickBytes {
		return "", errNickLength
	}
	// Folding may have brought forth what was not there before.
	if err := checkNickRunes(nick); err != nil {
		return "", err
	}
	if strings.ContainsRune("@#/-*!|<>", rune(nick[0])) {
		return "", fmt.Errorf("a name may not begin with %c", nick[0])
	}
	if err := oneScript(nick); err != nil {
		return "", err
	}
	if strings.Trim(Clean(nick), string(fsi)+string(pdi)) != nick {
		return "", fmt.Errorf("the name %q would not be shown as it is: use letters and digits", Clean(nick))
	}
	key := Key(strings.TrimFunc(nick, func(r rune) bool { return unicode.In(r, unicode.P, unicode.S) })) // host! is host
	for _, word := range reserved {
		if key == Key(word) {
			return "", fmt.Errorf("the name %q is kept for the program itself: choose another", Clean(nick))
		}
	}
	return nick, nil
}

var errNickLength = fmt.Errorf("a name has 1 to %d characters and at most %d bytes", maxNick, maxNickBytes)

// checkNickRunes checks what can be said of each character alone, and that
// combining marks do not pile up.
func checkNickRunes(nick string) error {
	row, marks, seen := 0, 0, nick == ""
	for _, r := range nick {
		switch {
		case unicode.IsSpace(r) || r == '\u2028' || r == '\u2029':
			return errors.New("a name is one word, without spaces")
		case strings.ContainsRune(ends, r) || unicode.Is(drawn, r):
			return fmt.Errorf("a name may not have %q in it", r)
		case control(r):
			return fmt.Errorf("a name may not have control characters such as U+%04X", r)
		case invisible(r) || r == blank:
			return fmt.Errorf("a name may not have invisible characters such as U+%04X", r)
		case !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S):
			return fmt.Errorf("a name may not have the unassigned or private character U+%04X", r)
		}
		if !unicode.IsMark(r) {
			row, marks = 0, 0
			seen = seen || unicode.In(r, unicode.L, unicode.N, unicode.So)
			continue
		}
		if 0x334 <= r && r <= 0x338 || unicode.Is(unicode.Me, r) { // o\u0338 is not ø
			return fmt.Errorf("a name may not have marks through or around its letters such as U+%04X", r)
		}
		row, marks = row+1, marks+1
		if unicode.Is(unicode.Mc, r) {
			row = 0
		}
		if row > maxRow || marks > maxMarks || !seen {
			return fmt.Errorf("a name may have %d combining marks in a row, on a letter", maxRow)
		}
	}
	if !seen {
		return errors.New("a name needs a letter, a digit or a picture")
	}
	return nil
}

// ends are what a name ends with where the program shows it, and what looks like that: behind a colon stands
// what is said, behind a comma the next name, in brackets what somebody is, such as host.
const ends = ":,()" + "\u02d0\u02f8\u0589\u05c3\u0703\u0704\u16ec\u1803\u205a\u2236\ua4fd\ua789"

// drawn are arrows, lines and blocks: the program draws with them who comes and goes, who
// whispers to whom, and where another day begins.
var drawn = &unicode.RangeTable{
	R16: []unicode.Range16{{0x2190, 0x21ff, 1}, {0x2500, 0x259f, 1}, {0x2794, 0x2794, 1}, {0x2798, 0x27bf, 1}, {0x27f0, 0x27ff, 1},
		{0x2900, 0x297f, 1}, {0x2b00, 0x2b11, 1}, {0x2b30, 0x2b4f, 1}, {0x2b5a, 0x2bb9, 1}},
}

// scripts are all but the two whose characters go with any other.
var scripts = func() (names []string) {
	for name := range unicode.Scripts {
		if name != "Common" && name != "Inherited" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}()

// written are the scripts that people write with today, which are those that
// UAX 31 recommends or calls of limited use.
var written = strings.Fields(`
	Adlam Arabic Armenian Balinese Bamum Batak Bengali Bopomofo Canadian_Aboriginal Chakma Cham Cherokee Cyrillic Devanagari
	Ethiopic Georgian Greek Gujarati Gurmukhi Han Hangul Hanifi_Rohingya Hebrew Hiragana Javanese Kannada Katakana Kayah_Li
	Khmer Lao Latin Lepcha Limbu Lisu Malayalam Mandaic Meetei_Mayek Miao Mongolian Myanmar New_Tai_Lue Newa Nko
	Nyiakeng_Puachue_Hmong Ol_Chiki Oriya Osage Saurashtra Sinhala Sundanese Syloti_Nagri Syriac Tai_Le Tai_Tham Tai_Viet
	Tamil Telugu Thaana Thai Tibetan Tifinagh Vai Wancho Yi`)

// together are the scripts that one language writes in one word.
var together = [][]string{
	{"Latin", "Han", "Hiragana", "Katakana"},
	{"Latin", "Han", "Bopomofo"},
	{"Latin", "Han", "Hangul"},
}

// oneScript checks that the letters of nick are of scripts that go together.
func oneScript(nick string) error {
	var have []string
	for _, r := range nick {
		name := scriptOf(r)
		switch {
		case name == "" || slices.Contains(have, name):
		case !slices.Contains(written, name):
			return fmt.Errorf("a name may not have letters such as U+%04X, which nobody writes with today and which look like others", r)
		default:
			have = append(have, name)
		}
	}
	if len(have) < 2 {
		return nil
	}
	for _, set := range together {
		if !slices.ContainsFunc(have, func(name string) bool { return !slices.Contains(set, name) }) {
			return nil
		}
	}
	return fmt.Errorf("a name may not mix %s and %s letters, which look alike: use one of them", have[0], have[1])
}

// scriptOf returns the script of r, or "" if r goes with any.
func scriptOf(r rune) string {
	switch {
	case r < utf8.RuneSelf:
		if unicode.IsLetter(r) {
			return "Latin"
		}
		return ""
	case 0x660 <= r && r <= 0x669, 0x6f0 <= r && r <= 0x6f9: // digits, counted as common by Unicode
		return "Arabic"
	case unicode.In(r, unicode.Common, unicode.Inherited):
		return ""
	}
	for _, name := range scripts {
		if unicode.Is(unicode.Scripts[name], r) {
			return name
		}
	}
	return ""
}

// Suggest returns a valid nick near to nick for which taken is false: ana2, ana3
// and so on for ana. What a nick may not have is left out first; of a nick
// that has nothing usable, guest is made.
func Suggest(nick string, taken func(string) bool) string {
	nick, err := Nick(tame(nick))
	if err != nil {
		nick = "guest"
	} else if !taken(nick) {
		return nick
	}
	stem := strings.TrimRight(nick, "0123456789")
	n := 1
	if digits := nick[len(stem):]; stem == "" || len(digits) > 4 || strings.HasPrefix(digits, "0") {
		stem = nick // a number that is a name, not a count
	} else if digits != "" {
		fmt.Sscan(digits, &n)
	}
	for range 10_000 { // ten times as many as a room has seats
		n++
		if s, err := Nick(fit(stem, fmt.Sprint(n))); err == nil && !taken(s) {
			return s
		}
	}
	return ""
}

// tame leaves out of s what no nick may have.
func tame(s string) string {
	if len(s) > 4*maxNickBytes {
		s = s[:4*maxNickBytes]
	}
	s = strings.Map(func(r rune) rune {
		if r == bad || strings.ContainsRune(ends, r) || unicode.Is(drawn, r) || r == blank || unicode.IsSpace(r) || invisible(r) ||
			!unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S) {
			return -1
		}
		return r
	}, norm.NFKC.String(strings.ToValidUTF8(s, "")))
	return fit(strings.TrimLeft(s, "@#/-*!|<>"), "")
}

// fit puts end behind as much of s as a nick has room for.
func fit(s, end string) string {
	for utf8.RuneCountInString(s)+len(end) > maxNick || len(s)+len(end) > maxNickBytes {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s + end
}

// RoomName returns the room name that s stands for, in Unicode's composed
// form, or an error that states the rule that s breaks: 1 to 63 bytes, no spaces,
// none of / # :, nothing that is not shown as it is.
func RoomName(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", errors.New("the room name is not valid UTF-8")
	}
	if len(s) > 4*maxRoom {
		return "", errRoomLength
	}
	s = norm.NFC.String(s)
	if s == "" || len(s) > maxRoom {
		return "", errRoomLength
	}
	for _, r := range s {
		switch {
		case unicode.IsSpace(r) || r == '\u2028' || r == '\u2029':
			return "", errors.New("a room name is one word, without spaces")
		case strings.ContainsRune("/#:", r):
			return "", fmt.Errorf("a room name may not have %q in it", r)
		case control(r) || override(r) || nonCharacter(r) || r == blank || invisible(r) && r != zwj && !variation(r):
			return "", fmt.Errorf("a room name may not have control or invisible characters such as U+%04X", r)
		}
	}
	if strings.Trim(Clean(s), string(fsi)+string(pdi)) != s { // or two would be shown alike
		return "", errors.New("a room name may not have what would not be shown as it is: use letters and digits")
	}
	return s, nil
}

var errRoomLength = fmt.Errorf("a room name has 1 to %d bytes", maxRoom)

// RoomKey returns what two names of the same room have in common, whatever
// the letter case and the keyboard, and whether a sign is shown as a picture.
func RoomKey(name string) string {
	key := norm.NFKC.String(cases.Fold().String(norm.NFKC.String(name)))
	return strings.Map(func(r rune) rune {
		if invisible(r) {
			return -1
		}
		return r
	}, key)
}
