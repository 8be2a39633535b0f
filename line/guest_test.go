package line

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/room"
	"parley/text"
)

// party is a guest at one end of a pipe, in virtual time.
type party struct {
	t      *testing.T
	conn   net.Conn // the client's end
	screen *buffer  // what the client was sent
	seats  chan *fake
	taken  map[string]bool
	cancel context.CancelFunc
	done   chan error
}

func invite(t *testing.T, taken ...string) *party {
	p := &party{t: t, screen: &buffer{}, seats: make(chan *fake, 1), taken: map[string]bool{}, done: make(chan error, 1)}
	for _, nick := range taken {
		p.taken[text.Key(nick)] = true
	}
	var server net.Conn
	server, p.conn = net.Pipe()
	var ctx context.Context
	ctx, p.cancel = context.WithCancel(t.Context())
	go func() {
		p.done <- serve(ctx, server, func(_ context.Context, nick string) (seat, error) {
			if p.taken[text.Key(nick)] {
				return nil, &room.Refused{Code: "nick_taken", Text: "the name " + nick + " is taken", Suggest: nick + "2"}
			}
			m := newFake()
			m.ready.Nick, m.ready.Transport = nick, "pipe"
			p.seats <- m
			return m, nil
		})
	}()
	go io.Copy(p.screen, p.conn)
	return p
}

// send sends each part after a pause long enough to make it a line.
func (p *party) send(parts ...string) {
	for _, part := range parts {
		io.WriteString(p.conn, part)
		time.Sleep(2 * silence)
	}
}

func (p *party) seat() *fake {
	p.t.Helper()
	select {
	case m := <-p.seats:
		return m
	default:
		p.t.Fatalf("did not sit down; the client has %q", p.screen)
		return nil
	}
}

func (p *party) leave() error {
	p.conn.Close()
	p.cancel()
	return <-p.done
}

// A page of the web says nothing in a room by the browser of somebody who has opened it.
func TestBrowserIsNoGuest(t *testing.T) {
	for _, request := range []string{"POST / HTTP/1.1\r\nHost: 10.0.0.5:7667\r\n\r\nhello everybody\r\n", "GET /x HTTP/1.0\r\n\r\n", "POST /a b HTTP/1.1\nx"} {
		synctest.Test(t, func(t *testing.T) {
			p := invite(t)
			io.WriteString(p.conn, request) // an error is that of a conn that is closed
			time.Sleep(2 * silence)
			select {
			case m := <-p.seats:
				t.Errorf("%q sits as %s and says %q", request, m.Nick(), m.lines())
				p.leave()
			case err := <-p.done:
				if !errors.Is(err, errBrowser) {
					t.Error(err)
				}
				p.conn.Close()
				p.cancel()
			}
		})
	}
}

func TestGuests(t *testing.T) {
	const hello = "Your name? * you are %s in physics, over a connection that is not encrypted: /names tells who is here, /quit leaves\n"
	for _, c := range []struct {
		name  string
		send  []string
		nick  string
		lines string
	}{
		{"netcat", []string{"ana\n", "hi\n", "there\n"}, "ana", "hi|there"},
		{"telnet", []string{"\xff\xfd\x03\xff\xfb\x18ana\r\n", "hi\r\x00", "a\xff\xfa\x18\x00xterm\xff\xf0b\r\n"}, "ana", "hi|ab"},
		{"no line breaks", []string{"ana", "hi", "there you"}, "ana", "hi|there you"},
		{"all at once", []string{"ana\nhi\nthere\n"}, "ana", "hi|there"},
		{"all at once, the last without an end", []string{"ana\nhi\nthere"}, "ana", "hi|there"},
		{"a message first", []string{"hello everybody", "me again"}, "guest1", "hello everybody|me again"},
		{"a colon first", []string{"ana:hi\n"}, "guest1", "ana:hi"},
		{"Enter", []string{"\n", "hi\n"}, "guest1", "hi"},
		{"a command first", []string{"/names\n"}, "guest1", "/names"},
		{"a dirty name", []string{" a\x00na \x00\n", "hi"}, "ana", "hi"},
		{"empty lines", []string{"ana\n\n\r\n  \nhi\n"}, "ana", "hi"},
		{"control characters", []string{"ana\n", "a\x1b[2J\tb\n"}, "ana", "a␛[2J\tb"},
		{"not UTF-8", []string{"ana\n", "gr\xfcn\n"}, "ana", "gr\ufffdn"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := invite(t)
				p.send(c.send...)
				m := p.seat()
				if m.Nick() != c.nick || m.lines() != c.lines {
					t.Errorf("%s said %q, want %s and %q", m.Nick(), m.lines(), c.nick, c.lines)
				}
				if got, want := p.screen.String(), strings.Replace(hello, "%s", c.nick, 1); got != want {
					t.Errorf("the client has\n%q, want\n%q", got, want)
				}
				p.leave()
			})
		})
	}
}

func TestGuestsCharactersStayWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := invite(t)
		p.send("ana\n", "gr\xc3", "\xbcn", "\xf0\x9f", "\xa6\x8a", "end \xe2\x82")
		m := p.seat()
		time.Sleep(halfRune * 2 * silence)
		p.send("x")
		if got := m.lines(); got != "grün|🦊|end \ufffd|x" {
			t.Errorf("said %q", got)
		}
		p.leave()
	})
}

func TestGuestIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := invite(t, "ana", "guest1")
		p.send("Ana\n", "@x\n", "server\n", strings.Repeat("x", 33)+"\n", "hi all\n")
		m := p.seat()
		if m.Nick() != "guest2" || m.lines() != "hi all" {
			t.Errorf("%s said %q", m.Nick(), m.lines())
		}
		want := "Your name? ! the name Ana is taken: Ana2 is free\nYour name? ! a name may not begin with @\nYour name? ! the name \"server\" is kept for the program itself: choose another\n" +
			"Your name? ! a name has 1 to 32 characters and at most 64 bytes\nYour name? * you are guest2"
		if got := p.screen.String(); !strings.HasPrefix(got, want) {
			t.Errorf("the client has\n%s", got)
		}
		p.leave()
	})
	synctest.Test(t, func(t *testing.T) {
		p := invite(t, "ana")
		for range nameTries {
			p.send("ana\n")
		}
		if err := <-p.done; err == nil || !strings.HasSuffix(p.screen.String(), "connect again\n") {
			t.Errorf("after many tries: %v, %q", err, p.screen)
		}
		p.leaveNothing()
	})
	synctest.Test(t, func(t *testing.T) {
		p := invite(t)
		time.Sleep(nameWait + time.Second)
		if err := <-p.done; err == nil {
			t.Error("a silent client may stay")
		}
		p.leaveNothing()
	})
}

// leaveNothing ends a party whose guest has gone.
func (p *party) leaveNothing() {
	p.conn.Close()
	p.cancel()
}

func TestGuestsLongLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := invite(t)
		long := strings.Repeat("x", text.MaxText)
		p.send("ana\n", long+"x\n", long+"\n", strings.Repeat(long, 5), "after\n", "\x1b"+long[1:]+"\n")
		m := p.seat()
		if got := m.lines(); got != long+"|after" {
			t.Errorf("said %d bytes", len(got))
		}
		if got := strings.Count(p.screen.String(), "! a message may have 4,096 bytes: send it in parts\n"); got != 3 {
			t.Errorf("was told %d times of 3: %q", got, p.screen)
		}
		p.leave()
	})
}

func TestGuestHearsTheRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := invite(t)
		p.send("ana\n", "hi\n")
		m := p.seat()
		e := said("ben", "hello\n\x1b[2J")
		e.At = time.Now()
		stamp := e.At.Local().Format("15:04")
		m.come(e, room.Event{Type: room.Whisper, At: e.At, From: "ben", To: "ana", Text: "psst"}, room.Event{Type: room.Members, Members: []room.Person{{Nick: "ana", Role: "guest"}}})
		synctest.Wait()
		_, heard, _ := strings.Cut(p.screen.String(), "\n")
		if want := stamp + " ben: hello\n        | ␛[2J\n" + stamp + " [ben → you] psst\n" + stamp + " * 1 here: ana (guest)\n"; heard != want {
			t.Errorf("heard %q, want %q", heard, want)
		}
		m.refuse["/foo"] = errors.New("Unknown command /foo")
		p.send("/foo\n", "/join x\n", "/clear\n", "/timestamp\n", "/quiet\n")
		e.Text = "bye"
		m.come(e)
		synctest.Wait()
		if got := p.screen.String(); !strings.HasSuffix(got, stamp+" ! Unknown command /foo\n! guests cannot do that: /help lists what you can do\nben: bye\n") {
			t.Errorf("heard %q", got)
		}
		p.leave()
	})
}

func TestGuestLeaves(t *testing.T) {
	for _, how := range []string{"/quit\n", "\\quit\n", "\\quit", "/exit", "/part\n", "\xff\xf4\xff\xfd\x06", "\xff\xec", "close"} {
		for _, seated := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				p := invite(t)
				if seated {
					p.send("ana\n")
				}
				if how == "close" {
					p.conn.Close()
				} else {
					p.send(how)
				}
				synctest.Wait()
				if strings.Contains(how, "part") && !seated {
					p.leave() // is a command of one who sits
					return
				}
				select {
				case err := <-p.done:
					if seated && err != nil {
						t.Errorf("%q: %v", how, err)
					}
					if seated && p.seat().goodbye() == "" {
						t.Errorf("%q: the seat is kept", how)
					}
				default:
					t.Errorf("%q (seated: %v): still there", how, seated)
				}
				p.leaveNothing()
			})
		}
	}
}

func TestGuestIsPutOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := invite(t)
		p.send("ana\n")
		p.seat().events <- happening{err: &room.Refused{Code: "kicked", Text: "ben put you out"}}
		var refused *room.Refused
		if err := <-p.done; !errors.As(err, &refused) {
			t.Errorf("ended with %v", err)
		}
		synctest.Wait()
		if !strings.HasSuffix(p.screen.String(), "! ben put you out\n") {
			t.Errorf("heard %q", p.screen)
		}
		p.leaveNothing()
	})
	synctest.Test(t, func(t *testing.T) {
		p := invite(t)
		p.send("ana\n")
		p.cancel()
		if err := <-p.done; !errors.Is(err, context.Canceled) || p.seat().goodbye() == "" {
			t.Errorf("ended with %v", err)
		}
		synctest.Wait()
		if !strings.HasSuffix(p.screen.String(), "goodbye\n") {
			t.Errorf("heard %q", p.screen)
		}
		p.leaveNothing()
	})
}

func TestGuestThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		m := newFake()
		done := make(chan error, 1)
		go func() {
			done <- serve(t.Context(), server, func(context.Context, string) (seat, error) { return m, nil })
		}()
		b := make([]byte, 512)
		client.Read(b)
		io.WriteString(client, "ana\n")
		client.Read(b) // the greeting is the last thing it reads
		began := time.Now()
		for range 3 * held {
			m.come(said("ben", "hi"))
		}
		if err := <-done; err == nil || time.Since(began) > 2*slow {
			t.Errorf("ended after %v with %v", time.Since(began), err)
		}
		client.Close()
	})
}

func FuzzDeframer(f *testing.F) {
	for _, s := range []string{"ana\nhi\r\nthere\r\x00x", "\xff\xfb\x01a\xff\xfa\x18\x00\xff\xff\xff\xf0b\n", "gr\xc3\xbcn", "\xff\xf4", strings.Repeat("x", 5000) + "\ny\n", "\r\r\n\n"} {
		f.Add([]byte(s), uint8(3))
	}
	f.Fuzz(func(t *testing.T, b []byte, step uint8) {
		var whole, parts deframer
		whole.feed(b)
		for rest := b; len(rest) > 0; {
			n := min(int(step)+1, len(rest))
			parts.feed(rest[:n])
			rest = rest[n:]
		}
		if len(whole.lines) != len(parts.lines) || string(whole.line) != string(parts.line) || whole.stopped != parts.stopped {
			t.Fatalf("%q: %v, and in parts %v", b, whole.lines, parts.lines)
		}
		for i, l := range whole.lines {
			if l != parts.lines[i] || len(l.text) > text.MaxText || strings.ContainsAny(l.text, "\r\n\x00") {
				t.Fatalf("%q: line %d is %v, and in parts %v", b, i, l, parts.lines[i])
			}
		}
		n := len(whole.lines)
		for range halfRune + 1 {
			whole.quiet()
		}
		if whole.waits() || len(whole.lines) > n+1 {
			t.Fatalf("%q: after a silence %q is left", b, whole.line)
		}
	})
}
