//go:build !nolab

package own

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"parley/lab"
)

// asEngine in the environment has the test binary be an engine.
const asEngine = "PARLEY_OWN_TEST_ENGINE"

func TestMain(m *testing.M) {
	if os.Getenv(asEngine) != "" {
		if maxReal, maxCall = 6*time.Second, time.Second; raced {
			maxReal, maxCall = 20*time.Second, 3*time.Second
		}
		lab.Serve(Serve)
	}
	os.Exit(m.Run())
}

// needed are the callbacks that have to be there.
const needed = `
def on_datagram(data):
    deliver(data)
`

// whenSaid is a script that does something when something is said.
func whenSaid(body string) string {
	return "def on_say(text):\n    " + strings.ReplaceAll(strings.TrimSpace(body), "\n", "\n    ") + "\n" + needed
}

// An attack is a script and, with | between them, what it may be told; empty: it
// may run.
type attack struct{ name, source, want string }

// hostile are scripts that want too much, and what they are told.
var hostile = []attack{
	{"loop", whenSaid("while True:\n    pass"), "more than 500000 steps in one call"},
	{"loop outside", "while True:\n    pass\n" + needed, "more than 500000 steps in one call"},
	{"slow loop", whenSaid("for i in range(30000):\n    pass"), ""},
	{"recursion", "def on_say(text):\n    on_say(text)\n" + needed, "called recursively"},
	{"long range", whenSaid("for i in range(1 << 60):\n    pass"), "steps|more than 100000 numbers"},
	{"list of a range", whenSaid("list(range(10000 * 10000))"), "more than 100000 numbers"},
	{"long text", whenSaid(`send("a" * 1000000)`), "1000000 bytes; a datagram has at most 1472"},
	{"huge text", whenSaid(`x = "a" * (1 << 40)`), "repeat count"},
	{"doubling text", whenSaid("x = \"a\"\nfor i in range(60):\n    x += x"), "MB of memory"},
	{"replaced", whenSaid("x = \"a\" * 1000000\nx.replace(\"\", x)"), "MB of memory"},
	{"shifts", whenSaid("x = 1 << (1 << 40)"), "out of range"},
	{"a list in itself", whenSaid("x = []\nx.append(x)\nlog(x)\nsend(pack(x))"), "more than 8 deep|more than 65536 bytes"},
	{"doubled lists", whenSaid("x = [1]\nfor i in range(60):\n    x = [x, x]\nstr(x)"), "more than 65536 bytes"},
	{"doubled tuples hashed", whenSaid("x = (1,)\nfor i in range(60):\n    x = (x, x)\nstate[x] = 1"), "real time"},
	{"timers", whenSaid("for i in range(1000000):\n    set_timer(i, 1000)") + "def on_timer(name):\n    pass\n", "more than 1000 timers|more than 100000 numbers"},
	{"many timers", whenSaid("for i in range(2000):\n    set_timer(i, 1000)") + "def on_timer(name):\n    pass\n", "more than 1000 timers at once"},
	{"timer storm", whenSaid("set_timer(1, 1)") + "def on_timer(name):\n    set_timer(name, 1)\n", ""},
	{"storm", whenSaid("for i in range(100000):\n    send(text)"), "more than 1000 datagrams in one call of on_say"},
	{"ping-pong", "def on_say(text):\n    send(text)\ndef on_datagram(data):\n    send(data)\n    send(data)\n", "more than 20000 datagrams from one end in one run"},
	{"large storm", "def on_start():\n    set_timer(0, 1)\ndef on_timer(name):\n    for i in range(900):\n        send(\"a\" * 1472)\n    set_timer(0, 1)\n" + whenSaid("pass"), "more than 8 MB from one end in one run"},
	{"flood", whenSaid("for i in range(50000):\n    deliver(\"\\033[2Jboo\")"), "more than 10000 texts delivered"},
	{"escapes", whenSaid("log(\"\\033[2J\\007\" * 100)\nfail(\"\\033]0;x\\007 bad\")"), "␛]0;x␇ bad"},
	{"long log", whenSaid("for i in range(1000):\n    log(\"a\" * 60000)"), ""},
	{"brackets", "x = " + strings.Repeat("[", 30000), "excessive nesting"},
	{"prefixes", "x = " + strings.Repeat("-", 60000) + "1", "excessive nesting"},
	{"not not", "x = " + strings.Repeat("not ", 15000) + "1", "excessive nesting"},
	{"blocks", nested(600), ""},
	{"else if", "x = " + strings.Repeat("1 if 0 else ", 5000) + "1", "excessive nesting"},
	{"sums", "x = 1" + strings.Repeat("+1", 30000), ""},
	{"dots", "def on_say(text):\n    text" + strings.Repeat(".a", 30000) + "\n" + needed, "has no .a"},
	{"calls", "def on_say(text):\n    text" + strings.Repeat("()", 30000) + "\n" + needed, "invalid call"},
	{"load", "load(\"x.star\", \"y\")" + needed, "reads no other"},
	{"binary", "\x00\x01\xff\xfe", "not a text file"},
	{"elif", whenSaid("if text == 1:\n    pass\n" + strings.Repeat("elif 1:\n    pass\n", 2500)), ""},
	{"lambdas", "x = " + strings.Repeat("lambda:", 9000) + "1", "excessive nesting"},
	{"long", strings.Repeat("# bla\n", 20000), "at most 65536 are read"},
}

// nested are blocks in blocks.
func nested(deep int) string {
	var b strings.Builder
	b.WriteString("def on_say(text):\n")
	for i := range deep {
		b.WriteString(strings.Repeat(" ", i+1) + "if 1:\n")
		if b.Len() > MaxSource/2 {
			b.WriteString(strings.Repeat(" ", i+2) + "pass\n")
			break
		}
	}
	return b.String() + needed
}

// larger are more of them, which take their time: see the slow tests.
var larger []attack

// TestHostile has each of them end with an error that a student understands, or
// with a score, within seconds and without more memory than an engine may take.
func TestHostile(t *testing.T) {
	engine := lab.Engine{Env: []string{asEngine + "=1"}, Limit: 30 * time.Second}
	for _, h := range append(hostile, larger...) {
		t.Run(h.name, func(t *testing.T) {
			began := time.Now()
			q := lab.Request{Own: h.source, Quiet: true, Settings: lab.Settings{"seeds": "1", "wire": "loss 5%", "ours": "no", "messages": "20"}}
			err := Run(context.Background(), engine, q, func(lab.Line) error { return nil })
			if strings.ContainsAny(errText(err), "\x1b\a") {
				t.Errorf("escapes: %q", err)
			}
			t.Logf("%v: %v", time.Since(began).Round(time.Millisecond), err)
			if h.want == "" {
				if err != nil && !strings.Contains(err.Error(), "there is no function") {
					t.Errorf("%v", err)
				}
				return
			}
			if !Broken(err) {
				t.Fatalf("%v", err)
			}
			for want := range strings.SplitSeq(h.want, "|") {
				if strings.Contains(err.Error(), want) {
					return
				}
			}
			t.Errorf("want %s", h.want)
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestCut has a run end when nobody waits for it any more.
func TestCut(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := Run(ctx, lab.Engine{Env: []string{asEngine + "=1"}}, lab.Request{Own: Examples[0]}, func(lab.Line) error { return nil })
	if err == nil || errors.As(err, new(*Fault)) {
		t.Errorf("%v", err)
	}
}
