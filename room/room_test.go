package room

import (
	"testing"
)

func TestSayAndHear(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, nil)
		defer h.close()
		ana, ben := h.join("ana", nil), h.join("ben", nil)
		defer leave(t, ana, ben)
		id := say(t, ana, "hi")
		for _, m := range []*Member{ana, ben} {
			if e := heard(t, m, "hi"); e.From != "ana" || e.Seq != 3 || e.ID != id || e.Own != (m == ana) {
				t.Errorf("heard %+v", e)
			}
		}
		d := kind(t, ana, Delivered)
		if d.Seq != 3 || d.Count != 1 || d.Of != 1 {
			t.Errorf("delivered %+v", d)
		}
	})
}
