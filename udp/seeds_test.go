//go:build !slow

package udp

// seeds is how many runs the randomised handshake tests make of each kind.
const seeds = 25
