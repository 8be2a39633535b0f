// Package metrics shows what a program counts, in the text format that Prometheus
// and what reads the same collect: version 0.0.4.
//
// # The page
//
// A [Page] is one answer. Collectors put samples into it, in any order; samples of one
// name stand together below their help and type:
//
//	# HELP parley_room_members Seats that are connected.
//	# TYPE parley_room_members gauge
//	parley_room_members{room="physics",carrier="udp",role="member"} 12
//
// Names are what the conventions of Prometheus say: a prefix that tells the program,
// base units (seconds, bytes), _total behind what only grows. In the values of labels \, "
// and the end of a line are escaped, and what is no UTF-8 is replaced: they may be names
// that people gave.
//
// A [Histogram] counts durations in fixed buckets. It belongs to one goroutine; a
// copy of it is what it was at that moment. Rates are for the reader to make.
//
// # The server
//
// A [Server] speaks so much of HTTP/1.1 (RFC 9112) as one question needs, and closes
// the connection after its answer:
//
//	GET /metrics   200, text/plain; version=0.0.4    HEAD: without the page
//	another path   404                               another method: 405
//	no HTTP/1.x    505                               a line that is none of HTTP: 400
//	a Host that is neither an address nor localhost, where only this computer is served: 421
//
// The last keeps pages of the web, whose names may lead to loopback, from reading it.
// There is no body in a question, and one that announces some gets 400.
//
// # Limits
//
//	maxHead     8 KiB of a question; more: 431
//	headTime    5 s for it, from the first byte on or without any; then the connection is closed
//	maxConns    16 connections; the oldest that has not asked yet goes for a new one
//	answerTime  10 s to take the answer
//	collectTime 5 s for all collectors; who is late is left out
//	fresh       200 ms for which everybody who asks gets the same page, so that nobody makes it work
package metrics
