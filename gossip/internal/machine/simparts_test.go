package machine

import (
	"crypto"
	"crypto/ed25519"
	"encoding/binary"
	"hash/fnv"
	"time"

	"kith/gossip/internal/wire"
	"kith/node"
)

// A simNotary signs with a checksum: what is simulated is who signs what, not
// the strength of a curve.
type simNotary struct {
	id   node.ID
	open map[string]*wire.Record
}

func checksum(pub, message []byte) []byte {
	h := fnv.New64a()
	h.Write(pub)
	h.Write(message)
	return binary.BigEndian.AppendUint64(make([]byte, 56, 64), h.Sum64())
}

func (n *simNotary) Sign(message []byte) ([]byte, error) { return checksum(n.id[:], message), nil }

func (n *simNotary) Verify(pub crypto.PublicKey, message, signature []byte) bool {
	return string(checksum(pub.(ed25519.PublicKey), message)) == string(signature)
}

func (n *simNotary) Open(raw []byte) (*wire.Record, error) {
	if r := n.open[string(raw)]; r != nil {
		return r, nil
	}
	r, err := wire.OpenRecord(raw, n.Verify)
	if err == nil {
		n.open[string(raw)] = r
	}
	return r, err
}

func fastConfig() Config {
	return Config{
		Rhythm:    Rhythm{Heartbeat: time.Second, Initial: time.Second, Max: 10 * time.Second, Samples: 1000},
		Threshold: 8, Grace: 30 * time.Second, Collect: 30 * time.Second, SyncTimeout: 5 * time.Second,
		SeedAmount: 1, NotSeedAmount: 1, MaxTable: 64 << 20,
	}
}

func seedConfig() Config {
	c := fastConfig()
	c.Heartbeat, c.Initial = 5*time.Second, 5*time.Second
	return c
}
