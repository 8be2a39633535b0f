//go:build !slow

package udp

// seeds is how many runs the randomised handshake tests make of each kind.
const seeds = 25

// sessions is how many runs the randomised tests of whole sessions make.
const sessions = 6
