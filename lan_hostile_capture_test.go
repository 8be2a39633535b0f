//go:build linux

package main_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

// disguises are the forms in which a word may stand in what is sent.
func disguises(word string) map[string][][]byte {
	little, big := make([]byte, 0, 2*len(word)), make([]byte, 0, 2*len(word))
	for _, u := range utf16.Encode([]rune(word)) {
		little, big = binary.LittleEndian.AppendUint16(little, u), binary.BigEndian.AppendUint16(big, u)
	}
	all := map[string][][]byte{
		"as it is": {[]byte(word), []byte(strings.ToUpper(word))},
		"UTF-16":   {little, big},
		"hex":      {[]byte(hex.EncodeToString([]byte(word))), []byte(strings.ToUpper(hex.EncodeToString([]byte(word))))},
	}
	for shift := range 3 { // what the characters before and behind tell of is not the word's alone
		b := append(make([]byte, shift), word...)
		for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			from, to := (8*shift+5)/6, 8*len(b)/6
			all["base64"] = append(all["base64"], []byte(e.EncodeToString(b)[from:to]))
		}
	}
	return all
}

// readable tells in which forms a word stands in the bytes.
func readable(in []byte, word string) (forms []string) {
	for form, all := range disguises(word) {
		if slices.ContainsFunc(all, func(b []byte) bool { return bytes.Contains(in, b) }) {
			forms = append(forms, form)
		}
	}
	slices.Sort(forms)
	return forms
}

// The search finds a word in every form it looks for, wherever it is.
func TestDisguises(t *testing.T) {
	const word = "benedikta-7"
	for before := range 4 {
		around := func(b []byte) []byte { return slices.Concat(bytes.Repeat([]byte{'?'}, before), b, []byte("!!")) }
		wide := []byte{}
		for _, r := range word {
			wide = append(wide, 0, byte(r))
		}
		for form, in := range map[string][]byte{
			"as it is": around([]byte(word)),
			"UTF-16":   around(wide),
			"hex":      []byte(hex.EncodeToString(around([]byte(word)))),
			"base64":   []byte(base64.StdEncoding.EncodeToString(around([]byte(word)))),
		} {
			if got := readable(in, word); !slices.Equal(got, []string{form}) {
				t.Errorf("%d before it, %s: found as %v", before, form, got)
			}
		}
		if got := readable(around([]byte("benedikta+7")), word); got != nil {
			t.Errorf("another word: found as %v", got)
		}
	}
}

// overheard is what of a session could be read on the wire.
type overheard struct {
	wire    []byte
	packets uint64
	secrets map[string]string // what, and how it reads
}

// session has somebody find a room, come in, talk, whisper, take another name,
// see the topic change, be away and leave, with all of it captured.
func session(t *testing.T, transport string, flags ...string) overheard {
	t.Helper()
	l := newLAN(t, "annes-thinkpad", "bens-macbook")
	boxes := l.boxes()
	c := overheard{secrets: map[string]string{
		"nick of the host": "anastasia-3", "nick": "benedikta-7", "new nick": "benedetto-8", "text": "meet at the boathouse",
		"answer": "bring a lantern along", "whisper": "nobody else may know", "topic": "midnight swimming",
		"away": "gone for dinner", "last word": "farewell to all", "user name": "quentin-user", "host name": "annes-thinkpad", "own host name": "bens-macbook",
	}}
	s := c.secrets
	for _, b := range boxes {
		b.env = append(b.env, "USER="+s["user name"], "LOGNAME="+s["user name"], "USERNAME="+s["user name"])
		if !slices.Contains(flags, "--plaintext") { // in plaintext there are none
			s["password"] = "correct-horse-staple"
			b.env = append(b.env, "PARLEY_PASSWORD="+s["password"])
		}
	}
	stop := l.machines[1].capture()
	before := l.machines[1].counted()
	host := boxes[0].host(s["nick of the host"], "physics", flags...)
	if password, asked := s["password"]; asked { // the room does ask for one
		boxes[1].env = append(boxes[1].env, "PARLEY_PASSWORD="+password[1:])
		boxes[1].joining("wrong", "physics", "--transport", transport, "--no-input").exits(4)
		boxes[1].env = append(boxes[1].env, "PARLEY_PASSWORD="+password)
	}
	ben := boxes[1].join(s["nick"], "physics", append([]string{"--transport", transport}, flags...)...)
	ben.say(s["text"])
	host.await("the text", said(s["text"]))
	host.say(s["answer"])
	ben.await("the answer", said(s["answer"]))
	ben.say("/msg " + s["nick of the host"] + " " + s["whisper"])
	host.await("the whisper", func(l line) bool { return l.Type == "whisper" && l.Text == s["whisper"] })
	ben.say("/nick " + s["new nick"])
	host.await("the new nick", func(l line) bool { return l.Type == "nick" && l.Nick == s["new nick"] })
	host.say("/topic " + s["topic"])
	ben.await("the topic", func(l line) bool { return l.Type == "topic" && l.Text == s["topic"] })
	ben.say("/away " + s["away"])
	ben.await("the answer to it", func(l line) bool { return l.Type == "notice" && strings.Contains(l.Text, s["away"]) })
	ben.say("/quit " + s["last word"])
	ben.exits(0)
	host.await("his leaving", kind("leave"))
	after := l.machines[1].counted()
	c.packets = after[transport+"_in"].Packets + after[transport+"_out"].Packets - before[transport+"_in"].Packets - before[transport+"_out"].Packets
	c.wire = stop()
	return c
}

// Of a whole session nothing can be read on the wire but the name of the room,
// in no form; of the same session in plaintext, all that was said can.
func TestLANCapture(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			c := session(t, transport)
			if c.secrets["password"] == "" {
				t.Error("there was no password: nothing is proved of it")
			}
			if c.packets < 15 {
				t.Errorf("only %d packets went by: nothing is proved", c.packets)
			}
			if !bytes.Contains(c.wire, []byte("physics")) {
				t.Error("the room was never announced: nothing is proved")
			}
			hits := 0
			for what, word := range c.secrets {
				if forms := readable(c.wire, word); forms != nil {
					hits++
					t.Errorf("the %s is on the wire, %v", what, forms)
				}
			}
			t.Logf("FIGURE readable of a session over %s: %d of %d words, in %d packets and %d bytes (target 0)", transport, hits, len(c.secrets), c.packets, len(c.wire))
		})
		t.Run(transport+", plaintext", func(t *testing.T) {
			t.Parallel()
			c := session(t, transport, "--plaintext")
			for what, word := range c.secrets {
				public := !strings.HasSuffix(what, "name")
				if forms := readable(c.wire, word); (forms != nil) != public {
					t.Errorf("the %s is on the wire in plaintext: %v", what, forms)
				}
			}
		})
	}
}
