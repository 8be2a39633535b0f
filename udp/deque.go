package udp

// deque is a first-in, first-out queue whose elements can be reached by place,
// without allocation while it keeps its size. The zero value is empty.
type deque[T any] struct {
	ring []T // its length is zero or a power of two
	head int
	n    int
}

// dequeKeeps is how many empty places an empty deque keeps: a peer that was
// busy once should not cost memory for ever.
const dequeKeeps = 64

func (d *deque[T]) len() int { return d.n }

func (d *deque[T]) at(i int) *T { return &d.ring[(d.head+i)&(len(d.ring)-1)] }

func (d *deque[T]) push(v T) {
	if d.n == len(d.ring) {
		bigger := make([]T, max(8, 2*len(d.ring)))
		for i := range d.n {
			bigger[i] = *d.at(i)
		}
		d.ring, d.head = bigger, 0
	}
	d.n++
	*d.at(d.n - 1) = v
}

func (d *deque[T]) pop() T {
	var zero T
	v := *d.at(0)
	*d.at(0) = zero // let go of what it points to
	d.head = (d.head + 1) & (len(d.ring) - 1)
	if d.n--; d.n == 0 && len(d.ring) > dequeKeeps {
		d.ring, d.head = nil, 0
	}
	return v
}

// store is a first-in, first-out store of bytes, addressed by how many came
// before. The zero value is empty.
type store struct {
	ring       []byte // its length is zero or a power of two
	head, tail uint64 // held are the bytes head <= i < tail
}

// storeKeeps is how large a ring an empty store keeps, in bytes.
const storeKeeps = 4 << 10

func (s *store) len() int { return int(s.tail - s.head) }

// push stores b and returns the address of its first byte.
func (s *store) push(b []byte) uint64 {
	if need := s.len() + len(b); need > len(s.ring) {
		size := max(512, len(s.ring))
		for size < need {
			size *= 2
		}
		bigger := make([]byte, size)
		for at := s.head; at < s.tail; {
			part := s.ring[at&uint64(len(s.ring)-1):]
			part = part[:min(uint64(len(part)), s.tail-at)]
			at += uint64(copyInto(bigger, at, part))
		}
		s.ring = bigger
	}
	at := s.tail
	s.tail += uint64(copyInto(s.ring, at, b))
	return at
}

// copyInto copies b to address at of a ring.
func copyInto(ring []byte, at uint64, b []byte) int {
	n := copy(ring[at&uint64(len(ring)-1):], b)
	copy(ring, b[n:])
	return len(b)
}

// read copies the bytes from address at on into dst.
func (s *store) read(at uint64, dst []byte) {
	if len(dst) > 0 {
		n := copy(dst, s.ring[at&uint64(len(s.ring)-1):])
		copy(dst[n:], s.ring)
	}
}

// drop forgets everything before address to.
func (s *store) drop(to uint64) {
	s.head = to
	if s.head == s.tail && len(s.ring) > storeKeeps {
		s.ring = nil
	}
}
