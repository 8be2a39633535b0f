package main_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"parley/cluster/clustertest"
	"parley/room/roomtest"
	"parley/text"
)

// fleet is a room of several hosts on three servers, all on this computer. Between each
// host and the servers is a cable that can be cut.
type fleet struct {
	*box
	servers *clustertest.Servers
	hosts   map[string]*proc
	ports   map[string]int
	cables  map[string][]*cable
}

func newFleet(t *testing.T, planned int) *fleet {
	t.Helper()
	f := &fleet{box: loopback(t), hosts: map[string]*proc{}, ports: map[string]int{}, cables: map[string][]*cable{}}
	// What the servers tell of each other leads round the cables.
	f.servers = clustertest.Start(t, 3, func(o *server.Options) { o.Cluster.NoAdvertise = true })
	f.env = append(f.env, "PARLEY_NO_DISCOVERY=true")
	f.record(planned)
	return f
}

// open has somebody host the room, too.
func (f *fleet) open(name string, more ...string) *proc {
	f.t.Helper()
	var urls []string
	for _, u := range f.servers.URLs() {
		c := newCable(f.t, strings.TrimPrefix(u, "nats://"))
		f.cables[name] = append(f.cables[name], c)
		urls = append(urls, "nats://"+c.Addr().String())
	}
	port := freePort(f.t)
	f.ports[name], f.port = port, port
	f.hosts[name] = f.host(name, "bridge", append([]string{"--cluster", strings.Join(urls, ",")}, more...)...)
	return f.hosts[name]
}

// sit has somebody join at a host.
func (f *fleet) sit(name, host string, more ...string) *proc {
	f.t.Helper()
	p := f.join(name, net.JoinHostPort(f.ip, strconv.Itoa(f.ports[host])), more...)
	for other, h := range f.hosts { // it is one room
		if other != host {
			h.await(name, comes(name))
		}
	}
	return p
}

// cut cuts a host off from the servers, or heals that.
func (f *fleet) cut(host string, off bool) {
	for _, c := range f.cables[host] {
		c.cut(off)
	}
}

// streamOf is where a room is kept.
func streamOf(room string) string {
	sum := sha256.Sum256([]byte("parley room 1\n" + text.RoomKey(room)))
	return fmt.Sprintf("PARLEY_%x", sum[:16])
}

// talks has everybody say count things, with pauses, beside what the caller does.
func (f *fleet) talks(count int, every time.Duration, people ...*proc) (wait func() (last uint64)) {
	var talking sync.WaitGroup
	for _, p := range people {
		talking.Go(func() {
			for n := range count {
				f.tell(p, "", numbered(p.name, n, 100))
				<-time.After(every)
			}
		})
	}
	return func() (last uint64) {
		f.t.Helper()
		talking.Wait()
		for _, p := range people {
			n := 0
			p.sees(fmt.Sprintf("%d times an answer", count), func(l line) bool {
				if l.Type == "accepted" {
					last = max(last, l.Seq)
				}
				if l.Type == "accepted" || l.Type == "failed" {
					n++
				}
				return n == count
			})
		}
		return last
	}
}

// Three hosts are one room, while the server that leads it goes and comes back.
func TestClusterIsOneRoom(t *testing.T) {
	t.Parallel()
	const each = 60
	f := newFleet(t, 5*each)
	ana, ben, cyn := f.open("ana"), f.open("ben"), f.open("cyn")
	mia, noa, oli := f.sit("mia", "ana"), f.sit("noa", "ben", "--transport", "tcp"), f.sit("oli", "cyn")
	if mia.sees("ready", kind("ready")).Key != noa.sees("ready", kind("ready")).Key {
		t.Error("the room has two keys")
	}
	last := f.talks(each, 20*time.Millisecond, ana, mia, noa, oli, cyn)
	<-time.After(300 * time.Millisecond)
	for i := range 3 { // one of them leads
		f.servers.Stop(i)
		<-time.After(300 * time.Millisecond)
		f.servers.Restart(i)
		f.servers.Settle()
	}
	f.judge(last(), ana, ben, cyn, mia, noa, oli)
	for _, p := range []*proc{mia, noa, oli} {
		p.say("/names")
		names := p.await("who is here", kind("members"))
		if n := strings.Count(names.text, `"nick"`); n != 6 {
			t.Errorf("%s sees %d people: %s", p.name, n, names.text)
		}
	}
}

// The people of a host that is killed sit at another soon, and miss nothing.
func TestClusterHostKilled(t *testing.T) {
	t.Parallel()
	const each = 40
	f := newFleet(t, 3*each)
	f.open("ana")
	ben, cyn := f.open("ben"), f.open("cyn")
	mia, noa, oli := f.sit("mia", "ana"), f.sit("noa", "ana", "--transport", "tcp"), f.sit("oli", "ben")
	last := f.talks(each, 100*time.Millisecond, mia, noa, oli)
	<-time.After(time.Second)
	killed := time.Now()
	f.hosts["ana"].kill()
	f.rec.Add(roomtest.Record{Op: roomtest.End, Who: "ana", Dead: true})
	for _, p := range []*proc{mia, noa} {
		again := p.await("another host", func(l line) bool { return l.Type == "link" && l.State != "lost" })
		t.Logf("FIGURE host of a cluster's room killed, %s sits at another after %v (target 5s)", p.name, round(again.at.Sub(killed)))
	}
	f.judge(last(), ben, cyn, mia, noa, oli)
	for _, l := range oli.out.all() {
		if l.Type == "leave" && (l.Nick == "mia" || l.Nick == "noa") || l.Type == "join" && l.Reason == "" && (l.Nick == "mia" || l.Nick == "noa") && l.at.After(killed) {
			t.Errorf("a move is shown as %s", l.text)
		}
	}
}

// A host that is cut off says so, and refuses what is said, or keeps it; the others go on.
func TestClusterCutOff(t *testing.T) {
	for _, mode := range []string{"readonly", "queue"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, 4)
			f.open("ana", "--cut-off", mode)
			ben := f.open("ben", "--cut-off", mode)
			mia, noa := f.sit("mia", "ana"), f.sit("noa", "ben")
			f.tell(mia, "", "before")
			noa.await("it", said("before"))
			mia.await("it", said("before"))
			f.cut("ana", true)
			f.tell(mia, "", "into the dark")
			mia.await("that it is cut off", func(l line) bool { return l.Type == "notice" && l.Code == "readonly" })
			<-time.After(clusterDark)
			f.tell(noa, "", "meanwhile")
			noa.await("his own", said("meanwhile"))
			f.tell(mia, "", "later")
			if mode == "readonly" {
				if no := mia.sees("a refusal", kind("failed")); no.Code != "not_stored" {
					t.Errorf("refused with %s", no.text)
				}
			}
			f.cut("ana", false)
			mia.sees("that it is over", func(l line) bool { return l.Type == "notice" && l.Code == "writable" })
			mia.sees("what was said meanwhile", said("meanwhile"))
			noa.sees("what was on its way", said("into the dark"))
			if mode == "queue" {
				noa.sees("what waited", said("later"))
			}
			f.tell(mia, "", "after")
			last := noa.await("the end", said("after")).Seq
			f.judge(last, ben, f.hosts["ana"], mia, noa)
		})
	}
}

// Of two who want one name at the same instant, at two hosts, one gets it.
func TestClusterNames(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 0)
	f.rec = nil
	f.open("ana")
	f.open("ben")
	mia, noa := f.sit("mia", "ana"), f.sit("noa", "ben")
	called := map[*proc]string{mia: "mia", noa: "noa"}
	for n := range clusterRaces {
		nick := fmt.Sprint("eve", n)
		mia.say("/nick " + nick)
		noa.say("/nick " + nick)
		won := 0
		for _, p := range []*proc{mia, noa} {
			l := p.await("an answer", func(l line) bool {
				return l.Type == "error" && l.Code == "nick_taken" || l.Type == "nick" && l.Nick == nick && l.From == called[p]
			})
			if l.Type == "nick" {
				won++
				called[p] = nick
			}
		}
		if won != 1 {
			t.Fatalf("%d have the name %s", won, nick)
		}
	}
	t.Logf("FIGURE %d times two wanted one name at two hosts: each time one got it", clusterRaces)
}

// What one host's user decides holds at all.
func TestClusterModeration(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 0)
	f.rec = nil
	ana := f.open("ana")
	f.open("ben")
	mia, noa := f.sit("mia", "ben"), f.sit("noa", "ben")
	begin := time.Now()
	ana.say("/ban mia 10m spam")
	mia.exits(4)
	t.Logf("FIGURE a ban at one host put somebody out at another after %v (target 1s)", round(time.Since(begin)))
	noa.await("the ban", kind("ban"))
	if p := f.joining("mia", net.JoinHostPort(f.ip, strconv.Itoa(f.ports["ben"]))); p.sees("a refusal", kind("error")).Code != "banned" {
		t.Error("she may come back at the other host")
	}
	ana.say("/lock exam")
	noa.await("the lock", kind("lock"))
	if p := f.joining("oli", net.JoinHostPort(f.ip, strconv.Itoa(f.ports["ben"]))); p.sees("a refusal", kind("error")).Code != "locked" {
		t.Error("the lock of one host does not hold at another")
	}
	ana.say("/handover noa")
	ana.await("why not", func(l line) bool { return strings.Contains(l.Text, "several hosts") })
}

// Where the cluster cannot be used there is no room, and certainly none of this computer alone.
func TestClusterThatWillNotDo(t *testing.T) {
	t.Parallel()
	with := func(change func(*server.Options)) string { return clustertest.Start(t, 1, change).URLs()[0] }
	b := loopback(t)
	for _, c := range []struct {
		name, url, says string
		code            int
	}{
		{"nobody there", "nats://127.0.0.1:" + strconv.Itoa(freePort(t)), "no majority of the servers answers", 5},
		{"no JetStream", with(func(o *server.Options) { o.JetStream = false }), "JetStream is off", 1},
		{"a password", with(func(o *server.Options) { o.Username, o.Password = "ana", "secret" }), "do not let this host in", 4},
		{"an address of something else", "http://127.0.0.1", "is not the address of a server", 2},
		{"an old server", oldServer(t), "2.9 or newer is needed", 1},
	} {
		out, talk, code := b.once("ana", "", "host", "bridge", "--cluster", c.url, "--json", "--headless")
		if code != c.code || !strings.Contains(out, c.says) || !strings.Contains(out, `"hint"`) || strings.Contains(out, `"ready"`) {
			t.Errorf("%s: exit code %d, %s%s", c.name, code, out, talk)
		}
		out, _, code = b.once("ana", "", "doctor", "--cluster", c.url, "--json")
		if code == 0 || !strings.Contains(out, c.says) {
			t.Errorf("%s: doctor: exit code %d, %s", c.name, code, out)
		}
	}
	for _, args := range [][]string{{"--plaintext"}, {"--continue"}, {"--keep", "none"}, {"--replicas", "9"}, {"--cluster-cert", "x"}} {
		if _, _, code := b.once("ana", "", append([]string{"host", "bridge", "--cluster", "nats://127.0.0.1"}, args...)...); code != 2 {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
}

// What somebody else writes into the buckets of a room is found, or does nothing.
func TestClusterEdited(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 0)
	f.rec = nil
	ana := f.open("ana")
	mia := f.sit("mia", "ana")
	conn, err := nats.Connect(f.servers.URLs()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, _ := jetstream.New(conn)
	ctx := t.Context()
	names := js.KeyValueStoreNames(ctx)
	for name := range names.Name() {
		kv, err := js.KeyValue(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"key", "verifier", "name.zz", "name.6d616c", "0123456789abcdef", strings.Repeat("f", 16)} {
			if _, err := kv.PutString(ctx, key, "{\x1b[2J nonsense"); err != nil {
				t.Fatal(err)
			}
		}
	}
	streams := js.StreamNames(ctx)
	for name := range streams.Name() { // and straight into the log
		if strings.HasPrefix(name, "PARLEY_") {
			for _, subject := range []string{"x", "1.2", strings.Repeat("0", 64) + "." + strings.Repeat("1", 32)} {
				if _, err := js.Publish(ctx, "parley."+strings.ToLower(strings.TrimPrefix(name, "PARLEY_"))+"."+subject, []byte("\x01{\x1b nonsense")); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	mia.say("still here")
	ana.await("what is said after it", said("still here"))
	for _, p := range []*proc{ana, mia} {
		for _, l := range p.out.all() {
			if strings.Contains(l.text, "nonsense") {
				t.Errorf("%s shows %s", p.name, l.text)
			}
		}
	}
	out, talk, code := f.once("ben", "", "host", "bridge", "--cluster", f.servers.URLs()[0], "--json", "--headless")
	if code != 1 || !strings.Contains(out, "cluster_edited") || strings.Contains(out, `"ready"`) {
		t.Errorf("with another key in the bucket: exit code %d, %s%s", code, out, talk)
	}
}

// oldServer says that it is one of long ago.
func oldServer(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprintf(c, "INFO {\"server_id\":\"x\",\"version\":\"2.1.9\",\"proto\":1,\"max_payload\":1048576}\r\n")
			b := make([]byte, 4096)
			for {
				n, err := c.Read(b)
				if err != nil {
					break
				}
				if strings.Contains(string(b[:n]), "PING") {
					io.WriteString(c, "PONG\r\n")
				}
			}
			c.Close()
		}
	}()
	return "nats://" + l.Addr().String()
}

// cable leads to a server, until it is cut: then nothing passes, either way, and nobody
// is told.
type cable struct {
	net.Listener
	dark atomic.Bool
	done chan struct{}
}

func newCable(t testing.TB, to string) *cable {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{Listener: l, done: make(chan struct{})}
	var running sync.WaitGroup
	t.Cleanup(func() { close(c.done); l.Close(); running.Wait() })
	running.Go(func() {
		for {
			a, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer a.Close()
				if c.wait() != nil {
					return
				}
				b, err := net.Dial("tcp", to)
				if err != nil {
					return
				}
				defer b.Close()
				var both sync.WaitGroup
				for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
					both.Go(func() {
						defer a.Close()
						defer b.Close()
						c.pass(way[0], way[1])
					})
				}
				both.Wait()
			})
		}
	})
	return c
}

func (c *cable) cut(off bool) { c.dark.Store(off) }

// wait waits while it is dark.
func (c *cable) wait() error {
	for c.dark.Load() {
		select {
		case <-c.done:
			return net.ErrClosed
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

func (c *cable) pass(from, to net.Conn) {
	b := make([]byte, 32<<10)
	for {
		from.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		n, err := from.Read(b)
		if c.wait() != nil {
			return
		}
		if n > 0 {
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if ne, ok := err.(net.Error); err != nil && !(ok && ne.Timeout()) {
			return
		}
		select {
		case <-c.done:
			return
		default:
		}
	}
}
