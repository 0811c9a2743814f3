package rlpx

import (
	"testing"
	"testing/synctest"
	"time"
)

// What a peer can make a session hold whose channels nobody reads: one message in
// each queue, and one that the reader has in hand. The next is not even
// decompressed.
func TestUnreadMessagesAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, as, bs := sessions(t)
		large := make([]byte, maxData) // compressed it is small
		for range 3 {
			for _, c := range []int{1, 0, 1} {
				go as[c].WriteMsg(Msg{1, large})
			}
		}
		time.Sleep(5 * time.Second)
		held := 0
		for _, c := range bs {
			c.mu.Lock()
			held += len(c.queue)
			c.mu.Unlock()
		}
		if got := int(b.msgsIn.Load()); held > 2 || got > 3 {
			t.Errorf("%d messages are in queues and %d were decompressed, want at most 2 and 3", held, got)
		}
		closeBoth(a, b)
	})
}
