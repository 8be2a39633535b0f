package cluster

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"parley/room"
	"parley/text"
)

// sensible is on how many servers a room is kept unless somebody wants it otherwise: it
// outlives the loss of one.
const sensible = 3

// A Room is a room's part of the cluster: its log and what its hosts agree on. It is a
// [room.Log], a [room.Keeper] and a [room.Names].
type Room struct {
	cluster  *Cluster
	name     string
	id       [16]byte
	hash     string // of the name, in hex
	prefix   string // of the subjects of entries
	moving   bool   // it is on its way here, and not whole
	stream   jetstream.Stream
	agreed   jetstream.KeyValue // the key, the verifier, and names
	hosts    jetstream.KeyValue
	at       atomic.Uint64 // the last entry that Tail has handed on
	end      atomic.Uint64 // and the last that there is, as far as is known
	shift    time.Duration // of our clock, in tests
	mu       sync.Mutex
	claims   map[string]uint64 // revisions of our claims of names
	lost     lostLog
	robbed   bool         // its bucket is gone
	tellings chan telling // to other hosts
	made     time.Time    // when the stream was, by its servers
	doubted  string       // the first subject of a batch of which nobody knows what became
	late     atomic.Int64 // since when they differ, in Unix nanoseconds; 0: they do not
}

var (
	_ room.Log    = (*Room)(nil)
	_ room.Keeper = (*Room)(nil)
	_ room.Names  = (*Room)(nil)
)

// Room opens a room, or begins it on so many servers; 0: three, or one where there is
// one server. What goes wrong is an [*Error], or the end of ctx.
func (c *Cluster) Room(ctx context.Context, name string, replicas int) (*Room, error) {
	return c.settled(c.open(ctx, name, replicas, true))
}

// Open opens a room that is there.
func (c *Cluster) Open(ctx context.Context, name string) (*Room, error) {
	return c.settled(c.open(ctx, name, 0, false))
}

// settled refuses a room that is on its way into the cluster.
func (c *Cluster) settled(r *Room, err error) (*Room, error) {
	if err == nil && r.moving {
		return nil, &Error{CodeMoving, fmt.Sprintf("the room %s is being moved into the cluster, and not all of it is there", r.name),
			"wait for that, or do it again where it was interrupted: parley history export " + r.name + " --cluster …", nil}
	}
	return r, err
}

// named is a room, not opened.
func (c *Cluster) named(name string) *Room {
	sum := sha256.Sum256([]byte("parley room 1\n" + text.RoomKey(name)))
	r := &Room{cluster: c, name: name, claims: map[string]uint64{}, tellings: make(chan telling, maxTold), hash: hex.EncodeToString(sum[:16])}
	r.prefix = "parley." + r.hash + "."
	return r
}

func (r *Room) streamName() string { return "PARLEY_" + r.hash }

// config is how a room's stream is made.
func (r *Room) config(kind string, id [16]byte) jetstream.StreamConfig {
	return jetstream.StreamConfig{Name: r.streamName(), Subjects: []string{r.prefix + ">"}, Storage: jetstream.FileStorage, AllowDirect: true,
		Description: describe(kind, id, r.name), DenyDelete: true, DenyPurge: true, MaxMsgs: -1, MaxBytes: -1, MaxMsgSize: maxEntry}
}

func (c *Cluster) open(ctx context.Context, name string, replicas int, begin bool) (*Room, error) {
	r := c.named(name)
	ctx, cancel := context.WithTimeout(ctx, 4*requestTime)
	defer cancel()
	if err := r.openStream(ctx, replicas, begin); err != nil {
		return nil, explain(err, c.servers)
	}
	replicas = r.stream.CachedInfo().Config.Replicas
	var err error
	if r.agreed, err = r.bucket(ctx, jetstream.KeyValueConfig{Bucket: "parley_" + r.hash, Description: "what the hosts of a parley room agree on", Replicas: replicas, MaxValueSize: maxValue}); err != nil {
		return nil, explain(err, c.servers)
	}
	r.hosts, err = r.bucket(ctx, r.hostsConfig(replicas))
	return r, explain(err, c.servers)
}

func (r *Room) hostsConfig(replicas int) jetstream.KeyValueConfig {
	return jetstream.KeyValueConfig{Bucket: "parley_" + r.hash + "_hosts", Description: "the hosts of a parley room", Replicas: replicas,
		Storage: jetstream.MemoryStorage, TTL: presentFor, MaxValueSize: maxValue}
}

// maxValue is the largest value in a bucket: a host with eight addresses, or a verifier.
const maxValue = 4 << 10

// openStream opens the stream of the log, or makes it.
func (r *Room) openStream(ctx context.Context, replicas int, begin bool) (err error) {
	js, name := r.cluster.js, r.streamName()
	for range 3 {
		if r.stream, err = js.Stream(ctx, name); !errors.Is(err, jetstream.ErrStreamNotFound) {
			break
		}
		if !begin {
			return &Error{CodeMissing, fmt.Sprintf("the cluster keeps no room %s", r.name), "begin it with: parley host " + r.name + " --cluster …", err}
		}
		var id [16]byte
		rand.Read(id[:])
		err = r.make(ctx, r.config(whole, id), replicas)
		if err == nil {
			break
		}
		if !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // else another host was quicker
			return err
		}
	}
	if err != nil {
		return err
	}
	return r.recognize(r.stream.CachedInfo())
}

// make makes a stream on so many servers, or on as many as there are.
func (r *Room) make(ctx context.Context, config jetstream.StreamConfig, replicas int) (err error) {
	config.Replicas = replicas
	if replicas == 0 {
		config.Replicas = sensible
	}
	r.stream, err = r.cluster.js.CreateStream(ctx, config)
	for try := 0; replicas == 0 && codeOf(err) == noPeers && try < peerTries && len(r.cluster.conn.Servers()) >= sensible; try++ {
		pause(ctx, peerWait) // a server that was started just now, or is busy, counts as gone for a moment
		r.stream, err = r.cluster.js.CreateStream(ctx, config)
	}
	if code := codeOf(err); replicas == 0 && (code == alone || code == noPeers) {
		config.Replicas = 1
		if r.stream, err = r.cluster.js.CreateStream(ctx, config); err == nil && code == noPeers {
			r.cluster.warn(fmt.Sprintf("%s is kept on one server alone, for fewer than %d are there: without that one it stands still, and is lost if its disk is. With more: nats stream edit %s --replicas %[2]d", r.name, sensible, r.streamName()))
		}
	}
	return err
}

// Codes of answers: replicas in a server alone, and not as many servers as replicas.
const (
	alone   = 10074
	noPeers = 10005
)

// A server that others have not heard of lately is none for them.
const (
	peerTries = 10
	peerWait  = 500 * time.Millisecond
)

func describe(kind string, id [16]byte, name string) string {
	return fmt.Sprintf("%s%x %s", kind, id, name)
}

// recognize sees that a stream is this room's log and no other thing.
func (r *Room) recognize(info *jetstream.StreamInfo) error {
	wrong := func(why string) error {
		return &Error{CodeNotOurs, fmt.Sprintf("the stream %s is not the log of %s: %s", info.Config.Name, r.name, why),
			"somebody else has made or changed it: see nats stream info " + info.Config.Name, nil}
	}
	moving, id, name, ok := identify(info.Config.Description)
	if !ok || text.RoomKey(name) != text.RoomKey(r.name) {
		return wrong("its description is another")
	}
	r.moving, r.id, r.made = moving, id, info.Created
	if why := unfit(&info.Config, r.prefix); why != "" {
		return wrong(why)
	}
	r.saw(info.State.LastSeq)
	return nil
}

// identify reads the description of a room's stream.
func identify(description string) (on bool, id [16]byte, name string, ok bool) {
	rest, ok := strings.CutPrefix(description, whole)
	if !ok {
		rest, ok = strings.CutPrefix(description, moving)
		on = ok
	}
	digits, name, _ := strings.Cut(rest, " ")
	b, err := hex.DecodeString(digits)
	return on, id, name, ok && err == nil && copy(id[:], b) == 16 && len(b) == 16
}

// unfit tells why a stream cannot be a log; "": it can.
func unfit(c *jetstream.StreamConfig, prefix string) string {
	switch {
	case !slices.Equal(c.Subjects, []string{prefix + ">"}):
		return "it has other subjects"
	case c.Retention != jetstream.LimitsPolicy || c.MaxMsgs > 0 || c.MaxBytes > 0 || c.MaxAge != 0 || c.MaxMsgsPerSubject > 0:
		return "it forgets"
	case c.Mirror != nil || len(c.Sources) > 0 || c.SubjectTransform != nil || c.NoAck || c.Sealed:
		return "it is fed from elsewhere, or answers nobody"
	}
	return ""
}

// bucket opens a bucket, or makes it.
func (r *Room) bucket(ctx context.Context, config jetstream.KeyValueConfig) (kv jetstream.KeyValue, err error) {
	for range 3 {
		if kv, err = r.cluster.js.KeyValue(ctx, config.Bucket); !errors.Is(err, jetstream.ErrBucketNotFound) {
			return kv, err
		}
		if kv, err = r.cluster.js.CreateKeyValue(ctx, config); !errors.Is(err, jetstream.ErrBucketExists) {
			return kv, err
		}
	}
	return kv, err
}

// ID tells this log from every other.
func (r *Room) ID() [16]byte { return r.id }

// Kept tells that nothing is deleted.
func (r *Room) Kept() string { return "forever" }

// Bounds returns up to which entry all are deleted, and the last there is.
func (r *Room) Bounds(ctx context.Context) (gone, end uint64, err error) {
	info, err := r.inspect(ctx)
	if err != nil {
		return 0, 0, err
	}
	if end = info.State.LastSeq; info.State.FirstSeq > 0 {
		gone = info.State.FirstSeq - 1
	}
	return gone, end, nil
}

// saw notes that the log is at least this long.
func (r *Room) saw(end uint64) {
	for {
		was := r.end.Load()
		if end <= was || r.end.CompareAndSwap(was, end) {
			break
		}
	}
	r.lag()
}

// lag notes since when we are behind.
func (r *Room) lag() {
	if r.at.Load() >= r.end.Load() {
		r.late.Store(0)
	} else {
		r.late.CompareAndSwap(0, time.Now().UnixNano())
	}
}

// Lag tells how far what was handed on is behind what there is, and for how long.
func (r *Room) Lag() (entries uint64, age time.Duration) {
	at, end, since := r.at.Load(), r.end.Load(), r.late.Load()
	if since == 0 || at >= end {
		return 0, 0
	}
	return end - at, time.Since(time.Unix(0, since))
}
