//go:build !race

package history

// rounds divides how often tests repeat themselves.
const rounds = 1
