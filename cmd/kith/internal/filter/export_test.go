package filter

import "context"

// Hold takes a slot.
func Hold(s *Slots) (release func()) {
	_ = s.take(context.Background())
	return s.give
}
