package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Times. A LAN answers in milliseconds; a server that is gone should be noticed in
// the time in which a member notices a host.
const (
	dialTime    = 2 * time.Second
	pingEvery   = 2 * time.Second // 2 unanswered: the next server is tried
	takeTime    = 2 * time.Second // for a server to take what it is sent: whatever else uses the connection waits meanwhile
	reconnect   = 250 * time.Millisecond
	requestTime = 5 * time.Second // for an answer of JetStream
	maxServers  = 16
)

// The oldest server that can be used: it has consumers that are named and subjects
// that are expected to be empty.
const oldMajor, oldMinor = 2, 9

// Options say which servers, and how.
type Options struct {
	URLs   []string // nats:// or tls://, with NAME:PASSWORD@ or without; a bare host is nats://
	Creds  string   // a file with credentials; empty: none
	CA     string   // a file with certificates that vouch for the servers; empty: the system's
	Cert   string   // ours, and
	Key    string   // its key; empty: none
	Name   string   // what the servers list us as
	Logger *slog.Logger
	Warn   func(text string) // is told what people should know; it must not wait. Nil: nobody is
}

// A Cluster is a connection to the servers, to whichever of them is there.
type Cluster struct {
	conn    *nats.Conn
	js      jetstream.JetStream
	servers string
	log     *slog.Logger
	told    func(string)
}

// Connect connects to one of the servers and sees that they can keep a room. What goes
// wrong is an [*Error], or the end of ctx.
func Connect(ctx context.Context, o Options) (*Cluster, error) {
	c := &Cluster{log: o.Logger, told: o.Warn}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	urls, err := addresses(o.URLs)
	if err != nil {
		return nil, err
	}
	c.servers = strings.Join(shown(urls), ",")
	options := c.settings(o.Name)
	for _, f := range []string{o.Creds, o.CA, o.Cert, o.Key} {
		if f == "" {
			continue
		}
		if err := readable(f); err != nil {
			return nil, &Error{CodeFile, err.Error(), "name a file that can be read", err}
		}
	}
	if o.Creds != "" {
		options = append(options, nats.UserCredentials(o.Creds))
	}
	if o.CA != "" {
		options = append(options, nats.RootCAs(o.CA))
	}
	if o.Cert != "" {
		options = append(options, nats.ClientCert(o.Cert, o.Key))
	}
	if c.conn, err = nats.Connect(strings.Join(urls, ","), options...); err != nil {
		return nil, explain(err, c.servers)
	}
	if err := c.look(ctx); err != nil {
		c.conn.Close()
		return nil, explain(err, c.servers)
	}
	return c, nil
}

// settings are how every connection is made.
func (c *Cluster) settings(name string) []nats.Option {
	return []nats.Option{nats.SetCustomDialer(guarded{}), nats.Name(name), nats.Timeout(dialTime), nats.PingInterval(pingEvery), nats.MaxPingsOutstanding(2),
		nats.FlusherTimeout(takeTime), nats.ReconnectOnFlusherError(), nats.MaxReconnects(-1), nats.ReconnectWait(reconnect), nats.ReconnectJitter(reconnect, reconnect), nats.ReconnectBufSize(-1),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { c.log.Warn("the connection to the cluster is lost", "err", err) }),
		nats.ReconnectHandler(func(n *nats.Conn) { c.log.Warn("the cluster is there again", "server", n.ConnectedUrlRedacted()) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { c.log.Debug("cluster", "err", err) })}
}

// look sees what the server can do.
func (c *Cluster) look(ctx context.Context) (err error) {
	if v := c.conn.ConnectedServerVersion(); !recent(v) {
		return &Error{CodeTooOld, fmt.Sprintf("the server at %s is a nats-server %.20q: 2.9 or newer is needed", c.conn.ConnectedUrlRedacted(), v), "install a newer one", nil}
	}
	if n := c.conn.MaxPayload(); n < maxEntry {
		return &Error{CodePayload, fmt.Sprintf("the server at %s takes messages of %d bytes at most: a room has larger ones", c.conn.ConnectedUrlRedacted(), n),
			fmt.Sprintf("set max_payload there to %d or more; 1MB is usual", maxEntry), nil}
	}
	if c.js, err = jetstream.New(c.conn, jetstream.WithPublishAsyncTimeout(requestTime), jetstream.WithPublishAsyncMaxPending(maxUnderWay)); err != nil {
		return err
	}
	// A cluster that was started just now has no leader for a moment.
	for wait := 100 * time.Millisecond; ; wait *= 2 {
		once, cancel := context.WithTimeout(ctx, requestTime)
		_, err = c.js.AccountInfo(once)
		cancel()
		if err == nil || ctx.Err() != nil || wait > 2*time.Second || !errors.Is(err, nats.ErrNoResponders) && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close ends the connection. Nothing of the cluster is used after it.
func (c *Cluster) Close() { c.conn.Close() }

// Up tells whether there is a server now.
func (c *Cluster) Up() bool { return c.conn.IsConnected() }

// Guarded tells whether the servers want to know who comes.
func (c *Cluster) Guarded() bool { return c.conn.AuthRequired() }

// Clear tells whether what is said to the servers can be read on the way.
func (c *Cluster) Clear() bool {
	if _, err := c.conn.TLSConnectionState(); err == nil {
		return false
	}
	at, err := netip.ParseAddrPort(c.conn.ConnectedAddr())
	return err != nil || !at.Addr().Unmap().IsLoopback()
}

// warn tells people.
func (c *Cluster) warn(text string) {
	if c.log.Warn(text); c.told != nil {
		c.told(text)
	}
}

// addresses puts the servers' addresses right.
func addresses(list []string) (urls []string, err error) {
	bad := func(what string) error {
		return &Error{CodeAddress, what, "for example: --cluster nats://10.0.0.1,nats://10.0.1.1:4222", nil}
	}
	for _, s := range list {
		if !strings.Contains(s, "://") {
			s = "nats://" + s
		}
		u, err := url.Parse(s)
		if err != nil || u.Hostname() == "" || !slices.Contains([]string{"nats", "tls"}, u.Scheme) || u.Path != "" && u.Path != "/" {
			return nil, bad(fmt.Sprintf("%.80q is not the address of a server: want nats://HOST[:PORT] or tls://HOST[:PORT]", redact(s)))
		}
		if port := u.Port(); port != "" {
			if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
				return nil, bad(fmt.Sprintf("%q has no port that there is", redact(s)))
			}
		}
		urls = append(urls, u.String())
	}
	if len(urls) == 0 || len(urls) > maxServers {
		return nil, bad(fmt.Sprintf("a cluster has 1 to %d servers", maxServers))
	}
	return urls, nil
}

// redact leaves out what stands before the @ of an address: it may be a password.
func redact(s string) string {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return "…@" + s[i+1:]
	}
	return s
}

// shown are addresses as people are shown them.
func shown(urls []string) (list []string) {
	for _, s := range urls {
		u, _ := url.Parse(s)
		u.User = nil
		list = append(list, u.String())
	}
	return list
}

// recent tells whether a server's version can be used.
func recent(v string) bool { return since(v, oldMajor, oldMinor) }

// since tells whether a version is one, or a later one.
func since(v string, oldMajor, oldMinor int) bool {
	major, rest, _ := strings.Cut(v, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, err1 := strconv.Atoi(major)
	b, err2 := strconv.Atoi(minor)
	return err1 == nil && err2 == nil && (a > oldMajor || a == oldMajor && b >= oldMinor)
}

// maxCredentials is more than a file of credentials or certificates has.
const maxCredentials = 1 << 20

// readable tells whether the library, which reads all of it at every connection, can read a file. A pipe would be waited
// for, and a device never ends.
func readable(name string) error {
	switch info, err := os.Stat(name); {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no file", name)
	case info.Size() > maxCredentials:
		return fmt.Errorf("%s is larger than %d KiB", name, maxCredentials>>10)
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return f.Close()
}
