//go:build !nolab

package page

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"rsc.io/qr"

	"parley/lab"
)

// The bounds of watching.
const (
	maxOpen  = 4                     // browsers that watch with one token: one more cuts the oldest
	maxTeach = 8                     // and as the teacher: projector, desk, and what has not noticed that it is gone
	calm     = 40 * time.Millisecond // between two looks: nobody sees more than 25 states a second
	silence  = 15 * time.Second      // after which a watcher is told that all is well, and in which it must take what it is sent
)

// watcher is a browser that looks on.
type watcher struct {
	token   string        // empty: the teacher
	changed chan struct{} // room for one: it will see all that has changed
	cut     chan struct{} // closed when newer ones take its place
}

// enter has a browser look on. c.mu is held.
func (c *class) enter(token string) *watcher {
	most, mine := maxOpen, 0
	if token == "" {
		most = maxTeach
	}
	for i := len(c.watchers) - 1; i >= 0; i-- { // the newest first
		if w := c.watchers[i]; w.token == token {
			if mine++; mine >= most {
				close(w.cut)
				c.watchers = slices.Delete(c.watchers, i, i+1)
			}
		}
	}
	w := &watcher{token: token, changed: make(chan struct{}, 1), cut: make(chan struct{})}
	w.changed <- struct{}{}
	c.watchers = append(c.watchers, w)
	return w
}

// exit is its end.
func (c *class) exit(w *watcher) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watchers = slices.DeleteFunc(c.watchers, func(x *watcher) bool { return x == w })
}

// wake has those with a token look. c.mu is held.
func (c *class) wake(token string) {
	for _, w := range c.watchers {
		if w.token == token {
			w.wake()
		}
	}
}

func (w *watcher) wake() {
	select {
	case w.changed <- struct{}{}:
	default: // it has not looked since the last time, and will see both
	}
}

// watch sends the state after each change, and to the teacher the lines of a
// live class: as server-sent events, whose ids are the numbers of the lines, so
// that a browser that comes back says what it has.
func (s *Server) watch(w http.ResponseWriter, r *http.Request) {
	token := r.Header.Get(tokenHeader)
	teacher := s.isTeacher(r)
	if teacher {
		token = ""
	}
	c := s.class
	c.mu.Lock()
	if !teacher && c.byToken(token) == nil {
		c.mu.Unlock()
		fail(w, http.StatusForbidden, "", "join first")
		return
	}
	me := c.enter(token)
	c.mu.Unlock()
	defer c.exit(me)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := &events{w: w, control: http.NewResponseController(w), seq: -1}
	out.next, _ = strconv.Atoi(r.Header.Get("Last-Event-ID"))
	alive := time.NewTicker(silence)
	defer alive.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-me.cut:
			return
		case <-alive.C:
			out.within()
			fmt.Fprint(w, ": alive\n\n")
			if out.control.Flush() != nil {
				return
			}
		case <-me.changed:
			if !out.look(c, token) {
				return
			}
			select {
			case <-r.Context().Done():
				return
			case <-time.After(calm):
			}
		}
	}
}

// events is what a watcher has been sent.
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
	next    int // the number of the line that comes next
	seq     int // of the state it has
}

// within has what follows be taken in time: a browser that does not is cut, and
// comes back.
func (e *events) within() { e.control.SetWriteDeadline(time.Now().Add(silence)) }

// look sends what is new; false: it was the last.
func (e *events) look(c *class, token string) bool {
	c.mu.Lock()
	var lines []lab.Line
	if end := c.first + len(c.lines); token == "" {
		if e.next < c.first || e.next > end { // too old, or of another program
			e.next = c.first
		}
		lines = slices.Clone(c.lines[e.next-c.first:])
	}
	gone := token != "" && c.byToken(token) == nil
	var view *State
	if c.state.Seq != e.seq {
		v := c.view(token)
		view, e.seq = &v, v.Seq
	}
	c.mu.Unlock()
	e.within()
	for _, l := range lines {
		e.next++
		fmt.Fprintf(e.w, "id: %d\nevent: line\ndata: ", e.next)
		json.NewEncoder(e.w).Encode(l)
		fmt.Fprint(e.w, "\n")
	}
	if view != nil {
		fmt.Fprint(e.w, "event: state\ndata: ")
		json.NewEncoder(e.w).Encode(view)
		fmt.Fprint(e.w, "\n")
	}
	return e.control.Flush() == nil && !gone
}

// pictureCookie lets the teacher's page show the picture below, which it asks
// for without a header. It allows nothing else.
const pictureCookie = "parley-picture"

// qr is the picture that phones read, of where to join. The code is in it: it is
// for the projector, not for everybody who can reach this computer.
func (s *Server) qr(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(pictureCookie); !s.isTeacher(r) && (err != nil || !same(c.Value, s.picture)) {
		fail(w, http.StatusForbidden, "", "this needs the link that the terminal printed")
		return
	}
	if s.Join == "" {
		fail(w, http.StatusNotFound, "", "students cannot join: start with --lan")
		return
	}
	code, err := qr.Encode(s.Join, qr.M)
	if err != nil {
		fail(w, http.StatusInternalServerError, "", err.Error())
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-4 -4 %d %d" shape-rendering="crispEdges"><path fill="#fff" d="M-4-4h%dv%dh-%dz"/><path d="`,
		code.Size+8, code.Size+8, code.Size+8, code.Size+8, code.Size+8)
	for y := range code.Size {
		for x := range code.Size {
			if code.Black(x, y) {
				fmt.Fprintf(&b, "M%d %dh1v1h-1z", x, y)
			}
		}
	}
	b.WriteString(`"/></svg>`)
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Cache-Control", "no-store")
	fmt.Fprint(w, b.String())
}
