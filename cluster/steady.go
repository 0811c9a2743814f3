package cluster

import (
	"errors"
	"log/slog"
	"sync"

	"kith/cert"
)

// ErrOtherKey says that the certificate files hold another key than the one that
// this run began with. The old certificate stays in force: a node cannot become
// another one without a restart.
var ErrOtherKey = errors.New("cluster: the files hold the key of another node; restart to become it")

// steady is a cert.Source whose key stays the same.
type steady struct {
	files *cert.Files
	log   *slog.Logger

	mu   sync.Mutex     // guards what follows; never held while waiting
	last *cert.Snapshot // the last with our key
	said *cert.Snapshot // the last that was refused
}

func newSteady(files *cert.Files, log *slog.Logger) *steady {
	return &steady{files: files, log: log, last: files.Current()}
}

// Current is the newest set with our key.
func (s *steady) Current() *cert.Snapshot {
	now := s.files.Current()
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.ID == s.last.ID {
		s.last, s.said = now, nil
		return now
	}
	if s.said != now {
		s.said = now
		s.log.Error("certificate files not taken, the old ones stay in force", "err", ErrOtherKey)
	}
	return s.last
}

// Changed is closed when the files change.
func (s *steady) Changed() <-chan struct{} { return s.files.Changed() }

// Err is why the newest set is not in force; nil if it is.
func (s *steady) Err() error {
	s.Current()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.said != nil {
		return ErrOtherKey
	}
	return s.files.Err()
}
