package main

import (
	"fmt"
	"strings"
)

const fishHead = `# Completion of parley for fish: parley completion fish | source

function __parley_takes --description 'whether a flag is followed by its value'
	contains -- $argv[1] TAKES
end

function __parley_path --description 'the command that has been typed, and how many arguments'
	set -l path
	set -l args 0
	set -l skip 0
	for word in (commandline -opc)[2..-1]
		if test $skip = 1
			set skip 0
			continue
		end
		switch $word
			case '--'
				echo "after --"
				return
			case '-*'
				__parley_takes $word; and set skip 1
			case '*'
				set -l longer (string join ' ' -- $path $word)
				if contains -- $longer COMMANDS
					set path $path $word
				else
					set args (math $args + 1)
				end
		end
	end
	string join ' ' -- $path $args
end

function __parley_at --description 'whether the command is this one'
	string match -qr -- "^$argv[1] \d+\$" (__parley_path)
end

function __parley_first --description 'whether its first argument comes now'
	test (__parley_path) = (string trim -- "$argv[1] 0")
end

function __parley_names --description 'names of rooms'
	set -l program (commandline -opc)[1]
	set program (string replace -r '^~/' "$HOME/" -- $program)
	command $program completion $argv[1] 2>/dev/null </dev/null
end

complete -c parley -f
`

// fish is the script for fish.
func (g *grammar) fish() string {
	var takes, paths []string
	for _, f := range g.values {
		if f.kind != "bool" {
			takes = append(takes, f.as(" "))
		}
	}
	for _, n := range g.nodes[1:] {
		paths = append(paths, "'"+n.path+"'")
	}
	var b strings.Builder
	b.WriteString(strings.NewReplacer("TAKES", strings.Join(takes, " "), "COMMANDS", strings.Join(paths, " ")).Replace(fishHead))
	for _, n := range g.nodes {
		for _, c := range n.commands {
			fmt.Fprintf(&b, "complete -c parley -n '__parley_first \"%s\"' -a %s -d '%s'\n", n.path, c.name, c.help)
		}
		switch n.first {
		case "":
		case askFiles:
			fmt.Fprintf(&b, "complete -c parley -n '__parley_first \"%s\"' -F\n", n.path)
		case "shells":
			fmt.Fprintf(&b, "complete -c parley -n '__parley_first \"%s\"' -a '%s'\n", n.path, strings.Join(shells, " "))
		default:
			fmt.Fprintf(&b, "complete -c parley -n '__parley_first \"%s\"' -a '(__parley_names %s)'\n", n.path, n.first)
		}
	}
	for i, n := range g.nodes {
		on := ""
		if i > 0 {
			on = fmt.Sprintf(" -n '__parley_at \"%s\"'", n.path)
		}
		for _, f := range n.flags {
			b.WriteString("complete -c parley" + on + f.fish() + "\n")
		}
	}
	return b.String()
}

// fish is what the script says of a flag.
func (f grammarFlag) fish() string {
	s := " -l " + f.name
	if f.short != "" {
		s += " -s " + f.short
	}
	switch {
	case f.kind == "file":
		s += " -rF"
	case f.kind == "dir":
		s += " -xa '(__fish_complete_directories)'"
	case len(f.words) > 0:
		s += " -xa '" + strings.Join(f.words, " ") + "'"
	case f.kind != "bool":
		s += " -x"
	}
	return s + " -d '" + f.help + "'"
}
