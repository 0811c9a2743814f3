package interop

import (
	"testing"
	"time"
)

// TestIdle leaves connections idle for longer than anyone waits for a frame: the
// pings of both sides, and their answers, keep them.
func TestIdle(t *testing.T) {
	for _, p := range ourPairs {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			a, b := start(t, p.dialer, 1), start(t, p.target, 1)
			connect(a, b)
			time.Sleep(40 * time.Second) // real processes have real clocks
			foobar(t, a, b)
			foobar(t, b, a)
		})
	}
}

// TestSilence says nothing, not even pong: a ping comes, and then the end.
func TestSilence(t *testing.T) {
	for _, k := range targets {
		t.Run(string(k), func(t *testing.T) {
			t.Parallel()
			p := start(t, k, 1)
			s := strike(t, p.urls[0], newKey(t))
			s.wire.SetDeadline(time.Now().Add(2 * time.Minute))
			s.greet(t, s.honest())
			begin := time.Now()
			s.expect(t, pingCode)
			t.Logf("ping after %v", time.Since(begin))
			reason := s.end(t)
			t.Logf("reason %d after %v", reason, time.Since(begin))
			if took := time.Since(begin); took > 75*time.Second {
				t.Errorf("given up after %v", took)
			}
		})
	}
}
