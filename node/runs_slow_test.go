//go:build slow

package node

// runs and schedules are as in runs_test.go, for the slow suite.
const runs, schedules = 20, 50
