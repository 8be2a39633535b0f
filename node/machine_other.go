//go:build !linux && !windows

package node

// MachineID returns what is this computer's alone, or nothing where that cannot
// be known: here it takes another program to ask.
func MachineID() string { return "" }
