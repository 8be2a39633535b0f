//go:build slow

package udp_test

const lans = 24
