//go:build !slow

package udp_test

// lans is how many LANs the conformance suite runs on besides the usual ones.
const lans = 2
