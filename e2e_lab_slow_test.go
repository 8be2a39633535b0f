//go:build slow && !nolab

package main_test

import (
	"fmt"
	"strings"
	"testing"

	"parley/lab"
)

// Twenty runs of each lesson have one fingerprint.
func TestLabVerifyTwenty(t *testing.T) {
	out, talk, code := labs(t, "", "verify", "--repeat", "20")
	if want := fmt.Sprintf("%d of %d in ", len(lab.Lessons), len(lab.Lessons)); code != 0 || talk != "" || !strings.Contains(out, want) {
		t.Errorf("exit code %d, %q\n%s", code, talk, out)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	t.Log("FIGURE lab verify --repeat 20:", lines[len(lines)-1])
}
