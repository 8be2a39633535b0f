package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"parley/room"
)

// passwordEnv holds the password itself, as no flag may: anybody on the
// computer can read what a program was started with.
const passwordEnv = "PARLEY_PASSWORD"

// passwordTries is how often a person may type a new password twice until both
// are the same.
const passwordTries = 3

// checkPassword refuses what a password would not protect.
func (c *cli) checkPassword(given bool) error {
	switch {
	case given && c.Plaintext:
		return errors.New("with --plaintext anyone on the network can read past a password. Leave out one of them")
	case given && c.Host.Guests:
		return errors.New("--guests would have to show the password to everybody on the network, so the two do not go together. Leave out one of them")
	}
	return nil
}

// passwordShown finds a password among the arguments, where everybody can read
// it: as the value of a flag, or as what looks like a second room. The error does
// not repeat it.
func passwordShown(args []string) error {
	hint := "use --password-file FILE, or PARLEY_PASSWORD; host --password asks for one"
	words := 0
	for i, a := range args {
		switch {
		case a == "--":
			return nil
		case strings.HasPrefix(a, "--password="):
			return usage{"--password takes no value: others on this computer can read what a program was started with", hint}
		case a != "--password":
			if !strings.HasPrefix(a, "-") {
				words++
			}
		case !slices.Contains(args, "host"):
			return usage{"--password is a flag of host alone: whoever joins is asked", hint}
		case i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") && words > 1:
			return usage{"what follows --password would be another room: the flag takes no value", "put --password behind the rooms; " + hint}
		}
	}
	return nil
}

// withPassword are the commands that may need one.
var withPassword = []string{"pick", "host", "join", "send", "tail"}

// readPassword takes the password from where it was given, and out of the
// environment, so that it is handed on to nobody.
func (p *program) readPassword(command *kong.Node) error {
	secret := os.Getenv(passwordEnv)
	os.Unsetenv(passwordEnv)
	if command == nil || !slices.Contains(withPassword, command.Name) || p.flags.Host.Password {
		return nil
	}
	from := passwordEnv
	if name := p.flags.PasswordFile; name != "" {
		var err error
		if secret, err = p.passwordFile(name); err != nil {
			return fmt.Errorf("--password-file: %w", err)
		}
		from = "--password-file"
	}
	if secret == "" {
		return nil
	}
	if err := p.flags.checkPassword(true); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	if err := room.CheckPassword(secret); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	p.secret = secret
	return nil
}

// passwordFile reads the only line of a file.
func (p *program) passwordFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	all, err := io.ReadAll(io.LimitReader(f, room.MaxPassword+3)) // with an end of line there may be two more
	if err != nil {
		return "", err
	}
	line, rest, _ := strings.Cut(string(all), "\n")
	line = strings.TrimSuffix(line, "\r")
	switch {
	case len(all) == 0:
		return "", fmt.Errorf("%s is empty: it should hold the password", name)
	case rest != "":
		return "", fmt.Errorf("%s has more than one line: it should hold the password and nothing else", name)
	case line == "":
		return "", fmt.Errorf("%s holds an empty line and no password", name)
	}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && os.PathSeparator == '/' && info.Mode().Perm()&0o004 != 0 {
		p.talk("everybody on this computer can read %s: chmod 600 %s", name, name)
	}
	return line, nil
}

// givePassword answers with what was given, once.
func (p *program) givePassword(_ context.Context, _ string, wrong int) (string, bool) {
	return p.secret, wrong == 0
}

// askPassword asks for the password of a room to join.
func (p *program) askPassword(ctx context.Context, name string, wrong int) (string, bool) {
	if wrong > 0 {
		p.say("the password is wrong")
	}
	for {
		typed, err := p.askSecret(ctx, "Password of "+name)
		if err != nil || typed == "" {
			return "", false
		}
		if err := room.CheckPassword(typed); err != nil {
			p.say("%v", err)
			continue
		}
		return typed, true
	}
}

// newPassword asks, twice, for the password of a room to open.
func (p *program) newPassword(ctx context.Context, name string) error {
	if !p.mayAsk() {
		return usage{"--password asks for one on a terminal, and there is nobody to ask", "use --password-file FILE or " + passwordEnv}
	}
	for range passwordTries {
		first, err := p.askSecret(ctx, "New password of "+name)
		if err != nil {
			return err
		}
		if err := room.CheckPassword(first); err != nil {
			p.say("%v", err)
			continue
		}
		again, err := p.askSecret(ctx, "The same again")
		if err != nil {
			return err
		}
		if first == again {
			p.secret = first
			return nil
		}
		p.say("those were two different ones")
	}
	return usage{text: "no password was typed twice"}
}

// verifier is what the host keeps of the password; nil without one.
func (p *program) verifier() (*room.Verifier, error) {
	if p.secret == "" {
		return nil, nil
	}
	return room.NewVerifier(p.secret)
}

// askSecret asks a question whose answer is not shown.
func (p *program) askSecret(ctx context.Context, question string) (string, error) {
	fd := int(p.in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	type answer struct {
		text []byte
		err  error
	}
	got := make(chan answer, 1)
	go func() { // as in ask, it cannot be called off
		text, err := term.ReadPassword(fd)
		got <- answer{text, err}
	}()
	awaitSilence(fd, *before)
	fmt.Fprintf(p.err, "%s ", rows(clean(question+":"), columns(p.err)))
	defer fmt.Fprintln(p.err)
	select {
	case <-ctx.Done():
		term.Restore(fd, before)
		return "", ctx.Err()
	case a := <-got:
		if a.err != nil {
			return "", errQuiet(exitOK) // leaving is an answer, too
		}
		return string(a.text), nil
	}
}

// awaitSilence waits until the terminal is not any more as it was before, that
// is until it does not show what is typed. Whoever sees the question may type at once.
func awaitSilence(fd int, before term.State) {
	for range 100 { // a tenth of a second; it takes none
		if now, err := term.GetState(fd); err != nil || *now != before {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// tellWaiting tells what a join waits for, whenever that is news.
func (p *program) tellWaiting() func(room.Event) {
	last := ""
	return func(e room.Event) {
		if e.Text != last {
			last = e.Text
			p.talk("waiting: %s", e.Text)
		}
	}
}
