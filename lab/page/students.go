//go:build !nolab

package page

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"parley/lab"
	"parley/text"
)

// join lets a student in.
func (s *Server) join(w http.ResponseWriter, r *http.Request) {
	var q struct{ Code, Nick string }
	if !take(w, r, &q) {
		return
	}
	c := s.class
	switch s.tries.try(from(r), same(strings.TrimSpace(q.Code), c.code)) {
	case tooMany:
		fail(w, http.StatusTooManyRequests, "code", "too many wrong codes; wait a minute")
		return
	case wrongCode:
		fail(w, http.StatusForbidden, "code", "that is not the code on the projector")
		return
	}
	nick := tidy(q.Nick, 4*maxNick)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case nick == "" || utf8.RuneCountInString(nick) > maxNick || text.Key(nick) == text.Key("board"):
		fail(w, http.StatusUnprocessableEntity, "nick", fmt.Sprintf("a name has 1 to %d letters, and is not board", maxNick))
		return
	case c.taken(nick):
		fail(w, http.StatusConflict, "nick", "somebody is called that already, or nearly")
		return
	case len(c.students) >= maxStudents:
		fail(w, http.StatusServiceUnavailable, "", "the class is full")
		return
	}
	at := from(r)
	switch {
	case at.IsLoopback(): // the teacher's own, to try it
	case c.sentAway[at]:
		fail(w, http.StatusForbidden, "", "the teacher has sent you away")
		return
	case c.from(at) >= perAddress:
		fail(w, http.StatusTooManyRequests, "", fmt.Sprintf("%d have joined on this device: that is as many as may", perAddress))
		return
	}
	st := &student{Nick: nick, token: secret(), answer: -1, at: at}
	c.students = append(c.students, st)
	c.do(lab.Command{Do: "join", Host: nick})
	c.tell()
	give(w, map[string]string{"token": st.token, "nick": nick})
}

// from counts the students of an address. c.mu is held.
func (c *class) from(at netip.Addr) (n int) {
	for _, s := range c.students {
		if s.at == at {
			n++
		}
	}
	return n
}

// taken tells whether a name looks like somebody's. c.mu is held.
func (c *class) taken(nick string) bool {
	key := text.Key(nick)
	return slices.ContainsFunc(c.students, func(s *student) bool { return text.Key(s.Nick) == key })
}

// tidy makes what somebody typed a harmless line, of so many bytes at most: what
// is too much is cut off before it costs anything.
func tidy(s string, most int) string {
	for n := min(len(s), most); n > 0; n = n * 3 / 4 { // marks are longer than what they stand for
		for n < len(s) && n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		if out := text.Clean(strings.Join(strings.Fields(strings.Map(unturned, s[:n])), " ")); len(out) <= most {
			return out
		}
	}
	return ""
}

// unturned leaves out what turns the direction of what stands beside it.
func unturned(r rune) rune {
	if unicode.Is(unicode.Bidi_Control, r) {
		return -1
	}
	return r
}

// say has a student say something.
func (s *Server) say(w http.ResponseWriter, r *http.Request) {
	var q struct{ Text string }
	if !take(w, r, &q) {
		return
	}
	c, now, what := s.class, s.Now(), tidy(q.Text, maxSaid)
	c.mu.Lock()
	defer c.mu.Unlock()
	st := c.byToken(r.Header.Get(tokenHeader))
	switch {
	case st == nil:
		fail(w, http.StatusForbidden, "", "join first")
		return
	case what == "":
		fail(w, http.StatusUnprocessableEntity, "text", "say something")
		return
	case st.Muted || c.state.Muted:
		fail(w, http.StatusForbidden, "text", "the teacher has asked for silence")
		return
	}
	st.times = slices.DeleteFunc(st.times, func(t time.Time) bool { return now.Sub(t) > textsIn })
	if len(st.times) >= textsPer {
		fail(w, http.StatusTooManyRequests, "text", fmt.Sprintf("at most %d in %v", textsPer, textsIn))
		return
	}
	st.times = append(st.times, now)
	c.msg++
	c.texts = append(c.texts, said{Msg: c.msg, Nick: st.Nick, Text: what, Waiting: s.Approve, by: st})
	if n := len(c.texts) - maxTexts; n > 0 {
		c.texts = slices.Delete(c.texts, 0, n)
	}
	if !s.Approve {
		c.do(lab.Command{Do: "say", Host: st.Nick, Msg: c.msg, Text: what})
	}
	c.tell()
	give(w, map[string]int{"msg": c.msg})
}

// vote takes a student's answer.
func (s *Server) vote(w http.ResponseWriter, r *http.Request) {
	var q struct{ Answer int }
	if !take(w, r, &q) {
		return
	}
	c := s.class
	c.mu.Lock()
	defer c.mu.Unlock()
	st := c.byToken(r.Header.Get(tokenHeader))
	switch {
	case st == nil:
		fail(w, http.StatusForbidden, "", "join first")
	case !c.state.Open:
		fail(w, http.StatusConflict, "answer", "no question is open")
	case q.Answer < 0 || q.Answer >= len(c.state.Answers):
		fail(w, http.StatusUnprocessableEntity, "answer", "there is no such answer")
	default:
		if st.answer != q.Answer {
			st.answer = q.Answer
			c.tell()
		}
		give(w, map[string]int{"answer": q.Answer})
	}
}
