package history

import (
	"bytes"
	"encoding/base32"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// word is a word that shares no more than its beginning with others.
func word(rng *rand.Rand) string {
	var b [15]byte
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}

// TestNoTraces deletes a part of what was indexed together, of a log and of a copy: no
// word of it is left in any file, and what stays is found.
func TestNoTraces(t *testing.T) {
	for _, copies := range []bool{false, true} {
		t.Run(fmt.Sprint("copy=", copies), func(t *testing.T) {
			const kept = 285
			rng := rand.New(rand.NewPCG(1, 2))
			o := options
			o.Keep.Count = kept
			if copies {
				o.Copy = [16]byte{3}
			}
			a, path := &aging{now: noon}, file(t)
			a.Log = open(t, path, a.options(o))
			var words []string
			var some []Record
			for i := range 300 {
				words = append(words, word(rng))
				r := said(ana, i, words[i])
				r.Seq = uint64(i + 1)
				some = append(some, r)
			}
			for len(some) > 0 {
				n := min(len(some), 7)
				if err := a.Put(t.Context(), some[:n]); err != nil {
					t.Fatal(err)
				}
				some = some[n:]
			}
			for i := range words {
				if found, err := a.Search(t.Context(), ana, words[i], everything, 5); err != nil || len(found) != 1 {
					t.Fatal(i, found, err)
				}
			}
			if !copies {
				a.save(t)
			}
			a.pass(t, day, day)
			a.pass(t, day, day)
			for i := range words {
				found, err := a.Search(t.Context(), ana, words[i], everything, 5)
				if err != nil || (len(found) == 1) != (i >= 300-kept) {
					t.Fatal(i, found, err)
				}
			}
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			for _, end := range []string{"", "-wal"} {
				b, _ := os.ReadFile(path + end)
				b = bytes.ToLower(b)
				left, there := 0, 0
				for i, w := range words {
					if bytes.Contains(b, []byte(w[4:])) {
						if i < 300-kept {
							left++
						} else {
							there++
						}
					}
				}
				t.Logf("%q: of %d deleted words %d are left, of %d others %d are there", end, 300-kept, left, kept, there)
				if left > 0 {
					t.Errorf("%q: %d deleted words are left", end, left)
				}
			}
		})
	}
}
