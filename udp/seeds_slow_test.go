//go:build slow

package udp

const (
	seeds    = 500
	sessions = 200
)
