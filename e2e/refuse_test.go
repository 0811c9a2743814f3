package e2e

import (
	"context"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"kith/cert"
	"kith/node"
	"kith/p2p"
	"kith/port"
)

// T1: a node that does not believe the one it dials says so, and the other hears
// it by the alert.
func TestT1StrangerRefusesUs(t *testing.T) {
	t.Parallel()
	dir, other := authority(t, "b"), authority(t, "x")
	b := startRemote(t, nil, setting{Dir: dir, Name: "b"})
	x, _ := startPeer(t, setting{Dir: other, Name: "x"})
	_, err := x.srv.Dial(t.Context(), b.node)
	if cert.ReasonOf(err) != cert.UnknownAuthority {
		t.Errorf("Dial = %v, want %s", err, cert.UnknownAuthority)
	}
	refused(t, b, "bad certificate")
}

// T1: a node of another authority that believes everybody is told in words why
// it is refused, and nothing of it reaches a handler.
func TestT1WeRefuseAStranger(t *testing.T) {
	t.Parallel()
	dir, other := authority(t, "b"), authority(t, "y")
	write(t, cert.Dir{Path: other}.CAPath(), cert.EncodeCerts(caOf(t, other), caOf(t, dir)))
	b := startRemote(t, nil, setting{Dir: dir, Name: "b"})
	y, _ := startPeer(t, setting{Dir: other, Name: "y"})
	_, err := y.srv.Dial(t.Context(), b.node)
	if !errors.Is(err, p2p.DiscRefused) || !strings.Contains(err.Error(), "certificate of y signed by unknown authority") {
		t.Errorf("Dial = %v, want b's words", err)
	}
	refused(t, b, "certificate of y signed by unknown authority")
}

// refused waits for the one refusal and its reason in the log.
func refused(t *testing.T, r *remote, why string) {
	t.Helper()
	eventually(t, soon, "the refusal in the log", func() bool { return r.log.line("level=WARN", "refused", why) != "" })
	if s := r.ask(question{Do: "look"}).Server; s.Connected != 0 || s.Refused != 1 {
		t.Errorf("%d connected, %d refused, want none and 1", s.Connected, s.Refused)
	}
}

func caOf(t *testing.T, dir string) *x509.Certificate {
	t.Helper()
	ca, err := cert.Dir{Path: dir}.CA()
	if err != nil {
		t.Fatal(err)
	}
	return ca.Cert
}

// T4: a session does not outlive the certificate of its peer.
func TestT4ExpiryWhileConnected(t *testing.T) {
	t.Parallel()
	dir := authority(t, "b")
	b := startRemote(t, nil, setting{Dir: dir, Name: "b"})
	pair, err := cert.Dir{Path: dir}.Issue(cert.NodeOptions{Name: "a", Now: time.Now().Add(-50 * time.Second), Validity: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	a, log := startPeer(t, setting{Dir: dir, Name: "a"})
	c := a.connect(t, b.node, portGate)
	wait := inFlight(t, b, c, 10, 2*time.Minute)
	for i, e := range wait() {
		if !errors.Is(e.err, port.ErrClosed) {
			t.Errorf("request %d: %v, want %v", i, e.err, port.ErrClosed)
		}
		if e.at.Before(pair.Cert.NotAfter) {
			t.Errorf("request %d ended %v before the certificate", i, pair.Cert.NotAfter.Sub(e.at))
		}
		if late := e.at.Sub(pair.Cert.NotAfter); late > soon {
			t.Errorf("request %d ended %v after the certificate", i, late)
		}
	}
	eventually(t, soon, "the log of b", func() bool { return b.log.line("peer gone", "certificate of a", "expired") != "" })
	if _, err := a.srv.Dial(t.Context(), b.node); err == nil {
		t.Errorf("an expired node gets in")
	}
	eventually(t, soon, "the alarm of a", func() bool { return log.line("level=ERROR", "certificate has expired") != "" })
}

// T1, T4: a node that is revoked is thrown out, and kept out.
func TestT1RevokedWhileConnected(t *testing.T) {
	t.Parallel()
	dir := authority(t, "a", "b", "gone")
	d := cert.Dir{Path: dir}
	if _, err := d.Revoke("gone"); err != nil {
		t.Fatal(err)
	}
	b := startRemote(t, nil, setting{Dir: dir, Name: "b", CRL: true})
	a, _ := startPeer(t, setting{Dir: dir, Name: "a"})
	gate := a.connect(t, b.node, portGate)
	wait := inFlight(t, b, gate, 10, 2*time.Minute)
	if _, err := d.Revoke("a"); err != nil {
		t.Fatal(err)
	}
	check(t, wait(), time.Now(), soon, port.ErrClosed)
	_, err := a.srv.Dial(t.Context(), b.node)
	if err == nil || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("Dial = %v, want the word revoked", err)
	}
	if b.log.line("refused", "certificate of a", "revoked") == "" {
		t.Errorf("no word of it in the log of b")
	}
}

// T5: who answers must be who was meant, and who calls is who it has proved to
// be.
func TestT5Identity(t *testing.T) {
	t.Parallel()
	dir := authority(t, "a", "b", "c")
	b, c := startRemote(t, nil, setting{Dir: dir, Name: "b"}), startRemote(t, nil, setting{Dir: dir, Name: "c"})
	a, _ := startPeer(t, setting{Dir: dir, Name: "a", Listen: "127.0.0.1:0"})
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	_, err := a.srv.Dial(ctx, &node.Node{ID: b.node.ID, Hosts: c.node.Hosts})
	if !errors.Is(err, p2p.DiscUnexpectedIdentity) {
		t.Errorf("Dial of b at the address of c = %v, want %v", err, p2p.DiscUnexpectedIdentity)
	}
	from := make(chan node.Ref, 1)
	who := func(_ context.Context, m *port.Message) ([]byte, error) {
		from <- m.From
		return m.Data, nil
	}
	if err := a.mux.Handle(100, "who", port.Request, port.HandlerFunc(who)); err != nil {
		t.Fatal(err)
	}
	self := &node.Node{ID: a.self.ID, Hosts: []string{a.srv.Addr().String()}}
	if got := c.ask(question{Do: "burst", To: self.String(), Port: 100, N: 1, Size: 8}); got.Answered != 1 {
		t.Fatalf("burst = %+v", got)
	}
	if got := <-from; got.ID != c.node.ID {
		t.Errorf("the handler saw %v, want %v", got.ID, c.node.ID)
	}
}
