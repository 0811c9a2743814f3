package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"kith/bench/load"
)

// mesh is some servers.
type mesh struct {
	servers []*p2p.Server
	nodes   []*enode.Node
}

func (system) Mesh(n int) (load.Mesh, error) {
	m := new(mesh)
	for range n {
		s, self, err := newServer(loopback, 4*n, func(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
			_, err := rw.ReadMsg()
			return err
		})
		if err != nil {
			return nil, errors.Join(err, m.Close())
		}
		m.servers, m.nodes = append(m.servers, s), append(m.nodes, self)
	}
	return m, nil
}

// Connect has each dial those after it. That it is done shows in the number of
// peers alone.
func (m *mesh) Connect(ctx context.Context) error {
	for i, s := range m.servers {
		for _, far := range m.nodes[i+1:] {
			s.AddPeer(far)
		}
	}
	for i, s := range m.servers {
		for s.PeerCount() < len(m.servers)-1 {
			if ctx.Err() != nil {
				return fmt.Errorf("node %d has %d peers: %w", i, s.PeerCount(), ctx.Err())
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	return nil
}

func (m *mesh) Close() error {
	for _, s := range m.servers {
		s.Stop()
	}
	return nil
}
