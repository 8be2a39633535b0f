//go:build !nolab

package page

import (
	"crypto/rand"
	"crypto/subtle"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"parley/lab"
)

//go:embed dist
var dist embed.FS

// The bounds of what the page takes from browsers.
const (
	maxBody     = 64 << 10 // bytes of a request: a student's transport is the largest
	maxRuns     = 2        // at once: the machine is a teacher's laptop
	runLimit    = 30 * time.Second
	guesses     = 10               // wrong codes from one address a minute
	allGuesses  = 60               // and from all
	bodyLimit   = 10 * time.Second // in which a request must have come whole
	answerLimit = 2 * time.Minute  // in which an answer must have been taken
)

// A Server serves the page. Its fields are read at first use.
type Server struct {
	Engine  lab.Engine
	Approve bool      // texts of students wait for the teacher
	Lesson  string    // that is shown first; empty: the first
	Join    string    // where students find the page, such as http://10.0.0.5:8080/; empty: they cannot
	Room    Source    // packets of a real room, to be shown beside; nil: none
	Own     OwnRunner // runs students' transports; nil: none
	Now     func() time.Time

	once    sync.Once
	token   string
	picture string // the cookie of the picture of where to join
	class   *class
	runs    chan struct{}
	tries   tries
	handler http.Handler
}

// Source gives lines of what happens on real wires, until stop is closed.
type Source func(stop <-chan struct{}, each func(lab.Line))

// OwnRunner runs a student's transport.
type OwnRunner func(r *http.Request, source string, settings map[string]string, each func(lab.Line) error) error

func (s *Server) start() {
	s.once.Do(func() {
		if s.Now == nil {
			s.Now = time.Now
		}
		s.token, s.picture = secret(), secret()
		s.runs = make(chan struct{}, maxRuns)
		s.class = newClass(s)
		s.tries.now = s.Now
		s.handler = s.routes()
	})
}

// secret is 128 random bits.
func secret() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// newCode is what students type: four digits.
func newCode() string {
	n, err := rand.Int(rand.Reader, big.NewInt(10_000))
	if err != nil {
		panic(err) // the system has no randomness
	}
	return fmt.Sprintf("%04d", n)
}

// Token is the teacher's secret: it belongs behind the # of the link.
func (s *Server) Token() string { s.start(); return s.token }

// Code is what students type.
func (s *Server) Code() string { s.start(); return s.class.code }

// Close ends the live class, if there is one, and lets go of who watches.
func (s *Server) Close() { s.start(); s.class.close() }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.start()
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	if !ours(r.Host) {
		http.Error(w, "this page is to be asked for by its address", http.StatusMisdirectedRequest)
		return
	}
	if o := r.Header.Get("Origin"); o != "" {
		if u, err := url.Parse(o); err != nil || u.Host != r.Host {
			http.Error(w, "another page may not ask this", http.StatusForbidden)
			return
		}
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerLimit)) // streams set it anew
	s.handler.ServeHTTP(w, r)
}

// ours tells whether a host is an address, or localhost: a name could have been
// made to point here by somebody else's page.
func ours(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	if name == "localhost" {
		return true
	}
	_, err = netip.ParseAddr(strings.Trim(name, "[]"))
	return err == nil
}

func (s *Server) routes() http.Handler {
	m := http.NewServeMux()
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err)
	}
	m.Handle("GET /", http.FileServerFS(files))
	teacher := func(f func(http.ResponseWriter, *http.Request)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if !s.isTeacher(r) {
				fail(w, http.StatusForbidden, "", "this needs the link that the terminal printed")
				return
			}
			f(w, r)
		}
	}
	m.HandleFunc("GET /api/lessons", teacher(s.lessons))
	m.HandleFunc("POST /api/run", teacher(s.run))
	m.HandleFunc("POST /api/file", teacher(s.file))
	m.HandleFunc("GET /api/qr.svg", s.qr)
	m.HandleFunc("GET /api/room", teacher(s.room))
	m.HandleFunc("POST /api/own", teacher(s.own))
	m.HandleFunc("POST /api/teach", teacher(s.teach))
	m.HandleFunc("GET /api/watch", s.watch)
	m.HandleFunc("POST /api/join", s.join)
	m.HandleFunc("POST /api/say", s.say)
	m.HandleFunc("POST /api/vote", s.vote)
	return m
}

// tokenHeader carries the teacher's secret or a student's.
const tokenHeader = "X-Parley-Token"

func (s *Server) isTeacher(r *http.Request) bool {
	return same(r.Header.Get(tokenHeader), s.token)
}

// same compares secrets, in a time that tells nothing of where they differ.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// failure is what is wrong, for the page to show.
type failure struct {
	Error string `json:"error"`
	Field string `json:"field,omitempty"`
}

func fail(w http.ResponseWriter, status int, field, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(failure{text, field})
}

// give answers with v.
func give(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(v)
}

// take reads a request's body.
func take(w http.ResponseWriter, r *http.Request, v any) bool {
	if t := r.Header.Get("Content-Type"); !strings.HasPrefix(t, "application/json") {
		fail(w, http.StatusUnsupportedMediaType, "", "want application/json")
		return false
	}
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Now().Add(bodyLimit))
	err := json.NewDecoder(r.Body).Decode(v)
	control.SetReadDeadline(time.Time{}) // else it would end what takes longer
	if err != nil {
		status := http.StatusBadRequest
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			status = http.StatusRequestEntityTooLarge
		}
		fail(w, status, "", "cannot be read: "+err.Error())
		return false
	}
	return true
}

// lesson is what the page knows of one.
type lesson struct {
	Number   int               `json:"number"`
	Name     string            `json:"name"`
	Topic    string            `json:"topic"`
	Claim    string            `json:"claim"` // with {loss}-style places
	Setup    string            `json:"setup"`
	Question string            `json:"question"`
	Answers  []string          `json:"answers"`
	Right    int               `json:"right"`
	Why      string            `json:"why"`
	So       string            `json:"so"`
	Filters  map[string]string `json:"filters"`
	Defaults lab.Settings      `json:"defaults"`
	Uses     []string          `json:"uses"`
}

func (s *Server) lessons(w http.ResponseWriter, r *http.Request) {
	all := []lesson{}
	for _, l := range lab.Lessons {
		all = append(all, lesson{l.Number, l.Name, l.Topic, l.Claim, l.Setup, l.Question.Text, l.Question.Answers, l.Question.Right, l.Question.Why, l.So, l.Filters, l.Defaults, l.Uses})
	}
	help := map[string]string{}
	for _, s := range lab.AllSettings {
		help[s.Name] = s.Help
	}
	http.SetCookie(w, &http.Cookie{Name: pictureCookie, Value: s.picture, Path: "/api/qr.svg", HttpOnly: true, SameSite: http.SameSiteStrictMode})
	give(w, map[string]any{"lessons": all, "help": help, "first": s.Lesson, "join": s.Join, "approve": s.Approve, "room": s.Room != nil, "own": s.Own != nil})
}

// engage waits for a turn to run something.
func (s *Server) engage(w http.ResponseWriter, r *http.Request) (done func(), ok bool) {
	select {
	case s.runs <- struct{}{}:
		return func() { <-s.runs }, true
	case <-r.Context().Done():
	case <-time.After(5 * time.Second):
		fail(w, http.StatusTooManyRequests, "", fmt.Sprintf("%d runs go on already", maxRuns))
	}
	return nil, false
}

func (s *Server) run(w http.ResponseWriter, r *http.Request) {
	var q lab.Request
	if !take(w, r, &q) {
		return
	}
	done, ok := s.engage(w, r)
	if !ok {
		return
	}
	defer done()
	e, out := s.Engine, &stream{w: w}
	e.Limit = runLimit
	if err := e.Run(r.Context(), lab.Request{Lesson: q.Lesson, Settings: q.Settings, Bytes: q.Bytes}, out.write); err != nil {
		out.fail(err)
	}
}

// file gives a capture of a run, which is made again for it: the same seed
// gives the same bytes.
func (s *Server) file(w http.ResponseWriter, r *http.Request) {
	var q lab.Request
	if !take(w, r, &q) {
		return
	}
	if len(q.Captures) != 1 {
		fail(w, http.StatusBadRequest, "capture", "want one place to capture at, such as tcp:A")
		return
	}
	done, ok := s.engage(w, r)
	if !ok {
		return
	}
	defer done()
	e := s.Engine
	e.Limit = runLimit
	var found lab.Line
	err := e.Run(r.Context(), lab.Request{Lesson: q.Lesson, Settings: q.Settings, Captures: q.Captures, Quiet: true}, func(l lab.Line) error {
		if l.K == "file" {
			found = l
		}
		return nil
	})
	if err != nil {
		(&stream{w: w}).fail(err)
		return
	}
	if found.K == "" {
		fail(w, http.StatusNotFound, "capture", "there is no capture of "+tidy(q.Captures[0], 40))
		return
	}
	w.Header().Set("Content-Type", "application/x-pcapng")
	w.Header().Set("Content-Disposition", `attachment; filename="`+strings.Map(fileRune, q.Lesson+"-"+found.Name)+`"`)
	w.Write(found.Data)
}

// fileRune keeps what is harmless in a file's name.
func fileRune(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' {
		return r
	}
	return '_'
}

// room shows a real room's packets.
func (s *Server) room(w http.ResponseWriter, r *http.Request) {
	if s.Room == nil {
		fail(w, http.StatusNotFound, "", "no room is watched: parley host ROOM --lanes shows one")
		return
	}
	out := &stream{w: w, live: true}
	out.write(lab.Line{K: "run", V: lab.Schema, Lesson: "this room"})
	s.Room(r.Context().Done(), func(l lab.Line) { out.write(l) })
}

// own runs a student's transport.
func (s *Server) own(w http.ResponseWriter, r *http.Request) {
	if s.Own == nil {
		fail(w, http.StatusNotFound, "", "this program cannot run transports of one's own")
		return
	}
	var q struct {
		Source   string            `json:"source"`
		Settings map[string]string `json:"settings"`
	}
	if !take(w, r, &q) {
		return
	}
	done, ok := s.engage(w, r)
	if !ok {
		return
	}
	defer done()
	out := &stream{w: w}
	if err := s.Own(r, q.Source, q.Settings, out.write); err != nil {
		out.fail(err)
	}
}
