package node

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// wall is what is known of the firewall of this computer.
type wall struct {
	name  string // ufw, firewalld, nftables, iptables; empty: none was seen
	known bool   // its rules were read; else only that it is there, or not even that
	shut  []door // those of ours that it lets nothing in by
}

// A door is a port that others must reach.
type door struct {
	carrier string // udp or tcp
	port    uint16
}

func (d door) String() string { return fmt.Sprintf("%s %d", strings.ToUpper(d.carrier), d.port) }

// doorList are ours.
func (n *Node) doorList() []door {
	talk, find := n.doors()
	return []door{{"udp", talk}, {"tcp", talk}, {"udp", find}}
}

// firewall tells what is known of it. It is no fault: whether it is in the way
// is seen by what comes through.
func (x *examination) firewall(ctx context.Context) {
	talk, find := x.node.doors()
	f := Finding{Check: "firewall", Code: "firewall_open", Note: true, Next: firewallHint(talk, find)}
	switch w := readWall(ctx, x.node.doorList()); {
	case w.known && len(w.shut) > 0:
		f.Code = "firewall_shut"
		f.Text = fmt.Sprintf("the firewall of this computer (%s) lets nobody in by %s: others may not see or join a room of yours", w.name, among(w.shut))
	case w.known:
		f.Text, f.Note, f.Next = "this computer keeps nobody out", false, ""
	case w.name != "":
		f.Code = "firewall_on"
		f.Text = fmt.Sprintf("the firewall of this computer (%s) is on, and may keep others out of a room of yours", w.name)
	default:
		f.Code, f.Note = "firewall_unread", false
		f.Text, f.Next = "what the firewall of this computer lets in cannot be told without more rights", "if others cannot join you: "+f.Next
	}
	x.report(f)
}

func among(doors []door) string {
	var list []string
	for _, d := range doors {
		list = append(list, d.String())
	}
	return strings.Join(list, ", ")
}

// readRuleset reads what nft lists, and tells which doors it shuts: where a chain of
// the hook input drops what no rule has accepted, those that no rule there accepts; and
// those that a rule drops. Whatever may let somebody in counts as if it did.
func readRuleset(text string, doors []door) (shut []door) {
	for _, t := range tablesOf(text) {
		if t.closes && !t.lets {
			for _, d := range doors {
				if !slices.ContainsFunc(t.accepts, func(r rule) bool { return r.matches(d) }) {
					shut = append(shut, d)
				}
			}
		}
		for _, d := range doors {
			if slices.ContainsFunc(t.drops, func(r rule) bool { return r.matches(d) }) {
				shut = append(shut, d)
			}
		}
	}
	return unique(shut)
}

func unique(doors []door) (list []door) {
	for _, d := range doors {
		if !slices.Contains(list, d) {
			list = append(list, d)
		}
	}
	return list
}

// table is what of a table concerns what comes in.
type table struct {
	closes  bool   // what is not accepted is dropped
	lets    bool   // a rule may accept anything
	accepts []rule // in any chain of it
	drops   []rule // in a chain of the hook input
}

// rule is one that concerns carriers or ports; an empty carrier is any, and no ports are all.
type rule struct {
	carrier string
	ports   [][2]uint16
}

func (r rule) matches(d door) bool {
	if r.carrier != "" && r.carrier != d.carrier {
		return false
	}
	return len(r.ports) == 0 || slices.ContainsFunc(r.ports, func(p [2]uint16) bool { return p[0] <= d.port && d.port <= p[1] })
}

func tablesOf(text string) (list []table) {
	var t *table
	input := false
	for l := range strings.Lines(text) {
		words := strings.Fields(l)
		switch {
		case len(words) == 0:
		case words[0] == "table":
			t = nil
			if len(words) > 2 && (words[1] == "ip" || words[1] == "inet") { // the doors are looked at as IPv4
				list = append(list, table{})
				t = &list[len(list)-1]
			}
		case t == nil:
		case words[0] == "chain":
			input = false
		case words[0] == "type" && len(words) > 3:
			input = words[1] == "filter" && words[3] == "input"
			t.closes = t.closes || input && strings.Contains(l, "policy drop")
		default:
			t.add(words, input)
		}
	}
	return list
}

// add adds a rule, of which words are the words.
func (t *table) add(words []string, input bool) {
	r, free, only := ruleOf(words)
	switch {
	case slices.Contains(words, "accept"):
		switch {
		case len(r.ports) > 0 || r.carrier != "":
			t.accepts = append(t.accepts, r)
		case !only:
			t.lets = true
		}
	case !input || !slices.Contains(words, "drop") && !slices.Contains(words, "reject"):
	case free && r.carrier == "" && len(r.ports) == 0:
		t.closes = true
	case free:
		t.drops = append(t.drops, r)
	}
}

// ruleOf reads a rule. It is free if nothing but carrier and port bounds it. Only tells
// that it is of what does not concern newcomers by our ports.
func ruleOf(words []string) (r rule, free, only bool) {
	free = true
	for i := 0; i < len(words); i++ {
		next := func() string {
			if i+1 < len(words) {
				return strings.Trim(words[i+1], `",`)
			}
			return ""
		}
		switch w := words[i]; w {
		case "counter", "accept", "drop", "reject", "with", "comment", "log":
			if w == "comment" {
				return r, free, only
			}
			for w == "counter" && i+2 < len(words) && (words[i+1] == "packets" || words[i+1] == "bytes") {
				i += 2
			}
			if w == "with" {
				i = len(words)
			}
		case "meta":
		case "l4proto", "protocol":
			i++
			r.carrier = words[min(i, len(words)-1)]
			only = only || r.carrier != "udp" && r.carrier != "tcp" && r.carrier != "{"
			if r.carrier == "{" {
				r.carrier = ""
			}
			if only {
				r.carrier = ""
			}
		case "udp", "tcp", "th":
			if w != "th" {
				r.carrier = w
			}
			if next() == "dport" {
				r.ports, i = portsOf(words, i+2)
				continue
			}
			free = false
		case "ip":
			if next() == "protocol" {
				continue
			}
			free = false
		case "iif", "iifname":
			only = only || next() == "lo"
			free = false
			i++
		case "ct", "icmp", "icmpv6", "ip6":
			only = only || w != "ct" || !strings.Contains(strings.Join(words, " "), "new")
			free = false
		default:
			free = false
		}
	}
	return r, free, only
}

// portsOf reads a port, a range, or a set of them that begins at word i, and returns where
// it ends.
func portsOf(words []string, i int) (ports [][2]uint16, last int) {
	for ; i < len(words); i++ {
		switch w := strings.Trim(words[i], ","); w {
		case "{":
			continue
		case "}":
			return ports, i
		default:
			from, to, found := strings.Cut(w, "-")
			if !found {
				to = from
			}
			a, errA := strconv.ParseUint(from, 10, 16)
			b, errB := strconv.ParseUint(to, 10, 16)
			if errA != nil || errB != nil { // a named one is none of ours
				a, b = 0, 0
			}
			ports = append(ports, [2]uint16{uint16(a), uint16(b)})
			if !strings.HasSuffix(words[i], ",") && (i+1 >= len(words) || words[i+1] != "}") {
				return ports, i
			}
		}
	}
	return ports, i
}

// readChain reads what iptables -S INPUT prints.
func readChain(text string, doors []door) (shut []door) {
	t := table{}
	for l := range strings.Lines(text) {
		words := strings.Fields(l)
		if len(words) > 2 && words[0] == "-P" && words[1] == "INPUT" {
			t.closes = words[2] == "DROP"
		}
		if len(words) > 2 && words[0] == "-A" {
			t.addOld(words[2:], words[1] == "INPUT")
		}
	}
	for _, d := range doors {
		in := func(list []rule) bool { return slices.ContainsFunc(list, func(r rule) bool { return r.matches(d) }) }
		if t.closes && !t.lets && !in(t.accepts) || in(t.drops) {
			shut = append(shut, d)
		}
	}
	return shut
}

// addOld adds a rule of iptables.
func (t *table) addOld(words []string, input bool) {
	var r rule
	free, only, does := true, false, ""
	for i := 0; i+1 < len(words); i += 2 {
		switch v := words[i+1]; words[i] {
		case "-p":
			r.carrier = v
			only = v != "udp" && v != "tcp"
		case "--dport", "--dports":
			r.ports, _ = portsOf(strings.Fields(strings.NewReplacer(":", "-", ",", ", ").Replace(v)), 0)
		case "-j":
			does = v
		case "-m":
			if v != "udp" && v != "tcp" && v != "multiport" && v != "comment" {
				free = false
			}
		case "-i":
			only, free = only || v == "lo", false
		case "--ctstate", "--state":
			only, free = only || !strings.Contains(v, "NEW"), false
		case "--reject-with":
		default:
			free = false
		}
	}
	switch {
	case does == "ACCEPT" && only:
	case does == "ACCEPT" && r.carrier == "" && len(r.ports) == 0:
		t.lets = true
	case does == "ACCEPT":
		t.accepts = append(t.accepts, r)
	case !input || !free || does != "DROP" && does != "REJECT" || only:
	case r.carrier == "" && len(r.ports) == 0:
		t.closes = true
	default:
		t.drops = append(t.drops, r)
	}
}
