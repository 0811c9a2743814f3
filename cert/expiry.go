package cert

import (
	"crypto/sha256"
	"crypto/x509"
	"log/slog"
	"time"
)

const day = 24 * time.Hour

// warnings are how long before its end a certificate is spoken of; zero is the
// end itself.
var warnings = []time.Duration{30 * day, 7 * day, day, 0}

// expiry remembers what was said, by the hash of the certificate or list: an
// index into warnings.
type expiry struct{ said map[[sha256.Size]byte]int }

// A notice is one line to log.
type notice struct {
	name  string
	left  time.Duration
	until time.Time
	list  bool // a revocation list, not a certificate
}

// log says what is due about the set in force.
func (e *expiry) log(log *slog.Logger, s *Snapshot, now time.Time) {
	for _, n := range e.due(s, now) {
		switch {
		case n.list:
			log.Warn("revocation list is past its next update; it stays in force", "name", n.name, "until", n.until)
		case n.left <= 0:
			log.Error("certificate has expired", "name", n.name, "until", n.until)
		default:
			log.Warn("certificate expires soon", "name", n.name, "days", int((n.left+day-1)/day), "until", n.until)
		}
	}
}

// due lists what has not been said yet of the set in force, and forgets sets
// that are gone.
func (e *expiry) due(s *Snapshot, now time.Time) []notice {
	var all []notice
	said := make(map[[sha256.Size]byte]int)
	note := func(raw []byte, step int, n notice) {
		sum := sha256.Sum256(raw)
		before, ok := e.said[sum]
		if ok {
			said[sum] = before
		}
		if step >= 0 && (!ok || step > before) {
			said[sum] = step
			all = append(all, n)
		}
	}
	for _, c := range append(s.Trust.Authorities(), s.chain...) {
		note(c.Raw, warningStep(c, now), notice{name: who(c), left: c.NotAfter.Sub(now), until: c.NotAfter.UTC()})
	}
	for _, list := range s.Trust.lists {
		if !list.NextUpdate.IsZero() && now.After(list.NextUpdate) {
			note(list.Raw, 0, notice{name: dn(list.Issuer), until: list.NextUpdate.UTC(), list: true})
		}
	}
	e.said = said
	return all
}

// warningStep is the last of warnings that a certificate has reached, or -1. A
// certificate made for less than a warning's time skips it: one that is renewed
// every day is not a matter of concern every day.
func warningStep(c *x509.Certificate, now time.Time) int {
	step := -1
	for i, w := range warnings {
		if w < c.NotAfter.Sub(c.NotBefore)-time.Hour && c.NotAfter.Sub(now) <= w || w == 0 && now.After(c.NotAfter) {
			step = i
		}
	}
	return step
}
