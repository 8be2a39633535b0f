package line

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/room"
	"parley/text"
	"parley/transport"
)

// bench is a Run in virtual time.
type bench struct {
	t        *testing.T
	m        *fake
	out, err *buffer
	cancel   context.CancelFunc
	done     chan error
}

func start(t *testing.T, o Options, m *fake) *bench {
	ctx, cancel := context.WithCancel(t.Context())
	b := &bench{t: t, m: m, out: &buffer{}, err: &buffer{}, cancel: cancel, done: make(chan error, 1)}
	if o.Out == nil {
		o.Out, o.Err = b.out, b.err
	}
	o.Zone = time.UTC
	go func() { b.done <- run(ctx, o, m, nil) }()
	return b
}

// wait waits for the end of Run and checks its error.
func (b *bench) wait(want error) {
	b.t.Helper()
	defer b.cancel()
	select {
	case err := <-b.done:
		if !errors.Is(err, want) || want == nil && err != nil {
			b.t.Errorf("Run: %v, want %v", err, want)
		}
	case <-time.After(time.Hour):
		b.t.Fatal("Run does not end")
	}
	if got := b.m.goodbye(); !strings.HasPrefix(got, "left") && want == nil {
		b.t.Error("did not leave")
	}
}

func (b *bench) expect(what string, got interface{ String() string }, want string) {
	b.t.Helper()
	if got.String() != want {
		b.t.Errorf("%s is\n%s\nwant\n%s", what, got, want)
	}
}

func TestPipeSaysAllAndLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, Options{In: strings.NewReader("one\r\ntwo \x1b[31m\n\n  \n/me waves\n\xffthree"), Timestamps: true}, newFake())
		b.wait(nil)
		if got := b.m.lines(); got != "one|two ␛[31m|/me waves|\ufffdthree" {
			t.Errorf("said %q", got)
		}
		b.expect("Out", b.out, "12:00 ana: one\n12:00 ana: two ␛[31m\n12:00 ana: /me waves\n12:00 ana: \ufffdthree\n")
		b.expect("Err", b.err, "* you are ana in physics over udp, encrypted\n* what is said here is not kept: it is gone when the host ends\n")
	})
}

func TestPipeOfObjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newFake()
		m.come(said("ben", "a\u009bb\n"), room.Event{Type: room.Joined, Seq: 43, At: noon, Nick: "cyn"}, room.Event{Type: room.Members})
		in, keys := io.Pipe()
		b := start(t, Options{In: in, JSON: true, Quiet: true}, m)
		synctest.Wait()
		io.WriteString(keys, "hi\n")
		synctest.Wait()
		io.WriteString(keys, "/timestamp\n")
		synctest.Wait()
		keys.Close()
		b.wait(nil)
		b.expect("Out", b.out, `{"type":"ready","v":1,"seq":41,"nick":"ana","room":"physics","role":"member","transport":"udp","secure":true,"guests":false}
{"type":"message","seq":42,"at":"2026-11-22T12:00:00.000Z","from":"ben","text":"a\u009bb\n","replay":false}
{"type":"join","seq":43,"at":"2026-11-22T12:00:00.000Z","nick":"cyn"}
{"type":"members","members":[]}
{"type":"accepted","seq":42,"id":"00112233445566778899aabbccddeeff","text":"hi"}
{"type":"message","seq":42,"at":"2026-11-22T12:00:00.000Z","from":"ana","text":"hi","replay":false}
{"type":"notice","text":"times are shown now"}
`)
		b.expect("Err", b.err, "")
	})
}

func TestPipeWithLinesTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long := strings.Repeat("x", text.MaxText)
		m := newFake()
		m.refuse["/nosuch"] = &room.Refused{Code: "unknown_command", Text: "Unknown command /nosuch", Suggest: "/names"}
		b := start(t, Options{In: strings.NewReader("a\n" + long + "x\n" + long + "\n/nosuch\n" + strings.Repeat(long, 99) + "\nb\n"), JSON: true}, m)
		b.wait(ErrNotSent)
		if got := b.m.lines(); got != "a|"+long+"|b" {
			t.Errorf("said %d bytes", len(got))
		}
		var errs []string
		for line := range strings.Lines(b.out.String()) {
			if strings.HasPrefix(line, `{"type":"error"`) {
				errs = append(errs, line)
			}
		}
		for i, want := range []string{"line 2: a message may have 4,096 bytes: send it in parts", `unknown_command`, "line 5: a message", "some lines were not sent"} {
			if len(errs) != 4 || !strings.Contains(errs[i], want) {
				t.Fatalf("errors are %q, want one with %q", errs, want)
			}
		}
	})
}

func TestStayAndHeadless(t *testing.T) {
	for name, o := range map[string]Options{
		"stay":     {In: strings.NewReader("hi\n"), Stay: true},
		"headless": {In: strings.NewReader("hi\n"), Headless: true},
		"no input": {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(t, o, newFake())
				time.Sleep(time.Minute)
				if got := b.m.lines(); (got == "hi") != o.Stay {
					t.Errorf("said %q", got)
				}
				b.m.come(said("ben", "still there?"))
				synctest.Wait()
				b.cancel()
				b.wait(context.Canceled)
				if !strings.HasSuffix(b.out.String(), "ben: still there?\n") || b.m.goodbye() == "" {
					t.Errorf("got %q, %q", b.out, b.m.goodbye())
				}
			})
		})
	}
}

func TestHostTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newFake()
		m.hold = true
		began := time.Now()
		b := start(t, Options{In: strings.NewReader("one\ntwo\n")}, m)
		b.wait(ErrUndelivered)
		if took := time.Since(began); took < patience || took > 2*patience {
			t.Errorf("gave up after %v", took)
		}
		if !strings.Contains(b.err.String(), "! the host cannot be reached") {
			t.Errorf("Err is %q", b.err)
		}
	})
	synctest.Test(t, func(t *testing.T) { // as long as it takes something, we wait
		m := newFake()
		m.hold = true
		b := start(t, Options{In: strings.NewReader("one\ntwo\nthree\n")}, m)
		for range 3 {
			time.Sleep(patience * 2 / 3)
			m.mu.Lock()
			m.pending--
			m.mu.Unlock()
		}
		b.wait(nil)
	})
}

func TestPutOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, _ := io.Pipe()
		m := newFake()
		b := start(t, Options{In: in}, m)
		m.events <- happening{err: &room.Refused{Code: "kicked", Text: "ana put you out: loud\x1b"}}
		var refused *room.Refused
		if err := <-b.done; !errors.As(err, &refused) {
			t.Errorf("Run: %v", err)
		}
		if !strings.HasSuffix(b.err.String(), "! ana put you out: loud␛\n") || strings.Contains(b.err.String(), "may not") {
			t.Errorf("Err is %q", b.err)
		}
		in.Close()
		b.cancel()
	})
	synctest.Test(t, func(t *testing.T) { // with something on the way
		in, keys := io.Pipe()
		m := newFake()
		m.hold = true
		b := start(t, Options{In: in}, m)
		fmt.Fprintln(keys, "hello?")
		synctest.Wait()
		m.events <- happening{err: &room.Refused{Code: "password", Text: "the password was changed"}}
		<-b.done
		if !strings.HasSuffix(b.err.String(), "! what you typed last may not have reached the host\n! the password was changed\n") {
			t.Errorf("Err is %q", b.err)
		}
		in.Close()
		b.cancel()
	})
}

func TestCommandsOfTheFrontEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, keys := io.Pipe()
		m := newFake()
		m.people = []room.Person{{Nick: "ana"}, {Nick: "ben"}}
		b := start(t, Options{In: in}, m)
		synctest.Wait()
		m.come(room.Event{Type: room.Delivered, Count: 1, Of: 2})
		for _, line := range []string{"/timestamp", "/timestamp", "/quiet", "/bell", "/bell all", "/bell x", "/clear", "/delivered on", "/list", "/join", "/join b", "/part", "hello?", "/part", "/quit"} {
			synctest.Wait()
			fmt.Fprintln(keys, line)
		}
		b.wait(ErrNotSent)
		in.Close()
		b.expect("Err", b.err, `* you are ana in physics over udp, encrypted
* what is said here is not kept: it is gone when the host ends
* 2 here: ana, ben
* times are shown now
* times are hidden now
* joins and leaves are hidden now
* the bell rings for: mention
* the bell rings for: all
* /bell off, dm, mention or all
* who has received what you say is shown now
! line 9: there are no other rooms to list here
! line 10: there are no other rooms to join here
! line 11: there are no other rooms to join here
* you left: /list shows rooms, /join ROOM goes to one, /quit ends
! line 13: you are in no room: /list shows which there are, /join ROOM goes to one, /quit ends
! line 14: you are in no room: /list shows which there are, /join ROOM goes to one, /quit ends
! some lines were not sent
`)
	})
}

func TestTerminalThatEchoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, keys := io.Pipe()
		m := newFake()
		b := start(t, Options{In: in, Terminal: true, Dumb: true}, m)
		m.come(said("ben", "hi"))
		synctest.Wait()
		io.WriteString(keys, "hi ben\n")
		synctest.Wait()
		m.mu.Lock()
		m.hold = true
		m.mu.Unlock()
		io.WriteString(keys, "are you there?\n")
		time.Sleep(late + 3*time.Second)
		m.mu.Lock()
		m.pending = 0
		m.mu.Unlock()
		time.Sleep(2 * time.Second)
		keys.Close()
		b.wait(nil)
		b.expect("screen", b.out, `* you are ana in physics over udp, encrypted
* what is said here is not kept: it is gone when the host ends
* /help lists the commands, Ctrl-D leaves
ben: hi
* not sent yet: what you typed last; it is tried again as long as you stay
* sent: what you typed is with the host now
`)
	})
}

func TestOutThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newFake()
		m.come(said("ben", "hi"))
		b := start(t, Options{Out: full{}}, m)
		b.wait(errFull)
	})
}

func TestLinesAreBounded(t *testing.T) {
	in := strings.Repeat("y", 3*maxTyped) + "\nz\r\n\nlast"
	for _, step := range []int{1, 7, 1 << 20} {
		l := lines{in: &slowly{[]byte(in), step}}
		var got []string
		for {
			line, long, err := l.next()
			if err != nil {
				break
			}
			got = append(got, fmt.Sprint(l.n, len(line), long))
		}
		if want := fmt.Sprintf("1%d true|2 1 false|3 0 false|4 4 false", maxTyped); strings.ReplaceAll(strings.Join(got, "|"), " ", "") != strings.ReplaceAll(want, " ", "") {
			t.Errorf("in steps of %d: %q, want %q", step, got, want)
		}
	}
}

// slowly reads a few bytes at a time.
type slowly struct {
	b    []byte
	step int
}

func (s *slowly) Read(p []byte) (int, error) {
	if len(s.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.b[:min(s.step, len(s.b))])
	s.b = s.b[n:]
	return n, nil
}

func TestScreenKeepsLinesApart(t *testing.T) {
	var out, talk bytes.Buffer
	s := screen{out: &out, err: &talk}
	s.print(false, "a")
	s.print(true, "b")
	s.ring()
	if err := s.flush(); err != nil || out.String() != "a\n\a" || talk.String() != "b\n" {
		t.Errorf("got %q and %q, %v", &out, &talk, err)
	}
}

// crowdedNet is a network where rooms change while they are listed.
type crowdedNet struct{ room.Network }

func (crowdedNet) Rooms(_ context.Context, heard func(room.Listing)) error {
	addr := netip.MustParseAddr("10.0.0.5")
	for n := range 3 {
		heard(room.Listing{Room: "physics", Key: transport.Key{1}, Addr: addr, UDP: 7667, Secure: true, Members: n})
	}
	heard(room.Listing{Room: "physics", Key: transport.Key{2}, Addr: addr, UDP: 7668, Secure: true})
	heard(room.Listing{Room: "maths", Key: transport.Key{3}, Gone: true})
	return nil
}

// /list shows a room once, whatever happens in it meanwhile.
func TestListIsWithoutRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out buffer
		if err := run(t.Context(), Options{In: strings.NewReader("/list\n"), Out: &out}, newFake(), crowdedNet{}); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); got != "physics  0 here  10.0.0.5:7667\nphysics  0 here  10.0.0.5:7668\n" {
			t.Errorf("listed:\n%s", got)
		}
	})
}

func TestGreeting(t *testing.T) {
	for _, c := range []struct {
		ready room.Event
		want  string
	}{
		{room.Event{Room: "physics", Nick: "ana", Role: "host", Transport: "pipe", Secure: true, Addr: "10.0.0.5:7667"}, "you are hosting physics as ana, encrypted|what is said here is not kept: it is gone when the host ends"},
		{room.Event{Room: "physics", Nick: "ben", Role: "member", Transport: "tcp", Secure: true, Guests: true, Text: "optics"},
			"you are ben in physics over tcp, encrypted, but guests read this room in clear|what is said here is not kept: it is gone when the host ends|the topic is: optics"},
		{room.Event{Room: "physics", Nick: "ben", Role: "member", Transport: "udp"},
			"you are ben in physics over udp, in plaintext: anyone on this network can read and forge what is said|what is said here is not kept: it is gone when the host ends"},
	} {
		if got := strings.Join(greeting(c.ready), "|"); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// A room that never rests is shown all the same, and what waits to be shown is
// bounded.
func TestRestlessRoom(t *testing.T) {
	m := newFake()
	said := strings.Repeat("x", text.MaxText)
	for range 2000 {
		m.come(room.Event{Type: room.Message, From: "ben", Text: said, At: noon})
	}
	var out largest
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- run(ctx, Options{Out: &out}, m, nil) }()
	m.events <- happening{err: io.EOF}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if limit := maxUndrawn + 2*text.MaxText; out.write > limit || out.all < 2000*text.MaxText {
		t.Errorf("%d bytes were shown at once, and %d in all; want at most %d at once", out.write, out.all, limit)
	}
}

// largest notes the size of the largest Write.
type largest struct{ write, all int }

func (l *largest) Write(b []byte) (int, error) {
	l.write, l.all = max(l.write, len(b)), l.all+len(b)
	return len(b), nil
}

// Who asks for quiet gets what is said, and nothing about where one sits.
func TestQuietPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, keys := io.Pipe()
		m := newFake()
		m.people = []room.Person{{Nick: "ana"}}
		b := start(t, Options{In: in, Quiet: true}, m)
		m.come(said("ben", "hi"), room.Event{Type: room.Joined, Seq: 43, At: noon, Nick: "cyn"})
		synctest.Wait()
		keys.Close()
		b.wait(nil)
		b.expect("Out", b.out, "ben: hi\n")
		b.expect("Err", b.err, "")
	})
}

// What was pasted is said in as few messages as hold it, all of it, in order, and as
// what is said alone.
func TestPasteInParts(t *testing.T) {
	var pasted []string
	for i := range 500 {
		pasted = append(pasted, fmt.Sprintf("/line %d", i))
	}
	whole := "pasted\n" + strings.Join(pasted, "\n") + "\n"
	parts := inParts(whole)
	got := ""
	for i, p := range parts {
		if len(p) > 4096 || !strings.HasPrefix(p, "//line ") && i > 0 {
			t.Errorf("part %d is %.20q…", i, p)
		}
		if i > 0 {
			p = p[1:]
		}
		got += p + "\n"
	}
	if got != whole || len(parts) != 2 {
		t.Errorf("%d parts", len(parts))
	}
	for _, s := range []string{"/msg ben " + whole, "@ben " + whole, strings.Repeat("x", 5000)} {
		if parts := inParts(s); parts != nil {
			t.Errorf("%.20q is said in %d parts", s, len(parts))
		}
	}
}
