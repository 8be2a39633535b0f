package node

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"parley/room"
	"parley/transport"
)

// Who waits for a file that goes no further is told why in words, and not what a connection has died of.
func TestFileGivenUp(t *testing.T) {
	for _, c := range []struct {
		err  error
		says string
	}{
		{io.EOF, "too slow"}, {context.DeadlineExceeded, "too slow"}, {fmt.Errorf("the host hung up: %w", transport.ErrLost), "too slow"},
		{&room.Refused{Code: "alone", Text: "the other side has not come"}, "the other side has not come"},
	} {
		said := gaveUp(c.err).Error()
		if !strings.HasPrefix(said, "it got no further for 60 s: ") || !strings.Contains(said, c.says) || !strings.Contains(said, "sent again") {
			t.Errorf("%v: %s", c.err, said)
		}
		for _, no := range []string{"EOF", "deadline", "connection lost"} {
			if strings.Contains(said, no) {
				t.Errorf("%v: %s", c.err, said)
			}
		}
	}
}
