package load

import (
	"math/big"
	"math/rand/v2"
	"net"
)

// A Header has the fields of a block's header, which RLP is most used for.
type Header struct {
	ParentHash  [32]byte
	UncleHash   [32]byte
	Coinbase    [20]byte
	Root        [32]byte
	TxHash      [32]byte
	ReceiptHash [32]byte
	Bloom       [256]byte
	Difficulty  *big.Int
	Number      *big.Int
	GasLimit    uint64
	GasUsed     uint64
	Time        uint64
	Extra       []byte
	MixDigest   [32]byte
	Nonce       [8]byte
}

// Neighbours is the answer of a discovery node that knows twelve others.
type Neighbours struct {
	Nodes      []Neighbour
	Expiration uint64
}

// A Neighbour is one of them.
type Neighbour struct {
	IP       net.IP
	UDP, TCP uint16
	ID       [64]byte
}

// SampleHeader is the same at every call, and nobody else's.
func SampleHeader() *Header {
	rng := rand.NewChaCha8([32]byte{1})
	h := &Header{
		Difficulty: big.NewInt(0x123456789abc), Number: big.NewInt(21_000_000),
		GasLimit: 30_000_000, GasUsed: 12_345_678, Time: 1_700_000_000, Extra: []byte("a dozen bytes or so of extra"),
	}
	for _, b := range [][]byte{h.ParentHash[:], h.UncleHash[:], h.Coinbase[:], h.Root[:], h.TxHash[:], h.ReceiptHash[:], h.Bloom[:], h.MixDigest[:], h.Nonce[:]} {
		rng.Read(b)
	}
	return h
}

// SampleNeighbours is the same at every call, and nobody else's.
func SampleNeighbours() *Neighbours {
	rng := rand.NewChaCha8([32]byte{2})
	n := &Neighbours{Expiration: 1_700_000_000}
	for range 12 {
		one := Neighbour{IP: make(net.IP, 4), UDP: 30303, TCP: 30303}
		rng.Read(one.IP)
		rng.Read(one.ID[:])
		n.Nodes = append(n.Nodes, one)
	}
	return n
}
