package rlpx

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"kith/crypto"
)

// vectors are those of EIP-8.
type vectors struct {
	Hello struct{ Hex string }
	RLPx  struct {
		Keys    map[string]string
		Auth2   string            `json:"auth2_eip8_v4"`
		Auth3   string            `json:"auth3_eip8_v56_3_extra"`
		Ack2    string            `json:"ack2_eip8_v4"`
		Ack3    string            `json:"ack3_eip8_v57_3_extra"`
		Auth1   string            `json:"auth1_v4_format"`
		Ack1    string            `json:"ack1_v4_format"`
		Derived map[string]string `json:"derived_for_auth2_ack2_by_B"`
	}
}

func readVectors(t testing.TB) *vectors {
	t.Helper()
	data, err := os.ReadFile("testdata/eip8.json")
	if err != nil {
		t.Fatal(err)
	}
	v := new(vectors)
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
	return v
}

func (v *vectors) key(t testing.TB, name string) *crypto.PrivateKey {
	t.Helper()
	k, err := crypto.ParseKeyHex(v.RLPx.Keys[name])
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (v *vectors) nonce(t testing.TB, name string) [32]byte {
	t.Helper()
	return [32]byte(unhex(t, v.RLPx.Keys[name]))
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAuthPacketsOfEIP8(t *testing.T) {
	v := readVectors(t)
	a, b, ephemeral := v.key(t, "Static Key A"), v.key(t, "Static Key B"), v.key(t, "Ephemeral Key A")
	for name, packet := range map[string]string{"version 4": v.RLPx.Auth2, "version 56, with more elements": v.RLPx.Auth3} {
		t.Run(name, func(t *testing.T) {
			text, err := openPacket(b, unhex(t, packet))
			if err != nil {
				t.Fatal(err)
			}
			got, err := parseAuth(text)
			if err != nil {
				t.Fatal(err)
			}
			if !got.key.Equal(a.Public()) {
				t.Errorf("key = %v, want %v", got.key, a.Public())
			}
			if got.nonce != v.nonce(t, "Nonce A") {
				t.Errorf("nonce = %x", got.nonce)
			}
			from, err := crypto.Recover(signed(b.Agree(got.key), got.nonce), got.sig)
			if err != nil || !from.Equal(ephemeral.Public()) {
				t.Errorf("ephemeral key = %v, %v; want %v", from, err, ephemeral.Public())
			}
			if _, err := openPacket(a, unhex(t, packet)); !errors.Is(err, ErrHandshake) {
				t.Errorf("openPacket() with another key = %v, want %v", err, ErrHandshake)
			}
		})
	}
}

func TestAckPacketsOfEIP8(t *testing.T) {
	v := readVectors(t)
	a, ephemeral := v.key(t, "Static Key A"), v.key(t, "Ephemeral Key B")
	for name, packet := range map[string]string{"version 4": v.RLPx.Ack2, "version 57, with more elements": v.RLPx.Ack3} {
		t.Run(name, func(t *testing.T) {
			text, err := openPacket(a, unhex(t, packet))
			if err != nil {
				t.Fatal(err)
			}
			got, err := parseAck(text)
			if err != nil {
				t.Fatal(err)
			}
			if !got.ephemeral.Equal(ephemeral.Public()) {
				t.Errorf("ephemeral key = %v, want %v", got.ephemeral, ephemeral.Public())
			}
			if got.nonce != v.nonce(t, "Nonce B") {
				t.Errorf("nonce = %x", got.nonce)
			}
		})
	}
}

// The handshake of before EIP-8 has no size in front: it is refused, or waited
// for in vain.
func TestPacketsFromBeforeEIP8AreRefused(t *testing.T) {
	v := readVectors(t)
	for _, packet := range []string{v.RLPx.Auth1, v.RLPx.Ack1} {
		if p, err := readPacket(strings.NewReader(string(unhex(t, packet)))); err == nil {
			t.Errorf("readPacket(%.8s…) = %x", packet, p)
		}
	}
}

func TestSecretsOfEIP8(t *testing.T) {
	v := readVectors(t)
	tr := transcript{
		dialled:   false,
		authNonce: v.nonce(t, "Nonce A"), ackNonce: v.nonce(t, "Nonce B"),
		authPacket: unhex(t, v.RLPx.Auth2), ackPacket: unhex(t, v.RLPx.Ack2),
	}
	s := tr.secrets(v.key(t, "Ephemeral Key B").Agree(v.key(t, "Ephemeral Key A").Public()))
	if got := hex.EncodeToString(s.aes[:]); got != v.RLPx.Derived["aes-secret"] {
		t.Errorf("AES secret = %s", got)
	}
	if got := hex.EncodeToString(s.mac[:]); got != v.RLPx.Derived["mac-secret"] {
		t.Errorf("MAC secret = %s", got)
	}
	s.in.Write([]byte("foo"))
	sum := s.in.Sum256()
	if got := hex.EncodeToString(sum[:]); got != v.RLPx.Derived["ingress_mac_foo"] {
		t.Errorf("MAC of what comes in, after foo = %s", got)
	}
	tr.dialled = true
	other := tr.secrets(v.key(t, "Ephemeral Key A").Agree(v.key(t, "Ephemeral Key B").Public()))
	other.out.Write([]byte("foo"))
	if got := other.out.Sum256(); got != sum {
		t.Errorf("the other side's MAC of what goes out, after foo = %x, want %x", got, sum)
	}
}
