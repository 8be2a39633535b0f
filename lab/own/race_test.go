//go:build race

package own

// raced: the race detector is on, and takes its time.
const raced = true
