//go:build !nolab

package wire

import (
	"os"
	"strings"
	"testing"
)

func FuzzParseRule(f *testing.F) {
	for _, s := range []string{"A>B:data#5", "*:syn#1", "B>A:ack", "*>B:any", "B>**ack:ack", ">:#", "A>B:data#99999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRule(s)
		if err != nil {
			return
		}
		again, err := ParseRule(r.String())
		if err != nil || again != r {
			t.Errorf("%q is %v, which is %v, %v", s, r, again, err)
		}
	})
}

func FuzzFrame(f *testing.F) {
	syn := append(make([]byte, 12), 8, 0, 0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 77, 0, 1, 10, 77, 0, 2,
		1, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 16, 0, 0, 0, 0, 0)
	for _, n := range []int{0, 13, 14, 33, 34, 53, len(syn)} {
		f.Add(syn[:n])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l := &LAN{flows: map[flow]*stream{}}
		for range 2 {
			frame := &Frame{Data: data}
			frame.parse()
			l.follow(frame)
			for _, kind := range kinds {
				frame.is(kind)
			}
		}
	})
}

// TestEngineNamesTheStack compares the version in fingerprints with the one
// that is built.
func TestEngineNamesTheStack(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	_, version, _ := strings.Cut(Engine, "/gvisor-")
	if !strings.Contains(string(mod), "gvisor.dev/gvisor v0.0.0-"+version+"-") {
		t.Errorf("go.mod does not have the stack of %s", Engine)
	}
}
