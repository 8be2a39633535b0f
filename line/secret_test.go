package line

import (
	"strings"
	"testing"
)

// What is typed behind /password is neither shown nor kept.
func TestAPasswordIsNotShown(t *testing.T) {
	e := &editor{}
	typed := "/password s\u00e9cret word"
	for i := range len(typed) {
		e.feed([]byte(typed[i : i+1]))
		if shown := e.draw(40); i > len("/password") && strings.ContainsAny(strings.TrimPrefix(shown, "\r\x1b[K> /password"), "s\u00e9cretwo") {
			t.Fatalf("after %q: %q", typed[:i+1], shown)
		}
	}
	if shown := e.draw(40); !strings.Contains(shown, "> /password ***********\r\x1b[23C") {
		t.Errorf("%q", shown)
	}
	for range 4 {
		e.left()
		if shown := e.draw(40); strings.Contains(shown, "word") && strings.Contains(shown, "cret") {
			t.Errorf("%q", shown)
		}
	}
	if line := e.take(); line != typed || len(e.past) != 0 {
		t.Errorf("%q is kept in %q", line, e.past)
	}
	e.feed([]byte("/passwords are silly"))
	if shown := e.draw(40); !strings.Contains(shown, "silly") {
		t.Errorf("%q", shown)
	}
	if e.take(); len(e.past) != 1 {
		t.Errorf("%q", e.past)
	}
}
