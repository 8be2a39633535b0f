package udp

import (
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func quietFlow() *flow {
	return newFlow(func([]byte) error { return nil }, &net.UDPAddr{Port: 1}, &net.UDPAddr{Port: 2})
}

func TestFlowQueue(t *testing.T) {
	f := quietFlow()
	genuine := flights()[0]
	for i := range flowQueue + 5 {
		if f.deliver(genuine) != (i < flowQueue) {
			t.Fatalf("datagram %d", i)
		}
		if f.deliver([]byte("junk")) {
			t.Fatal("junk was taken")
		}
	}
	clear(genuine) // the flow has its own copy
	var b [2048]byte
	for range flowQueue {
		n, err := f.Read(b[:])
		if err != nil || string(b[:n]) != string(flights()[0]) {
			t.Fatalf("read %x, %v", b[:n], err)
		}
	}
	if f.LocalAddr().String() != ":1" || f.RemoteAddr().String() != ":2" {
		t.Error("addresses are mixed up")
	}
}

// TestFlowAssume: datagrams that came before the side was known are judged when
// it is.
func TestFlowAssume(t *testing.T) {
	for _, client := range []bool{true, false} {
		f := quietFlow()
		for _, b := range flights() {
			if !f.deliver(b) {
				t.Fatal("not taken")
			}
		}
		f.assume(client)
		var kept []int
		var b [2048]byte
		for len(f.queue) > 0 {
			n, _ := f.Read(b[:])
			kept = append(kept, n)
		}
		all := flights()
		want := [3]int{len(all[0]), len(all[2]), len(all[3])}
		if client {
			want = [3]int{len(all[1]), len(all[3])}
		}
		if [3]int(append(kept, 0)[:3]) != want {
			t.Errorf("client %v: kept %v, want %v", client, kept, want)
		}
		if wrong := flights()[1]; f.deliver(wrong) != client {
			t.Errorf("client %v: the server's flight", client)
		}
	}
}

func TestFlowWrite(t *testing.T) {
	var sent []string
	fail := errors.New("no buffer space")
	f := newFlow(func(b []byte) error { sent = append(sent, string(b)); return fail }, nil, nil)
	f.assume(false)
	all := flights()
	for _, b := range [][]byte{all[1], record(21, 0, 9, []byte{2, 40}), all[3], all[0]} {
		if n, err := f.Write(b); n != len(b) || err != nil {
			t.Errorf("write: %d, %v", n, err)
		}
	}
	if len(sent) != 2 || sent[0] != string(all[1]) || sent[1] != string(all[3]) {
		t.Errorf("sent %q", sent)
	}
	if last := f.lastFlight(); string(last) != string(all[3]) {
		t.Errorf("last flight %x", last)
	}
	f.mute()
	f.Write(all[1])
	f.Close()
	f.Write(all[1])
	if len(sent) != 2 || string(f.lastFlight()) != string(all[3]) {
		t.Error("it writes after mute or Close")
	}
}

func TestFlowDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := quietFlow()
		var b [100]byte
		read := func() (time.Duration, error) {
			start := time.Now()
			_, err := f.Read(b[:])
			return time.Since(start), err
		}
		f.SetReadDeadline(time.Now().Add(time.Second))
		if took, err := read(); took != time.Second || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("deadline: %v, %v", took, err)
		}
		if took, err := read(); took != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after the deadline: %v, %v", took, err)
		}
		f.SetDeadline(time.Now().Add(time.Second))
		go func() {
			time.Sleep(time.Millisecond)
			f.SetReadDeadline(time.Unix(1, 0))
		}()
		if took, err := read(); took != time.Millisecond || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("deadline moved to the past: %v, %v", took, err)
		}
		f.SetReadDeadline(time.Time{})
		go func() {
			time.Sleep(time.Hour)
			f.deliver(flights()[0])
		}()
		if took, err := read(); took != time.Hour || err != nil {
			t.Errorf("no deadline: %v, %v", took, err)
		}
		f.SetReadDeadline(time.Now().Add(time.Hour))
		go func() {
			time.Sleep(time.Second)
			f.Close()
			f.Close()
		}()
		if took, err := read(); took != time.Second || !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed: %v, %v", took, err)
		}
		if f.deliver(flights()[0]) {
			t.Error("taken after Close")
		}
		if _, err := read(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read after Close: %v", err)
		}
	})
}

// TestFlowDeadlineRace sets deadlines around the moment they come.
func TestFlowDeadlineRace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := quietFlow()
		done := make(chan struct{})
		for range 4 {
			go func() {
				for i := range 200 {
					f.SetReadDeadline(time.Now().Add(time.Duration(i%3) * time.Microsecond))
					time.Sleep(time.Microsecond)
				}
				done <- struct{}{}
			}()
		}
		for range 4 {
			<-done
		}
		f.SetReadDeadline(time.Now())
		if _, err := f.Read(nil); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read: %v", err)
		}
		f.Close()
	})
}
