package cluster

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"parley/text"
	"parley/transport"
)

const (
	presentEvery = 3 * time.Second
	presentFor   = 10 * time.Second // without a word, a host is gone
	maxHosts     = 64
	maxAddresses = 8
)

// A Host is one of a room's hosts, as it tells of itself.
type Host struct {
	ID   string        `json:"id"` // of the host in the room's entries
	Key  transport.Key `json:"key"`
	Nick string        `json:"nick,omitempty"`
	At   []netip.Addr  `json:"at"`
	UDP  uint16        `json:"udp,omitempty"`
	TCP  uint16        `json:"tcp,omitempty"`
	Time int64         `json:"time,omitempty"` // by its clock when it said so, in milliseconds since 1970; Attend's to fill in

	// Ahead is how far its clock is before ours, if they are more than two minutes
	// apart; else 0. Bans, mutes and the times that are shown are by such clocks.
	Ahead time.Duration `json:"-"`
}

// maxApart is how far clocks may be apart without a word: the word of a host may be some
// seconds old when it is heard.
const maxApart = 2 * time.Minute

// parseHost reads what a host tells of itself, under its id.
func parseHost(id string, data []byte) (h Host, ok bool) {
	if len(data) > maxValue || json.Unmarshal(data, &h) != nil || h.ID != id || h.ID != hex.EncodeToString(h.Key[:8]) || h.UDP == 0 && h.TCP == 0 || len(h.At) == 0 || len(h.At) > maxAddresses {
		return Host{}, false
	}
	if h.Nick != "" {
		nick, err := text.Nick(h.Nick)
		if err != nil || nick != h.Nick {
			return Host{}, false
		}
	}
	return h, !slices.ContainsFunc(h.At, func(a netip.Addr) bool { return !a.IsValid() || a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() })
}

// presence is which hosts there are, by what was heard of them and when. Time is our
// own: the servers' clocks may be others.
type presence struct {
	heard map[string]Host
	at    map[string]time.Time
	told  []Host
	own   string    // our own, for which there is always a place
	next  time.Time // told is left as it is until then
}

// hear takes in what a host said just now, or, if it is not fresh, at some time.
func (p *presence) hear(now time.Time, h Host, fresh bool) {
	h.Ahead = p.heard[h.ID].Ahead
	if fresh && h.Time != 0 {
		if h.Ahead = time.UnixMilli(h.Time).Sub(now).Round(time.Minute); h.Ahead.Abs() <= maxApart {
			h.Ahead = 0
		}
	}
	h.Time = 0 // each word has another
	if len(p.heard) < maxHosts || h.ID == p.own || p.heard[h.ID].ID != "" {
		p.heard[h.ID], p.at[h.ID] = h, now
	}
}

func (p *presence) forget(id string) {
	delete(p.heard, id)
	delete(p.at, id)
}

// expire forgets who has been silent for long. While we could not hear anybody,
// from since on, nobody is blamed.
func (p *presence) expire(now, deaf time.Time) {
	for id, at := range p.at {
		if at.Before(deaf) {
			at = deaf
		}
		if now.Sub(at) >= presentFor {
			p.forget(id)
		}
	}
}

// newsEvery is how often the hosts may be others: each time all members are told.
const newsEvery = 250 * time.Millisecond

// news returns the hosts, if they are others than they were and those were told some time ago.
func (p *presence) news(now time.Time) ([]Host, bool) {
	if now.Before(p.next) {
		return nil, false
	}
	list := slices.SortedFunc(maps.Values(p.heard), func(a, b Host) int { return strings.Compare(a.ID, b.ID) })
	if reflect.DeepEqual(list, p.told) {
		return nil, false
	}
	p.told, p.next = list, now.Add(newsEvery)
	return list, true
}

// Attend tells the other hosts of us until ctx ends, and calls changed with all there
// are, us included, whenever that changes. It calls up when the servers can be written to no
// more, and when they can again: each word of ours goes to a majority of them.
func (r *Room) Attend(ctx context.Context, self func() Host, changed func([]Host), up func(bool)) error {
	p := &presence{heard: map[string]Host{}, at: map[string]time.Time{}}
	deaf := time.Now()
	var id string
	live := false // what is heard is new
	was := true   // what up was told
	tick := time.NewTicker(presentEvery)
	defer tick.Stop()
	late := time.NewTimer(newsEvery)
	defer late.Stop()
	for ctx.Err() == nil {
		hosts, watch, err := r.watchHosts(ctx)
		if err != nil {
			deaf = time.Now()
			if was && ctx.Err() == nil {
				was = false
				up(false)
			}
			select {
			case <-time.After(presentEvery):
			case <-ctx.Done():
			}
			continue
		}
		say := func() bool {
			h := self()
			id, p.own = h.ID, h.ID
			h.Time = time.Now().Add(r.shift).UnixMilli()
			data, err := json.Marshal(h)
			if err != nil {
				return false
			}
			once, cancel := context.WithTimeout(ctx, presentEvery)
			_, err = hosts.Put(once, id, data)
			cancel()
			h.Time = 0
			p.hear(time.Now(), h, false)
			return err == nil
		}
		live = false
		ok, missed := say(), 0
		if ok != was && ctx.Err() == nil {
			was = ok
			up(ok)
		}
		for alive := true; alive && ctx.Err() == nil; {
			select {
			case e, open := <-watch.Updates():
				switch {
				case !open:
					alive = false
				case e == nil: // those were there
					live = true
				case e.Operation() != jetstream.KeyValuePut:
					p.forget(e.Key())
				default:
					if h, good := parseHost(e.Key(), e.Value()); good {
						p.hear(time.Now(), h, live && h.ID != id)
					}
				}
			case <-tick.C:
				if ok = say(); ok {
					missed = 0
				} else {
					deaf = time.Now()
					missed++
					alive = missed < maxMissed // the bucket may be gone
				}
				if ok != was {
					was = ok
					up(ok)
				}
			case <-late.C:
			case <-ctx.Done():
			}
			p.expire(time.Now(), deaf)
			if list, new := p.news(time.Now()); new {
				changed(list)
				late.Reset(newsEvery) // for what is new by then
			}
		}
		unwatch(watch)
	}
	if id != "" { // goodbye: the others need not wait
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		r.hosts.Delete(bye, id)
	}
	return nil
}

// maxMissed is how many words of ours may fail before the bucket is opened anew.
const maxMissed = 2

// watchHosts opens the bucket of hosts and watches it. It is in memory: where one
// server alone has it, it ends with that, and is made again.
func (r *Room) watchHosts(ctx context.Context) (jetstream.KeyValue, jetstream.KeyWatcher, error) {
	opening, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	hosts, err := r.bucket(opening, r.hostsConfig(r.stream.CachedInfo().Config.Replicas))
	if err != nil {
		return nil, nil, err
	}
	watch, err := hosts.WatchAll(ctx)
	return hosts, watch, err
}

// tellPrefix begins the subjects of what hosts tell each other beside the log. Nothing
// of it is kept.
const tellPrefix = "parleytell."

// telling is what is to be told to a host.
type telling struct {
	id   string
	data []byte
}

// Tell tells the host with an id something that may be lost: it is while nobody hears (Hear), or when
// the servers take nothing. It does not wait.
func (r *Room) Tell(id string, data []byte) {
	select {
	case r.tellings <- telling{id, data}:
	default:
	}
}

// Hear calls heard with what others tell the host with an id, one after the other, and sends what
// Tell has, until ctx ends. What comes faster than it is heard is lost.
func (r *Room) Hear(ctx context.Context, id string, heard func([]byte)) {
	in := make(chan *nats.Msg, maxTold)
	for ctx.Err() == nil {
		sub, err := r.cluster.conn.ChanSubscribe(tellPrefix+r.hash+"."+id, in)
		if err != nil {
			pause(ctx, presentEvery)
			continue
		}
		for sub.IsValid() && ctx.Err() == nil {
			select {
			case m := <-in:
				if m != nil && len(m.Data) <= maxValue {
					heard(m.Data)
				}
			case t := <-r.tellings:
				r.cluster.conn.Publish(tellPrefix+r.hash+"."+t.id, t.data)
			case <-ctx.Done():
			}
		}
		sub.Unsubscribe()
	}
}

// maxTold is how many tellings may wait.
const maxTold = 64
