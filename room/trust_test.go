package room

import (
	"context"
	"strings"
	"testing"
	"time"

	"parley/text"
)

// What this program says about keys no host can seem to have said.
func TestHostCannotSpeakOfKeys(t *testing.T) {
	m := &Member{changed: make(chan struct{})}
	for _, code := range []string{NoticeNewKey, NoticeOtherKey, "link", codeElsewhere} {
		if err := m.take(time.Unix(1, 0), &report{Type: string(Notice), Code: code, Text: "believe me"}); err != nil {
			t.Fatal(err)
		}
		e, err := m.Next(context.Background())
		if want := map[bool]string{true: code}[code == codeElsewhere]; err != nil || e.Code != want {
			t.Errorf("a host's %s is %+v, %v", code, e, err)
		}
	}
	m.Tell(NoticeNewKey, "first time")
	if e, _ := m.Next(context.Background()); e.Type != Notice || e.Code != NoticeNewKey || e.Text != "first time" {
		t.Errorf("%+v", e)
	}
}

// /key shows the keys that can be compared, and in plaintext that there are none.
func TestKeyCommand(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, nil)
		defer h.close()
		id := identity(t)
		ana := h.join("ana", func(o *JoinOptions) { o.Identity = id })
		typed(t, ana, "/key")
		said := kind(t, ana, Notice).Text
		for _, want := range []string{h.host.Key.Key().String(), text.KeyWords(h.host.Key.Key()), id.Key().String(), text.KeyWords(id.Key())} {
			if !strings.Contains(said, want) {
				t.Errorf("%q is missing in %q", want, said)
			}
		}
		if words := ana.Ready().Words; words != text.KeyWords(h.host.Key.Key()) {
			t.Errorf("ready has the words %q", words)
		}
		leave(t, ana)
	})
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, func(h *Host) { h.Plaintext = true })
		defer h.close()
		ana := h.join("ana", nil)
		typed(t, ana, "/key")
		if said := kind(t, ana, Notice).Text; !strings.Contains(said, "nothing is proved") {
			t.Error(said)
		}
		if words := ana.Ready().Words; words != "" {
			t.Errorf("ready has the words %q", words)
		}
		leave(t, ana)
	})
}
