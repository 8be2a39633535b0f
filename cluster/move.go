package cluster

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"parley/room"
)

// A room that was one host's can move into the cluster, and out of it. Until it has come as a
// whole its stream's description is another (moving), and nobody opens it but who moves it.
//
// What a host has deleted long ago is not brought: the stream begins behind it. What those
// entries added up to is kept in a bucket of its own, parley_ROOM_state, in parts:
//
//	head    8 bytes the last entry that is in it, 2 how many parts, 32 SHA-256 of all parts together
//	part.N  of the state, deflated; N from 0

const (
	statePart  = 256 << 10 // of a state in one value: servers take a megabyte
	maxState   = 16 << 20  // of all, inflated: what package room reads as one
	maxParts   = maxState / statePart
	stateHead  = "head"
	stateParts = "part."
	headSize   = 8 + 2 + sha256.Size
)

// Descriptions of streams begin with one of these.
const (
	whole  = "parley room 1 "
	moving = "parley move 1 "
)

// Moved opens a room that is there, whole or not.
func (c *Cluster) Moved(ctx context.Context, name string) (*Room, error) {
	return c.open(ctx, name, 0, false)
}

// Begin opens a room that is there, whole or not, or begins one, as a log with an id that
// has deleted its entries up to one. It is moving until [Room.Mark] says otherwise.
func (c *Cluster) Begin(ctx context.Context, name string, replicas int, id [16]byte, gone uint64) (*Room, error) {
	r := c.named(name)
	begun := ctx // skipping may take longer
	ctx, cancel := context.WithTimeout(ctx, 4*requestTime)
	defer cancel()
	_, err := c.js.Stream(ctx, r.streamName())
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		config := r.config(moving, id)
		config.DenyPurge = false // until it is whole
		if c.begins() && gone > 0 {
			config.FirstSeq = gone + 1
		}
		err = r.make(ctx, config, replicas)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			err = nil // somebody was quicker: it shows whether it is ours
		}
	}
	if err != nil {
		return nil, explain(err, c.servers)
	}
	if r, err = c.open(ctx, name, 0, false); err == nil && r.moving && r.id == id {
		err = r.skip(begun, gone)
	}
	return r, err
}

// begins tells whether the servers can begin a stream with any number: since 2.10.
func (c *Cluster) begins() bool { return since(c.conn.ConnectedServerVersion(), 2, 10) }

// skip brings a stream that has nothing to a number: with what is nothing, which then is
// deleted. Servers that can, have begun behind it.
func (r *Room) skip(ctx context.Context, gone uint64) error {
	deleted, end, err := r.Bounds(ctx)
	if err != nil || deleted >= gone || end > gone {
		return err
	}
	for end < gone {
		upto := min(gone, end+gapRun)
		var list []*nats.Msg
		for seq := end; seq < upto; seq++ {
			list = append(list, &nats.Msg{Subject: r.prefix + "gap"})
		}
		if err := r.publishAt(ctx, end+1, list, false); err != nil {
			return err
		}
		end = upto
	}
	return explain(r.stream.Purge(ctx, jetstream.WithPurgeSequence(gone+1)), r.cluster.servers)
}

// gapRun is how many are sent before their answers are waited for.
const gapRun = maxUnderWay / 2

// Moving tells whether the room was not whole when it was opened.
func (r *Room) Moving() bool { return r.moving }

// Mark says whether the room is on its way.
func (r *Room) Mark(ctx context.Context, on bool) error {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	info, err := r.stream.Info(ctx)
	if err != nil {
		return explain(err, r.cluster.servers)
	}
	config, kind := info.Config, whole
	if on {
		kind = moving
	}
	config.Description, config.DenyPurge = describe(kind, r.id, r.name), config.DenyPurge || !on
	if _, err = r.cluster.js.UpdateStream(ctx, config); err != nil {
		return explain(err, r.cluster.servers)
	}
	r.moving = on
	return nil
}

// Import stores entries that follow the end of the log, with their numbers. After an
// error nobody knows how many of them are stored, and none is out of place.
func (r *Room) Import(ctx context.Context, entries []room.Entry) error {
	list := make([]*nats.Msg, len(entries))
	for i := range entries {
		list[i] = &nats.Msg{Subject: r.subject(&entries[i]), Data: encode(&entries[i])}
	}
	if len(list) == 0 {
		return nil
	}
	return r.publishAt(ctx, entries[0].Seq, list, true)
}

// publishAt stores messages, which get numbers from seq on, or not at all. A subject that is
// new has no message yet.
func (r *Room) publishAt(ctx context.Context, seq uint64, list []*nats.Msg, fresh bool) error {
	ctx, cancel := context.WithTimeout(ctx, importTime)
	defer cancel()
	futures := make([]jetstream.PubAckFuture, len(list))
	for i, m := range list {
		options := []jetstream.PublishOpt{jetstream.WithExpectLastSequence(seq + uint64(i) - 1), jetstream.WithRetryAttempts(0)}
		if fresh {
			options = append(options, jetstream.WithExpectLastSequencePerSubject(0))
		}
		var err error
		if futures[i], err = r.cluster.js.PublishMsgAsync(m, options...); err != nil {
			return explain(err, r.cluster.servers)
		}
	}
	for i, f := range futures {
		select {
		case ack := <-f.Ok():
			if want := seq + uint64(i); ack.Sequence != want {
				return &Error{CodeEdited, fmt.Sprintf("entry %d was stored as %d: somebody else writes into the stream", want, ack.Sequence), "end whatever hosts the room", nil}
			}
			r.saw(ack.Sequence)
		case err := <-f.Err():
			return explain(err, r.cluster.servers)
		case <-ctx.Done():
			return explain(ctx.Err(), r.cluster.servers)
		}
	}
	return nil
}

// importTime is for an Import: some hundred entries.
const importTime = 4 * ackTime

// Key returns the seed of the room's key, nil if there is none yet.
func (r *Room) Key(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	e, err := r.agreed.Get(ctx, keySecret)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, explain(err, r.cluster.servers)
	}
	seed, err := hex.DecodeString(string(bytes.TrimSpace(e.Value())))
	if err != nil {
		return nil, nil // whoever needs it tells that there is none
	}
	return seed, nil
}

// Hosts are those that serve the room now, or did ten seconds ago.
func (r *Room) Hosts(ctx context.Context) (hosts []Host, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	watch, err := r.hosts.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, explain(err, r.cluster.servers)
	}
	defer unwatch(watch)
	for {
		select {
		case e, open := <-watch.Updates():
			if !open || e == nil {
				return hosts, nil
			}
			if h, good := parseHost(e.Key(), e.Value()); good && len(hosts) < maxHosts {
				hosts = append(hosts, h)
			}
		case <-ctx.Done():
			return nil, explain(ctx.Err(), r.cluster.servers)
		}
	}
}

// stateBucket is the name of the bucket.
func (r *Room) stateBucket() string { return "parley_" + r.hash + "_state" }

// SaveState keeps what the entries up to seq add up to, of which some are deleted.
func (r *Room) SaveState(ctx context.Context, seq uint64, state []byte) error {
	ctx, cancel := context.WithTimeout(ctx, 4*requestTime)
	defer cancel()
	kv, err := r.bucket(ctx, jetstream.KeyValueConfig{Bucket: r.stateBucket(), Description: "what deleted entries of a parley room added up to",
		Replicas: r.stream.CachedInfo().Config.Replicas})
	if err != nil {
		return explain(err, r.cluster.servers)
	}
	var all bytes.Buffer
	w, _ := flate.NewWriter(&all, flate.BestCompression) // its error is that of the level
	w.Write(state)
	w.Close()
	head := binary.BigEndian.AppendUint64(nil, seq)
	n := 0
	sum := sha256.Sum256(all.Bytes())
	for part := range slices.Chunk(all.Bytes(), statePart) {
		if _, err := kv.Put(ctx, fmt.Sprint(stateParts, n), part); err != nil {
			return explain(err, r.cluster.servers)
		}
		n++
	}
	head = append(binary.BigEndian.AppendUint16(head, uint16(n)), sum[:]...)
	_, err = kv.Put(ctx, stateHead, head)
	return explain(err, r.cluster.servers)
}

// State returns what SaveState has saved; 0: nothing.
func (r *Room) State(ctx context.Context) (seq uint64, state []byte, err error) {
	if gone, _, err := r.Bounds(ctx); err != nil || gone == 0 {
		return 0, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 4*requestTime)
	defer cancel()
	kv, err := r.cluster.js.KeyValue(ctx, r.stateBucket())
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return 0, nil, nil
	}
	if err != nil {
		return 0, nil, explain(err, r.cluster.servers)
	}
	edited := &Error{CodeEdited, "what the deleted entries of " + r.name + " added up to cannot be read in the bucket " + r.stateBucket(), "somebody has edited it; put the right one back", nil}
	e, err := kv.Get(ctx, stateHead)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return 0, nil, nil
	}
	if err != nil {
		return 0, nil, explain(err, r.cluster.servers)
	}
	upto, parts, sum, ok := parseHead(e.Value())
	if !ok {
		return 0, nil, edited
	}
	var all []byte
	for n := range parts {
		e, err := kv.Get(ctx, fmt.Sprint(stateParts, n))
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			return 0, nil, edited
		}
		if err != nil {
			return 0, nil, explain(err, r.cluster.servers)
		}
		if all = append(all, e.Value()...); len(all) > maxState {
			return 0, nil, edited
		}
	}
	if state, ok = inflate(all, sum); !ok {
		return 0, nil, edited
	}
	return upto, state, nil
}

// parseHead reads the head of a state.
func parseHead(head []byte) (seq uint64, parts int, sum [sha256.Size]byte, ok bool) {
	if len(head) != headSize || binary.BigEndian.Uint16(head[8:]) > maxParts {
		return 0, 0, sum, false
	}
	return binary.BigEndian.Uint64(head), int(binary.BigEndian.Uint16(head[8:])), [sha256.Size]byte(head[10:]), true
}

// inflate makes a state of its parts.
func inflate(parts []byte, sum [sha256.Size]byte) (state []byte, ok bool) {
	if sha256.Sum256(parts) != sum {
		return nil, false
	}
	state, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(parts)), maxState+1))
	return state, err == nil && len(state) <= maxState
}

// handGone hands on the numbers of entries that are deleted, up to the last there is.
func (r *Room) handGone(end uint64, after *uint64, each func([]room.Entry) error) error {
	for *after < end {
		run := make([]room.Entry, min(end-*after, tailGather))
		for i := range run {
			run[i].Seq = *after + uint64(i) + 1
		}
		*after = run[len(run)-1].Seq
		r.at.Store(*after)
		if err := each(run); err != nil {
			return &handed{err}
		}
	}
	r.lag()
	return nil
}
