package main

import (
	"fmt"
	"strings"
)

const zshHead = `#compdef parley
# Completion of parley for zsh: source <(parley completion zsh), or as a file
# called _parley in a directory of $fpath.
`

const zshTail = `
_parley() {
	local cur=${words[CURRENT]} path_= pending= kind first word i args=0
	local -a commands flags values_ names_
	for ((i = 2; i < CURRENT; i++)); do
		word=${words[i]}
		case $word in
		--) return 1 ;;
		--*=*) ;;
		-*)
			_parley_flag $word
			if [[ $kind != bool ]]; then
				((i++))
				((i >= CURRENT)) && pending=$word
			fi
			;;
		*)
			_parley_command
			if (( ${commands[(I)${(b)word}:*]} )); then
				path_=${path_:+$path_ }$word
			else
				((args++))
			fi
			;;
		esac
	done
	if [[ -z $pending && $cur == --*=* ]]; then
		pending=${cur%%=*}
		compset -P '*='
	fi
	if [[ -n $pending ]]; then
		_parley_flag $pending
		case $kind in
		bool) compadd true false ;;
		file) _files ;;
		dir) _files -/ ;;
		*) compadd -a values_ ;;
		esac
		return
	fi
	_parley_command
	if [[ $cur == -* ]]; then
		_describe -o flag flags
		return
	fi
	((args > 0)) && return 1
	(( ${#commands} )) && _describe command commands
	case $first in
	shells) compadd SHELLS ;;
	files) _files ;;
	?*)
		names_=(${(f)"$(_call_program rooms ${(q)words[1]} completion $first 2>/dev/null </dev/null)"})
		compadd -a names_
		;;
	esac
}

if [[ $funcstack[1] == _parley ]]; then
	_parley "$@"
else
	compdef _parley parley
fi
`

// zsh is the script for zsh.
func (g *grammar) zsh() string {
	var b strings.Builder
	b.WriteString(zshHead)
	b.WriteString("\n_parley_command() { # what may follow the command of path_\n\tcommands=() flags=() first=\n\tcase $path_ in\n")
	for i, n := range g.nodes {
		fmt.Fprintf(&b, "\t(%q) first=%q commands=(%s)", n.path, n.first, zshWords(n.commands))
		if i > 0 && len(n.flags) > 0 {
			fmt.Fprintf(&b, " flags=(%s)", zshFlags(n.flags))
		}
		b.WriteString(" ;;\n")
	}
	fmt.Fprintf(&b, "\tesac\n\tflags+=(%s)\n}\n", zshFlags(g.nodes[0].flags))
	b.WriteString("\n_parley_flag() { # which value a flag takes\n\tkind=bool values_=()\n\tcase $1 in\n")
	for _, f := range g.values {
		if f.kind != "bool" {
			fmt.Fprintf(&b, "\t(%s) kind=%s values_=(%s) ;;\n", f.as("|"), f.kind, strings.Join(f.words, " "))
		}
	}
	b.WriteString("\tesac\n}\n")
	b.WriteString(strings.Replace(zshTail, "SHELLS", strings.Join(shells, " "), 1))
	return b.String()
}

// zshFlags are flags with what they do.
func zshFlags(flags []grammarFlag) string {
	var all strings.Builder
	for _, f := range flags {
		fmt.Fprintf(&all, "\n\t\t'--%s:%s'", f.name, f.help)
		if f.short != "" {
			fmt.Fprintf(&all, " '-%s:%s'", f.short, f.help)
		}
	}
	return all.String()
}

// zshWords are words with what they mean.
func zshWords(words []grammarWord) string {
	var all []string
	for _, w := range words {
		all = append(all, "'"+w.name+":"+w.help+"'")
	}
	return strings.Join(all, " ")
}
