package history

import (
	"context"
	"database/sql/driver"
	"errors"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// behind is how many records are not in the index yet.
func (l *Log) behind() uint64 {
	if l.o.copies() { // they have each in it as it comes
		return 0
	}
	return l.Last() - l.indexed
}

// index puts some records into the index. It is not waited for by those who
// append, and needs no disk: what a crash takes of it is done again. How far
// it goes is read anew, for somebody who only reads the file may search it, too.
func (l *Log) index() error {
	if err := l.synchronous(false); err != nil {
		return err
	}
	defer l.synchronous(true)
	upto := l.indexed
	_, err := l.w.transact(func() error {
		done, err := l.w.numberMeta(metaIndexed)
		if err != nil {
			return err
		}
		done = max(done, l.traceless()) // of those nothing is to be found
		upto = min(l.Last(), done+indexBatch)
		run, err := l.scan(background, l.w, done, upto, indexBatch)
		if err != nil {
			return err
		}
		for _, r := range run {
			if r.Words == "" {
				continue
			}
			if _, err := l.w.exec("INSERT INTO found (rowid, words) VALUES (?, ?)", int64(r.Seq), spread(r.Words)); err != nil {
				return err
			}
		}
		return l.setNumber(metaIndexed, upto)
	})
	if err == nil {
		l.indexed = upto
	}
	return err
}

// Search returns the last n records before seq before that viewer may see and whose
// words contain all of words, oldest first.
func (l *Log) Search(ctx context.Context, viewer [32]byte, words string, before uint64, n int) (found []Record, err error) {
	query := match(words)
	if query == "" || n <= 0 {
		return nil, nil
	}
	for more := !l.o.copies(); more; { // step by step: others append meanwhile
		err = l.do(ctx, func() error {
			if l.behind() == 0 {
				more = false
				return nil
			}
			return l.index()
		})
		if errors.Is(err, ErrReadOnly) || errors.Is(err, ErrFull) { // nothing can be written: the rest gets an index in memory
			if found, err = l.searchTail(ctx, viewer, query, before, n); err != nil || len(found) == n {
				return found, err
			}
			break
		}
		if err != nil {
			return nil, err
		}
	}
	slices.Reverse(found)
	found, err = l.collect(ctx, viewer, found, n, "SELECT "+recordColumns+" FROM found f CROSS JOIN entries e ON e.seq = f.rowid LEFT JOIN senders s ON s.num = e.sender"+
		" WHERE f.words MATCH ? AND f.rowid < ? ORDER BY f.rowid DESC", query, number(before))
	if err != nil {
		return nil, err
	}
	slices.Reverse(found)
	return found, nil
}

// searchTail is Search for what is not in the index of the file.
func (l *Log) searchTail(ctx context.Context, viewer [32]byte, query string, before uint64, n int) (found []Record, err error) {
	err = l.do(ctx, func() error {
		after, err := l.w.numberMeta(metaIndexed)
		if err != nil {
			return err
		}
		after = max(after, l.traceless())
		defer l.w.script("DROP TABLE IF EXISTS temp.tail")
		if err := l.w.script("CREATE VIRTUAL TABLE temp.tail USING fts5(words, content='', " + tokenize + ")"); err != nil {
			return err
		}
		for last := l.Last(); after < last; after = min(after+indexBatch, last) {
			run, err := l.scan(ctx, l.w, after, min(after+indexBatch, last), indexBatch)
			if err != nil {
				return err
			}
			for _, r := range run {
				if r.Words == "" || r.Seq >= before || !r.Visible(viewer) {
					continue
				}
				if _, err := l.w.exec("INSERT INTO temp.tail (rowid, words) VALUES (?, ?)", int64(r.Seq), spread(r.Words)); err != nil {
					return err
				}
			}
		}
		var seqs []uint64
		err = l.w.query(ctx, func(v []driver.Value) error {
			seq, _ := v[0].(int64)
			seqs = append(seqs, uint64(seq))
			return nil
		}, "SELECT rowid FROM temp.tail WHERE words MATCH ? ORDER BY rowid DESC LIMIT ?", query, int64(n))
		if err != nil {
			return err
		}
		for _, seq := range slices.Backward(seqs) {
			run, err := l.scan(ctx, l.w, seq-1, seq, 1)
			if err != nil {
				return err
			}
			found = append(found, run...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// match is the query that finds all of words, each as it stands: what is a
// language to the index is quoted. Empty: there is nothing to look for.
func match(words string) string {
	var b strings.Builder
	for _, w := range strings.Fields(words) {
		w = strings.TrimSpace(spread(strings.ReplaceAll(w, `"`, " ")))
		if !strings.ContainsFunc(w, indexed) {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(`"` + w + `"`)
	}
	return b.String()
}

// indexed tells whether the index has something for a character.
func indexed(r rune) bool {
	return unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.Co)
}

// symbols is where emoji and the like are to the index, which would pass over
// them where they are: an area for private use, whose characters are words.
const symbols = 0xf0000

// spread puts spaces between the characters of scripts that have none between
// words, and around emoji, so that each of them is a word to the index; a word of
// them is then looked for as these characters in a row.
func spread(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 }) {
		return strings.ReplaceAll(s, "\x00", " ")
	}
	var b strings.Builder
	alone := false // the character before was one of them
	for _, r := range norm.NFKC.String(s) {
		switch {
		case r == 0:
			r = ' '
		case unicode.In(r, unscripted...):
			b.WriteByte(' ')
			alone = true
		case unicode.Is(unicode.So, r):
			b.WriteByte(' ')
			alone, r = true, symbols+r&0xffff
		case alone && !unicode.Is(unicode.M, r):
			b.WriteByte(' ')
			alone = false
		}
		b.WriteRune(r)
	}
	return b.String()
}

// unscripted are the scripts without spaces between words.
var unscripted = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo,
	unicode.Yi, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar}
