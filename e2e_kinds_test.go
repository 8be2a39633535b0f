package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Where a file should be is a pipe, a device or a directory, and where a directory should
// be, a file: nothing waits for that without end, and all is told.
func TestWrongKinds(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	b.host("ana", "physics").say("/quit")
	logs, err := filepath.Glob(b.file("ana", "history/*.log"))
	if err != nil || len(logs) != 1 {
		t.Fatal(logs, err)
	}
	log, err := filepath.Rel(b.file("ana", ""), logs[0])
	if err != nil {
		t.Fatal(err)
	}
	put := func(kind, path string) (made bool) {
		os.RemoveAll(path)
		os.MkdirAll(filepath.Dir(path), 0o700)
		switch kind {
		case "pipe":
			return mkfifo(path) == nil
		case "device":
			return os.Symlink("/dev/zero", path) == nil && os.PathSeparator == '/'
		case "nowhere":
			return os.Symlink(filepath.Join(b.dir, "nowhere"), path) == nil
		case "directory":
			return os.Mkdir(path, 0o700) == nil
		}
		return os.WriteFile(path, []byte("x\n"), 0o600) == nil
	}
	for _, c := range []struct {
		path, kinds, says string
		exit              int
		args              string
	}{
		{"config", "pipe device", "it is a pipe or a device, and no file", 2, "rooms --config ../config"},
		{"config", "directory", "it is a directory", 2, "rooms --config ../config"},
		{"filters", "pipe", "it is a pipe or a device, and no file", 2, "host physics --headless --filter-file ../config"},
		{"filters", "directory", "it is a directory", 2, "host physics --headless --filter-file ../config"},
		{"creds", "pipe device directory", "is no file", 1, "host physics --headless --cluster nats://127.0.0.1:1 --creds ../config"},
		{"", "file pipe", "must be a directory, and is something else", 1, "id"},
		{"rooms", "file pipe device", "must be a directory, and is something else", 1, "host physics --headless"},
		{"history", "file", "must be a directory, and is something else", 1, "history physics"},
		{"drafts", "file", "must be a directory, and is something else", 1, "send physics hi"},
		{"history", "nowhere", "must be a directory, and is a link that leads nowhere", 1, "pins"},
		{"identity", "pipe device directory", "is not a file", 1, "id"},
		{"pins", "pipe directory", "is not a file", 1, "pins"},
		{log, "pipe device", "it is a pipe or a device, and no file", 1, "history physics"},
		{log, "directory", "it is a directory, and no file", 1, "history physics"},
		{log, "pipe", "it is a pipe or a device, and no file", 1, "history physics --check"},
		{log, "pipe directory", "and no file", 1, "history"},
		{log + ".lock", "pipe", "it is a pipe or a device, and no file", 1, "history physics"},
		{log + "-wal", "pipe directory", "no file", 1, "history physics"},
	} {
		for kind := range strings.FieldsSeq(c.kinds) {
			name := strings.NewReplacer("/", "-", " ", "-", ".", "-").Replace(filepath.Base(c.path) + " " + kind + " " + c.args)
			path := b.file(name, c.path)
			if strings.Contains(c.args, "../config") {
				path = filepath.Join(b.home(name), c.path)
			}
			if !put(kind, path) {
				continue // this system has none
			}
			if strings.HasPrefix(c.path, log+".") || strings.HasPrefix(c.path, log+"-") {
				put("file", b.file(name, log)) // which it goes with
			}
			args := strings.Fields(strings.ReplaceAll(c.args, "../config", path))
			out, talk, code := b.once(name, "", append(args, "--no-input")...)
			if code != c.exit || !strings.Contains(out+talk, c.says) || !strings.Contains(out+talk, path) {
				t.Errorf("%s is a %s, %v: exit code %d, want %d and %q in\n%s%s", c.path, kind, args, code, c.exit, c.says, out, talk)
			}
		}
	}
}
