// Package clustertest starts NATS servers in the test's own process, on loopback.
package clustertest

import (
	"fmt"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// patience is how long servers may take to find each other.
const patience = 30 * time.Second

// Servers are some that keep the same.
type Servers struct {
	t       testing.TB
	options []*server.Options
	all     []*server.Server
}

// Start starts n servers with JetStream, and waits until they agree on a leader. What
// change does to the options of each is done before.
func Start(t testing.TB, n int, change func(*server.Options)) *Servers {
	t.Helper()
	s := &Servers{t: t, all: make([]*server.Server, n)}
	ports := free(t, 2*n)
	var routes []*url.URL
	for i := range n {
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", ports[n+i])})
	}
	for i := range n {
		o := &server.Options{ServerName: fmt.Sprintf("n%d", i), Host: "127.0.0.1", Port: ports[i], JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true}
		if n > 1 {
			o.Cluster = server.ClusterOpts{Name: "parley", Host: "127.0.0.1", Port: ports[n+i]}
			o.Routes = routes
		}
		if change != nil {
			change(o)
		}
		s.options = append(s.options, o)
	}
	t.Cleanup(func() {
		for i := range s.all {
			s.Stop(i)
		}
	})
	for i := range n {
		s.Restart(i)
	}
	s.Settle()
	return s
}

// free finds ports that nobody has.
func free(t testing.TB, n int) (ports []int) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// URLs are the addresses of all.
func (s *Servers) URLs() (urls []string) {
	for _, o := range s.options {
		urls = append(urls, fmt.Sprintf("nats://127.0.0.1:%d", o.Port))
	}
	return urls
}

// Stop stops one, if it runs.
func (s *Servers) Stop(i int) {
	if s.all[i] != nil {
		s.all[i].Shutdown()
		s.all[i].WaitForShutdown()
		s.all[i] = nil
	}
}

// Restart starts one that does not run.
func (s *Servers) Restart(i int) {
	s.t.Helper()
	one, err := server.NewServer(s.options[i].Clone())
	if err != nil {
		s.t.Fatal(err)
	}
	one.Start()
	if s.all[i] = one; !one.ReadyForConnections(patience) {
		s.t.Fatal("a server does not start")
	}
}

// Settle waits until those that run have a leader, where there are several.
func (s *Servers) Settle() {
	s.t.Helper()
	if len(s.all) == 1 {
		return
	}
	for end := time.Now().Add(patience); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		for _, one := range s.all {
			if one != nil && one.JetStreamIsLeader() && len(one.ActivePeers()) > len(s.all)/2 {
				return
			}
		}
	}
	s.t.Fatal("the servers have no leader")
}

// Leader is which server leads a stream; -1 for none.
func (s *Servers) Leader(stream string) int {
	for i, one := range s.all {
		if one != nil && one.JetStreamIsStreamLeader("$G", stream) {
			return i
		}
	}
	return -1
}
