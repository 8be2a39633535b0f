package transport_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"parley/transport"
)

func TestProof(t *testing.T) {
	id, err := transport.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	binding := [32]byte{1, 2, 3}
	proof := id.Proof(transport.Client, binding)
	if key, err := transport.CheckProof(proof, transport.Client, binding); err != nil || key != id.Key() {
		t.Errorf("a good proof: %v, %v", key, err)
	}
	bad := map[string][]byte{"empty": nil, "short": proof[:95], "long": append(proof[:96:96], 0), "zero": make([]byte, 96)}
	for i := range proof {
		damaged := append([]byte(nil), proof...)
		damaged[i] ^= 1
		bad[fmt.Sprint("damaged at ", i)] = damaged
	}
	for name, msg := range bad {
		if key, err := transport.CheckProof(msg, transport.Client, binding); !errors.Is(err, transport.ErrProof) || key != (transport.Key{}) {
			t.Errorf("%s: %v, %v", name, key, err)
		}
	}
	if _, err := transport.CheckProof(proof, transport.Server, binding); !errors.Is(err, transport.ErrProof) {
		t.Errorf("a proof in the other role: %v", err)
	}
	if _, err := transport.CheckProof(proof, transport.Client, [32]byte{1, 2}); !errors.Is(err, transport.ErrProof) {
		t.Errorf("a proof of another connection: %v", err)
	}
}

func TestIdentity(t *testing.T) {
	var nobody transport.Identity
	if !nobody.IsZero() || nobody.Key() != (transport.Key{}) {
		t.Error("the zero Identity is somebody")
	}
	id, _ := transport.NewIdentity()
	again, err := transport.IdentityFromSeed(id.Seed())
	if err != nil || again.Key() != id.Key() || id.IsZero() {
		t.Errorf("from its seed: %v, %v", again.Key(), err)
	}
	if _, err := transport.IdentityFromSeed(id.Seed()[1:]); err == nil {
		t.Error("a short seed was taken")
	}
	msg := []byte("parley test 1\n")
	if !id.Key().Verify(msg, id.Sign(msg)) || id.Key().Verify(msg[1:], id.Sign(msg)) || nobody.Key().Verify(msg, id.Sign(msg)) {
		t.Error("signatures do not hold as they should")
	}
}

func TestKeyText(t *testing.T) {
	id, _ := transport.NewIdentity()
	if key, err := transport.ParseKey(id.Key().String()); err != nil || key != id.Key() {
		t.Errorf("%v, %v", key, err)
	}
	type both struct{ A, B transport.Key }
	text, err := json.Marshal(both{A: id.Key()})
	if want := `{"A":"` + id.Key().String() + `","B":""}`; err != nil || string(text) != want {
		t.Errorf("JSON is %s, %v, want %s", text, err, want)
	}
	var got both
	if err := json.Unmarshal(text, &got); err != nil || got != (both{A: id.Key()}) {
		t.Errorf("read again: %v, %v", got, err)
	}
	for _, bad := range []string{"", "x", id.Key().String() + "A", id.Key().String()[:42] + "!", id.Key().String()[:42] + "="} {
		if _, err := transport.ParseKey(bad); err == nil {
			t.Errorf("%q is a key", bad)
		}
	}
}

func FuzzCheckProof(f *testing.F) {
	id, _ := transport.IdentityFromSeed(make([]byte, 32))
	f.Add(id.Proof(transport.Client, [32]byte{}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, msg []byte) {
		key, err := transport.CheckProof(msg, transport.Server, [32]byte{7})
		if (err == nil) == (key == transport.Key{}) {
			t.Fatalf("%v, %v", key, err)
		}
	})
}

func TestRefusedError(t *testing.T) {
	var err error = fmt.Errorf("dial: %w", &transport.RefusedError{Reason: transport.ReasonMode})
	if !errors.Is(err, transport.ErrRefused) {
		t.Error("a RefusedError is not ErrRefused")
	}
	var refused *transport.RefusedError
	if !errors.As(err, &refused) || refused.Reason != transport.ReasonMode {
		t.Error("the reason is lost")
	}
}
