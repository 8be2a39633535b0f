//go:build race

package lab

// shuffled: the race detector has Go run goroutines in a random order.
const shuffled = true
