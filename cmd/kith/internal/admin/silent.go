package admin

import (
	"net"
	"net/http"
	"sync"
)

// silent are the connections on which nothing has been asked yet. Shutdown would
// wait for them, and a client has such a one whenever it has dialled in vain:
// another connection was free first. The zero value is empty.
type silent struct {
	mu    sync.Mutex // guards what follows
	conns map[net.Conn]struct{}
}

// note is the http.Server's ConnState.
func (s *silent) note(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state != http.StateNew {
		delete(s.conns, c)
		return
	}
	if s.conns == nil {
		s.conns = make(map[net.Conn]struct{})
	}
	s.conns[c] = struct{}{}
}

func (s *silent) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}
