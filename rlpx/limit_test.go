package rlpx

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// bounded is two sessions; b takes messages of at most most bytes on the first
// of its protocols.
func bounded(t *testing.T, most int) (a, b *Session, as, bs []*Channel) {
	t.Helper()
	ca, cb := pair(t)
	a, b = NewSession(ca), NewSession(cb)
	greetBoth(t, a, b)
	as, err := a.Open([]Protocol{{Length: 8}})
	if err != nil {
		t.Fatal(err)
	}
	if bs, err = b.Open([]Protocol{{Length: 8, MaxMessage: most}}); err != nil {
		t.Fatal(err)
	}
	return a, b, as, bs
}

func TestMessagesKeepToTheLimitOfTheirProtocol(t *testing.T) {
	for _, most := range []int{1, 100, 5000, 100_000} {
		synctest.Test(t, func(t *testing.T) {
			a, b, as, bs := bounded(t, most)
			if err := bs[0].WriteMsg(Msg{Payload: make([]byte, most+1)}); !errors.Is(err, ErrTooLarge) {
				t.Errorf("WriteMsg() of %d bytes = %v, want %v", most+1, err, ErrTooLarge)
			}
			for _, data := range [][]byte{make([]byte, most), noise(most)} {
				go as[0].WriteMsg(Msg{3, data})
				if m, err := bs[0].ReadMsg(); err != nil || len(m.Payload) != most {
					t.Errorf("ReadMsg() = %d bytes, %v; want %d", len(m.Payload), err, most)
				}
				go bs[0].WriteMsg(Msg{3, data})
				if m, err := as[0].ReadMsg(); err != nil || len(m.Payload) != most {
					t.Errorf("ReadMsg() of the other side = %d bytes, %v; want %d", len(m.Payload), err, most)
				}
			}
			closeBoth(a, b)
		})
	}
}

// What is larger breaks the protocol: by what snappy claims, before anything is
// decompressed, or by what the header of a frame claims, before it has come.
func TestALargerMessageEndsTheSession(t *testing.T) {
	for _, tt := range []struct {
		data []byte
		want string
	}{
		{make([]byte, 101), "message of 101 bytes, at most 100"},
		{make([]byte, maxData), "bytes, at most 2048"},
		{noise(3000), "bytes, at most 2048"},
	} {
		synctest.Test(t, func(t *testing.T) {
			a, b, as, bs := bounded(t, 100)
			go as[0].WriteMsg(Msg{3, tt.data})
			_, err := bs[0].ReadMsg()
			if !errors.Is(err, ProtocolError) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("ReadMsg() of %d bytes = %v, want %q", len(tt.data), err, tt.want)
			}
			<-a.Done()
			if !errors.Is(a.Err(), ProtocolError) {
				t.Errorf("the other side: %v, want %v", a.Err(), ProtocolError)
			}
			closeBoth(a, b)
			time.Sleep(time.Second)
		})
	}
}

// A limit that is more than fits in a frame is none.
func TestALimitAboveThatOfFrames(t *testing.T) {
	s := NewSession(nil)
	for _, most := range []int{0, maxData, 1 << 30} {
		if c := newChannel(s, firstCode, Protocol{Length: 1, MaxMessage: most}); c.most != maxData || c.frame() != maxData {
			t.Errorf("with MaxMessage %d messages have %d bytes and frames %d, want %d", most, c.most, c.frame(), maxData)
		}
	}
}
