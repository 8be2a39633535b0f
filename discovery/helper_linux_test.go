package discovery

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The tests with real sockets run this very binary again, in a namespace, as a
// program that announces or browses.
const helperEnv = "PARLEY_DISCOVERY_HELPER"

func TestMain(m *testing.M) {
	if what := os.Getenv(helperEnv); what != "" {
		if err := help(what); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// seen is a line that a browsing helper prints.
type seen struct {
	Sighting
	Mono int64 // nanoseconds since the helper began to browse
}

// help announces ("announce NAME...") or browses ("browse", as another user
// "nobody browse") until SIGTERM, or until the test, at the other end of its
// standard input, is gone.
func help(what string) error {
	if verb, nobody := strings.CutPrefix(what, "nobody "); nobody {
		if err := syscall.Setuid(65534); err != nil {
			return err
		}
		what = verb
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	go func() {
		bufio.NewReader(os.Stdin).ReadByte()
		cancel()
	}()
	s := &Service{Warn: func(w string) { fmt.Fprintln(os.Stderr, "warning:", w) }}
	verb, names, _ := strings.Cut(what, " ")
	if verb == "announce" {
		var rooms []Room
		for _, name := range strings.Fields(names) {
			rooms = append(rooms, room(name, byte(os.Getpid())))
		}
		fmt.Println(`{"Name":"ready"}`)
		return s.Announce(ctx, func() []Room { return rooms })
	}
	began, out := time.Now(), json.NewEncoder(os.Stdout)
	return s.Browse(ctx, func(x Sighting) { out.Encode(seen{x, int64(time.Since(began))}) })
}
