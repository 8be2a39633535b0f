package cluster

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"parley/room"
	"parley/transport"
)

// maxScan bounds the entries that one question reads: each is a request. Hosts have
// a copy of the log, which answers better.
const maxScan = 2000

// Page returns the last n entries before a seq that viewer may see, oldest first.
func (r *Room) Page(ctx context.Context, viewer transport.Key, before uint64, n int) ([]room.Entry, error) {
	return r.scan(ctx, viewer, before, n, func(room.Entry) bool { return true })
}

// Search returns the last n entries before a seq that viewer may see and that have
// all of words, among the last 2,000, oldest first.
func (r *Room) Search(ctx context.Context, viewer transport.Key, words string, before uint64, n int) ([]room.Entry, error) {
	want := strings.Fields(strings.ToLower(words))
	return r.scan(ctx, viewer, before, n, func(e room.Entry) bool {
		have := strings.Fields(strings.ToLower(e.Words))
		return len(want) > 0 && !slices.ContainsFunc(want, func(w string) bool { return !slices.Contains(have, w) })
	})
}

// scan reads backwards.
func (r *Room) scan(ctx context.Context, viewer transport.Key, before uint64, n int, is func(room.Entry) bool) (found []room.Entry, err error) {
	gone, end, err := r.Bounds(ctx) // others write, and perhaps nobody follows here
	if err != nil {
		return nil, err
	}
	if before > end+1 || before == 0 {
		before = end + 1
	}
	for seq, left := before-1, maxScan; seq > gone && left > 0 && len(found) < n; seq, left = seq-1, left-1 {
		m, err := r.stream.GetMsg(ctx, seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return nil, explain(err, r.cluster.servers)
		}
		if e, err := decode(r.prefix, m.Subject, seq, m.Data); err == nil && e.Visible(viewer) && is(e) {
			found = append(found, e)
		}
	}
	slices.Reverse(found)
	return found, nil
}
