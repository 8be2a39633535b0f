package room

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// sample is a binding as in the vectors that were made by another implementation.
func sample(user, header string) binding {
	b := binding{user: user, header: header}
	if strings.HasPrefix(header, "p=") {
		for i := range 32 {
			b.data = append(b.data, byte(i*7))
		}
	}
	return b
}

// scramVectors are whole exchanges: that of RFC 7677, and two with a channel
// binding made by an independent implementation.
var scramVectors = []struct {
	binding
	password, nonce, more      string
	first, offer, final, proof string
}{
	{sample("user", "n,,"), "pencil", "rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
		"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
		"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
		"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
	{sample("room", "p=tls-unique,,"), "correct horse battery staple", "fyko+d2lbbFgONRv9qkxdawL", "3rfcNHYJY1ZVvWVs7j",
		"p=tls-unique,,n=room,r=fyko+d2lbbFgONRv9qkxdawL",
		"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=MDEyMzQ1Njc4OWFiY2RlZg==,i=100000",
		"c=cD10bHMtdW5pcXVlLCwABw4VHCMqMTg/Rk1UW2JpcHd+hYyTmqGor7a9xMvS2Q==,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=aHcwDIWythQbfzoFjgx8MACovwP8FCMOBehh25TvfSI=",
		"v=/vheH4+GF2vprcMgleJIsLfRNwR5ElxXD9cVnZnE7Qs="},
	{sample("room", "p=tls-unique,,"), "päss wörd ünd ☃", "aaaa", "bbbb",
		"p=tls-unique,,n=room,r=aaaa",
		"r=aaaabbbb,s=AAEC/w==,i=4096",
		"c=cD10bHMtdW5pcXVlLCwABw4VHCMqMTg/Rk1UW2JpcHd+hYyTmqGor7a9xMvS2Q==,r=aaaabbbb,p=ctBs2M1lwbBjbdsznqwPlpZf2bAvIwW+KiWo7OoVj48=",
		"v=LLsbQPasi23BrvRakUX/M8glHtzZxzxyaiv/VDHOErY="},
}

func TestScramVectors(t *testing.T) {
	for _, x := range scramVectors {
		a := newAsking(x.binding, x.nonce)
		if got := a.first(); got != x.first {
			t.Errorf("first: %s", got)
		}
		o, err := a.read(x.offer)
		if err != nil {
			t.Fatal(err)
		}
		k := derive(x.password, o.salt, o.rounds)
		if got := a.final(o, k); got != x.final {
			t.Errorf("final:\n%s\n%s", got, x.final)
		}
		if !a.convinced(x.proof) || a.convinced(x.proof[:len(x.proof)-4]+"AAA=") || a.convinced("e=other-error") {
			t.Error("the host's proof is taken for what it is not")
		}
		v := &Verifier{salt: o.salt, rounds: o.rounds, stored: k.stored(), server: k.server}
		g, err := newGiving(v, x.binding, x.more, x.first)
		if err != nil || g.offered != x.offer {
			t.Fatalf("offer: %v %s", err, g.offered)
		}
		p, err := g.read(x.final)
		if err != nil {
			t.Fatal(err)
		}
		if answer, right := p.check(); !right || answer != x.proof {
			t.Errorf("proof: %v %s", right, answer)
		}
	}
}

// exchange runs a whole exchange and returns what the host makes of it, and
// whether the member is convinced.
func exchange(t *testing.T, v *Verifier, password string, host, member []byte) (right, convinced bool, err error) {
	t.Helper()
	a := newAsking(bound(member), newNonce())
	g, err := newGiving(v, bound(host), newNonce(), a.first())
	if err != nil {
		t.Fatal(err)
	}
	o, err := a.read(g.offered)
	if err != nil {
		t.Fatal(err)
	}
	p, err := g.read(a.final(o, derive(password, o.salt, o.rounds)))
	if err != nil {
		return false, false, err
	}
	answer, right := p.check()
	return right, a.convinced(answer), nil
}

// verifierOf is a verifier that is made faster than a real one.
func verifierOf(password string) *Verifier {
	k := derive(password, []byte("salt"), minRounds/100)
	return &Verifier{salt: []byte("salt"), rounds: minRounds / 100, stored: k.stored(), server: k.server}
}

func TestAProofIsRightForItsPasswordAndChannelAlone(t *testing.T) {
	v, here, there := verifierOf("secret"), []byte("here"), []byte("there")
	if right, convinced, err := exchange(t, v, "secret", here, here); !right || !convinced || err != nil {
		t.Error("the right password:", right, convinced, err)
	}
	if right, convinced, err := exchange(t, v, "Secret", here, here); right || convinced || err != nil {
		t.Error("a wrong password:", right, convinced, err)
	}
	if _, _, err := exchange(t, v, "secret", here, there); !errors.Is(err, errChannel) {
		t.Error("another channel:", err)
	}
}

// A host that does not know the password has a verifier of another one, or none.
func TestAHostWithoutThePasswordConvincesNobody(t *testing.T) {
	v := verifierOf("secret")
	clone := &Verifier{salt: v.salt, rounds: v.rounds, stored: bytes.Clone(v.stored), server: bytes.Repeat([]byte{7}, 32)}
	if _, convinced, err := exchange(t, clone, "secret", nil, nil); convinced || err != nil {
		t.Error("it is convinced", err)
	}
	if newAsking(bound(nil), "x").convinced("v=" + base64.StdEncoding.EncodeToString(make([]byte, 32))) {
		t.Error("convinced before anything was proved")
	}
}

func TestPasswords(t *testing.T) {
	for _, ok := range []string{"x", "with spaces inside", "päss", strings.Repeat("y", MaxPassword)} {
		if err := CheckPassword(ok); err != nil {
			t.Errorf("%.20q: %v", ok, err)
		}
	}
	for _, bad := range []string{"", "tab\tinside", "new\nline", "\x00", "\xff", strings.Repeat("y", MaxPassword+1)} {
		if err := CheckPassword(bad); err == nil || bad != "" && len(bad) < 100 && strings.Contains(err.Error(), bad) {
			t.Errorf("%.20q: %v", bad, err)
		}
		if _, err := NewVerifier(bad); err == nil {
			t.Errorf("%.20q has a verifier", bad)
		}
	}
	composed, _ := cleanPassword("caf\u00e9")
	apart, _ := cleanPassword("cafe\u0301")
	if composed != apart {
		t.Error("an accent written in two ways makes two passwords")
	}
}

func TestAVerifierTellsNothing(t *testing.T) {
	v, err := NewVerifier("hunter2")
	if err != nil {
		t.Fatal(err)
	}
	if v.rounds < minRounds || v.rounds > maxRounds || len(v.salt) < 16 {
		t.Errorf("a member would refuse it: %d rounds, %d bytes of salt", v.rounds, len(v.salt))
	}
	for _, shown := range []string{fmt.Sprint(v), fmt.Sprintf("%+v", v), fmt.Sprintf("%#v", v), fmt.Sprintf("%v", []*Verifier{v}[0])} {
		if shown != "(a password)" {
			t.Errorf("it is shown as %s", shown)
		}
	}
	b, err := json.Marshal(v)
	if err != nil || bytes.Contains(b, []byte("hunter2")) {
		t.Error(err, string(b))
	}
	var again Verifier
	if err := json.Unmarshal(b, &again); err != nil || !bytes.Equal(again.stored, v.stored) || again.rounds != v.rounds {
		t.Error(err, again)
	}
	for _, bad := range []string{`{}`, `{"salt":"AA==","rounds":1,"stored":"","server":""}`, `7`, `[]`} {
		if err := json.Unmarshal([]byte(bad), &again); err == nil {
			t.Errorf("%s is a verifier", bad)
		}
	}
}

// FuzzScram reads bytes as a message of the exchange, on either side.
func FuzzScram(f *testing.F) {
	for _, x := range scramVectors {
		for _, s := range []string{x.first, x.offer, x.final, x.proof} {
			f.Add(s)
		}
	}
	f.Add("r=aaaabbbb,s=AAEC/w==,i=2147483647")
	f.Add("p=parley-proof,,n=room,r=")
	f.Add(strings.Repeat(",", maxScram))
	x := scramVectors[2]
	f.Fuzz(func(t *testing.T, s string) {
		a := newAsking(x.binding, x.nonce)
		if o, err := a.read(s); err == nil {
			if !strings.HasPrefix(o.nonce, x.nonce) || o.rounds <= 0 || len(o.salt) == 0 || len(o.salt) > maxSalt || len(o.nonce) > maxNonce {
				t.Fatalf("%+v", o)
			}
			if a.final(o, keys{make([]byte, 32), make([]byte, 32)}) == "" {
				t.Fatal("no proof")
			}
		}
		if a.convinced(s) {
			t.Fatalf("convinced by %q", s)
		}
		v := &Verifier{salt: []byte{0, 1, 2, 255}, rounds: 4096, stored: make([]byte, 32), server: make([]byte, 32)}
		if g, err := newGiving(v, x.binding, x.more, s); err == nil {
			if _, err := newAsking(x.binding, strings.TrimPrefix(g.bare, "n=room,r=")).read(g.offered); err != nil && len(g.nonce) <= maxNonce {
				t.Fatalf("%q: its offer %q: %v", s, g.offered, err)
			}
		}
		g, err := newGiving(v, x.binding, x.more, x.first)
		if err != nil {
			t.Fatal(err)
		}
		if p, err := g.read(s); err == nil {
			if _, right := p.check(); right {
				t.Fatalf("%q opens it", s)
			}
		}
		var w Verifier
		if json.Unmarshal([]byte(s), &w) == nil && (len(w.stored) != 32 || w.rounds < minRounds) {
			t.Fatalf("%+v", w)
		}
	})
}

// BenchmarkGuess is what a guess costs a host.
func BenchmarkGuess(b *testing.B) {
	x := scramVectors[0]
	a := newAsking(x.binding, x.nonce)
	o, _ := a.read(x.offer)
	k := derive(x.password, o.salt, o.rounds)
	g, _ := newGiving(&Verifier{salt: o.salt, rounds: o.rounds, stored: k.stored(), server: k.server}, x.binding, x.more, x.first)
	p, _ := g.read(x.final)
	p.value[0]++
	for b.Loop() {
		if _, right := p.check(); right {
			b.Fatal("right")
		}
	}
}
