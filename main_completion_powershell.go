package main

import (
	"fmt"
	"strings"
)

const powershellHead = `# Completion of parley for PowerShell:
# parley completion powershell | Out-String | Invoke-Expression

Register-ArgumentCompleter -Native -CommandName parley, parley.exe -ScriptBlock {
	param($wordToComplete, $commandAst, $cursorPosition)
`

const powershellTail = `	$words = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition -or
		($_.Extent.EndOffset -eq $cursorPosition -and $wordToComplete -eq '') } | ForEach-Object { $_.ToString() })
	$path = ''
	$pending = ''
	$arguments = 0
	for ($i = 1; $i -lt $words.Count; $i++) {
		$word = $words[$i]
		if ($word -eq '--') { return }
		if ($word.StartsWith('-')) {
			if ($takes.ContainsKey($word)) {
				$i++
				if ($i -ge $words.Count) { $pending = $word }
			}
		} elseif ($commands[$path].Contains($word)) {
			$path = "$path $word".Trim()
		} else {
			$arguments++
		}
	}
	$before = ''
	$current = "$wordToComplete"
	if ($pending -eq '' -and $current -match '^(--[^=]+)=(.*)$') {
		$pending = $Matches[1]
		$before = "$pending="
		$current = $Matches[2]
	}
	if ($pending -ne '') {
		$found = @{}
		foreach ($value in @($takes[$pending])) { if ($value) { $found[$value] = $value } }
		if ($found.Count -eq 0) { return }
	} elseif ($current.StartsWith('-')) {
		$found = [ordered]@{}
		foreach ($of in @('', $path) | Select-Object -Unique) {
			foreach ($name in $flags[$of].Keys) { $found[$name] = $flags[$of][$name] }
		}
	} elseif ($arguments -gt 0) {
		return
	} else {
		$found = [ordered]@{}
		foreach ($name in $commands[$path].Keys) { $found[$name] = $commands[$path][$name] }
		if ($first[$path] -eq 'shells') {
			foreach ($name in SHELLS) { $found[$name] = $name }
		} elseif ($first[$path]) {
			foreach ($name in @(& $words[0] completion $first[$path] 2>$null)) { $found[$name] = $name }
		}
	}
	$found.GetEnumerator() | Where-Object { $_.Key.StartsWith($current, [StringComparison]::Ordinal) } | Sort-Object Key | ForEach-Object {
		[System.Management.Automation.CompletionResult]::new($before + $_.Key, $_.Key, 'ParameterValue', $_.Value)
	}
}
`

// powershell is the script for PowerShell. What a flag's value is to be completed
// with as a file is left to it.
func (g *grammar) powershell() string {
	var b strings.Builder
	b.WriteString(powershellHead)
	table := func(name string, each func(n grammarNode) string) {
		fmt.Fprintf(&b, "\t$%s = @{\n", name)
		for _, n := range g.nodes {
			if s := each(n); s != "" {
				fmt.Fprintf(&b, "\t\t'%s' = %s\n", n.path, s)
			}
		}
		b.WriteString("\t}\n")
	}
	table("commands", func(n grammarNode) string { return powershellWords(n.commands) })
	table("flags", func(n grammarNode) string {
		var words []grammarWord
		for _, f := range n.flags {
			words = append(words, grammarWord{"--" + f.name, f.help})
			if f.short != "" {
				words = append(words, grammarWord{"-" + f.short, f.help})
			}
		}
		return powershellWords(words)
	})
	table("first", func(n grammarNode) string {
		if n.first == "" || n.first == askFiles { // which PowerShell completes by itself
			return ""
		}
		return "'" + n.first + "'"
	})
	b.WriteString("\t$takes = @{\n")
	for _, f := range g.values {
		if f.kind == "bool" {
			continue
		}
		for _, name := range strings.Fields(f.as(" ")) {
			fmt.Fprintf(&b, "\t\t'%s' = %s\n", name, powershellList(f.words))
		}
	}
	b.WriteString("\t}\n")
	b.WriteString(strings.Replace(powershellTail, "SHELLS", powershellList(shells), 1))
	return b.String()
}

func powershellWords(words []grammarWord) string {
	var all []string
	for _, w := range words {
		all = append(all, fmt.Sprintf("'%s' = '%s'", w.name, w.help))
	}
	return "[ordered]@{" + strings.Join(all, "; ") + "}"
}

func powershellList(words []string) string {
	var all []string
	for _, w := range words {
		all = append(all, "'"+w+"'")
	}
	return "@(" + strings.Join(all, ", ") + ")"
}
