package p2p_test

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"

	"kith/node"
	"kith/p2p"
	"kith/p2p/p2ptest"
)

func TestNetRestrictOnAccept(t *testing.T) {
	lan := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.168.1.0/24")}
	for _, tt := range []struct {
		from   string
		allow  []netip.Prefix
		wanted bool
	}{
		{"10.1.2.3", lan, true},
		{"192.168.1.255", lan, true},
		{"192.168.2.1", lan, false},
		{"203.0.113.7", lan, false},
		{"203.0.113.7", nil, true},
	} {
		bubble(t, func(t *testing.T, nw *p2ptest.Network) {
			b := server(t, nw, "b", func(s *p2p.Server) { s.NetRestrict = tt.allow })
			_, err := server(t, nw, tt.from, nil).Dial(t.Context(), at(nw, "b"))
			synctest.Wait()
			st := b.Stats()
			if (err == nil) != tt.wanted || (st.Restricted == 0) != tt.wanted || st.Peers == 1 != tt.wanted {
				t.Errorf("from %s: Dial = %v, %d restricted, %d peers; want in: %v", tt.from, err, st.Restricted, st.Peers, tt.wanted)
			}
			if st.Refused != 0 {
				t.Errorf("from %s: %d refused after a handshake, want none that far", tt.from, st.Refused)
			}
		})
	}
}

func TestNetRestrictOnDial(t *testing.T) {
	for _, tt := range []struct {
		name  string
		hosts []string
		want  error
		dials int32 // of the transport
	}{
		{"inside", []string{"10.0.0.7:1"}, nil, 1},
		{"outside", []string{"203.0.113.7:1"}, p2p.ErrRestricted, 0},
		{"one of two", []string{"203.0.113.7:1", "10.0.0.7:1"}, nil, 1},
		{"a name inside", []string{"in.example:1"}, nil, 1},
		{"a name outside", []string{"out.example:1"}, p2p.ErrRestricted, 1},
	} {
		bubble(t, func(t *testing.T, nw *p2ptest.Network) {
			nw.Alias("in.example", "10.0.0.7")
			nw.Alias("out.example", "203.0.113.7")
			server(t, nw, "10.0.0.7", nil)
			out := server(t, nw, "203.0.113.7", nil)
			count := &dialCounter{Transport: nw.Transport("a")}
			a := server(t, nw, "a", func(s *p2p.Server) {
				s.Transport, s.NetRestrict = count, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
			})
			_, err := a.Dial(t.Context(), &node.Node{Hosts: tt.hosts})
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) || count.all.Load() != tt.dials {
				t.Errorf("%s: Dial = %v after %d dials, want %v, %d", tt.name, err, count.all.Load(), tt.want, tt.dials)
			}
			synctest.Wait()
			if n := len(out.Peers()); n != 0 {
				t.Errorf("%s: the one outside has %d peers", tt.name, n)
			}
		})
	}
}

// What a name stands for is looked up by the transport, which must not even
// connect there.
func TestNetRestrictOnNamesOverRLPx(t *testing.T) {
	b := open(t, 2, nil)
	a := open(t, 1, func(s *p2p.Server) { s.NetRestrict = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} })
	n := b.Self()
	_, port, _ := net.SplitHostPort(n.Hosts[0])
	n.Hosts = []string{"localhost:" + port}
	if _, err := a.Dial(limited(t), n); !errors.Is(err, p2p.ErrRestricted) {
		t.Errorf("Dial = %v, want ErrRestricted", err)
	}
	if a.Stats().Restricted != 1 || b.Stats().Accepted != 0 {
		t.Errorf("%d restricted, and b has accepted %d; want 1, 0", a.Stats().Restricted, b.Stats().Accepted)
	}
}
