//go:build !race

package wire

const shuffled = false
