//go:build slow

package node

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"parley/room"
	"parley/transport"
)

// TestMillionMessages opens a room in which a million messages were said. The first
// time the host reads them all; then it goes on from its checkpoint.
func TestMillionMessages(t *testing.T) {
	const n = 1_000_000
	h := histories(t)
	l, release, err := h.Open("physics", transport.Key{})
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < n; {
		var batch []room.Entry
		for ; len(batch) < 1000; at++ {
			text := fmt.Sprintf("message %d of a million, and not a short one", at)
			e := room.Entry{Key: transport.Key{1}, At: time.Now(), Words: text, Body: fmt.Appendf(nil, `{"type":"message","from":"ana","text":"%s"}`, text)}
			copy(e.ID[:], fmt.Sprintf("%016d", at))
			batch = append(batch, e)
		}
		if _, err := l.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	for i, what := range []string{"without a checkpoint", "from its checkpoint", "again"} {
		start := time.Now()
		node := &Node{Plaintext: true, NoDiscovery: true, Bind: netip.MustParseAddr("127.0.0.1"), Histories: h}
		hosting, err := node.Open(t.Context(), room.HostOptions{Rooms: []string{"physics"}})
		if err != nil {
			t.Fatal(err)
		}
		m, err := hosting.Sit(t.Context(), room.JoinOptions{Nick: fmt.Sprint("ana", i), History: 200})
		for tries := 0; err != nil && what == "without a checkpoint" && tries < 10; tries++ { // each gives up after 10 s
			m, err = hosting.Sit(t.Context(), room.JoinOptions{Nick: fmt.Sprint("ana", i), History: 200})
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("FIGURE opening a room of %d messages and sitting down in it, %s: %.0f ms, at most 500 wanted", n, what, time.Since(start).Seconds()*1000)
		if seq := m.Ready().Seq; seq < n {
			t.Errorf("it ends at %d", seq)
		}
		hosting.Close()
		node.Close()
	}
}
