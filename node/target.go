package node

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"parley/transport"
)

// Port is the one that rooms are hosted on, by both carriers, unless something
// else has it.
const Port = 7667

// scheme begins a link.
const scheme = "parley://"

// A Target is what somebody wants to join, taken apart:
//
//	physics                      a room, by the name it is announced under
//	10.0.0.5   box:7700   ::1    the only public room of the host there
//	10.0.0.5/physics             that room of it
//	parley://10.0.0.5:7667/physics#KEY   the same, and the room must prove KEY
//
// What has a ':' or a '/', or is an IP address, names a host; anything else
// names a room.
type Target struct {
	Room string        // empty: the only public room there
	Host string        // a name or an IP address; empty: find Room on the LAN
	Port uint16        // for both carriers; 0: none was named
	Key  transport.Key // what the room must prove, or zero
}

// ParseTarget reads a target as people type it.
func ParseTarget(s string) (Target, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return Target{}, fmt.Errorf("nothing to join: give the name of a room or HOST[:PORT][/ROOM]")
	}
	if len(s) >= len(scheme) && strings.EqualFold(s[:len(scheme)], scheme) {
		return parseLink(s)
	}
	if _, err := netip.ParseAddr(s); err != nil && !strings.ContainsAny(s, ":/") {
		return Target{Room: strings.TrimPrefix(s, "#")}, nil
	}
	host, room, _ := strings.Cut(s, "/")
	t := Target{Room: room}
	if strings.Contains(room, "/") {
		return Target{}, fmt.Errorf("%q has more than one '/': want HOST[:PORT]/ROOM", s)
	}
	var err error
	t.Host, t.Port, err = splitHost(host)
	return t, err
}

// parseLink reads parley://HOST[:PORT][/ROOM][#KEY].
func parseLink(s string) (Target, error) {
	u, err := url.Parse(s)
	if err != nil || u.Opaque != "" || u.User != nil || u.RawQuery != "" {
		return Target{}, fmt.Errorf("%q is not a link: want parley://HOST[:PORT][/ROOM][#KEY]", s)
	}
	t := Target{Room: strings.TrimPrefix(u.Path, "/")}
	if strings.Contains(t.Room, "/") {
		return Target{}, fmt.Errorf("%q has more than one '/' after the host: want parley://HOST[:PORT][/ROOM][#KEY]", s)
	}
	if t.Host, t.Port, err = splitHost(u.Host); err != nil {
		return Target{}, err
	}
	if u.Fragment != "" {
		if t.Key, err = transport.ParseKey(u.Fragment); err != nil {
			return Target{}, fmt.Errorf("the part of the link after '#' is %w", err)
		}
		if t.Key == (transport.Key{}) { // which would ask for no proof at all
			return Target{}, errors.New("the part of the link after '#' is nobody's key")
		}
	}
	return t, nil
}

// splitHost reads HOST, HOST:PORT, an IPv6 address, or one in brackets with or
// without a port.
func splitHost(s string) (host string, port uint16, err error) {
	var digits string
	var found bool
	if inside, rest, ok := strings.Cut(strings.TrimPrefix(s, "["), "]"); ok && strings.HasPrefix(s, "[") {
		addr, err := netip.ParseAddr(inside)
		if digits, found = strings.CutPrefix(rest, ":"); err != nil || !found && rest != "" {
			return "", 0, fmt.Errorf("%q is not [ADDRESS] or [ADDRESS]:PORT", s)
		}
		host = addr.String()
	} else if addr, err := netip.ParseAddr(s); err == nil {
		host = addr.String()
	} else {
		host, digits, found = strings.Cut(s, ":")
	}
	switch {
	case strings.ContainsAny(host+digits, "[]:/ ") && !isAddr(host) || strings.ContainsAny(host, "]/ "):
		return "", 0, fmt.Errorf("%q is not HOST[:PORT]; an IPv6 address with a port is written [ADDRESS]:PORT", s)
	case host == "":
		return "", 0, fmt.Errorf("%q names no host: want HOST[:PORT][/ROOM]", s)
	case !found:
		return host, 0, nil
	}
	p, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || p == 0 {
		return "", 0, fmt.Errorf("%q is not a port: want a number from 1 to 65535", digits)
	}
	return host, uint16(p), nil
}

func isAddr(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// Link writes the link to a room, which ParseTarget reads. The key is left out
// if it is zero.
func Link(at netip.AddrPort, room string, key transport.Key) string {
	u := url.URL{Scheme: "parley", Host: at.String(), Path: "/" + room}
	if key != (transport.Key{}) {
		u.Fragment = key.String()
	}
	return u.String()
}

// String gives t, but for its key, as ParseTarget reads it.
func (t Target) String() string {
	if t.Host == "" {
		return t.Room
	}
	s := t.Host
	switch {
	case t.Port != 0:
		s = net.JoinHostPort(t.Host, strconv.Itoa(int(t.Port)))
	case t.Room == "" && !isAddr(t.Host): // by itself it would name a room
		s += "/"
	case t.Room != "" && strings.Contains(s, ":"):
		s = "[" + s + "]"
	}
	if t.Room != "" {
		s += "/" + t.Room
	}
	return s
}

// JoinLine is the command that joins a room at an address. Without a room it
// joins the only one there. It is fit to be copied into a shell, whatever
// somebody has called the room.
func JoinLine(at netip.AddrPort, room string) string {
	t := Target{Host: at.Addr().String(), Port: at.Port(), Room: room}
	if t.Port == Port {
		t.Port = 0
	}
	return "parley join " + Quoted(t.String())
}

// Quoted puts s in quotes if a shell might see more in it than a word.
func Quoted(s string) string {
	plain := func(r rune) bool {
		return unicode.In(r, unicode.L, unicode.M, unicode.N) || strings.ContainsRune("-_.:/[]@%+=,", r)
	}
	if !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
