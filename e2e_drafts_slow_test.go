//go:build slow

package main_test

// killings is as in e2e_drafts_fast_test.go, for the slow suite.
const killings = 20
