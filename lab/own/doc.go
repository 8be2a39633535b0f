//go:build !nolab

// Package own runs a transport that a student wrote, and says how good it is:
// the reliability of a chat over datagrams, in Starlark, which is a small Python.
//
// # What a student writes
//
// One file, which runs on both ends, A and B. The lab calls its functions:
//
//	on_start()            first
//	on_say(text)          the person at this end said something
//	on_datagram(data)     a datagram came from the other end
//	on_timer(name)        a timer ran out
//
// on_say and on_datagram must be there. They can call
//
//	send(data)            a datagram to the other end: text of at most 1472 bytes
//	deliver(text)         show a message to the person at this end
//	set_timer(name, ms)   call on_timer(name) in so many milliseconds; again: then instead
//	cancel_timer(name)    do not
//	now()                 milliseconds since the start
//	log(values…)          write into the log; so does print
//	pack(values…)         text made of numbers, texts, True, False, None and lists
//	unpack(data)          the values again, as a tuple
//
// and have state, which keeps what has to be remembered (state.next = 0: names that
// are set outside of functions cannot be set again in one), role, "A" or "B", and
// MAX_DATAGRAM. A datagram is text like any other; its bytes need not be UTF-8.
//
// # What the lab does
//
//	             person         on_say      send
//	A  "hello" ────────── end ───────── script ───── socket ── wire ── … ── B "hello"
//	                           on_timer         deliver
//
// A and B say a hundred things in turns, each one every 20 ms, over a cable of 20
// ms: who waits for an answer before the next falls behind. Now and then somebody
// says what was said before, and texts have line breaks and bars in them. The run
// is over when nobody has a timer or anything to say and nothing is on its way;
// 10 s after the last datagram, or after everything was delivered; or a minute
// after the last was said. A transport that sends in the last 3 s before
// such an end, without need or in vain, does not come to rest.
//
// There are five runs, with seeds in a row, on each of five wires: clean; 5 % and
// 20 % of the frames lost; 10 % doubled, a fifth held back by 50 ms, with 10 ms
// of jitter; and gusts of 30 to 90 ms in which nothing arrives, 30 % of the
// time. What counts: is each message delivered exactly once, in order, and is it
// quiet afterwards? Then: how long did half of them take at most, and 99 of 100,
// and how many frames and bytes did it cost? The same wires with the same seeds
// carry our own transport, TCP and bare UDP beside it.
//
// # What a script may
//
// It sees no file, no clock, no network and no chance: the same file, the same
// seed, the same bytes, on every computer. The interpreter has no recursion and
// counts steps: half a million for a call, 20 million for an end in a run. Lists,
// timers, datagrams and texts have the limits that script.go names. Since one
// step can take any memory or time ("a" * 10**9), a guard looks on from outside of
// the bubble: it collects garbage at 192 MB, stops the interpreter at 384 MB, and
// ends the process at 512 MB, or if the interpreter has not stopped at once. It
// does so, too, where one call takes 4 s of real time, or all of them 90 s. So
// scripts run in an engine's process ([Run]), never in one that does something
// else.
//
// A mistake is a [Fault], with line, column, what to do, when it came out, and
// the last lines of the log.
//
// An end is one goroutine with one socket, so runs repeat themselves always:
// see package wire. The rivals have more, and are run until two runs agree.
package own
