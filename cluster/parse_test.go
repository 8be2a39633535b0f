package cluster

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"

	"parley/room"
	"parley/transport"
)

func addrs(list ...string) (all []netip.Addr) {
	for _, s := range list {
		all = append(all, netip.MustParseAddr(s))
	}
	return all
}

func FuzzDecode(f *testing.F) {
	r := &Room{prefix: "parley.x."}
	e := entryOf(1, 7)
	e.Audience = []transport.Key{{1}, {2}}
	for _, e := range []room.Entry{e, entryOf(2, 0), {}} {
		f.Add(r.subject(&e), encode(&e))
	}
	f.Fuzz(func(t *testing.T, subject string, data []byte) {
		e, err := decode(r.prefix, subject, 5, data)
		if e.Seq != 5 {
			t.Fatal("another number")
		}
		if err != nil {
			if len(e.Body) > 0 || len(e.Words) > 0 {
				t.Errorf("%v, and yet %+v", err, e)
			}
			return
		}
		again, err := decode(r.prefix, r.subject(&e), 5, encode(&e))
		if err != nil || fmt.Sprintf("%#v", again) != fmt.Sprintf("%#v", e) || r.subject(&e) != subject {
			t.Errorf("%#v is written as %#v, %v", e, again, err)
		}
	})
}

func FuzzParseHost(f *testing.F) {
	h := hostOf(1)
	data, _ := json.Marshal(h)
	f.Add(h.ID, data)
	f.Add("x", []byte(`{"id":"x"}`))
	f.Fuzz(func(t *testing.T, id string, data []byte) {
		h, ok := parseHost(id, data)
		if ok && (h.ID != id || len(h.At) == 0 || len(h.At) > maxAddresses || h.UDP == 0 && h.TCP == 0) {
			t.Errorf("%+v", h)
		}
	})
}

func FuzzAddresses(f *testing.F) {
	for _, s := range []string{"10.0.0.1", "nats://ana:secret@10.0.0.1:4222", "tls://[::1]", "nats://", "http://x", "x:99999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		urls, err := addresses([]string{s})
		if err == nil && (len(urls) != 1 || len(shown(urls)) != 1) {
			t.Error(urls)
		}
	})
}
