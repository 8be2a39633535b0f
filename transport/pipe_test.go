package transport_test

import (
	"testing"
	"testing/synctest"

	"parley/transport"
	"parley/transport/transporttest"
)

func pipe(*testing.T) (a, b transport.Conn) {
	return transport.Pipe(transport.Peer{}, transport.Peer{})
}

func TestPipe(t *testing.T) {
	t.Run("real", func(t *testing.T) { transporttest.TestConn(t, transporttest.Real, pipe) })
	t.Run("virtual", func(t *testing.T) { transporttest.TestConn(t, synctest.Test, pipe) })
}
