package main

import (
	"strings"
	"testing"
)

func TestPeersAreAddresses(t *testing.T) {
	for list, want := range map[string]int{"": 0, "10.0.0.5": 1, " 10.0.0.5:7700, 10.1.0.9,": 2, "::1": -1, "host": -1, "10.0.0.5:": -1, strings.Repeat("10.0.0.5,", 33): -1} {
		peers, err := parsePeers(list)
		if (err != nil) != (want < 0) || want >= 0 && len(peers) != want {
			t.Errorf("%q: %v, %v", list, peers, err)
		}
	}
}
