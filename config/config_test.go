package config

import (
	"os"
	"strings"
	"testing"
)

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "nick = ana\n", "# x\n\ntopic = \"a # b\" # c\r\nport=7", "a = 'b\" # c' # d", "x\ny = \nz = #\n", "\ufeffa = b\na = c", "k = \x00", "k = \x9b", "=", "--a = b", " \ufeff=0", "a b = c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data string) {
		settings, faults := Parse(data)
		seen := make(map[string]bool)
		for _, s := range settings {
			if s.Key == "" || seen[s.Key] || s.Line < 1 || s.Line > strings.Count(data, "\n")+1 || strings.ContainsFunc(s.Key+s.Value, isControl) {
				t.Fatalf("%q: %+v", data, s)
			}
			seen[s.Key] = true
			if strings.Contains(s.Value, `"`) && strings.Contains(s.Value, `'`) || strings.HasPrefix(s.Key, "#") || strings.HasPrefix(s.Key, "-") {
				continue
			}
			again, bad := Parse(s.Key + " = " + Quote(s.Value) + " # why")
			if len(bad) > 0 || len(again) != 1 || again[0].Key != s.Key || again[0].Value != s.Value {
				t.Fatalf("%q: %+v, then %+v, %v", data, s, again, bad)
			}
		}
		for _, bad := range faults {
			if bad.Text == "" || len(bad.Text) > 1000 {
				t.Fatalf("%q: %+v", data, bad)
			}
		}
	})
}

func TestReadNothing(t *testing.T) {
	if all, err := Read(os.DevNull); all != "" || err != nil {
		t.Error(all, err)
	}
}
