package room

import (
	"strings"

	"parley/text"
)

// An Action is what a typed line asks of the front end itself.
type Action struct {
	Do  string // "" or the Front of a Command
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
	rare    bool   // /help only names it, so that all fits on a small screen
	seated  bool   // not for guests: their screen and their connection are their own
	keeper  bool   // for the host and ops
}

// Keeper tells whether the command is for the host and ops.
func (c Command) Keeper() bool { return c.keeper }

// Commands are all there are; /help is made of them.
var Commands = []Command{
	{Name: "help", Args: "[COMMAND]", Help: "list the commands, or explain one"},
	{Name: "names", Aliases: []string{"who", "users", "clients"}, Help: "who is here"},
	{Name: "msg", Aliases: []string{"w", "whisper"}, Args: "NICK TEXT", Help: "whisper: only NICK sees it", needs: true},
	{Name: "reply", Aliases: []string{"r"}, Args: "TEXT", Help: "whisper to whom whispered to you last", needs: true},
	{Name: "me", Args: "ACTION", Help: "say what you do", needs: true},
	{Name: "nick", Args: "NAME", Help: "take another name", needs: true},
	{Name: "topic", Args: "[TEXT]", Help: "show the topic, or as the host or an op change it"},
	{Name: "away", Args: "[REASON]", Help: "tell those who whisper to you that you are away"},
	{Name: "list", Aliases: []string{"rooms"}, Help: "rooms on this network", Front: "list", seated: true},
	{Name: "join", Args: "ROOM", Help: "go to another room", Front: "join", seated: true},
	{Name: "part", Aliases: []string{"leave"}, Args: "[TEXT]", Help: "leave this room", Front: "part"},
	{Name: "quit", Aliases: []string{"exit"}, Args: "[TEXT]", Help: "leave and end the program", Front: "quit"},
	{Name: "back", Help: "be here again", rare: true},
	{Name: "whois", Args: "NICK", Help: "more about one person", needs: true, rare: true},
	{Name: "query", Args: "[NICK]", Help: "whisper every line to NICK; without a name, to the room again", rare: true},
	{Name: "ignore", Args: "[NICK]", Help: "see nothing more of NICK; without a name, list whom you ignore", rare: true},
	{Name: "unignore", Args: "NICK", Help: "hear NICK again", needs: true, rare: true},
	{Name: "link", Aliases: []string{"invite"}, Help: "the link that brings others here", Front: "link", rare: true, seated: true},
	{Name: "key", Aliases: []string{"fingerprint"}, Help: "the keys of the room and of you, in words that can be read out", rare: true},
	{Name: "motd", Args: "[TEXT|-]", Help: "what the room told you when you came; the host and ops set it with TEXT, - takes it away", rare: true},
	{Name: "password", Args: "NEW|off", Help: "the host alone: change what newcomers have to know, or take it off", needs: true, rare: true, seated: true},
	{Name: "handover", Args: "[NICK|-]", Help: "the host alone: have NICK host the room, with all that was said; without a name, who could; - calls it off", rare: true, seated: true},
	{Name: "accept", Help: "host the room that its host offers you, on this computer", rare: true, seated: true},
	{Name: "decline", Args: "[TEXT]", Help: "do not", rare: true, seated: true},
	{Name: "send", Args: "NICK FILE", Help: "offer NICK a file of this computer; it goes when NICK takes it", needs: true, rare: true, seated: true},
	{Name: "take", Args: "[NICK|N]", Help: "take the file that you are offered, by NICK, or the one with the number N", rare: true, seated: true},
	{Name: "refuse", Args: "[NICK|N]", Help: "do not take it", rare: true, seated: true},
	{Name: "files", Help: "files that are offered, under way, or just over", rare: true, seated: true},
	{Name: "cancel", Args: "[N]", Help: "end a file's being offered, or its way", rare: true, seated: true},
	{Name: "resend", Args: "[ID|all]", Help: "say again what could not be stored: the last of it, one, or all", rare: true},
	{Name: "stats", Help: "what the connection counts", rare: true},
	{Name: "lanes", Args: "[stop|go|20ms]", Help: "as the host, started with --lanes: watch the packets go; again: hide them; stop: hold the picture; 20ms: so much for a column", Front: "lanes", rare: true, seated: true},
	{Name: "impair", Args: "[loss=5%,delay=20ms|off]", Help: "as the host, started with --lanes or --impair: damage the datagrams that this program sends", Front: "impair", rare: true, seated: true},
	{Name: "search", Args: "WORDS", Help: "what was said with all of these words; again without words: what is older", rare: true, seated: true},
	{Name: "lastlog", Args: "[N]", Help: "the last N things that were said", rare: true, seated: true},
	{Name: "export", Args: "FILE", Help: "write what was said into a new file: FILE.txt, .md, .jsonl or .csv", Front: "export", rare: true, seated: true},
	{Name: "delivered", Args: "[SEQ|on|off]", Help: "how many have received what you said last, or the message SEQ; on shows it for all you say", rare: true, seated: true},
	{Name: "quiet", Help: "hide or show joins and leaves", Front: "quiet", rare: true},
	{Name: "timestamp", Help: "show or hide times", Front: "timestamp", rare: true},
	{Name: "bell", Args: "[off|dm|mention|all]", Help: "when to ring", Front: "bell", rare: true, seated: true},
	{Name: "clear", Help: "clear the screen", Front: "clear", rare: true, seated: true},
	{Name: "kick", Args: "NICK [REASON]", Help: "put NICK out, who may come back", needs: true, keeper: true},
	{Name: "ban", Args: "[-a] NICK [10m|2h|7d] [REASON]", Help: "put NICK out for good or for a time, whatever the nick; -a bans the address, too", needs: true, keeper: true},
	{Name: "unban", Args: "NICK", Help: "let NICK in again, who was banned under this nick", needs: true, keeper: true},
	{Name: "bans", Aliases: []string{"banlist"}, Help: "who is banned, and who is muted", keeper: true},
	{Name: "mute", Aliases: []string{"silence"}, Args: "NICK|all [10m|2h|7d] [REASON]", Help: "NICK, or everybody but the host and ops, may not speak", needs: true, keeper: true},
	{Name: "unmute", Args: "NICK|all", Help: "NICK, or everybody, may speak again", needs: true, keeper: true},
	{Name: "slow", Args: "SECONDS|off", Help: "everybody may say one thing every so many SECONDS", needs: true, keeper: true},
	{Name: "op", Args: "NICK", Help: "NICK may do all this, too", needs: true, keeper: true},
	{Name: "deop", Args: "[NICK]", Help: "NICK may not any more; without a name, you", keeper: true},
	{Name: "lock", Args: "[REASON]", Help: "nobody new comes in; who was here before may come back", keeper: true},
	{Name: "unlock", Help: "newcomers come in again", keeper: true},
	{Name: "approve", Args: "[NICK|on|off]", Help: "let NICK in; on: newcomers wait for that; without a name, who waits", keeper: true},
	{Name: "deny", Args: "NICK [REASON]", Help: "do not let NICK in", needs: true, keeper: true},
	{Name: "filter", Args: "[PATTERN]", Help: "stop what has the word (* in it: anything), matches the /regular expression/, or is links, whispers or actions; without a pattern, list them", keeper: true},
	{Name: "unfilter", Args: "PATTERN|all", Help: "stop it no more", needs: true, keeper: true},
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
// name, or nothing when none is really near: one that name begins, or one that is
// a slip away, or two where the name is long enough that this is no accident.
func Suggest(name string) string {
	name = strings.ToLower(name)
	best, least := "", len(name)
	for _, c := range Commands {
		for _, known := range append([]string{c.Name}, c.Aliases...) {
			d := text.Distance(name, known)
			switch {
			case len(name) > 1 && strings.HasPrefix(known, name):
				d = 0
			case len(known) >= 3 && d == 1, len(known) >= 5 && d == 2:
			default:
				continue
			}
			if d < least {
				best, least = known, d
			}
		}
	}
	return best
}
