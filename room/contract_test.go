package room_test

import (
	"testing"

	"parley/room"
	"parley/room/roomtest"
)

func TestMemoryIsALog(t *testing.T) {
	roomtest.TestLog(t, func(*testing.T) room.Log { return room.NewMemory() })
}
