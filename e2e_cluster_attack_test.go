package main_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// intruder is somebody whom the servers let in, and who is no host.
type intruder struct {
	*nats.Conn
	js   jetstream.JetStream
	room string // as the servers name it
}

func (f *fleet) intruder() *intruder {
	f.t.Helper()
	conn, err := nats.Connect(f.servers.URLs()[0])
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		f.t.Fatal(err)
	}
	return &intruder{conn, js, strings.ToLower(strings.TrimPrefix(streamOf("bridge"), "PARLEY_"))}
}

// forge makes an entry's data of what it shows.
func forge(at int64, body string) []byte {
	b := binary.BigEndian.AppendUint64([]byte{1}, uint64(at))
	b = append(b, 0)
	b = binary.AppendUvarint(b, uint64(len(body)))
	return append(b, body...)
}

// What somebody writes into the log of a room who may, but is no host: whatever it is, nobody's program
// ends, nobody's terminal obeys it, all see the same, and what is said goes on.
func TestClusterForgedEntries(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 0)
	f.rec = nil
	f.open("ana")
	f.open("ben")
	mia, noa := f.sit("mia", "ana"), f.sit("noa", "ben")
	x := f.intruder()
	now := time.Now().UnixMilli()
	hex := func(n int) string { return fmt.Sprintf("%032x", n) }
	var bodies []string
	for _, kind := range []string{"message", "action", "whisper", "join", "leave", "nick", "topic", "kick", "ban", "unban", "mute", "unmute", "op", "deop", "slow", "lock", "unlock",
		"motd", "filter", "unfilter", "approve", "deny", "address", "notice", "host", "welcome", "members", "skip", "bye", "hosts", "upto", "prove", "handover", "file", "ping", "delivered", "x\x1b[2J"} {
		for n, text := range []string{`\u001b]0;owned\u0007\u001b[2J\u202eabc`, strings.Repeat("a", 300), strings.Repeat("(a|aa)+", 400), ""} {
			bodies = append(bodies, fmt.Sprintf(`{"type":%q,"from":"%[2]s","nick":"%[2]s","to":"%[2]s","by":"%[2]s","text":"%[2]s","reason":"%[2]s","seat":"%[3]s","host":"%[2]s","key":"%[4]s","role":"host","transport":"%[2]s","seconds":%[5]d,"until":"9999-12-31T23:59:59-23:59","epoch":18446744073709551615,"state":"on","code":"ban","addr":"10.0.0.1","seq":1,"at":"0001-01-01T00:00:00Z","id":"%[3]s","move":{"nick":"%[2]s","at":["10.0.0.1"],"udp":1},"hosts":[{"nick":"%[2]s"}],"log":"%[2]s","secure":true}`,
				kind, text, hex(n), strings.Repeat("ab", 32), math.MaxInt32))
		}
	}
	bodies = append(bodies, `{}`, `{`, `{"type":"join"`, `[1,2]`, `{"type":`+strings.Repeat("[", 10000), "{\"type\":\"message\",\"text\":\"\xff\xfe\"}", "\x1b[2J", `{"type":"message","from":"mia","text":"`+strings.Repeat("x", 60000)+`"}`)
	sent := 0
	put := func(subject string, header nats.Header, data []byte) {
		ack, err := x.js.PublishMsg(t.Context(), &nats.Msg{Subject: "parley." + x.room + "." + subject, Header: header, Data: data})
		if err == nil && ack.Sequence > 0 {
			sent++
		}
	}
	for n, body := range bodies {
		put(strings.Repeat("ab", 32)+"."+hex(n), nil, forge(now, body))
	}
	for n, at := range []int64{math.MinInt64, math.MaxInt64, 0, -1, 253402300800000, -62135596800001} {
		put(strings.Repeat("cd", 32)+"."+hex(n), nil, forge(at, `{"type":"join","nick":"eve`+strconv.Itoa(n)+`","seat":"`+hex(100+n)+`"}`))
		put(strings.Repeat("cd", 32)+"."+hex(100+n), nil, forge(at, `{"type":"message","from":"eve","text":"late"}`))
	}
	for n, h := range []nats.Header{{"Nats-Rollup": {"all"}}, {"Nats-Rollup": {"sub"}}, {"KV-Operation": {"PURGE"}}, {"Nats-TTL": {"1s"}}, {"Nats-Msg-Id": {"x"}}, {"Status": {"503"}}, {"Nats-Marker-Reason": {"MaxAge"}}, {"\x1b[2J": {"\x1b[2J"}}} {
		put(strings.Repeat("ef", 32)+"."+hex(n), h, forge(now, `{"type":"message","from":"eve","text":"headers"}`))
	}
	for _, subject := range []string{"key", "a.b.c", strings.Repeat("AB", 32) + "." + hex(1), strings.Repeat("ab", 32), strings.Repeat("ab", 32) + "." + hex(1) + ".x"} {
		put(subject, nil, []byte("\x01\x1b[2J"))
	}
	put(strings.Repeat("ab", 32)+"."+hex(9999), nil, append(binary.BigEndian.AppendUint64([]byte{1}, 1), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1))
	if sent < 100 {
		t.Fatalf("only %d are stored", sent)
	}
	for _, p := range []*proc{f.hosts["ana"], f.hosts["ben"]} {
		p.lives()
	}
	// It has locked the room, muted all and what not: the users of hosts may say what they like.
	f.hosts["ana"].say("still here")
	f.hosts["ben"].await("what is said after it", said("still here"))
	f.hosts["ben"].say("me too")
	f.hosts["ana"].await("what is said after it", said("me too"))
	ends := []*proc{f.hosts["ana"], f.hosts["ben"]}
	ends[1].say("/quit") // so that what it all adds up to is saved
	ends[1].exits(0)
	f.port = f.ports["ben"]
	again := f.host("ben", "bridge", "--cluster", f.servers.URLs()[0])
	again.say("again")
	ends[0].await("what is said then", said("again"))
	for _, p := range append(ends, again) {
		p.kill()
	}
	if kv, err := x.js.KeyValue(t.Context(), "parley_"+x.room+"_hosts"); err != nil || kv.PurgeDeletes(t.Context()) != nil {
		t.Fatal(err)
	} else if keys, err := kv.Keys(t.Context()); err == nil { // they need not be waited for
		for _, k := range keys {
			kv.Delete(t.Context(), k)
		}
	}
	out := f.moves("zoe", "import", "bridge", "--cluster", f.servers.URLs()[0])
	if _, talk, code := f.once("zoe", "", "history", "bridge", "--check"); code != 0 || out.Last < uint64(sent) {
		t.Errorf("what was brought from there: %+v, %d, %s", out, code, talk)
	}
	for _, args := range [][]string{{"history", "bridge"}, {"history", "bridge", "--json"}, {"doctor", "--cluster", f.servers.URLs()[0]}} {
		words, talk, _ := f.once("zoe", "", args...)
		if words += talk; strings.ContainsAny(words, "\x1b\x07\u202e") || strings.Contains(words, `\u001b`) {
			t.Errorf("%v prints what a terminal obeys", args)
		}
	}
	for _, p := range append(ends, mia, noa) {
		for _, l := range p.out.all() {
			if strings.ContainsAny(l.text, "\x1b\x07\u202e") || strings.Contains(l.text, `\u001b`) {
				t.Errorf("%s prints %q", p.name, l.text)
			}
		}
	}
}

// Somebody who writes what he likes into the buckets all the time takes nobody's name, nobody's host and
// no memory that grows.
func TestClusterFloodedBuckets(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 0)
	f.rec = nil
	ana := f.open("ana")
	f.open("ben")
	mia := f.sit("mia", "ana")
	x := f.intruder()
	for n := range 3000 {
		key := make([]byte, 32)
		binary.BigEndian.PutUint64(key, uint64(n))
		host := fmt.Sprintf(`{"id":"%x","key":"%x","nick":"h%d","at":["10.9.0.1"],"udp":1,"time":%d}`, key[:8], key, n, n)
		x.Publish(fmt.Sprintf("$KV.parley_%s_hosts.%x", x.room, key[:8]), []byte(host))
		x.Publish(fmt.Sprintf("$KV.parley_%s.name.%x", x.room, fmt.Sprint("zoe", n)), []byte("nobody"))
		x.Publish(fmt.Sprintf("parleytell.%s.%x", x.room, key[:8]), []byte(host))
	}
	if err := x.Flush(); err != nil {
		t.Fatal(err)
	}
	mia.say("hi")
	f.hosts["ben"].await("what is said", said("hi"))
	mia.say("/nick mina")
	f.hosts["ben"].await("the name", func(l line) bool { return l.Type == "nick" && l.Nick == "mina" })
	f.join("oli", net.JoinHostPort(f.ip, strconv.Itoa(f.ports["ben"])))
	ana.await("oli", comes("oli"))
	if n := len(ana.talk.all()); n > 100 {
		t.Errorf("ana is told %d things of it", n)
	}
}
