package room

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLimitsAreListed finds every constant that is called a maximum: the
// package comment names it, or the file that it names for the likes of it.
func TestLimitsAreListed(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, limits, _ := strings.Cut(string(doc), "// # Limits\n")
	limits, _, found := strings.Cut(limits, "// # The protocol\n")
	files, err := filepath.Glob("*.go")
	if err != nil || !found || len(files) < 20 {
		t.Fatal(err, found, files)
	}
	n := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || strings.Contains(limits, name) {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, spec := range g.Specs {
				for _, id := range spec.(*ast.ValueSpec).Names {
					if !strings.HasPrefix(id.Name, "max") && !strings.HasPrefix(id.Name, "default") {
						continue
					}
					if n++; !strings.Contains(limits, id.Name) {
						t.Errorf("%s of %s is not in the list of limits", id.Name, name)
					}
				}
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d limits were found", n)
	}
}
