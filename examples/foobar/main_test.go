package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"kith/crypto"
	"kith/p2p"
)

func TestFooIsAnsweredWithBar(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	srv := p2p.Server{PrivateKey: key, ListenAddr: "127.0.0.1:0", Protocols: []p2p.Protocol{MyProtocol()}}
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	var out bytes.Buffer
	if err := ask(ctx, srv.Self().String(), &out); err != nil || out.String() != "recv: bar\n" {
		t.Errorf("ask = %v, prints %q; want recv: bar", err, out.String())
	}
}

func TestAskSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"nobody": "node: parse",
		"enode://" + strings.Repeat("7", 128) + "@127.0.0.1:1": "node: ",
	} {
		if err := ask(t.Context(), text, new(bytes.Buffer)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("ask(%s) = %v, want %s…", text, err, want)
		}
	}
}
