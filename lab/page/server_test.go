//go:build !nolab

package page

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"parley/lab"
)

// room is a page with its server.
type room struct {
	*testing.T
	*Server
	url string
	now atomic.Int64 // seconds that were added to the clock
}

func open(t *testing.T, change func(*Server)) *room {
	t.Helper()
	r := &room{T: t, Server: &Server{Engine: lab.Engine{Env: []string{asEngine + "=1"}}}}
	r.Now = func() time.Time { return time.Now().Add(time.Duration(r.now.Load()) * time.Second) }
	if change != nil {
		change(r.Server)
	}
	web := httptest.NewServer(r.Server)
	r.url = web.URL
	t.Cleanup(func() {
		r.Server.Close()
		web.CloseClientConnections()
		web.Close()
	})
	return r
}

// ask asks for something, and returns the status and the answer.
func (r *room) ask(token, path string, body any, change ...func(*http.Request)) (int, string) {
	r.Helper()
	method, content := "GET", io.Reader(nil)
	if body != nil {
		b, _ := json.Marshal(body)
		method, content = "POST", bytes.NewReader(b)
	}
	q, err := http.NewRequest(method, r.url+path, content)
	if err != nil {
		r.Fatal(err)
	}
	q.Header.Set(tokenHeader, token)
	q.Header.Set("Content-Type", "application/json")
	for _, f := range change {
		f(q)
	}
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		r.Fatal(err)
	}
	defer a.Body.Close()
	text, _ := io.ReadAll(a.Body)
	return a.StatusCode, string(text)
}

// joins has a student join.
func (r *room) joins(nick string) (token string) {
	r.Helper()
	status, text := r.ask("", "/api/join", map[string]string{"code": r.Code(), "nick": nick})
	var a struct{ Token string }
	if json.Unmarshal([]byte(text), &a); status != 200 || len(a.Token) != 32 {
		r.Fatalf("%s: %d %s", nick, status, text)
	}
	return a.Token
}

// does is what the teacher does.
func (r *room) does(a map[string]any) {
	r.Helper()
	if status, text := r.ask(r.Token(), "/api/teach", a); status != 200 {
		r.Fatalf("%v: %d %s", a, status, text)
	}
}

// sees waits until somebody's state is as wanted.
func (r *room) sees(token, what string, is func(State) bool) State {
	r.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	q, _ := http.NewRequestWithContext(ctx, "GET", r.url+"/api/watch", nil)
	q.Header.Set(tokenHeader, token)
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		r.Fatal(err)
	}
	defer a.Body.Close()
	var last string
	for lines := bufio.NewScanner(a.Body); lines.Scan(); {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok || !strings.HasPrefix(data, `{"seq"`) {
			continue
		}
		var s State
		if err := json.Unmarshal([]byte(data), &s); err != nil {
			r.Fatal(err)
		}
		if last = data; is(s) {
			return s
		}
	}
	r.Fatalf("%s: not seen; last %s", what, last)
	return State{}
}

// TestWhoMayWhat has students, strangers and other pages be refused what is the
// teacher's.
func TestWhoMayWhat(t *testing.T) {
	r := open(t, nil)
	ana := r.joins("ana")
	for _, path := range []string{"/api/lessons", "/api/room"} {
		for _, token := range []string{"", ana, strings.Repeat("0", 32)} {
			if status, _ := r.ask(token, path, nil); status != http.StatusForbidden {
				t.Errorf("%s with %q: %d", path, token, status)
			}
		}
	}
	for _, path := range []string{"/api/run", "/api/file", "/api/own", "/api/teach"} {
		if status, _ := r.ask(ana, path, map[string]string{"do": "reveal"}); status != http.StatusForbidden {
			t.Errorf("%s as a student: %d", path, status)
		}
	}
	for _, path := range []string{"/api/say", "/api/vote", "/api/watch"} {
		body := any(map[string]any{"text": "x"})
		if path == "/api/watch" {
			body = nil
		}
		if status, _ := r.ask("nobody", path, body); status != http.StatusForbidden {
			t.Errorf("%s as nobody: %d", path, status)
		}
	}
	foreign := func(name, value string) func(*http.Request) {
		return func(q *http.Request) {
			if name == "Host" {
				q.Host = value
			}
			q.Header.Set(name, value)
		}
	}
	for _, c := range []struct {
		name, value string
		want        int
	}{{"Host", "evil.example", http.StatusMisdirectedRequest}, {"Origin", "http://evil.example", http.StatusForbidden}, {"Origin", "null", http.StatusForbidden},
		{"Content-Type", "text/plain", http.StatusUnsupportedMediaType}, {"Host", "localhost:1", http.StatusOK}} {
		if status, _ := r.ask(r.Token(), "/api/teach", map[string]string{"do": "forget"}, foreign(c.name, c.value)); status != c.want {
			t.Errorf("%s: %s: %d, want %d", c.name, c.value, status, c.want)
		}
	}
	a, err := http.Get(r.url + "/")
	if err != nil {
		t.Fatal(err)
	}
	a.Body.Close()
	if p := a.Header.Get("Content-Security-Policy"); !strings.Contains(p, "default-src 'none'") || strings.Contains(p, "unsafe") {
		t.Errorf("the policy is %q", p)
	}
}

// TestCodes has few wrong codes be tried a minute.
func TestCodes(t *testing.T) {
	r := open(t, nil)
	wrong := fmt.Sprintf("%04d", 1)
	if r.Code() == wrong {
		wrong = "0002"
	}
	for i := range guesses + 2 {
		status, _ := r.ask("", "/api/join", map[string]string{"code": wrong, "nick": "x"})
		want := http.StatusForbidden
		if i >= guesses {
			want = http.StatusTooManyRequests
		}
		if status != want {
			t.Errorf("wrong code %d: %d, want %d", i+1, status, want)
		}
	}
	if status, _ := r.ask("", "/api/join", map[string]string{"code": r.Code(), "nick": "x"}); status != http.StatusTooManyRequests {
		t.Errorf("the right one at last: %d", status)
	}
	r.now.Add(61)
	r.joins("x")
	for nick, want := range map[string]int{"x": http.StatusConflict, "": http.StatusUnprocessableEntity, "board": http.StatusUnprocessableEntity, strings.Repeat("y", maxNick+1): http.StatusUnprocessableEntity} {
		if status, text := r.ask("", "/api/join", map[string]string{"code": r.Code(), "nick": nick}); status != want {
			t.Errorf("%q: %d %s", nick, status, text)
		}
	}
}

// TestVotes has two vote, once the other way after all, and nobody see how before
// it is shown.
func TestVotes(t *testing.T) {
	r := open(t, nil)
	ana, ben := r.joins("ana"), r.joins("ben")
	if status, _ := r.ask(ana, "/api/vote", map[string]int{"answer": 0}); status != http.StatusConflict {
		t.Errorf("a vote before the question: %d", status)
	}
	r.does(map[string]any{"do": "ask", "lesson": "holblocking"})
	for _, v := range []struct {
		who    string
		answer int
		want   int
	}{{ana, 0, 200}, {ana, 1, 200}, {ben, 0, 200}, {ben, 9, http.StatusUnprocessableEntity}, {ben, -1, http.StatusUnprocessableEntity}} {
		if status, _ := r.ask(v.who, "/api/vote", map[string]int{"answer": v.answer}); status != v.want {
			t.Errorf("answer %d: %d", v.answer, status)
		}
	}
	s := r.sees(r.Token(), "two votes", func(s State) bool { return s.Voted == 2 })
	if s.Votes != nil || s.Right != -1 {
		t.Errorf("told before it is shown: %+v", s)
	}
	if s := r.sees(ana, "her own answer", func(s State) bool { return s.Answer == 1 }); s.Votes != nil || s.Right != -1 || s.Code != "" || s.Students != nil {
		t.Errorf("a student sees %+v", s)
	}
	r.does(map[string]any{"do": "reveal"})
	s = r.sees(r.Token(), "the votes", func(s State) bool { return s.Shown })
	if !slices.Equal(s.Votes, []int{1, 1, 0, 0}) || s.Right != 1 {
		t.Errorf("%+v", s)
	}
	if status, _ := r.ask(ana, "/api/vote", map[string]int{"answer": 0}); status != http.StatusConflict {
		t.Errorf("a vote after the end: %d", status)
	}
}

// TestTexts has what students say be bounded, harmless, and wait where the
// teacher wants it.
func TestTexts(t *testing.T) {
	r := open(t, func(s *Server) { s.Approve = true })
	ana := r.joins("a\u202ena\x1b[2J")
	said := func(text string) (int, string) { return r.ask(ana, "/api/say", map[string]string{"text": text}) }
	if status, _ := said("<script>\x1b[31m\u2066hi\n\tthere"); status != 200 {
		t.Errorf("%d", status)
	}
	said(strings.Repeat("\u00e9", 5000))
	for _, bad := range []string{"", " \n\t ", "\u202e"} {
		if status, _ := said(bad); status != http.StatusUnprocessableEntity {
			t.Errorf("%q: %d", bad, status)
		}
	}
	refused := 0
	for range 10_000 / 100 {
		if status, _ := said("more"); status == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused != 97 {
		t.Errorf("%d of 100 were refused", refused)
	}
	s := r.sees(r.Token(), "five texts", func(s State) bool { return len(s.Texts) == textsPer })
	for _, x := range append(s.Texts, said0(s.Students[0].Nick)) {
		if strings.ContainsAny(x.Text, "\x1b\n\t\u202e\u2066") || len(x.Text) > maxSaid || strings.ContainsAny(x.Nick, "\x1b\u202e") {
			t.Errorf("%+v", x)
		}
	}
	if !s.Texts[0].Waiting || s.Texts[0].Fared != nil {
		t.Errorf("%+v", s.Texts[0])
	}
	r.does(map[string]any{"do": "approve", "msg": 1})
	r.does(map[string]any{"do": "refuse", "msg": 2})
	r.sees(ana, "one let through, one gone", func(s State) bool { return len(s.Texts) == textsPer-1 && !s.Texts[0].Waiting })
	r.does(map[string]any{"do": "silence", "on": true})
	r.now.Add(60)
	if status, _ := said("quiet?"); status != http.StatusForbidden {
		t.Errorf("%d in silence", status)
	}
	r.does(map[string]any{"do": "remove", "nick": s.Students[0].Nick})
	if status, _ := said("still here?"); status != http.StatusForbidden {
		t.Errorf("%d after removal", status)
	}
	if status, _ := r.ask(ana, "/api/say", map[string]string{"text": strings.Repeat("x", maxBody)}); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a large body: %d", status)
	}
}

func said0(nick string) said { return said{Text: nick, Nick: nick} }

// TestRuns has runs be asked for that are impossible, and one that is not.
func TestRuns(t *testing.T) {
	r := open(t, nil)
	for _, c := range []struct {
		q     lab.Request
		field string
	}{{lab.Request{Lesson: "holbloking"}, "lesson"}, {lab.Request{Lesson: "6", Settings: lab.Settings{"loss": "200%"}}, "loss"}, {lab.Request{Lesson: "6", Settings: lab.Settings{"drop": "A>B:data#999"}}, "drop"}} {
		status, text := r.ask(r.Token(), "/api/run", c.q)
		var f failure
		if json.Unmarshal([]byte(text), &f); status != http.StatusUnprocessableEntity || f.Field != c.field || f.Error == "" {
			t.Errorf("%+v: %d %s", c.q, status, text)
		}
	}
	status, text := r.ask(r.Token(), "/api/run", lab.Request{Lesson: "6"})
	if want := lab.Golden()["holblocking"]; status != 200 || !strings.Contains(text, want) || !strings.Contains(text, `"k":"frame"`) {
		t.Errorf("%d %s", status, text[max(0, len(text)-300):])
	}
	status, text = r.ask(r.Token(), "/api/file", lab.Request{Lesson: "6", Captures: []string{"tcp:A"}})
	if status != 200 || !strings.HasPrefix(text, "\x0a\x0d\x0d\x0a") {
		t.Errorf("%d %q", status, text[:min(len(text), 100)])
	}
	if status, text = r.ask(r.Token(), "/api/file", lab.Request{Lesson: "6", Captures: []string{"tcp:Z"}}); status != http.StatusUnprocessableEntity {
		t.Errorf("a capture nowhere: %d %s", status, text)
	}
}

// TestLiveClass has texts cross the wire, one be lost, and a browser come back
// that says what it has.
func TestLiveClass(t *testing.T) {
	r := open(t, nil)
	ana := r.joins("ana")
	r.does(map[string]any{"do": "live", "settings": map[string]string{"delay": "20ms"}})
	r.does(map[string]any{"do": "speed", "speed": 1})
	r.ask(ana, "/api/say", map[string]string{"text": "hello"})
	fared := func(s State, msg int) map[string]time.Duration {
		for _, x := range s.Texts {
			if x.Msg == msg {
				return x.Fared
			}
		}
		return nil
	}
	s := r.sees(ana, "it arrives by all", func(s State) bool { return len(fared(s, 1)) == 3 })
	for lane, took := range fared(s, 1) {
		if took != 20*time.Millisecond {
			t.Errorf("%s took %v", lane, took)
		}
	}
	r.does(map[string]any{"do": "wire", "settings": map[string]string{"delay": "20ms", "loss": "A>B:1%"}}) // nobody of that name
	if status, text := r.ask(r.Token(), "/api/teach", map[string]any{"do": "live", "settings": map[string]string{"loss": "x"}}); status != 200 && status != http.StatusUnprocessableEntity {
		t.Errorf("%d %s", status, text)
	}
	r.does(map[string]any{"do": "live", "settings": map[string]string{"delay": "20ms", "loss": "90%"}})
	r.ask(ana, "/api/say", map[string]string{"text": "into the dark"})
	r.ask(ana, "/api/say", map[string]string{"text": "and again"})
	r.ask(ana, "/api/say", map[string]string{"text": "once more"})
	r.sees(ana, "one is lost", func(s State) bool {
		return slices.Contains([]time.Duration{fared(s, 2)["udp"], fared(s, 3)["udp"], fared(s, 4)["udp"]}, lost)
	})
	// A browser that has all lines gets those that came after.
	q, _ := http.NewRequest("GET", r.url+"/api/watch", nil)
	q.Header.Set(tokenHeader, r.Token())
	r.class.mu.Lock()
	have := r.class.first + len(r.class.lines)
	r.class.mu.Unlock()
	q.Header.Set("Last-Event-ID", fmt.Sprint(have))
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	for lines := bufio.NewScanner(a.Body); lines.Scan(); {
		if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			if id <= fmt.Sprint(have) && len(id) <= len(fmt.Sprint(have)) {
				t.Errorf("line %s again, after %d", id, have)
			}
			break
		}
	}
	r.does(map[string]any{"do": "end"})
	r.sees(r.Token(), "its end", func(s State) bool { return !s.Live })
}
