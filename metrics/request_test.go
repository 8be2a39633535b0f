package metrics

import (
	"strings"
	"testing"
)

func TestQuestions(t *testing.T) {
	for _, c := range []struct{ question, private, public string }{
		{"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:9090\r\nAccept: */*", statusOK, statusOK},
		{"GET /metrics HTTP/1.1\r\nHost: localhost:9090", statusOK, statusOK},
		{"GET /metrics HTTP/1.1\r\nHost: LOCALHOST", statusOK, statusOK},
		{"GET /metrics HTTP/1.1\r\nHost: [::1]:9090", statusOK, statusOK},
		{"GET /metrics HTTP/1.1\r\nHost: [::1]", statusOK, statusOK},
		{"GET /metrics?name[]=x HTTP/1.1\r\nHost:127.0.0.1", statusOK, statusOK},
		{"HEAD /metrics HTTP/1.1\r\nHost: 127.0.0.1", statusOK, statusOK},
		{"GET http://127.0.0.1:9090/metrics HTTP/1.1\r\nHost: elsewhere", statusOK, statusOK},
		{"GET /metrics HTTP/1.0", statusOK, statusOK},
		{"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0", statusOK, statusOK},
		{"GET /metrics HTTP/1.1\r\nHost: ana.example:9090", statusElsewhere, statusOK},
		{"GET http://ana.example/metrics HTTP/1.1\r\nHost: 127.0.0.1", statusElsewhere, statusOK},
		{"GET /metrics HTTP/1.1\r\nHost: localhost.ana.example", statusElsewhere, statusOK},
		{"GET / HTTP/1.1\r\nHost: 127.0.0.1", statusNotFound, statusNotFound},
		{"GET /metrics/ HTTP/1.1\r\nHost: 127.0.0.1", statusNotFound, statusNotFound},
		{"GET /%6detrics HTTP/1.1\r\nHost: 127.0.0.1", statusNotFound, statusNotFound},
		{"POST /metrics HTTP/1.1\r\nHost: 127.0.0.1", statusMethod, statusMethod},
		{"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1", statusNotFound, statusNotFound},
		{"POST /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5", statusBad, statusBad},
		{"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked", statusBad, statusBad},
		{"GET /metrics HTTP/1.1", statusBad, statusBad},
		{"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: 127.0.0.1", statusBad, statusBad},
		{"GET /metrics HTTP/2.0\r\nHost: 127.0.0.1", statusVersion, statusVersion},
		{"PRI * HTTP/2.0", statusVersion, statusVersion},
		{"GET /metrics HTTP/1.x\r\nHost: 127.0.0.1", statusBad, statusBad},
		{"GET  /metrics HTTP/1.1\r\nHost: 127.0.0.1", statusBad, statusBad},
		{"GET /metrics\r\nHost: 127.0.0.1", statusBad, statusBad},
		{"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n folded", statusBad, statusBad},
		{"GET /metrics HTTP/1.1\r\nHost : 127.0.0.1", statusBad, statusBad},
		{"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\nX: y", statusBad, statusBad},
		{"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nX: \x00", statusBad, statusBad},
		{"\x16\x03\x01\x02", statusBad, statusBad},
		{"", statusBad, statusBad},
	} {
		for _, private := range []bool{true, false} {
			want := c.public
			if private {
				want = c.private
			}
			r, status := readRequest(strings.NewReader(c.question + "\r\n\r\n"))
			if status == statusOK {
				status = judge(r, private)
			}
			if status != want {
				t.Errorf("%q, to this computer alone %v, gets %s, want %s", c.question, private, status, want)
			}
		}
	}
}

func TestQuestionsAreBounded(t *testing.T) {
	long := "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + strings.Repeat("x", maxHead)
	if _, status := readRequest(strings.NewReader(long)); status != statusTooMuch {
		t.Errorf("a long question gets %q", status)
	}
	if _, status := readRequest(strings.NewReader("GET /metrics HTTP/1.1\r\n")); status != "" {
		t.Errorf("half a question gets %q", status)
	}
}

// FuzzRequest has nothing but a good question get the page.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:9090\r\n\r\n", "GET http://a/metrics?x HTTP/1.0\r\n\r\n",
		"POST /metrics HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 3\r\n\r\nabc", "\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		end := headEnd(b)
		if end < 0 {
			return
		}
		r, status := parse(b[:end])
		if status != statusOK {
			return
		}
		if strings.ContainsFunc(r.path+r.host+r.method, func(c rune) bool { return c == '\r' || c == '\n' || c == 0 }) {
			t.Fatalf("%q has lines in what was read: %q", b, r)
		}
		if judge(r, true) == statusOK && (r.path != "/metrics" || r.method != "GET" && r.method != "HEAD" || r.host != "" && !local(r.host)) {
			t.Fatalf("%q gets the page", b)
		}
	})
}
