package p2p

// Conns is how many places are taken among the connections.
func (s *Server) Conns() int {
	s.core.mu.Lock()
	defer s.core.mu.Unlock()
	return len(s.core.conns)
}

// Readers is how many read Events.
func (s *Server) Readers() int {
	s.core.mu.Lock()
	defer s.core.mu.Unlock()
	return len(s.core.feed.readers)
}

// Held is how much is remembered of connections and dials that may be over.
func (s *Server) Held() int {
	c := s.core
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.conns) + len(c.dials) + len(c.pending) + c.handshakes + c.filling +
		len(c.backOff.failures) + len(c.throttle.from) + len(c.feed.readers)
}

// Handshakes is how many accepted connections are not peers and have not ended.
func (s *Server) Handshakes() int {
	s.core.mu.Lock()
	defer s.core.mu.Unlock()
	return s.core.handshakes
}
