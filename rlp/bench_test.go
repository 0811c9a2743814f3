package rlp

import (
	"math/big"
	"testing"
)

// header has the shape of an Ethereum block header.
type header struct {
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
	BaseFee     *big.Int `rlp:"optional"`
}

func testHeader() *header {
	h := &header{
		Difficulty: big.NewInt(17_179_869_184),
		Number:     big.NewInt(15_537_394),
		GasLimit:   30_000_000,
		GasUsed:    29_983_006,
		Time:       1_663_224_179,
		Extra:      []byte("a block made for this"),
	}
	for i := range h.ParentHash {
		h.ParentHash[i], h.Root[i], h.TxHash[i] = byte(i), byte(3*i), byte(5*i)
	}
	return h
}

// A neighbour and neighbours have the shape of discv4's packet.
type neighbour struct {
	IP       []byte
	UDP, TCP uint16
	ID       [64]byte
}

type neighbours struct {
	Nodes      []neighbour
	Expiration uint64
	Rest       []Raw `rlp:"tail"`
}

func testNeighbours() *neighbours {
	n := &neighbours{Expiration: 1_700_000_000}
	for i := range byte(12) {
		n.Nodes = append(n.Nodes, neighbour{IP: []byte{10, 0, 0, i}, UDP: 30303, TCP: 30303, ID: [64]byte{1, i}})
	}
	return n
}

func BenchmarkMarshal(b *testing.B) {
	benchmarkMarshal(b, "header", testHeader())
	benchmarkMarshal(b, "neighbours", testNeighbours())
}

func benchmarkMarshal(b *testing.B, name string, v any) {
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Marshal(v); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	benchmarkAppend(b, "header", testHeader())
	benchmarkAppend(b, "neighbours", testNeighbours())
}

func benchmarkAppend(b *testing.B, name string, v any) {
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		var err error
		for b.Loop() {
			if buf, err = Append(buf[:0], v); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkUnmarshal(b *testing.B) {
	benchmarkUnmarshal[header](b, "header", testHeader())
	benchmarkUnmarshal[neighbours](b, "neighbours", testNeighbours())
	benchmarkUnmarshal[any](b, "any", testNeighbours())
}

func benchmarkUnmarshal[T any](b *testing.B, name string, v any) {
	data, err := Marshal(v)
	if err != nil {
		b.Fatal(err)
	}
	for _, fresh := range []bool{true, false} {
		b.Run(name+map[bool]string{true: "/fresh", false: "/again"}[fresh], func(b *testing.B) {
			b.ReportAllocs()
			into := new(T)
			for b.Loop() {
				if fresh {
					into = new(T)
				}
				if err := Unmarshal(data, into); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
