//go:build slow

package node

const runs = 20
