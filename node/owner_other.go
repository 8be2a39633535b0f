//go:build !linux

package node

// portOwner would name the program that has a port; this system does not say.
func portOwner(string, uint16) string { return "" }
