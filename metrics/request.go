package metrics

import (
	"bytes"
	"net/netip"
	"strings"
)

// request is what a question asks for.
type request struct {
	method, path, host string
}

// Answers that are no page.
const (
	statusOK        = "200 OK"
	statusBad       = "400 Bad Request"
	statusNotFound  = "404 Not Found"
	statusMethod    = "405 Method Not Allowed"
	statusElsewhere = "421 Misdirected Request"
	statusTooMuch   = "431 Request Header Fields Too Large"
	statusVersion   = "505 HTTP Version Not Supported"
)

// headEnd returns where the head of a question ends that begins b, or -1.
func headEnd(b []byte) int {
	if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
		return i + 4
	}
	return -1
}

// parse reads a whole head. A status other than statusOK says what is wrong with it.
func parse(head []byte) (r request, status string) {
	lines := strings.Split(strings.TrimSuffix(string(head), "\r\n\r\n"), "\r\n")
	r, status = parseLine(lines[0])
	if status != statusOK {
		return r, status
	}
	hosts := 0
	for _, l := range lines[1:] {
		name, value, found := strings.Cut(l, ":")
		if !found || !token(name) || strings.ContainsFunc(value, control) {
			return r, statusBad
		}
		value = strings.Trim(value, " \t")
		switch strings.ToLower(name) {
		case "host":
			if hosts++; r.host == "" { // else the line has said it, which goes before
				r.host = value
			}
		case "content-length":
			if value != "0" {
				return r, statusBad
			}
		case "transfer-encoding":
			return r, statusBad
		}
	}
	if hosts != 1 && !(hosts == 0 && strings.HasSuffix(lines[0], "/1.0")) {
		return r, statusBad
	}
	return r, statusOK
}

// parseLine reads the first line.
func parseLine(l string) (r request, status string) {
	words := strings.Split(l, " ")
	if len(words) != 3 || !token(words[0]) || words[1] == "" || strings.ContainsFunc(l, control) {
		return r, statusBad
	}
	if version := words[2]; len(version) != len("HTTP/1.1") || !strings.HasPrefix(version, "HTTP/1.") {
		if strings.HasPrefix(version, "HTTP/") {
			return r, statusVersion
		}
		return r, statusBad
	} else if d := version[len(version)-1]; d < '0' || d > '9' {
		return r, statusBad
	}
	r.method = words[0]
	r.path = words[1]
	if rest, ok := strings.CutPrefix(r.path, "http://"); ok { // as to a proxy
		host, path, _ := strings.Cut(rest, "/")
		r.host, r.path = host, "/"+path
	}
	r.path, _, _ = strings.Cut(r.path, "?")
	return r, statusOK
}

// token tells whether s is a name as HTTP has them.
func token(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c)
	})
}

func control(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }

// local tells whether a Host is one by which only this computer means itself: an
// address, or localhost. Other names are somebody's who may have them lead here.
func local(host string) bool {
	if name, _, found := strings.Cut(host, ":"); found && strings.EqualFold(name, "localhost") {
		host = name
	}
	if _, err := netip.ParseAddrPort(host); err == nil {
		return true
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || strings.EqualFold(host, "localhost")
}
