package cert

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A place holds the files of one node, in a directory of its own.
type place struct {
	t   *testing.T
	dir string
	log lines
}

func newPlace(t *testing.T, m Material) *place {
	p := &place{t: t, dir: t.TempDir()}
	p.put(m)
	return p
}

func (p *place) path(name string) string { return filepath.Join(p.dir, name) }

func (p *place) put(m Material) {
	p.t.Helper()
	p.write("ca.pem", m.CA)
	p.write("a.crt", m.Cert)
	p.write("a.key", m.Key)
	p.write("ca.crl", m.CRL)
}

// write replaces a file the way operators do: in place.
func (p *place) write(name string, data []byte) {
	p.t.Helper()
	if err := os.WriteFile(p.path(name), data, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) files() *Files {
	return &Files{CA: p.path("ca.pem"), Cert: p.path("a.crt"), Key: p.path("a.key"), Logger: slog.New(slog.NewTextHandler(&p.log, nil))}
}

func (p *place) filesWithCRL() *Files {
	f := p.files()
	f.CRL = p.path("ca.crl")
	return f
}

// lines keeps what is logged.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

// take empties it.
func (l *lines) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return l.text.String()
}

func start(t *testing.T, f *Files) {
	t.Helper()
	if err := f.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
}

func caNow(t *testing.T, name string) *CA {
	t.Helper()
	return must[*CA](t)(CreateCA(CAOptions{Name: name}))
}

// T2: whatever is wrong with a file, nothing starts, and every problem is named.
func TestT2FailClosed(t *testing.T) {
	ca, other := caNow(t, "ours"), caNow(t, "other")
	good, alien := material(t, ca, NodeOptions{Name: "a"}), material(t, other, NodeOptions{Name: "b"})
	gone := material(t, must[*CA](t)(CreateCA(CAOptions{Now: time.Now().Add(-200 * day)})), NodeOptions{Name: "a", Now: time.Now().Add(-100 * day)})
	list := EncodeCRL(must[*x509.RevocationList](t)(ca.Revoke(nil, time.Time{}, must[[]*x509.Certificate](t)(DecodeCerts(good.Cert))...)))
	truncated := func(b []byte) []byte { return b[:len(b)-20] }
	garbled := bytes.Replace(good.Cert, []byte("MII"), []byte("MIA"), 1)
	if bytes.Equal(garbled, good.Cert) {
		garbled = bytes.Replace(good.Cert, []byte("\nMI"), []byte("\nMA"), 1)
	}
	for _, c := range []struct {
		name string
		mend func(p *place, f *Files)
		want []string // each in the error
	}{
		{"no names", func(p *place, f *Files) { f.CA, f.Cert, f.Key = "", "", "" }, []string{"CA: no file is named", "Cert: no file is named", "Key: no file is named"}},
		{"all missing", func(p *place, f *Files) { f.CA, f.Cert, f.Key, f.CRL = "x", "y", "z", "w" }, []string{"x: cannot be read: no such file", "y: cannot", "z: cannot", "w: cannot"}},
		{"missing CA", func(p *place, f *Files) { os.Remove(f.CA) }, []string{"ca.pem: cannot be read: no such file"}},
		{"missing key", func(p *place, f *Files) { os.Remove(f.Key) }, []string{"a.key: cannot be read: no such file"}},
		{"missing list", func(p *place, f *Files) { f.CRL = p.path("no.crl") }, []string{"no.crl: cannot be read: no such file"}},
		{"all empty", func(p *place, f *Files) { p.put(Material{}); f.CRL = p.path("ca.crl") }, []string{"ca.pem: empty", "a.crt: empty", "a.key: empty", "ca.crl: empty"}},
		{"only spaces", func(p *place, f *Files) { p.write("a.crt", []byte(" \r\n\t")) }, []string{"a.crt: empty"}},
		{"a directory", func(p *place, f *Files) { f.Key = p.dir }, []string{": not a regular file"}},
		{"a link in a circle", func(p *place, f *Files) { f.Key = p.path("loop"); os.Symlink("loop", f.Key) }, []string{"loop: cannot be read: too many"}},
		{"all garbage", func(p *place, f *Files) {
			x := []byte("garbage")
			p.put(Material{x, x, x, x})
			f.CRL = p.path("ca.crl")
		}, []string{"ca.pem: not PEM", "a.crt: not PEM", "a.key: not PEM", "ca.crl: not PEM"}},
		{"cut off", func(p *place, f *Files) {
			p.put(Material{truncated(good.CA), truncated(good.Cert), truncated(good.Key), nil})
		}, []string{"ca.pem: 1 PEM blocks begin, 0 can be read", "a.crt: 1 PEM", "a.key: 1 PEM"}},
		{"second CA cut off", func(p *place, f *Files) { p.write("ca.pem", append(slices.Clone(good.CA), truncated(alien.CA)...)) }, []string{"ca.pem: 2 PEM blocks begin, 1 can be read"}},
		{"garbled", func(p *place, f *Files) { p.write("a.crt", garbled) }, []string{"a.crt: block 1 (CERTIFICATE): "}},
		{"too large", func(p *place, f *Files) { p.write("a.crt", make([]byte, maxPEM+10)) }, []string{"a.crt: more than 1048576 bytes"}},
		{"swapped", func(p *place, f *Files) { f.Cert, f.Key = f.Key, f.Cert }, []string{"a.key: PRIVATE KEY instead of CERTIFICATE", "a.crt: CERTIFICATE instead of PRIVATE KEY"}},
		{"another's key", func(p *place, f *Files) { p.write("a.key", alien.Key) }, []string{"a.key: certificate of a has another key than the one in "}},
		{"another CA", func(p *place, f *Files) { p.write("ca.pem", alien.CA) }, []string{"a.crt: certificate of a signed by unknown authority CN=ours"}},
		{"two problems of one set", func(p *place, f *Files) { p.write("ca.pem", alien.CA); p.write("a.key", alien.Key) }, []string{"another key", "unknown authority CN=ours"}},
		{"expired", func(p *place, f *Files) { p.put(gone) }, []string{"a.crt: certificate of a expired at "}},
		{"a node as CA", func(p *place, f *Files) { p.write("ca.pem", good.Cert) }, []string{"ca.pem: CN=a is not an authority"}},
		{"revoked", func(p *place, f *Files) { p.write("ca.crl", list); f.CRL = p.path("ca.crl") }, []string{"a.crt: certificate of a (serial "}},
		{"another CA's list", func(p *place, f *Files) {
			p.put(alien)
			p.write("ca.crl", list)
			f.CRL = p.path("ca.crl")
		}, []string{"ca.crl: revocation list signed by unknown authority CN=ours"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPlace(t, good)
			f := p.files()
			c.mend(p, f)
			err := f.Start()
			defer f.Close()
			failed, ok := errors.AsType[*LoadError](err)
			if !ok {
				t.Fatalf("Start = %v, want a *LoadError", err)
			}
			if len(failed.Problems) != len(c.want) {
				t.Errorf("Start = %v, want %d problems", err, len(c.want))
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Start = %v, want %q in it", err, want)
				}
			}
			if f.Current() != nil {
				t.Error("Current is set after a failed Start")
			}
			// The same fields, mended files.
			*f = Files{CA: p.path("ca.pem"), Cert: p.path("a.crt"), Key: p.path("a.key"), Logger: f.Logger}
			p.put(good)
			if err := f.Start(); err != nil {
				t.Errorf("Start with mended files = %v", err)
			}
		})
	}
}

func TestMissingFileIsErrNotExist(t *testing.T) {
	f := &Files{CA: "no such file", Cert: "no such file", Key: "no such file"}
	if err := f.Start(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Start = %v, want %v in it", err, fs.ErrNotExist)
	}
}

// Reload and the two-second look treat a set that went bad alike: the old one
// stays, the alarm is raised, and it ends when the files are good again.
func TestT2Reload(t *testing.T) {
	for _, asked := range []bool{true, false} {
		for _, bad := range []string{"", "garbage"} {
			synctest.Test(t, func(t *testing.T) {
				ca := caNow(t, "ours")
				good := material(t, ca, NodeOptions{Name: "a"})
				p := newPlace(t, good)
				f := p.files()
				start(t, f)
				look := func() error {
					if asked {
						return f.Reload(t.Context())
					}
					time.Sleep(2*pollInterval + time.Millisecond)
					return f.Err()
				}
				before := f.Current()
				changed := f.Changed()

				p.write("a.crt", []byte(bad))
				err := look()
				if _, ok := errors.AsType[*LoadError](err); !ok {
					t.Errorf("alarm %v, want a *LoadError", err)
				}
				if f.Current() != before {
					t.Error("a bad set has replaced the good one")
				}
				select {
				case <-changed:
				default:
					t.Error("Changed is open after an alarm")
				}
				time.Sleep(time.Minute)
				if n := p.log.count("level=ERROR"); n != 1 {
					t.Errorf("%d lines about one bad set, want 1", n)
				}

				p.put(good)
				if err := look(); err != nil {
					t.Errorf("alarm %v after the files were mended", err)
				}
			})
		}
	}
}

// T3: leaf and authority are replaced while somebody uses them: every set that
// is seen fits together, and the new one is seen within 5 s.
func TestT3Rotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		caOld, caNew := caNow(t, "old"), caNow(t, "new")
		before := material(t, caOld, NodeOptions{Name: "a"})
		p := newPlace(t, before)
		f := p.files()
		start(t, f)

		ctx, stop := context.WithCancel(t.Context())
		var users sync.WaitGroup
		for range 4 {
			users.Go(func() {
				for ctx.Err() == nil {
					s := f.Current()
					if err := s.Verify(time.Now()); err != nil {
						t.Errorf("a set in force: %v", err)
					}
					if !samePublic(s.key, s.Leaf.PublicKey) || !bytes.Equal(s.TLS.Certificate[0], s.Leaf.Raw) {
						t.Error("a set in force whose parts do not fit")
					}
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		next := material(t, caNew, NodeOptions{Name: "a", Kind: P256})
		both := append(slices.Clone(before.CA), next.CA...)
		for _, step := range []struct {
			what  string
			write func()
			same  func(s *Snapshot) bool
		}{
			{"both authorities", func() { p.write("ca.pem", both) }, func(s *Snapshot) bool { return len(s.Trust.Authorities()) == 2 }},
			{"the new leaf, with a look between its files", func() {
				time.Sleep(time.Second)
				p.write("a.key", next.Key)
				time.Sleep(1500 * time.Millisecond)
				p.write("a.crt", next.Cert)
			}, func(s *Snapshot) bool { return bytes.Equal(EncodeCerts(s.Leaf), next.Cert) }},
			{"the old authority is gone", func() { p.write("ca.pem", next.CA) }, func(s *Snapshot) bool { return len(s.Trust.Authorities()) == 1 }},
		} {
			changed, from := f.Changed(), time.Now()
			step.write()
			written := time.Since(from)
			<-changed
			if took := time.Since(from) - written; took > 5*time.Second {
				t.Errorf("%s: in force after %v, want 5s at most", step.what, took)
			}
			if !step.same(f.Current()) {
				t.Errorf("%s: not in force", step.what)
			}
		}
		stop()
		users.Wait()
		if n := p.log.count("level=ERROR"); n != 0 {
			t.Errorf("%d alarms, want none: %s", n, p.log.text.String())
		}
	})
}

// A symlink that moves on is how Kubernetes replaces a set at once.
func TestFilesFollowLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := caNow(t, "ours")
		one, two := newPlace(t, material(t, ca, NodeOptions{Name: "one"})), newPlace(t, material(t, ca, NodeOptions{Name: "two"}))
		link := filepath.Join(t.TempDir(), "data")
		if err := os.Symlink(one.dir, link); err != nil {
			t.Fatal(err)
		}
		f := &Files{CA: link + "/ca.pem", Cert: link + "/a.crt", Key: link + "/a.key", Logger: slog.New(slog.DiscardHandler)}
		start(t, f)
		changed := f.Changed()
		if err := os.Symlink(two.dir, link+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(link+".new", link); err != nil {
			t.Fatal(err)
		}
		<-changed
		if name := f.Current().Name; name != "two" {
			t.Errorf("Current is of %q, want two", name)
		}
	})
}

// A file may change twice within one tick of its clock, without a new size.
func TestFilesSeeASecondChangeOfOneStamp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := caNow(t, "ours")
		m := material(t, ca, NodeOptions{Name: "a"})
		m.CRL = EncodeCRL(listOf(t, ca, 1, nil))
		p := newPlace(t, m)
		f := p.filesWithCRL()
		start(t, f)
		stamp := time.Now()
		for n := int64(2); n < 4; n++ {
			p.write("ca.crl", EncodeCRL(listOf(t, ca, n, nil)))
			if err := os.Chtimes(f.CRL, stamp, stamp); err != nil {
				t.Fatal(err)
			}
			time.Sleep(pollInterval + time.Millisecond)
			if got := f.Current().Trust.Lists()[0].Number.Int64(); got != n {
				t.Errorf("number %d in force, want %d", got, n)
			}
		}
	})
}

// What is revoked counts at once, even if somebody has broken another file.
func TestListComesIntoForceAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := caNow(t, "ours")
		b := must[*Pair](t)(ca.Issue(NodeOptions{Name: "b"}))
		m := material(t, ca, NodeOptions{Name: "a"})
		own := must[[]*x509.Certificate](t)(DecodeCerts(m.Cert))[0]
		lists := []*x509.RevocationList{must[*x509.RevocationList](t)(ca.Revoke(nil, time.Time{}))}
		lists = append(lists, must[*x509.RevocationList](t)(ca.Revoke(lists[0], time.Time{}, b.Cert)))
		lists = append(lists, must[*x509.RevocationList](t)(ca.Revoke(lists[1], time.Time{}, own)))
		m.CRL = EncodeCRL(lists[0])
		p := newPlace(t, m)
		f := p.filesWithCRL()
		start(t, f)

		p.write("a.crt", []byte("garbage"))
		p.write("ca.crl", EncodeCRL(lists[1]))
		err := f.Reload(t.Context())
		if err == nil || strings.Contains(err.Error(), "crl") {
			t.Errorf("Reload = %v, want only the problem of a.crt", err)
		}
		if got := f.Current().Check([]*x509.Certificate{b.Cert}, Client, time.Now()); ReasonOf(got) != Revoked {
			t.Errorf("Check of b = %v, want the reason %v", got, Revoked)
		}

		p.write("ca.crl", EncodeCRL(lists[0]))
		p.write("a.crt", m.Cert)
		err = f.Reload(t.Context())
		if err == nil || !strings.Contains(err.Error(), "ca.crl: revocation list of CN=ours has number 1; 2 is in force") {
			t.Errorf("Reload of an older list = %v", err)
		}

		// Our own end: others must still be judged by the newest list.
		p.write("ca.crl", EncodeCRL(lists[2]))
		if err := f.Reload(t.Context()); ReasonOf(err) != Revoked {
			t.Errorf("Reload after our own revocation = %v, want the reason %v", err, Revoked)
		}
		if n := f.Current().Trust.Lists()[0].Number.Int64(); n != 3 {
			t.Errorf("number %d in force, want 3", n)
		}
	})
}

func TestT4Expiry(t *testing.T) {
	for _, c := range []struct {
		left        time.Duration
		start, then string // logged at Start and within ten seconds of it
	}{
		{31 * day, "", ""},
		{30*day + 5*time.Second, "", "days=30"},
		{29 * day, "days=29", ""},
		{7*day + 5*time.Second, "days=8", "days=7"},
		{day + 5*time.Second, "days=2", "days=1 "},
		{5 * time.Second, "days=1 ", "has expired"},
	} {
		synctest.Test(t, func(t *testing.T) {
			ago := time.Now().Add(c.left - 40*day)
			ca := must[*CA](t)(CreateCA(CAOptions{Now: ago}))
			p := newPlace(t, material(t, ca, NodeOptions{Name: "a", Validity: 40 * day, Now: ago}))
			f := p.files()
			start(t, f)
			time.Sleep(time.Second)
			if got := p.log.take(); !oneLineWith(got, c.start) {
				t.Errorf("%v left: %q at Start, want %q", c.left, got, c.start)
			}
			time.Sleep(9 * time.Second)
			if got := p.log.take(); !oneLineWith(got, c.then) {
				t.Errorf("%v left: %q later, want %q", c.left, got, c.then)
			}
			if got, want := ReasonOf(f.Err()) == Expired, c.left < 10*time.Second; got != want {
				t.Errorf("%v left: Err after ten seconds = %v, want expired=%v", c.left, f.Err(), want)
			}
		})
	}
}

// oneLineWith tells whether a log is that one line, or nothing where nothing is
// wanted.
func oneLineWith(log, want string) bool {
	if want == "" {
		return log == ""
	}
	return strings.Count(log, "\n") == 1 && strings.Contains(log, want)
}

func TestExpirySaysTheNearestOnly(t *testing.T) {
	for _, c := range []struct {
		validity time.Duration
		after    time.Duration
		want     []time.Duration // left, in the notices
	}{
		{90 * day, 0, nil},
		{90 * day, 85 * day, []time.Duration{5 * day}},
		{90 * day, 91 * day, []time.Duration{-day}},
		{day, 0, nil},
		{day, 25 * time.Hour, []time.Duration{-time.Hour}},
		{8 * day, 2 * day, []time.Duration{6 * day}},
	} {
		m := material(t, newCA(t, "ours"), NodeOptions{Name: "a", Validity: c.validity, Now: noon})
		s := must[*Snapshot](t)(m.Load(noon))
		var e expiry
		var got []time.Duration
		for range 3 {
			for _, n := range e.due(s, noon.Add(c.after)) {
				got = append(got, n.left)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("a certificate of %v after %v: said %v, want %v", c.validity, c.after, got, c.want)
		}
	}
}

func TestOldListIsSaidOnce(t *testing.T) {
	ca := newCA(t, "ours")
	b := made{by: ca}.make(t, "b")
	m := material(t, ca, NodeOptions{Name: "a", Now: noon})
	m.CRL = EncodeCRL(listOf(t, ca, 1, nil, b.Cert)) // for a day
	s := must[*Snapshot](t)(m.Load(noon))
	var e expiry
	later := noon.Add(2 * day)
	if got := len(e.due(s, noon)); got != 0 {
		t.Errorf("%d notices about a new list, want none", got)
	}
	if got := e.due(s, later); len(got) != 1 || !got[0].list {
		t.Errorf("notices %v about an old list, want one", got)
	}
	if got := len(e.due(s, later)); got != 0 {
		t.Errorf("%d notices the second time, want none", got)
	}
	if err := s.Check([]*x509.Certificate{b.Cert}, Server, later); ReasonOf(err) != Revoked {
		t.Errorf("Check by an old list = %v, want the reason %v", err, Revoked)
	}
}

func TestOpenKeyIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, material(t, caNow(t, "ours"), NodeOptions{Name: "a"}))
		if err := os.Chmod(p.path("a.key"), 0o644); err != nil {
			t.Fatal(err)
		}
		f := p.files()
		start(t, f)
		time.Sleep(time.Minute)
		if n := p.log.count("can be read by others"); n != 1 {
			t.Errorf("%d lines about an open key, want 1", n)
		}
	})
}
