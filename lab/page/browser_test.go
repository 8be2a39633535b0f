//go:build !nolab

package page

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"
	"time"

	"parley/lab"
	"parley/lab/own"
)

// asEngine in the environment has the test binary be an engine.
const asEngine = "PARLEY_PAGE_TEST_ENGINE"

func TestMain(m *testing.M) {
	switch os.Getenv(asEngine) {
	case "":
	case "deaf": // an engine that reads nothing
		select {}
	default:
		lab.Serve(own.Serve)
	}
	os.Exit(m.Run())
}

// The limits of the page: it is to come to a phone over a school's network, and
// to be read from the back row.
const (
	maxPage   = 150_000 // bytes
	leastFont = 24      // pixels at 1920x1080
	leastFPS  = 30
)

// TestInABrowser drives the page in headless Chromium. SHOTS names a directory
// for screenshots.
func TestInABrowser(t *testing.T) {
	for _, tool := range []string{"node", "chromium"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIPPED: %s is missing", tool)
		}
	}
	if _, err := os.Stat("test/node_modules"); err != nil {
		t.Skip("SKIPPED: test/node_modules is missing; npm ci in lab/page/test makes it")
	}
	engine := lab.Engine{Env: []string{asEngine + "=1"}}
	s := &Server{Engine: engine, Own: func(r *http.Request, source string, settings map[string]string, each func(lab.Line) error) error {
		return own.Run(r.Context(), engine, lab.Request{Own: source, Settings: settings, Bytes: true}, each)
	}}
	web := httptest.NewServer(s)
	defer web.Close()
	defer s.Close()
	s.Join = web.URL + "/"
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "page.mjs", web.URL, s.Token(), s.Code(), os.Getenv("SHOTS"))
	cmd.Dir = "test"
	cmd.WaitDelay = 5 * time.Second
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, &errs)
	}
	var seen struct {
		Bytes    int      `json:"bytesTeacher"`
		External []string `json:"external"`
		Errors   []string `json:"errors"`
		FPS      int      `json:"fps"`
		Lessons  int      `json:"lessons"`
		Smallest float64  `json:"smallest"`
	}
	if err := json.Unmarshal(out, &seen); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Logf("FIGURE the page in Chromium: %d bytes (at most %d), %d frames a second in a live class of 30 (at least %d), smallest text %.1f px at 1920x1080 (at least %d), %d lessons: %s",
		seen.Bytes, maxPage, seen.FPS, leastFPS, seen.Smallest, leastFont, seen.Lessons, bytes.TrimSpace(out))
	if seen.Bytes == 0 || seen.Bytes > maxPage || len(seen.External) > 0 || len(seen.Errors) > 0 || seen.Lessons != len(lab.Lessons) {
		t.Errorf("%+v", seen)
	}
}
