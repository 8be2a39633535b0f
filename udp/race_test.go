//go:build race

package udp

// raceEnabled: the race detector has sync.Pool lose things on purpose.
const raceEnabled = true
