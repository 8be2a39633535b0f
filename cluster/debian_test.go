package cluster

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"testing"
	"time"

	"parley/room"
	"parley/transport"
)

// TestInstalledServer does what a host does with the nats-server that is installed here:
// Debian's is older than the one the other tests run.
func TestInstalledServer(t *testing.T) {
	path, err := exec.LookPath("nats-server")
	if err != nil {
		t.Skip("SKIPPED: no nats-server is installed here (apt-get install nats-server)")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
	l.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-js", "-sd", t.TempDir(), "-a", "127.0.0.1", "-p", port)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cancel()
	var c *Cluster
	for {
		if c, err = Connect(ctx, Options{URLs: []string{"nats://127.0.0.1:" + port}}); err == nil {
			break
		}
		if pause(ctx, 50*time.Millisecond); ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	defer c.Close()
	t.Log("nats-server", c.conn.ConnectedServerVersion())
	r := open(t, c, "physics")
	for _, who := range []string{"a", "b"} {
		if key, err := r.Secret(ctx, []byte("key "+who)); err != nil || string(key) != "key a" {
			t.Errorf("%q, %v", key, err)
		}
	}
	for n := range 2 {
		results, err := r.Append(ctx, []room.Entry{entryOf(1, 1), entryOf(2, 1), entryOf(1, 2)})
		if err != nil || results[2].Seq != 3 || results[0].Duplicate != (n > 0) {
			t.Fatal(results, err)
		}
	}
	if all := follow(t, r, 3); len(all) != 3 {
		t.Error(all)
	}
	if page, err := r.Page(ctx, transport.Key{}, 4, 10); err != nil || len(page) != 3 {
		t.Error(page, err)
	}
	for _, who := range []string{"a", "b"} {
		if holder, err := r.Claim(ctx, "ana", who); err != nil || (holder == "a") != (who == "b") {
			t.Error(holder, err)
		}
	}
	if err := r.Release(ctx, "ana", "a"); err != nil {
		t.Error(err)
	}
	r.sweep(ctx, time.Now(), claims{}, func(string) bool { return true })
	if info, err := r.agreed.Status(ctx); err != nil || info.Values() != 1 {
		t.Errorf("beside the key there is what was left of names: %v", err)
	}
	there := make(chan []Host, 9)
	attending, leave := context.WithCancel(ctx)
	ended := make(chan error)
	go func() {
		ended <- r.Attend(attending, func() Host { return hostOf(1) }, func(l []Host) { there <- l }, func(bool) {})
	}()
	select {
	case <-there:
	case <-ctx.Done():
		t.Error("nobody is there")
	}
	leave()
	<-ended
	if _, err := c.Report(ctx); err != nil {
		t.Error("no report:", err)
	}
}
