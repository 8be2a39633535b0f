//go:build slow

package main_test

import (
	"fmt"
	"testing"
)

// Every kind of flood, by one member and by five.
func TestChatFloods(t *testing.T) {
	for _, via := range []string{"udp", "tcp"} {
		for _, f := range floods {
			for _, count := range []int{1, 5} {
				t.Run(fmt.Sprint(via, "/", f.what, "/", count), func(t *testing.T) {
					r := newBothered(t, via, 100)
					said, stop := r.flooders(count, f.next)
					defer stop()
					r.compare(fmt.Sprintf("a flood of %s by %d", f.what, count), 200, said)
				})
			}
		}
		for _, fresh := range []bool{false, true} {
			t.Run(fmt.Sprint(via, "/coming and going/", fresh), func(t *testing.T) {
				r := newBothered(t, via, 100)
				stop := comers(newClient(t, r.addr(), via), 5, fresh)
				r.compare(fmt.Sprintf("five who come and go, new keys %v,", fresh), 200, func() int64 { return 0 })
				t.Logf("they came in %d times", stop())
			})
		}
	}
}
