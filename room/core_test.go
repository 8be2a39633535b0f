package room

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/transport"
)

// A play drives a core by hand: no goroutine, no clock, a log that commits
// when it is told.
type play struct {
	core *core
	log  *Memory
	now  time.Time
	keys byte
	seen uint64 // of the log, folded
	ids  int
}

func newPlay(h *Host) *play {
	h.Log = NewMemory()
	h.setup()
	p := &play{core: newCore(h, h.Log.ID()), log: h.Log.(*Memory), now: time.Unix(1000, 0)}
	p.core.open(0)
	return p
}

func (p *play) link() *link {
	p.keys++
	l := &link{out: newOutbox(false), peer: transport.Peer{Key: transport.Key{p.keys}, Via: "udp"}}
	p.core.attach(p.now, l)
	return l
}

func (p *play) join(nick string) *link {
	l := p.link()
	p.core.command(p.now, l, command{Type: typeJoin, V: Version, Nick: nick})
	p.settle()
	return l
}

func (p *play) say(l *link, text string) {
	p.ids++
	p.core.command(p.now, l, command{Type: "message", ID: fmt.Sprintf("%032x", p.ids), Text: text})
}

// batch returns what the core wants stored.
func (p *play) batch() []*item { return p.core.next(p.now) }

// store appends a batch and tells the core.
func (p *play) store(batch []*item) {
	outcomes := make([]outcome, len(batch))
	for i, it := range batch {
		if it.entry != nil {
			r, _ := p.log.Append(nil, []Entry{*it.entry})
			outcomes[i].result = r[0]
		}
	}
	p.core.committed(p.now, outcomes)
}

// fold shows the core what the log has.
func (p *play) fold() {
	if news := p.log.entries[p.seen:]; len(news) > 0 {
		p.seen += uint64(len(news))
		p.core.tailed(p.now, slices.Clone(news))
	}
}

// settle stores and folds until there is nothing to do.
func (p *play) settle() {
	for range 100 {
		b := p.batch()
		if b == nil {
			return
		}
		p.store(b)
		p.fold()
	}
	panic("it never settles")
}

// types returns the types of the messages that wait for a link, and empties it.
func types(l *link) string {
	w := l.out.take(work{})
	var all []string
	if w.begin != nil {
		all = append(all, "welcome")
		l.out.sent = l.out.head
	}
	for _, x := range w.letters {
		r, _ := parseReport(x.data)
		all = append(all, strings.TrimSpace(r.Type+" "+r.Code))
	}
	for _, f := range w.live {
		if !f.visible(l.seat.key) {
			all = append(all, "skip")
			continue
		}
		r, _ := parseReport(f.data)
		all = append(all, strings.TrimSpace(r.Type+" "+r.Text))
	}
	if w.last != nil {
		r, _ := parseReport(w.last)
		all = append(all, r.Type+" "+r.Code)
	}
	return strings.Join(all, ", ")
}

func want(t *testing.T, l *link, what string) {
	t.Helper()
	if got := types(l); got != what {
		t.Errorf("got  %s\nwant %s", got, what)
	}
}

// TestCommit has commands wait while a batch is under way, and checks that
// nothing is shown that is not folded, nor accepted that is not stored.
func TestCommit(t *testing.T) {
	p := newPlay(&Host{})
	ana, ben := p.join("ana"), p.join("ben")
	want(t, ana, "welcome")
	want(t, ben, "welcome")
	p.say(ana, "one")
	first := p.batch()
	p.say(ben, "two")
	p.say(ana, "three")
	if again := p.batch(); len(first) != 1 || again != nil {
		t.Fatalf("%d stored first, %d while they are", len(first), len(again))
	}
	want(t, ana, "")
	p.store(first)
	want(t, ana, "accepted")
	if p.batch() != nil {
		t.Error("a batch was made before the fold had the last")
	}
	p.fold()
	want(t, ana, "message one")
	want(t, ben, "message one")
	second := p.batch()
	if len(second) != 2 {
		t.Fatalf("%d in the second batch", len(second))
	}
	p.log.Append(nil, []Entry{*second[0].entry, *second[1].entry})
	p.fold() // the log's Tail may be faster than its Append
	want(t, ben, "message two, message three")
	p.store(second)
	want(t, ben, "accepted")
	want(t, ana, "accepted, message two, message three")
}

// TestOneNameInABatch has two ask for a name at once, and one of them speak at once.
func TestOneNameInABatch(t *testing.T) {
	p := newPlay(&Host{})
	a, b := p.link(), p.link()
	for _, l := range []*link{a, b} {
		p.core.command(p.now, l, command{Type: typeJoin, V: Version, Nick: "ana"})
		p.say(l, "me")
	}
	batch := p.batch()
	if len(batch) != 1 {
		t.Fatalf("%d in the batch", len(batch))
	}
	p.store(batch)
	p.fold()
	p.settle()
	want(t, a, "welcome, accepted") // and the message from the log
	want(t, b, "error nick_taken, error protocol")
}

// TestRenameHoldsTheRest has what is said after a change of name say so.
func TestRenameHoldsTheRest(t *testing.T) {
	p := newPlay(&Host{})
	ana, ben := p.join("ana"), p.join("ben")
	types(ana)
	types(ben)
	p.say(ana, "as ana")
	p.core.command(p.now, ana, command{Type: "nick", ID: fmt.Sprintf("%032x", 77), Nick: "zoe"})
	p.say(ana, "as zoe")
	p.core.command(p.now, ben, command{Type: "nick", ID: fmt.Sprintf("%032x", 78), Nick: "Zoe"})
	p.settle()
	w := ben.out.take(work{})
	var from []string
	for _, f := range w.live {
		r, _ := parseReport(f.data)
		from = append(from, r.Type+" by "+r.From)
	}
	if got := strings.Join(from, ", "); got != "message by ana, nick by ana, message by zoe" {
		t.Error(got)
	}
	if r, _ := parseReport(w.letters[0].data); r.Code != codeTaken {
		t.Errorf("%+v", r)
	}
}

// TestLeaveMeetsResume has a lost seat come back at each moment of its leave.
func TestLeaveMeetsResume(t *testing.T) {
	for moment := range 4 {
		p := newPlay(&Host{})
		ana, ben := p.join("ana"), p.join("ben")
		secret := ana.seat.session
		types(ben)
		p.core.detach(p.now, ana, "")
		if at := p.core.wake(); !at.Equal(p.now.Add(lingering)) {
			t.Fatalf("wakes at %v", at)
		}
		p.now = p.now.Add(lingering)
		back := p.link()
		back.peer.Key = ana.peer.Key
		resume := func() {
			p.core.command(p.now, back, command{Type: typeJoin, V: Version, Nick: "ana", Session: hexID(secret), Log: hexID(p.core.logID), Seq: 2})
		}
		if moment == 0 {
			resume()
			p.settle()
		}
		p.core.tick(p.now)
		if moment == 1 {
			resume() // waits behind the leave, which is said
		}
		batch := p.batch()
		if moment == 2 {
			resume()
		}
		if batch != nil {
			p.store(batch)
		}
		if moment == 3 {
			resume()
		}
		p.fold()
		p.settle()
		got := types(ben)
		if want := []string{"", "leave, join", "leave, join", "leave, join"}[moment]; got != want {
			t.Errorf("moment %d: ben sees %q, want %q", moment, got, want)
		}
		if back.seat == nil || back.seat.link != back || back.seat.nick != "ana" || len(p.core.seats) != 2 || len(p.core.state.people) != 2 {
			t.Errorf("moment %d: %d seats", moment, len(p.core.seats))
		}
		if w := back.out.take(work{}); w.begin == nil || w.begin.after != 2 {
			t.Errorf("moment %d: %+v", moment, w.begin)
		}
	}
}

// TestReceipts counts who has what, and does not say it more than four times
// a second.
func TestReceipts(t *testing.T) {
	p := newPlay(&Host{})
	ana := p.join("ana")
	var others []*link
	for i := range 10 {
		others = append(others, p.join(fmt.Sprintf("m%d", i)))
	}
	types(ana)
	p.say(ana, "one")
	p.settle()
	p.join("late")
	told := func() string {
		w := ana.out.take(work{})
		return fmt.Sprint(w.told)
	}
	told()
	var all []string
	for i, l := range others {
		p.core.command(p.now, l, command{Type: typeGot, Got: 12})
		p.core.command(p.now, l, command{Type: typeGot, Got: 5}) // of no use
		if s := told(); s != "map[]" {
			all = append(all, fmt.Sprint(i+1, s))
		}
		if at := p.core.wake(); at.IsZero() == (len(p.core.receipts.tell) > 0) {
			t.Fatal("it will not wake")
		}
		p.now = p.now.Add(100 * time.Millisecond)
		p.core.tick(p.now)
		if s := told(); s != "map[]" {
			all = append(all, fmt.Sprint(i+1, s))
		}
	}
	if got := strings.Join(all, " "); got != "1map[12:[1 10]] 3map[12:[3 10]] 6map[12:[6 10]] 9map[12:[9 10]] 10map[12:[10 10]]" {
		t.Error(got)
	}
	ask := func(l *link, seq uint64) string {
		p.ids++
		types(l)
		p.core.command(p.now, l, command{Type: typeReceipt, ID: fmt.Sprintf("%032x", p.ids), Seq: seq})
		p.settle()
		w := l.out.take(work{})
		r, _ := parseReport(w.letters[0].data)
		return fmt.Sprint(r.Type, r.Code, r.Delivered, len(w.letters))
	}
	if got := ask(ana, 12); got != "delivered[[12 10 10]] 2" {
		t.Error(got)
	}
	for _, seq := range []uint64{0, 1, 11, 13, 1 << 63} {
		if got := ask(ana, seq); got != "failedforgotten[] 1" {
			t.Errorf("%d: %s", seq, got)
		}
	}
	if got := ask(others[0], 12); got != "failedforgotten[] 1" {
		t.Errorf("somebody else is told: %s", got)
	}
	again := &link{out: newOutbox(false), peer: ana.peer} // another seat of ana's
	p.core.attach(p.now, again)
	p.core.command(p.now, again, command{Type: typeJoin, V: Version, Nick: "ana", Share: true})
	p.settle()
	if got := ask(again, 12); got != "delivered[[12 10 10]] 2" {
		t.Error(got)
	}
}

// TestReceiptsAreBounded says much that nobody confirms.
func TestReceiptsAreBounded(t *testing.T) {
	p := newPlay(&Host{Burst: 1 << 20})
	ana := p.join("ana")
	p.join("ben")
	for i := range maxReceipts + 100 {
		p.say(ana, fmt.Sprint(i))
		p.settle()
	}
	if n := len(p.core.receipts.list); n != maxReceipts {
		t.Errorf("%d", n)
	}
}

func TestBucket(t *testing.T) {
	var b bucket
	now := time.Unix(0, 0)
	for i := range 5 {
		if d := b.take(now, 1, flow{5, 10}); d != 0 {
			t.Errorf("%d: %v", i, d)
		}
	}
	if d := b.take(now, 1, flow{5, 10}); d != 100*time.Millisecond {
		t.Errorf("%v", d)
	}
	if d := b.take(now.Add(200*time.Millisecond), 1, flow{5, 10}); d != 0 {
		t.Errorf("%v", d)
	}
	if d := b.take(now.Add(time.Hour), 1, flow{5, 10}); d != 0 || b.tokens != 4 {
		t.Errorf("%v %v", d, b.tokens)
	}
}

// TestInbox is a table of what comes and what is made of it.
func TestInbox(t *testing.T) {
	now := time.Unix(0, 0)
	for _, tc := range []struct {
		lane  transport.Delivery
		seqs  []int // negative: a mark; over 1000: a skip of two
		fresh string
		bad   bool
		gaps  string
		done  uint64
	}{
		{transport.Ordered, []int{1, 2, 2, 3, 1004, 6}, "1 2 3 6", false, "", 6},
		{transport.Ordered, []int{1, 3}, "1", true, "", 1},
		{transport.Ordered, []int{1, -9}, "1", false, "", 1},
		{transport.Unordered, []int{3, 1, 3, 2, 1004, 6, 5}, "3 1 2 6", false, "", 6},
		{transport.Unordered, []int{30000}, "", true, "", 0},
		{transport.Bare, []int{1, 4, -5, 6, 3}, "1 4 6 3", false, "{2 1} {5 1}", 6},
		{transport.Bare, []int{-3}, "", false, "{1 3}", 3},
		{transport.Bare, []int{2, -1, -2, -4, 8}, "2 8", false, "{1 1} {3 2}", 4},
		{transport.Bare, []int{1003, 9, -9}, "9", false, "{1 2} {5 4}", 9},
	} {
		var b inbox
		b.begin(0, tc.lane, true)
		var fresh []string
		var err error
		for _, n := range tc.seqs {
			ok := false
			switch {
			case n < 0:
				err = b.mark(now, uint64(-n))
			case n > 1000 && n < 2000:
				err = b.skip(uint64(n-1000), 2)
			default:
				ok, err = b.take(uint64(n))
			}
			if err != nil {
				break
			}
			if ok {
				fresh = append(fresh, fmt.Sprint(n))
			}
		}
		if g := b.gaps(now.Add(lateness - 1)); tc.lane == transport.Bare && len(g) > 0 {
			t.Errorf("%v: gaps %v before their time", tc.seqs, g)
		}
		gaps := strings.Trim(fmt.Sprint(b.gaps(now.Add(lateness))), "[]")
		if got := strings.Join(fresh, " "); got != tc.fresh || (err != nil) != tc.bad || gaps != tc.gaps || b.done != tc.done {
			t.Errorf("%v %v: fresh %q, err %v, gaps %q, done %d", tc.lane, tc.seqs, got, err, gaps, b.done)
		}
	}
}

// TestMarks has more of the host's words wait than may: the last one counts all the same.
func TestMarks(t *testing.T) {
	var b inbox
	now := time.Unix(1000, 0)
	b.begin(0, transport.Bare, true)
	for i := range 2 * maxMarks {
		if err := b.mark(now, uint64(i+1)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(b.marks); n != maxMarks {
		t.Errorf("%d marks", n)
	}
	if b.gaps(now.Add(lateness)); b.done != 2*maxMarks {
		t.Errorf("done up to %d", b.done)
	}
}

// TestCloses has somebody come to a room that is closing: he is told so, as those
// are who were here, and not that it is full.
func TestCloses(t *testing.T) {
	p := newPlay(&Host{})
	ana := p.join("ana")
	want(t, ana, "welcome")
	p.core.close(p.now)
	want(t, ana, "bye closing")
	want(t, p.link(), "error closing")
}

// TestWhispering: a room that is handed over waits for those whom a whisper is for,
// and for nobody else.
func TestWhispering(t *testing.T) {
	p := newPlay(&Host{})
	ana, ben, _ := p.join("ana"), p.join("ben"), p.join("cyn")
	got := func(l *link) { p.core.command(p.now, l, command{Type: typeGot, Got: p.core.state.seq}) }
	p.core.command(p.now, ana, command{Type: string(Whisper), ID: fmt.Sprintf("%032x", 1), To: "ben", Text: "psst"})
	p.settle()
	if got(ana); !p.core.whispering() {
		t.Error("ben is not waited for")
	}
	if got(ben); p.core.whispering() {
		t.Error("cyn is waited for")
	}
}
