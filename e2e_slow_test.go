//go:build slow

package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// The program builds for every system it is for, without a C compiler.
func TestBuildsElsewhere(t *testing.T) {
	for _, target := range [][2]string{{"linux", "arm64"}, {"darwin", "arm64"}, {"darwin", "amd64"}, {"windows", "amd64"}} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(t.TempDir(), "parley"), ".")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+target[0], "GOARCH="+target[1])
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s/%s: %v\n%s", target[0], target[1], err, out)
		}
	}
}

// A member that dies without a word has left once it has been silent for long,
// and its name is free again.
func TestMemberDies(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			b := loopback(t)
			ana := b.host("ana", "physics")
			ben := b.join("ben", b.addr(), "--transport", transport)
			ben.kill()
			killed := time.Now()
			left := ana.awaitWithin(2*time.Minute, "his leaving", kind("leave"))
			if left.Nick != "ben" || left.Reason != "lost" {
				t.Errorf("how he left: %s", left.text)
			}
			t.Logf("FIGURE kill -9 of a member over %s to its leave: %v", transport, left.at.Sub(killed).Round(time.Millisecond))
			b.join("ben", b.addr(), "--transport", transport)
		})
	}
}
