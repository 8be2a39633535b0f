package node

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"parley/file"
	"parley/room"
	"parley/transport"
)

const (
	// DefaultMaxFile is the size of the largest file that is given or taken unless
	// its user says otherwise.
	DefaultMaxFile = 2 << 30
	// filePatience is how long a file may not get any further, over however many
	// connections, before it is given up. A host that is restarted is back sooner.
	filePatience = 60 * time.Second
	// fileRetry is how long to wait before the next connection, and twice as long
	// each time up to fileRetryMost, until the file gets further again.
	fileRetry     = 100 * time.Millisecond
	fileRetryMost = 2 * time.Second
	// maxCarrying is how many connections of this host may be for files, in all
	// rooms: both sides of 64.
	maxCarrying = 128
)

// Files say what members of this program give and take.
type Files struct {
	Dir string // where files that are taken go
	Max int64  // bytes of the largest; 0: DefaultMaxFile
}

// porter is a member's.
type porter struct {
	Files
	way *way
}

// porter returns what a member with that way does with files, nil if nothing.
func (n *Node) porter(w *way) room.Files {
	if n.Files == nil {
		return nil
	}
	f := &porter{*n.Files, w}
	if f.Max <= 0 {
		f.Max = DefaultMaxFile
	}
	return f
}

// Most is the size of the largest file that is given or taken.
func (f *porter) Most() int64 { return f.Max }

// Look reads a file that is to be offered. Path is what a person has typed.
func (f *porter) Look(ctx context.Context, path string) (room.Looked, error) {
	i, err := file.Look(ctx, typedPath(path), f.Max)
	if err != nil {
		return room.Looked{}, err
	}
	return room.Looked{File: room.File{Name: i.Name, Size: i.Size, Sum: hex.EncodeToString(i.Sum[:]), Path: i.Path}, Time: i.Time}, nil
}

// typedPath is the path that a person means: without quotes around it, or the
// backslashes before spaces that a terminal puts there when a file is dropped on
// it, and with ~/ for the home directory.
func typedPath(s string) string {
	if n := len(s); n >= 2 && (s[0] == '"' || s[0] == '\'') && s[n-1] == s[0] {
		s = s[1 : n-1]
	} else if _, err := os.Lstat(s); err != nil && runtime.GOOS != "windows" && strings.Contains(s, `\ `) {
		s = unescaped.Replace(s)
	}
	if rest, ok := strings.CutPrefix(s, "~/"); ok || runtime.GOOS == "windows" && strings.HasPrefix(s, `~\`) {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, strings.TrimPrefix(rest, `~\`))
		}
	}
	return s
}

var unescaped = strings.NewReplacer(`\\`, `\`, `\ `, " ", `\(`, "(", `\)`, ")", `\'`, "'", `\"`, `"`, `\&`, "&", `\[`, "[", `\]`, "]")

// Give gives a file, over as many connections as it takes.
func (f *porter) Give(ctx context.Context, g room.Looked, c room.Carriage) error {
	i := file.Info{Path: g.Path, Name: g.Name, Size: g.Size, Sum: sumOf(g.File), Time: g.Time}
	return f.carry(ctx, c, func(ctx context.Context, conn transport.Conn, moved func(int64)) error {
		src, err := i.Open()
		if err != nil {
			return file.Refuse(conn, err)
		}
		defer src.Close()
		return file.Give(ctx, conn, src, moved)
	})
}

// Take takes a file, likewise.
func (f *porter) Take(ctx context.Context, want room.File, c room.Carriage) (path string, err error) {
	part, err := file.OpenPart(ctx, f.Dir, file.Want{Name: want.Name, Size: want.Size, Sum: sumOf(want)})
	if err != nil {
		return "", err
	}
	defer part.Close()
	err = f.carry(ctx, c, func(ctx context.Context, conn transport.Conn, moved func(int64)) (err error) {
		if path, err = part.Take(ctx, conn, moved); path != "" {
			return nil // whether the other side has heard of it or not
		}
		return err
	})
	return path, err
}

func sumOf(f room.File) (s file.Sum) {
	hex.Decode(s[:], []byte(f.Sum)) // checked when it was offered
	return s
}

// carry has f pass the bytes over one connection after another, until it has done
// so, fails for good, or gets no further for too long.
func (f *porter) carry(ctx context.Context, c room.Carriage, pass func(context.Context, transport.Conn, func(int64)) error) error {
	var most atomic.Int64
	most.Store(-1)
	since, wait := time.Now(), fileRetry
	for {
		before := most.Load()
		err := f.once(ctx, c, pass, &most)
		var final *file.Error
		switch {
		case err == nil || errors.As(err, &final) || ctx.Err() != nil:
			return err
		case most.Load() > before:
			since, wait = time.Now(), fileRetry
		case time.Since(since) >= filePatience:
			return gaveUp(err)
		}
		f.way.node.log.Debug("a file's connection has ended", "err", err)
		sleep(ctx, wait)
		wait = min(2*wait, fileRetryMost)
	}
}

// gaveUp tells people why a file is given up. What the last connection has died of says little to them, unless
// the host has said it.
func gaveUp(err error) error {
	why := "the network to the host, on your side or on the other, is too slow for it or fails"
	if no := (*room.Refused)(nil); errors.As(err, &no) {
		why = no.Text
	}
	return fmt.Errorf("it got no further for %d s: %s. What has come is kept, and goes on from there when it is sent again", int(filePatience.Seconds()), why)
}

// once is one connection of carry.
func (f *porter) once(ctx context.Context, c room.Carriage, pass func(context.Context, transport.Conn, func(int64)) error, most *atomic.Int64) error {
	conn, err := f.way.beside(ctx)
	if err != nil {
		return err
	}
	defer f.way.node.later(func() { conn.Close() })
	if err := c.Attach(ctx, conn); err != nil {
		return err
	}
	return pass(ctx, conn, func(n int64) {
		if n > most.Load() {
			most.Store(n)
		}
		c.Moved(n)
	})
}

// beside connects to the host that the member of this way is connected to, by what
// carrier works now.
func (w *way) beside(ctx context.Context) (transport.Conn, error) {
	w.mu.Lock()
	via, host, home := w.place.via, w.host, w.home
	w.mu.Unlock()
	if home != nil {
		return home()
	}
	c, err := w.reach(ctx, via, host, nil)
	if err != nil {
		return nil, err
	}
	if host != (transport.Key{}) && c.Peer().Key != host { // or it would learn our session
		w.node.later(func() { c.Close() })
		return nil, errors.New("another host answers")
	}
	return c, nil
}

// carry serves a connection for the bytes of a file.
func (h *Hosting) carry(c transport.Conn, name string, first []byte) {
	r, _ := h.choose(name)
	h.mu.Lock()
	full := h.carrying >= maxCarrying
	if !full {
		h.carrying++
	}
	h.mu.Unlock()
	if full || r == nil || r.gone.Load() != nil {
		if !full {
			h.uncarry()
		}
		c.Close()
		return
	}
	defer h.uncarry()
	if err := r.Carry(h.seats, c, first); err != nil {
		h.node.log.Info("a file's connection has ended", "room", r.Name, "addr", c.Peer().Addr.String(), "error", err)
	}
}

func (h *Hosting) uncarry() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.carrying--
}

// DownloadDir is where files that are taken go unless the user names another
// place: where this system has its downloads, or beside our own data.
func DownloadDir(data string) string {
	home, err := os.UserHomeDir()
	if err != nil {
		return filepath.Join(data, "files")
	}
	if dir := xdgDownloads(home); dir != "" {
		return dir
	}
	dir := filepath.Join(home, "Downloads")
	if st, err := os.Stat(dir); err == nil && st.IsDir() {
		return dir
	}
	return filepath.Join(data, "files")
}

// maxUserDirs bounds what is read of the file that names a user's directories.
const maxUserDirs = 64 << 10

// xdgDownloads is the directory that a desktop of the XDG kind names, if it is there.
func xdgDownloads(home string) string {
	config, err := os.UserConfigDir()
	if err != nil || runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		return ""
	}
	b, err := readFile(filepath.Join(config, "user-dirs.dirs"), maxUserDirs+1)
	if err != nil || len(b) > maxUserDirs {
		return ""
	}
	for l := range strings.Lines(string(b)) {
		v, ok := strings.CutPrefix(strings.TrimSpace(l), "XDG_DOWNLOAD_DIR=")
		if !ok {
			continue
		}
		v = strings.Trim(v, `"`)
		if rest, ok := strings.CutPrefix(v, "$HOME"); ok {
			v = home + rest
		}
		if st, err := os.Stat(v); filepath.IsAbs(v) && err == nil && st.IsDir() && filepath.Clean(v) != filepath.Clean(home) {
			return v
		}
	}
	return ""
}
