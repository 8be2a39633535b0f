package udp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"testing"
)

func testSealers(t testing.TB) (client, server *sealer) {
	t.Helper()
	k := keying{secret: [32]byte{1, 2, 3}}
	client, err := newSealer(k, [32]byte{9}, true)
	if err != nil {
		t.Fatal(err)
	}
	if server, err = newSealer(k, [32]byte{9}, false); err != nil {
		t.Fatal(err)
	}
	return client, server
}

// TestSealerIsAsWritten derives and seals once more, by the letter of the
// comment above sealer, and compares the bytes.
func TestSealerIsAsWritten(t *testing.T) {
	must := func(b []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	admission := [32]byte{9}
	k := keying{secret: [32]byte{1, 2, 3}}
	root := must(hkdf.Extract(sha256.New, k.secret[:], admission[:]))
	const number = 2<<22 + 5 // so n = 2
	for _, label := range []string{"parley 1 client", "parley 1 server"} {
		secret := must(hkdf.Expand(sha256.New, root, label, 32))
		for range 2 {
			secret = must(hkdf.Expand(sha256.New, secret, "parley 1 next", 32))
		}
		material := must(hkdf.Expand(sha256.New, secret, "parley 1 key", 28))
		nonce := slices.Clone(material[16:])
		for i := range 8 {
			nonce[4+i] ^= byte(uint64(number) >> (56 - 8*i))
		}
		block, err := aes.NewCipher(material[:16])
		if err != nil {
			t.Fatal(err)
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		header := string(testPacket(7, number, ""))
		want := string(aead.Seal([]byte(header), nonce, []byte("text"), []byte(header)))

		s, err := newSealer(k, admission, label == "parley 1 client")
		if err != nil {
			t.Fatal(err)
		}
		if got := s.seal(testPacket(7, number, "text"), testHeader, number); string(got) != want {
			t.Errorf("%s: %x, want %x", label, got, want)
		}
	}
	// And the bytes of the very first packet, for whoever writes another.
	client, _ := testSealers(t)
	got := hex.EncodeToString(client.seal(testPacket(7, 0, "text"), testHeader, 0))
	if got != firstPacket {
		t.Errorf("the first packet is %s", got)
	}
}

const firstPacket = "40000000000000000700000000" + "1a5cc701" + "bcda199ce66f303850c62489db15b2ab"

func TestSealer(t *testing.T) {
	client, server := testSealers(t)
	for number, text := range []string{"", "a", "hello", string(make([]byte, 1400))} {
		for _, dir := range [][2]*sealer{{client, server}, {server, client}} {
			pkt := dir[0].seal(append(testPacket(7, uint64(number), text), make([]byte, 0, 2000)...), testHeader, uint64(number))
			if len(pkt) != testHeader+len(text)+dir[0].overhead() {
				t.Errorf("%d bytes for %d", len(pkt), len(text))
			}
			if dir[0].previous.aead != nil {
				t.Error("sealing moves the opening keys")
			}
			for bit := range 8 * min(len(pkt), 60) {
				damaged := slices.Clone(pkt)
				damaged[bit/8] ^= 1 << (bit % 8)
				if _, ok := dir[1].open(damaged, testHeader, uint64(number)); ok {
					t.Fatalf("packet %d opens with bit %d wrong", number, bit)
				}
			}
			for n := range min(len(pkt), 60) {
				if _, ok := dir[1].open(slices.Clone(pkt[:n]), testHeader, uint64(number)); ok {
					t.Fatalf("packet %d opens when cut to %d", number, n)
				}
			}
			if _, ok := dir[1].open(slices.Clone(pkt), testHeader, uint64(number)+1); ok {
				t.Error("it opens by another number")
			}
			if _, ok := dir[1].open(slices.Clone(pkt), testHeader, uint64(number)+1<<32); ok {
				t.Error("the high half of the number does not matter")
			}
			if _, ok := dir[0].open(slices.Clone(pkt), testHeader, uint64(number)); ok {
				t.Error("it opens at its own sender: reflected packets would pass")
			}
			if got, ok := dir[1].open(pkt, testHeader, uint64(number)); !ok || string(got) != text {
				t.Errorf("packet %d does not open", number)
			}
		}
	}
}

// TestSealerAdmission: different views of the admission, different keys.
func TestSealerAdmission(t *testing.T) {
	client, _ := newSealer(keying{}, admissionHash(1, 1, 7, testToken), true)
	server, _ := newSealer(keying{}, admissionHash(1, 2, 7, testToken), false)
	if _, ok := server.open(client.seal(testPacket(7, 0, "x"), testHeader, 0), testHeader, 0); ok {
		t.Error("a change in the admission goes unnoticed")
	}
}

// TestNonces seals across several changes of key and checks that no pair of key
// and nonce occurs twice, in either direction.
func TestNonces(t *testing.T) {
	client, server := testSealers(t)
	seen := map[string]uint64{}
	keys := map[string]bool{}
	for phase := uint64(0); phase < 6; phase++ {
		base := phase << phaseBits
		for _, offset := range []uint64{0, 1, 2, 3, 255, 256, 1 << 16, 1<<phaseBits - 2, 1<<phaseBits - 1} {
			number := base + offset
			for _, s := range []*sealer{client, server} {
				pkt := s.seal(testPacket(7, number, "x"), testHeader, number)
				if pkt[0] != 0x40|byte(phase&1) {
					t.Fatalf("packet %d begins with %#x", number, pkt[0])
				}
				if s.sending.n != phase {
					t.Fatalf("packet %d sealed in phase %d", number, s.sending.n)
				}
				keys[string(s.sending.secret)] = true
				pair := string(s.sending.secret) + string(s.nonce[:])
				if other, twice := seen[pair]; twice {
					t.Fatalf("packets %d and %d have key and nonce in common", other, number)
				}
				seen[pair] = number
			}
		}
	}
	if len(keys) != 12 {
		t.Errorf("%d keys in 6 phases of 2 directions", len(keys))
	}
	for _, number := range []uint64{0, 6<<phaseBits - 1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("number %d was sealed again", number)
				}
			}()
			client.seal(testPacket(7, number, "x"), testHeader, number)
		}()
	}
}

// TestRatchet follows a receiver over changes of key, with packets late, lost
// and forged around each.
func TestRatchet(t *testing.T) {
	client, server := testSealers(t)
	sealed := map[uint64][]byte{}
	var numbers []uint64
	for phase := range uint64(5) {
		for _, offset := range []uint64{0, 1, 2, 1<<phaseBits - 2, 1<<phaseBits - 1} {
			number := phase<<phaseBits + offset
			sealed[number] = client.seal(testPacket(7, number, "x"), testHeader, number)
			numbers = append(numbers, number)
		}
	}
	opens := func(number uint64) bool {
		_, ok := server.open(slices.Clone(sealed[number]), testHeader, number)
		return ok
	}
	if opens(2 << phaseBits) {
		t.Error("two steps ahead")
	}
	forged := testPacket(7, 1<<phaseBits, "some forged text")
	forged[0] |= 1
	for range 10 {
		if _, ok := server.open(slices.Clone(forged), testHeader, 1<<phaseBits); ok {
			t.Fatal("a forged packet opens")
		}
	}
	if server.current.n != 0 || !opens(0) {
		t.Error("forged packets move the keys")
	}
	if !opens(1 << phaseBits) { // the rest of phase 0 is late
		t.Error("the coming key does not open")
	}
	if server.current.n != 1 || !opens(1) || !opens(1<<phaseBits-1) {
		t.Error("stragglers of the previous key do not open")
	}
	if server.current.n != 1 {
		t.Error("a straggler moves the keys back")
	}
	if !opens(2<<phaseBits) || opens(2) || !opens(1<<phaseBits+1) {
		t.Error("previous is not exactly one phase back")
	}
	wrong := slices.Clone(sealed[2<<phaseBits+1])
	wrong[0] ^= phaseMask
	if _, ok := server.open(wrong, testHeader, 2<<phaseBits+1); ok {
		t.Error("the phase bit does not matter")
	}
	for _, number := range numbers {
		if number>>phaseBits >= 2 && !opens(number) {
			t.Errorf("packet %d does not open", number)
		}
	}
}

func TestChecksum(t *testing.T) {
	var c checksum
	for _, text := range []string{"", "a", "hello, hello"} {
		pkt := c.seal(testPacket(7, 1, text), testHeader, 1)
		if len(pkt) != testHeader+len(text)+c.overhead() {
			t.Errorf("%d bytes", len(pkt))
		}
		for bit := range 8 * len(pkt) {
			pkt[bit/8] ^= 1 << (bit % 8)
			if _, ok := c.open(pkt, testHeader, 1); ok {
				t.Fatalf("bit %d does not matter", bit)
			}
			pkt[bit/8] ^= 1 << (bit % 8)
		}
		for n := range len(pkt) {
			if _, ok := c.open(pkt[:n], testHeader, 1); ok {
				t.Fatalf("cut to %d bytes it opens", n)
			}
		}
		if got, ok := c.open(pkt, testHeader, 1); !ok || string(got) != text {
			t.Errorf("%q does not open", text)
		}
	}
	if _, ok := c.open(c.seal(testPacket(7, 1, "a"), testHeader, 1), testHeader, 1+1<<8); ok {
		t.Error("the number does not matter")
	}
	// The check value of CRC-32C is e3069283; behind it, bits of the number.
	if got := c.seal([]byte("123456789"), 0, 0); binary.BigEndian.Uint32(got[9:]) != 0x55a059d9 {
		t.Errorf("not CRC-32C: %x", got[9:])
	}
}

func TestProtectorsDoNotAllocate(t *testing.T) {
	client, server := testSealers(t)
	buffer := make([]byte, 1500)
	for name, p := range map[string][2]protector{"sealer": {client, server}, "checksum": {checksum{}, checksum{}}} {
		number := uint64(0)
		if n := testing.AllocsPerRun(200, func() {
			pkt := p[0].seal(buffer[:213], testHeader, number)
			if _, ok := p[1].open(pkt, testHeader, number); !ok {
				t.Fatal("does not open")
			}
			number++
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// FuzzOpen: what was not sealed does not open, whatever number it claims.
func FuzzOpen(f *testing.F) {
	client, server := testSealers(f)
	f.Add(client.seal(testPacket(7, 0, "x"), testHeader, 0), uint64(1))
	f.Add(make([]byte, testHeader+tagSize), uint64(1<<phaseBits))
	f.Add([]byte{}, uint64(0))
	f.Fuzz(func(t *testing.T, b []byte, number uint64) {
		if number == 0 {
			number = 1 // packet 0 is in the corpus
		}
		if _, ok := server.open(slices.Clone(b), testHeader, number); ok {
			t.Errorf("%x opens", b)
		}
		if payload, ok := (checksum{}).open(b, testHeader, number); ok {
			if len(payload) != len(b)-testHeader-checksumSize {
				t.Errorf("%d bytes of %d", len(payload), len(b))
			}
		}
		if server.current.n != 0 {
			t.Error("the keys have moved")
		}
	})
}

func benchmarkProtector(b *testing.B, sender, receiver protector) {
	buffer := make([]byte, 0, 1500)
	header := testPacket(7, 0, "")
	b.SetBytes(200)
	b.ReportAllocs()
	for number := uint64(0); b.Loop(); number++ {
		pkt := append(append(buffer, header...), zeros[:200]...)
		pkt = sender.seal(pkt, testHeader, number)
		if receiver == nil {
			continue
		}
		if _, ok := receiver.open(pkt, testHeader, number); !ok {
			b.Fatal("does not open")
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	client, _ := testSealers(b)
	benchmarkProtector(b, client, nil)
}

func BenchmarkSealOpen(b *testing.B) {
	client, server := testSealers(b)
	benchmarkProtector(b, client, server)
}

func BenchmarkChecksum(b *testing.B) { benchmarkProtector(b, checksum{}, checksum{}) }

func BenchmarkOpenForged(b *testing.B) {
	_, server := testSealers(b)
	pkt := testPacket(7, 0, string(zeros[:216]))
	r := rand.New(rand.NewPCG(1, 1))
	b.ReportAllocs()
	for b.Loop() {
		pkt[testHeader] = byte(r.Uint32())
		if _, ok := server.open(pkt, testHeader, 0); ok {
			b.Fatal("opens")
		}
	}
}

func BenchmarkRatchet(b *testing.B) {
	client, _ := testSealers(b)
	for b.Loop() {
		next, err := client.sending.following()
		if err != nil {
			b.Fatal(err)
		}
		client.sending = next
	}
}
