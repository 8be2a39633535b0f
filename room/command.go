package room

import "strings"

// An Action is what a typed line asks of the front end itself.
type Action struct {
	Do  string // "", quit, clear, timestamp, bell, list, join, part or quiet
	Arg string
}

// A Command is one that people type, beginning with a slash.
type Command struct {
	Name    string
	Aliases []string
	Args    string // as shown by /help
	Help    string // one line
	Front   string // not empty: the front end does it, as Action.Do
	needs   bool   // nothing is done without Args
}

// Commands are all there are; /help is made of them.
var Commands = []Command{
	{Name: "help", Args: "[COMMAND]", Help: "list the commands, or explain one"},
	{Name: "me", Args: "ACTION", Help: "say what you do", needs: true},
	{Name: "msg", Aliases: []string{"w", "whisper"}, Args: "NICK TEXT", Help: "whisper: only NICK sees it", needs: true},
	{Name: "reply", Aliases: []string{"r"}, Args: "TEXT", Help: "whisper to whom whispered to you last", needs: true},
	{Name: "query", Args: "[NICK]", Help: "whisper every line to NICK; without a name, to the room again"},
	{Name: "nick", Args: "NAME", Help: "take another name", needs: true},
	{Name: "names", Aliases: []string{"who", "users", "clients"}, Help: "who is here"},
	{Name: "whois", Args: "NICK", Help: "more about one person", needs: true},
	{Name: "topic", Args: "[TEXT]", Help: "show or change the topic"},
	{Name: "motd", Help: "what the room told you when you came"},
	{Name: "away", Args: "[REASON]", Help: "tell those who whisper to you that you are away"},
	{Name: "back", Help: "be here again"},
	{Name: "ignore", Args: "[NICK]", Help: "hide what NICK says; without a name, list whom you ignore"},
	{Name: "unignore", Args: "NICK", Help: "show what NICK says again", needs: true},
	{Name: "stats", Help: "what the connection counts"},
	{Name: "list", Aliases: []string{"rooms"}, Help: "rooms on this network", Front: "list"},
	{Name: "join", Args: "ROOM", Help: "go to another room", Front: "join"},
	{Name: "part", Aliases: []string{"leave"}, Args: "[TEXT]", Help: "leave this room", Front: "part"},
	{Name: "quiet", Help: "hide or show joins and leaves", Front: "quiet"},
	{Name: "clear", Help: "clear the screen", Front: "clear"},
	{Name: "timestamp", Help: "show or hide times", Front: "timestamp"},
	{Name: "bell", Args: "[off|dm|mention|all]", Help: "when to ring", Front: "bell"},
	{Name: "quit", Aliases: []string{"exit"}, Args: "[TEXT]", Help: "leave and end the program", Front: "quit"},
}

// Find returns the command called name, or by one of its aliases.
func Find(name string) (Command, bool) {
	name = strings.ToLower(name)
	for _, c := range Commands {
		if c.Name == name {
			return c, true
		}
		for _, a := range c.Aliases {
			if a == name {
				return c, true
			}
		}
	}
	return Command{}, false
}

// Suggest returns the name of the command that was most likely meant by
// name, or nothing when none is near.
func Suggest(name string) string {
	name = strings.ToLower(name)
	best, least := "", 1+max(1, len(name)/3)
	for _, c := range Commands {
		for _, known := range append([]string{c.Name}, c.Aliases...) {
			d := distance(name, known)
			if strings.HasPrefix(known, name) && len(name) > 1 {
				d = 1
			}
			if d < least {
				best, least = known, d
			}
		}
	}
	return best
}

// distance counts the letters to insert, drop, change or swap to make b of a.
func distance(a, b string) int {
	if len(a) > 32 {
		return len(a)
	}
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
