//go:build slow

package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
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
