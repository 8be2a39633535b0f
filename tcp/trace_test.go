package tcp

import (
	"sync"
	"testing"
)

// A Trace is told of every message once in each direction, with the bytes that the
// counters count.
func TestTrace(t *testing.T) {
	for _, plain := range []bool{true, false} {
		var mu sync.Mutex
		sent, received, size := 0, 0, 0
		var ids []uint64
		trace := &Trace{
			Sent: func(c Chunk) {
				n, first := c.Messages()
				mu.Lock()
				defer mu.Unlock()
				sent += n
				size += c.Size
				ids = append(ids, c.Conn)
				if n > 0 && string(first[:4]) != "from" || !c.Host || c.Writes < 1 || c.Size < len(c.Frames) || plain != (c.Size == len(c.Frames)) {
					t.Errorf("sent %+v", c)
				}
			},
			Received: func(c Chunk) {
				n, _ := c.Messages()
				mu.Lock()
				defer mu.Unlock()
				received += n
				ids = append(ids, c.Conn)
			},
		}
		client, host := pairOf(t, &Endpoint{Plaintext: plain}, &Endpoint{Listener: loopback(t), Plaintext: plain, Trace: trace})
		for range 20 {
			if err := host.Send(t.Context(), append([]byte("from the host"), make([]byte, 5000)...)); err != nil {
				t.Fatal(err)
			}
			if err := client.Send(t.Context(), []byte("to the host")); err != nil {
				t.Fatal(err)
			}
		}
		for range 20 {
			if _, err := client.Receive(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := host.Receive(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		host.Close()
		client.Close()
		mu.Lock()
		if sent != 20 || received != 20 || size < 20*5013 {
			t.Errorf("plaintext %v: told of %d sent with %d bytes, %d received", plain, sent, size, received)
		}
		for _, id := range ids {
			if id != host.(interface{ ID() uint64 }).ID() {
				t.Errorf("of conn %d", id)
			}
		}
		mu.Unlock()
	}
	if n, first := (Chunk{Frames: []byte{0, 0, 0, 9, 1}}).Messages(); n != 0 || first != nil {
		t.Error("half a frame is no message")
	}
}
