package gossip_test

import (
	"testing"
	"testing/synctest"
	"time"
)

// Nobody knows a node whose only seed does not answer: it has nobody to tell.
func TestAloneWeLeaveAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, net: lan()}
		defer r.close()
		r.start("n0")
		r.net.Cut("n0", "n1")
		x := r.start("n1")
		time.Sleep(time.Second) // it dials
		start := time.Now()
		if err := x.g.Leave(t.Context()); err != nil || time.Since(start) != 0 {
			t.Errorf("Leave = %v after %v, want nil at once", err, time.Since(start))
		}
		x.srv.Close()
		if took := time.Since(start); took != 0 {
			t.Errorf("Close took %v, want no time", took)
		}
	})
}
