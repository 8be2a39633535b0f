package main_test

import (
	"path/filepath"
	"testing"
)

// What becomes of files while a room is handed over, encrypted and in plaintext, and when its host is
// killed and started again: what is under way goes on, what waits can be taken then.
func TestFilesOfAMovedRoom(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		kill bool
		more []string
	}{{"handover", false, nil}, {"handover in plaintext", false, []string{"--plaintext"}}, {"killed", true, nil}, {"killed in plaintext", true, []string{"--plaintext"}}} {
		t.Run(c.name, func(t *testing.T) {
			b := loopback(t)
			dir := t.TempDir()
			start := func() *proc { return b.host("ana", "physics", c.more...) }
			joins := func(name string, more ...string) *proc {
				return b.join(name, b.addr(), append(append([]string{"--downloads", filepath.Join(dir, name)}, c.more...), more...)...)
			}
			ana := start()
			ben, cyn, dan := joins("ben", "--impair", "delay=50ms"), joins("cyn", "--transport", "tcp"), joins("dan")
			path, content := made(t, dir, "data.bin", 5<<20)
			small, short := made(t, dir, "notes.txt", 1000)
			ben.say("/send cyn " + path)
			cyn.await("an offer", transfer("offered"))
			cyn.say("/take")
			cyn.await("its way", transfer("progress"))
			for _, to := range []*proc{cyn, dan} { // dan hosts next
				ben.say("/send " + to.name + " " + small)
				to.await("an offer", transfer("offered"))
			}
			if c.kill {
				ana.kill()
				start()
			} else {
				ana.say("/handover dan")
				dan.await("the offer", func(l line) bool { return l.Type == "handover" && l.State == "offered" })
				dan.say("/accept")
				dan.await("the room", func(l line) bool { return l.Type == "handover" && l.State == "done" })
			}
			whole := cyn.await("the file that was under way", transfer("done"))
			arrived(t, whole.File.Path, content)
			ben.await("that it is there", transfer("done"))
			for _, to := range []*proc{cyn, dan} {
				to.say("/take")
				arrived(t, to.await("the file that waited", transfer("done")).File.Path, short)
			}
		})
	}
}
