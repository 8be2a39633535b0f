// Package discovery tells which rooms there are on the local network, and
// nothing else: it carries no chat, opens no room and trusts nobody.
//
// A host calls [Service.Announce], whoever looks for rooms [Service.Browse].
// Each is a machine without sockets or clocks (announcer in announce.go,
// browser in browse.go: the time and an input go in, datagrams and the next
// wake-up come out), driven by the one loop in service.go, over the sockets in
// links.go, which follow the interfaces of the machine as they come and go.
//
// # Protocol
//
// Six kinds of datagram, laid out in wire.go, to UDP port 7668 unless said
// otherwise:
//
//	beacon   host -> everyone   these rooms are here. At 0, 1 and 3 s, then every
//	                            30 s ± 10 %; and when the list of rooms changes,
//	                            an interface appears, or more ask than can be
//	                            answered, at most once a second.
//	query    anyone -> everyone who is here? At 0-20, 100 and 300 ms, then every
//	                            3 s. Each such round is up to three tries, the
//	                            second and third (150 and 300 ms later) only if
//	                            somebody who was there has not answered.
//	                            Padded to 1200 bytes. One who sends a beacon and
//	                            has never answered is asked alone, at the address and
//	                            port it was sent from, by as many bytes as it had.
//	answer   host -> asker      after 0-50 ms, to the address and port asked from,
//	                            not longer than the query. Rooms that do not fit
//	                            go into pages, and the query's turn chooses one.
//	goodbye  host -> everyone   these rooms are gone. Twice, 200 ms apart.
//	call     anyone -> host     call me back, at this port of mine. Padded to 400 bytes.
//	called   host -> asker      to the port that the call was sent from, and to the port in
//	                            it; and the host begins a TCP connection to that, and
//	                            ends it. So one learns whether others could join here.
//
// "Everyone" is, on every interface that is up and not point-to-point, and for
// each of its addresses: the broadcast address of the network and
// 255.255.255.255 (for neighbours whose mask differs), from that very address,
// and the transient link-local group ff12::7061:726c:6579 on IPv6. On the
// loopback interface it is 127.255.255.255, so that programs on one machine
// meet without a network.
//
// Peers are hosts in other networks, named by the listener: they get each query by
// unicast, at the shared port. A host also hears what is sent to one of its addresses
// alone, by a socket bound to that address, which the system prefers to those of all
// other programs; of several that host, one is asked so. It answers from there, to
// whoever asks from a network of its own, from a private one, or is its peer in turn.
//
// The port is shared: every program that hosts or browses binds it, and the
// system gives each of them every broadcast. It gives a unicast datagram to only
// one of them, so nobody sends any to it but as above. Queries and beacons leave from private
// sockets, and answers come back to those.
//
// Where a room is, is where its datagram came from; no datagram contains an
// address. Only sources on a directly attached network are heard or answered, peers aside.
//
// # DNS-SD
//
// On the default port a host also publishes its rooms by multicast DNS, as
// _parley._udp.local (dnssd.go). A listener takes from such records nothing but an
// address on a network of its own, and asks there as it asks a peer, as long as it is
// answered.
//
// # What a listener believes
//
// Every notice of a room is signed by the room's key, and rooms are told apart
// by that key alone: one key heard on several interfaces is one room with several
// addresses, one name under two keys is two rooms. A notice carries an issue
// number that only grows, taken from the clock where possible. A beacon or
// goodbye counts only with a higher one than was heard before (or the same for
// one second, since it arrives by several ways). An answer counts because it
// repeats the random nonce of a query of the last two seconds, and so needs no
// clock at all.
//
// An address of which three rounds of queries have heard nothing is dropped, and
// with the last address the room. A host that has never answered and then sends
// a beacon again is there, but queries or answers do not get through, perhaps for
// a firewall that lets in only the known port: its beacons stand for their time
// to live.
//
// A signature proves who made a notice, not who sent it on. What somebody can do
// with it is cost the listener a failed attempt to join: the connection proves
// the key again.
//
// # Limits
//
// A listener keeps 256 rooms and 8 for one address, the first come; rooms marked
// with [Service.Keep] go before others. It verifies 2,400 signatures at once and 1,000 a
// second, of which one address may use up a quarter. A host answers one address and port three times
// at once and then once a second, with 1000 bytes a second for one address whatever its
// ports, and all together 50 times a second. What is above that it answers with
// one beacon. In every case fewer bytes leave than
// came in.
//
// Datagrams hold no name of a person, machine or user, and the instance number
// is new each time the program starts. A room that is not to be found is not
// given to Announce.
package discovery
