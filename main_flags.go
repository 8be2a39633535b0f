package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"parley/history"
	"parley/room"
	"parley/transport"
	"parley/udp"
)

// What help texts mention.
const (
	portText      = "7667"
	discoveryText = "7668"
	historyText   = "200"
)

// cli is the command line. Every flag may also be set in the environment, as
// PARLEY_ and the flag's name; a flag goes before the environment.
type cli struct {
	common `embed:"" group:"Flags of every command:"`

	Pick    pickCmd    `cmd:"" default:"1" hidden:""`
	Host    hostCmd    `cmd:"" help:"Host rooms, and sit down in the first."`
	Join    joinCmd    `cmd:"" help:"Join a room."`
	Rooms   roomsCmd   `cmd:"" help:"List the rooms on this network."`
	Send    sendCmd    `cmd:"" help:"Say one thing in a room and leave."`
	Tail    tailCmd    `cmd:"" help:"Print what is said in a room."`
	Book    historyCmd `cmd:"" name:"history" help:"What was said in a room: show it, search it, export it. Works without the room."`
	Pins    pinsCmd    `cmd:"" help:"The rooms you know, and their keys."`
	Doctor  doctorCmd  `cmd:"" help:"Why can I not see anyone? Looks at this computer, the network, and a host."`
	ID      idCmd      `cmd:"" name:"id" help:"Print who you are: your key, and its words."`
	Version versionCmd `cmd:"" help:"Print the version."`

	impair udp.Spec // Impair, parsed
}

// common are the flags of every command.
type common struct {
	Nick          string `short:"n" placeholder:"NAME" help:"Your name in the room. Default: your user name here."`
	Transport     string `short:"t" enum:"auto,udp,tcp" default:"auto" help:"How to talk: auto (UDP, else TCP), udp or tcp."`
	Port          uint16 `short:"p" placeholder:"PORT" help:"Port of both carriers, here when hosting, there when joining. Default: ${port}, or the next free one when hosting."`
	DiscoveryPort uint16 `default:"${discovery}" help:"Port on which rooms find each other."`
	Bind          string `placeholder:"ADDRESS" help:"Use only this address of this computer."`
	Iface         string `placeholder:"NAME" help:"Look for rooms, and announce them, on this network interface only."`
	Plaintext     bool   `help:"No encryption, to watch the wire. Both sides must say it; anyone on the way can read and forge."`
	Peers         string `placeholder:"ADDRESS,..." help:"Computers in other networks to ask for rooms, too: ADDRESS[:PORT], separated by commas."`
	NoDiscovery   bool   `help:"Neither announce rooms nor look for them."`
	Impair        string `placeholder:"SPEC" help:"Damage the datagrams this program sends: loss=20%,dup=5%,delay=50ms,jitter=10ms,reorder=5%,corrupt=1%,seed=7."`
	PasswordFile  string `placeholder:"FILE" help:"File with the password of the room on its only line. Else PARLEY_PASSWORD is used, or you are asked."`
	History       int    `default:"${history}" placeholder:"N" help:"How many earlier lines to show on joining; 0 for none."`
	Keep          string `default:"90d" placeholder:"HOW-LONG" help:"How long what is said is kept on this computer's disk: 90d (so many days), 10000 (so many messages), forever, or none."`
	DataDir       string `placeholder:"DIR" help:"Where your identity, and what was said, is kept. Default: the system's place for such things."`
	JSON          bool   `name:"json" short:"j" help:"Print one JSON object a line."`
	TUI           bool   `name:"tui" hidden:"" help:"Show the full screen."`
	Theme         string `hidden:"" enum:"dark,light,contrast" default:"dark" help:"Colours of the full screen: dark, light or contrast."`
	Bell          string `hidden:"" enum:"off,dm,mention,all" default:"mention" help:"When the full screen rings: off, dm, mention or all."`
	NoNotify      bool   `hidden:"" help:"The full screen rings without asking the terminal for a notification."`
	Plain         bool   `help:"Print plain lines, for screen readers and simple terminals."`
	Quiet         bool   `short:"q" help:"Leave out who comes and goes, and other talk."`
	LogLevel      string `enum:"debug,info,warn,error" default:"warn" help:"How much to log: debug, info, warn or error."`
	LogFile       string `placeholder:"FILE" help:"Log to this file instead of standard error."`
	NoInput       bool   `help:"Never ask; fail instead."`
}

// A pickCmd is parley without a command.
type pickCmd struct{}

type hostCmd struct {
	Rooms    []string `arg:"" optional:"" name:"room" help:"Names of the rooms."`
	Headless bool     `help:"Only host: no seat for you, no input."`
	Stay     bool     `help:"Keep hosting when the input has ended."`
	Topic    string   `placeholder:"TEXT" help:"What the room is about."`
	Guests   bool     `help:"Let bare text clients (netcat, telnet, a script) in over TCP. They read and write in clear."`
	Delivery string   `enum:"ordered,unordered,bare" default:"ordered" help:"How what is said travels to members over UDP: ordered, unordered (each as soon as it is there), or bare (one datagram, never again)."`
	Hidden   bool     `help:"Do not announce the rooms."`
	QR       string   `name:"qr" enum:"auto,on,off" default:"auto" help:"Draw the link of the room for cameras: auto (where it can be seen), on or off."`
	Password bool     `env:"-" help:"Ask for a password, without showing it, that others need to come in."`

	Approve    bool   `help:"Newcomers wait until you, or an op, let them in."`
	Slow       int    `placeholder:"SECONDS" help:"Everybody may say one thing every so many seconds."`
	FilterFile string `placeholder:"FILE" help:"What may not be said: a word, a /regular expression/, links, whispers or actions, one a line."`
	Continue   bool   `env:"-" help:"Open a new room, with a new key, that begins with what is kept here of the old one: for when its host is gone for good."`
	MaxMembers int    `placeholder:"N" help:"How many seats a room has. Default: 1000."`

	filters []string // of FilterFile
}

type joinCmd struct {
	Target string `arg:"" optional:"" help:"A room on this network, HOST[:PORT][/ROOM], or a parley:// link."`
	Stay   bool   `help:"Keep listening when the input has ended."`
}

type roomsCmd struct {
	Watch bool          `short:"w" help:"Keep watching rooms come and go."`
	Wait  time.Duration `default:"1.5s" help:"How long to listen."`
}

type sendCmd struct {
	Target string   `arg:"" name:"room" help:"A room, HOST[:PORT][/ROOM], or a parley:// link."`
	Text   []string `arg:"" optional:"" help:"What to say, after -- if it begins with a dash. Default: standard input."`
}

type tailCmd struct {
	Target string `arg:"" name:"room" help:"A room, HOST[:PORT][/ROOM], or a parley:// link."`
}

// A pinsCmd is about the rooms that are remembered.
type pinsCmd struct {
	List   pinsListCmd   `cmd:"" default:"1" help:"List them. This is what parley pins does by itself."`
	Accept pinsAcceptCmd `cmd:"" help:"Trust a key of a room from now on, beside those it is known by."`
	Forget pinsForgetCmd `cmd:"" help:"Know a room no more: who has its name next is trusted anew."`
}

type pinsListCmd struct{}

type pinsAcceptCmd struct {
	Room string        `arg:"" help:"Name of the room."`
	Key  transport.Key `arg:"" help:"The key, as the refusal, a link or the host's /key has it."`
}

type pinsForgetCmd struct {
	Room string        `arg:"" help:"Name of the room."`
	Key  transport.Key `arg:"" optional:"" help:"Only this key of it."`
}

type idCmd struct{}

type versionCmd struct{}

// check finds what the parser cannot: flags that do not go together.
func (c *cli) check() error {
	if c.Impair != "" {
		spec, err := udp.ParseSpec(c.Impair)
		if err != nil {
			return fmt.Errorf("--impair: %w", err)
		}
		if c.Transport == "tcp" {
			return errors.New("--impair damages datagrams, and with --transport tcp there are none: what TCP sends is the system's business, out of reach of this program. Use --transport udp")
		}
		c.impair = spec
	}
	if c.Bind != "" {
		if _, err := netip.ParseAddr(c.Bind); err != nil {
			return fmt.Errorf("--bind: %q is not an IP address", c.Bind)
		}
	}
	if _, err := parsePeers(c.Peers); err != nil {
		return fmt.Errorf("--peers: %w", err)
	}
	if c.History < 0 {
		return errors.New("--history: want 0 or more")
	}
	if _, err := history.ParseKeep(c.Keep); err != nil {
		return fmt.Errorf("--keep: %w", err)
	}
	if err := c.Host.check(); err != nil {
		return err
	}
	if err := c.Book.check(); err != nil {
		return err
	}
	if c.PasswordFile != "" && c.Host.Password {
		return errors.New("--password asks for a password and --password-file holds one. Leave out one of them")
	}
	if err := c.checkPassword(c.PasswordFile != "" || c.Host.Password); err != nil {
		return err
	}
	if c.Host.Guests && c.Transport == "udp" {
		return errors.New("--guests come over TCP, which --transport udp shuts. Leave one of them out")
	}
	return nil
}

// check looks at what the rooms are to be like, and reads the filters.
func (h *hostCmd) check() (err error) {
	switch {
	case h.Slow < 0 || h.Slow > maxSlow:
		return fmt.Errorf("--slow: want 1 to %d seconds", maxSlow)
	case h.MaxMembers < 0 || h.MaxMembers > maxMembers:
		return fmt.Errorf("--max-members: want 1 to %d", maxMembers)
	case h.FilterFile != "":
		h.filters, err = readFilters(h.FilterFile)
	}
	return err
}

const (
	maxSlow    = 3600 // as /slow has it
	maxMembers = 5000 // whom one host can serve
	maxFilters = 64   // of a room
	maxFile    = 64 << 10
)

// readFilters reads a file of filters. Empty lines, and those that begin with #,
// do not count.
func readFilters(name string) (filters []string, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("--filter-file: %w", err)
	}
	defer f.Close()
	all, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, fmt.Errorf("--filter-file: %w", err)
	}
	for i, l := range strings.Split(string(all), "\n") {
		l = strings.TrimSpace(l)
		if l == "" || l[0] == '#' || slices.Contains(filters, l) {
			continue
		}
		if err := room.CheckFilter(l); err != nil {
			return nil, fmt.Errorf("--filter-file: line %d of %s: %w", i+1, name, err)
		}
		if filters = append(filters, l); len(filters) > maxFilters {
			return nil, fmt.Errorf("--filter-file: %s has more than %d filters", name, maxFilters)
		}
	}
	return filters, nil
}

// maxPeers is how many are asked in every round.
const maxPeers = 32

// parsePeers reads a list of addresses. Those without a port have port 0.
func parsePeers(list string) (peers []netip.AddrPort, err error) {
	for _, word := range strings.Split(list, ",") {
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		p, err := netip.ParseAddrPort(word)
		if err != nil {
			a, err := netip.ParseAddr(word)
			if err != nil {
				return nil, fmt.Errorf("%q is not ADDRESS or ADDRESS:PORT, such as 10.0.5.7", word)
			}
			p = netip.AddrPortFrom(a, 0)
		}
		if !p.Addr().Unmap().Is4() {
			return nil, fmt.Errorf("%s: only IPv4 addresses are asked", word)
		}
		p = netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
		if peers = append(peers, p); len(peers) > maxPeers {
			return nil, fmt.Errorf("more than %d of them", maxPeers)
		}
	}
	return peers, nil
}

// bind is the address of --bind.
func (c *cli) bind() netip.Addr {
	a, _ := netip.ParseAddr(c.Bind)
	return a
}

// delivery is the value of --delivery.
func (h *hostCmd) delivery() transport.Delivery {
	for _, d := range []transport.Delivery{transport.Unordered, transport.Bare} {
		if d.String() == h.Delivery {
			return d
		}
	}
	return transport.Ordered
}

// examples are shown before anything else of a command's help.
var examples = map[string]string{
	"": `
  parley host physics            open a room and sit down in it
  parley                         see the rooms on this network, pick one
  parley join physics            join a room by its name
  parley join 10.0.0.5           join whatever is hosted there
  echo hello | parley send physics
`,
	"host": `
  parley host physics            a room on this network, and a seat in it
  parley host physics maths      two rooms; you sit in the first
  parley host lab --headless     only host, until Ctrl-C
  parley host demo --delivery bare --impair loss=20%,seed=7
                                 see what datagrams lose when nobody repairs it
  parley host class --approve --slow 5
                                 you let people in, and nobody floods
  parley host lab --guests       let netcat in: nc THIS-COMPUTER 7667
  parley host staff --password   others need a password, which you are asked for
`,
	"join": `
  parley join physics            a room on this network
  parley join 10.0.0.5           the room hosted at an address
  parley join 10.0.0.5:7700/lab  one of several rooms there, at another port
  parley join physics --transport tcp
  parley join physics --json     for programs: one JSON object a line
`,
	"rooms": `
  parley rooms                   what is on this network now
  parley rooms --watch           and what comes and goes
  parley rooms --json            for programs
`,
	"send": `
  parley send physics "Back in five minutes"
  make 2>&1 | tail -1 | parley send physics --nick builder
  parley send 10.0.0.5/lab hi && echo stored
`,
	"tail": `
  parley tail physics            read along, silently
  parley tail physics --json | jq -r .text
`,
	"history": `
  parley history physics         all that is kept here of what was said
  parley history physics --search "lens focus" --since 7d
  parley history physics --export physics.md
  parley history physics --json | jq -r .text
  parley history                 the rooms there is something of
`,
	"pins": `
  parley pins                    the rooms you have been in, and their keys
  parley pins forget physics     trust whoever opens physics next
`,
	"pins list": `
  parley pins list               what parley pins shows
  parley pins list --json        for programs
`,
	"pins accept": `
  parley pins accept physics KEY trust this key, too, as the room physics
`,
	"pins forget": `
  parley pins forget physics     trust whoever opens physics next
  parley pins forget physics KEY forget one of its keys
`,
	"doctor": `
  parley doctor                  what is wrong here, and who is heard
  parley doctor 10.0.0.5         whether that computer is reached, and how
  parley doctor --json; echo $?  0 fine, 1 this computer, 3 nobody there, 5 blocked
`,
	"id": `
  parley id                      your key, and words to read out
  parley id --json
`,
	"version": `
  parley version
  parley version --json
`,
}

// examplesFirst prints a command's help, what one may type before the rest.
func examplesFirst(options kong.HelpOptions, ctx *kong.Context) error {
	name := ""
	if selected := ctx.Selected(); selected != nil {
		name = commandName(selected)
	}
	if text := examples[name]; text != "" {
		fmt.Fprintf(ctx.Stdout, "Examples:\n%s\n", strings.TrimPrefix(text, "\n"))
	}
	if name == "" { // the hidden command for none is not worth a page of its own
		ctx.Path = ctx.Path[:1]
	}
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
		return err
	}
	fmt.Fprintf(ctx.Stdout, "\n%s", afterHelp)
	return nil
}

// commandName is what is typed for a command after the program's name: nothing
// for the hidden one.
func commandName(n *kong.Node) string {
	var words []string
	for ; n != nil && n.Type == kong.CommandNode; n = n.Parent {
		if n.Name != "pick" {
			words = append([]string{n.Name}, words...)
		}
	}
	return strings.Join(words, " ")
}

// withoutEnv leaves the environment's names to afterHelp.
func withoutEnv(value *kong.Value) string { return value.Help }

const afterHelp = `Every flag has a name in the environment: PARLEY_DATA_DIR for --data-dir, and so on.
Inside a room, /help lists what you can type. Ctrl-C leaves.
Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 refused, 5 network lost or undelivered,
130 interrupted.
`
