package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var day = time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC)

// Whatever the order of the files, an archive has the same bytes, and all of them.
func TestArchivesAreTheSame(t *testing.T) {
	files := []file{{name: "parley", data: bytes.Repeat([]byte("code "), 10_000), run: true}, {name: "README.md", data: []byte("read")}, {name: "completions/_parley", data: []byte("zsh")}}
	for system, read := range map[string]func(*testing.T, []byte) []string{"linux": untar, "windows": unzip} {
		first, ending, err := pack(system, "parley_1_x", files, day)
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(files)
		second, _, err := pack(system, "parley_1_x", files, day.In(time.FixedZone("far", 3600)))
		if err != nil || !bytes.Equal(first, second) {
			t.Errorf("%s: two archives differ (%v)", ending, err)
		}
		want := []string{"parley_1_x/README.md -rw-r--r-- 4", "parley_1_x/completions/_parley -rw-r--r-- 3", "parley_1_x/parley -rwxr-xr-x 50000"}
		if got := read(t, first); !slices.Equal(got, want) {
			t.Errorf("%s: %q", ending, got)
		}
	}
}

func untar(t *testing.T, archive []byte) (files []string) {
	z, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil || z.Name != "" || !z.ModTime.IsZero() {
		t.Fatalf("%v, %+v", err, z)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil || h.Uid+h.Gid != 0 || h.Uname+h.Gname != "" || !h.ModTime.Equal(day) {
			t.Fatalf("%v, %+v", err, h)
		}
		n, err := io.Copy(io.Discard, r)
		if err != nil || n != h.Size {
			t.Fatal(n, err)
		}
		files = append(files, fileLine(h.Name, h.FileInfo().Mode(), n))
	}
}

func unzip(t *testing.T, archive []byte) (files []string) {
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil || !f.Modified.Equal(day) {
			t.Fatal(err, f.Modified)
		}
		n, err := io.Copy(io.Discard, r)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, fileLine(f.Name, f.Mode(), n))
	}
	return files
}

func fileLine(name string, mode os.FileMode, size int64) string {
	b, _ := json.Marshal(size)
	return name + " " + mode.String() + " " + string(b)
}

// The bill names the program and each of its parts, with what SPDX demands.
func TestBill(t *testing.T) {
	sum := "h1:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	parts := []part{{path: "stdlib", version: "1.26.0", licence: "BSD-3-Clause"}, {path: "github.com/Some_one/x/v2", version: "v2.1.0+incompatible", sum: sum, licence: "MIT"}, {path: "example.org/y", version: "v0.1.0", sum: sum}}
	r := &release{version: "1.2.3", revision: "abc", when: day}
	b := billOf(r, "parley_1.2.3_linux_amd64", []byte("program"), parts)
	if err := b.check(); err != nil {
		t.Error(err)
	}
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"created":"2026-01-02T03:04:06Z"`, `"pkg:golang/github.com/some_one/x/v2@v2.1.0%2Bincompatible"`, `"SPDXRef-github.com-Some-one-x-v2-v2.1.0-incompatible"`,
		`"checksumValue":"` + strings.Repeat("07", 32) + `"`, `"licenseDeclared":"MIT"`, `"licenseDeclared":"NOASSERTION"`, `https://proxy.golang.org/github.com/!some_one/x/v2/@v/v2.1.0+incompatible.zip`, `"filesAnalyzed":false`} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
	for what, spoil := range map[string]func(*bill){
		"made":      func(b *bill) { b.Creation.Created = "yesterday" },
		"namespace": func(b *bill) { b.Namespace = "here" },
		"only":      func(b *bill) { b.Packages = append(b.Packages, b.Packages[0]) },
		"all of":    func(b *bill) { b.Packages[1].Location = "" },
		"both":      func(b *bill) { b.Relations[1].To = "SPDXRef-nothing" },
		"describes": func(b *bill) { b.Relations = nil },
	} {
		bad := billOf(r, "x", nil, parts)
		spoil(&bad)
		if err := bad.check(); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestLicences(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"LICENSE.md": "Permission is hereby granted, free\n of charge, to any person obtaining a copy", "NOTICE": "thanks", "licence.go": "package x", "README": "MIT"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := part{path: "x", version: "v1"}
	p.read(dir)
	texts := string(licencesOf([]part{p}))
	if p.licence != "MIT" || len(p.texts) != 2 || !strings.Contains(texts, "free\n of charge") || !strings.Contains(texts, "x v1: NOTICE") || !strings.Contains(texts, "thanks") {
		t.Errorf("%+v\n%s", p, texts)
	}
	if l := licenceOf("all rights reserved"); l != "" {
		t.Error(l)
	}
	if l := licenceOf("Apache License\n   Version 2.0, January 2004"); l != "Apache-2.0" {
		t.Error(l)
	}
}

func TestPlatformsAreChecked(t *testing.T) {
	if err := run(t.TempDir(), []string{"plan9/mips"}, "1"); err == nil || !strings.Contains(err.Error(), "there is no plan9/mips") {
		t.Error(err)
	}
}
