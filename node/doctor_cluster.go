package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"parley/cluster"
)

// maxSkew is how far the clocks of servers and hosts may be apart before it is worth a
// word. Nothing depends on it but the times that are shown.
const maxSkew = 2 * time.Minute

// ExamineCluster looks at the servers of the node's cluster and the rooms there, after what
// Examine looks at on this computer.
func (n *Node) ExamineCluster(ctx context.Context, here []Finding, found func(Finding), progress func(string)) Diagnosis {
	n.start()
	x := &examination{node: n, found: found, progress: progress}
	x.interfaces()
	for _, f := range here {
		x.report(f)
	}
	x.cluster(ctx)
	return x.diagnosis()
}

func (x *examination) cluster(ctx context.Context) {
	x.progress("the servers of the cluster")
	c, err := cluster.Connect(ctx, *x.node.Cluster)
	if err == nil {
		defer c.Close()
		var r cluster.Report
		if r, err = c.Report(ctx); err == nil {
			x.servers(r)
			for _, room := range r.Rooms {
				x.clusterRoom(room)
			}
			return
		}
	}
	f := Finding{Check: "cluster", Code: CodeCluster + cluster.CodeUnreachable, Class: Blocked, Text: err.Error()}
	var e *cluster.Error
	if errors.As(err, &e) {
		f.Code, f.Next = CodeCluster+e.Code, e.Hint
		switch e.Code {
		case cluster.CodeAddress, cluster.CodeFile:
			f.Class = ThisMachine
		case cluster.CodeUnreachable: // the hint is to run what runs just now
			f.Next = "see that nats-server runs there, and that its port (4222) is let in"
		}
	}
	x.report(f)
}

// servers tells what the servers are like.
func (x *examination) servers(r cluster.Report) {
	s := "s"
	if r.Servers == 1 {
		s = ""
	}
	x.report(Finding{Check: "cluster", Code: "cluster", Text: fmt.Sprintf("%s (nats-server %s) answers in %v; %d server%s, JetStream is on", r.URL, r.Version, r.RTT.Round(10*time.Microsecond), r.Servers, s)})
	switch {
	case r.Servers < 3:
		x.report(Finding{Check: "cluster", Code: "cluster_small", Note: true, Text: "with fewer than three servers the rooms stand still as soon as one is gone", Next: "run three of them"})
	}
	if !r.Guarded {
		x.report(Finding{Check: "cluster", Code: "cluster_open", Note: true, Text: "the servers let in everybody who reaches them, who could host the rooms, too", Next: "give them accounts, and hosts credentials (--creds FILE)"})
	}
	if !r.TLS {
		x.report(Finding{Check: "cluster", Code: "cluster_clear", Note: true, Text: "what is said, and the keys of the rooms, goes to the servers in clear", Next: "give them certificates, and use tls:// and --cluster-ca where others share the network"})
	}
	if skew := r.Skew.Abs(); skew > maxSkew {
		x.report(Finding{Check: "clock", Code: "cluster_clock", Note: true, Text: fmt.Sprintf("the servers' clock and this computer's are %v apart: nothing fails by it, but the times that are shown differ", skew.Round(time.Second)),
			Next: "set the clocks"})
	}
	if len(r.Rooms) == 0 {
		x.report(Finding{Check: "room", Code: "cluster_empty", Note: true, Text: "no room is kept there yet", Next: "parley host ROOM --cluster …"})
	}
	if r.More {
		x.report(Finding{Check: "room", Code: "cluster_more", Note: true, Text: "there are more rooms than are looked at"})
	}
}

// clusterRoom tells what is known of a room.
func (x *examination) clusterRoom(r cluster.RoomReport) {
	f := Finding{Check: "room", Code: "cluster_room"}
	switch {
	case r.Err != nil:
		f.Code, f.Class, f.Text = "cluster_room_fault", Blocked, r.Name+": "+r.Err.Error()
		var e *cluster.Error
		if errors.As(r.Err, &e) {
			f.Code, f.Next = CodeCluster+e.Code, e.Hint
		}
	case r.Leader == "":
		f.Code, f.Class, f.Text, f.Next = "cluster_no_leader", Blocked, r.Name+": too few of its servers are there to say anything", "start the others: "+strings.Join(r.Offline, ", ")
	default:
		hosts := "hosted by nobody now"
		if len(r.Hosts) > 0 {
			var names []string
			for _, h := range r.Hosts {
				name := h.Nick
				if name == "" {
					name = h.ID
				}
				names = append(names, fmt.Sprintf("%s at %s", name, h.At[0]))
			}
			hosts = "hosted by " + strings.Join(names, ", ")
		}
		f.Text = fmt.Sprintf("%s: %d entries, %d kB, on %d of the servers, led by %s; %s", r.Name, r.Entries, r.Bytes/1000, r.Replicas, r.Leader, hosts)
		if len(r.Offline) > 0 {
			f.Note, f.Text, f.Next = true, f.Text+"; not there: "+strings.Join(r.Offline, ", "), "start what is not there: the room stands still when one more is gone"
		}
	}
	x.report(f)
}
