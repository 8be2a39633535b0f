package udp

import (
	"bytes"
	"net"
	"net/netip"
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

// TestTrains: more trains than leave in a call come each to whom it is for, cut as
// it should be, and one that cannot leave keeps none of the others back.
func TestTrains(t *testing.T) {
	local := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	out, err := net.ListenUDP("udp4", local)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	s := newFastSocket(out)
	var in [2]*net.UDPConn
	for i := range in {
		if in[i], err = net.ListenUDP("udp4", local); err != nil {
			t.Fatal(err)
		}
		defer in[i].Close()
	}
	const each = atOnce + 3
	var trains []train
	for i := range each {
		for k := range in {
			b := bytes.Repeat([]byte{byte(k), byte(i)}, 50) // 40, 40 and 20 bytes
			trains = append(trains, train{b: b, size: 40, addr: in[k].LocalAddr().(*net.UDPAddr).AddrPort()})
		}
		trains = append(trains, train{b: []byte("nowhere"), size: 7, addr: netip.MustParseAddrPort("[::1]:9")},
			train{b: make([]byte, 1<<16), size: 1 << 16, addr: trains[0].addr})
	}
	s.writeTrains(out, trains)
	for i, tr := range trains {
		if good := len(tr.b) == 100; good != (tr.err == nil) {
			t.Fatalf("train %d of %d bytes: %v", i, len(tr.b), tr.err)
		}
	}
	for k, u := range in {
		u.SetReadDeadline(time.Now().Add(5 * time.Second))
		var b [200]byte
		for i := range 3 * each {
			n, err := u.Read(b[:])
			if want := 40 - 20*(i%3/2); err != nil || n != want || b[0] != byte(k) || b[1] != byte(i/3) {
				t.Fatalf("socket %d, datagram %d: % x, %v; want %d bytes", k, i, b[:n], err, want)
			}
		}
	}
}
