//go:build !nolab

package own

import _ "embed"

// Examples are transports to learn from: send and hope, stop and wait, and
// selective acknowledgements.
var Examples = [...]string{hope, stopAndWait, selective}

var (
	//go:embed examples/1-send-and-hope.star
	hope string
	//go:embed examples/2-stop-and-wait.star
	stopAndWait string
	//go:embed examples/3-selective-acks.star
	selective string
)

// API is what a student needs to know, for a terminal of 80 columns.
//
//go:embed api.txt
var API string
