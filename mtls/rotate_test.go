package mtls

import (
	"crypto/x509"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kith/cert"
	"kith/p2p"
)

// rotating credentials change when a test says so.
type rotating struct{ now atomic.Pointer[cert.Snapshot] }

func (r *rotating) Current() *cert.Snapshot  { return r.now.Load() }
func (r *rotating) Changed() <-chan struct{} { return nil }

func rotatingOn(s *cert.Snapshot) *rotating {
	r := new(rotating)
	r.now.Store(s)
	return r
}

// T3: a new certificate is shown to new peers at once, and sessions go on.
func TestNewCertificateIsShownAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &forger{world: newWorld(t)}
		key := f.key()
		first := f.holder(key, f.sign(f.leaf(nil), f.root(), key))
		second := f.holder(key, f.sign(f.leaf(nil), f.root(), key))
		creds := rotatingOn(first)
		a, b := &Transport{Credentials: creds, Logger: quiet()}, f.transport("b")
		x, y := pipe(t, a, b)
		as, bs := openBoth(t, x, y, twoChannels)
		creds.now.Store(second)
		time.Sleep(5 * time.Second)
		if err := as[0].WriteMsg(p2p.Msg{Code: 1}); err != nil {
			t.Errorf("WriteMsg() = %v after a rotation", err)
		}
		if _, err := bs[0].ReadMsg(); err != nil {
			t.Errorf("ReadMsg() = %v after a rotation", err)
		}
		for _, pair := range [][2]*Transport{{a, b}, {b, a}} {
			v, w := pipe(t, pair[0], pair[1])
			seen := w
			if pair[0] == b {
				seen = v
			}
			if got := seen.chain[0].SerialNumber; got.Cmp(second.Leaf.SerialNumber) != 0 {
				t.Errorf("a new peer was shown serial %v, want %v", got, second.Leaf.SerialNumber)
			}
			closeBoth(v, w)
		}
		closeBoth(x, y)
	})
}

// A session whose peer is no longer believed ends within a ping's time, and the
// peer is told why.
func TestSessionsAreJudgedAgain(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		change     func(f *forger, a *rotating)
	}{
		{"another authority", "signed by unknown authority CN=test", func(f *forger, a *rotating) {
			other := *a.Current()
			other.Trust = newWorld(f.t).snapshot(cert.NodeOptions{Name: "x"}).Trust
			a.now.Store(&other)
		}},
		{"revoked", "was revoked", func(f *forger, a *rotating) {
			revoked := *a.Current()
			revoked.Trust = f.good().Credentials.Current().Trust
			a.now.Store(&revoked)
		}},
		{"expired", "expired", func(f *forger, a *rotating) { time.Sleep(time.Hour) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &forger{world: newWorld(t)}
				a := rotatingOn(f.snapshot(cert.NodeOptions{Name: "a"}))
				bad := f.spoilt(func(c *x509.Certificate) { c.SerialNumber = bigInt(revokedSerial) })
				x, y := pipe(t, &Transport{Credentials: a, Logger: quiet()}, &Transport{Credentials: bad, Logger: quiet()})
				openBoth(t, x, y, twoChannels)
				time.Sleep(30 * time.Second)
				if x.Err() != nil {
					t.Fatalf("Err() = %v before anything has changed", x.Err())
				}
				tt.change(f, a)
				start := time.Now()
				<-y.Done()
				if took := time.Since(start); took > defaultPingEvery {
					t.Errorf("the session ended after %v", took)
				}
				d, ok := errors.AsType[*p2p.DisconnectError](y.Err())
				if !ok || !d.Remote || d.Reason != p2p.DiscRefused || !strings.Contains(d.Text, tt.text) {
					t.Errorf("the peer was told %v, want a refusal with %q", y.Err(), tt.text)
				}
				closeBoth(x, y)
			})
		})
	}
}

// T3: a session goes on after the certificates that it began with are worth
// nothing any more, if each side has shown the other a new one for its key.
func TestSessionsOutliveTheirCertificates(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(trustNew func())
	}{
		{"the old authority goes", func(trustNew func()) { trustNew() }},
		{"the old certificate ends", func(func()) { time.Sleep(20 * time.Minute) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				old, fresh := newWorld(t), newWorld(t)
				var creds [2]*rotating
				var pairs [2]*cert.Pair
				for i := range creds {
					pairs[i] = old.issue(cert.NodeOptions{Name: "n", Validity: 10 * time.Minute})
					creds[i] = rotatingOn(load(t, pairs[i], old.ca, fresh.ca))
				}
				x, y := pipe(t, &Transport{Credentials: creds[0], Logger: quiet()}, &Transport{Credentials: creds[1], Logger: quiet()})
				openBoth(t, x, y, twoChannels)
				for i, p := range pairs {
					renewed, err := fresh.ca.Renew(p.Cert, 0, time.Now())
					if err != nil {
						t.Fatal(err)
					}
					pairs[i] = &cert.Pair{Cert: renewed, Key: p.Key}
					creds[i].now.Store(load(t, pairs[i], old.ca, fresh.ca))
				}
				time.Sleep(2 * defaultPingEvery)
				tt.end(func() {
					for i := range creds {
						creds[i].now.Store(load(t, pairs[i], fresh.ca))
					}
				})
				time.Sleep(2 * judgeEvery)
				if x.Err() != nil || y.Err() != nil {
					t.Errorf("the session ended: %v; %v", x.Err(), y.Err())
				}
				closeBoth(x, y)
			})
		})
	}
}

// What a peer sends as its new certificate counts for nothing if it is nonsense,
// somebody else's, or of an authority that is not believed.
func TestARenewalMustBeTheirOwn(t *testing.T) {
	w, stranger := newWorld(t), newWorld(t)
	a, b := w.issue(cert.NodeOptions{Name: "a"}), w.issue(cert.NodeOptions{Name: "b"})
	forged, err := stranger.ca.Renew(b.Cert, 0, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	good, err := w.ca.Renew(b.Cert, 0, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		chain []byte
		want  bool
	}{
		{"nonsense", []byte("nonsense"), false},
		{"cut off", good.Raw[:len(good.Raw)-1], false},
		{"somebody else's", a.Cert.Raw, false},
		{"of a stranger", forged.Raw, false},
		{"their own", good.Raw, true},
	} {
		x, y := pipe(t, &Transport{Credentials: load(t, a, w.ca), Logger: quiet()}, &Transport{Credentials: load(t, b, w.ca), Logger: quiet()})
		x.renewed(tt.chain)
		was := x.chain[0]
		if got := x.renew(x.cfg.credentials.Current(), time.Now()); got != tt.want || (x.chain[0] != was) != tt.want {
			t.Errorf("%s: renew() = %v, want %v", tt.name, got, tt.want)
		}
		closeBoth(x, y)
	}
}

// load is what the holder of a certificate has that believes in authorities.
func load(t testing.TB, p *cert.Pair, authorities ...*cert.CA) *cert.Snapshot {
	t.Helper()
	key, err := cert.EncodeKey(p.Key)
	if err != nil {
		t.Fatal(err)
	}
	var ca []byte
	for _, a := range authorities {
		ca = append(ca, cert.EncodeCerts(a.Cert)...)
	}
	s, err := cert.Material{CA: ca, Cert: cert.EncodeCerts(p.Cert), Key: key}.Parse()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *world) issue(o cert.NodeOptions) *cert.Pair {
	w.t.Helper()
	p, err := w.ca.Issue(o)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func TestWithoutCredentials(t *testing.T) {
	for name, tr := range map[string]*Transport{"none": {}, "not started": {Credentials: new(cert.Files)}} {
		if !tr.ID().IsZero() {
			t.Errorf("%s: ID() = %v, want zero", name, tr.ID())
		}
		if _, err := tr.Listen(t.Context(), "127.0.0.1:0"); err == nil {
			t.Errorf("%s: Listen() = nil", name)
		}
		if _, err := tr.Dial(t.Context(), someNode); err == nil {
			t.Errorf("%s: Dial() = nil", name)
		}
	}
}
