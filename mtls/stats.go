package mtls

import (
	"time"

	"kith/p2p"
)

// Stats counts what went through the session on all its carriers.
func (s *session) Stats() p2p.SessionStats {
	in, out := s.conn.counts()
	s.mu.Lock()
	msgsOut := s.msgsOut
	s.mu.Unlock()
	return p2p.SessionStats{
		BytesIn: in, BytesOut: out,
		MsgsIn: s.msgsIn.Load(), MsgsOut: msgsOut,
		RTT:     time.Duration(s.rate.rtt.Load()),
		Carrier: s.conn.name(),
	}
}
