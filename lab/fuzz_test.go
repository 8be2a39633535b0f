//go:build !nolab

package lab

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzSettings has what settings understand be written in one form, which is
// understood in the same way.
func FuzzSettings(f *testing.F) {
	for _, s := range AllSettings {
		for _, text := range []string{"7", "20ms", "2%", "A>B:2%", "20ms+-5ms", "5%:50ms", "2mbit", "1..30", "A>B:data#5,*:syn", "both", "late", "", "-1", "1e9", "NaN", "999999h"} {
			f.Add(s.Name, text)
		}
	}
	f.Fuzz(func(t *testing.T, name, text string) {
		s, ok := settingNamed(name)
		if !ok {
			return
		}
		l := Lesson{Name: "any", Uses: []string{name}}
		v, err := l.read(Settings{name: text})
		if err != nil {
			return
		}
		form := s.format(v)
		again, err := l.read(Settings{name: form})
		if err != nil || s.format(again) != form {
			t.Errorf("%s: %q is %q, which is not understood: %v", name, text, form, err)
		}
		if err := v.config().Way.Loss; err < 0 || err > 1 {
			t.Errorf("a loss of %v", err)
		}
	})
}

// FuzzReadLines has lines of whatever come be read, or not.
func FuzzReadLines(f *testing.F) {
	f.Add([]byte(`{"k":"run","v":1}` + "\n" + `{"k":"frame","t":5,"msgs":[1,2]}`))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var out bytes.Buffer
		w := NewLineWriter(&out)
		if err := ReadLines(bytes.NewReader(data), w.Write); err != nil && strings.TrimSpace(err.Error()) == "" {
			t.Error("an error without words")
		}
	})
}
