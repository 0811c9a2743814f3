package port

import (
	"math/bits"
	"sync"
)

// A buffer holds a message over arenaMost. It is used again once its handler has
// returned and its reply is sent; where that is not certain it is left to the
// garbage collector.
type buffer struct {
	b     []byte
	class int
}

const (
	minClass = 10 // log2 of the smallest buffer
	classes  = (30 - minClass + 1) * 4
)

// buffers are pools for each size; four sizes an octave.
var buffers [classes]sync.Pool

// classOf gives the smallest size that holds n bytes, n at most 1 GiB.
func classOf(n int) (class, size int) {
	if n <= 1<<minClass {
		return 0, 1 << minClass
	}
	e := bits.Len(uint(n-1)) - 1 // 1<<e < n <= 2<<e
	step := 1 << (e - 2)
	k := (n - 1<<e + step - 1) / step
	return (e-minClass)*4 + k, 1<<e + k*step
}

// usedBuffer is a buffer for n bytes that is there already, or nil.
func usedBuffer(n int) *buffer {
	class, _ := classOf(n)
	b, _ := buffers[class].Get().(*buffer)
	return b
}

func newBuffer(n int) *buffer {
	if b := usedBuffer(n); b != nil {
		return b
	}
	class, size := classOf(n)
	return &buffer{make([]byte, 0, size), class}
}

// recycle lets others use the buffer. b may be nil.
func (b *buffer) recycle() {
	if b != nil {
		b.b = b.b[:0]
		buffers[b.class].Put(b)
	}
}
