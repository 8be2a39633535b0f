package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	// silence is after how long a person wonders whether anything happens.
	silence = time.Second
	// stillAt is how often more is said of what takes long.
	stillAt = 5 * time.Second
)

// slowly tells what is being done, if that is not over within a second, and from
// then on now and then how far it is, if it can be known. stop ends that, may be
// called twice, and returns when nothing more will be told.
func (p *program) slowly(what string, far func() string) (stop func()) {
	over, told := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(told)
		begin, wait := time.Now(), silence
		for {
			select {
			case <-over:
				return
			case <-time.After(wait):
			}
			switch {
			case far != nil:
				p.talk("%s … %s", what, far())
			case wait == silence:
				p.talk("%s …", what)
			default:
				p.talk("%s … for %d seconds now", what, int(time.Since(begin).Seconds()))
			}
			wait = stillAt
		}
	}()
	var once sync.Once
	return func() { once.Do(func() { close(over); <-told }) }
}

// listening tells a person at a terminal for how long rooms are listened for.
func (p *program) listening(wait time.Duration) {
	if p.flags.JSON || !isTerminal(p.err) {
		return
	}
	if wait > 0 {
		p.talk("listening for %v …", wait)
	} else {
		p.talk("watching; Ctrl-C ends it …")
	}
}

// firstSteps are what to do first, after each command with which people begin.
var firstSteps = map[string]string{
	"pick":  "First time here? Pick a room, or type a name to open one of your own.",
	"host":  "First time here? Others type parley and Enter. Then type, and Enter says it.",
	"join":  "First time here? Type, and Enter says it; /help lists what else there is.",
	"rooms": "First time here? parley joins one of these, parley host NAME opens your own.",
}

// welcomed is the file in the data directory that tells that the hint was shown.
const welcomed = "welcomed"

// welcome shows a newcomer one line: once for each data directory, and only to
// somebody at a terminal.
func (p *program) welcome(dir string) {
	hint := firstSteps[p.command]
	if hint == "" || p.flags.Quiet || !p.mayAsk() || !isTerminal(p.out) || p.screen { // which shows its keys anyway
		return
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return // which is told by what needs it
	}
	f, err := os.OpenFile(filepath.Join(dir, welcomed), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return // shown before, or it would be shown each time
	}
	fmt.Fprintln(f, version)
	f.Close()
	p.talk("%s", hint)
}
