//go:build linux && slow

package main_test

import (
	"fmt"
	"testing"
)

// The run of TestLANLossyRoom, longer and three times over.
func TestLANLossyRooms(t *testing.T) {
	for run := range 3 {
		t.Run(fmt.Sprint(run+1), func(t *testing.T) {
			lossy(t, newLAN(t, "ana", "ben", "cyn", "dan"), 20, 250, []string{"udp", "udp", "udp"})
		})
	}
}
