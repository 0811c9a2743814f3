package p2p

// Held is how much is remembered of connections and dials that may be over.
func (s *Server) Held() int {
	c := s.core
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.conns) + len(c.dials) + len(c.pending) + c.handshakes + c.filling +
		len(c.backOff.failures) + len(c.throttle.from) + len(c.feed.readers)
}
