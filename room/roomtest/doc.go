// Package roomtest decides whether a room kept its promise: nothing lost,
// nothing twice, the same order for all.
//
// A test, its members and whatever disturbs them write down what they did and
// saw as a history, a list of [Record]. [Check] reads it afterwards and names
// every promise that was broken. It knows nothing of how a room works: it
// would judge any chat, over any carrier, by the same rules.
//
// # Histories
//
// A history is kept as JSON lines, one record each, in the order written. The
// times are monotonic nanoseconds of one machine.
//
//	{"op":"plan","count":1000,"seq":0}               what was to be sent; log rows up to seq are older than the run
//	{"op":"nemesis","who":"loss","count":3211}       how often a disturbance took effect
//	{"op":"send","t":1,"who":"ana","cid":"a1","body":"a1 hi","to":"ben"}   handed to the room (to: a whisper)
//	{"op":"ack","t":2,"cid":"a1","seq":7}            the room said: stored, under this number
//	{"op":"fail","t":2,"cid":"a1"}                   the room said: not stored, and never will be
//	{"op":"join","who":"ben","seq":6,"lane":""}      sat down, or came back, having shown everything up to seq
//	{"op":"recv","who":"ben","seq":7,"from":"ana","cid":"a1","body":"a1 hi"}   shown
//	{"op":"gap","who":"ben","seq":8,"count":2}       told that these rows will not be shown (lane bare only)
//	{"op":"end","who":"ben","dead":false}            how the run ended for it: at the table, or (dead) gone
//	{"op":"log","seq":7,"from":"ana","cid":"a1","body":"a1 hi"}   what the host has stored, dumped afterwards
//
// A send with neither ack nor fail has an unknown outcome: its message may be
// in the log or not, but only once. A row of the room's own (somebody joined)
// has no cid and was sent by nobody.
//
// Who somebody is, is the nick; a second program of the same nick is written
// nick:2, which no nick can be.
//
// # Verdicts
//
// The total order holds if the host's log has no gap, and what each member
// showed is, from its cursor on and without gap or doubling, a beginning of
// that log, less the whispers that are not its own. Members still there at the
// end must have reached the end of the log; so a test heals what it disturbed,
// lets things drain, and then writes the ends.
//
// A run in which hardly anything was sent, or whose disturbances never took
// effect, proves nothing and fails as [Vacuous].
package roomtest
