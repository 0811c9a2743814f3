package cluster

import (
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"kith/node"
)

func TestWhoSeesUsWhere(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	type seeing struct {
		by         byte
		you, local string
		inbound    bool
	}
	for _, test := range []struct {
		name  string
		sees  []seeing
		after time.Duration
		want  []string
	}{
		{"nobody yet", nil, 0, nil},
		{"one member: our end of the session", []seeing{{1, "192.0.2.7:51000", "10.0.0.7:51000", false}}, 0, []string{"10.0.0.7:38080"}},
		{"two that we dialled: their view, our port", []seeing{{1, "192.0.2.7:51000", "10.0.0.7:51000", false}, {2, "192.0.2.7:51001", "10.0.0.7:51001", false}}, 0, []string{"192.0.2.7:38080"}},
		{"two that dialled us: as they dialled", []seeing{{1, "192.0.2.7:4444", "10.0.0.7:38080", true}, {2, "192.0.2.7:4444", "10.0.0.7:38080", true}}, 0, []string{"192.0.2.7:4444"}},
		{"the same member twice is one", []seeing{{1, "192.0.2.7:1", "10.0.0.7:1", false}, {1, "192.0.2.7:2", "10.0.0.7:2", false}}, 0, []string{"10.0.0.7:38080"}},
		{"a liar alone", []seeing{{1, "10.0.0.7:1", "10.0.0.7:1", false}, {2, "203.0.113.9:9", "10.0.0.7:1", true}, {3, "10.0.0.7:1", "10.0.0.7:1", false}}, 0, []string{"10.0.0.7:38080"}},
		{"inside and outside, most first", []seeing{{1, "192.0.2.7:1", "10.0.0.7:1", false}, {2, "192.0.2.7:2", "10.0.0.7:2", false}, {3, "10.0.0.7:1", "10.0.0.7:1", false}, {4, "10.0.0.7:1", "10.0.0.7:1", false}, {5, "10.0.0.7:1", "10.0.0.7:1", false}}, 0, []string{"10.0.0.7:38080", "192.0.2.7:38080"}},
		{"IPv6 beside IPv4, mapped ones as IPv4", []seeing{{1, "[2001:db8::7]:1", "[2001:db8::7]:1", false}, {2, "[2001:db8::7]:2", "[2001:db8::7]:2", false}, {3, "[::ffff:192.0.2.7]:1", "10.0.0.7:1", false}, {4, "192.0.2.7:1", "10.0.0.7:1", false}}, 0, []string{"192.0.2.7:38080", "[2001:db8::7]:38080"}},
		{"loopback last", []seeing{{1, "127.0.0.1:1", "127.0.0.1:1", false}, {2, "127.0.0.1:1", "127.0.0.1:1", false}, {3, "127.0.0.1:1", "127.0.0.1:1", false}, {4, "192.0.2.7:1", "10.0.0.7:1", false}, {5, "192.0.2.7:1", "10.0.0.7:1", false}}, 0, []string{"192.0.2.7:38080", "127.0.0.1:38080"}},
		{"what nobody can dial", []seeing{{1, "0.0.0.0:1", "[fe80::1%eth0]:1", false}, {2, "0.0.0.0:1", "[fe80::1%eth0]:1", false}, {3, "224.0.0.1:1", "[::]:1", true}}, 0, nil},
		{"long ago", []seeing{{1, "192.0.2.7:1", "10.0.0.7:1", false}, {2, "192.0.2.7:1", "10.0.0.7:1", false}}, sightFor + 1, nil},
		{"not at all", []seeing{{1, "", "10.0.0.7:1", false}, {2, "", "10.0.0.7:1", false}}, 0, []string{"10.0.0.7:38080"}},
	} {
		v := vantage{port: 38080}
		for _, s := range test.sees {
			you, _ := netip.ParseAddrPort(s.you)
			l := v.see(node.ID{s.by}, you, netip.MustParseAddrPort(s.local), s.inbound)
			if test.after > 0 {
				v.lose(now, l)
			}
		}
		if got := v.hosts(now.Add(test.after)); !slices.Equal(got, test.want) {
			t.Errorf("%s: hosts = %v, want %v", test.name, got, test.want)
		}
	}
}

func TestSightsAreBoundedAndLast(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	v := vantage{port: 1}
	you, local := netip.MustParseAddrPort("192.0.2.7:1"), netip.MustParseAddrPort("10.0.0.7:1")
	var old look
	for i := range 3 * maxSights {
		old = v.see(node.ID{byte(i), byte(i >> 8)}, you, local, false)
	}
	if len(v.sights) != maxSights {
		t.Errorf("%d sights are kept, want %d", len(v.sights), maxSights)
	}
	last := v.sights[maxSights-1].by
	v.see(last, you, local, false) // a newer session with the same member
	v.lose(now, old)
	for _, s := range v.sights[:maxSights-2] {
		v.lose(now, s.look)
	}
	if got := v.hosts(now.Add(sightFor + 1)); len(got) != 1 || len(v.sights) != 2 {
		t.Errorf("hosts = %v of %d sights, want one of the two sessions that are still there", got, len(v.sights))
	}
}

func TestFixedHosts(t *testing.T) {
	tcp := func(s string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }
	for _, test := range []struct {
		name      string
		advertise []string
		listening net.Addr
		hosts     []string
		port      uint16
		ok        bool
	}{
		{"asked for", []string{"a.example:1"}, tcp("0.0.0.0:38080"), []string{"a.example:1"}, 0, true},
		{"one address", nil, tcp("10.0.0.7:38080"), []string{"10.0.0.7:38080"}, 38080, true},
		{"one IPv6 address", nil, tcp("[2001:db8::7]:38080"), []string{"[2001:db8::7]:38080"}, 38080, true},
		{"all of IPv4", nil, tcp("0.0.0.0:38080"), nil, 38080, false},
		{"all", nil, tcp("[::]:38080"), nil, 38080, false},
		{"we do not listen", nil, nil, nil, 0, true},
	} {
		hosts, port, ok := fixedHosts(test.advertise, test.listening)
		if !slices.Equal(hosts, test.hosts) || port != test.port || ok != test.ok {
			t.Errorf("%s: fixedHosts = %v, %d, %v; want %v, %d, %v", test.name, hosts, port, ok, test.hosts, test.port, test.ok)
		}
	}
}
