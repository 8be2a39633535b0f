package node

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"parley/lock"
	"parley/room"
	"parley/text"
	"parley/transport"
)

// Drafts is a directory of what was said and not answered, a file for each seat:
//
//	drafts/ROOM-RANDOM      ROOM being 32 hex digits of a hash of the room's key and ours, or in plaintext of its name
//
// A file is locked as long as its program runs; one that is not locked was left
// behind, and belongs to who sits down in the room next. It grows by a line with
// each thing said and with each answer:
//
//	CRC32C {"head":{"v":1,"room":"physics","session":"…"}}    first; the session in plaintext rooms only
//	CRC32C {"put":{"id":"…","type":"message","text":"…","at":"…"}}
//	CRC32C {"drop":["…"]}
//
// CRC32C is that of the rest of the line without the line break, in 8 hex digits.
// Lines whose sum is wrong, such as one that was being written when the computer
// stopped, are passed over: wrong text is never sent. A file is written anew
// when most of it is answered, and removed when all is.
//
// Files have mode 0600. Their text is not encrypted.
type Drafts struct {
	Dir string // such as DATA/drafts
}

const (
	// draftsBig is from when on a file with much that is answered is written anew.
	draftsBig = 256 << 10
	// maxDraftsFile bounds what is read of a file: 256 drafts of the longest
	// text in the longest way of writing it, twice.
	maxDraftsFile = 16 << 20
	// maxDraftsFiles bounds the files of a room that are looked at.
	maxDraftsFiles = 64
	// draftsStale is when a file that nobody came back for is removed.
	draftsStale = 30 * 24 * time.Hour
)

// of returns what keeps the drafts of one seat.
func (d *Drafts) of(who transport.Identity) room.Drafts {
	if d == nil {
		return nil
	}
	return &draftsFile{dir: d.Dir, own: who.Key()}
}

// draftsFile is the file of one seat; a room.Drafts.
type draftsFile struct {
	dir string
	own transport.Key

	mu       sync.Mutex // of all that follows, but not held while the disk is waited for
	f        *os.File
	path     string
	head     draftsHead
	prefixed string // what the names of the room's files begin with
	live     []room.Draft
	size     int64 // of the file
	full     int64 // of it, what is live
}

type draftsHead struct {
	V       int    `json:"v"`
	Room    string `json:"room"`
	Session string `json:"session,omitempty"`
}

type draftsLine struct {
	Head *draftsHead `json:"head,omitempty"`
	Put  *room.Draft `json:"put,omitempty"`
	Drop []string    `json:"drop,omitempty"`
}

// castagnoli is the polynomial of the sums.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (l draftsLine) encode() []byte {
	b, err := json.Marshal(l)
	if err != nil {
		panic("node: " + err.Error()) // of our own structs
	}
	return append(fmt.Appendf(nil, "%08x ", crc32.Checksum(b, castagnoli)), append(b, '\n')...)
}

// parseDrafts reads a file of drafts. What cannot be read in it is passed over.
func parseDrafts(all []byte) (head draftsHead, live []room.Draft) {
	for line := range bytes.Lines(all) {
		l, ok := parseDraftsLine(bytes.TrimSuffix(line, []byte("\n")))
		switch {
		case !ok:
		case l.Head != nil:
			head = *l.Head
		case l.Put != nil:
			if !slices.ContainsFunc(live, func(d room.Draft) bool { return d.ID == l.Put.ID }) {
				live = append(live, *l.Put)
			}
		default:
			live = dropDrafts(live, l.Drop)
		}
	}
	return head, live
}

func parseDraftsLine(line []byte) (l draftsLine, ok bool) {
	sum, rest, _ := bytes.Cut(line, []byte(" "))
	want, err := strconv.ParseUint(string(sum), 16, 32)
	if err != nil || len(sum) != 8 || uint32(want) != crc32.Checksum(rest, castagnoli) {
		return l, false
	}
	return l, json.Unmarshal(rest, &l) == nil
}

func dropDrafts(live []room.Draft, ids []string) []room.Draft {
	return slices.DeleteFunc(live, func(d room.Draft) bool { return slices.Contains(ids, d.ID) })
}

// prefix begins the names of a room's files.
func (f *draftsFile) prefix(name string, key transport.Key) string {
	of := "parley drafts 1\n" + string(f.own[:]) + string(key[:])
	if key == (transport.Key{}) {
		of = "parley drafts 1\nplaintext\n" + text.RoomKey(name)
	}
	sum := sha256.Sum256([]byte(of))
	return hex.EncodeToString(sum[:16]) + "-"
}

// left opens and locks the files that were left behind in a room, oldest first.
func (f *draftsFile) left(prefix string) (files []*draftsFile) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		path := filepath.Join(f.dir, e.Name())
		if !strings.HasPrefix(e.Name(), prefix) || len(files) == maxDraftsFiles {
			f.sweep(e, path)
			continue
		}
		if old, err := openDrafts(path); err == nil {
			files = append(files, old)
		}
	}
	slices.SortStableFunc(files, func(a, b *draftsFile) int { return a.since().Compare(b.since()) })
	return files
}

// sweep removes a file of another room that nobody came back for.
func (f *draftsFile) sweep(e fs.DirEntry, path string) {
	if info, err := e.Info(); err != nil || !e.Type().IsRegular() || time.Since(info.ModTime()) < draftsStale {
		return
	}
	if old, err := openDrafts(path); err == nil {
		removeDrafts(old.f, path)
	}
}

// since is when the first of it was said.
func (f *draftsFile) since() time.Time {
	if len(f.live) == 0 {
		return time.Time{}
	}
	return f.live[0].At
}

var errDraftsTaken = errors.New("the file is another program's")

// openDrafts opens and locks a file that is there.
func openDrafts(path string) (*draftsFile, error) {
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return nil, cmp.Or(err, fs.ErrInvalid)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return nil, err
	}
	f := &draftsFile{f: file, path: path}
	if err := f.load(); err != nil {
		lock.Close(file)
		return nil, err
	}
	return f, nil
}

// load locks and reads the file.
func (f *draftsFile) load() error {
	if !lock.Try(f.f) {
		return errDraftsTaken
	}
	here, err := f.f.Stat()
	if err != nil {
		return err
	}
	if now, err := os.Lstat(f.path); err != nil || !os.SameFile(here, now) { // its owner wrote it anew, or removed it
		return errDraftsTaken
	}
	all, err := io.ReadAll(io.LimitReader(f.f, maxDraftsFile))
	if err != nil {
		return err
	}
	f.head, f.live = parseDrafts(all)
	f.size = here.Size()
	for _, d := range f.live {
		f.full += int64(len(draftsLine{Put: &d}.encode()))
	}
	return nil
}

// Session returns the session of what was left in a plaintext room, and takes
// its file for ours. The file of a program that was killed with nothing left to
// say is as good, for the seat is kept for its session and so is the nick.
func (f *draftsFile) Session(name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	files := f.left(f.prefix(name, transport.Key{}))
	slices.Reverse(files) // those with nothing come last
	for _, old := range files {
		if f.f == nil && old.head.Session != "" {
			f.adopt(old)
			continue
		}
		old.end()
	}
	if f.f == nil {
		return ""
	}
	return f.head.Session
}

// adopt makes a file ours.
func (f *draftsFile) adopt(old *draftsFile) {
	f.f, f.path, f.head, f.live, f.size, f.full = old.f, old.path, old.head, old.live, old.size, old.full
	f.prefixed, _, _ = strings.Cut(filepath.Base(old.path), "-")
	f.prefixed += "-"
}

// Open takes over what was left in a room, and begins to keep drafts.
func (f *draftsFile) Open(name string, key transport.Key, session string, limit int) (left []room.Draft, more int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	plain := key == (transport.Key{})
	if f.f != nil && (!plain || f.head.Session != session) { // the room is not what we took it for
		lock.Close(f.f)
		f.f = nil
	}
	prefix := f.prefix(name, key)
	for _, old := range f.left(prefix) {
		switch {
		case plain && old.head.Session != session || len(f.live)+len(old.live) > limit:
			more += len(old.live)
			old.end()
		case f.f == nil:
			f.adopt(old)
		case f.merge(old.live) == nil:
			removeDrafts(old.f, old.path)
		default:
			more += len(old.live)
			lock.Close(old.f)
		}
	}
	if f.f == nil {
		if err := f.create(prefix, name, session, plain); err != nil {
			return nil, more, err
		}
	}
	return slices.Clone(f.live), more, nil
}

// end closes a file that is not ours, which is of no use to anybody if it is empty.
func (f *draftsFile) end() {
	if len(f.live) == 0 {
		removeDrafts(f.f, f.path)
		return
	}
	lock.Close(f.f)
}

// merge writes the drafts of another file into ours.
func (f *draftsFile) merge(live []room.Draft) error {
	for _, d := range live {
		if slices.ContainsFunc(f.live, func(o room.Draft) bool { return o.ID == d.ID }) {
			continue
		}
		if err := f.append(d); err != nil {
			return err
		}
	}
	return f.f.Sync()
}

// create makes our file.
func (f *draftsFile) create(prefix, name, session string, plain bool) error {
	f.head = draftsHead{V: 1, Room: name}
	if plain {
		f.head.Session = session
	}
	f.live = nil
	return f.begin(prefix)
}

// begin writes a new file with what is live, and has it for ours.
func (f *draftsFile) begin(prefix string) error {
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return err
	}
	content := draftsLine{Head: &f.head}.encode()
	for _, d := range f.live {
		content = append(content, draftsLine{Put: &d}.encode()...)
	}
	file, path, err := newDrafts(filepath.Join(f.dir, prefix))
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil && len(f.live) > 0 {
		err = file.Sync()
	}
	if err != nil {
		removeDrafts(file, path)
		return err
	}
	f.f, f.path, f.prefixed = file, path, prefix
	f.size, f.full = int64(len(content)), int64(len(content))
	return nil
}

// newDrafts makes an empty file that is locked. Between its making and its
// locking another program may have taken it for one that was left.
func newDrafts(prefix string) (file *os.File, path string, err error) {
	for range 10 {
		var random [4]byte
		rand.Read(random[:])
		path = prefix + hex.EncodeToString(random[:])
		file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
		if err != nil {
			return nil, "", err
		}
		here, err := file.Stat()
		if now, gone := os.Lstat(path); err == nil && gone == nil && lock.Try(file) && os.SameFile(here, now) {
			return file, path, nil
		}
		lock.Close(file)
	}
	return nil, "", errDraftsTaken
}

// removeDrafts removes a file of ours and gives up its lock, in this order where
// the system lets open files be removed: nobody can take it in between. Where it does not, nobody
// can remove what another has opened in between.
func removeDrafts(file *os.File, path string) error {
	err := os.Remove(path)
	lock.Close(file)
	if err != nil {
		err = os.Remove(path)
	}
	return err
}

// append writes a draft at the end.
func (f *draftsFile) append(d room.Draft) error {
	line := draftsLine{Put: &d}.encode()
	if err := f.write(line); err != nil {
		return err
	}
	f.live = append(f.live, d)
	f.full += int64(len(line))
	return nil
}

// write writes a line. What a full disk took only a part of is ended there, so
// that the next line is one.
func (f *draftsFile) write(line []byte) error {
	n, err := f.f.Write(line)
	f.size += int64(n)
	if err != nil && n > 0 {
		f.f.Write([]byte("\n"))
	}
	return err
}

// Put writes a draft.
func (f *draftsFile) Put(d room.Draft) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.f == nil {
		return os.ErrClosed
	}
	return f.append(d)
}

// Sync waits until the disk has all drafts.
func (f *draftsFile) Sync() error {
	f.mu.Lock()
	file := f.f
	f.mu.Unlock()
	if file == nil {
		return os.ErrClosed
	}
	return file.Sync()
}

// Drop forgets drafts.
func (f *draftsFile) Drop(ids []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.f == nil {
		return os.ErrClosed
	}
	f.live = dropDrafts(f.live, ids)
	f.full = 0
	for _, d := range f.live {
		f.full += int64(len(d.Text) + 256)
	}
	if f.size > draftsBig && f.size > 4*f.full { // which has seen to what is dropped, too
		return f.rewrite()
	}
	return f.write(draftsLine{Drop: ids}.encode())
}

// rewrite writes what is live into a new file in place of ours. Should the
// computer stop in between, there are two with the same drafts.
func (f *draftsFile) rewrite() error {
	old, path := f.f, f.path
	if err := f.begin(f.prefixed); err != nil {
		return err
	}
	return removeDrafts(old, path)
}

// Close gives the file up to who comes next, or removes it when there is nothing in it.
func (f *draftsFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.f == nil {
		return nil
	}
	file := f.f
	f.f = nil
	if len(f.live) == 0 {
		return removeDrafts(file, f.path)
	}
	return lock.Close(file)
}
