package port

// A ring is a queue that keeps its memory. Whoever owns one bounds it.
type ring[T any] struct {
	items []T // a power of two of them
	head  int
	count int
}

func (r *ring[T]) len() int { return r.count }

func (r *ring[T]) push(v T) {
	if r.count == len(r.items) {
		r.grow()
	}
	r.items[(r.head+r.count)&(len(r.items)-1)] = v
	r.count++
}

// pushFront puts v before all others.
func (r *ring[T]) pushFront(v T) {
	if r.count == len(r.items) {
		r.grow()
	}
	r.head = (r.head - 1) & (len(r.items) - 1)
	r.items[r.head] = v
	r.count++
}

func (r *ring[T]) grow() {
	items := make([]T, max(8, 2*len(r.items)))
	n := copy(items, r.items[r.head:])
	copy(items[n:], r.items[:r.head])
	r.items, r.head = items, 0
}

// first is the oldest. The ring must not be empty.
func (r *ring[T]) first() T { return r.items[r.head] }

// pop takes the oldest out. The ring must not be empty.
func (r *ring[T]) pop() T {
	v := r.items[r.head]
	var zero T
	r.items[r.head] = zero
	r.head = (r.head + 1) & (len(r.items) - 1)
	r.count--
	return v
}
