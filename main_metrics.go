package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"parley/metrics"
)

// metricsAddr reads an address to show metrics at. Without a host it is of this
// computer alone.
func metricsAddr(s string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(s)
	if _, none := strconv.Atoi(s); none == nil { // a port alone
		host, port, err = "", s, nil
	}
	if host == "" || strings.EqualFold(host, "localhost") {
		host = "127.0.0.1"
	}
	n, wrong := strconv.ParseUint(port, 10, 16)
	switch addr, bad := netip.ParseAddr(host); {
	case err != nil && isAddr(s):
		return netip.AddrPort{}, fmt.Errorf("%s lacks a port: %s", s, net.JoinHostPort(strings.Trim(s, "[]"), "9090"))
	case err != nil || bad != nil:
		return netip.AddrPort{}, fmt.Errorf("%q is not PORT or ADDRESS:PORT: 9090 is this computer alone, 0.0.0.0:9090 the network, too", s)
	case wrong != nil:
		return netip.AddrPort{}, fmt.Errorf("%q is no port: want a number up to 65535", port)
	default:
		return netip.AddrPortFrom(addr, uint16(n)), nil
	}
}

// checkMetrics looks at the address of --metrics.
func (c *cli) checkMetrics() error {
	if c.Host.Metrics == "" {
		return nil
	}
	at, err := metricsAddr(c.Host.Metrics)
	switch {
	case err != nil:
		return fmt.Errorf("--metrics: %w", err)
	case c.Port != 0 && at.Port() == c.Port && c.Transport != "udp":
		return errors.New("--metrics and --port: each needs a port of its own")
	}
	return nil
}

func isAddr(s string) bool {
	_, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return err == nil
}

// showMetrics serves the metrics of this program, and of the node it makes
// afterwards, until ctx ends or stop is called.
func (p *program) showMetrics(ctx context.Context, at string) (stop func(), err error) {
	addr, err := metricsAddr(at)
	if err != nil {
		return nil, usage{"--metrics: " + err.Error(), "parley host ROOM --metrics 9090"}
	}
	network := "tcp6"
	if addr.Addr().Is4() { // and not, as with tcp, all of both
		network = "tcp4"
	}
	ln, err := new(net.ListenConfig).Listen(ctx, network, addr.String())
	if err != nil {
		var of *os.SyscallError
		if errors.As(err, &of) {
			err = of.Err
		}
		return nil, failed{fmt.Sprintf("the metrics cannot be shown at %s: %v", addr, err), "choose another port with --metrics, or leave it out"}
	}
	ctx, cancel := context.WithCancel(ctx)
	p.metrics, p.shown = &metrics.Server{}, ln.Addr()
	p.metrics.Add(func(_ context.Context, page *metrics.Page) {
		page.Gauge("parley_build_info", "What program this is; always 1.", 1, "version", version, "commit", commit(), "go", runtime.Version())
	})
	p.metrics.Add(metrics.Process)
	var serving sync.WaitGroup
	serving.Go(func() { p.metrics.Serve(ctx, ln) }) // it fails when it is closed, and not before
	return func() {
		cancel()
		serving.Wait()
	}, nil
}

// tellMetrics says where they are, and who can read them.
func (p *program) tellMetrics() {
	if p.metrics == nil {
		return
	}
	at := p.shown.(*net.TCPAddr).AddrPort()
	p.talk("Metrics: http://%s/metrics", netip.AddrPortFrom(at.Addr().Unmap(), at.Port()))
	if !at.Addr().Unmap().IsLoopback() {
		p.talk("Whoever reaches this computer can read them: how much is said in which rooms, never by whom or what.")
	}
}
