//go:build !nolab

package lab

import "golang.org/x/sys/unix"

// machinePackets sends three letters through a pair of sequenced-packet sockets
// of this machine, and returns what each read got; ok: it has such sockets.
func machinePackets(late bool) (got []string, ok bool) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET, 0)
	if err != nil {
		return nil, false
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	unix.SetsockoptTimeval(pair[1], unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1})
	read := func() {
		buf := make([]byte, 2048)
		if n, err := unix.Read(pair[1], buf); err == nil && n > 0 {
			got = append(got, string(buf[:n]))
		}
	}
	for _, letter := range []string{"A", "B", "C"} {
		if err := unix.Send(pair[0], []byte(letter), 0); err == nil && !late {
			read()
		}
	}
	if late { // all three are there: to sleep changes nothing
		for range 3 {
			read()
		}
	}
	return got, true
}
