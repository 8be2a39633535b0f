package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"parley/node"
	"parley/text"
)

// moveFlags are those of both ways.
type moveFlags struct {
	clusterFlags `embed:""`

	Yes bool `env:"-" help:"Go on although something is lost, which is told without it."`
}

type historyExportCmd struct {
	Room string `arg:"" complete:"kept" help:"Name of the room."`
	moveFlags
	Replicas int `placeholder:"N" help:"On how many servers the room is kept, if it is new there: 1, 3 or 5. Default: 3, or 1 where there is one server."`
}

type historyImportCmd struct {
	Room string `arg:"" help:"Name of the room."`
	moveFlags
}

// Run moves a room into a cluster.
func (c *historyExportCmd) Run(ctx context.Context, p *program) error {
	if c.Replicas < 0 || c.Replicas > maxReplicas {
		return usage{fmt.Sprintf("--replicas: want 1 to %d", maxReplicas), "leave it out"}
	}
	return c.move(ctx, p, c.Room, c.Replicas, func(ctx context.Context, r *node.Relocation, name string) error {
		done, err := r.ToCluster(ctx, name)
		if err != nil {
			return err
		}
		p.moved("cluster", name, done)
		p.talk("this computer keeps a copy. Host it there now, here and elsewhere:")
		p.talkWords("  parley host %s --cluster %s", node.Quoted(name), c.Cluster)
		return nil
	})
}

// Run makes a room of a cluster this computer's own.
func (c *historyImportCmd) Run(ctx context.Context, p *program) error {
	return c.move(ctx, p, c.Room, 0, func(ctx context.Context, r *node.Relocation, name string) error {
		done, err := r.FromCluster(ctx, name)
		if err != nil {
			return err
		}
		p.moved("file", name, done)
		p.talk("the cluster has it still: whoever hosts it there from now on hosts another room than this one. Host it here with:")
		p.talkWords("  parley host %s", node.Quoted(name))
		return nil
	})
}

// move connects and moves.
func (c *moveFlags) move(ctx context.Context, p *program, room string, replicas int, do func(context.Context, *node.Relocation, string) error) error {
	name, err := text.RoomName(room)
	if err != nil {
		return usage{fmt.Sprintf("%q is no room's name: %v", room, err), ""}
	}
	if c.Cluster == "" {
		return usage{"which cluster? Name its servers", "for example: --cluster nats://10.0.1.1,nats://10.0.2.1"}
	}
	if p.flags.Plaintext {
		return usage{"--plaintext rooms have no key, and by that a room that moves is known", "leave it out"}
	}
	dir, err := p.kept("anything is kept")
	if err != nil {
		return err
	}
	logger, err := p.logger()
	if err != nil {
		return err
	}
	warn := func(text string) { p.talk("%s", text) }
	if kept, err := p.histories(dir).Rooms(); err == nil && !slices.Contains(kept, name) {
		if i := slices.IndexFunc(kept, func(other string) bool { return text.RoomKey(other) == text.RoomKey(name) }); i >= 0 {
			name = kept[i] // as it was opened
		}
	}
	var far atomic.Pointer[string]
	r := &node.Relocation{Histories: p.histories(dir), Keys: node.Keys{Dir: dir, Warn: warn}, Moves: &node.Moves{Dir: dir}, Lossy: c.Yes,
		Far: func(doing string, done, of uint64) {
			s := fmt.Sprintf("%d of %d entries %s", done, of, doing)
			far.Store(&s)
		}}
	stop := p.slowly("moving "+name, func() string {
		if s := far.Load(); s != nil {
			return *s
		}
		return "asking the cluster"
	})
	defer stop()
	if err := r.Connect(ctx, *c.options(logger), replicas); err != nil {
		return err
	}
	defer r.Close()
	err = do(ctx, r, name)
	if errors.Is(err, context.Canceled) {
		stop()
		p.talk("it was interrupted: the same command goes on where it was")
	}
	return err
}

// moved is the line of history export and import with --json.
type moved struct {
	Type    string   `json:"type"`
	Room    string   `json:"room"`
	To      string   `json:"to"` // cluster or file
	Last    uint64   `json:"last"`
	Entries uint64   `json:"entries"`
	Deleted uint64   `json:"deleted"`
	Log     string   `json:"log"`
	Key     string   `json:"key"`
	Chain   string   `json:"chain"`
	Path    string   `json:"path"`
	Aside   []string `json:"aside"`
}

// moved tells that a room has moved.
func (p *program) moved(to, name string, r node.Relocated) {
	aside := append([]string{}, r.Aside...)
	if p.flags.JSON {
		p.printJSON(moved{"moved", name, to, r.Last, r.Moved, r.Deleted, hex.EncodeToString(r.Log[:]), r.Key.String(), fmt.Sprintf("%x", r.Chain), r.Path, aside})
		return
	}
	had := ""
	if before := r.Last - r.Deleted; r.Moved < before {
		had = ", the others were there before"
	}
	p.printWords(p.out, fmt.Sprintf("%s: %d entries moved%s; both logs are the same, up to entry %d: chain %x", name, r.Moved, had, r.Last, r.Chain))
	for _, path := range aside {
		p.talkWords("put aside: %s", path)
	}
}
