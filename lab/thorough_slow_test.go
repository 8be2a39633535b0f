//go:build !nolab && slow

package lab

// thorough has tests try what takes longer.
const thorough = true
