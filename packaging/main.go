// Packaging builds what is handed out: for each system an archive with the
// program, its manual page, its completions and what there is to read, a bill of
// materials, and the checksums of all. It is run from the root of the repository,
// as packaging/build.sh [VERSION], and writes into dist/.
//
// Two runs of the same commit with the same Go make the same bytes, wherever and
// whenever they run: the program is built without paths and without the state of the
// repository, of which it is told the commit and its day; in archives, files are
// sorted, belong to nobody, and are as old as the commit, or as SOURCE_DATE_EPOCH.
//
// Nothing is fetched but modules that are not there yet.
package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// platforms are those the program is built for.
var platforms = []string{"darwin/amd64", "darwin/arm64", "linux/amd64", "linux/arm64", "windows/amd64", "windows/arm64"}

// documents are what is put beside the program.
var documents = []string{"CHANGELOG.md", "LICENSE", "README.md", "SECURITY.md"}

// completions are the shells, and what their scripts are called.
var completions = map[string]string{"bash": "parley.bash", "zsh": "_parley", "fish": "parley.fish", "powershell": "parley.ps1"}

func main() {
	out := flag.String("out", "dist", "where to write")
	only := flag.String("only", "", "build for these systems only, as linux/amd64,windows/arm64")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: packaging/build.sh [-out DIR] [-only OS/ARCH,...] [VERSION]")
		flag.PrintDefaults()
	}
	flag.Parse()
	chosen := platforms
	if *only != "" {
		chosen = strings.Split(*only, ",")
	}
	if err := run(*out, chosen, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "packaging:", err)
		os.Exit(1)
	}
}

// versionLine is where the program has its version.
var versionLine = regexp.MustCompile(`(?m)^\s+version\s+= "([^"]+)"`)

// A release is what is built from.
type release struct {
	version  string
	revision string
	when     time.Time
	native   []byte // the program for this machine
	man      []byte
	scripts  map[string][]byte // of the shells, by file
}

func run(out string, chosen []string, version string) error {
	for _, p := range chosen {
		if !slices.Contains(platforms, p) {
			return fmt.Errorf("there is no %s: want some of %s", p, strings.Join(platforms, ", "))
		}
	}
	r, err := prepare(version)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	var written []string
	for _, p := range chosen {
		names, err := r.build(out, p)
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		written = append(written, names...)
	}
	return sums(out, written)
}

// prepare finds out what is built, and has the program, built for this machine,
// print what it prints of itself.
func prepare(version string) (*release, error) {
	r := &release{version: version, scripts: make(map[string][]byte)}
	if err := r.describe(); err != nil {
		return nil, err
	}
	if r.version == "" {
		source, err := os.ReadFile("main_version.go")
		if err != nil {
			return nil, err
		}
		found := versionLine.FindSubmatch(source)
		if found == nil {
			return nil, errors.New("main_version.go has no version")
		}
		r.version = string(found[1])
	}
	dir, err := os.MkdirTemp("", "parley-packaging-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "parley.exe")
	if err := r.compile(program, runtime.GOOS, runtime.GOARCH); err != nil {
		return nil, err
	}
	ask := func(args ...string) ([]byte, error) {
		cmd := exec.Command(program, append(args, "--config", "none")...)
		cmd.Stderr = os.Stderr
		return cmd.Output()
	}
	if r.native, err = os.ReadFile(program); err != nil {
		return nil, err
	}
	if r.man, err = ask("man"); err != nil {
		return nil, err
	}
	for shell, name := range completions {
		if r.scripts[name], err = ask("completion", shell); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// describe asks git which commit this is, and how old.
func (r *release) describe() error {
	git := func(args ...string) string {
		said, err := exec.Command("git", args...).Output()
		if err != nil {
			return "" // no repository: what is handed out may be built again, too
		}
		return strings.TrimSpace(string(said))
	}
	r.revision = git("rev-parse", "--short=12", "HEAD")
	if r.revision != "" && git("status", "--porcelain", "--untracked-files=no") != "" {
		r.revision += "+changes"
	}
	r.revision = cmp.Or(r.revision, "unknown")
	epoch := cmp.Or(os.Getenv("SOURCE_DATE_EPOCH"), git("log", "-1", "--format=%ct"), "0")
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil || seconds < 0 {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %q is no number of seconds", epoch)
	}
	r.when = time.Unix(seconds, 0).UTC()
	return nil
}

// compile builds the program for a system.
func (r *release) compile(path, system, arch string) error {
	set := "-s -w -buildid= -X main.version=" + r.version + " -X main.revision=" + r.revision + " -X main.built=" + r.when.Format(time.DateOnly)
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags", set, "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+arch, "GOFLAGS=", "GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// build makes the archive and the bill of materials for a platform.
func (r *release) build(out, platform string) (names []string, err error) {
	system, arch, _ := strings.Cut(platform, "/")
	name := strings.Join([]string{"parley", r.version, system, arch}, "_")
	dir, err := os.MkdirTemp("", "parley-packaging-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	binary := "parley"
	if system == "windows" {
		binary += ".exe"
	}
	path := filepath.Join(dir, binary)
	if system == runtime.GOOS && arch == runtime.GOARCH {
		err = os.WriteFile(path, r.native, 0o700)
	} else {
		err = r.compile(path, system, arch)
	}
	if err != nil {
		return nil, err
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	parts, err := partsOf(path)
	if err != nil {
		return nil, err
	}
	all := billOf(r, name, program, parts)
	if err := all.check(); err != nil {
		return nil, err
	}
	bill, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return nil, err
	}
	bill = append(bill, '\n')
	files := []file{{name: binary, data: program, run: true}, {name: "parley.1", data: r.man},
		{name: "parley.spdx.json", data: bill}, {name: "LICENSES-OF-OTHERS", data: licencesOf(parts)}}
	for script, data := range r.scripts {
		files = append(files, file{name: "completions/" + script, data: data})
	}
	for _, document := range documents {
		data, err := os.ReadFile(document)
		if err != nil {
			return nil, err
		}
		files = append(files, file{name: document, data: data})
	}
	archive, ending, err := pack(system, name, files, r.when)
	if err != nil {
		return nil, err
	}
	for name, data := range map[string][]byte{name + ending: archive, name + ".spdx.json": bill} {
		if err := os.WriteFile(filepath.Join(out, name), data, 0o644); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	fmt.Printf("%s: %d of %d bytes\n", name+ending, len(archive), len(program))
	return names, nil
}

// sums writes the checksums of what is in a directory.
func sums(dir string, names []string) error {
	slices.Sort(names)
	var b bytes.Buffer
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%x  %s\n", sha256.Sum256(data), name)
	}
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), b.Bytes(), 0o644)
}
