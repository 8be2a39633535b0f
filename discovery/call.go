package discovery

import "encoding/binary"

// minCall is how long a call is at least: longer than all that answers it, which is two
// datagrams and a TCP connection that nobody may accept.
const minCall = 400

// Call makes the datagram that asks a host, at its discovery port, to call back
// at one of our ports. Nonce is random.
func Call(port uint16, nonce [8]byte) []byte {
	b := appendHeader(make([]byte, 0, minCall), call, 0, nonce)
	b = binary.BigEndian.AppendUint16(b, port)
	return b[:minCall]
}

// Called tells whether a datagram answers the call with that nonce.
func Called(b []byte, nonce [8]byte) bool {
	h, err := parseHeader(b)
	return err == nil && h.kind == called && h.nonce == nonce
}

func parseCall(h *header) (port uint16, ok bool) {
	if len(h.rest) < minCall-headerSize {
		return 0, false
	}
	port = binary.BigEndian.Uint16(h.rest)
	return port, port >= firstPort
}
