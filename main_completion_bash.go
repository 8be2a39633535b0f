package main

import (
	"fmt"
	"strings"
)

// All scripts do the same: they go through the words before the cursor to see
// which command they name, and whether a flag waits for its value.

const bashHead = `# Completion of parley for bash: source <(parley completion bash)

_parley_names() { # of rooms
	local program=${COMP_WORDS[0]}
	[[ $program == "~/"* ]] && program=$HOME/${program:2}
	"$program" completion "$1" 2>/dev/null </dev/null
}

_parley_files() {
	compopt -o filenames 2>/dev/null
	local name
	while IFS= read -r name; do COMPREPLY+=("$name"); done < <(compgen "$1" -- "$cur")
}

_parley_words() { # those that begin as what has been typed
	local word
	for word in "$@"; do
		[[ $word == "$cur"* ]] && COMPREPLY+=("$before$word")
	done
}
`

const bashTail = `
_parley() {
	local cur=${COMP_WORDS[COMP_CWORD]} before= path= pending= kind commands flags first words word name i args=0
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case $word in
		--) return ;;
		-*)
			_parley_flag "$word"
			if [[ ${COMP_WORDS[i + 1]} == = ]]; then
				((i += 2))
			elif [[ $kind != bool ]]; then
				((i++))
			fi
			((i >= COMP_CWORD)) && pending=$word
			;;
		=) ;;
		*)
			_parley_command
			if [[ " $commands " == *" $word "* ]]; then
				path="${path:+$path }$word"
			else
				((args++))
			fi
			;;
		esac
	done
	if [[ -z $pending && $cur == --*=* ]]; then
		pending=${cur%%=*} before=$pending= cur=${cur#*=}
	elif [[ $cur == = ]]; then
		cur=
	fi
	if [[ -n $pending ]]; then
		_parley_flag "$pending"
		case $kind in
		bool) _parley_words true false ;;
		file) _parley_files -f ;;
		dir) _parley_files -d ;;
		*) _parley_words $words ;;
		esac
		return
	fi
	_parley_command
	if [[ $cur == -* ]]; then
		_parley_words $flags
		return
	fi
	((args > 0)) && return
	_parley_words $commands
	case $first in
	shells) _parley_words SHELLS ;;
	files) _parley_files -f ;;
	?*) while IFS= read -r name; do _parley_words "$name"; done < <(_parley_names "$first") ;;
	esac
}

complete -F _parley parley
`

// bash is the script for bash, also for the old one of macOS.
func (g *grammar) bash() string {
	var b strings.Builder
	b.WriteString(bashHead)
	b.WriteString("\n_parley_command() { # what may follow the command of path\n\tcommands= flags= first=\n\tcase $path in\n")
	for i, n := range g.nodes {
		fmt.Fprintf(&b, "\t%q) commands=%q first=%q", n.path, strings.Join(names(n.commands), " "), n.first)
		if i > 0 {
			fmt.Fprintf(&b, " flags=%q", strings.Join(n.asTyped(), " "))
		}
		b.WriteString(" ;;\n")
	}
	fmt.Fprintf(&b, "\tesac\n\tflags+=%q\n}\n", " "+strings.Join(g.nodes[0].asTyped(), " "))
	b.WriteString("\n_parley_flag() { # which value a flag takes\n\tkind=bool words=\n\tcase $1 in\n")
	for _, f := range g.values {
		if f.kind != "bool" {
			fmt.Fprintf(&b, "\t%s) kind=%s words=%q ;;\n", f.as(" | "), f.kind, strings.Join(f.words, " "))
		}
	}
	b.WriteString("\tesac\n}\n")
	b.WriteString(strings.Replace(bashTail, "SHELLS", strings.Join(shells, " "), 1))
	return b.String()
}
