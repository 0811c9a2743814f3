package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/big"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kith/cert"
	"kith/port"
)

// A load calls without a pause.
type load struct {
	calls atomic.Int64
	mu    sync.Mutex
	errs  []string
	stop  context.CancelFunc
	loops sync.WaitGroup
}

func startLoad(t *testing.T, c *port.Client) *load {
	ctx, stop := context.WithCancel(context.Background())
	l := &load{stop: stop}
	for i := range 8 {
		l.loops.Go(func() {
			for ctx.Err() == nil {
				one, cancel := context.WithTimeout(context.Background(), soon)
				data := fmt.Sprint(i, " ", l.calls.Add(1))
				if got, err := c.Request(one, []byte(data)); err != nil || string(got) != data {
					l.mu.Lock()
					l.errs = append(l.errs, fmt.Sprintf("%v: Request(%q) = %q, %v", time.Now().Format(time.StampMilli), data, got, err))
					l.mu.Unlock()
				}
				cancel()
			}
		})
	}
	t.Cleanup(func() { l.end(t) })
	return l
}

// end stops the load and wants no call to have failed.
func (l *load) end(t *testing.T) {
	l.stop()
	l.loops.Wait()
	if len(l.errs) > 0 {
		t.Errorf("%d of %d requests failed: %s", len(l.errs), l.calls.Load(), l.errs[0])
	}
	l.errs = nil
}

var knocks atomic.Int32

// served is the serial number of the certificate that a newcomer is shown. It
// comes from an address of its own each time, since one that only looks counts as
// a failed handshake.
func served(t *testing.T, r *remote) *big.Int {
	t.Helper()
	n := knocks.Add(1)
	d := tls.Dialer{
		NetDialer: &net.Dialer{Timeout: soon, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 8, byte(n>>8), byte(n))}},
		Config:    &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"kith/1"}},
	}
	conn, err := d.DialContext(t.Context(), "tcp", r.node.Hosts[0])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber
}

// shows waits until a newcomer is shown the certificate with that number.
func shows(t *testing.T, r *remote, want *big.Int) {
	t.Helper()
	eventually(t, 10*time.Second, "the new certificate is shown", func() bool { return served(t, r).Cmp(want) == 0 })
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// visit connects as a node of its own and calls.
func visit(t *testing.T, dir, name string, r *remote) error {
	t.Helper()
	p, _ := startPeer(t, setting{Dir: dir, Name: name})
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	c, err := p.mux.Connect(ctx, p.srv, r.node, 0, portEcho)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Request(ctx, []byte("visit"))
	return err
}

// T3: a new certificate for the node is shown to newcomers without a restart, a
// bad one never is, and no request fails.
func TestT3RotateLeaf(t *testing.T) {
	t.Parallel()
	dir := authority(t, "a", "b", "c")
	d := cert.Dir{Path: dir}
	b := startRemote(t, nil, setting{Dir: dir, Name: "b"})
	a, _ := startPeer(t, setting{Dir: dir, Name: "a"})
	l := startLoad(t, a.connect(t, b.node, portEcho))
	for _, name := range []string{"a", "b"} {
		if _, err := d.Renew(name, 0); err != nil {
			t.Fatal(err)
		}
	}
	renewed, err := d.Cert("b")
	if err != nil {
		t.Fatal(err)
	}
	shows(t, b, renewed.SerialNumber)

	good, err := os.ReadFile(d.CertPath("b"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, d.CertPath("b"), good[:len(good)/2])
	eventually(t, soon, "the alarm", func() bool { return b.ask(question{Do: "look"}).Alarm != "" })
	if served(t, b).Cmp(renewed.SerialNumber) != 0 {
		t.Errorf("with half a certificate in the file the one in force has changed")
	}
	write(t, d.CertPath("b"), good)
	eventually(t, soon, "the end of the alarm", func() bool { return b.ask(question{Do: "look"}).Alarm == "" })
	if b.log.line("level=ERROR", "not taken") == "" {
		t.Errorf("no alarm in the log of b")
	}
	if err := visit(t, dir, "c", b); err != nil {
		t.Errorf("visit after all = %v", err)
	}
	l.end(t)
	if n := a.srv.Stats().Connected; n != 1 {
		t.Errorf("%d sessions, want the one that was there", n)
	}
}

// T3: a cluster moves to a new authority without a restart: first both are
// trusted, then every node has a new certificate, then the old authority goes. No
// request fails, and in the end the old authority's nodes are strangers.
func TestT3RotateAuthority(t *testing.T) {
	t.Parallel()
	dir := authority(t, "a", "b", "c", "old")
	d := cert.Dir{Path: dir}
	b := startRemote(t, nil, setting{Dir: dir, Name: "b"})
	a, _ := startPeer(t, setting{Dir: dir, Name: "a"})
	l := startLoad(t, a.connect(t, b.node, portEcho))
	old, err := d.CA()
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := cert.CreateCA(cert.CAOptions{})
	if err != nil {
		t.Fatal(err)
	}
	settled := func() bool {
		return a.files.Reload(t.Context()) == nil && b.try(question{Do: "reload"}).Err == ""
	}

	write(t, d.CAPath(), cert.EncodeCerts(old.Cert, fresh.Cert))
	eventually(t, soon, "both authorities", settled)
	var last *big.Int
	for _, name := range []string{"a", "c", "b"} {
		was, err := d.Cert(name)
		if err != nil {
			t.Fatal(err)
		}
		now, err := fresh.Renew(was, 0, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		write(t, d.CertPath(name), cert.EncodeCerts(now))
		last = now.SerialNumber
	}
	eventually(t, soon, "new certificates", settled)
	shows(t, b, last)
	time.Sleep(5 * time.Second) // in which the sessions tell each other; who renews certificates takes longer
	write(t, d.CAPath(), cert.EncodeCerts(fresh.Cert))
	eventually(t, soon, "the new authority alone", settled)
	if err := visit(t, dir, "c", b); err != nil {
		t.Errorf("visit with a certificate of the new authority = %v", err)
	}
	time.Sleep(5 * time.Second) // in which the sessions judge each other again
	l.end(t)
	if n := a.srv.Stats().Connected; n != 1 {
		t.Errorf("%d sessions, want the one that was there", n)
	}

	stranger := authority(t)
	for _, f := range []string{"old.crt", "old.key"} {
		data, err := os.ReadFile(dir + "/" + f)
		if err != nil {
			t.Fatal(err)
		}
		write(t, stranger+"/"+f, data)
	}
	write(t, stranger+"/ca.pem", cert.EncodeCerts(old.Cert, fresh.Cert))
	err = visit(t, stranger, "old", b)
	if err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("visit with a certificate of the old authority = %v, want it refused", err)
	}
}
