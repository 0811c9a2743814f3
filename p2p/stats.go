package p2p

import (
	"net"

	"kith/node"
)

// counters are guarded by core.mu.
type counters struct {
	connected, accepted, dials, dialFailures, refused, throttled, pendingFull, restricted uint64
}

// Stats counts what a Server has done since Start.
type Stats struct {
	Peers        int    // connected now
	Pending      int    // accepted, in their handshake now
	Connected    uint64 // peers that have been
	Accepted     uint64 // connections that came in
	Dials        uint64 // begun; shared ones count once, but for a second try after Retry
	DialFailures uint64
	Refused      uint64 // accepted, but did not become a peer
	Throttled    uint64 // dropped: their address came or failed too often
	PendingFull  uint64 // dropped or given up: too many pending handshakes
	Restricted   uint64 // neither taken nor dialled: outside NetRestrict
}

// Stats counts what has happened. It works after Close too.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	c := s.core
	s.mu.Unlock()
	if c == nil {
		return Stats{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	st := Stats{
		Pending: len(c.pending), Connected: c.count.connected, Accepted: c.count.accepted, Dials: c.count.dials,
		DialFailures: c.count.dialFailures, Refused: c.count.refused, Throttled: c.count.throttled, PendingFull: c.count.pendingFull, Restricted: c.count.restricted,
	}
	for _, n := range c.conns {
		if n.peer != nil {
			st.Peers++
		}
	}
	return st
}

// Local is the node that we are, to set its addresses; nil before Start.
func (s *Server) Local() *node.Local {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.core == nil {
		return nil
	}
	return s.core.local
}

// Self is the node that we are; nil before Start. It belongs to the caller.
func (s *Server) Self() *node.Node {
	if l := s.Local(); l != nil {
		return l.Node()
	}
	return nil
}

// Addr is where we listen; nil if we do not.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.core == nil || s.core.ln == nil {
		return nil
	}
	return s.core.ln.Addr()
}
