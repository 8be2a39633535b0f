//go:build !nolab

package wire

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// asEngine in the environment has the test binary be an engine.
const asEngine = "PARLEY_WIRE_TEST_ENGINE"

func TestMain(m *testing.M) {
	if os.Getenv(asEngine) != "" {
		Enter(engine)
	}
	os.Exit(m.Run())
}

// engine tells the clock of two bubbles, and then fails as it is told.
func engine(b Bubble, out io.Writer) (status int) {
	for range 2 {
		b(func() {
			time.Sleep(time.Hour)
			fmt.Fprintln(out, time.Now().UTC().Format(time.DateTime))
		})
	}
	return 7
}

func TestEnter(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run", "nothing", "more")
	cmd.Env = append(os.Environ(), asEngine+"=1")
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if want := strings.Repeat("2000-01-01 01:00:00\n", 2); string(out) != want {
		t.Errorf("it said %q, want %q; errors: %s", out, want, &errs)
	}
	if cmd.ProcessState.ExitCode() != 7 {
		t.Errorf("%v", err)
	}
}
