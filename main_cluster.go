package main

import (
	"errors"
	"log/slog"
	"strings"

	"parley/cluster"
	"parley/history"
	"parley/node"
)

// maxReplicas is what JetStream has at most.
const maxReplicas = 5

// clusterFlags say where rooms of several hosts are kept.
type clusterFlags struct {
	Cluster     string `placeholder:"URL,..." help:"Keep the rooms on these NATS servers, together with everybody else who hosts them there: nats://10.0.0.1,nats://10.0.1.1."`
	Creds       string `placeholder:"FILE" help:"Credentials for the servers of the cluster, as nsc and nk write them."`
	ClusterCA   string `name:"cluster-ca" placeholder:"FILE" help:"Certificates that vouch for the servers of the cluster, for tls:// ones."`
	ClusterCert string `placeholder:"FILE" help:"Our certificate for the servers of the cluster."`
	ClusterKey  string `placeholder:"FILE" help:"The key of that certificate."`
}

// servers are the addresses of --cluster.
func (c clusterFlags) servers() (urls []string) {
	for _, u := range strings.Split(c.Cluster, ",") {
		if u = strings.TrimSpace(u); u != "" {
			urls = append(urls, u)
		}
	}
	return urls
}

// options are how the cluster is reached; nil where there is none.
func (c clusterFlags) options(logger *slog.Logger) *cluster.Options {
	if c.Cluster == "" {
		return nil
	}
	return &cluster.Options{URLs: c.servers(), Creds: c.Creds, CA: c.ClusterCA, Cert: c.ClusterCert, Key: c.ClusterKey, Name: "parley", Logger: logger}
}

// check finds flags that mean nothing without others.
func (c clusterFlags) check() error {
	switch {
	case c.Cluster != "" && len(c.servers()) == 0:
		return errors.New("--cluster: want the addresses of servers, such as nats://10.0.0.1")
	case (c.ClusterCert == "") != (c.ClusterKey == ""):
		return errors.New("--cluster-cert and --cluster-key go together")
	case c.Cluster == "" && (c.Creds != "" || c.ClusterCA != "" || c.ClusterCert != ""):
		return usage{"--creds, --cluster-ca, --cluster-cert and --cluster-key are for a cluster, and none is named", "name its servers with --cluster nats://10.0.0.1"}
	}
	return nil
}

// checkCluster finds what does not go together with rooms of several hosts.
func (c *cli) checkCluster() error {
	h := &c.Host
	if h.Cluster == "" {
		return nil
	}
	keep, _ := history.ParseKeep(c.Keep) // checked with the flags
	switch {
	case c.Plaintext:
		return usage{"--plaintext proves no keys, and by those the hosts of a cluster's room are known", "leave one of them out"}
	case h.Continue:
		return usage{"--continue opens a room anew that one computer had; a room of several hosts goes on by itself", "leave one of them out"}
	case keep.None:
		return usage{"--keep none keeps nothing, and a cluster keeps all", "leave one of them out"}
	}
	return nil
}

// check finds flags that mean nothing without others.
func (d *doctorCmd) check() error { return d.clusterFlags.check() }

// joined gives n the cluster of the flags.
func (h *hostCmd) joined(n *node.Node) {
	n.Cluster, n.Replicas = h.clusterFlags.options(n.Logger), h.Replicas
}
