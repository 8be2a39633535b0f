//go:build slow

package udp

const seeds = 500
