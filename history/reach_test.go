package history

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A log that lacks its end is refused, however what is left of it looks to SQLite:
// cut short, emptied, or an older copy put back. One that is not there any more
// is begun anew, and one of another id is another log.
func TestEndMissing(t *testing.T) {
	path := file(t)
	l := open(t, path, options)
	read := func() map[string][]byte {
		m := map[string][]byte{}
		for _, end := range []string{"", "-wal", ".lock"} {
			m[end], _ = os.ReadFile(path + end)
		}
		return m
	}
	for i := range 20 {
		fill(t, l, i, 1)
	}
	old := read()
	for i := range 30 {
		fill(t, l, 20+i, 1)
	}
	crashed := read()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	closed := read()
	for name, c := range map[string]struct {
		files map[string][]byte
		want  string
	}{
		"whole":           {crashed, ""},
		"closed":          {closed, ""},
		"journal cut":     {with(crashed, "-wal", crashed["-wal"][:len(crashed["-wal"])/2]), "had 50"},
		"journal emptied": {with(crashed, "-wal", nil), "had 50"},
		"header cut":      {with(crashed, "-wal", crashed["-wal"][:20]), "had 50"},
		"file emptied":    {with(closed, "", nil), "had 50"},
		"older":           {with(old, ".lock", closed[".lock"]), "had 50"},
		"older with all":  {old, ""},
		"without lock":    {with(old, ".lock", nil), ""},
		"lock of nobody":  {with(old, ".lock", []byte(strings.Repeat("x", 100))), ""},
	} {
		t.Run(name, func(t *testing.T) {
			at := filepath.Join(t.TempDir(), "log")
			for end, b := range c.files {
				if err := os.WriteFile(at+end, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if read := options; name != "file emptied" { // which is read as no history at all
				read.Reading = true
				l, err := Open(at, read)
				if err == nil {
					report, e := l.Check(t.Context())
					if err = l.Whole(); e != nil || (err == nil) != (c.want == "") || (len(report.Faults) > 0) != (err != nil) {
						t.Errorf("read: %+v %v %v", report, e, err)
					}
					l.Close()
				} else if c.want == "" || !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrForeign) {
					t.Errorf("read: %v", err)
				}
			}
			l, err := Open(at, options)
			if err == nil {
				l.Close()
			}
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (!errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), at)):
				t.Errorf("want that it %s: %v", c.want, err)
			}
			if err == nil {
				return
			}
			os.Remove(at)
			os.Remove(at + "-wal")
			if l, err = Open(at, options); err != nil {
				t.Fatalf("taken away, it is not begun anew: %v", err)
			}
			if fill(t, l, 0, 1); l.Last() != 1 {
				t.Errorf("it begins with %d", l.Last())
			}
			l.Close()
			l = open(t, at, options)
			if l.Last() != 1 {
				t.Errorf("another log of this name ends at %d", l.Last())
			}
			l.Close()
		})
	}
}

// with returns files with another content of one of them.
func with(files map[string][]byte, end string, b []byte) map[string][]byte {
	m := map[string][]byte{}
	for k, v := range files {
		m[k] = v
	}
	m[end] = b
	return m
}
