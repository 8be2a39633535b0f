package text

import (
	"strings"
	"testing"
)

// The words are what the comment on the list says of them.
func TestWordList(t *testing.T) {
	if len(wordList) != 256 {
		t.Fatalf("%d words, want 256", len(wordList))
	}
	for i, w := range wordList {
		if len(w) < 4 || len(w) > 8 || strings.Trim(w, "abcdefghijklmnopqrstuvwxyz") != "" {
			t.Errorf("%q is not of 4 to 8 letters", w)
		}
		for _, o := range wordList[:i] {
			if w[:3] == o[:3] || slips(w, o) < 3 {
				t.Errorf("%s and %s are too much alike", o, w)
			}
		}
	}
}

// slips counts the letters to insert, drop or change to make b of a.
func slips(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			before, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, before+cost)
		}
	}
	return row[len(b)]
}

// The words of a key are the same in every version: people have written them down.
func TestKeyWordsStay(t *testing.T) {
	for key, want := range map[[32]byte]string{
		{}:  "echo lizard fjord mammoth scooter elbow tadpole tulip",
		{1}: "onion seagull falcon fjord fiddle oasis emerald nickel",
	} {
		if got := KeyWords(key); got != want {
			t.Errorf("key %d…: %q, want %q", key[0], got, want)
		}
	}
}
