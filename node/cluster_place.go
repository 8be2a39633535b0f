package node

import (
	"context"

	"parley/cluster"
)

// natsPlace is a cluster as rooms are moved into it.
type natsPlace struct {
	*cluster.Cluster
	replicas int
}

func (p natsPlace) open(ctx context.Context, name string) (farLog, error) {
	return far(p.Moved(ctx, name))
}

func (p natsPlace) begin(ctx context.Context, name string, id [16]byte, gone uint64) (farLog, error) {
	return far(p.Begin(ctx, name, p.replicas, id, gone))
}

func far(r *cluster.Room, err error) (farLog, error) {
	if err != nil {
		return nil, err
	}
	return natsLog{r}, nil
}

// natsLog is a room there.
type natsLog struct{ *cluster.Room }

var (
	_ farLog   = natsLog{}
	_ stateful = (*cluster.Room)(nil)
)

func (l natsLog) Secret(ctx context.Context, propose []byte) ([]byte, error) {
	if propose == nil {
		return l.Key(ctx)
	}
	return l.Room.Secret(ctx, propose)
}

func (l natsLog) Hosting(ctx context.Context) (nicks []string, err error) {
	hosts, err := l.Hosts(ctx)
	for _, h := range hosts {
		nicks = append(nicks, h.Nick)
	}
	return nicks, err
}

// Connect connects to the cluster that rooms move into or out of; a new room is kept on
// so many of its servers, 0: as many as are sensible. The caller closes r.
func (r *Relocation) Connect(ctx context.Context, o cluster.Options, replicas int) error {
	c, err := cluster.Connect(ctx, o)
	if err != nil {
		return clusterError(err)
	}
	r.place, r.pause = natsPlace{c, replicas}, movePause
	return nil
}

// Close ends the connection.
func (r *Relocation) Close() { r.place.Close() }
