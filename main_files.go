package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"parley/node"
)

// parseSize reads a number of bytes: 500K, 100M, 2G, 2GB, 2GiB or 1500000. Letters
// count in steps of 1,024.
func parseSize(s string) (int64, error) {
	digits := strings.TrimRight(strings.ToUpper(strings.TrimSpace(s)), "IB")
	shift := 0
	if n := len(digits) - 1; n > 0 {
		if i := strings.IndexByte("KMGT", digits[n]); i >= 0 {
			digits, shift = strings.TrimSpace(digits[:n]), 10*(i+1)
		}
	}
	n, err := strconv.ParseUint(digits, 10, 62)
	if err != nil || n == 0 || n > math.MaxInt64>>1>>shift {
		return 0, fmt.Errorf("%q is not a size: 500K, 100M and 2G are", s)
	}
	return int64(n) << shift, nil
}

// files is what this run gives and takes; nil: nothing.
func (p *program) files(dataDir string) *node.Files {
	if p.flags.NoFiles {
		return nil
	}
	f := &node.Files{Dir: p.flags.Downloads}
	f.Max, _ = parseSize(p.flags.MaxFile) // checked with the flags
	if f.Dir == "" {
		f.Dir = node.DownloadDir(dataDir)
	}
	return f
}
