//go:build !nolab

package page

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"parley/lab"
	"parley/text"
)

// browser is somebody who asks.
type browser struct {
	t     testing.TB
	url   string
	token string
}

// ask returns the status and the body. A nil body makes it a GET.
func (b browser) ask(path string, body any, set ...func(*http.Request)) (int, string) {
	b.t.Helper()
	method, r := "GET", bytes.NewReader(nil)
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			b.t.Fatal(err)
		}
		method, r = "POST", bytes.NewReader(raw)
	}
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, method, b.url+path, r)
	if err != nil {
		b.t.Fatal(err)
	}
	if body != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	q.Header.Set(tokenHeader, b.token)
	for _, f := range set {
		f(q)
	}
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	var out bytes.Buffer
	out.ReadFrom(answer.Body)
	return answer.StatusCode, out.String()
}

// want asks, and wants that status.
func (b browser) want(status int, path string, body any, set ...func(*http.Request)) string {
	b.t.Helper()
	got, text := b.ask(path, body, set...)
	if got != status {
		b.t.Errorf("%s %v: %d %s, want %d", path, body, got, text, status)
	}
	return text
}

type m = map[string]any

// serve serves a class.
func serve(t testing.TB, s *Server) (teacher, stranger browser) {
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		web.CloseClientConnections()
		web.Close()
		s.Close()
	})
	return browser{t, web.URL, s.Token()}, browser{t, web.URL, ""}
}

// joined is a student.
func joined(s *Server, b browser, nick string) browser {
	b.t.Helper()
	var got struct{ Token string }
	if err := json.Unmarshal([]byte(b.want(200, "/api/join", m{"code": s.Code(), "nick": nick})), &got); err != nil || got.Token == "" {
		b.t.Fatalf("%s does not get in: %v", nick, err)
	}
	b.token = got.Token
	return b
}

// state is what a browser sees now.
func (b browser) state() State {
	b.t.Helper()
	e := b.watch("")
	defer e.close()
	return e.state()
}

// watching is a browser that looks on.
type watching struct {
	t     testing.TB
	close func()
	lines *bufio.Reader
	ids   []string
}

func (b browser) watch(last string) *watching {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	q, _ := http.NewRequestWithContext(ctx, "GET", b.url+"/api/watch", nil)
	q.Header.Set(tokenHeader, b.token)
	if last != "" {
		q.Header.Set("Last-Event-ID", last)
	}
	r, err := http.DefaultClient.Do(q)
	if err != nil || r.StatusCode != 200 {
		cancel()
		b.t.Fatal(err, r)
	}
	return &watching{b.t, func() { cancel(); r.Body.Close() }, bufio.NewReader(r.Body), nil}
}

// state reads on to the next state; the ids of lines before it are kept.
func (w *watching) state() (s State) {
	w.t.Helper()
	kind := ""
	for {
		line, err := w.lines.ReadString('\n')
		if err != nil {
			w.t.Fatal(err)
		}
		switch key, value, _ := strings.Cut(strings.TrimSpace(line), ": "); key {
		case "id":
			w.ids = append(w.ids, value)
		case "event":
			kind = value
		case "data":
			if kind == "state" {
				if err := json.Unmarshal([]byte(value), &s); err != nil {
					w.t.Fatal(err)
				}
				return s
			}
		}
	}
}

func TestOnlyTheLinkTeaches(t *testing.T) {
	s := &Server{Join: "http://10.0.0.5:7680/#0000"}
	teacher, stranger := serve(t, s)
	ana := joined(s, stranger, "ana")
	for _, b := range []browser{stranger, ana, {t, stranger.url, teacher.token[:31]}, {t, stranger.url, teacher.token + "0"}} {
		for _, path := range []string{"/api/lessons", "/api/room", "/api/qr.svg"} {
			b.want(403, path, nil)
		}
		for _, path := range []string{"/api/run", "/api/file", "/api/own", "/api/teach"} {
			b.want(403, path, m{"do": "reveal", "lesson": "handshake"})
		}
	}
	stranger.want(403, "/api/watch", nil)
	for _, path := range []string{"/api/say", "/api/vote"} {
		stranger.want(403, path, m{"text": "hi"})
	}
	teacher.want(200, "/api/lessons", nil)
	if svg := teacher.want(200, "/api/qr.svg", nil); !strings.HasPrefix(svg, "<svg ") {
		t.Error("no picture:", svg)
	}
	stranger.want(200, "/api/qr.svg", nil, func(r *http.Request) { r.AddCookie(&http.Cookie{Name: pictureCookie, Value: s.picture}) })
	stranger.want(403, "/api/lessons", nil, func(r *http.Request) { r.AddCookie(&http.Cookie{Name: pictureCookie, Value: s.picture}) })
	if strings.Contains(fmt.Sprint(ana.state()), s.Code()) {
		t.Error("the code is in what a student sees")
	}
}

func TestOtherPagesAreRefused(t *testing.T) {
	teacher, _ := serve(t, &Server{})
	for host, want := range map[string]int{"evil.example": 421, "evil.example:80": 421, "127.0.0.1.evil.example": 421, "": 200, "localhost:7680": 200, "[::1]:7680": 200, "10.0.0.5": 200} {
		teacher.want(want, "/api/lessons", nil, func(r *http.Request) { r.Host = host })
	}
	for origin, want := range map[string]int{"http://evil.example": 403, "null": 403, "http://127.0.0.1:1": 403, "%": 403, teacher.url: 200} {
		teacher.want(want, "/api/teach", m{"do": "blank"}, func(r *http.Request) { r.Header.Set("Origin", origin) })
	}
	teacher.want(415, "/api/teach", m{"do": "blank"}, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") })
	r, err := http.Get(teacher.url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	policy := r.Header.Get("Content-Security-Policy")
	if strings.Contains(policy, "unsafe") || !strings.Contains(policy, "default-src 'none'") {
		t.Error("the policy:", policy)
	}
}

func TestLargeRequestsAreRefused(t *testing.T) {
	s := &Server{}
	teacher, stranger := serve(t, s)
	ana := joined(s, stranger, "ana")
	ana.want(413, "/api/say", m{"text": strings.Repeat("x", maxBody)})
	teacher.want(413, "/api/own", m{"source": strings.Repeat("x", maxBody)}, func(*http.Request) {
		s.Own = func(*http.Request, string, map[string]string, func(lab.Line) error) error { return nil }
	})
	ana.want(400, "/api/say", []int{1})
	if from := time.Now(); len(tidy(strings.Repeat("\x1b\u202e", 1<<20), maxSaid)) > maxSaid || time.Since(from) > time.Second {
		t.Error("a long text costs", time.Since(from))
	}
}

func TestGuessedCodesAreLimited(t *testing.T) {
	s := &Server{}
	var mu sync.Mutex
	now := time.Now()
	s.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	_, stranger := serve(t, s)
	wrong := "0000"
	if s.Code() == wrong {
		wrong = "0001"
	}
	got := make(chan int, 4*guesses)
	var all sync.WaitGroup
	for range cap(got) {
		all.Go(func() { status, _ := stranger.ask("/api/join", m{"code": wrong, "nick": "eve"}); got <- status })
	}
	all.Wait()
	close(got)
	count := map[int]int{}
	for status := range got {
		count[status]++
	}
	if count[403] != guesses || count[429] != cap(got)-guesses {
		t.Errorf("%v, want %d that are wrong, and the others refused", count, guesses)
	}
	stranger.want(429, "/api/join", m{"code": s.Code(), "nick": "eve"})
	mu.Lock()
	now = now.Add(time.Minute + 1)
	mu.Unlock()
	joined(s, stranger, "eve")
}

func TestNames(t *testing.T) {
	s := &Server{}
	_, stranger := serve(t, s)
	joined(s, stranger, "blue heron")
	for nick, want := range map[string]int{
		"": 422, "  \n ": 422, "board": 422, "Board": 422, strings.Repeat("x", maxNick+1): 422,
		"blue heron": 409, " blue  heron ": 409, "Blue Heron": 409, "bIue heron": 409,
	} {
		stranger.want(want, "/api/join", m{"code": s.Code(), "nick": nick})
	}
	bad := joined(s, stranger, "<b>\u202ebea\x1b[2J</b>").state().You
	if strings.ContainsAny(bad, "\u202e\x1b") || !strings.Contains(bad, "<b>") {
		t.Errorf("%q", bad)
	}
	for i := range maxStudents - 2 {
		joined(s, stranger, fmt.Sprintf("n%02d", i))
	}
	stranger.want(503, "/api/join", m{"code": s.Code(), "nick": "one more"})
}

func TestWhoSaysTooMuch(t *testing.T) {
	s := &Server{}
	var mu sync.Mutex
	now := time.Now()
	s.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	teacher, stranger := serve(t, s)
	ana, ben := joined(s, stranger, "ana"), joined(s, stranger, "ben")
	count := map[int]int{}
	for i := range 10_000 {
		r := httptest.NewRequest("POST", "http://127.0.0.1/api/say", strings.NewReader(fmt.Sprintf(`{"text":"%d \u001b]0;x\u0007 \u202e"}`, i)))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set(tokenHeader, ana.token)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		count[w.Code]++
	}
	if count[200] != textsPer || count[429] != 10_000-textsPer {
		t.Error(count)
	}
	ben.want(200, "/api/say", m{"text": "I may"})
	mu.Lock()
	now = now.Add(textsIn + 1)
	mu.Unlock()
	ana.want(200, "/api/say", m{"text": "again"})
	all := teacher.state().Texts
	if len(all) != textsPer+2 {
		t.Errorf("%d texts", len(all))
	}
	for _, x := range all {
		if strings.ContainsAny(x.Text, "\x1b\x07\u202e") {
			t.Errorf("%q", x.Text)
		}
	}
	for _, x := range ben.state().Texts {
		if x.Nick != "ben" {
			t.Error("a student sees what others said")
		}
	}
}

func TestTheTeacherDecides(t *testing.T) {
	s := &Server{Approve: true}
	teacher, stranger := serve(t, s)
	ana := joined(s, stranger, "ana")
	ana.want(200, "/api/say", m{"text": "one"})
	ana.want(200, "/api/say", m{"text": "two"})
	teacher.want(200, "/api/teach", m{"do": "approve", "msg": 1})
	teacher.want(200, "/api/teach", m{"do": "refuse", "msg": 2})
	teacher.want(422, "/api/teach", m{"do": "approve", "msg": 2})
	if x := ana.state().Texts; len(x) != 1 || x[0].Waiting || x[0].Text != "one" {
		t.Error(x)
	}
	teacher.want(200, "/api/teach", m{"do": "mute", "nick": "ana", "on": true})
	ana.want(403, "/api/say", m{"text": "three"})
	teacher.want(200, "/api/teach", m{"do": "mute", "nick": "ana"})
	teacher.want(200, "/api/teach", m{"do": "silence", "on": true})
	ana.want(403, "/api/say", m{"text": "three"})
	teacher.want(200, "/api/teach", m{"do": "silence"})
	ana.want(200, "/api/say", m{"text": "three"})
	sees := ana.watch("")
	defer sees.close()
	sees.state()
	teacher.want(200, "/api/teach", m{"do": "remove", "nick": "ana"})
	if x := sees.state(); x.You != "" || len(x.Texts) > 0 {
		t.Errorf("who was removed sees %+v", x)
	}
	ana.want(403, "/api/say", m{"text": "four"})
	ana.want(403, "/api/watch", nil)
	if x := joined(s, stranger, "ana").state().Texts; len(x) > 0 {
		t.Error("another of that name sees", x)
	}
	for _, x := range teacher.state().Texts {
		if x.Waiting {
			t.Error("a text of who was removed waits")
		}
	}
	teacher.want(422, "/api/teach", m{"do": "explode"})
	teacher.want(422, "/api/teach", m{"do": "speed", "speed": 1e9})
}

func TestVotesAreNotTold(t *testing.T) {
	s := &Server{}
	teacher, stranger := serve(t, s)
	ana, ben := joined(s, stranger, "ana"), joined(s, stranger, "ben")
	ana.want(409, "/api/vote", m{"answer": 0})
	teacher.want(422, "/api/teach", m{"do": "ask", "lesson": "holblock"})
	teacher.want(200, "/api/teach", m{"do": "ask", "lesson": "holblocking"})
	ana.want(422, "/api/vote", m{"answer": 9})
	ana.want(422, "/api/vote", m{"answer": -1})
	ana.want(200, "/api/vote", m{"answer": 0})
	ana.want(200, "/api/vote", m{"answer": 1}) // who thinks again
	ben.want(200, "/api/vote", m{"answer": 0})
	for _, b := range []browser{teacher, ana} {
		if x := b.state(); x.Voted != 2 || x.Votes != nil || x.Right != -1 {
			t.Errorf("before it is told, %+v is seen", x)
		}
	}
	if ana.state().Answer != 1 || ben.state().Answer != 0 {
		t.Error("who comes back has lost the answer")
	}
	teacher.want(200, "/api/teach", m{"do": "close"})
	ben.want(409, "/api/vote", m{"answer": 1})
	teacher.want(200, "/api/teach", m{"do": "reveal"})
	if x := ana.state(); !x.Shown || x.Right < 0 || len(x.Votes) < 2 || x.Votes[0] != 1 || x.Votes[1] != 1 {
		t.Errorf("%+v", x)
	}
}

func TestWhoComesBackMissesNothing(t *testing.T) {
	s := &Server{}
	teacher, _ := serve(t, s)
	l := &live{commands: make(chan lab.Command, 1), stop: make(chan struct{})}
	c := s.class
	c.mu.Lock()
	c.live = l
	c.mu.Unlock()
	for i := range 10 {
		c.line(l, lab.Line{K: "clock", T: time.Duration(i)})
	}
	c.line(&live{}, lab.Line{K: "clock"}) // of a class before
	for last, want := range map[string]int{"": 10, "4": 6, "10": 0, "11": 10, "-5": 10, "x": 10, "99999999999999999999": 10} {
		w := teacher.watch(last)
		if w.state(); len(w.ids) != want || want > 0 && w.ids[want-1] != "10" {
			t.Errorf("after %q: lines %v, want %d", last, w.ids, want)
		}
		w.close()
	}
	for i := range 3 * keptLines {
		c.line(l, lab.Line{K: "clock", T: time.Duration(i)})
	}
	w := teacher.watch("4")
	defer w.close()
	if w.state(); len(w.ids) < keptLines || len(w.ids) > keptLines*5/4 || w.ids[len(w.ids)-1] != fmt.Sprint(10+3*keptLines) {
		t.Errorf("%d lines to %v", len(w.ids), w.ids[len(w.ids)-1])
	}
	c.mu.Lock()
	c.live = nil
	c.mu.Unlock()
}

func TestNewerWatchersCutTheOldest(t *testing.T) {
	s := &Server{}
	teacher, stranger := serve(t, s)
	ana := joined(s, stranger, "ana")
	first := ana.watch("")
	defer first.close()
	first.state()
	for range 3 * maxOpen {
		defer ana.watch("").close()
	}
	if _, err := first.lines.ReadString(0); err == nil || strings.Contains(err.Error(), "deadline") {
		t.Error("the oldest goes on:", err)
	}
	s.class.mu.Lock()
	n := len(s.class.watchers)
	s.class.mu.Unlock()
	if n > maxOpen {
		t.Errorf("%d watchers of one token", n)
	}
	teacher.state() // others do not suffer
}

func TestADeafEngineStopsNobody(t *testing.T) {
	s := &Server{Engine: lab.Engine{Env: []string{asEngine + "=deaf"}}}
	teacher, _ := serve(t, s)
	teacher.want(200, "/api/teach", m{"do": "live"})
	rule := strings.Repeat("x", 60_000)
	for range 2 * maxCommands {
		s.class.mu.Lock()
		s.class.do(lab.Command{Do: "drop", Rule: rule})
		s.class.mu.Unlock()
	}
	if teacher.state().Live {
		t.Error("the class goes on")
	}
}

func TestATextRidesThreeWays(t *testing.T) {
	s := &Server{Engine: lab.Engine{Env: []string{asEngine + "=1"}}}
	teacher, stranger := serve(t, s)
	ana := joined(s, stranger, "ana")
	teacher.want(200, "/api/teach", m{"do": "live", "settings": m{"delay": "20ms"}})
	teacher.want(200, "/api/teach", m{"do": "speed", "speed": 1})
	ana.want(200, "/api/say", m{"text": "hello"})
	sees := ana.watch("")
	defer sees.close()
	for {
		x := sees.state()
		if len(x.Texts) == 1 && len(x.Texts[0].Fared) == 3 {
			for lane, took := range x.Texts[0].Fared {
				if took < 20*time.Millisecond {
					t.Errorf("%s: %v over a cable of 20 ms", lane, took)
				}
			}
			break
		}
	}
	teacher.want(200, "/api/teach", m{"do": "end"})
	if teacher.state().Live {
		t.Error("it goes on")
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	far := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 9), Port: 1}
	l := Limit(&endless{far: far})
	var conns []net.Conn
	for range maxConnsEach {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	if c, err := l.Accept(); err == nil { // endless ends after many
		t.Error("one more:", c)
	}
	conns[0].Close()
	conns[0].Close()
	if _, err := l.Accept(); err != nil {
		t.Error("a free place is not given:", err)
	}
	if _, err := l.Accept(); err == nil {
		t.Error("closed twice, it counts twice")
	}
}

// endless has connections from far until as many as ten times the limit have
// come in a row.
type endless struct {
	net.Listener
	far  net.Addr
	left int
}

type fromFar struct {
	net.Conn
	far net.Addr
}

func (c fromFar) RemoteAddr() net.Addr { return c.far }
func (c fromFar) Close() error         { return nil }

func (e *endless) Accept() (net.Conn, error) {
	if e.left++; e.left > maxConnsEach && e.left%10 == 0 {
		return nil, net.ErrClosed
	}
	return fromFar{far: e.far}, nil
}

// The page asks nobody but who serves it, and comes to a phone over a school's
// network.
func TestThePageIsSmallAndAlone(t *testing.T) {
	const most, mostPacked = 150_000, 60_000
	size, packed := 0, 0
	err := fs.WalkDir(dist, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := dist.ReadFile(path)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
		z.Write(data)
		z.Close()
		size, packed = size+len(data), packed+b.Len()
		for _, link := range regexp.MustCompile(`(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}[^\s"'`+"`"+`)]*`).FindAllString(string(data), -1) {
			if !strings.Contains(link, "www.w3.org/") { // the names of SVG
				t.Logf("%s names %s", path, link)
			}
		}
		if bytes.Contains(data, []byte("eval(")) {
			t.Error(path, "evaluates text")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("FIGURE the page: %d bytes (at most %d), %d compressed (at most %d)", size, most, packed, mostPacked)
	if size > most || packed > mostPacked {
		t.Error("too large")
	}
}

func FuzzTidy(f *testing.F) {
	for _, s := range []string{"", "hello", "\x1b[2J", "a\u202eb", "<script>", "ש\u05b0לום", strings.Repeat("e\u0301", 300), "\xff\xfe", "a\r\n\tb", "👩‍👩‍👧‍👦"} {
		f.Add(s, uint16(96))
	}
	f.Fuzz(func(t *testing.T, s string, most uint16) {
		most %= 1000
		out := tidy(s, int(most))
		if len(out) > int(most) || !utf8.ValidString(out) || strings.ContainsAny(out, "\n\r\t\x1b\u202a\u202b\u202d\u202e") || text.Clean(out) != out {
			t.Errorf("%q becomes %q", s, out)
		}
	})
}
