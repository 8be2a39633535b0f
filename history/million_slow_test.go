//go:build slow

package history

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// million is a log of so many messages, of words as common as those of a
// language: the nth is said 1/n as often as the first. One word in 100,000
// messages is "needle", and one message in 20 is in Japanese.
func million(t testing.TB, path string, o Options, n int) *Log {
	l := open(t, path, o)
	random := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(random, 1.1, 2, 30000)
	kanji := []rune("日本語東京学校先生明日天気電車食事会社友達時間今年来週新聞映画音楽勉強旅行")
	start := time.Now()
	for at := 0; at < n; {
		var batch []Record
		for ; len(batch) < 1000 && at < n; at++ {
			var b strings.Builder
			if at%20 == 19 {
				for range 4 + random.IntN(20) {
					b.WriteRune(kanji[random.IntN(len(kanji))])
				}
			} else {
				for range 4 + random.IntN(12) {
					fmt.Fprintf(&b, "w%d ", zipf.Uint64())
				}
			}
			if at%100_000 == 50_000 {
				b.WriteString("needle")
			}
			to := [][32]byte(nil)
			if at%50 == 7 {
				to = [][32]byte{ana, ben}
			}
			text := strings.TrimSpace(b.String())
			r := Record{Key: [32]byte{byte(random.IntN(30))}, At: time.Now(), Audience: to, Words: text,
				Body: fmt.Appendf(nil, `{"type":"message","from":"somebody","text":"%s"}`, text)}
			for i := range r.ID {
				r.ID[i] = byte(random.Uint32())
			}
			batch = append(batch, r)
		}
		if _, err := l.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.SaveCheckpoint(t.Context(), l.Last()-2000, make([]byte, 4000)); err != nil {
		t.Fatal(err)
	}
	t.Logf("FIGURE %d messages were written in %.1f s", n, time.Since(start).Seconds())
	return l
}

// TestMillion is what a log of a million messages takes: a few minutes to make.
func TestMillion(t *testing.T) {
	path, n := file(t), 1_000_000
	l := million(t, path, options, n)
	if _, err := l.Search(t.Context(), ana, "needle", everything, 1); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("FIGURE file: %.0f bytes a message", float64(info.Size())/float64(n))

	start := time.Now()
	l = open(t, path, options)
	took := time.Since(start)
	t.Logf("FIGURE opening it: %.1f ms, at most 500 wanted", took.Seconds()*1000)

	for _, words := range []string{"needle", "w1", "w0 w3", "w20000", "w17 needle", "w5 w20000", "東京", "学校先生", "nowhere", "w0 w1 w2 w3 w4"} {
		for _, viewer := range [][32]byte{ana, cyn} {
			var times []time.Duration
			var found []Record
			for range 10 {
				start := time.Now()
				if found, err = l.Search(t.Context(), viewer, words, everything, 50); err != nil {
					t.Fatal(err)
				}
				times = append(times, time.Since(start))
			}
			slices.Sort(times)
			t.Logf("FIGURE search for %q: %d found, first page in %.1f ms, at worst %.1f, 50 wanted", words, len(found), times[5].Seconds()*1000, times[9].Seconds()*1000)
		}
	}
	start = time.Now()
	if _, err := l.Page(t.Context(), cyn, everything, 200); err != nil {
		t.Fatal(err)
	}
	t.Logf("FIGURE page of 200: %.1f ms", time.Since(start).Seconds()*1000)
	start = time.Now()
	at := uint64(0)
	err = l.Tail(t.Context(), 0, func(run []Record) error {
		if at += uint64(len(run)); at == uint64(n) {
			return context.Canceled
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	t.Logf("FIGURE reading all: %.1f s", time.Since(start).Seconds())
	start = time.Now()
	report, err := l.Check(t.Context())
	if err != nil || len(report.Faults) > 0 || report.Records != uint64(n) {
		t.Errorf("%+v %v", report, err)
	}
	t.Logf("FIGURE checking all: %.1f s", time.Since(start).Seconds())
}
