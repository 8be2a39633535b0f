package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// What is built to be handed out is told what it is; see packaging.
var (
	version  = "0.1.0" // that of CHANGELOG.md
	revision = ""      // the commit
	built    = ""      // the day of the commit
)

// Run prints the version and the commit that the program was built from.
func (v *versionCmd) Run(p *program) error {
	commit := commit()
	if p.flags.JSON {
		p.printJSON(struct {
			Type    string `json:"type"`
			Version string `json:"version"`
			Commit  string `json:"commit"`
			Go      string `json:"go"`
			OS      string `json:"os"`
			Arch    string `json:"arch"`
		}{"version", version, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH})
		return nil
	}
	fmt.Fprintf(p.out, "parley %s (commit %s, %s, %s/%s)\n", version, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

// commit is what the build was told or has recorded, or "unknown".
func commit() string {
	if revision != "" {
		return revision
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	commit, changed := "unknown", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+changes"
		}
	}
	return commit + changed
}
