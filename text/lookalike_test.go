package text

import "testing"

// What is not seen makes no other room.
func TestRoomNameIsSeen(t *testing.T) {
	for _, in := range []string{"physics\ufe0f", "physics\u200d", "phy\ufe0fsics", "physics\U000e0100", "a\u0300\u0301\u0302\u0303\u0304\u0305", "room1\ufe0f\ufe0f"} {
		if name, err := RoomName(in); err == nil && RoomKey(name) != RoomKey(Clean(in)) {
			t.Errorf("%q is a room of its own, shown as %q", in, Clean(in))
		}
	}
	for _, in := range []string{"👩\u200d🎓", "☺\ufe0f", "क\u094d\u200dष", "café", "教室"} {
		if _, err := RoomName(in); err != nil {
			t.Errorf("%q: %v", in, err)
		}
	}
	if RoomKey("☺\ufe0f") != RoomKey("☺") || RoomKey("room1\ufe0f") != RoomKey("room1") {
		t.Error("the same sign makes two rooms")
	}
}
