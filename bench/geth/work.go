package main

import (
	"errors"
	"net"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/rlpx"
	"github.com/ethereum/go-ethereum/rlp"

	"kith/bench/load"
)

func (system) Work(name string) (func() error, error) {
	switch name {
	case load.Handshake:
		return handshake()
	case load.EncodeHeader:
		return encoding(load.SampleHeader()), nil
	case load.DecodeHeader:
		return decoding[load.Header](load.SampleHeader())
	case load.EncodeNeighbours:
		return encoding(load.SampleNeighbours()), nil
	case load.DecodeNeighbours:
		return decoding[load.Neighbours](load.SampleNeighbours())
	}
	return nil, load.ErrUnsupported
}

func encoding(v any) func() error {
	return func() error {
		_, err := rlp.EncodeToBytes(v)
		return err
	}
}

func decoding[T any](sample *T) (func() error, error) {
	b, err := rlp.EncodeToBytes(sample)
	return func() error { return rlp.DecodeBytes(b, new(T)) }, err
}

// handshake is both ends of one, in memory.
func handshake() (func() error, error) {
	near, err := crypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	far, err := crypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	return func() error {
		a, b := net.Pipe()
		defer a.Close()
		defer b.Close()
		accepted := make(chan error, 1)
		go func() {
			_, err := rlpx.NewConn(b, nil).Handshake(far)
			accepted <- err
		}()
		_, err := rlpx.NewConn(a, &far.PublicKey).Handshake(near)
		return errors.Join(err, <-accepted)
	}, nil
}
