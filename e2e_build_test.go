package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const windows = runtime.GOOS == "windows"

// program builds the program under test once, with the race detector if the
// tests have it, and returns its path.
func program(t testing.TB) string { return built(t, buildOnce) }

// release builds it stripped, as it is handed out. What is said about size
// and memory is said about this one.
func release(t testing.TB) string { return built(t, releaseOnce) }

func built(t testing.TB, build func() (string, error)) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var buildOnce = sync.OnceValues(func() (string, error) {
	if raceEnabled {
		return goBuild("parley-race", "-race")
	}
	return goBuild("parley")
})

var releaseOnce = sync.OnceValues(func() (string, error) {
	return goBuild("parley-release", "-trimpath", "-ldflags=-s -w")
})

func goBuild(name string, flags ...string) (string, error) {
	path := filepath.Join(scratch, name)
	if windows {
		path += ".exe"
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", append(append([]string{"build", "-o", path}, flags...), ".")...)
	cmd.Env = os.Environ()
	if !slices.Contains(flags, "-race") {
		cmd.Env = append(cmd.Env, "CGO_ENABLED=0")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return path, nil
}

// Ports for tests lie below those that systems give to outgoing sockets, so
// that none is taken between finding and using it.
const firstPort, lastPort = 20000, 30000

var given sync.Map // ports that freePort has returned

// freePort finds a port that is free for both carriers, and finds it once.
func freePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := firstPort + rand.N(lastPort-firstPort)
		if _, taken := given.LoadOrStore(port, true); taken {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		u, err := net.ListenUDP("udp", &net.UDPAddr{Port: port})
		l.Close()
		if err == nil {
			u.Close()
			return port
		}
	}
	t.Fatal("no port is free for both carriers")
	return 0
}

// python finds the interpreter itself, past any wrapper.
var python = sync.OnceValue(func() string {
	out, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
})

func needPython(t testing.TB) string {
	t.Helper()
	if python() == "" {
		t.Skip("SKIPPED: python3 is missing")
	}
	return python()
}

// parse reads one line of output.
func parse(text string) line {
	l := line{text: text}
	json.Unmarshal([]byte(text), &l.event)
	return l
}
