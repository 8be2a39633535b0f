// Package wire is a LAN in one process: hosts, each with a TCP/IP stack of its
// own, around an Ethernet switch, in virtual time, with every frame on record.
// A minute of it takes a fraction of a second, and the same seed gives the same
// bytes, on any 64-bit system. The lessons of package lab run on it: with bare
// sockets, and with the program's own code, for which a [Host] is a machine.
//
// # Damage is done to frames
//
// Whatever a way or a rule does, it does to a frame between two hosts, below
// both transports. Nothing is lost inside UDP, and TCP is not spared: it earns
// its reliability before everybody's eyes, and pays for it.
//
//	program ── socket ── stack ── port ──┐            ┌── stack ── socket ── program
//	                               rate  │   switch   │
//	                               queue └── way A>B ─┘
//	                                         loss, dup, reorder, delay ± jitter,
//	                                         corrupt, MTU, cut, isolation, rules
//
// A [Port] is the cable from a host to the switch, as far as it is slow: all
// that the host sends goes through it once, a broadcast too. A [Way] is what
// befalls frames from one host to one other; a broadcast has a fate of its own
// on each. Each way has its own luck, a generator seeded by the LAN's seed and
// the names of the two, and draws six numbers for each frame whatever is asked
// for. So more loss does not move the duplicates, and a host more does not
// change what happens to the others.
//
// The tap sees a frame once, when it is sent, with all its copies and the fate
// of each: the fate is known then, the stack being asked for nothing. Frames
// that are lost are in the record of the sender and of nobody else, which is
// how two captures of one real loss look, too.
//
// # The stacks
//
// They are gVisor's, which pass for a kernel's in what is on the wire: ARP,
// IPv4 with fragments, ICMP, UDP, TCP with SACK, timestamps, window scaling.
// No other package imports it, it is pinned, its version is in every
// fingerprint, and the build tag nolab leaves all of it out. It is built on
// inner parts of Go's runtime, so the tests here are what says whether it
// stands a new Go. Hosts speak IPv4 only: an IPv6 stack begins by asking whether
// its address is taken, and no lesson wants that on its picture.
//
// Sockets are not gVisor's net-like ones, which differ from the net package
// where programs notice: what their errors are, whether an ICMP error wakes a
// reader, what Close does to those who wait.
//
// # Time
//
// A LAN lives in a bubble of testing/synctest: goroutines, channels, timers and
// contexts are Go's own, so any code runs that does its waiting with them, and
// time goes on when all of them wait. [Test] gives a test's bubble. [Enter]
// gives one to the shipped program, in a process of its own, which the program
// starts by calling itself.
//
// The LAN's pump is one goroutine with one heap of events: frames that arrive
// and timers of stacks. It takes one event at a time and goes on when nothing
// moves any more:
//
//	take the first event that is due, and give it to its host
//	until nobody has anything to do:
//		wait until every goroutine waits    (synctest.Wait: nobody else may call it)
//		decide the fates of the frames sent meanwhile, in a fixed order
//		let the stacks that were touched digest, and wait for them
//	no event is due: sleep until one is, or until a program does something
//
// gVisor's TCP workers wait in a way that a bubble does not take for waiting.
// So stacks are paused, which their workers do on an ordinary channel, and are
// let go and paused again by the pump. Their timers do not run in the bubble,
// which has several that are due at once run in a random order; the heap has an
// order.
//
// # What repeats itself, and what it takes
//
// A host whose sockets are each used by one goroutine repeats itself always,
// on one processor or several, on amd64 and in WebAssembly: the pump puts in order what different
// connections of a host send at one instant.
//
// A program that passes a message through several goroutines leaves it to Go's
// scheduler whether two messages share a packet. It repeats itself under
// [Steady], which see: one processor, no collector, randomness from the seed.
// On a machine with five times as many busy processes as processors a room's
// run differed from the others once in 300 times. So the lab runs the program's
// own code until two runs agree.
//
// Such a program must not draw lots. Go does where two timers of a program run
// out at one instant, or a select finds two channels ready. Lessons let people
// act at odd instants ([Host.Pause]); a loop of the program that has a ticker
// and a timer has a race that the lab will find. And it must take its randomness
// from crypto/rand.Reader or rand.Read, not from functions that make keys, to
// which Go gives true randomness whatever Reader is. That is why encrypted runs
// do not repeat themselves: they have as many frames at the same times, but not
// the same bytes.
//
// # Is this TCP true?
//
// 500 messages of 64 bytes, one every 20 ms, a cable of 20 ms, independent loss
// both ways, 30 seeds; least..median..most. "Late" is more than 25 ms. Linux 6.18
// with CUBIC had 20 to 30 such connections, between two network namespaces and
// through a relay with the same rule of loss.
//
//	                               1 %             2 %             5 %              10 %
//	late
//	  Linux                        3..17..51       12..33..63      60..106..142     154..236..348
//	  TCP{}                        3..14..30       15..27..43      48..74..105      120..167..461
//	  with CUBIC                   3..13..30       15..25..43      48..73..407      136..398..486
//	  Classic                      5..21..54       25..47..77      78..132..186     215..296..388
//	  Classic, max RTO 120 s       5..21..54       25..47..77      78..132..244     215..301..497
//	  Classic with CUBIC           5..21..54       25..45..77      71..133..225     206..341..469
//	  Classic without SACK         5..23..54       25..47..80      83..140..185     201..293..404
//	99th percentile of waiting, ms
//	  Linux                        21..80..81      61..80..94      81..140..360     290..800..3720
//	  TCP{}                        20..80..80      80..80..120     80..100..140     120..180..9650
//	  with CUBIC                   20..80..80      80..80..120     80..100..8230    160..7060..11480
//	  Classic                      40..120..220   120..120..200   140..280..1020    240..1380..3160
//	  Classic, max RTO 120 s       40..120..220   120..120..200   140..280..3100    240..1380..53470
//	  Classic with CUBIC           40..120..160   120..120..200   120..240..1360    600..1360..3970
//
// TCP{} (RACK with tail loss probes, Reno, SACK) has its medians within a third
// of the kernel's everywhere, and sends a single lost message again when a kernel
// does, one round trip after the next has come. Lessons use it up to 5 % loss.
// Above, it can stand still: each write, even one that the window lets nothing
// out of, winds up the probe's timer and stops the retransmission's, so that a
// program that writes often keeps a connection from noticing its loss. A cap on
// the retransmission timer does not help, and CUBIC makes it likely, so that the
// stack's CUBIC is further from the kernel's CUBIC than its Reno is. [Classic]
// (three duplicate acknowledgements; retransmission after 1 s at most) stands
// never still, is within a third at 10 %, too slow at 2 %, and is what lessons
// use above 5 %.
//
// On a cable of 2 Mbit/s with a queue of 25 frames, one connection carries 1,590
// kbit/s with TCP{}, 1,888 with Classic and 1,910 with Classic and CUBIC.
//
// # Captures
//
// [WritePcapng] writes what one host saw: Wireshark takes a segment that it
// sees at two places for one sent twice. What a capture cannot know is in the
// frames' comments:
//
//	lab:drop why=loss          lost on its way; to=NAME if it had several receivers
//	lab:dup  lab:reorder  lab:corrupt
//	lab:resent                 carries what was sent before: certain, not inferred
//	lab:msg=5                  carries a part of message 5
package wire
