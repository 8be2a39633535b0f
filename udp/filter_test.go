package udp

import (
	"encoding/binary"
	"testing"
)

// flights are the four flights of a handshake, in form.
func flights() [4][]byte {
	join := func(records ...[]byte) (b []byte) {
		for _, r := range records {
			b = append(b, r...)
		}
		return b
	}
	finished := record(22, 1, 0, make([]byte, sealedFinished))
	return [4][]byte{
		record(22, 0, 0, whole(1, 0, make([]byte, 79))),
		join(record(22, 0, 0, whole(2, 0, make([]byte, 50))), record(22, 0, 1, whole(11, 1, make([]byte, 240))),
			record(22, 0, 2, whole(12, 2, make([]byte, 110))), record(22, 0, 3, whole(14, 3, nil))),
		join(record(22, 0, 1, whole(16, 1, make([]byte, 33))), record(20, 0, 2, []byte{1}), finished),
		join(record(20, 0, 4, []byte{1}), finished),
	}
}

func TestFilterPasses(t *testing.T) {
	for i, b := range flights() {
		own, other := fromClient, fromServer
		if i%2 == 1 {
			own, other = other, own
		}
		if !passes(b, own) || !passes(b, own|other) {
			t.Errorf("flight %d is refused", i)
		}
		// The last flight looks the same whoever sends it.
		if passes(b, other) != (i == 3) {
			t.Errorf("flight %d comes from the wrong side", i)
		}
		b[1], b[2] = 0xfe, 0xff // the first flight of other libraries says DTLS 1.0
		if !passes(b, own) {
			t.Errorf("flight %d with the other version is refused", i)
		}
		for n := range len(b) {
			// Cut between records it is still a sequence of whole ones.
			if passes(b[:n], own) && n != recordEnd(b, n) {
				t.Errorf("flight %d cut to %d bytes passes", i, n)
			}
		}
	}
	large := record(22, 0, 0, whole(11, 1, make([]byte, maxMessageBody)))
	if !passes(large, fromServer) {
		t.Error("the largest message is refused")
	}
	if passes(record(22, 0, 0, whole(11, 1, make([]byte, maxMessageBody+1))), fromServer) {
		t.Error("a message too large passes")
	}
}

// recordEnd returns the end of the last record that begins before n.
func recordEnd(b []byte, n int) (end int) {
	for end < n {
		end += recordHeader + int(binary.BigEndian.Uint16(b[end+11:]))
	}
	return end
}

// FuzzFilter: what passes is, by a second and slower judgement, nothing but
// records of a handshake.
func FuzzFilter(f *testing.F) {
	for _, b := range flights() {
		f.Add(b)
	}
	for _, x := range hostile {
		f.Add(x.b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		client, server := passes(b, fromClient), passes(b, fromServer)
		if !client && !server {
			return
		}
		if !passes(b, fromClient|fromServer) {
			t.Error("passes from each but not from any")
		}
		kinds := map[bool]string{true: "\x01\x10", false: "\x02\x0b\x0c\x0e"}
		records := 0
		for rest := b; len(rest) > 0; records++ {
			kind, epoch, length := rest[0], binary.BigEndian.Uint16(rest[3:]), int(binary.BigEndian.Uint16(rest[11:]))
			body := rest[13 : 13+length]
			rest = rest[13+length:]
			if kind == 22 && epoch == 0 {
				found := false
				for _, k := range []byte(kinds[client]) {
					found = found || body[0] == k
				}
				if !found || string(body[1:4]) != string(body[9:12]) || string(body[6:9]) != "\x00\x00\x00" {
					t.Errorf("message % x", body[:12])
				}
			} else if !(kind == 20 && epoch == 0 && length == 1 || kind == 22 && epoch == 1 && length == 48) {
				t.Errorf("record of type %d, epoch %d, length %d", kind, epoch, length)
			}
		}
		if records > 4 {
			t.Errorf("%d records", records)
		}
	})
}

func BenchmarkFilter(b *testing.B) {
	flight := flights()[1]
	b.ReportAllocs()
	for b.Loop() {
		passes(flight, fromServer)
	}
}
