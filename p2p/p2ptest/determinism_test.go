package p2ptest

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kith/p2p"
)

// transcript is what three hosts see of a bad network.
func transcript(t *testing.T, seed uint64) (lines []string) {
	synctest.Test(t, func(t *testing.T) {
		net := &Network{Seed: seed, Delay: 5 * ms, Jitter: 20 * ms, Loss: 0.1, Reorder: 0.1, Duplicate: 0.1}
		defer net.Close()
		began := time.Now()
		var mu sync.Mutex
		note := func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			lines = append(lines, fmt.Sprintf("%12v ", time.Since(began))+fmt.Sprintf(format, args...))
		}
		for _, pair := range []string{"ab", "bc", "ca"} {
			a, b := connect(t, net, pair[:1], pair[1:], 2)
			for i, rw := range a.rw {
				d := rw.(p2p.Datagrams)
				b.rw[i].(p2p.Datagrams).OnDatagram(func(p []byte) { note("%s datagram %d of %d", pair, binary.BigEndian.Uint32(p), i) })
				if err := d.OpenDatagrams(t.Context()); err != nil {
					t.Fatal(err)
				}
				go func() {
					time.Sleep(time.Duration(i) * ms) // so that no two write at once
					for n := range 50 {
						rw.WriteMsg(p2p.Msg{Payload: []byte{byte(n)}})
						d.SendDatagram(binary.BigEndian.AppendUint32(nil, uint32(n)), nil)
						time.Sleep(time.Duration(i+1) * 3 * ms)
					}
				}()
				go func() {
					for {
						m, err := b.rw[i].ReadMsg()
						if err != nil {
							note("%s channel %d: %v", pair, i, err)
							return
						}
						note("%s channel %d: %d", pair, i, m.Payload[0])
					}
				}()
			}
		}
		time.Sleep(time.Second)
		net.Partition([]string{"a"})
		time.Sleep(10 * time.Second)
	})
	slices.SortStableFunc(lines, cmp.Compare) // of what happens at one instant the order is not ours
	return lines
}

func TestTheSameSeedIsTheSameRun(t *testing.T) {
	first := transcript(t, 1)
	if len(first) < 300 {
		t.Fatalf("only %d lines", len(first))
	}
	for range 3 {
		again := transcript(t, 1)
		for i := range max(len(first), len(again)) {
			if i >= len(first) || i >= len(again) || first[i] != again[i] {
				t.Fatalf("line %d of %d and %d differs:\n%v\n%v", i, len(first), len(again), first[min(i, len(first)-1)], again[min(i, len(again)-1)])
			}
		}
	}
	if slices.Equal(first, transcript(t, 2)) {
		t.Error("another seed is the same run")
	}
}

func TestAddressesAreOfTheNameAlone(t *testing.T) {
	one, two := new(Network), new(Network)
	two.Transport("x")
	for _, name := range []string{"a", "b", "node-17"} {
		if p, q := one.Addr(name), two.Addr(name); p != q || !p.Is4() || p.As4()[0] != 10 {
			t.Errorf("%s is %v and %v, want one address in 10.x", name, p, q)
		}
	}
	if got := one.Addr("2001:db8::1").String(); got != "2001:db8::1" {
		t.Errorf("the host 2001:db8::1 is at %s", got)
	}
	seen := map[string]bool{}
	for i := range 5000 {
		addr := one.Addr(fmt.Sprint("n", i)).String()
		if seen[addr] {
			t.Fatalf("%s is given twice", addr)
		}
		seen[addr] = true
	}
}
