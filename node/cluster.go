package node

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"parley/cluster"
	"parley/room"
	"parley/transport"
)

// CodeCluster begins the codes of errors of a cluster; the rest is [cluster.Error]'s.
const CodeCluster = "cluster_"

// maxClocks bounds the hosts of which it is told that their clocks are others.
const maxClocks = 32

// maxShared is how many addresses of ours the other hosts' members are told.
const maxShared = 8

// join connects to the cluster that keeps the rooms, if there is one.
func (h *Hosting) join(ctx context.Context) (err error) {
	if h.node.Cluster == nil {
		return nil
	}
	o := *h.node.Cluster
	o.Warn = func(text string) { h.node.later(func() { h.node.warn(text) }) }
	if h.cluster, err = cluster.Connect(ctx, o); err != nil {
		return clusterError(err)
	}
	if h.cluster.Clear() {
		h.node.warn("the servers of the cluster are spoken to in clear: whoever sees that network reads all that is said in its rooms, whispers too, and their keys, with which he can pose as a host; use tls:// where others share it")
	}
	if !h.cluster.Guarded() {
		h.node.warn("the servers of the cluster let in everybody who reaches them, who could host its rooms, too: give them accounts (--creds)")
	}
	return nil
}

// clusterError is an error of a cluster as people are told it.
func clusterError(err error) error {
	var e *cluster.Error
	if !errors.As(err, &e) {
		return err
	}
	return &Error{Code: CodeCluster + e.Code, Text: e.Text, Hint: e.Hint, Err: err}
}

// share makes r a room of the cluster: its numbers, its names, its key and its password
// are what all its hosts have. Who was first gave them; the key vouches for each.
func (h *Hosting) share(ctx context.Context, r *hosted) error {
	n := h.node
	kept, err := h.cluster.Room(ctx, r.Name, n.Replicas)
	if err != nil {
		return clusterError(err)
	}
	if _, end, err := kept.Bounds(ctx); err == nil && end == 0 && n.Histories.has(r.Name, r.Key.Key()) {
		n.warn(fmt.Sprintf("what was said so far in %s on this computer is not in the cluster, where the room begins anew: to move it there, end this, and then: parley history export %s --cluster …", r.Name, r.Name))
	}
	seed, err := kept.Secret(ctx, r.Key.Seed())
	if err != nil {
		return clusterError(err)
	}
	if r.Key, err = transport.IdentityFromSeed(seed); err != nil {
		return &Error{Code: CodeCluster + cluster.CodeEdited, Text: fmt.Sprintf("the cluster keeps no usable key for the room %s: %v", r.Name, err),
			Hint: "somebody has written into its bucket who should not: see parley doctor --cluster"}
	}
	if err := h.sharePassword(ctx, r, kept); err != nil {
		return err
	}
	r.shared, r.Log, r.Names, r.Queue, r.Received = kept, kept, kept, h.options.Queue, kept.Tell
	r.collect = append(r.collect, clustered{up: h.cluster.Up, lag: kept.Lag, hosts: func() int { return int(r.others.Load()) }}.collector(r.Name))
	return clusterError(n.beside(ctx, r))
}

// sharePassword gives r the password that its other hosts ask for, or them ours.
func (h *Hosting) sharePassword(ctx context.Context, r *hosted, kept *cluster.Room) error {
	there, err := kept.Verifier(ctx)
	if err != nil {
		return clusterError(err)
	}
	ours := r.Password
	switch {
	case there != nil:
		if r.Password = readVerifier(there); r.Password == nil {
			return &Error{Code: CodeCluster + cluster.CodeEdited, Text: fmt.Sprintf("what the cluster keeps of the password of %s makes no sense", r.Name),
				Hint: "somebody has written into its bucket who should not: see parley doctor --cluster"}
		}
		if h.options.Guests {
			return &Error{Code: CodePassword, Text: "the room has a password at its other hosts, and lets no guests in", Hint: "leave out --guests"}
		}
		if ours != nil {
			h.node.warn(fmt.Sprintf("%s has the password that it had: yours is not looked at; /password changes it", r.Name))
		}
	case ours != nil:
		if there, err = json.Marshal(ours); err == nil {
			err = kept.SetVerifier(ctx, there)
		}
		if err != nil {
			return clusterError(err)
		}
	}
	r.verifier = there
	r.Secured = func(v *room.Verifier) { h.node.later(func() { h.passwordChanged(r, v) }) }
	return nil
}

// readVerifier reads what the cluster keeps of a password; nil: it makes no sense.
func readVerifier(b []byte) *room.Verifier {
	v := new(room.Verifier)
	if json.Unmarshal(b, v) != nil {
		return nil
	}
	return v
}

// passwordChanged tells the other hosts that the password was changed here.
func (h *Hosting) passwordChanged(r *hosted, v *room.Verifier) {
	var b []byte
	if v != nil {
		b, _ = json.Marshal(v)
	}
	for wait := time.Second; ; wait *= 2 {
		err := r.shared.SetVerifier(h.ctx, b)
		if err == nil || h.ctx.Err() != nil {
			return
		}
		h.node.warn(fmt.Sprintf("the other hosts of %s do not know of the new password yet: %v", r.Name, err))
		sleep(h.ctx, min(wait, time.Minute))
	}
}

// attend tells the other hosts of a room that we are there, and the room of them,
// until the hosting ends.
func (h *Hosting) attend(r *hosted) {
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { r.shared.Sweep(h.ctx, r.Named) })
	beside.Go(func() { r.shared.Hear(h.ctx, h.self(r).ID, r.Heard) })
	beside.Go(func() {
		r.shared.WatchVerifier(h.ctx, func(b []byte) {
			if bytes.Equal(b, r.verifier) {
				return
			}
			if v := readVerifier(b); v != nil || b == nil {
				r.verifier = b
				r.Secure(v)
			}
		})
	})
	late := map[string]bool{}
	r.shared.Attend(h.ctx, func() cluster.Host { return h.self(r) }, func(hosts []cluster.Host) {
		moves := make([]room.Move, len(hosts))
		for i, o := range hosts {
			h.apart(r, o, late)
			moves[i] = room.Move{Nick: o.Nick, Host: o.Key, At: o.At, UDP: o.UDP, TCP: o.TCP}
		}
		r.others.Store(int32(len(moves)))
		r.Tell(moves)
	}, r.Reach)
}

// apart tells once of a host whose clock is another than ours.
func (h *Hosting) apart(r *hosted, o cluster.Host, told map[string]bool) {
	if o.Ahead == 0 || told[o.ID] || len(told) >= maxClocks {
		return
	}
	told[o.ID] = true
	name, how := o.Nick, "ahead of"
	if name == "" {
		name = "another host"
	}
	if o.Ahead < 0 {
		how = "behind"
	}
	h.node.warn(fmt.Sprintf("the clock of %s, who hosts %s too, is %v %s this computer's: times that are shown differ, and bans and mutes for a time last longer here than there, or shorter; set the clocks",
		name, r.Name, o.Ahead.Abs(), how))
}

// self is what other hosts, and their members, are told of us.
func (h *Hosting) self(r *hosted) cluster.Host {
	var at []netip.Addr
	for _, a := range h.Addrs() {
		at = append(at, a.Addr().WithZone(""))
	}
	if real := slices.DeleteFunc(slices.Clone(at), netip.Addr.IsLoopback); len(real) > 0 {
		at = real
	}
	nick, _ := h.nick.Load().(string)
	return cluster.Host{ID: hex.EncodeToString(r.HostKey[:8]), Key: r.HostKey, Nick: nick, At: at[:min(len(at), maxShared)], UDP: h.udpPort, TCP: h.tcpPort}
}
