package node

import (
	"testing"

	"parley/history"
	"parley/room"
	"parley/room/roomtest"
	"parley/transport"
)

// histories is an empty directory for histories.
func histories(t *testing.T) *Histories {
	return &Histories{Dir: t.TempDir(), Keep: history.Keep{}, Warn: func(text string) { t.Log(text) }}
}

// openLog opens the log of a room until the test ends.
func openLog(t *testing.T, h *Histories, name string, key transport.Key) room.Log {
	t.Helper()
	l, release, err := h.Open(name, key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { release() })
	return l
}

func TestHistoryIsALog(t *testing.T) {
	roomtest.TestLog(t, func(t *testing.T) room.Log { return openLog(t, histories(t), "physics", transport.Key{1}) })
}
