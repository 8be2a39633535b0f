package main

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// mayImport is the tree of packages: who may import which other of ours.
// Whoever reads a package needs to read only those below it. Anyone may
// import text. What is not in the table may not exist.
var mayImport = map[string][]string{
	"text":      {},
	"config":    {},
	"lock":      {},
	"transport": {},
	"discovery": {},
	"history":   {"lock"},
	"udp":       {"transport"},
	"tcp":       {"transport"},
	"metrics":   {},
	"room":      {"metrics", "transport"},
	"file":      {"lock", "transport"},
	"cluster":   {"room", "transport"},
	"lanes":     {"udp", "tcp", "transport"},
	"node":      {"metrics", "room", "udp", "tcp", "discovery", "history", "file", "cluster", "lanes", "lock", "transport"},
	"talk":      {"room", "transport"},
	"line":      {"room", "talk", "transport"},
	"tui":       {"room", "talk", "transport"},
	"lab":       {"lab/wire", "node", "udp", "tcp", "discovery", "room", "transport"},
	"lab/wire":  {},
	"lab/page":  {"lab"},
	"lab/view":  {"lab"},
	"lab/own":   {"lab", "lab/wire", "udp"},
	"packaging": {}, // a program
	// For tests alone.
	"transport/transporttest": {"transport"},
	"room/roomtest":           {"room", "transport"},
	"cluster/clustertest":     {},
	"metrics/metricstest":     {},
}

func TestImportsFormTheTree(t *testing.T) {
	for _, dir := range packages(t) {
		if dir == "." {
			continue // main puts everything together
		}
		allowed, known := mayImport[dir]
		if !known {
			t.Errorf("package %s has no place in the tree", dir)
			continue
		}
		p, err := build.ImportDir(dir, 0)
		if err != nil {
			t.Errorf("%s: %v", dir, err)
			continue
		}
		for _, path := range p.Imports {
			name, ours := strings.CutPrefix(path, "parley/")
			if ours && name != "text" && !slices.Contains(allowed, name) {
				t.Errorf("%s imports %s", dir, name)
			}
			if path == "parley" {
				t.Errorf("%s imports main", dir)
			}
		}
	}
}

// The stack that the lab's machines have is behind one package: it is built on
// inner parts of Go's runtime, and a new Go may have to wait for it.
func TestOnePackageKnowsTheStack(t *testing.T) {
	for _, dir := range packages(t) {
		for name, file := range parseDir(t, dir) {
			for _, spec := range file.Imports {
				if strings.Contains(spec.Path.Value, "gvisor.dev/") && dir != "lab/wire" {
					t.Errorf("%s imports %s", name, spec.Path.Value)
				}
			}
		}
	}
}

// The handshake's library is behind one file, so that another can take its
// place.
func TestOneFileKnowsDTLS(t *testing.T) {
	var files []string
	for _, dir := range packages(t) {
		for name, file := range parseDir(t, dir) {
			for _, spec := range file.Imports {
				if strings.Contains(spec.Path.Value, "github.com/pion/dtls") && !strings.HasSuffix(name, "_test.go") {
					files = append(files, name)
				}
			}
		}
	}
	if slices.Sort(files); len(slices.Compact(files)) != 1 {
		t.Errorf("pion is imported by %v, want one file", files)
	}
}

func TestExportedNamesAreDocumented(t *testing.T) {
	for _, dir := range packages(t) {
		files := parseDir(t, dir)
		set := token.NewFileSet()
		var list []*ast.File
		for name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(set, name, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, file)
		}
		if len(list) == 0 {
			continue
		}
		p, err := doc.NewFromFiles(set, list, "parley/"+dir)
		if err != nil {
			t.Errorf("%s: %v", dir, err)
			continue
		}
		if strings.TrimSpace(p.Doc) == "" {
			t.Errorf("package %s has no comment", dir)
		}
		for _, name := range undocumented(p) {
			t.Errorf("%s: %s has no comment", dir, name)
		}
	}
}

// undocumented lists the exported names of p without a comment. In a group, one
// for the group will do.
func undocumented(p *doc.Package) (names []string) {
	values := func(list []*doc.Value) {
		for _, v := range list {
			for _, spec := range v.Decl.Specs {
				s := spec.(*ast.ValueSpec)
				if v.Doc == "" && s.Doc == nil && s.Comment == nil && slices.ContainsFunc(s.Names, (*ast.Ident).IsExported) {
					names = append(names, fmt.Sprint(s.Names))
				}
			}
		}
	}
	funcs := func(of string, list []*doc.Func) {
		for _, f := range list {
			standard := of != "" && slices.Contains([]string{"Error", "String", "Len", "Less", "Swap", "Push", "Pop"}, f.Name)
			if f.Doc == "" && !standard {
				names = append(names, strings.TrimPrefix(of+"."+f.Name, "."))
			}
		}
	}
	values(p.Consts)
	values(p.Vars)
	funcs("", p.Funcs)
	for _, typ := range p.Types {
		if typ.Doc == "" && !commented(typ) {
			names = append(names, typ.Name)
		}
		values(typ.Consts)
		values(typ.Vars)
		funcs("", typ.Funcs)
		funcs(typ.Name, typ.Methods)
	}
	return names
}

// commented tells whether a type of a group has a comment of its own.
func commented(typ *doc.Type) bool {
	for _, spec := range typ.Decl.Specs {
		if s, ok := spec.(*ast.TypeSpec); ok && s.Name.Name == typ.Name {
			return s.Doc != nil || s.Comment != nil
		}
	}
	return false
}

// packages lists the directories that hold Go files.
func packages(t *testing.T) (dirs []string) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && hasModule(path): // of its own
			return filepath.SkipDir
		case d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return filepath.SkipDir
		case !d.IsDir() && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go"):
			if dir := filepath.ToSlash(filepath.Dir(path)); !slices.Contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

// hasModule tells whether a directory is a module.
func hasModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

// parseDir parses the files of one directory, for every system.
func parseDir(t *testing.T, dir string) map[string]*ast.File {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]*ast.File)
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		if e.IsDir() || !strings.HasSuffix(name, ".go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = file
	}
	return files
}

// A promise that names a test which is not there is held by nothing.
func TestSECURITYNamesTests(t *testing.T) {
	promises, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, dir := range packages(t) {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
					have[fn.Name.Name] = true
				}
			}
		}
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`").FindAllStringSubmatch(string(promises), -1)
	for _, m := range named {
		if !have[m[1]] {
			t.Errorf("SECURITY.md names %s, which is no test", m[1])
		}
	}
	if len(named) < 20 {
		t.Errorf("SECURITY.md names %d tests", len(named))
	}
}
