package rlpx

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
)

func TestMessagesComeAsTheyWere(t *testing.T) {
	for _, compress := range []bool{false, true} {
		for _, size := range []int{0, 1, 14, 15, 16, 17, 1000, 70_000, 300_000} {
			t.Run(fmt.Sprint(compress, size), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a, b := pair(t)
					a.SetSnappy(compress)
					b.SetSnappy(compress)
					want := bytes.Repeat([]byte("kith "), size/5+1)[:size]
					for code, from := range []*Conn{a, b, a} {
						to := b
						if from == b {
							to = a
						}
						var all sync.WaitGroup
						all.Go(func() {
							for i := range 3 {
								if err := from.WriteMsg(uint64(1000*code+i), want); err != nil {
									t.Errorf("WriteMsg() = %v", err)
								}
							}
						})
						for i := range 3 {
							got, data, err := to.ReadMsg()
							if err != nil || got != uint64(1000*code+i) || !bytes.Equal(data, want) {
								t.Fatalf("ReadMsg() = %d, %d bytes, %v; want %d, %d bytes", got, len(data), err, 1000*code+i, len(want))
							}
						}
						all.Wait()
					}
				})
			})
		}
	}
}
