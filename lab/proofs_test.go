//go:build !nolab

package lab

import (
	"maps"
	"slices"
	"strconv"
	"testing"

	"parley/lab/wire"
)

// TestSeeds has the proofs hold with other seeds, where that is said.
func TestSeeds(t *testing.T) {
	for _, lesson := range Lessons {
		if !slices.Contains(lesson.Free, "seed") {
			continue
		}
		prints := map[string]bool{}
		seeds := seedsTried
		if slices.Contains(lesson.Uses, "seeds") { // each run is of many seeds
			seeds /= 8
		}
		for seed := range seeds {
			r, err := Do(wire.Test(t), lesson, Request{Settings: Settings{"seed": strconv.Itoa(seed + 1)}, Quiet: true})
			if err != nil {
				t.Fatal(err)
			}
			if r.verdict != "PASS" {
				t.Errorf("%s, seed %d: %s", lesson.Name, seed+1, r.Proof())
			}
			prints[r.Fingerprint()] = true
		}
		if len(prints) < seeds {
			t.Errorf("%s: %d fingerprints for %d seeds", lesson.Name, len(prints), seeds)
		}
	}
}

// TestDelays has the proofs hold over cables of any length, where that is said.
func TestDelays(t *testing.T) {
	for _, lesson := range Lessons {
		if !slices.Contains(lesson.Free, "delay") {
			continue
		}
		for _, delay := range []string{"0s", "1ms", "130ms", "20ms+-20ms", "3s"} {
			r, err := Do(wire.Test(t), lesson, Request{Settings: Settings{"delay": delay}, Quiet: true})
			if err != nil {
				t.Fatal(err)
			}
			if r.verdict != "PASS" {
				t.Errorf("%s, delay %s: %s", lesson.Name, delay, r.Proof())
			}
		}
	}
}

// TestProofsCanFail does something to a lesson's wire or program that its proof
// does not allow for, and says which checks have to notice.
func TestProofsCanFail(t *testing.T) {
	for _, d := range []struct {
		lesson  string
		damage  Settings
		noticed []string
	}{
		{"boundaries", Settings{"drop": "A>B:msg#2"}, []string{"reads.datagram.late", "reads.stream.eager", "reads.datagram.eager"}},
		{"boundaries", Settings{"every": "600ms"}, []string{"reads.stream.late"}},
		{"boundaries", Settings{"size": "9000"}, []string{"reads.large.stream"}},
		{"framing", Settings{"drop": "A>B:data"}, []string{"reads.naive", "right.naive", "equal.framed", "equal.many"}},
		{"refused", Settings{"drop": "B>A:icmp"}, []string{"refused_receive.udp", "refused_us.udp", "second_send_failed.udp"}},
		{"refused", Settings{"drop": "B>A:rst"}, []string{"refused.tcp", "refused_us.tcp"}},
		{"refused", Settings{"drop": "A>B:udp#1"}, []string{"icmp_port_unreachable.udp", "second_send_failed.udp"}},
		{"broadcast", Settings{"drop": "A>m1:udp"}, []string{"heard.broadcast.3", "heard.broadcast.30", "heard.group"}},
		{"broadcast", Settings{"drop": "*>m2:data#1"}, []string{"frames.server.3"}},
		{"broadcast", Settings{"loss": "0%"}, []string{"missed_in_all.lossy_broadcast"}},
		{"handshake", Settings{"drop": "A>B:syn#1"}, []string{"segments.tcp", "cables.tcp"}},
		{"handshake", Settings{"drop": "*:udp#1"}, []string{"cables.udp"}},
		{"handshake", Settings{"drop": "B>A:arp"}, []string{"cables.strangers"}},
		{"handshake", Settings{"drop": "A>B:data"}, []string{"bytes.no_accept", "acked.no_accept"}},
		{"realtime", Settings{"seeds": "1..3", "loss": "0%"}, []string{"late_median.tcp", "p99_ms_median.tcp", "delivered_median.udp", "late_median.parley"}},
		{"realtime", Settings{"seeds": "1..2", "messages": "50", "drop": "A>B:data"}, []string{"delivered_least.tcp", "delivered_least.parley"}},
		{"realtime", Settings{"seeds": "1..2", "reorder": "5%:20ms"}, []string{"late_most.udp"}},
		{"loss", Settings{"loss": "0%"}, []string{"lost.bare"}},
		{"loss", Settings{"dup": "0%"}, []string{"doubled.bare"}},
		{"loss", Settings{"reorder": "0%"}, []string{"order.bare"}},
		{"loss", Settings{"loss": "0%", "reorder": "0%"}, []string{"order.repeat", "sends.repeat"}},
		{"loss", Settings{"drop": "B>A:udp"}, []string{"missing.parley", "sends.repeat"}},
		{"holblocking", Settings{"drop": "A>B:msg#7"}, []string{"wait_ms.tcp.5", "wait_ms.tcp.7"}},
		{"holblocking", Settings{"drop": ""}, []string{"innocent_late.tcp", "innocent_late.tcp_faster", "missing.udp", "late.parley"}},
		{"holblocking", Settings{"every": "100ms"}, []string{"innocent_late.tcp"}},
	} {
		lesson, _, ok := Find(d.lesson)
		if !ok {
			t.Fatal(d.lesson)
		}
		lesson.Defaults = maps.Clone(lesson.Defaults)
		maps.Copy(lesson.Defaults, d.damage)
		r, err := Do(wire.Test(t), lesson, Request{Quiet: true})
		if err != nil {
			t.Fatal(d.lesson, d.damage, err)
		}
		if r.verdict != "FAIL" {
			t.Errorf("%s with %v: %s", d.lesson, d.damage, r.Proof())
		}
		for _, name := range d.noticed {
			if i := slices.IndexFunc(r.Checks, func(c Check) bool { return c.Name == name }); i < 0 || r.Checks[i].OK() {
				t.Errorf("%s with %v: %s does not notice: %s", d.lesson, d.damage, name, r.Proof())
			}
		}
	}
}

// TestWorst has lessons end whatever the wire does: nothing may wait for ever.
func TestWorst(t *testing.T) {
	for _, lesson := range Lessons[:8] {
		for _, worst := range []Settings{
			{"loss": "90%"}, {"loss": "55%"}, {"loss": "A>B:100%"}, {"delay": "10s"}, {"cut": "100ms"}, {"mtu": "576"},
			{"drop": "A>B:data"}, {"drop": "A>B:ack"}, {"drop": "B>A:synack"}, {"drop": "B>A:any"}, {"drop": "*:fin"},
		} {
			given, meant := Settings{}, true
			for name, value := range worst {
				given[name], meant = value, lesson.uses(name)
			}
			if !meant {
				continue
			}
			if lesson.uses("seeds") {
				given["seeds"], given["messages"] = "1..2", "30"
			}
			r, err := Do(wire.Test(t), lesson, Request{Settings: given, Quiet: true})
			if _, misused := Misused(err); err != nil && !misused {
				t.Errorf("%s with %v: %v", lesson.Name, given, err)
			} else if err == nil && !r.OK() {
				t.Errorf("%s with %v: %s", lesson.Name, given, r.Proof())
			}
		}
	}
}

// TestChangedIsInfo changes each setting that is not free, of the lessons of the
// first hour.
func TestChangedIsInfo(t *testing.T) {
	other := Settings{
		"seed": "8", "seeds": "1..2", "transport": "udp", "hosts": "4", "messages": "20", "every": "7ms", "size": "3000", "reader": "eager",
		"delay": "6ms", "loss": "1%", "dup": "1%", "reorder": "1%", "corrupt": "1%", "rate": "50mbit", "queue": "9", "mtu": "1400", "cut": "1h", "until": "1h",
	}
	for _, lesson := range Lessons[:8] {
		for _, name := range lesson.Uses {
			if _, ok := other[name]; !ok || slices.Contains(lesson.Free, name) || lesson.Name == "realtime" && name != "seeds" {
				continue // realtime takes its time
			}
			r, err := Do(wire.Test(t), lesson, Request{Settings: Settings{name: other[name]}, Quiet: true})
			if err != nil {
				t.Errorf("%s with %s=%s: %v", lesson.Name, name, other[name], err)
			} else if r.verdict != "INFO" {
				t.Errorf("%s with %s=%s: %s", lesson.Name, name, other[name], r.Proof())
			}
		}
	}
}
