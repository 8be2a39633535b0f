//go:build linux && slow

package main_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"parley/room/roomtest"
)

// How long the soak lasts, and how much is said, unless the environment says
// otherwise. The whole of it is
//
//	PARLEY_SOAK=30m PARLEY_SOAK_MESSAGES=20000 go test -tags slow -timeout 60m -v -run '^TestSoak$' .
//
// and PARLEY_SOAK_SEED has the same faults chosen again.
const (
	soakTime     = 75 * time.Second // each kind once
	soakMessages = 1200
	faultEvery   = 5 * time.Second
	soakDisk     = 64 << 20 // of the host
	soakHeals    = time.Minute
)

// nemesis disturbs a stage, one thing after the other, and undoes each.
type nemesis struct {
	*stage
	rng   *rand.Rand
	begin time.Time
	undo  []undoing
	busy  map[*actor]bool // killed or stopped
	moves int
	full  bool
	deck  []int                // of kinds, in the order of their turn
	tried map[*actor]time.Time // when it was started again
	count map[string]int
	did   []string
}

type undoing struct {
	at time.Time
	do func()
}

// For as long as asked for, something goes wrong every five seconds, and often
// several things at once, while everybody talks. Then all is healed, and nothing
// is lost, nothing is there twice, and all have seen the same in the same order.
func TestSoak(t *testing.T) {
	t.Parallel()
	lasts, messages, seed := soakTime, soakMessages, uint64(time.Now().UnixNano())
	if v := os.Getenv("PARLEY_SOAK"); v != "" {
		var err error
		if lasts, err = time.ParseDuration(v); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]func(uint64){
		"PARLEY_SOAK_MESSAGES": func(n uint64) { messages = int(n) }, "PARLEY_SOAK_SEED": func(n uint64) { seed = n },
	} {
		if v := os.Getenv(name); v != "" {
			n, err := strconv.ParseUint(v, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			to(n)
		}
	}
	t.Logf("seed %d, %v, %d messages: PARLEY_SOAK_SEED=%d has the same faults chosen again", seed, lasts, messages, seed)

	s := newStage(t, "ana", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8")
	disk(t, s.host().box.home("ana"), soakDisk)
	for _, a := range s.members() {
		a.target = s.room // by its name, so that it is found wherever its host moves
	}
	s.open(nil, nil)
	n := &nemesis{stage: s, rng: rand.New(rand.NewPCG(seed, 1)), begin: time.Now(), busy: map[*actor]bool{}, tried: map[*actor]time.Time{}, count: map[string]int{}}
	said := n.everybody(messages, lasts)
	for next := n.begin.Add(faultEvery / 2); time.Since(n.begin) < lasts; <-time.After(50 * time.Millisecond) {
		n.heal(time.Now())
		n.revive()
		if time.Now().After(next) {
			next = next.Add(faultEvery)
			n.act()
		}
	}
	n.heal(time.Now().Add(time.Hour))
	for end := time.Now(); time.Since(end) < soakHeals && !n.back(); <-time.After(50 * time.Millisecond) {
		n.revive()
	}
	if !n.back() {
		t.Errorf("%v after all was healed not everybody is back", soakHeals)
	}
	said.Wait()
	healed := s.settle(soakHeals)
	n.report(healed)
	s.rec.Add(roomtest.Record{Op: roomtest.Nemesis, Who: "packets dropped", Count: s.lost()})
	s.rec.Add(roomtest.Record{Op: roomtest.Nemesis, Who: "faults", Count: uint64(len(n.did))})
	s.judge()
}

// report prints what was done, and what came of it.
func (n *nemesis) report(healed time.Duration) {
	var kinds []string
	for _, kind := range slices.Sorted(maps.Keys(n.count)) {
		kinds = append(kinds, fmt.Sprintf("%d %s", n.count[kind], kind))
	}
	links, failed := map[string]int{}, map[string]int{}
	programs := 0
	for _, a := range n.actors {
		programs += len(a.runs)
		for _, r := range a.runs {
			for _, l := range r.changes(time.Time{}) {
				links[l.State]++
			}
			r.mu.Lock()
			for _, l := range r.failed {
				failed[l.Code]++
			}
			r.mu.Unlock()
		}
	}
	n.t.Logf("FIGURE soak of %v: %d messages said by %d programs, %d faults (%s), %d packets dropped; links %v; not stored, and said so: %v; healed and drained in %v",
		round(time.Since(n.begin)), n.sent(), programs, len(n.did), strings.Join(kinds, ", "), n.lost(), links, failed, round(healed))
	n.t.Log(strings.Join(n.did, "\n"))
}

// everybody talks: messages in all, spread over the time. Who is not there
// catches up later. One in eight is a whisper.
func (n *nemesis) everybody(messages int, lasts time.Duration) *sync.WaitGroup {
	each := messages / len(n.actors)
	n.planned += each * len(n.actors)
	all := new(sync.WaitGroup)
	for i, a := range n.actors {
		rng := rand.New(rand.NewPCG(n.rng.Uint64(), uint64(i)))
		all.Go(func() {
			for k := range each {
				at := n.begin.Add(lasts * time.Duration(k) / time.Duration(each))
				until(lasts+soakHeals, func() bool { return time.Now().After(at) && a.now().running() })
				to := ""
				if other := n.actors[rng.IntN(len(n.actors))]; other != a && rng.IntN(8) == 0 {
					to = other.nick
				}
				a.say(to, numbered(a.nick, k, rng.IntN(600))) // that it dies in the middle is allowed
			}
		})
	}
	return all
}

// words are the last that a program said.
func (r *run) words() string {
	lines := append(r.out.all(), r.talk.all()...)
	if len(lines) == 0 {
		return "without a word"
	}
	return fmt.Sprintf("%.300s", lines[len(lines)-1].text)
}

// back tells whether everybody is in the room.
func (n *nemesis) back() bool {
	for _, a := range n.actors {
		if !a.now().running() {
			return false
		}
	}
	return true
}

// revive starts programs again that did not find the room in time. One that was
// in the room has no business to end.
func (n *nemesis) revive() {
	for _, a := range n.actors {
		r := a.now()
		if n.busy[a] || r.running() || r.killed.Load() || time.Since(n.tried[a]) < time.Second {
			continue
		}
		select {
		case <-r.done:
		default:
			continue
		}
		select {
		case <-r.seated:
			n.t.Errorf("%s was in the room, and ended with code %d", r.who, r.code)
		default:
			n.note("could not come in", "%s could not come in, exit code %d: %s", r.who, r.code, r.words())
		}
		n.tried[a] = time.Now()
		r.killed.Store(true)
		n.rec.Add(roomtest.Record{Op: roomtest.End, Who: r.who, Dead: true})
		a.start()
	}
}

// note notes what is done, and when.
func (n *nemesis) note(kind, what string, args ...any) {
	n.count[kind]++
	n.did = append(n.did, fmt.Sprintf("%6.2f ", time.Since(n.begin).Seconds())+fmt.Sprintf(what, args...))
}

// after has something undone after a time.
func (n *nemesis) after(d time.Duration, do func()) {
	n.undo = append(n.undo, undoing{time.Now().Add(d), do})
}

// heal undoes what is due.
func (n *nemesis) heal(now time.Time) {
	due := n.undo
	n.undo = nil
	for _, u := range due {
		if u.at.After(now) {
			n.undo = append(n.undo, u)
		} else {
			u.do()
		}
	}
}

// some are members, chosen by chance.
func (n *nemesis) some() (list []*actor, names string) {
	list = slices.Clone(n.members())
	n.rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	list = list[:1+n.rng.IntN(len(list)-1)]
	for _, a := range list {
		names += " " + a.nick
	}
	return list, names
}

// kinds are what goes wrong, each as often as the others: they are dealt like
// cards.
var kinds = []func(n *nemesis, lasts time.Duration) bool{
	func(n *nemesis, lasts time.Duration) bool { return n.block("udp", true, true, lasts) },
	func(n *nemesis, lasts time.Duration) bool { return n.block("udp", true, false, lasts) },
	func(n *nemesis, lasts time.Duration) bool { return n.block("udp", false, true, lasts) },
	func(n *nemesis, lasts time.Duration) bool { return n.block("tcp", true, true, lasts) },
	func(n *nemesis, lasts time.Duration) bool { return n.block("all", true, true, lasts) },
	(*nemesis).partition,
	(*nemesis).lossy,
	func(n *nemesis, lasts time.Duration) bool { return n.kill(n.member(), lasts/4) },
	func(n *nemesis, lasts time.Duration) bool { return n.kill(n.member(), lasts/4) },
	func(n *nemesis, lasts time.Duration) bool { return n.kill(n.host(), lasts/4) },
	func(n *nemesis, lasts time.Duration) bool { return n.pause(n.member(), lasts) },
	func(n *nemesis, lasts time.Duration) bool { return n.pause(n.host(), lasts) },
	(*nemesis).fills,
	func(n *nemesis, lasts time.Duration) bool { return n.moved(n.member()) },
	func(n *nemesis, lasts time.Duration) bool { return n.moved(n.host()) },
}

// member is one of them, chosen by chance.
func (n *nemesis) member() *actor { return n.members()[n.rng.IntN(len(n.members()))] }

// act has something go wrong. What cannot now, because of what is wrong already,
// goes wrong later.
func (n *nemesis) act() {
	if len(n.deck) == 0 {
		n.deck = n.rng.Perm(len(kinds))
	}
	lasts := 200*time.Millisecond + time.Duration(n.rng.Int64N(int64(12*time.Second)))
	for i, kind := range n.deck {
		if kinds[kind](n, lasts) {
			n.deck = slices.Delete(n.deck, i, i+1)
			return
		}
	}
}

// block drops what some members send, what they are sent, or both.
func (n *nemesis) block(what string, up, down bool, lasts time.Duration) bool {
	list, names := n.some()
	n.note(what+" blocked", "%s blocked for %v (up %v, down %v):%s", what, lasts, up, down, names)
	for _, a := range list {
		if up {
			n.after(lasts, n.only(fmt.Sprintf("iifname %q oifname %q %s", a.m.port, n.host().m.port, protocol(what))))
		}
		if down {
			n.after(lasts, n.only(fmt.Sprintf("iifname %q oifname %q %s", n.host().m.port, a.m.port, protocol(what))))
		}
	}
	return true
}

// partition cuts the LAN into two parts.
func (n *nemesis) partition(lasts time.Duration) bool {
	list, names := n.some()
	n.note("partition", "cut off from all others for %v:%s", lasts, names)
	var ports []string
	for _, a := range list {
		ports = append(ports, strconv.Quote(a.m.port))
	}
	set := "{ " + strings.Join(ports, ", ") + " }"
	n.after(lasts, n.only("iifname "+set+" oifname != "+set))
	n.after(lasts, n.only("iifname != "+set+" oifname "+set))
	return true
}

func (n *nemesis) lossy(lasts time.Duration) bool {
	percent := 5 + n.rng.IntN(36)
	n.note("loss", "%d %% of packets lost for %v", percent, lasts)
	n.after(lasts, n.only(fmt.Sprintf("numgen random mod 100 < %d", percent)))
	return true
}

func (n *nemesis) kill(a *actor, lasts time.Duration) bool {
	if n.busy[a] {
		return false
	}
	what := "member killed"
	if a == n.host() {
		what = "host killed"
	}
	n.note(what, "%s killed, and started again after %v", a.now().who, lasts)
	n.busy[a] = true
	a.die()
	n.after(lasts, func() {
		n.busy[a] = false
		a.start()
	})
	return true
}

func (n *nemesis) pause(a *actor, lasts time.Duration) bool {
	if n.busy[a] {
		return false
	}
	what := "member stopped"
	if a == n.host() {
		what = "host stopped"
	}
	n.note(what, "%s stopped for %v", a.now().who, lasts)
	n.busy[a] = true
	a.signal(syscall.SIGSTOP)
	n.after(lasts, func() {
		n.busy[a] = false
		a.signal(syscall.SIGCONT)
	})
	return true
}

func (n *nemesis) fills(lasts time.Duration) bool {
	if n.full {
		return false
	}
	n.note("disk full", "the host's disk full for %v", lasts)
	n.full = true
	free := fill(n.t, n.host().box.home("ana"))
	n.after(lasts, func() {
		n.full = false
		free()
	})
	return true
}

func (n *nemesis) moved(a *actor) bool {
	n.moves++
	to := fmt.Sprintf("10.77.0.%d", 20+n.moves%230)
	what := "member moved"
	if a == n.host() {
		what = "host moved"
	}
	n.note(what, "%s moves to %s", a.now().who, to)
	a.m.move(to)
	return true
}
