package metrics

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/metrics/metricstest"
)

// pipes is a listener whose connections are pipes, which know virtual time.
type pipes struct {
	conns chan net.Conn
	fails chan error
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes {
	return &pipes{conns: make(chan net.Conn), fails: make(chan error), done: make(chan struct{})}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case err := <-l.fails:
		return nil, err
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9090} }

func (l *pipes) dial() net.Conn {
	mine, theirs := net.Pipe()
	l.conns <- theirs
	return mine
}

const question = "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:9090\r\n\r\n"

// ask asks and reads the answer, which net/http must understand.
func ask(t *testing.T, c net.Conn, question string) (status int, body string) {
	t.Helper()
	defer c.Close()
	if _, err := io.WriteString(c, question); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(question, " ")
	a, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	if a.StatusCode == http.StatusOK && a.Header.Get("Content-Type") != "text/plain; version=0.0.4; charset=utf-8" {
		t.Errorf("its type is %q", a.Header.Get("Content-Type"))
	}
	if a.StatusCode == http.StatusMethodNotAllowed && a.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("it does not say what is allowed")
	}
	return a.StatusCode, string(b)
}

// serve runs f beside a server in virtual time.
func serve(t *testing.T, s *Server, f func(l *pipes)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		l, ended := newPipes(), make(chan error, 1)
		go func() { ended <- s.Serve(ctx, l) }()
		f(l)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestServer(t *testing.T) {
	n := 0.0
	s := &Server{}
	s.Add(func(_ context.Context, p *Page) { n++; p.Counter("x_total", "X.", n) })
	serve(t, s, func(l *pipes) {
		status, body := ask(t, l.dial(), question)
		if _, err := metricstest.Parse(body); err != nil || status != 200 || !strings.Contains(body, "x_total 1\n") {
			t.Errorf("%d: %s, %v", status, body, err)
		}
		if status, body := ask(t, l.dial(), "HEAD"+question[3:]); status != 200 || body != "" {
			t.Errorf("HEAD gets %d: %s", status, body)
		}
		for _, word := range []struct {
			question string
			status   int
		}{
			{"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 404},
			{"PUT /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 405},
			{"GET /metrics HTTP/1.1\r\nHost: ana.example\r\n\r\n", 421},
			{"GET /metrics HTTP/3.0\r\nHost: 127.0.0.1\r\n\r\n", 505},
			{"hello\r\n\r\n", 400},
		} {
			if status, _ := ask(t, l.dial(), word.question); status != word.status {
				t.Errorf("%q gets %d", word.question, status)
			}
		}
		if n != 1 {
			t.Errorf("the collectors ran %g times for those who asked at once", n)
		}
		time.Sleep(fresh)
		if _, body := ask(t, l.dial(), question); !strings.Contains(body, "x_total 2\n") {
			t.Errorf("later it is %s", body)
		}
	})
}

// Whoever sends nothing, or a little at a time, is let go of, and keeps nobody from
// asking meanwhile.
func TestSlowAskers(t *testing.T) {
	s := &Server{}
	s.Add(func(_ context.Context, p *Page) { p.Gauge("x", "X.", 1) })
	serve(t, s, func(l *pipes) {
		began := time.Now()
		silent, dripping := l.dial(), l.dial()
		dripped := make(chan time.Duration)
		go func() {
			for _, c := range []byte(strings.Repeat(question[:len(question)-2], 100)) {
				if _, err := dripping.Write([]byte{c}); err != nil {
					break
				}
				time.Sleep(100 * time.Millisecond)
			}
			dripped <- time.Since(began)
		}()
		if _, err := silent.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || time.Since(began) != headTime {
			t.Errorf("silence ends with %v after %v", err, time.Since(began))
		}
		if d := <-dripped; d > headTime+time.Second {
			t.Errorf("dripping ends after %v", d)
		}
		var waiting []net.Conn
		for range 3 * maxConns {
			waiting = append(waiting, l.dial())
		}
		if status, _ := ask(t, l.dial(), question); status != 200 {
			t.Errorf("beside them one gets %d", status)
		}
		synctest.Wait()
		s.mu.Lock()
		open := len(s.open)
		s.mu.Unlock()
		if open > maxConns {
			t.Errorf("%d connections are open", open)
		}
		for _, c := range waiting {
			c.Close()
		}
	})
}

// Who takes no answer is let go of.
func TestSlowTakers(t *testing.T) {
	s := &Server{}
	s.Add(func(_ context.Context, p *Page) { p.Gauge("x", "X.", 1) })
	serve(t, s, func(l *pipes) {
		c := l.dial()
		io.WriteString(c, question)
		began := time.Now()
		time.Sleep(answerTime + time.Second)
		if _, err := io.ReadAll(c); err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d > answerTime+2*time.Second {
			t.Errorf("it took %v", d)
		}
		c.Close()
	})
}

// A collector that does not answer keeps nobody from an answer, and a listener that
// fails for a moment goes on.
func TestServerGoesOn(t *testing.T) {
	s := &Server{}
	s.Add(func(ctx context.Context, p *Page) { <-ctx.Done() })
	s.Add(func(_ context.Context, p *Page) { p.Gauge("x", "X.", 1) })
	serve(t, s, func(l *pipes) {
		for range 5 {
			l.fails <- errors.New("too many open files")
		}
		began := time.Now()
		if status, body := ask(t, l.dial(), question); status != 200 || !strings.Contains(body, "x 1\n") || time.Since(began) > collectTime+pause {
			t.Errorf("%d: %s after %v", status, body, time.Since(began))
		}
	})
}

// Serve ends what it has begun, whoever is connected.
func TestServerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{}
		asked := make(chan struct{})
		s.Add(func(ctx context.Context, p *Page) { close(asked); <-ctx.Done() })
		ctx, cancel := context.WithCancel(context.Background())
		l, ended := newPipes(), make(chan error, 1)
		go func() { ended <- s.Serve(ctx, l) }()
		silent, waits := l.dial(), l.dial()
		io.WriteString(waits, question)
		<-asked
		began := time.Now()
		cancel()
		if err := <-ended; err != nil || time.Since(began) > 0 {
			t.Errorf("it ended with %v after %v", err, time.Since(began))
		}
		silent.Close()
		waits.Close()
	})
}

// On the system's own sockets nothing of an answer is lost, though the
// connection is closed after it.
func TestServerOnSockets(t *testing.T) {
	s := &Server{}
	s.Add(func(_ context.Context, p *Page) {
		p.Gauge("x", "X.", 1, "long", strings.Repeat("x", 1<<20))
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, ln) }()
	client := &http.Client{Timeout: 20 * time.Second}
	for range 20 {
		a, err := client.Get("http://" + ln.Addr().String() + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(a.Body)
		a.Body.Close()
		if err != nil || len(b) < 1<<20 {
			t.Fatalf("%d bytes came: %v", len(b), err)
		}
	}
	client.CloseIdleConnections()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
