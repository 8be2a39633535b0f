package room

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"parley/transport"
)

// maxDecode is the most that reading a message may allocate, whatever is in it.
const maxDecode = 1 << 20

// bombs are messages of at most maxWire bytes that want to become large. Each
// is prefix, as many times part as fit, and suffix.
func bombs() map[string][]byte {
	all := map[string][]byte{}
	bomb := func(what, prefix, part, suffix string) {
		n := (maxWire - len(prefix) - len(suffix)) / len(part)
		all[what] = []byte(prefix + strings.Repeat(part, n) + suffix)
	}
	nest := func(what, prefix, open, inner, shut, suffix string) {
		n := (maxWire - len(prefix) - len(inner) - len(suffix)) / len(open+shut)
		all[what] = []byte(prefix + strings.Repeat(open, n) + inner + strings.Repeat(shut, n) + suffix)
	}
	nest("nested arrays", `{"type":"message","text":`, `[`, ``, `]`, `}`)
	nest("nested objects", `{"type":"message","x":`, `{"x":`, `1`, `}`, `}`)
	nest("nested members", `{"type":"members","members":`, `[`, ``, `]`, `}`)
	nest("nested events", `{"type":"found","id":"00000000000000000000000000000003","events":`, `[{"seq":1,"events":`, `[]`, `}]`, `}`)
	nest("nested nowhere", ``, `[`, ``, `]`, ``)
	bomb("never closed", `{"type":"message","missed":`, `[`, ``)
	for field, part := range map[string]string{"members": `{}`, "missed": `[]`, "delivered": `[]`, "rooms": `""`, "events": `{}`} {
		bomb("empty "+field, `{"type":"x","`+field+`":[`+part, `,`+part, `]}`)
		bomb("many times "+field, `{"type":"x"`, `,"`+field+`":[`+strings.TrimSuffix(strings.Repeat(part+",", 20), ",")+`]`, `}`)
		bomb("no "+field, `{"type":"x","`+field+`":[null`, `,null`, `]}`)
	}
	bomb("one member's fields", `{"type":"members","members":[{"nick":"a"`, `,"nick":"b"`, `}]}`)
	bomb("keys", `{"type":"x"`, `,"a":1`, `}`)
	bomb("vouches", `{"type":"welcome"`, `,"vouch":{"sig":"AAAA"}`, `}`)
	bomb("numbers", `{"type":"got","got":1`, `0`, `}`)
	for _, kind := range []string{"join", "message", "action", "whisper", "nick", "topic", "away", "names", "got", "leave",
		"welcome", "members", "accepted", "failed", "skip", "upto", "bye", "notice", "error", "delivered", "kick", "ban", "dance"} {
		for _, field := range []string{"text", "nick", "id", "room", "session", "to", "reason", "key", "at", "since"} {
			bomb(kind+" with escapes in "+field, `{"type":"`+kind+`","v":1,"seq":9,"`+field+`":"`, `\u00e9`, `"}`)
		}
		bomb(kind+" with surrogates", `{"type":"`+kind+`","text":"`, `\ud83d\ude00`, `"}`)
		bomb(kind+" with controls", `{"type":"`+kind+`","text":"`, `\u0000`, `"}`)
	}
	return all
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	const runs = 5
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		f()
	}
	runtime.ReadMemStats(&after)
	return (after.TotalAlloc - before.TotalAlloc) / runs
}

// TestBombs reads messages that are made to be costly: each costs little, and
// no member and no host is harmed by what was read of it.
func TestBombs(t *testing.T) {
	worst, which := uint64(0), ""
	for what, msg := range bombs() {
		if len(msg) > maxWire || len(msg) < maxWire-1500 {
			t.Fatalf("%s: %d bytes", what, len(msg))
		}
		for _, parse := range []func(){func() { parseCommand(msg) }, func() { parseReport(msg) }} {
			if cost := allocated(parse); cost > worst {
				worst, which = cost, what
			}
		}
		if c, err := parseCommand(msg); err == nil {
			toHost(c)
		}
		if r, err := parseReport(msg); err == nil {
			for _, lane := range []transport.Delivery{transport.Ordered, transport.Unordered, transport.Bare} {
				toMember(&r, lane)
			}
		}
	}
	t.Logf("FIGURE the costliest message of 16 KiB, %s, takes %d KiB to be read (target 1 MiB)", which, worst>>10)
	if worst > maxDecode {
		t.Errorf("%s takes %d bytes to be read", which, worst)
	}
}

// TestTooLong is a byte longer than a message may be.
func TestTooLong(t *testing.T) {
	msg := []byte(fmt.Sprintf(`{"type":"message","text":"%s"}`, strings.Repeat("x", maxWire)))
	if _, err := parseCommand(msg); err == nil {
		t.Error("it is taken")
	}
	if _, err := parseReport(msg); err == nil {
		t.Error("it is taken")
	}
}
