//go:build !nolab

package page

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestDevices has one device neither fill the class nor come back when its student
// was sent away.
func TestDevices(t *testing.T) {
	r := open(t, nil)
	join := func(from, nick string) int {
		b, _ := json.Marshal(map[string]string{"code": r.Code(), "nick": nick})
		q := httptest.NewRequest("POST", "http://10.0.0.5/api/join", strings.NewReader(string(b)))
		q.Header.Set("Content-Type", "application/json")
		q.RemoteAddr = from
		w := httptest.NewRecorder()
		r.Server.ServeHTTP(w, q)
		return w.Code
	}
	for i := range perAddress + 2 {
		want := http.StatusOK
		if i >= perAddress {
			want = http.StatusTooManyRequests
		}
		if got := join(fmt.Sprint("10.0.0.9:", 1000+i), fmt.Sprint("x", i)); got != want {
			t.Errorf("join %d: %d, want %d", i+1, got, want)
		}
	}
	if got := join("10.0.0.8:1", "ben"); got != http.StatusOK {
		t.Errorf("from elsewhere: %d", got)
	}
	r.does(map[string]any{"do": "remove", "nick": "ben"})
	if got := join("[::ffff:10.0.0.8]:2", "ben"); got != http.StatusForbidden {
		t.Errorf("after being sent away: %d", got)
	}
	if got := join("10.0.0.7:1", "ben"); got != http.StatusOK {
		t.Errorf("another device: %d", got)
	}
}
