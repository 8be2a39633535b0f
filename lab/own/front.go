//go:build !nolab

package own

import (
	"context"
	"errors"
	"strings"
	"time"

	"parley/lab"
)

// limit is how long an engine may take in real time: the guard's limit, and as
// much again for the rivals.
const limit = 3 * time.Minute

// Run has an engine's process run a transport: see Do. A script that takes the
// process with it is answered with a *Fault, too.
func Run(ctx context.Context, e lab.Engine, q lab.Request, each func(lab.Line) error) error {
	if strings.TrimSpace(q.Own) == "" {
		return &Fault{File: defaultFile, Text: "there is nothing in it", Hint: whatItNeeds}
	}
	if e.Limit == 0 {
		e.Limit = limit
	}
	err := e.Run(ctx, q, each)
	if err == nil || !errors.Is(err, lab.ErrEngine) || ctx.Err() != nil {
		return err
	}
	j, _ := understand(q.Settings)
	for _, end := range []struct{ of, text string }{
		{"stack exceeds", "it nests so deep that the computer's stack is full"},
		{"out of memory", tooMuchMemory},
		{"cannot allocate", tooMuchMemory},
		{"makeslice", tooMuchMemory},
		{"signal: killed", tooMuchMemory},
		{"had not ended", "it does not end"},
	} {
		if strings.Contains(err.Error(), end.of) {
			return &Fault{File: j.file, Text: end.text, Hint: grows}
		}
	}
	return err
}

// Broken tells whether an error of Run is about the script.
func Broken(err error) bool {
	field, ok := lab.Misused(err)
	return ok && field == aboutScript
}
