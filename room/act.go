package room

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// act reads a typed command of those that are for the host and ops. ok is
// false for what is none of them.
func act(c Command, arg string) (cmd command, ok bool, err error) {
	cmd.Type = c.Name
	switch c.Name {
	case "kick", "deny":
		cmd.Nick, cmd.Reason = who(arg)
	case "ban":
		if word, rest := cut(arg); word == "-a" {
			cmd.Address, arg = true, rest
		}
		err = sentenced(c, &cmd, arg)
	case "mute":
		if err = sentenced(c, &cmd, arg); strings.EqualFold(cmd.Nick, everybody) {
			cmd.Nick = ""
		}
	case "unmute":
		if cmd.Nick, _ = who(arg); strings.EqualFold(cmd.Nick, everybody) {
			cmd.Nick = ""
		}
	case "unban", "op", "deop":
		cmd.Nick, _ = who(arg)
	case "slow":
		cmd.Seconds, err = pause(c, arg)
	case "lock":
		cmd.Reason = arg
	case "unlock", "bans":
	case "motd":
		if cmd.Text = arg; arg == "" {
			return cmd, false, nil // shown, as everybody may
		} else if arg == "-" {
			cmd.Text = ""
		}
	case "approve":
		if on := strings.ToLower(arg); arg == "" {
			cmd.Type = typeKnocks
		} else if on == stateOn || on == stateOff {
			cmd.State = on
		} else {
			cmd.Nick, _ = who(arg)
		}
	case "filter":
		if cmd.Text = arg; arg == "" {
			cmd.Type = typeFilters
		}
	case "unfilter":
		cmd.Text = arg
	default:
		return cmd, false, nil
	}
	return cmd, true, err
}

// everybody stands for a nick, as no nick can be.
const everybody = "all"

// who reads a nick and what comes after it.
func who(arg string) (nick, rest string) {
	nick, rest = cut(arg)
	return strings.TrimPrefix(nick, "@"), strings.TrimSpace(rest)
}

// sentenced reads NICK [TIME] [REASON].
func sentenced(c Command, cmd *command, arg string) error {
	nick, rest := who(arg)
	if nick == "" {
		return usage(c)
	}
	cmd.Nick, cmd.Reason = nick, rest
	word, reason := cut(rest)
	if d, ok := duration(word); ok {
		cmd.Seconds, cmd.Reason = int(d/time.Second), strings.TrimSpace(reason)
	} else if _, err := strconv.Atoi(word); err == nil {
		return &Refused{Code: codeUsage, Text: "for how long? " + word + "m are minutes, " + word + "h hours, " + word + "d days"}
	} else if timely(word) { // a slip of the finger must not make it for good
		return &Refused{Code: codeUsage, Text: fmt.Sprintf("%.16q is no time: 10m, 2h and 7d are, up to %dd", word, maxTerm/(24*time.Hour))}
	}
	return nil
}

// timely tells whether a word was meant for a time: a number with a letter, or
// with the name of a unit.
func timely(word string) bool {
	unit := strings.ToLower(strings.TrimLeft(word, "0123456789"))
	if unit == "" || len(unit) == len(word) {
		return false
	}
	return utf8.RuneCountInString(unit) == 1 && unicode.IsLetter([]rune(unit)[0]) ||
		slices.ContainsFunc([]string{"sec", "min", "hour", "hr", "day", "week", "month", "year"}, func(u string) bool { return strings.HasPrefix(unit, u) })
}

// pause reads what /slow is given.
func pause(c Command, arg string) (seconds int, err error) {
	if strings.EqualFold(arg, stateOff) {
		return 0, nil
	}
	if d, ok := duration(arg); ok {
		return int(d / time.Second), nil
	}
	if seconds, err = strconv.Atoi(arg); err != nil || seconds < 0 {
		return 0, usage(c)
	}
	return seconds, nil
}

// duration reads 90s, 10m, 2h, 7d or 4w.
func duration(s string) (time.Duration, bool) {
	if s == "" {
		return 0, false
	}
	unit, ok := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}[s[len(s)-1]|0x20]
	n, err := strconv.ParseUint(s[:len(s)-1], 10, 16)
	return time.Duration(n) * unit, ok && err == nil && 0 < n && n < 10000 // weeks of which fit a Duration
}

// keeps tells whether we are the host or an op.
func (m *Member) keeps() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.role == roleHost || m.role == roleOp
}
