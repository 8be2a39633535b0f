//go:build linux && slow

package main_test

import (
	"testing"
	"time"
)

// Six members at three hosts on three subnets say ten thousand things: whatever happens,
// everybody has them all, once, in one order.
func TestClusterFaultsOnSubnets(t *testing.T) {
	for _, fault := range []string{"none", "leader", "host", "partition readonly", "partition queue"} {
		t.Run(fault, func(t *testing.T) { faultyRoom(t, 1667, 15*time.Millisecond, fault, 20*time.Second) })
	}
}
