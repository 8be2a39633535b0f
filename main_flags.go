package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"parley/config"
	"parley/history"
	"parley/room"
	"parley/text"
	"parley/transport"
	"parley/udp"
)

// What help texts mention.
const (
	portText      = "7667"
	discoveryText = "7668"
	historyText   = "200"
)

// helpVars are what help texts mention.
var helpVars = kong.Vars{"port": portText, "discovery": discoveryText, "history": historyText}

// cli is the command line. Every flag may also be set in the environment, as
// PARLEY_ and the flag's name, or in the configuration; a flag goes before the
// environment, and that before the file.
type cli struct {
	common `embed:"" group:"Flags of every command:"`

	Pick     pickCmd       `cmd:"" default:"1" hidden:""`
	Host     hostCmd       `cmd:"" help:"Host rooms, and sit down in the first."`
	Join     joinCmd       `cmd:"" help:"Join a room."`
	Rooms    roomsCmd      `cmd:"" help:"List the rooms on this network."`
	Send     sendCmd       `cmd:"" help:"Say one thing in a room and leave."`
	Tail     tailCmd       `cmd:"" help:"Print what is said in a room."`
	Book     historyCmd    `cmd:"" name:"history" help:"What was said in a room: show it, search it, export it. Works without the room."`
	Pins     pinsCmd       `cmd:"" help:"The rooms you know, and their keys."`
	Doctor   doctorCmd     `cmd:"" help:"Why can I not see anyone? Looks at this computer, the network, and a host."`
	Lab      labCmd        `cmd:"" help:"See, predict and measure how TCP and UDP behave. Needs no privileges, no network."`
	Settings configCmd     `cmd:"" name:"config" help:"Print every setting and where it comes from; make the file that holds them."`
	ID       idCmd         `cmd:"" name:"id" help:"Print who you are: your key, and its words."`
	Complete completionCmd `cmd:"" name:"completion" help:"Print what has your shell complete commands, flags and rooms."`
	Man      manCmd        `cmd:"" help:"Print the manual page."`
	Version  versionCmd    `cmd:"" help:"Print the version."`

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
	Impair        string `placeholder:"SPEC" help:"Damage the datagrams this program sends: loss=20%,delay=50ms,seed=7; also dup=5%, jitter=10ms, reorder=5%, corrupt=1%."`
	PasswordFile  string `placeholder:"FILE" help:"File with the password of the room on its only line. Else PARLEY_PASSWORD is used, or you are asked."`
	History       int    `default:"${history}" placeholder:"N" help:"How many earlier lines to show on joining; 0 for none."`
	Keep          string `default:"90d" placeholder:"HOW-LONG" help:"How long what is said is kept on the disk here: 90d (so many days), 10000 (so many messages), forever, or none."`
	Downloads     string `placeholder:"DIR" help:"Where files go that you take. Default: where this system has its downloads."`
	MaxFile       string `default:"2G" placeholder:"SIZE" help:"Size of the largest file that is sent or taken: 500K, 100M, 2G."`
	NoFiles       bool   `help:"Neither send files nor take any, nor pass them on as a host."`
	DataDir       string `placeholder:"DIR" help:"Where your identity, and what was said, is kept. Default: the system's place for such things."`
	Config        string `placeholder:"FILE" help:"File of settings to read; none: read none. Default: where parley config --path says."`
	JSON          bool   `name:"json" short:"j" help:"Print one JSON object a line."`
	Theme         string `enum:"dark,light,contrast" default:"dark" help:"Colours of the full screen: dark, light or contrast."`
	Bell          string `enum:"off,dm,mention,all" default:"mention" help:"When the full screen rings: off, dm, mention or all."`
	NoNotify      bool   `help:"The full screen rings without asking the terminal for a notification."`
	Plain         bool   `help:"Print plain lines, for screen readers and simple terminals."`
	Lines         bool   `help:"Print lines below each other, with an editor for what you type, and no full screen."`
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
	Lanes    bool     `help:"Watch the packets of the rooms, as they are sent, lost and sent again: above the talk, or as lines on standard error, or as JSON."`
	Page     bool     `help:"With --lanes, and lines instead of a full screen: show the packets on a web page for this computer, too."`
	Metrics  string   `placeholder:"ADDRESS" help:"Show what the rooms count to Prometheus at this address: 9090 for this computer alone, 0.0.0.0:9090 for the network. Default: nowhere."`
	QR       string   `name:"qr" enum:"auto,on,off" default:"auto" help:"Draw the link of the room for cameras: auto (where it can be seen), on or off."`
	Password bool     `env:"-" help:"Ask for a password, without showing it, that others need to come in."`

	Approve    bool   `help:"Newcomers wait until you, or an op, let them in."`
	Slow       int    `placeholder:"SECONDS" help:"Everybody may say one thing every so many seconds."`
	FilterFile string `placeholder:"FILE" help:"What may not be said: a word, a /regular expression/, links, whispers or actions, one a line."`
	Continue   bool   `env:"-" help:"Open a new room, with a new key, that begins with what is kept here of the old one: for when its host is gone for good."`
	MaxMembers int    `placeholder:"N" help:"How many seats a room has. Default: 1000."`

	clusterFlags `embed:""`
	Replicas     int    `placeholder:"N" help:"On how many servers of the cluster a new room is kept: 1, 3 or 5. Default: 3, or 1 where there is one server."`
	CutOff       string `enum:"readonly,queue" default:"readonly" help:"While the cluster cannot be reached: readonly (nothing can be said here) or queue (what is said waits, and goes on when it can)."`

	filters []string // of FilterFile
}

type joinCmd struct {
	Target string `arg:"" optional:"" complete:"rooms" help:"A room on this network, HOST[:PORT][/ROOM], or a parley:// link."`
	Stay   bool   `help:"Keep listening when the input has ended."`
}

type roomsCmd struct {
	Watch bool          `short:"w" help:"Keep watching rooms come and go."`
	Wait  time.Duration `default:"1.5s" placeholder:"TIME" help:"How long to listen: 5s, 2m. Default: 1.5s."`
}

type sendCmd struct {
	Target string   `arg:"" name:"room" complete:"rooms" help:"A room, HOST[:PORT][/ROOM], or a parley:// link."`
	Text   []string `arg:"" optional:"" help:"What to say, after -- if it begins with a dash. Default: standard input."`
}

type tailCmd struct {
	Target string `arg:"" name:"room" complete:"rooms" help:"A room, HOST[:PORT][/ROOM], or a parley:// link."`
}

// A pinsCmd is about the rooms that are remembered.
type pinsCmd struct {
	List   pinsListCmd   `cmd:"" default:"1" help:"List them. This is what parley pins does by itself."`
	Accept pinsAcceptCmd `cmd:"" help:"Trust a key of a room from now on, beside those it is known by."`
	Forget pinsForgetCmd `cmd:"" help:"Know a room no more: who has its name next is trusted anew."`
}

type pinsListCmd struct{}

type pinsAcceptCmd struct {
	Room string        `arg:"" complete:"known" help:"Name of the room."`
	Key  transport.Key `arg:"" help:"The key, as the refusal, a link or the host's /key has it."`
}

type pinsForgetCmd struct {
	Room string        `arg:"" complete:"known" help:"Name of the room."`
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
	if _, err := parseSize(c.MaxFile); err != nil {
		return fmt.Errorf("--max-file: %w", err)
	}
	if err := c.checkMetrics(); err != nil {
		return err
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
	if err := c.Book.Show.check(); err != nil {
		return err
	}
	if c.PasswordFile != "" && c.Host.Password {
		return errors.New("--password asks for a password and --password-file holds one. Leave out one of them")
	}
	for _, move := range []clusterFlags{c.Book.Export.clusterFlags, c.Book.Import.clusterFlags} {
		if err := move.check(); err != nil {
			return err
		}
	}
	if err := c.checkPassword(c.PasswordFile != "" || c.Host.Password); err != nil {
		return err
	}
	if err := c.checkCluster(); err != nil {
		return err
	}
	if err := c.Doctor.check(); err != nil {
		return err
	}
	if c.Host.Guests && c.Transport == "udp" {
		return errors.New("--guests come over TCP, which --transport udp shuts. Leave one of them out")
	}
	return nil
}

// check looks at what the rooms are to be like, and reads the filters.
func (h *hostCmd) check() (err error) {
	h.Topic = text.Mark(h.Topic)
	switch {
	case len(h.Topic) > maxTopic || strings.ContainsAny(h.Topic, "\n\t"):
		return usage{fmt.Sprintf("--topic: want one line of at most %d bytes, without tabs", maxTopic), "say the rest in the room"}
	case h.Slow < 0 || h.Slow > maxSlow:
		return fmt.Errorf("--slow: want 1 to %d seconds", maxSlow)
	case h.MaxMembers < 0 || h.MaxMembers > maxMembers:
		return fmt.Errorf("--max-members: want 1 to %d", maxMembers)
	case h.Replicas < 0 || h.Replicas > maxReplicas:
		return fmt.Errorf("--replicas: want 1 to %d", maxReplicas)
	}
	if err := h.clusterFlags.check(); err != nil {
		return err
	}
	if h.FilterFile != "" {
		h.filters, err = readFilters(h.FilterFile)
	}
	return err
}

const (
	maxSlow    = 3600 // as /slow has it
	maxMembers = 5000 // whom one host can serve
	maxFilters = 64   // of a room
)

// readFilters reads a file of filters. Empty lines, and those that begin with #,
// do not count.
func readFilters(name string) (filters []string, err error) {
	all, err := config.Read(name)
	if of := (*fs.PathError)(nil); errors.As(err, &of) {
		err = of.Err
	}
	if err != nil {
		return nil, fmt.Errorf("--filter-file: %s: %w", name, err)
	}
	for i, l := range strings.Split(all, "\n") {
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
  parley host demo --lanes       watch its packets; lose some: /impair loss=9%
  parley host class --approve --slow 5
                                 you let people in, and nobody floods
  parley host lab --guests       let netcat in: nc THIS-COMPUTER 7667
  parley host bridge --cluster nats://10.0.1.1,nats://10.0.2.1
                                 one room, with whoever else hosts it there
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
	"history show": `
  parley history show physics    what parley history physics shows
  parley history show export     what was said in a room called export
`,
	"history export": `
  parley history export physics --cluster nats://10.0.1.1,nats://10.0.2.1
                                 then, there and on other computers:
  parley host physics --cluster nats://10.0.1.1,nats://10.0.2.1
`,
	"history import": `
  parley history import physics --cluster nats://10.0.1.1,nats://10.0.2.1
                                 then, on this computer alone:
  parley host physics
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
  parley doctor --cluster nats://10.0.0.1
                                 the servers that keep rooms of several hosts
  parley doctor --json; echo $?  0 fine, 1 here, 3 nobody there, 5 blocked
`,
	"config": `
  parley config --init           make the file, with all there is to set
  parley config                  what is set, and where
  parley config --path           where the file is
`,
	"completion": `
  parley completion bash         in ~/.bashrc: source <(parley completion bash)
  parley completion zsh          in ~/.zshrc: source <(parley completion zsh)
  parley completion fish         once: into
                                 ~/.config/fish/completions/parley.fish
  parley completion powershell   in $PROFILE:
                parley completion powershell | Out-String | Invoke-Expression
`,
	"man": `
  parley man | man -l -          read it
  parley man > parley.1          keep it
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
	if selected := ctx.Selected(); selected != nil && takesArgs(selected.DefaultCmd) {
		selected.Flags = append(selected.Flags, selected.DefaultCmd.Flags...)
	}
	if name == "" { // the hidden command for none is not worth a page of its own
		ctx.Path = ctx.Path[:1]
	}
	after := afterHelp
	if name == labName || strings.HasPrefix(name, labName+" ") {
		after = afterLabHelp
		for _, f := range ctx.Model.Flags {
			f.Hidden = f.Hidden || !slices.Contains(labsToo, f.Name)
		}
	}
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
		return err
	}
	fmt.Fprintf(ctx.Stdout, "\n%s", after)
	return nil
}

// commandName is what is typed for a command after the program's name: nothing
// for the hidden ones.
func commandName(n *kong.Node) string {
	var words []string
	for ; n != nil && n.Type == kong.CommandNode; n = n.Parent {
		if n.Name != "pick" && n.Name != "menu" {
			words = append([]string{n.Name}, words...)
		}
	}
	return strings.Join(words, " ")
}

// withoutEnv leaves the environment's names to afterHelp.
func withoutEnv(value *kong.Value) string { return value.Help }

// labName is the command that is a program of its own, almost.
const labName = "lab"

// labsToo are the flags of every command that mean something to the lab.
var labsToo = []string{"help", "transport", "json", "quiet", "no-input"}

const afterLabHelp = `A lesson needs no network and no privileges. Same seed, same bytes, everywhere.
Exit codes: 0 the proof holds, 1 it does not, 2 usage, 3 not possible here,
130 interrupted.
`

const afterHelp = `Every flag is also a variable, PARLEY_DATA_DIR for --data-dir, and a key of the
configuration: see parley config --help.
Inside a room, /help lists what you can type. Ctrl-C leaves.
Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 refused, 5 network lost or
undelivered, 130 interrupted.
`
