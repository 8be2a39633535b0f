//go:build !slow

package main_test

// killings is how often a member is killed while it says something.
const killings = 4
