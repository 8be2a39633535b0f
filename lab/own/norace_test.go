//go:build !race

package own

const raced = false
