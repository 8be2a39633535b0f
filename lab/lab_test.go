//go:build !nolab

package lab

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"parley/lab/wire"
)

// asEngine in the environment has the test binary be an engine.
const asEngine = "PARLEY_LAB_TEST_ENGINE"

func TestMain(m *testing.M) {
	if os.Getenv(asEngine) != "" {
		Serve()
	}
	os.Exit(m.Run())
}

// rewrite has the file of fingerprints written anew: what they are of has changed.
var rewrite = flag.Bool("rewrite", false, "write fingerprints.txt anew")

// enough is how long a lesson is repeated here at least, if not 20 times:
// parley lab verify --repeat 20 repeats all.
const enough = time.Second

// TestLessons has each lesson prove its claim, always by the same bytes.
func TestLessons(t *testing.T) {
	prints := Golden()
	var anew strings.Builder
	for _, lesson := range Lessons {
		t.Run(lesson.Name, func(t *testing.T) {
			begin := time.Now()
			for i := range 20 {
				if i > 1 && time.Since(begin) > enough {
					break
				}
				r, err := Do(wire.Test(t), lesson, Request{})
				if err != nil {
					t.Fatal(err)
				}
				if i == 0 && *rewrite {
					prints[lesson.Name] = r.Fingerprint()
					fmt.Fprintln(&anew, lesson.Name, r.Fingerprint())
				}
				if r.verdict != "PASS" || r.Fingerprint() != prints[lesson.Name] && !shuffled {
					t.Fatal(r.Proof())
				}
			}
		})
	}
	if *rewrite {
		if err := os.WriteFile("fingerprints.txt", []byte(anew.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCapture writes what the sender saw of the lost message.
func TestCapture(t *testing.T) {
	r, err := Do(wire.Test(t), holblocking, Request{Captures: []string{"tcp:A"}})
	if err != nil {
		t.Fatal(err)
	}
	capture := r.Lines[len(r.Lines)-2]
	if capture.Name != "tcp-A.pcapng" {
		t.Fatalf("%+v", capture)
	}
	for _, want := range []string{"lab:drop why=rule A>B:msg#5 lab:msg=5", "lab:resent lab:msg=5"} {
		if bytes.Count(capture.Data, []byte(want)) != 1 {
			t.Errorf("not once in the capture: %s", want)
		}
	}
}
