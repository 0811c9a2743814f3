package rlpx

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"

	"kith/rlp"
)

func TestHelloOfEIP8(t *testing.T) {
	h, err := parseHello(unhex(t, readVectors(t).Hello.Hex))
	if err != nil {
		t.Fatal(err)
	}
	if h.Version != 55 || // the EIP's text says 22
		h.Name != "kneth/v0.91/plan9" || h.ListenPort != 9999 {
		t.Errorf("version %d, name %q, port %d", h.Version, h.Name, h.ListenPort)
	}
	if len(h.Caps) != 2 || h.Caps[0] != (Cap{"eth", 61}) || h.Caps[1] != (Cap{"mork", 22}) {
		t.Errorf("capabilities %v", h.Caps)
	}
}

func TestParseHelloRefuses(t *testing.T) {
	list := func(items ...[]byte) []byte { return rlp.WrapList(bytes.Join(items, nil), 0) }
	key := rlp.AppendBytes(nil, make([]byte, 64))
	for name, tt := range map[string]struct {
		b    []byte
		want Reason
	}{
		"nothing":                {nil, ProtocolError},
		"a string":               {[]byte("\x85hello"), ProtocolError},
		"an empty list":          {[]byte{0xc0}, ProtocolError},
		"a list for a version":   {list([]byte{0xc0}), ProtocolError},
		"a version of 9 bytes":   {list([]byte("\x89123456789")), ProtocolError},
		"no name":                {list([]byte{5, 0xc0}), ProtocolError},
		"a cap that is a string": {list([]byte{5, 0x80, 0xc1, 5, 0x80}, key), ProtocolError},
		"a cap without version":  {list([]byte{5, 0x80, 0xc2, 0xc1, 'x', 0x80}, key), ProtocolError},
		"no key":                 {list([]byte{5, 0x80, 0xc0, 0x80}), InvalidIdentity},
		"a short key":            {list([]byte{5, 0x80, 0xc0, 0x80, 0x83, 1, 2, 3}), InvalidIdentity},
	} {
		if _, err := parseHello(tt.b); !errors.Is(err, tt.want) {
			t.Errorf("parseHello() of %s = %v, want %v", name, err, tt.want)
		}
	}
}

// A peer that says something else first, or lies about its key, is told so.
func TestOddGreetings(t *testing.T) {
	hello := func(edit func(*Hello)) []byte {
		h := helloNamed("odd")
		h.Version, h.Key = 5, testKey(t, 2).Public().Bytes()
		edit(&h)
		return h.append(nil)
	}
	for name, tt := range map[string]struct {
		code uint64
		data []byte
		want Reason
	}{
		"ping":               {codePing, []byte{0xc0}, ProtocolError},
		"a protocol's":       {0x10, []byte{1}, ProtocolError},
		"another key":        {codeHello, hello(func(h *Hello) { h.Key = testKey(t, 3).Public().Bytes() }), UnexpectedIdentity},
		"no list":            {codeHello, []byte{1}, ProtocolError},
		"too long":           {codeHello, hello(func(h *Hello) { h.Name = string(make([]byte, 2000)) }), ProtocolError},
		"a goodbye":          {codeDisconnect, []byte{0xc1, 4}, TooManyPeers},
		"a compressed one":   {codeDisconnect, []byte{2, 4, 0xc1, 4}, TooManyPeers},
		"a goodbye, numeric": {codeDisconnect, []byte{4}, TooManyPeers},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ca, cb := pair(t)
				told := make(chan Reason, 1)
				go func() {
					cb.ReadMsg()
					cb.WriteMsg(tt.code, tt.data)
					_, data, _ := cb.ReadMsg()
					told <- parseReason(data)
					cb.Close()
				}()
				s := NewSession(ca)
				_, err := s.Hello(t.Context(), helloNamed("a"), func(Hello) error {
					t.Error("decide was called")
					return nil
				})
				if !errors.Is(err, tt.want) {
					t.Errorf("Hello() = %v, want %v", err, tt.want)
				}
				want := tt.want
				if tt.code == codeDisconnect {
					want = Requested // the connection was closed
				}
				if got := <-told; got != want {
					t.Errorf("the peer was told %v, want %v", got, want)
				}
			})
		})
	}
}

// With a peer of version 4 nothing is compressed, with one of a later version
// everything is.
func TestSnappyByVersion(t *testing.T) {
	for version, compressed := range map[uint64]bool{3: false, 4: false, 5: true, 6: true, 1000: true} {
		synctest.Test(t, func(t *testing.T) {
			ca, cb := pair(t)
			go func() {
				cb.ReadMsg()
				h := helloNamed("b")
				h.Version, h.Key = version, testKey(t, 2).Public().Bytes()
				cb.WriteMsg(codeHello, h.append(nil))
				cb.SetSnappy(compressed)
				for {
					code, data, err := cb.ReadMsg()
					if err != nil {
						return
					}
					cb.WriteMsg(code, data)
				}
			}()
			s := NewSession(ca)
			if _, err := s.Hello(t.Context(), helloNamed("a"), accepting); err != nil {
				t.Fatal(err)
			}
			channels, err := s.Open([]Protocol{{Length: 1}})
			if err != nil {
				t.Fatal(err)
			}
			go channels[0].WriteMsg(Msg{0, []byte("there and back")})
			if m, err := channels[0].ReadMsg(); err != nil || string(m.Payload) != "there and back" {
				t.Errorf("version %d: ReadMsg() = %q, %v", version, m.Payload, err)
			}
			s.Close(nil)
		})
	}
}

func TestHelloTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, cb := pair(t)
		s := NewSession(ca)
		h := helloNamed(string(make([]byte, maxHello)))
		if _, err := s.Hello(t.Context(), h, accepting); !errors.Is(err, ErrTooLarge) {
			t.Errorf("Hello() = %v, want %v", err, ErrTooLarge)
		}
		cb.Close()
	})
}
