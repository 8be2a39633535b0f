//go:build race

package wire

// shuffled: the race detector has Go run goroutines in a random order.
const shuffled = true
