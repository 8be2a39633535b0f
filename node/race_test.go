//go:build race

package node

// raceEnabled: the race detector has goroutines run more often.
const raceEnabled = true
