//go:build !nolab

package main

import (
	"maps"

	"parley/lab"
)

// askLessons has parley completion name the lessons.
const askLessons = "lessons"

func init() {
	maps.Copy(examples, labExamples)
	moreNames[askLessons] = func() (names []string) {
		for _, l := range lab.Lessons {
			names = append(names, l.Name)
		}
		return append(names, planName)
	}
}

// labExamples are shown before anything else of the help of the lab's commands.
var labExamples = map[string]string{
	"lab": `
  parley lab                     what there is, and what to type first
  parley lab run holblocking     see a claim proved by its numbers
  parley lab quiz                predict first
  parley lab verify              prove every lesson again
`,
	"lab list": `
  parley lab list                the lessons with their claims
  parley lab list --json | jq -r .name
`,
	"lab show": `
  parley lab show holblocking    claim, question, settings; runs nothing
  parley lab show 6              the same, by its number
  parley lab show plan           50 minutes with a class
`,
	"lab run": `
  parley lab run holblocking     claim, numbers, proof
  parley lab run holblocking -o timeline --drop 'A>B:data#9'
                                 all lanes on one axis, another victim
  parley lab run handshake -o sequence --speed 0.05
                                 each frame, at a twentieth of its speed
  parley lab run loss -o members what each person saw, side by side
  parley lab run holblocking --every 5ms --loss 10% --seed random
  parley lab run holblocking --seeds 1..30 -o csv
                                 least, median and most of each number
  parley lab run handshake --out hello.pcapng --capture tcp:B
                                 what B saw, for Wireshark
`,
	"lab quiz": `
  parley lab quiz                all lessons, with a score at the end
  parley lab quiz holblocking    one of them
  parley lab quiz 6 --answer b   for scripts
`,
	"lab sweep": `
  parley lab sweep holblocking --every 5ms..40ms/5ms
  parley lab sweep holblocking --loss 0%,1%,2%,5% --seed 3
  parley lab sweep oversize --size 1000..9000/500 -o csv
`,
	"lab serve": `
  parley lab serve               the page, for this computer alone
  parley lab serve --lan         and for the students' phones
  parley lab serve --lan --approve --lesson holblocking
`,
	"lab replay": `
  parley lab run loss --out class.jsonl
  parley lab replay class.jsonl -o members
  parley lab replay class.jsonl -o sequence --from 100ms --to 300ms
`,
	"lab verify": `
  parley lab verify              all lessons, before class
  parley lab verify 1 6 --repeat 20
                                 two of them, 20 times each
  parley lab verify -o md        a table for the wall
`,
	"lab doctor": `
  parley lab doctor              what this computer allows
  parley lab doctor --lan        and this network
`,
}
