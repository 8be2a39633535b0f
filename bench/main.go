// Command bench measures parley beside its peers on this machine and prints
// tables. It is a module of its own, so that what it compares with is no part of
// the program.
//
//	go run . whole       # the whole program: rooms of real processes
//	go run . carriers    # udp and tcp beside TCP, TLS, QUIC and bare datagrams
//	go run . floors      # what the system itself can do
//	go run . manners     # how udp shares a narrow path
//
// Each takes -short for a look and -h for what else it takes. All need Linux, and
// all but whole need root, for network namespaces that they make and delete.
package main

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
)

// A command measures something and prints it. Each file adds its own.
type command struct {
	about string
	run   func(args []string) error
}

var commands = map[string]command{}

func main() {
	if len(os.Args) > 1 {
		if c, ok := commands[os.Args[1]]; ok {
			if err := c.run(os.Args[2:]); err != nil && !errors.Is(err, flag.ErrHelp) {
				fmt.Fprintln(os.Stderr, "bench:", err)
				os.Exit(1)
			}
			return
		}
	}
	fmt.Fprintln(os.Stderr, "usage: bench COMMAND [flags]")
	for _, name := range slices.Sorted(maps.Keys(commands)) {
		fmt.Fprintf(os.Stderr, "  %-10s %s\n", name, commands[name].about)
	}
	os.Exit(2)
}
