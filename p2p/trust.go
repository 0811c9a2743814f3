package p2p

import "kith/node"

// Trust says whether id is exempt from MaxPeers from now on. It does nothing
// before Start: there TrustedNodes are for that.
func (s *Server) Trust(id node.ID, trusted bool) {
	c, err := s.running()
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if trusted {
		c.trusted[id] = true
	} else {
		delete(c.trusted, id)
	}
}
