package main

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"
)

// What is over within a second is not talked about; what takes longer is, and again.
func TestSlowly(t *testing.T) {
	for _, c := range []struct {
		takes time.Duration
		far   func() string
		says  string
	}{
		{900 * time.Millisecond, nil, ""},
		{2 * time.Second, nil, "opening …\n"},
		{12 * time.Second, nil, "opening …\nopening … for 6 seconds now\nopening … for 11 seconds now\n"},
		{7 * time.Second, func() string { return "9 so far" }, "opening … 9 so far\nopening … 9 so far\n"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			p := &program{flags: new(cli), err: &out}
			stop := p.slowly("opening", c.far)
			time.Sleep(c.takes)
			stop()
			stop()
			if out.String() != c.says {
				t.Errorf("%v: %q", c.takes, out.String())
			}
		})
	}
}

// The hint is one line on a terminal of 80 columns.
func TestFirstStepsAreShort(t *testing.T) {
	for command, hint := range firstSteps {
		if len(hint) > 78 {
			t.Errorf("%s: %d bytes", command, len(hint))
		}
	}
}
