package cluster

import (
	"context"
	"strings"
	"time"
)

// maxReported bounds the rooms that a Report looks into.
const maxReported = 50

// A Report is what the servers are like, and what is kept there.
type Report struct {
	Server  string // that we are connected to: its name
	URL     string // and its address
	Version string
	RTT     time.Duration
	Guarded bool // it wants to know who comes
	TLS     bool
	Servers int           // that are known of
	Skew    time.Duration // how far their clock is before ours; known if there is a room
	Rooms   []RoomReport
	More    bool // there are more rooms
}

// A RoomReport is what is known of a room.
type RoomReport struct {
	Name     string
	Entries  uint64
	Bytes    uint64
	Replicas int
	Leader   string   // the server that numbers what is said; empty: there is none
	Offline  []string // servers that should have it, and do not answer
	Hosts    []Host
	Err      error // why nothing else is known of it
}

// Report looks at the servers and the rooms there.
func (c *Cluster) Report(ctx context.Context) (Report, error) {
	r := Report{Server: c.conn.ConnectedServerName(), URL: c.conn.ConnectedUrlRedacted(), Version: c.conn.ConnectedServerVersion(),
		Guarded: c.Guarded(), Servers: len(c.conn.Servers())}
	if _, err := c.conn.TLSConnectionState(); err == nil {
		r.TLS = true
	}
	var err error
	if r.RTT, err = c.conn.RTT(); err != nil {
		return r, explain(err, c.servers)
	}
	ctx, cancel := context.WithTimeout(ctx, 4*requestTime)
	defer cancel()
	streams := c.js.ListStreams(ctx)
	var names []string
	for info := range streams.Info() {
		if rest, ok := strings.CutPrefix(info.Config.Description, whole); ok && strings.HasPrefix(info.Config.Name, "PARLEY_") {
			if _, name, ok := strings.Cut(rest, " "); ok {
				names = append(names, name)
			}
		}
	}
	if err := streams.Err(); err != nil {
		return r, explain(err, c.servers)
	}
	for i, name := range names {
		if r.More = i == maxReported; r.More {
			break
		}
		r.Rooms = append(r.Rooms, c.reportRoom(ctx, name, &r.Skew))
	}
	return r, nil
}

func (c *Cluster) reportRoom(ctx context.Context, name string, skew *time.Duration) RoomReport {
	report := RoomReport{Name: name}
	var room *Room
	if room, report.Err = c.Open(ctx, name); report.Err != nil {
		return report
	}
	before := time.Now()
	info, err := room.stream.Info(ctx)
	if report.Err = explain(err, c.servers); err != nil {
		return report
	}
	if !info.TimeStamp.IsZero() {
		*skew = info.TimeStamp.Sub(before.Add(time.Since(before) / 2))
	}
	report.Entries, report.Bytes, report.Replicas = info.State.Msgs, info.State.Bytes, info.Config.Replicas
	if report.Leader = c.conn.ConnectedServerName(); info.Cluster != nil {
		report.Leader = info.Cluster.Leader
		for _, p := range info.Cluster.Replicas {
			if p.Offline {
				report.Offline = append(report.Offline, p.Name)
			}
		}
	}
	report.Hosts, report.Err = room.Hosts(ctx)
	return report
}
