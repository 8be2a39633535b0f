//go:build linux

package main_test

// Attacks by somebody on the same LAN, with raw sockets, against the program as
// it is built. Each test says what it counts and prints it.

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// inject sends the IP packets of a capture again, each so many times as it is
// and once with a random bit of its payload flipped and the checksum made right.
const inject = `
import random, socket, struct, sys, time
data, times = open(sys.argv[1], 'rb').read(), int(sys.argv[2])
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
def checksum(b):
    if len(b) % 2: b += b'\0'
    s = sum(struct.unpack('>%dH' % (len(b) // 2), b))
    while s >> 16: s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff
sent = flipped = large = 0
at = 24
while at + 16 <= len(data):
    size = struct.unpack('<I', data[at+8:at+12])[0]
    p, at = data[at+16+14:at+16+size], at + 16 + size
    if not p or p[0] >> 4 != 4: continue
    head, proto = (p[0] & 15) * 4, p[9]
    p = p[:struct.unpack('>H', p[2:4])[0]]
    if len(p) > 1500 or proto not in (6, 17):
        large += 1
        continue
    to = (socket.inet_ntoa(p[16:20]), 0)
    body = bytearray(p[head:])
    first = 8 if proto == 17 else (body[12] >> 4) * 4
    def send():
        body[16 if proto == 6 else 6:18 if proto == 6 else 8] = b'\0\0'
        if proto == 6:
            body[16:18] = struct.pack('>H', checksum(p[12:20] + struct.pack('>HH', 6, len(body)) + bytes(body)))
        raw.sendto(p[:head] + bytes(body), to) # no checksum is no fault in UDP over IPv4
    for _ in range(times):
        send()
        sent += 1
    if len(body) > first:
        bit = random.randrange(first * 8, len(body) * 8)
        body[bit // 8] ^= 1 << bit % 8
        send()
        flipped += 1
    time.sleep(0.0005)
print('done', sent, flipped, large, flush=True)
`

// attack runs a script on a machine to its end and returns its last line's words.
func (m *machine) attack(script string, args ...any) []string {
	m.lan.t.Helper()
	words := []string{"-c", script}
	for _, a := range args {
		words = append(words, fmt.Sprint(a))
	}
	p := m.start(needPython(m.lan.t), words...)
	done := p.awaitWithin(time.Minute, "the end of the attack", func(l line) bool { return strings.HasPrefix(l.text, "done") })
	p.exits(0)
	return strings.Fields(done.text)
}

// number reads a count that a script printed.
func number(t testing.TB, words []string, i int) (n int) {
	t.Helper()
	if _, err := fmt.Sscan(words[i], &n); err != nil {
		t.Fatalf("%q: %v", words, err)
	}
	return n
}

// exchange has each of the people say something, and all of them hear it. It
// returns the longest time that took.
func exchange(what string, count, size int, people ...*proc) (worst time.Duration) {
	for n := range count {
		for _, p := range people {
			text := numbered(what+"-"+p.name, n, size)
			began := time.Now()
			p.say(text)
			for _, q := range people {
				worst = max(worst, q.sees("a message", said(text)).at.Sub(began))
			}
		}
	}
	return worst
}

// events is what a member has been told from a row and a moment on, without the
// answers to what it did.
func events(p *proc, from uint64, since time.Time) (list []string) {
	for _, l := range p.out.all() {
		switch l.Type {
		case "accepted", "delivered", "pending", "ready", "members", "stats":
			continue
		}
		if l.Seq >= from || l.Seq == 0 && l.at.After(since) {
			list = append(list, fmt.Sprintf("%d %s %s%s %s", l.Seq, l.Type, l.From, l.Nick, l.Text))
		}
	}
	return list
}

// unmoved checks that people have lived through an attack without noticing: no
// events but what they said themselves, the same for all, and still the same
// seats over the same carrier.
func unmoved(t *testing.T, transport string, from uint64, since time.Time, people ...*proc) {
	t.Helper()
	want := events(people[0], from, since)
	for _, p := range people {
		p.lives()
		got := events(p, from, since)
		if !slices.Equal(got, want) {
			t.Errorf("%s was told %d things, %s %d:\n%q\n%q", p.name, len(got), people[0].name, len(want), got, want)
		}
		for _, e := range got {
			if !strings.Contains(e, " message ") {
				t.Errorf("%s was told %q", p.name, e)
			}
		}
	}
	people[0].say("/names")
	list, _ := people[0].await("who is there", kind("members")).Members.([]any)
	for _, m := range list {
		seat, _ := m.(map[string]any)
		if seat["role"] != "host" && seat["transport"] != transport {
			t.Errorf("a seat is now %v", seat)
		}
	}
	if len(list) != len(people) {
		t.Errorf("%d seats, want %d: %v", len(list), len(people), list)
	}
}

// A whole session, from the first datagram on, is played back to both ends
// three times, and once more with a bit flipped in each packet, while people
// talk. Nothing comes of it. In plaintext neither: a number counts once, and a
// flipped bit spoils the checksum; whoever computes that anew can forge there,
// as the program says.
func TestLANReplay(t *testing.T) {
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			l := newLAN(t, "ana", "ben", "cyn", "mallory")
			for _, m := range l.machines { // so that a packet of the capture is one of the wire
				l.run("ip", "-n", m.ns, "link", "set", "eth0", "gso_max_segs", "1")
			}
			boxes := l.boxes()
			ana := boxes[0].host("ana", "physics", way.flags...)
			flags := append([]string{"--transport", way.transport}, way.flags...)
			stop := l.machines[1].capture("ip and port 7667")
			ben, cyn := boxes[1].join("ben", boxes[0].ip, flags...), boxes[2].join("cyn", boxes[0].ip, flags...)
			exchange("before", 10, 300, ana, ben, cyn)
			exchange("long", 1, 4000, ben, ana)
			file := filepath.Join(t.TempDir(), "session.pcap")
			if err := os.WriteFile(file, stop(), 0o600); err != nil {
				t.Fatal(err)
			}
			exchange("now", 1, 20, ana)
			from := ana.out.all()[len(ana.out.all())-1].Seq
			for _, p := range []*proc{ben, cyn} {
				p.sees("the last of it", func(l line) bool { return l.Seq >= from })
			}

			// What comes from the attacker's card, whatever it says of itself.
			mac := strings.TrimSpace(string(l.run("ip", "netns", "exec", l.machines[3].ns, "cat", "/sys/class/net/eth0/address")))
			for _, m := range l.machines[:2] {
				l.run("ip", "netns", "exec", m.ns, "nft", "add rule inet parley in ether saddr "+mac+" counter name forged")
			}
			since := time.Now()
			replay := l.machines[3].start(needPython(t), "-c", inject, file, "3")
			worst := exchange("meanwhile", 10, 300, ana, ben, cyn)
			done := strings.Fields(replay.awaitWithin(time.Minute, "the end of it", has("done")).text)
			worst = max(worst, exchange("after", 5, 300, ana, ben, cyn))
			unmoved(t, way.transport, from+1, since, ana, ben, cyn)
			sent, flipped := number(t, done, 1), number(t, done, 2)
			if got := l.machines[0].counted()["forged"].Packets + l.machines[1].counted()["forged"].Packets; got < uint64(sent+flipped) {
				t.Errorf("only %d packets of %d came to where they should", got, sent+flipped)
			}
			if flipped < 60 || done[3] != "0" {
				t.Errorf("only %d packets were flipped, %s were too large", flipped, done[3])
			}
			t.Logf("FIGURE %s: %d packets of a live session played back, %d with a bit flipped: no effect; messages meanwhile took %v at most",
				way.name, sent, flipped, worst.Round(time.Millisecond))
		})
	}
}

// unreachable sends ICMP errors of every code about a conversation, as routers
// and hosts that are not there would, from addresses that are somebody else's.
const unreachable = `
import itertools, os, random, socket, struct, sys, time
count, proto, host, member, port = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5])
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
def checksum(b):
    if len(b) % 2: b += b'\0'
    s = sum(struct.unpack('>%dH' % (len(b) // 2), b))
    while s >> 16: s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff
def ip(src, dst, proto, body):
    h = struct.pack('>BBHHHBBH4s4s', 0x45, 0, 20 + len(body), random.randrange(65536), 0x4000, 64, proto, 0, socket.inet_aton(src), socket.inet_aton(dst))
    return h[:10] + struct.pack('>H', checksum(h)) + h[12:] + body
kinds = [(3, c) for c in range(16)] + [(11, 0), (11, 1), (12, 0), (4, 0)]
sent = 0
for n, (kind, code) in zip(range(count), itertools.cycle(kinds)):
    for victim, sport, peer, dport in ((host, 7667, member, port), (member, port, host, 7667)):
        if proto == 17: inner = struct.pack('>HHHH', sport, dport, 1208, 0) + b'\x40' + os.urandom(40)
        else: inner = struct.pack('>HHIIHHHH', sport, dport, random.getrandbits(32), random.getrandbits(32), 0x5010, 500, 0, 0)
        mtu = random.choice((0, 68, 296, 552, 576, 1000)) if (kind, code) == (3, 4) else 0
        body = struct.pack('>BBHHH', kind, code, 0, 0, mtu) + ip(victim, peer, proto, inner)
        body = body[:2] + struct.pack('>H', checksum(body)) + body[4:]
        raw.sendto(ip(random.choice((peer, '10.77.0.99')), victim, 1, body), (victim, 0))
        if proto == 6: # and a reset by one who cannot know the numbers
            reset = struct.pack('>HHIIBBHHH', dport, sport, random.getrandbits(32), random.getrandbits(32), 0x50, random.choice((4, 20)), 0, 0, 0)
            pseudo = socket.inet_aton(peer) + socket.inet_aton(victim) + struct.pack('>HH', 6, 20)
            raw.sendto(ip(peer, victim, 6, reset[:16] + struct.pack('>H', checksum(pseudo + reset)) + reset[18:]), (victim, 0))
        sent += 1
    time.sleep(0.0005)
print('done', sent, flush=True)
`

// A thousand forged ICMP errors towards either end end no conversation and
// change no carrier. They are a hint at most. Nor do as many resets of a stream
// by one who does not see it.
func TestLANForgedICMP(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			l := newLAN(t, "ana", "ben", "mallory")
			boxes := l.boxes()
			ana := boxes[0].host("ana", "physics")
			stop := l.machines[1].capture("ip and dst port 7667 and " + transport)
			flags := []string{"--transport", transport}
			if transport == "udp" {
				flags = nil // auto, so that it could change
			}
			ben := boxes[1].join("ben", boxes[0].ip, flags...)
			exchange("before", 3, 300, ana, ben)
			packets := ipPackets(stop())
			if len(packets) == 0 {
				t.Fatal("nothing was captured")
			}
			proto, port := packets[0][9], binary.BigEndian.Uint16(packets[len(packets)-1][20:])
			from := ben.await("the last message", func(l line) bool { return strings.HasPrefix(l.Text, "before-ben-2") }).Seq
			exchange("now", 1, 20, ana)
			calm := exchange("calm", 5, 4000, ana, ben)

			since := time.Now()
			attack := l.machines[2].start(needPython(t), "-c", unreachable, "1000", fmt.Sprint(proto), boxes[0].ip, boxes[1].ip, fmt.Sprint(port))
			worst := exchange("meanwhile", 10, 4000, ana, ben)
			done := strings.Fields(attack.awaitWithin(time.Minute, "the end of it", has("done")).text)
			worst = max(worst, exchange("after", 5, 4000, ana, ben))
			unmoved(t, transport, from+1, since, ana, ben)
			t.Logf("FIGURE %s: %s forged ICMP errors: the session lives; messages of 4,000 bytes took %v at most, %v without",
				transport, done[1], worst.Round(time.Millisecond), calm.Round(time.Millisecond))
		})
	}
}

// ipPackets returns the IP packets of a capture.
func ipPackets(pcap []byte) (packets [][]byte) {
	const header, record, ethernet = 24, 16, 14
	for at := header; at+record <= len(pcap); {
		size := int(binary.LittleEndian.Uint32(pcap[at+8:]))
		if end := at + record + size; end <= len(pcap) && size > ethernet+28 {
			packets = append(packets, pcap[at+record+ethernet:end])
		}
		at += record + size
	}
	return packets
}

// clientHello finds in a capture what a member's handshake begins with.
func clientHello(t *testing.T, pcap []byte) string {
	t.Helper()
	for _, p := range ipPackets(pcap) {
		const payload, shakeHeader = 28, 29
		if len(p) == payload+1200 && p[9] == 17 && p[payload] == 0x05 {
			return hex.EncodeToString(p[payload+shakeHeader:])
		}
	}
	t.Fatal("the capture has no handshake")
	return ""
}
