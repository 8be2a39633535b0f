//go:build !nolab && !linux

package lab

func machinePackets(bool) (got []string, ok bool) { return nil, false }
