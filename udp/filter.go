package udp

import "encoding/binary"

// The strict record filter. Nothing reaches the DTLS library, and nothing
// leaves it, but what our one kind of handshake consists of:
//
//	client: ClientHello
//	server: ServerHello, Certificate, ServerKeyExchange, ServerHelloDone
//	client: ClientKeyExchange, ChangeCipherSpec, Finished (sealed)
//	server: ChangeCipherSpec, Finished (sealed)
//
// It exists because DTLS 1.2 acts on records that nobody authenticated: a single
// alert in the clear ends a handshake, fragments fill memory, a huge record
// number makes the replay window refuse all that follow. Alerts are not even
// missed: whatever fails, fails by its deadline. On the way out, the filter
// keeps us from answering nonsense, and the library from ending a handshake
// because half a flight came first.
//
// A record that is well formed and forged passes. Against that stands the
// conversation's id, which only those can know who see the wire.

// side is a set of senders.
type side uint8

const (
	fromClient side = 1 << iota
	fromServer
)

const (
	recordHeader    = 13 // type 1, version 2, epoch 2, number 6, length 2
	messageHeader   = 12 // type 1, length 3, number 2, fragment offset 3 and length 3
	recordCipher    = 20 // ChangeCipherSpec
	recordHandshake = 22

	// sealedFinished is the length of an AES-GCM record with a Finished:
	// explicit nonce, message header, verify data, tag.
	sealedFinished = 8 + messageHeader + 12 + 16

	// maxRecords is what the longest flight, the server's first, consists of.
	maxRecords = 4
	// maxRecordNumber is more than a handshake sends in its time, and far
	// too little to move a replay window past what the peer will use.
	maxRecordNumber = 1000
	// maxMessageBody is what fits into one datagram of ours: a message is never
	// fragmented.
	maxMessageBody = 1100
)

// messages tells who sends which handshake message in the clear, and as which
// of his.
var messages = [...]struct {
	from   side
	number uint16
}{
	1:  {fromClient, 0}, // ClientHello
	2:  {fromServer, 0}, // ServerHello
	11: {fromServer, 1}, // Certificate
	12: {fromServer, 2}, // ServerKeyExchange
	14: {fromServer, 3}, // ServerHelloDone
	16: {fromClient, 1}, // ClientKeyExchange
}

// passes tells whether every record in a DTLS datagram has its place in a
// handshake, when sent by one of from.
func passes(datagram []byte, from side) bool {
	records := 0
	for b := datagram; len(b) > 0; records++ {
		if records == maxRecords || len(b) < recordHeader {
			return false
		}
		end := recordHeader + int(binary.BigEndian.Uint16(b[11:]))
		if end > len(b) || !recordPasses(b[:end], from) {
			return false
		}
		b = b[end:]
	}
	return records > 0
}

// recordPasses judges one record, which is as long as it says.
func recordPasses(b []byte, from side) bool {
	version, epoch, body := binary.BigEndian.Uint16(b[1:]), binary.BigEndian.Uint16(b[3:]), b[recordHeader:]
	number := uint64(binary.BigEndian.Uint16(b[5:]))<<32 | uint64(binary.BigEndian.Uint32(b[7:]))
	if version != 0xfefd && version != 0xfeff || number >= maxRecordNumber {
		return false
	}
	switch {
	case b[0] == recordCipher && epoch == 0:
		return len(body) == 1 && body[0] == 1
	case b[0] == recordHandshake && epoch == 1:
		return len(body) == sealedFinished
	case b[0] == recordHandshake && epoch == 0:
		return messagePasses(body, from)
	}
	return false
}

// messagePasses wants exactly one message, whole.
func messagePasses(b []byte, from side) bool {
	if len(b) < messageHeader || int(b[0]) >= len(messages) {
		return false
	}
	m, length := messages[b[0]], uint24(b[1:])
	return m.from&from != 0 && m.number == binary.BigEndian.Uint16(b[4:]) &&
		length == len(b)-messageHeader && length <= maxMessageBody &&
		uint24(b[6:]) == 0 && uint24(b[9:]) == length
}

func uint24(b []byte) int { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }
