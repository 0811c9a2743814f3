package node_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kith/node"
)

func TestTheLocalRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newKey(t, 1)
		l := node.NewLocalV4(key)
		first := l.Node()
		if first.Scheme != node.V4 || first.ID != node.V4ID(key.Public()) || first.ID != l.ID() || first.Record.Seq() != uint64(time.Now().UnixMilli()) {
			t.Errorf("Node() = %+v", first)
		}
		changed := l.Changed()
		l.SetHosts([]string{"a.example:30303", "10.0.0.7:30303", "[fe80::1%eth0]:1", "[2001:db8::7]:30304", "10.0.0.8:1"})
		select {
		case <-changed:
		default:
			t.Error("SetHosts did not close Changed")
		}
		n := l.Node()
		if want := "enode://" + keyText + "@a.example:30303"; n.String() != want {
			t.Errorf("Node() = %v, want %s", n, want)
		}
		heard, err := node.Parse(n.Record.String())
		if err != nil || heard.ID != l.ID() || heard.Record.Seq() <= first.Record.Seq() {
			t.Errorf("record %v, %v", heard, err)
		}
		if want := []string{"[2001:db8::7]:30304", "10.0.0.7:30303"}; !slices.Equal(heard.Hosts, want) || heard.UDPHosts() != nil {
			t.Errorf("the record has %v and %v for UDP, want %v", heard.Hosts, heard.UDPHosts(), want)
		}
		l.SetUDP(30301)
		n = l.Node()
		if want := "@a.example:30303?discport=30301"; !strings.HasSuffix(n.String(), want) {
			t.Errorf("Node() = %v, want %s", n, want)
		}
		if want := []string{"[2001:db8::7]:30301", "10.0.0.7:30301"}; !slices.Equal(n.UDPHosts(), want) {
			t.Errorf("UDPHosts() = %v, want %v", n.UDPHosts(), want)
		}
		l.SetHosts([]string{"10.0.0.9:30301"})
		if n := l.Node(); n.UDP != 0 || n.Record.Has("ip6") || !slices.Equal(n.UDPHosts(), n.Hosts) {
			t.Errorf("Node() = %+v with %v", n, n.UDPHosts())
		}
	})
}

func TestEntriesOfTheLocalRecord(t *testing.T) {
	l := node.NewLocalV4(newKey(t, 1))
	l.SetHosts([]string{"10.0.0.7:1"})
	if err := l.Set("eth", []uint{1, 2}); err != nil {
		t.Fatal(err)
	}
	before := l.Node()
	var got []uint
	if err := before.Record.Get("eth", &got); err != nil || !slices.Equal(got, []uint{1, 2}) {
		t.Errorf("Get(eth) = %v, %v", got, err)
	}
	changed := l.Changed()
	if err := l.Set("eth", []uint{1, 2}); err != nil || l.Node().Record != before.Record {
		t.Errorf("the same entry again = %v, and is a change", err)
	}
	for key, v := range map[string]any{"ip": "x", "secp256k1": "x", "id": "v5", "x": 1.5, "big": make([]byte, 150)} {
		if err := l.Set(key, v); err == nil || l.Node().Record != before.Record {
			t.Errorf("Set(%s) = nil or a change, want an error", key)
		}
	}
	select {
	case <-changed:
		t.Error("what was refused counts as a change")
	default:
	}
	if err := l.Set("room", make([]byte, 80)); err != nil { // fits with all addresses
		t.Error(err)
	}
	l.SetHosts([]string{"255.255.255.254:65535", "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65534"})
	l.SetUDP(65533)
	if n := l.Node(); len(n.Record.UDP()) != 2 || !n.Record.Signed() {
		t.Errorf("Node() = %v", n.Record)
	}
	if err := l.Delete("eth"); err != nil || l.Node().Record.Has("eth") {
		t.Errorf("Delete(eth) = %v", err)
	}
	if err := node.NewLocal(node.ID{1}, node.Cert).Set("eth", "x"); err == nil {
		t.Error("a cluster's node has a record")
	}
}
