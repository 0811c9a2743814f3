package mtls

import (
	"testing"
	"time"

	"kith/cert"
	"kith/p2p"
)

func TestPeerCertificate(t *testing.T) {
	w := newWorld(t)
	a, b := w.issue(cert.NodeOptions{Name: "a"}), w.issue(cert.NodeOptions{Name: "b"})
	x, y := pipe(t, &Transport{Credentials: load(t, a, w.ca), Logger: quiet()}, &Transport{Credentials: load(t, b, w.ca), Logger: quiet()})
	defer closeBoth(x, y)
	for _, tt := range []struct {
		session p2p.Session
		want    *cert.Pair
	}{{x, b}, {y, a}} {
		if got := tt.session.(Certified).PeerCertificate(); !got.Equal(tt.want.Cert) {
			t.Errorf("PeerCertificate() = %v, want that of %v", got.Subject, tt.want.Cert.Subject)
		}
	}
	renewed, err := w.ca.Renew(b.Cert, 0, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	x.renewed(renewed.Raw)
	x.renew(x.cfg.credentials.Current(), time.Now())
	if got := x.PeerCertificate(); !got.Equal(renewed) {
		t.Errorf("PeerCertificate() = serial %v after a renewal, want %v", got.SerialNumber, renewed.SerialNumber)
	}
}
