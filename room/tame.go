package room

import (
	"strings"

	"parley/text"
)

// tame takes the control characters out of what a host says, so that what an
// Event promises about its strings holds whoever the host is: a script that
// prints a text from the JSON output is as safe as a terminal is with ours. A
// host of ours lets none in, and then nothing changes and nothing is allocated.
func (r *report) tame() {
	r.Text, r.Motd = text.Mark(r.Text), text.Mark(r.Motd)
	for _, s := range []*string{&r.ID, &r.From, &r.To, &r.Nick, &r.By, &r.Reason, &r.Transport, &r.Role, &r.Code, &r.Suggest,
		&r.Room, &r.Delivery, &r.Lane, &r.Topic, &r.Why, &r.State, &r.Addr, &r.Keep} {
		if *s != "" { // as most are
			*s = oneLine(*s)
		}
	}
	r.File = r.File.tame()
	if r.Move != nil {
		r.Move.Nick = oneLine(r.Move.Nick)
	}
	for i := range r.Hosts {
		r.Hosts[i].Nick = oneLine(r.Hosts[i].Nick)
	}
	for i := range r.Rooms {
		r.Rooms[i] = oneLine(r.Rooms[i])
	}
	for i := range r.Members {
		p := &r.Members[i]
		p.Nick, p.Transport, p.Role, p.Away = oneLine(p.Nick), oneLine(p.Transport), oneLine(p.Role), oneLine(p.Away)
	}
}

// oneLine makes one line without control characters of s.
func oneLine(s string) string {
	if s = text.Mark(s); strings.ContainsAny(s, "\n\t") {
		s = breaks.Replace(s)
	}
	return s
}

// breaks are shown as marks where there can be one line only.
var breaks = strings.NewReplacer("\n", "\u23ce", "\t", "\u2409")
