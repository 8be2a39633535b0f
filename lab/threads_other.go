//go:build !nolab && !unix

package lab

const pollNote = ". There is no poll() here: the loop is a goroutine each, whose runtime has such a loop inside"

// selectLoop stands in for a loop around poll().
func selectLoop(y *yard) { goroutineEach(y) }
