package cert

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"log/slog"
	"time"
)

// A watcher is the goroutine of Files and all that it alone knows.
//
//	        set as good            set bad
//	good ------------> good   good --------> settling
//	                                            | still bad at the next look, or Reload
//	good <------------ alarm <------------------+
//	        set as good
type watcher struct {
	files *Files
	log   *slog.Logger

	current  *Snapshot
	err      error             // the alarm
	inForce  [sha256.Size]byte // of the files that current was read from
	alarmed  [sha256.Size]byte // of the files that the alarm is about
	stamps   stamps
	again    bool // the stamps changed at the last look: a file may change twice within one tick of its clock
	settling bool
	expiry   expiry
}

// first reads the files for Start.
func (w *watcher) first() error {
	stamps, p := w.files.read()
	s, err := load(p, time.Now(), true)
	if err != nil {
		return err
	}
	w.current, w.inForce, w.stamps, w.again = s, p.sum(), stamps, true
	return nil
}

// run looks at the files until ctx ends.
func (w *watcher) run(ctx context.Context, asks <-chan chan error) {
	w.warnOpenKey()
	w.expiry.log(w.log, w.current, time.Now())
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case answer := <-asks:
			w.look(true)
			answer <- w.err
		case <-tick.C:
			w.look(false)
		}
		w.expiry.log(w.log, w.current, time.Now())
	}
}

// look reads the files if there is a reason to, and publishes what follows.
func (w *watcher) look(asked bool) {
	now := stat(w.files)
	changed := !now.same(w.stamps)
	if asked || changed || w.again || w.settling || w.err != nil {
		stamps, p := w.files.read()
		w.stamps, w.again = stamps, changed
		w.take(p, asked)
	}
	if w.err != nil {
		return
	}
	if reason, text := dateProblem(w.current.Leaf, time.Now()); reason != "" {
		w.raise(refuse(w.current.Leaf, reason, "%s", text), w.inForce) // expiry logs it
	}
}

// take decides about what was read.
func (w *watcher) take(p parts, asked bool) {
	sum := p.sum()
	next, err := load(p, time.Now(), true)
	if err == nil {
		err = asLoadError(p, next.Trust.follows(w.current.Trust))
	}
	switch {
	case err == nil && sum == w.inForce:
		w.calm()
	case err == nil:
		w.replace(next, sum)
	case !asked && !w.settling && w.err == nil:
		w.settling = true
		w.takeLists(p)
		w.log.Debug("certificate files do not fit together yet", "err", err)
	default:
		w.settling = false
		w.takeLists(p)
		w.alarm(err, sum)
	}
}

func (w *watcher) replace(next *Snapshot, sum [sha256.Size]byte) {
	w.current, w.inForce, w.err, w.settling = next, sum, nil, false
	w.alarmed = [sha256.Size]byte{}
	w.warnOpenKey()
	w.log.Info("certificate files reloaded", "name", next.Name, "until", next.Leaf.NotAfter)
	w.files.publish(next, nil)
}

// calm ends an alarm because the files are again those in force.
func (w *watcher) calm() {
	w.settling = false
	if w.err == nil {
		return
	}
	w.err, w.alarmed = nil, [sha256.Size]byte{}
	w.log.Info("certificate files are as they were")
	w.files.publish(w.current, nil)
}

// alarm raises one, and logs it once for each content of the files.
func (w *watcher) alarm(err error, sum [sha256.Size]byte) {
	if w.raise(err, sum) {
		w.log.Error("certificate files not taken, the old ones stay in force", "err", err)
	}
}

// raise publishes an alarm and tells whether it is a new one.
func (w *watcher) raise(err error, sum [sha256.Size]byte) bool {
	news := w.err == nil || w.alarmed != sum
	w.err, w.alarmed = err, sum
	if news {
		w.files.publish(w.current, err)
	}
	return news
}

// takeLists puts new revocation lists in force without the rest of a set: what
// is revoked must not wait until somebody mends a certificate.
func (w *watcher) takeLists(p parts) {
	if p.crl == nil || p.crl.err != nil {
		return
	}
	lists, err := DecodeCRLs(p.crl.data)
	if err != nil || sameLists(lists, w.current.Trust.lists) {
		return
	}
	next, err := w.current.withLists(lists)
	if err != nil {
		return
	}
	w.current = next
	w.log.Info("revocation list reloaded")
	w.files.publish(next, w.err)
}

func sameLists(a, b []*x509.RevocationList) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if string(a[i].Raw) != string(b[i].Raw) {
			return false
		}
	}
	return true
}

// asLoadError gives the problems of a revocation list the form of all others.
func asLoadError(p parts, err error) error {
	if err == nil {
		return nil
	}
	file := p.ca.name
	if p.crl != nil {
		file = p.crl.name
	}
	failed := new(LoadError)
	failed.add(file, each(err)...)
	return failed
}

func (w *watcher) warnOpenKey() {
	if w.stamps.keyIsOpen() {
		w.log.Warn("key file can be read by others; its mode should be 0600", "file", w.files.Key)
	}
}
