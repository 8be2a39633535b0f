package node

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/transport/transporttest"
)

// nemesis does one thing after the other to a room, and undoes each after a
// while.
type nemesis struct {
	*trial
	undo []struct {
		at time.Time
		do func()
	}
	did   []string // with the time
	moved int
}

// For half a minute one thing after the other goes wrong at random, often
// several at once. Afterwards nothing is lost, and nothing is there twice.
func TestNemesis(t *testing.T) {
	all := settings()
	for seed := range uint64(schedules) {
		s := all[seed%uint64(len(all))]
		t.Run(fmt.Sprintf("%s/%d", s.name, seed+1), func(t *testing.T) {
			inTrial(t, s, seed+1, poor, func(tr *trial) {
				const lasts = 30 * time.Second
				n := nemesis{trial: tr}
				tr.speakAll(60, lasts)
				for end := time.Now().Add(lasts); time.Now().Before(end); {
					time.Sleep(n.between(0, 3*time.Second))
					n.heal(time.Now())
					n.act()
				}
				n.heal(time.Now().Add(time.Hour))
				tr.lan.SetAll(poor)
				tr.within(healed)
				tr.disturbed("loss", "reordering", "fault")
				tr.Log(strings.Join(n.did, ", "))
			})
		})
	}
}

// healed is how long it may take, after things went wrong for as long as here,
// until a member knows everything. One that only listens has to find out first
// that its host is another, or knows it by another address: it asks after 15 s
// of silence, waits 3 s for an answer, and has then to come back.
const healed = 30 * time.Second

func (n *nemesis) between(a, b time.Duration) time.Duration {
	return a + time.Duration(n.rng.Int64N(int64(b-a)))
}

// note notes what is done, and when.
func (n *nemesis) note(what string, args ...any) {
	at := time.Since(n.start).Round(10 * time.Millisecond)
	n.did = append(n.did, fmt.Sprintf("%v: ", at)+fmt.Sprintf(what, args...))
}

// after has something undone after a time.
func (n *nemesis) after(d time.Duration, do func()) {
	n.undo = append(n.undo, struct {
		at time.Time
		do func()
	}{time.Now().Add(d), do})
}

// heal undoes what is due.
func (n *nemesis) heal(now time.Time) {
	left := n.undo[:0]
	due := n.undo
	n.undo = nil
	for _, u := range due {
		if u.at.After(now) {
			left = append(left, u)
		} else {
			u.do()
		}
	}
	n.undo = append(n.undo, left...)
}

// alive returns those who sit there, but for the host's own.
func (n *nemesis) alive() (list []*speaker) {
	for _, p := range n.people {
		if p.node != n.host && !p.isDead() {
			list = append(list, p)
		}
	}
	return list
}

// act has something go wrong.
func (n *nemesis) act() {
	there := n.alive()
	one := there[n.rng.IntN(len(there))]
	d := n.between(100*time.Millisecond, 12*time.Second)
	switch k := n.rng.IntN(16); {
	case k < 4:
		n.rng.Shuffle(len(there), func(i, j int) { there[i], there[j] = there[j], there[i] })
		some := there[:1+n.rng.IntN(len(there))]
		n.note("%d cut off for %v", len(some), d)
		n.cut(true, some...)
		n.after(d, func() { n.cut(false, some...) })
	case k < 7:
		from, to := n.host.Net.(tapped).Machine, one.machine()
		if n.rng.IntN(2) == 0 {
			from, to = to, from
		}
		n.note("nothing from %s to %s for %v", from.Name(), to.Name(), d)
		dark := poor
		dark.Cut = true
		n.lan.Set(from, to, dark)
		n.after(d, func() { n.lan.Set(from, to, poor) })
	case k < 10:
		link := transporttest.Link{Loss: n.rng.Float64() * 0.6, Dup: n.rng.Float64() * 0.5, Reorder: n.rng.Float64() * 0.2,
			Corrupt: n.rng.Float64() * 0.05, Delay: n.between(0, 50*time.Millisecond), Jitter: n.between(0, 200*time.Millisecond)}
		n.note("%.0f %% lost for %v", 100*link.Loss, d)
		n.lan.SetAll(link)
		n.after(d, func() { n.lan.SetAll(poor) })
	case k < 13:
		n.note("%s moves", one.who)
		n.moved++
		one.machine().Move(fmt.Sprintf("10.0.0.%d/24", 100+n.moved))
	case k < 15:
		n.note("%s killed", one.who)
		n.heal(time.Now().Add(time.Hour)) // to come back it needs a network
		n.restart(one)
	default:
		n.note("host killed")
		n.heal(time.Now().Add(time.Hour)) // its machine is looked up again by what heals
		for _, p := range n.people {
			if p.node == n.host {
				p.die()
			}
		}
		time.Sleep(n.between(0, 6*time.Second))
		again := n.openRoom()
		again.say(n.script(again.who, 20, burst))
	}
}
