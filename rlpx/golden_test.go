package rlpx

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"
)

// goldenTexts are the messages of the base protocol, each with the name of its
// line in testdata/messages.txt: its number and its bytes before they are framed.
func goldenTexts() map[string][]byte {
	h := Hello{Version: 5, Name: "kith", Caps: []Cap{{"eth", 68}, {"foo", 1}}, ListenPort: 30303}
	for i := range h.Key {
		h.Key[i] = byte(i)
	}
	return map[string][]byte{
		"hello":      h.append([]byte{0x80}),
		"disconnect": appendReason([]byte{codeDisconnect}, TooManyPeers),
		"ping":       append([]byte{codePing}, emptyList...),
		"pong":       append([]byte{codePong}, emptyList...),
	}
}

func readGolden(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile("testdata/messages.txt")
	if err != nil {
		t.Fatal(err)
	}
	golden := make(map[string]string)
	for line := range strings.Lines(string(data)) {
		name, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		golden[name] = text
	}
	return golden
}

func TestGoldenMessages(t *testing.T) {
	golden := readGolden(t)
	for name, b := range goldenTexts() {
		if got := hex.EncodeToString(b); got != golden[name] {
			t.Errorf("%s is\n%s, want\n%s", name, got, golden[name])
		}
	}
}

// What goes over the wire after the handshake of EIP-8's second vectors: a hello
// as it is, then a message of a protocol and a ping, compressed.
func TestGoldenStream(t *testing.T) {
	v := readVectors(t)
	tr := transcript{
		dialled:   false,
		authNonce: v.nonce(t, "Nonce A"), ackNonce: v.nonce(t, "Nonce B"),
		authPacket: unhex(t, v.RLPx.Auth2), ackPacket: unhex(t, v.RLPx.Ack2),
	}
	c, err := newConn(nil, nil, nil, false, tr.secrets(v.key(t, "Ephemeral Key B").Agree(v.key(t, "Ephemeral Key A").Public())))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := appendMessage(nil, codeHello, goldenTexts()["hello"][1:], false)
	b, _ = appendMessage(b, 0x10, []byte("foo foo foo foo foo foo foo"), true)
	b, _ = appendMessage(b, codePing, emptyList, true)
	c.out.seal(b, len(b))
	if got, want := hex.EncodeToString(b), readGolden(t)["stream"]; got != want {
		t.Errorf("the stream is\n%s, want\n%s", got, want)
	}
}
