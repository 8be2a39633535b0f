//go:build !slow

package node

// runs is how many seeds each kind of trial is run with, and schedules how many
// times the network is disturbed at random.
const runs, schedules = 1, 4
