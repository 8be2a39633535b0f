package text

import "testing"

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bytes", 999: "999 bytes", 1000: "1 kB", 1500: "1.5 kB", 27_000: "27 kB", 999_499: "999 kB",
		999_500: "1 MB", 2 << 30: "2.1 GB", 1 << 62: "4611686 TB"} {
		if got := Size(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
