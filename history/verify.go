package history

import "fmt"

// maxVerified is how many records are looked at when a log opens: those after its
// last checkpoint, which are a few thousand, or as many as a tenth of a second
// will do. All others are when they are read.
const maxVerified = 50_000

// verifyEnd learns where the log ends, and looks at its last records: they are
// the first that a crash or a cut would have hurt.
func (l *Log) verifyEnd() error {
	top, _, err := l.w.number("SELECT max(seq) FROM entries")
	if err != nil {
		return err
	}
	if l.gone, err = l.w.numberMeta(metaGone); err != nil {
		return err
	}
	pruned, err := l.w.meta(metaPruned)
	if err != nil {
		return err
	}
	if l.pruned, _ = parsePlace(pruned); top < 0 {
		return damaged(l.path, l.o.Room, "it has impossible numbers")
	}
	if l.indexed, err = l.w.numberMeta(metaIndexed); err != nil {
		return err
	}
	l.last = uint64(top)
	if l.gone > l.last {
		l.last = l.gone
	}
	if l.o.copies() {
		return nil
	}
	saved := max(l.pruned.seq, l.gone)
	err = l.w.checkpoints(func(p checkpoint) error {
		if p.ok && p.seq > saved {
			saved = p.seq
		}
		return nil
	})
	if err != nil {
		return err
	}
	if saved > l.last || l.indexed > l.last || l.pruned.seq > l.last {
		return damaged(l.path, l.o.Room, fmt.Sprintf("it ends at record %d, and had %d", l.last, saved))
	}
	if _, _, err := l.newest(l.w); err != nil {
		return err
	}
	if l.last > maxVerified && saved < l.last-maxVerified {
		saved = l.last - maxVerified
	}
	if n := l.last - l.gone; l.last-saved < min(n, recentFirst) {
		saved = l.last - min(n, recentFirst)
	}
	for at := saved; at < l.last; {
		run, err := l.scan(background, l.w, at, l.last, tailRun)
		if err != nil {
			return err
		}
		at = run[len(run)-1].Seq
		l.recent, l.bytes = run, 0
	}
	for _, r := range l.recent {
		l.bytes += len(r.Body) + len(r.Words)
	}
	return nil
}
