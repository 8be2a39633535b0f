//go:build !nolab

package page

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"parley/lab"
)

// The bounds of a class.
const (
	maxStudents = 100
	perAddress  = 8   // a table that shares a tablet; nobody fills the class alone
	maxNick     = 24  // runes
	maxSaid     = 200 // bytes
	maxTexts    = 500 // that are kept, of a lesson
	textsPer    = 5   // of a student, in textsIn
	textsIn     = 10 * time.Second
	keptLines   = 4000
	tick        = 50 * time.Millisecond // of real time, in which a live class goes on
)

// A State is what the class shares. Teacher and students each get what is
// theirs of it.
type State struct {
	Seq      int       `json:"seq"`
	Code     string    `json:"code,omitempty"` // the teacher's: it is on the projector
	Lesson   string    `json:"lesson,omitempty"`
	Question string    `json:"question,omitempty"`
	Answers  []string  `json:"answers,omitempty"`
	Open     bool      `json:"open,omitempty"` // answers are taken
	Shown    bool      `json:"shown,omitempty"`
	Right    int       `json:"right"` // -1 until shown
	Votes    []int     `json:"votes,omitempty"`
	Voted    int       `json:"voted"`
	Here     int       `json:"here"`
	Live     bool      `json:"live,omitempty"`
	Speed    float64   `json:"speed,omitempty"`
	Paused   bool      `json:"paused,omitempty"`
	Blank    bool      `json:"blank,omitempty"`
	Muted    bool      `json:"muted,omitempty"`
	Students []student `json:"students,omitempty"` // the teacher's
	Texts    []said    `json:"texts,omitempty"`    // the teacher's; a student's own
	You      string    `json:"you,omitempty"`      // a student's
	Answer   int       `json:"answer"`             // a student's; -1: none
}

// student is one who has joined.
type student struct {
	Nick  string `json:"nick"`
	Muted bool   `json:"muted,omitempty"`
	Voted bool   `json:"voted,omitempty"`

	token  string
	answer int
	times  []time.Time // of what was said lately
	at     netip.Addr
}

// said is a text, and how it fared.
type said struct {
	Msg     int                      `json:"msg"`
	Nick    string                   `json:"nick"`
	Text    string                   `json:"text"`
	Waiting bool                     `json:"waiting,omitempty"` // for the teacher's yes
	Fared   map[string]time.Duration `json:"fared,omitempty"`   // by lane: how long it took; -1: lost

	by *student
}

// class is the state and who watches it.
type class struct {
	s    *Server
	code string

	mu       sync.Mutex
	state    State
	students []*student
	texts    []said
	msg      int
	live     *live
	lines    []lab.Line // of the live class, the latest
	first    int        // the number of lines[0]
	watchers []*watcher // the newest last
	// sentAway are the addresses of students who were removed. They know the code.
	sentAway map[netip.Addr]bool
	clock    sync.WaitGroup
}

func newClass(s *Server) *class {
	return &class{s: s, code: newCode(), state: State{Right: -1, Speed: 0.05}, sentAway: map[netip.Addr]bool{}}
}

// close ends all.
func (c *class) close() {
	c.mu.Lock()
	c.endLive()
	c.mu.Unlock()
	c.clock.Wait()
}

// tell wakes all watchers. c.mu is held.
func (c *class) tell() {
	c.state.Seq++
	for _, w := range c.watchers {
		w.wake()
	}
}

// view is what somebody may see. c.mu is held.
func (c *class) view(token string) State {
	v := c.state
	v.Here, v.Voted, v.Votes = len(c.students), 0, nil
	votes := make([]int, len(v.Answers))
	for _, s := range c.students {
		if s.answer >= 0 {
			v.Voted++
			if s.answer < len(votes) {
				votes[s.answer]++
			}
		}
	}
	if v.Shown {
		v.Votes = votes
	} else {
		v.Right = -1
	}
	if token == "" {
		v.Code = c.code
		for _, s := range c.students {
			v.Students = append(v.Students, student{Nick: s.Nick, Muted: s.Muted, Voted: s.answer >= 0})
		}
		v.Texts = slices.Clone(c.texts)
		v.Answer = -1
		return v
	}
	s := c.byToken(token)
	if s == nil {
		return State{Seq: v.Seq, Right: -1, Answer: -1}
	}
	v.You, v.Answer, v.Muted = s.Nick, s.answer, v.Muted || s.Muted
	for _, t := range c.texts {
		if t.by == s {
			v.Texts = append(v.Texts, t)
		}
	}
	return v
}

// byToken finds a student. c.mu is held.
func (c *class) byToken(token string) *student {
	for _, s := range c.students {
		if same(s.token, token) {
			return s
		}
	}
	return nil
}

func (c *class) byNick(nick string) *student {
	for _, s := range c.students {
		if s.Nick == nick {
			return s
		}
	}
	return nil
}

// act is what a teacher does.
type act struct {
	Do       string            `json:"do"`
	Lesson   string            `json:"lesson"`
	Nick     string            `json:"nick"`
	Msg      int               `json:"msg"`
	Rule     string            `json:"rule"`
	Speed    float64           `json:"speed"`
	On       bool              `json:"on"`
	Settings map[string]string `json:"settings"`
}

// teach does what the teacher wants.
func (s *Server) teach(w http.ResponseWriter, r *http.Request) {
	var q act
	if !take(w, r, &q) {
		return
	}
	c := s.class
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.act(q); err != nil {
		field, _ := lab.Misused(err)
		fail(w, http.StatusUnprocessableEntity, field, err.Error())
		return
	}
	c.tell()
	give(w, map[string]bool{"ok": true})
}

// act changes the state. c.mu is held.
func (c *class) act(q act) error {
	switch q.Do {
	case "ask":
		l, near, ok := lab.Find(q.Lesson)
		if !ok {
			return fmt.Errorf("there is no lesson %q %s", tidy(q.Lesson, 40), near)
		}
		c.state.Lesson, c.state.Question, c.state.Answers, c.state.Right = l.Name, l.Question.Text, l.Question.Answers, l.Question.Right
		c.state.Open, c.state.Shown = true, false
		for _, s := range c.students {
			s.answer = -1
		}
	case "close":
		c.state.Open = false
	case "reveal":
		c.state.Open, c.state.Shown = false, true
	case "forget": // the question
		c.state.Question, c.state.Answers, c.state.Open, c.state.Shown = "", nil, false, false
	case "blank":
		c.state.Blank = q.On
	case "silence":
		c.state.Muted = q.On
	case "mute":
		if s := c.byNick(q.Nick); s != nil {
			s.Muted = q.On
		}
	case "remove":
		c.remove(q.Nick)
	case "approve", "refuse":
		return c.judge(q.Msg, q.Do == "approve")
	case "live":
		return c.startLive(q.Settings)
	case "end":
		c.endLive()
	case "pause":
		c.state.Paused = q.On
	case "speed":
		if q.Speed < 0.001 || q.Speed > 2 {
			return fmt.Errorf("a speed from 0.001 to 2, please")
		}
		c.state.Speed = q.Speed
	case "wire":
		c.do(lab.Command{Do: "wire", Settings: q.Settings})
	case "drop":
		c.do(lab.Command{Do: "drop", Rule: q.Rule})
	default:
		return fmt.Errorf("there is nothing called %q to do", tidy(q.Do, 40))
	}
	return nil
}

// remove has a student leave, and forgets what of it still waits. c.mu is held.
func (c *class) remove(nick string) {
	s := c.byNick(nick)
	if s == nil {
		return
	}
	c.students = slices.DeleteFunc(c.students, func(x *student) bool { return x == s })
	c.texts = slices.DeleteFunc(c.texts, func(t said) bool { return t.by == s && t.Waiting })
	c.do(lab.Command{Do: "leave", Host: nick})
	if !s.at.IsLoopback() && len(c.sentAway) < maxStudents {
		c.sentAway[s.at] = true
	}
}

// judge lets a text pass, or not. c.mu is held.
func (c *class) judge(msg int, yes bool) error {
	i := slices.IndexFunc(c.texts, func(t said) bool { return t.Msg == msg && t.Waiting })
	if i < 0 {
		return fmt.Errorf("no such text waits")
	}
	if !yes {
		c.texts = slices.Delete(c.texts, i, i+1)
		return nil
	}
	c.texts[i].Waiting = false
	c.do(lab.Command{Do: "say", Host: c.texts[i].Nick, Msg: msg, Text: c.texts[i].Text})
	return nil
}
