package interop

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"kith/interop/puppet"
)

// A listener is "kith devp2p listen".
type listener struct {
	cmd *exec.Cmd
	url string
}

// buildCommand builds the command, from its own module.
var buildCommand = sync.OnceValues(func() (string, error) {
	file := filepath.Join(binaries, "kith")
	cmd := exec.Command("go", "build", "-o", file, "./cmd/kith")
	cmd.Dir = ".."
	cmd.Stderr = os.Stderr
	return file, cmd.Run()
})

func listen(t *testing.T, args ...string) *listener {
	t.Helper()
	file, err := buildCommand()
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{cmd: exec.Command(file, append([]string{"devp2p", "listen", "--addr", "127.0.0.1:0"}, args...)...)}
	var said bytes.Buffer
	l.cmd.Stderr = &said
	out, err := l.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.cmd.Process.Kill()
		l.cmd.Wait()
		if t.Failed() {
			t.Logf("it said:\n%s", said.String())
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	l.url = strings.TrimSpace(line)
	if err != nil || !strings.HasPrefix(l.url, "enode://") {
		t.Fatalf("the first line is %q, %v, want an enode URL", line, err)
	}
	return l
}

// TestTheCommand has a geth node ask what "kith devp2p listen --foobar" serves.
func TestTheCommand(t *testing.T) {
	l := listen(t, "--foobar")
	p := start(t, geth, 1)
	id := idOf(t, l.url)
	p.order(puppet.Order{Do: "dial", Enode: l.url})
	p.await("connection", puppet.Event{Event: puppet.Runs, Peer: id, Proto: puppet.FooBar})
	for _, text := range []string{"something", "bar", "foo"} { // the first two are ignored
		p.order(puppet.Order{Do: "send", Peer: id, Text: text})
	}
	if e := p.await("answer", puppet.Event{Event: puppet.Got, Peer: id}); e.Text != "bar" {
		t.Errorf("the answer is %q, want bar", e.Text)
	}
	l.cmd.Process.Signal(os.Interrupt)
	if e := p.await("end", puppet.Event{Event: puppet.Down, Peer: id}); e.Reason != 8 {
		t.Errorf("interrupted, it said %d (%s), want 8", e.Reason, e.Why)
	}
	if err := l.cmd.Wait(); err != nil {
		t.Errorf("interrupted: %v, want exit code 0", err)
	}
}

// TestTheCommandIgnores sends lists and other things that are not ["foo"].
func TestTheCommandIgnores(t *testing.T) {
	l := listen(t, "--foobar")
	s := strike(t, l.url, newKey(t))
	s.greet(t, s.honest())
	for _, odd := range []string{"\xc0", "\x83foo", "\xc5\x83foo\x01", "\xc4\x83bar", "\xc5\xc4\x83foo", "\xff\xff", "", "\xc4\x83fo"} {
		s.send(t, firstCode, []byte(odd))
	}
	s.send(t, firstCode, foo)
	if bar := s.expect(t, firstCode); string(bar) != "\xc4\x83bar" {
		t.Errorf("the first answer is %x, want bar", bar)
	}
}

// TestTheCommandDials gives it a key, a peer to dial, and room for no more.
func TestTheCommandDials(t *testing.T) {
	p := start(t, geth, 1)
	key := newKey(t)
	file := filepath.Join(t.TempDir(), "key")
	if err := crypto.SaveECDSA(file, key); err != nil {
		t.Fatal(err)
	}
	l := listen(t, "--foobar", "--key", file, "--max-peers", "1", "--peer", p.urls[0])
	if want := enode.PubkeyToIDV4(&key.PublicKey).String(); idOf(t, l.url) != want {
		t.Errorf("%s has another id than the key in the file, %s", l.url, want)
	}
	p.await("connection", puppet.Event{Event: puppet.Runs, Peer: idOf(t, l.url), Proto: puppet.FooBar})
	s := strike(t, l.url, newKey(t))
	s.send(t, helloCode, encode(t, s.honest()))
	if got := s.firstEnd(t); got != 4 {
		t.Errorf("the second peer saw reason %d, want 4", got)
	}
}
