package udp

import (
	"net"
	"testing"
	"time"
)

// TestEmptyDatagrams: datagrams without a byte, which anybody may send, do not
// leave others unread that came with them.
func TestEmptyDatagrams(t *testing.T) {
	in, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	s := newFastSocket(in)
	if s.raw == nil {
		t.Skip("SKIPPED: the system has no joined reads")
	}
	out, err := net.DialUDP("udp4", nil, in.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	const most = 2*atOnce + 5
	for i := range most {
		if _, err := out.Write(make([]byte, i%5)); err != nil {
			t.Fatal(err)
		}
	}
	got, want := 0, most-(most+4)/5
	in.SetReadDeadline(time.Now().Add(5 * time.Second))
	s.read(in, func(some []received) bool {
		for _, r := range some {
			got += (len(r.b) + r.size - 1) / r.size
		}
		return got < want
	})
	if got != want {
		t.Errorf("%d of %d datagrams were read", got, want)
	}
}
