//go:build linux

package main_test

import (
	"strings"
	"testing"
)

// askToken begins as every member does and prints the token it is given.
const askToken = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.bind(('', 4444))
id, mode = bytes.fromhex(sys.argv[2]), int(sys.argv[3])
s.sendto((bytes([1, 1, mode]) + id + bytes(20)).ljust(1200, b'\0'), (sys.argv[1], 7667))
b = s.recv(2000)
assert b[0] == 2 and b[1:9] == id
print('done', b[9:].hex(), flush=True)
`

// reflect sends datagrams of one kind in the name of somebody else, and waits.
const reflect = `
import os, random, socket, struct, sys, time
kind, count, host, victim, id, token, hello, wait = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], bytes.fromhex(sys.argv[5]), bytes.fromhex(sys.argv[6]), bytes.fromhex(sys.argv[7]), float(sys.argv[8])
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
raw.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
pad = lambda b: b.ljust(1200, b'\0')
new = lambda: os.urandom(8)
discovery = kind.startswith(('query', 'beacon'))
make = {
    'HELLO': lambda: pad(b'\x01\x01\x01' + new() + bytes(20)),
    'HELLO, made-up token': lambda: pad(b'\x01\x01\x01' + new() + os.urandom(20)),
    'HELLO, other version': lambda: pad(b'\x01\x09\x01' + new() + bytes(20)),
    'HELLO, other mode': lambda: pad(b'\x01\x01\x07' + new() + bytes(20)),
    'HELLO, stolen token': lambda: pad(b'\x01\x01\x01' + id + token),
    'HELLO, stolen token, plaintext': lambda: pad(b'\x01\x01\x02' + id + token),
    'SHAKE, made-up token': lambda: pad(b'\x05' + new() + os.urandom(20) + hello),
    'SHAKE, stolen token': lambda: pad(b'\x05' + id + token + hello),
    'SHAKE, stolen token, once': lambda: pad(b'\x05' + id + token + hello),
    'SHAKE, stolen token, junk': lambda: pad(b'\x05' + id + token + os.urandom(100)),
    'SHAKE without token': lambda: b'\x05' + new() + bytes(20) + hello,
    'RETRY': lambda: b'\x02' + new() + os.urandom(20),
    'REFUSE': lambda: b'\x03' + new() + b'\x03',
    'ACCEPT': lambda: pad(b'\x04' + new()),
    'sealed packet': lambda: b'\x40' + new() + os.urandom(random.randrange(4, 1000)),
    'plaintext packet': lambda: b'\x50' + new() + os.urandom(random.randrange(4, 1000)),
    'junk': lambda: os.urandom(random.randrange(1, 1400)),
    'query': lambda: pad(b'prly\x01\x02' + b'\0' + new()),
    'query to everyone': lambda: pad(b'prly\x01\x02' + b'\0' + new()),
    'query, as short as an answer': lambda: (b'prly\x01\x02' + b'\0' + new()).ljust(150, b'\0'),
    'query, shortest': lambda: b'prly\x01\x02' + b'\0' + new(),
    'beacon, forged': lambda: b'prly\x01\x01' + bytes(9) + b'\0\x83' + os.urandom(8) + os.urandom(8) + b'\0\x5a\x01\x1d\xf3\x1d\xf3\0\x01' + os.urandom(32) + b'\x07physics' + os.urandom(64),
}[kind]
to = '10.77.0.255' if kind == 'query to everyone' else host
for n in range(count):
    b = make()
    port = 4444 if 'stolen' in kind else 5353 if discovery else random.randrange(1024, 65536)
    udp = struct.pack('>HHHH', port, 7668 if discovery else 7667, 8 + len(b), 0) + b
    ip = struct.pack('>BBHHHBBH4s4s', 0x45, 0, 20 + len(udp), n & 0xffff, 0, 64, 17, 0, socket.inet_aton(victim), socket.inet_aton(to))
    raw.sendto(ip + udp, (to, 0))
    time.sleep(0.0005)
time.sleep(wait)
print('done', flush=True)
`

// Whatever somebody sends in another's name, that other gets no more bytes than
// were sent, on every path where nobody has proved anything, and also where
// somebody has overheard a token. Counted where it would hurt.
func TestLANAmplification(t *testing.T) {
	for _, mode := range []struct {
		name  string
		flags []string
		byte  string
	}{{"secure", nil, "1"}, {"plaintext", []string{"--plaintext"}, "2"}} {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			l := newLAN(t, "ana", "victim", "mallory")
			py, boxes := needPython(t), l.boxes()
			host, victim, mallory := l.machines[0], l.machines[1], l.machines[2]
			ana := boxes[0].host("ana", "physics", mode.flags...)
			hello := "16"
			if mode.name == "secure" {
				stop := victim.capture("ip and dst port 7667")
				cyn := boxes[1].join("cyn", boxes[0].ip, "--transport", "udp")
				cyn.say("/quit")
				cyn.exits(0)
				hello = clientHello(t, stop())
			}
			most := 0.0
			for n, kind := range []string{
				"HELLO", "HELLO, made-up token", "HELLO, other version", "HELLO, other mode", "HELLO, stolen token", "HELLO, stolen token, plaintext",
				"SHAKE, stolen token, once", "SHAKE, made-up token", "SHAKE, stolen token", "SHAKE, stolen token, junk", "SHAKE without token",
				"RETRY", "REFUSE", "ACCEPT", "sealed packet", "plaintext packet", "junk",
				"query", "query to everyone", "query, as short as an answer", "query, shortest", "beacon, forged",
			} {
				if !thorough && !strings.Contains(kind, "stolen") && kind != "query" {
					continue
				}
				id, token, count, wait := "00000000000000"+string("0123456789abcdef"[n%16])+string("0123456789abcdef"[n/16]), "00", "100", "0.2"
				if strings.Contains(kind, "stolen") {
					p := victim.start(py, "-c", askToken, boxes[0].ip, id, mode.byte)
					token = strings.Fields(p.await("a token", has("done")).text)[1]
				}
				if strings.Contains(kind, "once") {
					count, wait = "1", "1.5"
				}
				before, hurt := host.counted()["udp_in"].Bytes, victim.counted()["udp_in"].Bytes
				mallory.attack(reflect, kind, count, boxes[0].ip, boxes[1].ip, id, token, hello, wait)
				in, out := host.counted()["udp_in"].Bytes-before, victim.counted()["udp_in"].Bytes-hurt
				if kind == "query to everyone" {
					out -= min(out, in) // the query itself
				}
				ratio := float64(out) / float64(in)
				most = max(most, ratio)
				t.Logf("FIGURE %s, %-32s %6d bytes to the host, %5d to the victim: %.3f", mode.name, kind+":", in, out, ratio)
				if in == 0 || ratio > 1 {
					t.Errorf("%s: %d bytes for %d", kind, out, in)
				}
			}
			t.Logf("FIGURE %s: amplification %.3f at most (target 1.0)", mode.name, most)
			ana.lives()
			streamJunk(t, l, boxes[0].ip)
		})
	}
}

// junkStreams connects and says what is not of the protocol.
const junkStreams = `
import os, socket, sys
got = 0
for first in (os.urandom(300), b'GET / HTTP/1.1\r\n\r\n', b'\x89parley\x01\x00' + bytes(100), b'\x89parley\x07\x00', b'\x16\x03\x01\x00\x05hello', b'\x16' + os.urandom(500), b'SSH-2.0-x\r\n') * 5:
    s = socket.create_connection((sys.argv[1], 7667), 10)
    s.settimeout(10)
    try:
        s.sendall(first)
        s.shutdown(socket.SHUT_WR)
        while True:
            b = s.recv(4096)
            if not b: break
            got += len(b)
    except OSError: pass
    s.close()
print('done', got, flush=True)
`

// streamJunk counts what a stream that is none of ours is answered with.
func streamJunk(t *testing.T, l *lan, ip string) {
	t.Helper()
	mallory := l.machines[2]
	before := mallory.counted()
	got := mallory.attack(junkStreams, ip)[1]
	after := mallory.counted()
	out, in := after["tcp_out"].Bytes-before["tcp_out"].Bytes, after["tcp_in"].Bytes-before["tcp_in"].Bytes
	t.Logf("FIGURE 35 streams of junk: %d bytes to the host, %d back, %s of them said: %.3f", out, in, got, float64(in)/float64(out))
	if in > out {
		t.Errorf("%d bytes for %d", in, out)
	}
}
