package tui

import (
	"fmt"
	"slices"
	"strings"
)

// statRows draw what the connection counts: the round trip as it was, and what is
// under way, lost and sent again.
func (m *model) statRows(w *window, width int) []string {
	if len(w.stats) == 0 {
		return []string{m.rule("connection", width, "1"), "nothing was counted yet"}
	}
	if w.carrier == "pipe" {
		return append([]string{m.rule("connection (/stats hides)", width, "1")},
			append(fill("", "", "", []string{"You host the room in this very program: there is no network between you and it, and nothing to count. Those who join see their connection here."}, "", width), strings.Repeat(m.marks.rule, width))...)
	}
	s := w.stats[len(w.stats)-1]
	rows := []string{m.rule("connection over "+w.carrier+", the last 2 minutes (/stats hides)", width, "1")}
	rtt := make([]float64, 0, len(w.stats))
	flight := make([]float64, 0, len(w.stats))
	lost := make([]float64, 0, len(w.stats))
	for i, c := range w.stats {
		rtt, flight = append(rtt, c.RTT), append(flight, float64(c.InFlight))
		if i > 0 {
			lost = append(lost, float64(after(c.Lost, w.stats[i-1].Lost)))
		}
	}
	label := func(name string, now string, values []float64) string {
		head := pad(m.cut(fmt.Sprintf("%-10s %s", name, now), 28), 28)
		return m.cut(head, width) + m.spark(values, max(0, width-29))
	}
	rows = append(rows,
		label("round trip", fmt.Sprintf("%.2f ms", s.RTT), rtt),
		label("in flight", fmt.Sprintf("%d of %d bytes", s.InFlight, s.Window), flight),
		label("lost", fmt.Sprintf("%d of %d packets", s.Lost, s.Sent), lost))
	rows = append(rows, fill("", "", "", []string{fmt.Sprintf("sent again: %d, received: %d; %s out, %s in; events: %d, of them twice %d, missed %d; reconnected: %d",
		s.Resent, s.Received, size(s.BytesOut), size(s.BytesIn), s.Events, s.Twice, s.Missed, s.Reconnect)}, m.theme.dim, width)...)
	return append(rows, strings.Repeat(m.marks.rule, width))
}

// after is how much a counter has grown; it begins anew with a connection.
func after(now, before uint64) uint64 {
	if now < before {
		return now
	}
	return now - before
}

// spark draws the last values as bars.
func (m *model) spark(values []float64, width int) string {
	if len(values) > width {
		values = values[len(values)-width:]
	}
	if len(values) == 0 {
		return ""
	}
	most := slices.Max(values)
	var b strings.Builder
	for _, v := range values {
		i := 0
		if most > 0 {
			i = int(v / most * float64(len(m.marks.spark)-1))
		}
		b.WriteRune(m.marks.spark[max(0, min(i, len(m.marks.spark)-1))])
	}
	return b.String()
}

func size(n uint64) string {
	switch {
	case n < 10<<10:
		return fmt.Sprintf("%d B", n)
	case n < 10<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

// loss is what part of the packets was lost lately, in percent.
func (w *window) loss() float64 {
	if len(w.stats) < 2 {
		return 0
	}
	first, last := w.stats[max(0, len(w.stats)-20)], w.stats[len(w.stats)-1]
	sent := after(last.Sent, first.Sent)
	if sent == 0 {
		return 0
	}
	return 100 * float64(after(last.Lost, first.Lost)) / float64(sent)
}
