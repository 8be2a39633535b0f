//go:build !nolab

package lab

import (
	_ "embed"
	"strings"
)

//go:embed fingerprints.txt
var fingerprints string

// Golden are the fingerprints that the lessons have in this release, by name,
// with their own settings.
func Golden() map[string]string {
	golden := map[string]string{}
	for line := range strings.Lines(fingerprints) {
		if name, print, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			golden[name] = print
		}
	}
	return golden
}
