// Package lab shows how TCP and UDP behave: lessons, each a claim with the
// numbers that prove it, run on LANs of package wire with bare sockets or with
// the program's own code.
//
// A [Lesson] runs in lanes, each a LAN of its own with the same two hosts, so
// that two transports can meet the same fate on one axis of time. Its checks are
// exact: in virtual time 15 ms are 15 ms. What all lanes put on the wire and what
// was measured beside it makes one fingerprint, the same for everybody who runs
// the lesson with that seed.
//
// Lessons with bare sockets give each connection one goroutine and sleep in even
// steps. A [Party], which is the program's own rooms and nodes, lets its people
// act at odd instants and is run until two runs agree; package wire says why.
package lab
