//go:build !slow

package node

// runs is how many seeds each kind of trial is run with.
const runs = 1
