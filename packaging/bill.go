package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A part is a module that the program is made of, or Go's own library.
type part struct {
	path, version string
	sum           string // as go.sum has it
	licence       string // by its name in SPDX; "": it could not be told
	texts         []notice
}

// A notice is a text that goes with copies of a part.
type notice struct{ name, text string }

// partsOf reads from a program what it is made of, and finds the licences where
// the modules are.
func partsOf(program string) ([]part, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, err
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	library := part{path: "stdlib", version: strings.TrimPrefix(info.GoVersion, "go")}
	library.read(strings.TrimSpace(string(root)))
	parts := []part{library}
	dirs, err := moduleDirs(info)
	if err != nil {
		return nil, err
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		p := part{path: m.Path, version: m.Version, sum: m.Sum}
		p.read(dirs[m.Path])
		parts = append(parts, p)
	}
	return parts, nil
}

// moduleDirs are where the modules of a program are, by path.
func moduleDirs(info *buildinfo.BuildInfo) (map[string]string, error) {
	cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{with .Replace}}{{.Path}}\t{{.Dir}}{{else}}{{.Path}}\t{{.Dir}}{{end}}{{end}}", ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	for _, s := range info.Settings {
		if s.Key == "GOOS" || s.Key == "GOARCH" {
			cmd.Env = append(cmd.Env, s.Key+"="+s.Value)
		}
	}
	said, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	dirs := make(map[string]string)
	for line := range strings.Lines(string(said)) {
		path, dir, _ := strings.Cut(strings.TrimSpace(line), "\t")
		dirs[path] = dir
	}
	return dirs, nil
}

// noticeNames are how files with licences and notices are called.
var noticeNames = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([.-].*)?$`)

// maxNotice bounds what is taken for a licence.
const maxNotice = 256 << 10

// read finds a part's licence in its directory.
func (p *part) read(dir string) {
	if dir == "" {
		return
	}
	entries, _ := os.ReadDir(dir) // sorted
	for _, e := range entries {
		if !e.Type().IsRegular() || !noticeNames.MatchString(e.Name()) || strings.HasSuffix(e.Name(), ".go") {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil || len(data) > maxNotice {
			continue
		}
		p.texts = append(p.texts, notice{e.Name(), string(data)})
		if p.licence == "" {
			p.licence = licenceOf(string(data))
		}
	}
}

// licenceMarks are words that only one licence has, the longer ones first.
var licenceMarks = []struct{ id, words string }{
	{"Apache-2.0", "apache license version 2.0"},
	{"MPL-2.0", "mozilla public license version 2.0"},
	{"MIT", "permission is hereby granted, free of charge, to any person obtaining a copy"},
	{"ISC", "permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted"},
	{"BSD-3-Clause", "may be used to endorse or promote products derived from this software"},
	{"BSD-2-Clause", "redistributions in binary form must reproduce the above copyright notice"},
	{"Unlicense", "this is free and unencumbered software released into the public domain"},
}

// licenceOf tells a licence by its text, and "" where it cannot.
func licenceOf(text string) string {
	text = strings.Join(strings.Fields(strings.ToLower(text)), " ")
	text = strings.ReplaceAll(text, "license, version", "license version")
	for _, l := range licenceMarks {
		if strings.Contains(text, l.words) {
			return l.id
		}
	}
	return ""
}

// licencesOf are the texts that go with copies of the parts.
func licencesOf(parts []part) []byte {
	var b bytes.Buffer
	b.WriteString("parley is made with what others have made. These are their licences and notices.\n")
	for _, p := range parts {
		for _, n := range p.texts {
			fmt.Fprintf(&b, "\n%s\n%s %s: %s\n%[1]s\n\n%[5]s\n", strings.Repeat("=", 72), p.path, p.version, n.name, strings.TrimRight(n.text, "\n"))
		}
	}
	return b.Bytes()
}

// A bill is a bill of materials, an SPDX 2.3 document.
type bill struct {
	Version   string        `json:"spdxVersion"`
	License   string        `json:"dataLicense"`
	ID        string        `json:"SPDXID"`
	Name      string        `json:"name"`
	Namespace string        `json:"documentNamespace"`
	Creation  creation      `json:"creationInfo"`
	Packages  []billPackage `json:"packages"`
	Relations []relation    `json:"relationships"`
}

type creation struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

type billPackage struct {
	ID        string     `json:"SPDXID"`
	Name      string     `json:"name"`
	Version   string     `json:"versionInfo"`
	File      string     `json:"packageFileName,omitempty"`
	Supplier  string     `json:"supplier"`
	Location  string     `json:"downloadLocation"`
	Analyzed  bool       `json:"filesAnalyzed"`
	Checksums []checksum `json:"checksums,omitempty"`
	Concluded string     `json:"licenseConcluded"`
	Declared  string     `json:"licenseDeclared"`
	Copyright string     `json:"copyrightText"`
	Purpose   string     `json:"primaryPackagePurpose"`
	Comment   string     `json:"comment,omitempty"`
	Refs      []ref      `json:"externalRefs"`
}

type checksum struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"checksumValue"`
}

type ref struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type relation struct {
	From string `json:"spdxElementId"`
	Type string `json:"relationshipType"`
	To   string `json:"relatedSpdxElement"`
}

const noAssertion = "NOASSERTION"

// notOfID is what the names of elements may not have.
var notOfID = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

// billOf is the bill of a program with these parts.
func billOf(r *release, name string, program []byte, parts []part) bill {
	sum := sha256.Sum256(program)
	own := billPackage{ID: "SPDXRef-parley", Name: "parley", Version: r.version, File: name, Supplier: noAssertion, Location: noAssertion,
		Checksums: []checksum{{"SHA256", hex.EncodeToString(sum[:])}}, Concluded: noAssertion, Declared: ownLicence(), Copyright: noAssertion,
		Purpose: "APPLICATION", Comment: "The checksum is that of the program in the archive, built from commit " + r.revision + ".",
		Refs: []ref{purl("parley", r.version)}}
	b := bill{Version: "SPDX-2.3", License: "CC0-1.0", ID: "SPDXRef-DOCUMENT", Name: name,
		Namespace: "https://spdx.org/spdxdocs/" + name + "-" + hex.EncodeToString(sum[:16]),
		Creation:  creation{r.when.Format(time.RFC3339), []string{"Tool: parley-packaging-" + r.version}},
		Packages:  []billPackage{own}, Relations: []relation{{"SPDXRef-DOCUMENT", "DESCRIBES", own.ID}}}
	for _, p := range parts {
		e := billPackage{ID: "SPDXRef-" + strings.Trim(notOfID.ReplaceAllString(p.path+"-"+p.version, "-"), "-"), Name: p.path, Version: p.version,
			Supplier: noAssertion, Location: noAssertion, Concluded: noAssertion, Declared: p.licence, Copyright: noAssertion, Purpose: "LIBRARY",
			Refs: []ref{purl(p.path, p.version)}}
		if p.licence == "" {
			e.Declared = noAssertion
		}
		if sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(p.sum, "h1:")); err == nil && len(sum) == sha256.Size {
			e.Checksums = []checksum{{"SHA256", hex.EncodeToString(sum)}}
			e.Comment = "The checksum is that of go.sum, " + p.sum + ": SHA-256 over the SHA-256 of every file of the module."
			e.Location = "https://proxy.golang.org/" + escaped(p.path) + "/@v/" + escaped(p.version) + ".zip"
		}
		b.Packages = append(b.Packages, e)
		b.Relations = append(b.Relations, relation{own.ID, "DEPENDS_ON", e.ID})
	}
	return b
}

// ownLicence is that of this program.
func ownLicence() string {
	own := part{}
	own.read(".")
	if own.licence == "" {
		return noAssertion
	}
	return own.licence
}

// purl is what a module is called among all packages there are.
func purl(path, version string) ref {
	return ref{"PACKAGE-MANAGER", "purl", "pkg:golang/" + strings.ToLower(path) + "@" + strings.ReplaceAll(version, "+", "%2B")}
}

// escaped is a path or version as module proxies have it: capitals are told by
// an exclamation mark.
func escaped(s string) string {
	var b []byte
	for _, c := range []byte(s) {
		if c >= 'A' && c <= 'Z' {
			b = append(b, '!')
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return string(slices.Clip(b))
}

// elementID is what SPDX has for the name of an element.
var elementID = regexp.MustCompile(`^SPDXRef-[A-Za-z0-9.-]+$`)

// check tells what SPDX demands and b lacks.
func (b bill) check() error {
	var wrong []string
	demand := func(ok bool, what string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Sprintf(what, args...))
		}
	}
	_, err := time.Parse("2006-01-02T15:04:05Z", b.Creation.Created)
	demand(b.Version == "SPDX-2.3" && b.License == "CC0-1.0" && b.ID == "SPDXRef-DOCUMENT" && b.Name != "", "the document says what it is")
	demand(strings.HasPrefix(b.Namespace, "https://") && !strings.ContainsAny(b.Namespace, "# "), "a namespace, not %q", b.Namespace)
	demand(err == nil && len(b.Creation.Creators) > 0, "who made it, and when: %v", b.Creation)
	known := map[string]bool{b.ID: true}
	for _, p := range b.Packages {
		demand(elementID.MatchString(p.ID) && !known[p.ID], "%q is an element, and the only one of its name", p.ID)
		demand(p.Name != "" && p.Version != "" && p.Location != "" && p.Declared != "" && p.Concluded != "" && p.Copyright != "" && len(p.Refs) > 0, "all of %s", p.ID)
		for _, c := range p.Checksums {
			demand(c.Algorithm == "SHA256" && len(c.Value) == 2*sha256.Size, "a checksum of %s", p.ID)
		}
		known[p.ID] = true
	}
	described := false
	for _, r := range b.Relations {
		demand(known[r.From] && known[r.To], "both of %v", r)
		described = described || r.From == b.ID && r.Type == "DESCRIBES"
	}
	demand(described, "what the document describes")
	if len(wrong) > 0 {
		return fmt.Errorf("the bill of materials lacks: %s", strings.Join(wrong, "; "))
	}
	return nil
}
