//go:build linux

package main_test

import (
	"net"
	"strconv"
	"testing"
)

// On the full screen, too, a host says where its metrics are and shows them; where
// they cannot be had, it says so before there is a screen.
func TestFullScreenMetrics(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	at := net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(t)))
	env := []string{"TERM=xterm-256color", "LC_ALL=C.UTF-8"}
	args := []string{"host", "physics", "--nick", "ana", "--port", strconv.Itoa(b.port), "--metrics", at}
	term := watched(b.onTerminal("ana", env, args...))
	term.sees("http://" + at + "/metrics")
	url := "http://" + at + "/metrics"
	b.join("ben", b.addr(), "--transport", "udp")
	counts(t, url, 1, "parley_room_members", "room", "physics", "carrier", "udp", "role", "member")
	second := watched(b.onTerminal("eve", env, "host", "maths", "--nick", "eve", "--metrics", at))
	second.shows("cannot be shown at " + at)
	second.exits(1)
	term.types("/quit\r")
	term.exits(0)
}
