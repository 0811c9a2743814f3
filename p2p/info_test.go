package p2p_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"

	"kith/node"
	"kith/p2p"
	"kith/p2p/p2ptest"
)

// The names in the JSON are what users of an Ethereum node's admin interface
// rely on.
func TestInfoAsJSON(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		proto, quiet, bare := wait(), wait(), wait()
		quiet.Name, bare.Name = "quiet", "bare"
		proto.NodeInfo = func() any { return map[string]int{"height": 7} }
		proto.PeerInfo = func(id node.ID) any { return map[string]bool{"known": id == at(nw, "b").ID} }
		quiet.PeerInfo = func(node.ID) any { return nil }
		protos := func(s *p2p.Server) {
			s.Protocols, s.Name = []p2p.Protocol{proto, quiet, bare}, "a program that has a long name"
		}
		a, b := server(t, nw, "a", protos), server(t, nw, "b", protos)
		if _, err := b.Dial(t.Context(), at(nw, "a")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		a.Trust(at(nw, "b").ID, true)
		self, b1 := a.Self(), a.Peers()[0]
		for what, tt := range map[string]struct {
			v    any
			want string
		}{
			"NodeInfo": {a.NodeInfo(), `{"id":"SELF","name":"a program that has a long name","enode":"kith://SELF@ADDR:1","ip":"ADDR",` +
				`"ports":{"discovery":0,"listener":1},"listenAddr":"ADDR:1","protocols":{"bare":"unknown","quiet":"unknown","wait":{"height":7}}}`},
			"PeersInfo": {a.PeersInfo(), `[{"enode":"kith://PEER@THERE:1","id":"PEER","name":"a program that has a long name",` +
				`"caps":["bare/1","quiet/1","wait/1"],"network":{"localAddress":"ADDR:1","remoteAddress":"REMOTE","inbound":true,"trusted":true,"static":false},` +
				`"protocols":{"bare":"unknown","quiet":"handshake","wait":{"known":true}}}]`},
			"nothing": {new(p2p.Server).NodeInfo(), `{"id":"","name":"kith","enode":"","ip":"","ports":{"discovery":0,"listener":0},"listenAddr":"","protocols":{}}`},
			"nobody":  {new(p2p.Server).PeersInfo(), `[]`},
		} {
			got, err := json.Marshal(tt.v)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.NewReplacer("SELF", self.ID.String(), "ADDR", nw.Addr("a").String(), "PEER", b1.ID().String(),
				"THERE", nw.Addr("b").String(), "REMOTE", b1.RemoteAddr().String()).Replace(tt.want)
			if string(got) != want {
				t.Errorf("%s is\n%s\nwant\n%s", what, got, want)
			}
		}
	})
}

func TestPeerNode(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		a, b := server(t, nw, "a", nil), server(t, nw, "b", nil)
		mute := server(t, nw, "mute", func(s *p2p.Server) { s.ListenAddr = "" })
		for _, s := range []*p2p.Server{b, mute} {
			if _, err := s.Dial(t.Context(), &node.Node{Hosts: at(nw, "a").Hosts}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		for _, tt := range []struct {
			p    *p2p.Peer
			want *node.Node
		}{
			{b.Peer(a.Self().ID), &node.Node{ID: a.Self().ID, Hosts: []string{"a:1"}}},
			{a.Peer(b.Self().ID), b.Self()},
			{a.Peer(mute.Self().ID), &node.Node{ID: mute.Self().ID}},
		} {
			if got := tt.p.Node(); !got.Equal(tt.want) {
				t.Errorf("Node() = %v, want %v", got, tt.want)
			}
		}
	})
}

func TestAttributesAreInOurRecord(t *testing.T) {
	proto := wait()
	proto.Attributes = map[string]any{"net": uint64(7), "fork": []string{"a"}}
	s := open(t, 1, func(s *p2p.Server) { s.Protocols = []p2p.Protocol{proto} })
	var net uint64
	if err := s.Self().Record.Get("net", &net); err != nil || net != 7 {
		t.Errorf("the record's entry is %d, %v; want 7", net, err)
	}
	if info := s.NodeInfo(); !strings.HasPrefix(info.ENR, "enr:") || !strings.HasPrefix(info.Enode, "enode://") || len(info.ID) != 64 || info.IP != "127.0.0.1" {
		t.Errorf("NodeInfo() = %+v", info)
	}
	proto.Attributes = map[string]any{"ip": "10.0.0.1"}
	bad := &p2p.Server{PrivateKey: rlpxKey(t, 1), ListenAddr: "127.0.0.1:0", Protocols: []p2p.Protocol{proto}}
	if err := bad.Start(); err == nil || !strings.HasPrefix(err.Error(), "p2p: start: protocol wait/1: node: entry") {
		t.Errorf("Start with an entry that is ours = %v", err)
	}
	nw := new(p2ptest.Network)
	defer nw.Close()
	cluster := &p2p.Server{Transport: nw.Transport("a"), Protocols: []p2p.Protocol{proto}}
	if err := cluster.Start(); err != nil {
		t.Errorf("Start in a cluster = %v, want them left out", err)
	}
	cluster.Close()
}
