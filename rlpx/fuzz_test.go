package rlpx

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
)

// FuzzAuth takes the packet as it comes from the wire.
func FuzzAuth(f *testing.F) {
	f.Add(goodAuth(f))
	f.Add(unhex(f, readVectors(f).RLPx.Auth2))
	f.Add([]byte{1, 0})
	key := testKey(f, 2)
	f.Fuzz(func(t *testing.T, b []byte) {
		packet, err := readPacket(bytes.NewReader(b))
		if err != nil {
			return
		}
		if len(packet) > 2+maxPacket {
			t.Fatalf("a packet of %d bytes", len(packet))
		}
		if _, err := openPacket(key, packet); err != nil && err != ErrHandshake {
			t.Errorf("openPacket() = %v", err)
		}
	})
}

// FuzzAuthText takes what is in an auth.
func FuzzAuthText(f *testing.F) {
	f.Add(authOf(f).append(nil))
	f.Add([]byte{0xc0})
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := parseAuth(b)
		if err != nil {
			if err != ErrHandshake {
				t.Errorf("parseAuth() = %v", err)
			}
			return
		}
		again, err := parseAuth(a.append(nil))
		if err != nil || !reflect.DeepEqual(a, again) {
			t.Errorf("%+v came back as %+v, %v", a, again, err)
		}
	})
}

// FuzzAckText takes what is in an ack.
func FuzzAckText(f *testing.F) {
	good := ack{testKey(f, 1).Public(), [32]byte{1}}
	f.Add(good.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := parseAck(b)
		if err != nil {
			if err != ErrHandshake {
				t.Errorf("parseAck() = %v", err)
			}
			return
		}
		again, err := parseAck(a.append(nil))
		if err != nil || !reflect.DeepEqual(a, again) {
			t.Errorf("%+v came back as %+v, %v", a, again, err)
		}
	})
}

func FuzzHello(f *testing.F) {
	f.Add(unhex(f, readVectors(f).Hello.Hex))
	ours := helloNamed("kith")
	f.Add(ours.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > maxHello {
			return
		}
		h, err := parseHello(b)
		if err != nil {
			if _, ok := errors.AsType[*DisconnectError](err); !ok {
				t.Errorf("parseHello() = %v", err)
			}
			return
		}
		again, err := parseHello(h.append(nil))
		if err != nil || !reflect.DeepEqual(h, again) {
			t.Errorf("%+v came back as %+v, %v", h, again, err)
		}
	})
}

func FuzzReason(f *testing.F) {
	f.Add([]byte{0xc1, 4})
	f.Add([]byte{2, 4, 0xc1, 4})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := parseReason(b)
		if again := parseReason(appendReason(nil, r)); again != r && again != Requested {
			t.Errorf("%v came back as %v", r, again)
		}
	})
}

// FuzzPayload takes what is compressed in a message.
func FuzzPayload(f *testing.F) {
	f.Add([]byte{2, 4, 'h', 'i'})
	f.Add([]byte{0})
	f.Fuzz(func(t *testing.T, b []byte) {
		data, err := payload(b, true, maxData)
		if err != nil {
			return
		}
		if len(data) > maxExpansion(len(b)) {
			t.Fatalf("%d bytes became %d", len(b), len(data))
		}
		again, err := appendMessage(nil, 1, data, true)
		if err != nil {
			t.Fatal(err)
		}
		back, err := payload(again[frameStart+1:frameStart+frameSize(again)], true, maxData)
		if err != nil || !bytes.Equal(back, data) {
			t.Errorf("%x came back as %x, %v", data, back, err)
		}
	})
}

// FuzzFrames sends messages in pieces, with one bit changed on the way if flip is
// within the stream: what comes is what was sent, as far as it comes.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("hello there"), uint16(3), uint16(100), uint32(1<<31))
	f.Add(noise(5000), uint16(70), uint16(1), uint32(777))
	f.Fuzz(func(t *testing.T, text []byte, cut, piece uint16, flip uint32) {
		var sent [][]byte
		for rest := text; len(rest) > 0; {
			n := min(len(rest), int(cut)+1)
			sent, rest = append(sent, rest[:n]), rest[n:]
			if len(sent) == 100 {
				break
			}
		}
		b := stream(t, true, sent...)
		whole := flip/8 >= uint32(len(b))
		if !whole {
			b[flip/8] ^= 1 << (flip % 8)
		}
		var in chunks
		for rest := b; len(rest) > 0; {
			n := min(len(rest), int(piece)+1)
			in, rest = append(in, rest[:n]), rest[n:]
		}
		c := fixed(t, false, &in)
		c.SetSnappy(true)
		got, err := readAll(c)
		if err == nil || len(got) > len(sent) || whole != (len(got) == len(sent)) {
			t.Fatalf("%d of %d messages, %v", len(got), len(sent), err)
		}
		for i := range got {
			if !bytes.Equal(got[i], sent[i]) {
				t.Errorf("message %d: %x, want %x", i, got[i], sent[i])
			}
		}
	})
}

// FuzzPeer opens a session with a peer that says whatever it likes in valid
// frames after its hello.
func FuzzPeer(f *testing.F) {
	f.Add([]byte{0x02, 0xc0}, []byte{0x01, 0xc1, 0x04})
	f.Add([]byte{0x10, 1, 0, 'x'}, []byte{0x20})
	f.Fuzz(func(t *testing.T, one, two []byte) {
		if len(one) == 0 || len(two) == 0 || len(one)+len(two) > 4096 {
			return
		}
		var b []byte
		for _, data := range [][]byte{one, two} {
			start := len(b)
			b, _ = appendMessage(b, 0, data[1:], false)
			b[start+frameStart] = data[0]
		}
		fixed(t, true, nil).out.seal(b, len(b))
		c := fixed(t, false, bytes.NewReader(b))
		s := NewSession(c)
		s.compress = true
		s.channels = []*Channel{newChannel(s, firstCode, Protocol{Length: 4}), newChannel(s, firstCode+4, Protocol{Length: 4})}
		s.lost = errors.New("nothing is written here")
		if err := s.read(); err == nil {
			t.Error("read() = nil at the end of all")
		}
	})
}
