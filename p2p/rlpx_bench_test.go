package p2p_test

import (
	"fmt"
	"testing"

	"kith/p2p"
)

// BenchmarkRLPx sends messages one way, from a Run to a Run.
func BenchmarkRLPx(b *testing.B) {
	for _, size := range []int{256, 1 << 10, 16 << 10, 1 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			got, senders := make(chan int), make(chan p2p.MsgReadWriter, 1)
			run := func(p *p2p.Peer, rw p2p.MsgReadWriter) error {
				if p.Inbound() {
					for n := range b.N {
						if _, err := rw.ReadMsg(); err != nil {
							b.Errorf("message %d: %v", n, err)
							break
						}
					}
					got <- b.N
				} else {
					senders <- rw
				}
				<-p.Done()
				return nil
			}
			protocol := func(s *p2p.Server) {
				s.Protocols = []p2p.Protocol{{Name: "bench", Version: 1, Length: 1, Run: run}}
			}
			server, client := open(b, 1, protocol), open(b, 2, protocol)
			if _, err := client.Dial(limited(b), server.Self()); err != nil {
				b.Fatal(err)
			}
			rw, data := <-senders, make([]byte, size)
			for i := range data {
				data[i] = byte(i*i>>8) ^ byte(i*2654435761>>13)
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				if err := rw.WriteMsg(p2p.Msg{Payload: data}); err != nil {
					b.Fatal(err)
				}
			}
			<-got
			b.StopTimer()
			client.Close()
			server.Close()
		})
	}
}
