package rlpx

import (
	"context"
	"net"
	"testing"

	"go.uber.org/goleak"

	"kith/crypto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testKey is the same key in every run for the same number.
func testKey(t testing.TB, n byte) *crypto.PrivateKey {
	t.Helper()
	k, err := crypto.ParseKey(append(make([]byte, 31), n))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// shake makes a pair of connections of the two ends of one; a has dialled.
func shake(t testing.TB, a, b net.Conn) (*Conn, *Conn) {
	t.Helper()
	type result struct {
		c   *Conn
		err error
	}
	accepted := make(chan result)
	go func() {
		c, err := Accept(context.Background(), b, testKey(t, 2))
		accepted <- result{c, err}
	}()
	c, err := Initiate(context.Background(), a, testKey(t, 1), testKey(t, 2).Public())
	r := <-accepted
	if err != nil || r.err != nil {
		t.Fatalf("Initiate() = %v, Accept() = %v", err, r.err)
	}
	return c, r.c
}

// pair is two connected ends in memory. They are closed with the test.
func pair(t testing.TB) (*Conn, *Conn) {
	t.Helper()
	a, b := net.Pipe()
	t.Cleanup(func() { a.Close(); b.Close() })
	return shake(t, a, b)
}
