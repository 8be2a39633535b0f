package udp

import "sync"

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
// before. It holds them in blocks, which it takes from where all stores do and
// gives back as they empty: so a peer that reads slowly costs what is kept for
// it, and one that has read nothing. The zero value is empty.
type store struct {
	blocks     deque[*block] // from the one with head on
	head, tail uint64        // held are the bytes head <= i < tail
}

// block is a part of a store, whose first byte has an address that is a
// multiple of its size.
type block [blockSize]byte

// blockSize is that of two or three packets. An empty store keeps no block: most
// are, nearly always.
const blockSize = 4 << 10

var blocks = sync.Pool{New: func() any { return new(block) }}

func (s *store) len() int { return int(s.tail - s.head) }

// push stores b and returns the address of its first byte.
func (s *store) push(b []byte) uint64 {
	at := s.tail
	for len(b) > 0 {
		if s.tail%blockSize == 0 || s.blocks.len() == 0 {
			s.blocks.push(blocks.Get().(*block))
		}
		n := copy(s.find(s.tail), b)
		b, s.tail = b[n:], s.tail+uint64(n)
	}
	return at
}

// find returns what follows an address in its block.
func (s *store) find(at uint64) []byte {
	return (*s.blocks.at(int(at/blockSize - s.head/blockSize)))[at%blockSize:]
}

// read copies the bytes from address at on into dst.
func (s *store) read(at uint64, dst []byte) {
	for len(dst) > 0 {
		n := copy(dst, s.find(at))
		dst, at = dst[n:], at+uint64(n)
	}
}

// drop forgets everything before address to.
func (s *store) drop(to uint64) {
	for n := to/blockSize - s.head/blockSize; n > 0; n-- {
		blocks.Put(s.blocks.pop())
	}
	if s.head = to; s.head == s.tail && s.blocks.len() > 0 {
		blocks.Put(s.blocks.pop())
	}
}
