//go:build linux && !slow

package main_test

// thorough has the tests of attacks take their time.
const thorough = false
