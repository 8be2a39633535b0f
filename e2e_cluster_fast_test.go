//go:build !slow

package main_test

import "time"

const (
	clusterRaces = 20
	clusterDark  = 0 * time.Second
)
