// Package room is the chat: people who sit in a room, say things, and all see
// the same in the same order, whatever carries their words.
//
// # The parts
//
// A [Host] is one room. It takes commands from its members, has a [Log] store
// what they come to, and shows everybody what the log says. A [Member] is a
// seat in a room, with a connection that may fail and be replaced at any time.
// Between the two are whole messages over a [transport.Conn]; what carries
// them, neither knows. Front ends see a Member: they say and type, and read
// one stream of [Event]s.
//
// Commands flow down to the host, events flow up from it. What you type
// reaches your own screen the way it reaches everyone's: by the log.
//
// What a Member says is a draft on disk until the host has answered it
// (drafts.go): written at once, made safe and then called pending only when the host
// takes longer than a moment. Who sits down next in the same room, with the same
// key, sends what a killed program has left, with the same ids; the log
// stores each id once, so nobody has to know how far the first try came. What a
// Member shows is written into its own copy of the log (copy.go), beside and never
// in the way of the showing. What is looked up is asked of the host, and of the
// copy where there is no host to ask (lookup.go).
//
// # The log
//
// The Log numbers every event: its seq, from 1, without gaps, the same for
// every member, on every carrier, across restarts. Who is here, what they are
// called and what the topic is, is what the log's entries add up to (fold.go),
// and nothing else; other hosts may append to the same log, and their people
// are in our roster like ours.
//
//	member ── command ─▶ waiting ─▶ checked ─▶ batch ─▶ Log.Append ─▶ accepted
//	                        ▲                               │
//	                        └── what comes meanwhile        ▼
//	members ◀── events ─── feed ◀─────── fold ◀───────── Log.Tail
//
// Commands that arrive while a batch is stored wait, and are checked against
// the state that was committed, as the next batch. So nothing that was checked
// has to be taken back, and many commands share one commit when there are
// many. Accepted means stored; what is shown has come back from the log.
//
// The id of a message is the sender's, random, and unique with the sender's
// key for ever. So whoever does not know what became of a message sends it
// again. A log that fails without saying what it stored gets the same batch
// again; and when it can store nothing, its disk being full, the room is
// read-only until it can (readonly.go).
//
// What the entries add up to is saved now and then (checkpoint.go). So a room of a
// million messages opens by its last few thousand, and old ones can be deleted. Of a
// deleted entry its number is left, which nobody sees: who comes back for it gets a skip.
//
// Whoever comes back says which event was his last. A log without it is
// another one, be it with the same id an older copy that was put back: then a line
// is drawn, and nothing is put together that was not said together (anew.go).
//
// # Seats
//
// A seat is a key and a random 128-bit secret, its session. Its public name is
//
//	seat = first 16 bytes of SHA-256("parley seat 1\n" + session)
//
// and stands in the join event. Who connects with the session, and the same
// proved key, gets the seat back: with its nick, and with every event after
// the last one it has. It works at a restarted host, too. A seat whose
// connection is lost lingers for 30 s before its leave is said. A nick belongs
// to one key at a time; two nicks with the same [parley/text.Key] are one.
// Quiet seats (send, tail) have a nick and no join and leave.
//
// # Connections
//
// A seat outlives its connections. A Member gets them from a [Way], which knows
// what carriers there are, and judges the one it has by its counters four times
// a second (watch.go): a host that has owed an answer for 2.5 s, or a system that
// has sent nothing for 1 s, makes it suspect. Then another is looked for while this
// one is used on, and whichever speaks first is kept (course.go). While all is well
// the Way may find a better one. In either case the seat is asked for on the new
// connection first, and the old one is let go of when the host has given it: the
// member says which events it has and sends again what is not answered, with the
// same ids. So nothing is lost, comes twice or out of order, whatever the old
// connection still delivers. The epoch of a join keeps one that was long on its way
// from taking the seat back.
//
// What people are told of it are link events, with the carrier and the cause:
//
//	lost      the host is silent or gone, and 0.3 s later there is no other way to it; what is said is kept
//	resumed   the host is there again: after lost, or by another connection of the same carrier
//	switched  the carrier is another one, and nobody had to wait for it
//
// In a plaintext room no key is proved. There the key of a seat, under which
// its messages are stored and whispers are kept, is SHA-256("parley seat key
// 1\n" + session).
//
// # Keepers
//
// The host, which is the seat with the host's own key (in plaintext the one in
// the host's program), may put people out, mute them and set how the room is;
// and so may the ops that it makes. Ops act on members and guests, the host on all. What
// they do are entries of the log like any other, and what holds is what these
// add up to (rules.go): it holds for a key, whatever nick, seat, carrier or address
// it comes with, and after a restart. The core decides acts against it (moderate.go, decide.go),
// one at a time: nothing is decided beside an act until it is folded, so that a
// right that is lost, is lost.
//
// Who has no lasting key, in plaintext and as a guest, is held by the address, which
// never is loopback or the host's own. Addresses are in entries of their own,
// which hosts alone may see, and filters in such that only the host and their
// maker see. The lists are bounded; the oldest are forgotten first.
//
// A join is decided in this order: banned or put out; a seat to resume; full;
// locked; the password; the address's share; approval (knock.go); the name. So
// who may not come in learns nothing of who is there. The host passes all of it,
// without the password in the program that hosts alone.
//
// # Several hosts
//
// A room may have several hosts, each with its own key, for all of which the room's key
// vouches, on one Log that all can reach. They talk to each other by the log alone:
// one order, one list of people, one set of rules; each folds all of it. Names are
// given away by a Names that they share, and each is told which others there are
// (Host.Tell). Whoever sits at a host with that host's own key is a host of the room.
//
//	people of A ── A ─┐            ┌─ B ── people of B
//	                  └─▶ the log ◀┘
//
// Members keep the list of hosts. A member whose host is gone, or that finds a better
// one, goes to another with its session. The log knows the seat, so it gets it without a
// password and without being let in again: a join entry with the reason moved gives
// it its new host, the old one lets go of it when it reads that, and people see
// nothing of it. What was sent before is marked (again), for the former host may have
// stored it. A join waits until its host has read the log up to where it ended
// when the join came, so that nobody is answered by a host that is behind.
//
// Of a host that is not there any more the others say, 30 s later, that its people have
// left. The id of such a leave is the first 16 bytes of
//
//	SHA-256("parley orphan 1\n" + seat in hex + seq of its join in decimal)
//
// and its key the room's, so whoever says it, it is said once. A host that reads it of
// people who are connected to it was cut off: it sends them away, and they come back.
//
// A log that others write to may be out of reach for a while. What a host had under way
// then is tried again with the same ids until it is known what became of it. What
// comes after that is refused as not stored, after 3 s, or waits (Host.Queue). Who was here
// may come back, and reads; nobody new can come, nobody from another host either. What
// is marked as sent before waits in any case, for it may be stored. There is never a
// second history.
//
// Who has received something is counted at each host for its own people, and told to
// the sender's (received.go); so is who is away (absent.go). Quiet seats are known to
// their own host alone, and who waits to be let in is let in where he waits.
//
// # Machines
//
// The host is a machine (core, in core.go, batch.go and seating.go): time and
// an input in, words for outboxes, a batch and the next wake-up out. One
// goroutine owns it (Host.own). Each connection has a reader, which hands over
// commands no faster than they are answered, and a writer, which empties the
// outbox. Append, Tail and the saving of checkpoints have one goroutine each; what
// a member asks about the log is read by its reader (answer.go). On the other side, the
// inbox of a Member is a machine: it knows which events are there.
//
// # Limits
//
// Everything that waits is bounded, and every bound has a name, where its
// reason stands.
//
// Flood control paces, it does not refuse. What a member sends beyond its pace
// is read more slowly; it is told, and nothing is lost. A pace is a person's, that
// is a key's with all its seats, and the people at one address other than the
// host's own have that of some together. It is counted in messages: a long one,
// a list of people or a change of name costs more.
//
//	defaultBurst, defaultRate    500 messages at once, then 100 a second (Host.Burst, Host.Rate)
//	textCost, peopleCost         1 KiB of text, 20 people of a list: a message more
//	changeCost                   of a nick, a topic, a search or a move to another host: 50 messages
//	addressShare                 an address has the pace of 4 members
//	joinBurst, joinRate          10 times in at once, then 10 a minute, each with a line for everybody
//	maxHeld                      6 s until it is a join's turn; when it would be longer, it is refused
//	maxPaces                     4,096 keys and addresses of people who are not here
//
// The newest events wait in memory once for all members (feed.go); who reads
// slowly is further back in them, and then its writer reads the log instead, up
// to where they begin. Neither costs memory. Who takes nothing for long is
// cut off, and may come back and go on where it was.
//
//	maxFeed, maxFeedBytes        4,096 events or 1 MiB are kept for those who are not quite up to date
//	gather, many                 where 50 sit, lines of who comes and goes wait up to 100 ms for each other
//	maxQueue                     256 events behind, a member gets them in order, whatever the lane of the room
//	maxAtOnce, maxBytesAtOnce    64 messages or 64 KiB are given to a Conn at once
//	stalled                      30 s without taking anything: cut off
//	probeEvery, struggle         5 s until a full disk is tried again, 3 s until all are told that one does not answer
//	lingering                    30 s until the leave of a lost seat is said
//
// Seats, and those who have none yet. When there are too many of these, the one
// that has been there the longest has to go.
//
//	defaultSeats                 1,000 a room (Host.MaxSeats)
//	seatsShare                   a quarter of them for an address other than the host's own
//	maxKeySeats                  32 for a key
//	maxUndecided, maxUndecidedFrom   1,024 connections without a seat, 64 of an address
//	undecided, maxTries          2 min and 50 names to choose one
//	maxReplay                    1,000 events are replayed when sitting down
//	doubted, noReply             0.8 s to learn whether somebody's other seat is held yet
//
// What a member can have under way, and what a host can make it keep:
//
//	maxCommands                  32 commands of a member that the host has not answered
//	maxPending                   256 on the member's own side; then Say waits
//	draftSafe, draftDrops        after 50 ms without an answer what was said is made safe on disk; 32 answered are dropped at once
//	draftLife, maxFailed         a draft of 7 days is not sent by itself; the last 64 failures can be sent again
//	maxCopying, maxCopyingBytes  2,000 events or 4 MiB wait to be written into its own copy
//	maxLook, maxAnswer, maxReceipted   1,000 events looked up at once, 128 KiB in an answer of the host; 512 messages of its own of which it knows who has them
//	maxEvents, maxUnread         256 events that wait for Next; then the host is read no further, and
//	                             1,024 with answers to what is typed
//	maxIgnored                   250 people whom a member ignores
//	maxAhead, maxMarks           16,384 events ahead of a missing one; 16 words of the host about them
//	maxCrowd                     10,000 people that a member knows
//	maxEarly                     4 MiB of events before the welcome
//	answerTime, attemptTime      10 s for an answer to a join, and for coming back
//	silence, stuckFor            2.5 s that an answer may be owed, 1 s that our system may send nothing
//
// Sizes of messages. To read one takes at most 1 MiB of memory, whatever is in it.
//
//	maxWire                      16 KiB a message
//	text.MaxText, maxLine        4,096 bytes of text; 400 of a topic, a reason, a last word
//	maxName                      256 bytes of a name in what a host says
//	maxPeople, maxTriples, maxRuns, maxRooms   20 people, 100 counts, 64 ranges, 64 rooms in one message
//	maxListed                    40 lines of an answer to a moderator
//
// What a host remembers:
//
//	maxMemory                    64 MiB of events in a Memory; older ones are forgotten, and skipped
//	maxBatch                     256 entries are stored at once
//	recentIDs, maxSenders        the last 512 ids of each of 4,096 senders, and of all who are here
//	maxDenied                    256 refusals of a seat, told again when its message is sent again
//	maxReceipts, receiptLife     4,096 messages of the last hour whose readers are counted
//	maxPage, maxFound, maxFoundIn   100 events or 64 KiB answer a question about the log, 64 in a message
//	maxAsking, askTime           4 such questions are read at once in a room, each for 5 s at most
//	checkpointEvery, checkpointAfter   4,096 entries or 10 min until what the log adds up to is saved
//	maxCheckpoint                16 MiB of that are read; a room of 5,000 people needs 3
//	maxLabels                    64 codes, or carriers, are counted each for itself in Figures
//
// Handing a room over:
//
//	maxHand                      64 KiB a message of it
//	maxHandful, maxSketch        24 KiB of entries, 32 KiB of a checkpoint in one
//	maxImport                    4,096 entries are stored at once, about
//	maxPlaces                    8 addresses of a host
//	maxPause                     5 s of standing still; then the room goes on where it is
//	offerTime, copyTime, copyStall   2 min to accept, 15 min to copy, 20 s without anything of it
//
// Files:
//
//	maxOffers, maxRoomOffers     8 files offered by a key, 256 in a room
//	offerLife                    10 min until an offer that nobody answers is forgotten
//	offerDoubt                   40 s until a member that has come back takes an offer that nobody repeats for called off
//	maxKeyCarried, maxCarried    4 files of a key under way at once, 64 of a room
//	maxFileName                  255 bytes of a name in an offer
//	maxOffered, maxTold          32 offers that wait for a member's user, 16 ended ones still listed
//	fileCost                     a message about a file: 10
//	pairing, carryIdle           20 s until the other side comes, 30 s without anything passing
//	carrySlack                   twice a file and 16 MiB are passed on for it, over all its connections
//
// Several hosts:
//
//	maxHosts                     16 hosts that members are told of
//	maxHeard, maxHeardSize       100 runs, 8 KiB of a report about what was received
//	maxReportsAtOnce             4 of them to one host at once, every 250 ms
//	maxAbsent, maxTelling        1,000 people away at another host; 3 KiB of a part of what is told of them
//	boundsTime                   2 s for a log to tell where it ends, while somebody waits for a seat
//
// The bounds of passwords are in password.go, scram.go and guesses.go, of
// moderation in rules.go and filter.go, and of waiting to be let in in wait.go.
//
// # The protocol
//
// A message is one JSON object in UTF-8, at most 16 KiB, in one message of the
// Conn. Fields a reader does not know are passed over; so are messages of a
// type that a member does not know. Every message has "type". Absent numbers
// are 0, absent strings empty, absent booleans false. Ids, sessions and logs
// are 32 lower-case hex digits. A key is 43 characters of URL-safe base64.
//
// The member speaks first:
//
//	{"type":"join","v":1,"nick":"ana"}
//	    v        the version of this protocol: 1
//	    nick     the name asked for
//	    room     its name; absent: the only public room there
//	    session  the seat's secret, when coming back
//	    log, seq which log, and up to where one has it, when coming back
//	    last_seq, last_id  the last event that one has: by its id the host knows whether its log is the same one
//	    epoch    grows with each join of a seat: one that is late, and not greater than the last, is refused (stale)
//	    history  at the first time: how many events from before to send
//	    quiet    no join and leave lines; may share a nick of the same key
//	    deaf     wants no events at all, only answers
//	    share    may share a nick of the same key
//	    files    its program takes files
//	    guest    a bare text client behind the host: no history
//	    transport  the carrier to show; believed from inside the host's program only
//
// The host answers with an error, and keeps the connection for another join
// where the name was the reason (nick_taken, nick_invalid; "suggest" is a free
// one), or with a welcome. Either may take some seconds when the same key or
// address was here too often just now (too_often when that would take long).
// A welcome:
//
//	{"type":"welcome","v":1,"room":"physics","nick":"ana","role":"member","seat":"…","session":"…","log":"…","seq":41,"after":20,…}
//	    nick     as everybody sees it
//	    role     host, op, member or guest
//	    session  to be kept secret, and shown when coming back
//	    log      the log's id; when it is not the one that was sent, old seqs mean nothing
//	    seq      the last event there is
//	    after    the events that follow are those after this one
//	    resumed  the seat was there still
//	    anew     the host's log lacks the event that was sent as the last: nothing in it is what one has
//	    delivery, lane   how the room sends what is said, and how this connection does: ordered, unordered, bare
//	    secure   false in a plaintext room
//	    guests   guests read in clear
//	    kept     the log outlives the host
//	    keep     and how long what is said is kept: forever, so many days (90d) or so many entries (10000)
//	    topic, motd
//	    hosts    of a room that several serve: who they are, the one that says it first; each as in "move" (below)
//	    why      why the last connection was ended by the host
//	    vouch    {"key":K,"until":U,"sig":S}: the room's key, seconds since 1970, and in base64 its Ed25519
//	             signature over "parley vouch 1\n" + the host's key (32 bytes) + "\n" + U in decimal. A member of a secure
//	             room checks that it names the key which the connection has proved. U is the host's clock's word, and no
//	             reason for a member to refuse: clocks on a LAN may be wrong by years.
//
// A host that cannot decide yet, because somebody has to be asked or others
// are before us, says so at once and then at least every 5 s:
//
//	{"type":"wait","code":"approval","text":"why"}     also password
//
// A member waits as long as that goes on, gives the host up 10 s after the last
// one, and says nothing meanwhile.
//
// A room with a password has whoever asks for a new seat prove it, before
// anything else of the room is told, its people and names least of all. A seat
// that is resumed proves nothing again. The exchange is SCRAM-SHA-256 (RFC 5802,
// RFC 7677); "scram" is a message of it as it stands there:
//
//	{"type":"prove","room":"physics","vouch":{…}}     host: the password of this room, please
//	{"type":"prove","scram":"p=parley-proof,,n=room,r=NONCE"}          member
//	{"type":"prove","scram":"r=NONCE…,s=SALT,i=200000"}                 host
//	{"type":"prove","scram":"c=BINDING,r=NONCE…,p=PROOF"}              member
//	{"type":"welcome",…,"scram":"v=PROOF"}                              host
//
// The user is always "room", the password is prepared by RFC 8265
// (OpaqueString), and BINDING is the base64 of "p=parley-proof,," and the SHA-256 of
//
//	"parley proof 1\n"             15 bytes
//	the connection's Binding       32   what only its two ends know
//	the room's key                 32   of the vouch; without one, the host's
//	the host's key                 32   which the connection has proved
//	the member's key               32   likewise
//	"1\n" and the room's name           v, and the name as the host wrote it
//
// So a machine in between, which has two connections, cannot pass a proof on.
// Before it answers the first message the member checks the host's key, the
// vouch and the name, that it trusts that room, and that the connection has a
// Binding; and before it makes a proof, that there are 100,000 to 2,000,000
// rounds. A welcome without the right proof of the host comes from somebody who
// does not know the password, and is refused. What the host answers instead:
//
//	error, code password     wrong; the connection is kept for another join
//	error, code relay        bound to another connection than this
//	wait, code password      not looked at yet
//
// Only wrong passwords cost something: 3 a minute for an IPv4 address or a /64
// of IPv6 (link-local addresses stand for themselves), then pauses of 5 s up to a minute; 10 a minute for a room; 10 a minute of
// its own for a key that has proved the password before. When the budget is
// used up proofs wait, those of whom has failed least often first (guesses.go).
//
// The host's own seat, in the host's program, changes the password with
// {"type":"password","id":"…","verifier":{…}}, or without a verifier takes it
// off; the password itself goes nowhere. From anybody else it is refused.
//
// After the welcome come, in one or more messages of at most 20 people, who is
// here as of the event seq:
//
//	{"type":"members","seq":41,"members":[{"nick":"ben","transport":"udp","role":"member","key":"…","away":"…","since":"…","seat":"…"}],"more":true}
//
// "more" is absent in the last, which alone has the seq. Now the member may send, in any number without
// waiting:
//
//	{"type":"message","id":"…","text":"hi"}             to all
//	{"type":"action","id":"…","text":"waves"}           to all
//	{"type":"whisper","id":"…","to":"ben","key":"…","text":"…"}   to one, and with a key to nobody else who has the nick by then
//	{"type":"nick","id":"…","nick":"anna"}              another name
//	{"type":"away","id":"…","text":"lunch"}             with an empty text: back
//	{"type":"names","id":"…"}                           answered by members, the last with the id
//	{"type":"got","got":57}                             what has come (below)
//	{"type":"receipt","id":"…","seq":58}                who has received our 58: answered by delivered, and accepted
//	{"type":"page","id":"…","seq":58,"n":50}            the last 50 events before 58, or without seq of all; answered by
//	{"type":"search","id":"…","text":"x","seq":58,"n":50}  found (below); search: of those with all these words
//	{"type":"leave","text":"bye"}                       answered by bye, code left
//
// and as the host or an op
//
//	{"type":"kick","id":"…","nick":"cyn","reason":"…"}  also deny, for who waits to be let in
//	{"type":"ban","id":"…","nick":"cyn","reason":"…","seconds":600,"address":true}  both may be absent
//	{"type":"unban","id":"…","nick":"cyn"}              also unmute (no nick: all), op, deop (no nick: oneself)
//	{"type":"mute","id":"…","nick":"cyn","reason":"…","seconds":600}  no nick: all but the host and ops
//	{"type":"slow","id":"…","seconds":10}               0: no more
//	{"type":"lock","id":"…","reason":"…"}               also unlock
//	{"type":"topic","id":"…","text":"light"}            also motd, filter, unfilter
//	{"type":"approve","id":"…","nick":"cyn","key":K}    K: who is meant, or absent; or, of all newcomers, "state":"on" or "off"
//	{"type":"bans","id":"…"}                            also filters, knocks: answered by a notice of that code
//
// Text of what is said is 1 to 4,096 bytes without control characters but
// newline and tab; topic, reasons and last words are one line of at most 400
// bytes. Every command with an id is answered once, names aside, by
//
//	{"type":"accepted","id":"…","seq":58}               stored, as this event (of away: 0)
//	{"type":"failed","id":"…","code":"…","text":"why"}  surely not stored
//
// and when the connection ends first, it is sent again, with the same id and
// in the same order, after the next welcome, and with "again":true.
//
// Events, in the order of seq. Those that are said have an id and may go by
// another lane:
//
//	{"seq":58,"at":"2026-01-02T15:04:05.000Z","id":"…","type":"message","from":"ana","text":"hi"}     also action
//	{…,"type":"whisper","from":"ana","to":"ben","text":"…"}
//	{…,"type":"join","nick":"cyn","seat":"…","host":"…","transport":"udp","role":"member","key":"…"}
//	{…,"type":"join","nick":"cyn","seat":"…","host":"…","reason":"moved","epoch":3,…}   at another host of the room now: no line for people
//	{…,"type":"leave","nick":"cyn","seat":"…","reason":"quit","text":"…"}       quit, lost, kicked, banned; the last two with by
//	{…,"type":"nick","from":"cyn","nick":"cy","seat":"…"}
//	{…,"type":"topic","from":"ana","text":"…"}
//	{…,"type":"ban","by":"ana","nick":"cyn","key":"…","reason":"…","until":"…"}   also kick, unban, mute, unmute, op, deop, approve, deny
//	{…,"type":"slow","by":"ana","seconds":10}
//	{…,"type":"lock","by":"ana","reason":"…"}   also unlock, and mute and unmute of all; approve has a state
//	{…,"type":"motd","by":"ana","text":"…"}     also filter, unfilter
//	{…,"type":"address","by":"ana","nick":"cyn","key":"…","code":"ban","addr":"10.0.0.9"}   follows its ban or mute
//	{…,"type":"notice","code":"password","by":"ana","text":"…"}     the password was changed
//	{…,"type":"notice","code":"writable","text":"…"}   the host can store again
//	{"type":"skip","from_seq":59,"count":2}      so many events are not for this member
//
// The answer to page and search is one or more messages with the events, oldest
// first, each as it is above; "more" is absent in the last, which has "earlier" where
// there are more before. Guests are refused.
//
//	{"type":"found","id":"…","events":[{"seq":57,"type":"message",…}],"more":true,"earlier":true}
//
// Every seq after "after" comes once, as an event or in a skip. Besides:
//
//	{"type":"delivered","delivered":[[58,7,9]]}  the event 58, ours, was received by 7 of 9; with code forgotten
//	                                             a receipt fails where the host does not know, or it is not ours
//	{"type":"notice","code":"…","text":"…"}      without seq: from the host to us; slow: we are read slowly;
//	                                             elsewhere: our key is used from another address, too
//	                                             knock, with nick and key: somebody asks to come in
//	                                             readonly: nothing can be stored now, and what is said fails with
//	                                             not_stored, until a notice of the log with code writable, or without
//	                                             seq, where only this host of several was cut off from the log
//	{"type":"error","code":"…","text":"…"}       what was sent last makes no sense
//	{"type":"hosts","hosts":[{"nick":"ben","host":K,"at":["10.0.0.3"],"udp":7667,"tcp":7667}]}   these serve the room now, at most 16
//	                                             of many; ours first
//	{"type":"ping"}                              nothing; the carrier acknowledges it, or the seat is empty
//	{"type":"bye","code":"…","text":"…"}         the host hangs up. closing, replaced and too_slow may
//	                                             be over; with kicked and banned one stays away
//
// To be counted as having received, a member says so: "got" is a seq up to
// which it has everything. It is a field of any command, or a message of its
// own, at most 200 ms after something said has come.
//
// # Handing over
//
// A host may hand its room over to a member, who hosts on, on another computer:
// with the room's key, its log, its numbers and ids, and what holds in it. The
// joins of members whose program could do that say so ("hosts":true). On their
// connections, to and from the host:
//
//	{"type":"handover","id":"…","nick":"ben"}            the host, of its room; without a nick: who could? A notice
//	{"type":"handover","id":"…","state":"off"}           the host, no more
//	{"type":"handover","state":"offered","nick":"ana","ticket":"…"}   to ben's seat
//	{"type":"handover","id":"…","state":"declined","ticket":"…","text":"why"}   from there
//	{"type":"handover","state":"…","nick":"ben","text":"…"}  to the host: offered, accepted, copying, done, failed;
//	                                                     to ben's seat: failed
//
// Who takes the room opens its sockets and makes a connection of its own to the
// old host. It must prove the key of the seat to which the ticket was given; in
// plaintext it must come from that seat's address. The ticket is good once. On it,
// n being the new host, o the old:
//
//	n {"type":"takeover","v":1,"room":"physics","ticket":"…","move":{"at":["10.0.0.3"],"udp":7667,"tcp":7667}}
//	o {"type":"hand","deed":{"room":"physics","key":K,"host":O,"log":"…","seq":41,"gone":0,"kept":"90d","delivery":0,…}}
//	o {"type":"checkpoint","seq":20,"data":"…","more":true}      if older entries are not there any more
//	o {"type":"entries","entries":[{"s":1,"k":K,"i":"…","t":ms,"a":[…],"b":"…","w":"…"}]}
//	n {"type":"copied","seq":40,"chain":"…"}                     they are on the disk, and come to this
//	o {"type":"key","seq":58,"chain":"…","seed":"…","verifier":{…}}   these were all
//	n {"type":"prepared","seq":58,"chain":"…"}                   and the key is on the disk, too
//	o {"type":"go"}                                              the room is yours
//	n {"type":"serving"}
//	  {"type":"off","text":"why"}                                either, instead
//
// "gone" is up to where what was said is deleted; a checkpoint tells what that
// added up to. "entries" goes on while people talk, until nearly all is there. In the meantime
// the old host has connected to the new one, at the places it named and the one it comes
// from. Then the room stands still: nothing is stored, what is said waits. The last
// entries go, and the key, but only to who has shown by the chain that it has them.
// The chain is, from 32 zero bytes, SHA-256 over the chain before, seq (8 bytes,
// big-endian like all numbers here), key, id, milliseconds (8), the number of keys
// in the audience (8; 2^63: everybody) and these, and the lengths (8) of body and words,
// each before it.
//
// Of whispers between others only number, sender, id and time are given, as entries for
// nobody. Whoever is here has them first: the old host waits for that, 2 s. What
// hosts alone may see, the new one may.
//
// Between prepared and go the old host writes down, durably, that the room is
// the other's (the mark). That decides. Before it, whatever goes wrong has the room go on where
// it was; after it, the old host never serves the room again, though it
// crash, and the new one serves as soon as it hears of the mark. When it does not hear, the
// old host says so on a connection to it,
//
//	o {"type":"go","room":"physics","ticket":"…"}                answered by serving, or off
//
// and the new one asks,
//
//	n {"type":"takeover","v":1,"room":"physics","ticket":"…","prepared":true}   answered by go, or off
//
// each again after a restart; as long as they do not meet, nobody serves. So there
// are never two. The new host's first entry says whose the room is:
//
//	{…,"type":"host","nick":"ben","key":"…","seat":"…","host":"…","by":"ana","secure":true}
//
// From it on ben is the host, and who was, an op. The seats are ben's to keep now: members come back
// to them. They hear where on their connection to the old host,
//
//	{"type":"bye","code":"moved","text":"…","move":{"nick":"ben","host":K,"at":["10.0.0.3"],"udp":7667,"tcp":7667}}
//
// which for some time answers joins, too. A member goes there with its session and
// its seq. It believes nothing but the room's key, which vouches for the new host;
// where nobody at the places can show that, it looks for the room's key on the LAN.
//
// # Files
//
// Who sits in a room may give somebody there a file. The offer and the answer are
// messages beside the log: nothing of them is stored, and a host that is restarted
// knows nothing of them; so whoever comes to a host anew makes the offers again that wait, with their
// ids. Programs that take files say so in their joins
// ("files":true). The giver, who must be allowed to whisper, then says
//
//	{"type":"file","id":"…","state":"offer","to":"ben","key":"…","file":{"id":"…","name":"notes.pdf","size":1048576,"sum":"…"}}
//
// with an id drawn for this offer, and the SHA-256 in hex. A name has no directories.
// The host tells each of ben's seats whose program takes files, and tells it
// again when one has come back meanwhile, or comes back later:
//
//	{"type":"file","state":"offered","from":"ana","to":"ben","file":{…}}
//
// From there, and later from either side, comes
//
//	{"type":"file","id":"…","state":"take","file":{"id":"…"}}      the first seat that does has it
//	{"type":"file","id":"…","state":"decline","file":{"id":"…"}}   nobody of ben's takes it then
//	{"type":"file","id":"…","state":"cancel","text":"why","file":{"id":"…"}}
//	{"type":"file","id":"…","state":"failed","text":"why","file":{"id":"…"}}   also done, from the taker
//
// each answered by accepted or failed, and told to the other side with the state
// taken, declined, cancelled, failed or done. All but the first forget the offer. So does
// the leave of a side.
//
// A member who has come to a host anew, and does not hear there within offerDoubt of an offer that
// waits, takes it for called off; should it come after all, it is shown again.
//
// When a file is taken, each side makes a connection of its own to the host, by
// whichever carrier works for it, and says first
//
//	{"type":"carry","v":1,"room":"physics","session":"…","id":"…","side":"give"}   or take
//
// The session, and the key that is proved, must be those of the seat. When both sides are
// there, the host answers each
//
//	{"type":"carry","state":"ready"}
//
// or, instead, an error: no_offer, when it does not know of it, or alone, when the
// other side has not come. From ready on, what one side sends the other gets, message by
// message, and what that means is theirs alone (package parley/file). The host reads
// no faster than the other side takes, keeps nothing, and writes nothing down. So talk,
// which has connections of its own, is not behind it. It does not know
// whether a file is what was offered; the taker does.
//
// A connection that breaks, on either side, ends the other side's, too: both come again,
// and the file goes on from where the taker is. A giver who hears no_offer makes
// the offer again, with the same id; a taker who is offered what it is taking says take
// again. So a file outlives a restart of the host, and its room being handed over. A
// file that gets no further for 60 s is given up, and both sides are told.
//
// # Lanes
//
// In an unordered room what is said is shown when it comes, exactly once; a
// member has received up to the last seq before the first that is missing.
// Events may overtake the welcome.
//
// In a bare room what is said is sent once and never again, at most 1,100
// bytes long. The host says in order, at most 100 ms later, up to where
// everything was sent:
//
//	{"type":"upto","seq":60}
//
// Any event that is not said, and any skip, says the same about the events
// before it. What is missing 300 ms after that is a gap, is shown as one, and
// counts as dealt with: "got" goes on, and the gaps are listed once, as
// [first, count], in "missed":[[58,2]] of the same command. After a new
// welcome what is missing comes from the log, in order, as everywhere.
package room
