package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"parley/history"
	"parley/line"
	"parley/node"
	"parley/room"
	"parley/text"
	"parley/transport"
)

const (
	// historyPage is how many entries are read at once.
	historyPage = 500
	// maxFound is how many finds are shown: the last.
	maxFound = 10_000
)

// A historyCmd is about what is kept of what was said.
type historyCmd struct {
	Show   historyShowCmd   `cmd:"" default:"withargs" help:"Show what was said, search it, write it into a file, check it. parley history ROOM does this by itself; for a room called show, export or import say it: parley history show export."`
	Export historyExportCmd `cmd:"" help:"Move a room of yours into a cluster, where other hosts can serve it, too."`
	Import historyImportCmd `cmd:"" help:"Have a room of a cluster on this computer, to host it alone."`
}

type historyShowCmd struct {
	Room   string `arg:"" optional:"" name:"room" complete:"kept" help:"Name of the room. Without one: the rooms of which something is kept."`
	Search string `placeholder:"WORDS" help:"Only what has all of these words."`
	Since  string `placeholder:"WHEN" help:"Only what is not older: 2h, 7d, 2026-01-02, or a time as 2026-01-02T15:04:05Z."`
	Export string `placeholder:"FILE" help:"Write it into a new file, FILE.txt, .md, .jsonl or .csv, instead of printing it."`
	Check  bool   `help:"Read all of it and tell whether anything is wrong."`
	Repair bool   `help:"Save what can be read of a damaged log of a room that you host. The damaged file is kept."`

	since time.Time
}

// sinceForms are how a time may be written. Those without a zone are this machine's.
var sinceForms = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"}

// parseSince reads what --since is given.
func parseSince(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	if n, err := strconv.ParseUint(s[:len(s)-1], 10, 16); err == nil && units[s[len(s)-1]] > 0 {
		return now.Add(-time.Duration(n) * units[s[len(s)-1]]), nil
	}
	for _, form := range sinceForms {
		if t, err := time.ParseInLocation(form, s, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("--since: %q is no time: 2h, 7d, 2026-01-02 and 2026-01-02T15:04:05Z are", s)
}

// check finds flags that do not go together.
func (c *historyShowCmd) check() (err error) {
	if c.since, err = parseSince(c.Since, time.Now()); err != nil {
		return err
	}
	shows := c.Search != "" || c.Since != "" || c.Export != ""
	switch {
	case c.Check && c.Repair:
		return errors.New("--check looks and --repair writes: one after the other")
	case (c.Check || c.Repair) && shows:
		return errors.New("--check and --repair are for the whole: leave out --search, --since and --export")
	case c.Room == "" && (c.Check || c.Repair || shows):
		return errors.New("of which room? parley history lists those there are")
	}
	return nil
}

// Run shows what is kept of what was said in a room.
func (c *historyShowCmd) Run(ctx context.Context, p *program) error {
	dir, err := p.kept("anything is kept")
	if err != nil {
		return err
	}
	h := &shelf{p: p, Histories: p.histories(dir), dir: dir}
	if c.Room == "" {
		return h.list()
	}
	if h.name, err = text.RoomName(c.Room); err != nil {
		return usage{fmt.Sprintf("%q is no room's name: %v", c.Room, err), ""}
	}
	found := p.slowly("looking for what is kept of "+h.name, nil)
	err = h.find(ctx)
	if found(); err != nil {
		return err
	}
	switch {
	case c.Check:
		return h.check(ctx)
	case c.Repair:
		return h.repair(ctx)
	}
	n := new(node.Node)
	if err := p.identify(n, dir); err != nil {
		return err
	}
	h.viewer = n.Identity.Key()
	return c.show(ctx, h)
}

// shelf is what there is of one room.
type shelf struct {
	*node.Histories
	p      *program
	dir    string
	name   string
	viewer transport.Key
	files  []node.Book // the oldest first
	books  []node.Book // without those that are part of others
}

// list tells of which rooms something is kept.
func (h *shelf) list() error {
	all, err := h.Rooms()
	if err != nil {
		return err
	}
	for _, name := range all {
		if h.p.flags.JSON {
			h.p.printJSON(struct {
				Type string `json:"type"`
				Room string `json:"room"`
			}{"history", name})
			continue
		}
		h.p.print(h.p.out, name)
	}
	if len(all) == 0 {
		return &node.Error{Code: node.CodeNotFound, Text: "nothing that was said in any room is kept here yet",
			Hint: "what is said in rooms that you host or join is, unless they are opened with --keep none"}
	}
	return nil
}

// find looks for what there is of the room.
func (h *shelf) find(ctx context.Context) (err error) {
	if h.files, err = h.Find(h.name); err != nil {
		return err
	}
	h.books = h.Together(ctx, h.files)
	slices.Reverse(h.files)
	slices.Reverse(h.books)
	if len(h.books) > 0 {
		return nil
	}
	all, _ := h.Rooms()
	if i := slices.IndexFunc(all, func(name string) bool { return name != h.name && text.RoomKey(name) == text.RoomKey(h.name) }); i >= 0 {
		h.name = all[i] // as it was opened
		return h.find(ctx)
	}
	e := &node.Error{Code: node.CodeNotFound, Text: fmt.Sprintf("nothing that was said in a room %s is kept here", h.name),
		Hint: "what is said there is kept from when you have joined it: parley join " + node.Quoted(h.name)}
	if len(all) > 0 {
		e.More = append([]string{"of these rooms there is something:"}, all...)
	}
	return e
}

// divider says which book begins.
func (h *shelf) divider(b node.Book) string {
	if b.Shared {
		return fmt.Sprintf("the copy of what was said in %s, which you hosted with others, until %s", h.name, b.Changed.Local().Format("2 January 2006 15:04"))
	}
	if b.Before != "" {
		return fmt.Sprintf("what was said in %s, which you hosted at first, until %s", h.name, b.Changed.Local().Format("2 January 2006 15:04"))
	}
	if b.Copy {
		return fmt.Sprintf("your copy of what was said in %s, until %s", h.name, b.Changed.Local().Format("2 January 2006 15:04"))
	}
	return fmt.Sprintf("the log of %s, which you hosted, until %s", h.name, b.Changed.Local().Format("2 January 2006 15:04"))
}

// show prints or exports what is asked for.
func (c *historyShowCmd) show(ctx context.Context, h *shelf) error {
	p := h.p
	var count atomic.Int64
	slow := p.slowly("reading what was said in "+h.name, func() string { return fmt.Sprintf("%d events so far", count.Load()) })
	each := func(put func(room.Event) error, divide func(string) error) error {
		return c.read(ctx, h, func(e room.Event) error {
			if count.Add(1) == 1 && c.Export == "" {
				slow() // what is printed shows how far it is
			}
			return put(e)
		}, divide)
	}
	var err error
	if c.Export != "" {
		var unread *node.Error
		switch _, err = line.Export(c.Export, h.name, time.Local, each); {
		case errors.As(err, &unread):
			err = unread
		case errors.Is(err, line.ErrExport) && count.Load() == 0:
			err = usage{err.Error(), ""}
		}
	} else {
		err = each(p.transcript())
	}
	slow()
	n := int(count.Load())
	switch {
	case err != nil:
		return err
	case n == 0 && c.Search != "":
		return &node.Error{Code: node.CodeNotFound, Text: fmt.Sprintf("nothing was said in %s with %q", h.name, text.Clean(c.Search)), Hint: "only whole words are found, and all of them must be there"}
	case n == 0:
		return &node.Error{Code: node.CodeNotFound, Text: fmt.Sprintf("nothing is kept of %s in that time", h.name), Hint: "leave out --since to see all there is"}
	case c.Export != "" && p.flags.JSON:
		p.printJSON(room.Event{Type: room.Notice, Code: "exported", Count: n, Text: c.Export})
	case c.Export != "":
		p.talk("%d events are in %s", n, c.Export)
	}
	return nil
}

// entryMark tells apart what was said.
type entryMark struct {
	id string
	at int64
}

// read gives what is asked for, the oldest first. A book that cannot be read is
// told of after the others have been.
func (c *historyShowCmd) read(ctx context.Context, h *shelf, put func(room.Event) error, divide func(string) error) error {
	var failed error
	seen := map[entryMark]bool{} // in books before: a room that goes on as a new one has them, too
	for i, b := range h.books {
		err := b.Err
		if err == nil {
			first := len(h.books) > 1
			err = c.readBook(ctx, h, b, func(e room.Event) error {
				if mark := (entryMark{e.ID, e.At.UnixMilli()}); i > 0 && seen[mark] {
					return nil
				} else if i < len(h.books)-1 {
					seen[mark] = true
				}
				if first {
					first = false
					if err := divide(h.divider(b)); err != nil {
						return err
					}
				}
				return put(e)
			})
		}
		if err == nil {
			continue
		}
		if i == len(h.books)-1 || ctx.Err() != nil {
			return err
		}
		h.p.report(explain(err))
		failed = errQuiet(exitFailure)
	}
	return failed
}

// readBook reads one.
func (c *historyShowCmd) readBook(ctx context.Context, h *shelf, b node.Book, put func(room.Event) error) error {
	r, err := h.Read(b)
	if err != nil {
		return err
	}
	defer r.Close()
	viewer := h.viewer
	if b.Key == (transport.Key{}) {
		viewer = transport.Key{} // in plaintext nobody has one
	}
	each := func(list []room.Entry) error {
		for _, entry := range list {
			if entry.At.Before(c.since) {
				continue
			}
			e, err := entry.Event()
			if err != nil {
				continue // of no version that we know
			}
			e.Replay = true
			if err := put(e); err != nil {
				return err
			}
		}
		return nil
	}
	if c.Search != "" {
		found, err := c.search(ctx, r, viewer)
		if err != nil {
			return err
		}
		if err := each(found); err != nil {
			return err
		}
		return r.Whole()
	}
	for after := uint64(0); ; {
		list, last, err := r.After(ctx, viewer, after, historyPage)
		if err != nil {
			return err
		}
		if err := each(list); err != nil {
			return err
		}
		if last == after {
			return r.Whole()
		}
		after = last
	}
}

// search finds the last that have the words.
func (c *historyShowCmd) search(ctx context.Context, r *node.Reader, viewer transport.Key) (found []room.Entry, err error) {
	var pages [][]room.Entry
	for before, n := uint64(1<<63-1), 0; n < maxFound; {
		page, err := r.Search(ctx, viewer, c.Search, before, historyPage)
		if err != nil {
			return nil, err
		}
		if len(page) == 0 {
			break
		}
		pages = append(pages, page)
		n, before = n+len(page), page[0].Seq
	}
	for _, page := range slices.Backward(pages) {
		found = append(found, page...)
	}
	return found, nil
}

// transcript returns what prints events.
func (p *program) transcript() (put func(room.Event) error, divide func(string) error) {
	if p.flags.JSON {
		return func(e room.Event) error { return line.Object(p.out, e) },
			func(words string) error {
				return line.Object(p.out, room.Event{Type: room.Notice, Code: "divider", Text: words})
			}
	}
	return line.Transcript(p.out, p.columns(), time.Local)
}

// columns is how wide our output is; nil: it is no terminal.
func (p *program) columns() func() int {
	if !isTerminal(p.out) {
		return nil
	}
	return func() int { return columns(p.out) }
}

// checked is a line of history --check --json.
type checked struct {
	Type    string   `json:"type"`
	Room    string   `json:"room"`
	Path    string   `json:"path"`
	Copy    bool     `json:"copy"`
	Records uint64   `json:"records"`
	Deleted uint64   `json:"deleted"`
	Last    uint64   `json:"last"`
	Chain   string   `json:"chain"`
	Bytes   int64    `json:"bytes"`
	Faults  []string `json:"faults"`
}

// check tells whether anything is wrong with the books.
func (h *shelf) check(ctx context.Context) error {
	wrong := 0
	var other error // than damage
	for _, b := range h.files {
		r, err := h.checkOne(ctx, b)
		if err != nil {
			return err
		}
		wrong += len(r.Faults)
		if h.beyondRepair(b) {
			other = b.Err
		}
		if h.p.flags.JSON {
			h.p.printJSON(r)
			continue
		}
		h.p.printWords(h.p.out, r.Path)
		h.p.print(h.p.out, fmt.Sprintf("  %s, %d events, the last has number %d; %d not kept, as intended; %.1f MB; chain %.16s…",
			map[bool]string{false: "log", true: "copy"}[b.Copy || b.Shared], r.Records, r.Last, r.Deleted, float64(r.Bytes)/1e6, r.Chain))
		for _, fault := range r.Faults {
			h.p.print(h.p.out, "  ! "+fault)
		}
		if len(r.Faults) == 0 {
			h.p.print(h.p.out, "  nothing is wrong with it")
		}
	}
	switch {
	case wrong == 0:
		return nil
	case wrong == 1 && other != nil:
		return other
	}
	return &node.Error{Code: node.CodeHistory, Text: fmt.Sprintf("the history of %s is damaged", h.name),
		Hint: "save what can be read of your own log: parley history " + node.Quoted(h.name) + " --repair"}
}

// beyondRepair tells whether a book is not damaged, but not for this program, or room.
func (h *shelf) beyondRepair(b node.Book) bool {
	return errors.Is(b.Err, history.ErrNewer) || errors.Is(b.Err, history.ErrOtherRoom)
}

func (h *shelf) checkOne(ctx context.Context, b node.Book) (checked, error) {
	c := checked{Type: "check", Room: h.name, Path: b.Path, Copy: b.Copy || b.Shared, Faults: []string{}}
	err := b.Err
	var r *node.Reader
	if err == nil {
		r, err = h.Read(b)
	}
	if err != nil {
		c.Faults = append(c.Faults, err.Error())
		return c, nil
	}
	defer r.Close()
	checked := h.p.slowly(fmt.Sprintf("reading all of %s", b.Path), nil)
	defer checked()
	found, err := r.Check(ctx)
	c.Records, c.Deleted, c.Last, c.Bytes, c.Chain = found.Records, found.Deleted, found.Last, found.Bytes, fmt.Sprintf("%x", found.Chain)
	c.Faults = append(c.Faults, found.Faults...)
	return c, err
}

// repair saves what can be read of the logs that are damaged.
func (h *shelf) repair(ctx context.Context) error {
	done := false
	for _, b := range h.files {
		c, err := h.checkOne(ctx, b)
		switch {
		case err != nil:
			return err
		case len(c.Faults) == 0:
			continue
		case h.beyondRepair(b):
			return b.Err
		case b.Shared:
			h.p.say("%s is a copy, and damaged: host the room with its cluster, and a new one is begun", b.Path)
			continue
		case b.Copy:
			h.p.say("%s is a copy, and damaged: join the room, and a new one is begun with what the host still has", b.Path)
			continue
		}
		key, release, err := h.keyOf(b)
		if err != nil {
			return err
		}
		saving := h.p.slowly("saving what can be read of "+b.Path, nil)
		r, err := h.Repair(ctx, h.name, key)
		saving()
		release()
		if err != nil {
			return err
		}
		done = true
		if h.p.flags.JSON {
			h.p.printJSON(struct {
				Type  string `json:"type"`
				Room  string `json:"room"`
				Old   string `json:"old"`
				Saved uint64 `json:"saved"`
				Lost  uint64 `json:"lost"`
			}{"repaired", h.name, r.Old, r.Saved, r.Lost})
			continue
		}
		h.p.printWords(h.p.out, fmt.Sprintf("%s: %d events are saved, %d are lost; the damaged file is %s", h.name, r.Saved, r.Lost, r.Old))
		h.p.talk("to members it is another log now: their copies of the old one stay as they are")
	}
	if !done {
		h.p.talk("nothing is wrong with the logs of %s: nothing was changed", h.name)
	}
	return nil
}

// keyOf finds the room's key for a log that may not tell it any more, and keeps
// others from hosting the room until release.
func (h *shelf) keyOf(b node.Book) (key transport.Key, release func(), err error) {
	if h.Of(b, transport.Key{}) {
		return key, func() {}, nil
	}
	keys := node.Keys{Dir: h.dir}
	id, release, err := keys.Room(h.name)
	if err == nil && !h.Of(b, id.Key()) {
		release()
		err = &node.Error{Code: node.CodeHistory, Text: fmt.Sprintf("%s is of a room with another key than yours", filepath.Base(b.Path)),
			Hint: "put the room's key back, or move the file away"}
	}
	return id.Key(), release, err
}
