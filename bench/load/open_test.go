package load

import (
	"context"
	"errors"
	"sync"
	"testing"
)

// openPocket is pocket as a system of open networks. Its mesh has a goroutine and
// a kilobyte for each end of a connection.
type openPocket struct{ pocket }

func (openPocket) Open() {}

func (openPocket) Mesh(n int) (Mesh, error) {
	return &pocketMesh{nodes: n, quit: make(chan struct{})}, nil
}

type pocketMesh struct {
	nodes int
	quit  chan struct{}
	ends  sync.WaitGroup
	heap  [][]byte
}

func (m *pocketMesh) Connect(context.Context) error {
	for range m.nodes * (m.nodes - 1) {
		m.heap = append(m.heap, make([]byte, 1024))
		m.ends.Go(func() { <-m.quit })
	}
	return nil
}

func (m *pocketMesh) Close() error {
	close(m.quit)
	m.ends.Wait()
	return nil
}

var errOdd = errors.New("odd work")

func (openPocket) Work(name string) (func() error, error) {
	switch name {
	case Handshake:
		return func() error { return nil }, nil
	case EncodeHeader:
		return func() error { return errOdd }, nil
	}
	return nil, ErrUnsupported
}

func (s *pocketServer) Value(ctx context.Context, _ uint64, b []byte) error { return s.OneWay(ctx, b) }

func TestOnlyOpenersDoOpenCases(t *testing.T) {
	closed, open := Case{Kind: OneWay, Size: 64}, Case{Kind: OneWay, Size: 64, Open: true}
	for _, test := range []struct {
		sys  System
		c    Case
		want error
	}{
		{pocket{}, closed, nil},
		{pocket{}, open, ErrUnsupported},
		{openPocket{}, closed, ErrUnsupported},
		{openPocket{}, open, nil},
		{openPocket{}, Case{Kind: Decoded, Size: 64, Open: true}, nil},
		{openPocket{}, Case{Kind: Work, Work: Handshake, Open: true}, nil},
		{openPocket{}, Case{Kind: Work, Work: EncodeHeader, Open: true}, errOdd},
		{openPocket{}, Case{Kind: Work, Work: DecodeHeader, Open: true}, ErrUnsupported},
	} {
		v, err := Measure(t.Context(), test.sys, nil, test.c, short)
		if !errors.Is(err, test.want) {
			t.Errorf("Measure(%T, %s) = %v, want %v", test.sys, test.c.Name(), err, test.want)
		}
		if test.want == nil && v[Rate] == 0 {
			t.Errorf("Measure(%T, %s) = %v, want a rate", test.sys, test.c.Name(), v)
		}
	}
}

func TestIdleIsPerEnd(t *testing.T) {
	v, err := Measure(t.Context(), openPocket{}, nil, Case{Kind: Idle, Open: true}, short)
	if err != nil {
		t.Fatal(err)
	}
	if v[Goroutines] != 1 {
		t.Errorf("%v goroutines an end, want 1", v[Goroutines])
	}
	if v[Heap] < 1024 || v[Heap] > 4096 {
		t.Errorf("%v bytes of heap an end, want a little more than 1024", v[Heap])
	}
}
