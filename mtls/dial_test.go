package mtls

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kith/node"
	"kith/p2p"
)

func addrs(texts ...string) []netip.AddrPort {
	var all []netip.AddrPort
	for _, text := range texts {
		all = append(all, netip.MustParseAddrPort(text))
	}
	return all
}

// Each address is tried a moment after the one before, or as soon as that has
// failed; the first that answers wins and the others are ended.
func TestRace(t *testing.T) {
	type answer struct {
		after time.Duration
		fails bool
	}
	for _, tt := range []struct {
		name    string
		answers map[string]answer
		wins    string // empty: none
		after   time.Duration
		tried   int
	}{
		{"first at once", map[string]answer{"10.0.0.1:1": {10 * time.Millisecond, false}, "10.0.0.2:1": {}, "10.0.0.3:1": {}}, "10.0.0.1:1", 10 * time.Millisecond, 1},
		{"first hangs", map[string]answer{"10.0.0.1:1": {time.Hour, false}, "10.0.0.2:1": {10 * time.Millisecond, false}, "10.0.0.3:1": {}}, "10.0.0.2:1", 260 * time.Millisecond, 2},
		{"first fails", map[string]answer{"10.0.0.1:1": {time.Millisecond, true}, "10.0.0.2:1": {10 * time.Millisecond, false}, "10.0.0.3:1": {}}, "10.0.0.2:1", 11 * time.Millisecond, 2},
		{"last is right", map[string]answer{"10.0.0.1:1": {time.Hour, false}, "10.0.0.2:1": {time.Hour, false}, "10.0.0.3:1": {time.Millisecond, false}}, "10.0.0.3:1", 501 * time.Millisecond, 3},
		{"slow first wins", map[string]answer{"10.0.0.1:1": {300 * time.Millisecond, false}, "10.0.0.2:1": {time.Hour, false}, "10.0.0.3:1": {}}, "10.0.0.1:1", 300 * time.Millisecond, 2},
		{"all fail", map[string]answer{"10.0.0.1:1": {time.Millisecond, true}, "10.0.0.2:1": {time.Millisecond, true}, "10.0.0.3:1": {time.Millisecond, true}}, "", 3 * time.Millisecond, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var tried atomic.Int64
				s, err := race(t.Context(), addrs("10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"), func(ctx context.Context, a netip.AddrPort) (*session, error) {
					tried.Add(1)
					answer := tt.answers[a.String()]
					select {
					case <-time.After(answer.after):
					case <-ctx.Done():
						return nil, ctx.Err()
					}
					if answer.fails {
						return nil, errors.New("no luck at " + a.String())
					}
					return &session{peer: a}, nil
				})
				switch {
				case tt.wins == "" && (err == nil || strings.Count(err.Error(), "no luck at") != 3):
					t.Errorf("race() = %v, %v, want what went wrong at each address", s, err)
				case tt.wins != "" && (err != nil || s.peer.String() != tt.wins):
					t.Errorf("race() = %v, %v, want %v", s, err, tt.wins)
				}
				if took := time.Since(start); took != tt.after || int(tried.Load()) != tt.tried {
					t.Errorf("race() took %v and tried %d, want %v and %d", took, tried.Load(), tt.after, tt.tried)
				}
			})
		})
	}
}

func TestLookUp(t *testing.T) {
	got, err := lookUp(t.Context(), []string{"127.0.0.1:5", "nonsense", "[::1]:7", "10.0.0.1:99999"}, time.Second)
	if len(got) != 2 || got[0].String() != "127.0.0.1:5" || got[1].String() != "[::1]:7" {
		t.Errorf("lookUp() = %v, want the good ones in order", got)
	}
	if err == nil || !strings.Contains(err.Error(), "nonsense") || !strings.Contains(err.Error(), `port "99999"`) {
		t.Errorf("lookUp() = %v, want what is wrong with the others", err)
	}
}

// Of many addresses some are not tried, which the error says.
func TestLookUpNamesWhatIsTooMuch(t *testing.T) {
	var hosts []string
	for i := range maxAddresses + 2 {
		hosts = append(hosts, fmt.Sprintf("10.0.0.%d:1", i))
	}
	got, err := lookUp(t.Context(), hosts[:maxAddresses], time.Second)
	if len(got) != maxAddresses || err != nil {
		t.Errorf("lookUp() = %v, %v, want all", got, err)
	}
	got, err = lookUp(t.Context(), hosts, time.Second)
	if len(got) != maxAddresses || err == nil || !strings.HasSuffix(err.Error(), "more than 16 addresses: 10.0.0.16:1, 10.0.0.17:1") {
		t.Errorf("lookUp() = %v, %v, want the last two named", got, err)
	}
}

// A name stands for all its addresses: that it has one of another family, where
// nobody listens, is no harm.
func TestDialByName(t *testing.T) {
	w := newWorld(t)
	a, b := w.transport("a"), w.transport("b")
	n, sessions := listen(t, b)
	_, port, _ := strings.Cut(n.Hosts[0], ":")
	dialled := dialTo(t, a, &node.Node{ID: b.ID(), Hosts: []string{"localhost:" + port}})
	accepted := nextSession(t, sessions)
	greetBoth(t, dialled, accepted)
	closeBoth(dialled, accepted)
}

func TestIPv6(t *testing.T) {
	w := newWorld(t)
	a, b := w.transport("a"), w.transport("b")
	ln, err := b.Listen(t.Context(), "[::1]:0")
	if err != nil {
		t.Skip("SKIP IPv6: no ::1")
	}
	defer ln.Close()
	accepted := make(chan p2p.Session, 1)
	go func() {
		if p, err := ln.Accept(); err == nil {
			s, _ := p.Handshake(context.Background())
			accepted <- s
		}
	}()
	dialled := dialTo(t, a, &node.Node{ID: b.ID(), Hosts: []string{ln.Addr().String()}})
	s := nextSession(t, accepted)
	as, bs := openBoth(t, dialled, s, twoChannels)
	if err := as[0].(p2p.Datagrams).OpenDatagrams(t.Context()); err != nil {
		t.Errorf("OpenDatagrams() = %v", err)
	}
	exchange(t, as[0], bs[0], "over IPv6")
	closeBoth(dialled, s)
}
