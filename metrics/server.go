package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	maxHead     = 8 << 10          // a collector's question has some hundred bytes
	headTime    = 5 * time.Second  // it sends them at once
	answerTime  = 10 * time.Second // for a page of some hundred kilobytes
	collectTime = 5 * time.Second  // less than the 10 s that collectors wait
	maxConns    = 16               // more than there are collectors
	fresh       = 200 * time.Millisecond
	// parting is how long who was answered has to close, and maxRest how much it may
	// still send: a connection that is closed over unread bytes loses the answer.
	parting = 500 * time.Millisecond
	maxRest = 64 << 10
	// pause is until a listener that failed is tried again: no descriptor may be left.
	pause = 100 * time.Millisecond
)

// A Collector puts into a page what it knows. It returns soon after ctx ends.
type Collector func(ctx context.Context, p *Page)

// A Server answers with a page that its collectors make. The zero value is ready.
type Server struct {
	mu         sync.Mutex
	collectors []Collector
	open       []*visit // the oldest first
	ended      bool

	making sync.Mutex // held while a page is made
	page   []byte
	madeAt time.Time
}

// visit is a connection.
type visit struct {
	net.Conn
	asked bool // and is being answered
}

// Add adds a collector, whose samples come behind those of others.
func (s *Server) Add(c Collector) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.collectors = append(s.collectors, c)
}

// Serve answers who connects to ln until ctx ends, and closes ln. It returns when
// all connections are closed, with nil, or an error when ln has failed for good.
func (s *Server) Serve(ctx context.Context, ln net.Listener) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	work.Go(func() {
		<-ctx.Done()
		ln.Close()
		s.closeAll()
	})
	at, _ := ln.Addr().(*net.TCPAddr)
	private := at == nil || at.IP.IsLoopback()
	for ctx.Err() == nil {
		var c net.Conn
		if c, err = ln.Accept(); err == nil {
			if v := s.enter(c); v != nil {
				work.Go(func() {
					defer s.leave(v)
					s.answer(ctx, v, private)
				})
			}
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			break
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		err = nil
	}
	cancel()
	work.Wait()
	return err
}

// enter notes a connection. When there are too many, the oldest goes that has not
// asked anything yet, or where all have, the new one.
func (s *Server) enter(c net.Conn) *visit {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		c.Close()
		return nil
	}
	if len(s.open) >= maxConns {
		i := slices.IndexFunc(s.open, func(v *visit) bool { return !v.asked })
		if i < 0 {
			c.Close()
			return nil
		}
		s.open[i].Close()
		s.open = slices.Delete(s.open, i, i+1)
	}
	v := &visit{Conn: c}
	s.open = append(s.open, v)
	return v
}

func (s *Server) leave(v *visit) {
	v.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = slices.DeleteFunc(s.open, func(o *visit) bool { return o == v })
}

func (s *Server) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for _, v := range s.open {
		v.Close()
	}
}

func (s *Server) mark(v *visit, asked bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v.asked = asked
}

// answer reads one question and answers it.
func (s *Server) answer(ctx context.Context, v *visit, private bool) {
	v.SetDeadline(time.Now().Add(headTime))
	r, status := readRequest(v)
	if status == "" {
		return
	}
	s.mark(v, true)
	if status == statusOK {
		status = judge(r, private)
	}
	body := []byte(status + "\n")
	switch status {
	case statusOK:
		body = s.make(ctx)
	case statusNotFound:
		body = []byte("The metrics are at /metrics.\n")
	}
	v.SetDeadline(time.Now().Add(answerTime))
	head := answerHead(status, len(body), time.Now())
	if r.method == "HEAD" {
		body = nil
	}
	if _, err := v.Write(append(head, body...)); err != nil {
		return
	}
	s.mark(v, false)
	if half, ok := v.Conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		v.SetDeadline(time.Now().Add(parting))
		io.CopyN(io.Discard, v, maxRest)
	}
}

// readRequest reads a head. No status: there is nobody to answer.
func readRequest(c io.Reader) (r request, status string) {
	b, n := make([]byte, maxHead), 0
	for n < len(b) {
		m, err := c.Read(b[n:])
		n += m
		if end := headEnd(b[:n]); end >= 0 {
			return parse(b[:end])
		}
		if err != nil {
			return r, ""
		}
	}
	return r, statusTooMuch
}

// judge says what a well-formed question gets.
func judge(r request, private bool) string {
	switch {
	case private && r.host != "" && !local(r.host):
		return statusElsewhere
	case r.path != "/metrics":
		return statusNotFound
	case r.method != "GET" && r.method != "HEAD":
		return statusMethod
	}
	return statusOK
}

// answerHead is the head of an answer.
func answerHead(status string, length int, now time.Time) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %s\r\nDate: %s\r\n", status, now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"))
	kind := "text/plain; charset=utf-8"
	if status == statusOK {
		kind = "text/plain; version=0.0.4; charset=utf-8"
	}
	if status == statusMethod {
		b.WriteString("Allow: GET, HEAD\r\n")
	}
	fmt.Fprintf(&b, "Content-Type: %s\r\nContent-Length: %d\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n", kind, length)
	return []byte(b.String())
}

// make returns a page that is fresh.
func (s *Server) make(ctx context.Context) []byte {
	s.making.Lock()
	defer s.making.Unlock()
	if s.page != nil && time.Since(s.madeAt) < fresh {
		return s.page
	}
	ctx, cancel := context.WithTimeout(ctx, collectTime)
	defer cancel()
	s.mu.Lock()
	collectors := slices.Clone(s.collectors)
	s.mu.Unlock()
	var p Page
	for _, c := range collectors {
		c(ctx, &p)
	}
	s.page, s.madeAt = p.Bytes(), time.Now()
	return s.page
}
