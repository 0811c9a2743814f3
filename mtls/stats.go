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
	carrier, lost := s.grams.state()
	return p2p.SessionStats{
		BytesIn: in + s.grams.bytesIn.Load(), BytesOut: out + s.grams.bytesOut.Load(),
		MsgsIn: s.msgsIn.Load(), MsgsOut: msgsOut,
		RTT:     time.Duration(s.rate.rtt.Load()),
		Carrier: s.conn.name(),

		DatagramsIn: s.grams.in.Load(), DatagramsOut: s.grams.sent.Load(), DatagramsDropped: s.grams.dropped.Load(),
		DatagramCarrier: carrier, DatagramCarrierLost: lost,
	}
}

// state says what carries datagrams, or why nothing does.
func (g *datagrams) state() (carrier, lost string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.lane != nil:
		return "quic", ""
	case g.err != nil:
		return "", g.err.Error()
	}
	return "", ""
}
