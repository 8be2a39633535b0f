//go:build !nolab

package own

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"go.starlark.net/starlark"

	"parley/lab"
	"parley/lab/wire"
	"parley/text"
)

// port is where both ends of a student's transport are.
const port = 7000

// maxTimer is the longest time that a timer can be set to: longer than a run.
const maxTimer = 10 * time.Minute

// A timer is one that is set.
type timer struct {
	name starlark.Value
	at   time.Duration
}

// end is a script that runs on one host. One goroutine does all of it: it waits
// for a datagram, a timer, or something that its person says, and calls the
// script with the first that comes.
type end struct {
	lane   *lane
	host   *wire.Host
	script *script
	socket net.PacketConn
	peer   net.Addr
	thread *starlark.Thread
	state  *state
	calls  map[string]starlark.Callable
	timers []timer // in the order in which they run out
	says   []int   // messages that are still to be said
	in     string  // the callback that runs; empty: none
	places map[string]*string
	sends  int // datagrams of that callback
	log    []string
	unsaid int // lines of log that were too many
}

// datagrams of one end in a run, and what else is counted.
type counts struct{ sent, bytes, shown, timers int }

// newEnd makes an end of a lane on a host.
func newEnd(l *lane, h, peer *wire.Host, s *script, says []int) (*end, error) {
	e := &end{lane: l, host: h, script: s, state: newState(), calls: map[string]starlark.Callable{}, says: says, places: map[string]*string{}}
	e.peer = &net.UDPAddr{IP: peer.Addr().AsSlice(), Port: port}
	e.thread = &starlark.Thread{Name: h.Name(), Print: func(_ *starlark.Thread, msg string) { e.note(msg) }}
	e.thread.SetLocal(endKey, e)
	for _, c := range callbacks {
		place := c.name + ", on " + h.Name()
		e.places[c.name] = &place
	}
	l.guard.watch(e.thread)
	var err error
	if e.socket, err = h.ListenPacket(l.ctx, "udp", fmt.Sprint(":", port)); err != nil {
		return nil, err
	}
	return e, nil
}

const endKey = "end"

const whatItNeeds = "a transport has on_say(text) and on_datagram(data), and may have on_start() and on_timer(name); parley lab own --example 1 shows the smallest"

// outside is where a mistake is that is in no callback.
var outside = "what is outside of functions"

// begin runs what is outside of functions, and finds the callbacks.
func (e *end) begin() (err error) {
	defer e.recover("", &err)
	e.thread.SetMaxExecutionSteps(callSteps)
	names := starlark.StringDict{"state": e.state, "role": starlark.String(e.host.Name()), "MAX_DATAGRAM": starlark.MakeInt(maxDatagram)}
	for name, b := range builtins {
		names[name] = b
	}
	e.lane.guard.calling(&outside)
	globals, err := e.script.program.Init(e.thread, names)
	e.lane.guard.calling(nil)
	if err != nil {
		return e.wrong("", err)
	}
	for _, c := range callbacks {
		f, ok := globals[c.name].(*starlark.Function)
		switch {
		case ok && f.NumParams() != min(len(c.params), 1):
			return e.script.fault(f.Position(), fmt.Sprintf("%s takes %d values; it is called as %s(%s)", c.name, f.NumParams(), c.name, c.params))
		case ok:
			e.calls[c.name] = f
		case globals[c.name] != nil || c.must:
			return &Fault{File: e.script.file, Text: fmt.Sprintf("there is no function %s(%s)", c.name, c.params),
				Hint: whatItNeeds}
		}
	}
	return nil
}

// run is the life of the end, until its socket is closed.
func (e *end) run() error {
	if err := e.begin(); err != nil {
		return err
	}
	if err := e.call("on_start"); err != nil {
		return err
	}
	buf := make([]byte, maxDatagram+1)
	for {
		e.socket.SetReadDeadline(e.lane.at(e.next()))
		n, _, err := e.socket.ReadFrom(buf)
		var slow net.Error
		switch {
		case err == nil:
			e.lane.heard(e.host.Name(), n, e.lane.carried(buf[:n]))
			err = e.call("on_datagram", starlark.String(buf[:n]))
		case errors.Is(err, net.ErrClosed):
			return nil
		case errors.As(err, &slow) && slow.Timeout():
			err = e.due()
		default: // the other end has gone: an ICMP message says so
			err = nil
		}
		if err != nil {
			return err
		}
	}
}

// forever is later than any run goes on.
const forever = 24 * time.Hour

// next is when the next timer runs out, or the person says something.
func (e *end) next() time.Duration {
	next := forever
	if len(e.timers) > 0 {
		next = e.timers[0].at
	}
	if len(e.says) > 0 {
		next = min(next, e.lane.said(e.says[0]))
	}
	return next
}

// due calls what is due by now: the person goes before the timers.
func (e *end) due() error {
	now := e.lane.now()
	for len(e.says) > 0 && e.lane.said(e.says[0]) <= now {
		msg := e.says[0]
		e.says = e.says[1:]
		words := e.lane.says(e.host.Name(), msg)
		if err := e.call("on_say", starlark.String(words)); err != nil {
			return err
		}
	}
	for len(e.timers) > 0 && e.timers[0].at <= now {
		t := e.timers[0]
		e.timers = e.timers[1:]
		e.lane.ticked(e.host.Name(), t.name)
		if err := e.call("on_timer", t.name); err != nil {
			return err
		}
	}
	return nil
}

// call calls a callback, if the script has it.
func (e *end) call(name string, args ...starlark.Value) (err error) {
	f := e.calls[name]
	if f == nil {
		return nil
	}
	defer e.recover(name, &err)
	e.in, e.sends = name, 0
	e.lane.guard.calling(e.places[name])
	e.thread.SetMaxExecutionSteps(min(e.thread.ExecutionSteps()+callSteps, laneSteps))
	_, err = starlark.Call(e.thread, f, args, nil)
	e.lane.guard.calling(nil)
	e.in = ""
	e.lane.timersOf(e.host.Name(), len(e.timers), len(e.says))
	if err != nil {
		return e.wrong(name, err)
	}
	return nil
}

// recover makes a Fault of a panic in the interpreter.
func (e *end) recover(name string, err *error) {
	if x := recover(); x != nil {
		*err = e.wrong(name, fmt.Errorf("the interpreter fails: %v", x))
	}
}

// wrong says where a mistake came out.
func (e *end) wrong(name string, err error) *Fault {
	f := e.script.explain(err)
	if f.Text == "too many steps" {
		f.Text = fmt.Sprintf("more than %d steps in one call", callSteps)
		if e.thread.ExecutionSteps() >= laneSteps {
			f.Text = fmt.Sprintf("more than %d steps on one end in one run", laneSteps)
		}
		f.Hint = hint(f.Text)
	}
	if name == "" {
		name = outside
	}
	f.Where = fmt.Sprintf("%s, on %s at %s", name, e.host.Name(), ms(e.lane.now()))
	f.Log = e.log[max(0, len(e.log)-5):]
	return f
}

// note adds to the log.
func (e *end) note(words string) {
	if len(e.log) >= maxLog {
		e.unsaid++
		return
	}
	if len(words) > maxLogLine {
		words = words[:maxLogLine] + "…"
	}
	words = fmt.Sprintf("%8s %s  %s", ms(e.lane.now()), e.host.Name(), text.Clean(words))
	e.log = append(e.log, words)
	e.lane.line(lab.Line{K: "note", T: e.lane.now(), Host: e.host.Name(), Text: words})
}

// set sets a timer, and forgets what the same name was set to. d of 0 or less
// only forgets.
func (e *end) set(name starlark.Value, d time.Duration) error {
	e.timers = slices.DeleteFunc(e.timers, func(t timer) bool { return same(t.name, name) })
	if d <= 0 {
		return nil
	}
	if len(e.timers) >= maxTimers {
		return fmt.Errorf("more than %d timers at once", maxTimers)
	}
	t := timer{name, e.lane.now() + d}
	i := len(e.timers)
	for i > 0 && e.timers[i-1].at > t.at {
		i--
	}
	e.timers = slices.Insert(e.timers, i, t)
	return nil
}

// same tells whether two names of timers, which are texts or small numbers, are
// equal.
func same(a, b starlark.Value) bool {
	eq, err := starlark.Equal(a, b)
	return err == nil && eq
}

// ms writes a time as scripts know it.
func ms(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }
