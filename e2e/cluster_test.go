package e2e

import (
	"bytes"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const round = time.Second // of the fast profile

// slack is what a busy machine may add to the times of the protocol, which are
// held to the tenth of a second on virtual time, in the rooms. One dial that was
// too slow costs its back-off as well.
const slack = 15 * time.Second

// opensslAuthority makes the certificates of a cluster with openssl alone: an
// authority, and nodes by name with the options that make their key.
func opensslAuthority(t *testing.T, nodes map[string][]string) string {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("SKIP openssl: no tool")
	}
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write(t, at("ext"), []byte("extendedKeyUsage=serverAuth,clientAuth\nkeyUsage=digitalSignature\n"))
	must(t, "openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", at("ca.key"), "-out", at("ca.pem"), "-subj", "/CN=ossl", "-days", "30")
	for name, key := range nodes {
		args := append([]string{"openssl", "req", "-newkey"}, key...)
		must(t, append(args, "-nodes", "-keyout", at(name+".key"), "-out", at(name+".csr"), "-subj", "/CN="+name)...)
		must(t, "openssl", "x509", "-req", "-in", at(name+".csr"), "-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-days", "10", "-extfile", at("ext"), "-out", at(name+".crt"))
	}
	return dir
}

// The life of a cluster: three machines with certificates of openssl, which
// listen on all their addresses and know one seed.
func TestClusterOfOpensslCertificates(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	p256 := []string{"ec", "-pkeyopt", "ec_paramgen_curve:P-256"}
	w := newTown(t, l, opensslAuthority(t, map[string][]string{"a": {"ed25519"}, "b": p256, "c": {"ed25519"}}))
	a := w.settle("a", nil)
	b := w.settle("b", nil, a)
	c := w.settle("c", map[string]any{"serve": []any{map[string]any{"port": 8081, "name": "cat", "mode": "request", "command": []string{"cat"}}}}, a)
	for _, m := range []*member{a, b, c} {
		m.shows(time.Until(c.up)+2*round+slack, "alive", "a", "b", "c")
		for _, of := range []*member{a, b, c} {
			if v := m.members()[of.name]; v.ID != of.id || v.Generation != of.gen || v.Address != of.addr || v.Self != (m == of) {
				t.Errorf("%s shows %+v, want %s/%d at %s", m.name, v, of.id, of.gen, of.addr)
			}
		}
	}
	t.Run("call", func(t *testing.T) { callAcross(t, a, b, c) })
	t.Run("crash", func(t *testing.T) { crash(t, a, b, c) })
	t.Run("leave", func(t *testing.T) { leave(t, a, b, c) })
	for _, m := range []*member{a, b} {
		m.signal(syscall.SIGTERM)
		if code := m.exit(10*time.Second + slack); code != 0 {
			t.Errorf("%s ended with %d, want 0\n%s", m.name, code, m.log.end())
		}
	}
}

// callAcross serves a port with tr and calls it, and sends ten megabytes there
// and back.
func callAcross(t *testing.T, a, b, c *member) {
	if _, err := exec.LookPath("tr"); err != nil {
		t.Skip("SKIP tr: no tool")
	}
	serving := launch(t, nil, b.town.kith, "--node", b.sock, "serve", "8080", "--name", "upper", "--", "tr", "a-z", "A-Z")
	eventually(t, soon, "the port is served", func() bool { return serving.log.line("port 8080") != "" })
	for _, peer := range []string{"b", b.id, b.id[:12]} {
		r := a.do("call", peer, "8080", "hello")
		if r.out != "HELLO" || r.code != 0 {
			t.Errorf("call %s = %+v, want HELLO", peer, r)
		}
	}
	big := make([]byte, 10<<20)
	if _, err := rand.Read(big); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "big")
	write(t, file, big)
	if r := b.do("call", "c", "8081", "@"+file, "--timeout", "1m"); r.code != 0 || r.out != string(big) {
		t.Errorf("10 MiB came back as %d bytes, exit %d: %s", len(r.out), r.code, r.err)
	}
	exits(t, a, serving)
}

// exits holds what commands end with.
func exits(t *testing.T, a *member, serving *child) {
	a.do("call", "b", "9999", "x").ends(t, "call of no port", 6, "no such port")
	a.do("call", "nobody", "8080", "x").ends(t, "call of nobody", 6, "nobody")
	a.do("call", "b", "0", "x").ends(t, "call of port 0", 2)
	a.do("send", "b", "8080", "x").ends(t, "send to a port for requests", 7, "wrong mode")
	a.do("frobnicate").ends(t, "nonsense", 2)
	a.town.do("", "--node", filepath.Join(a.town.dir, "nothing.sock"), "members").ends(t, "members of no node", 4, "no running node")
	slow := launch(t, nil, a.town.kith, "--node", a.sock, "serve", "8090", "--", "sleep", "60")
	eventually(t, soon, "the slow port is served", func() bool { return slow.log.line("port 8090") != "" })
	a.do("call", "self", "8090", "x", "--timeout", "300ms").ends(t, "call of a slow port", 5)
	bad := launch(t, nil, a.town.kith, "--node", a.sock, "serve", "8091", "--", "sh", "-c", "echo it broke >&2; exit 3")
	eventually(t, soon, "the bad port is served", func() bool { return bad.log.line("port 8091") != "" })
	a.do("call", "self", "8091", "x").ends(t, "call of a port that fails", 1, "it broke")
	serving.signal(syscall.SIGINT)
	if code := serving.exit(soon); code != 0 {
		t.Errorf("kith serve ended with %d after Ctrl-C, want 0", code)
	}
	eventually(t, soon, "the port is gone", func() bool { return a.do("call", "b", "8080", "x").code == 6 })
}

// crash kills c: the others see it dead, and its next run as new, once each.
func crash(t *testing.T, a, b, c *member) {
	old := c.gen
	killed := time.Now()
	c.kill()
	for _, m := range []*member{a, b} {
		if e := m.hears(1500*time.Millisecond+slack, "c", "dead", killed); e.Generation != old {
			t.Errorf("%s saw generation %d die, want %d", m.name, e.Generation, old)
		}
	}
	c.start()
	if c.gen <= old {
		t.Errorf("generation %d after %d", c.gen, old)
	}
	for _, m := range []*member{a, b} {
		m.shows(2*round+slack, "alive", "a", "b", "c")
		joins := m.events("c", "joined")
		if len(joins) != 2 || joins[1].Generation != c.gen {
			t.Errorf("%s saw c join as %+v, want %d and %d", m.name, joins, old, c.gen)
		}
		if dead := m.events("c", "dead"); len(dead) != 1 {
			t.Errorf("%s saw c die %d times: %+v", m.name, len(dead), dead)
		}
	}
	if dead := append(c.events("a", "dead"), c.events("b", "dead")...); len(dead) > 0 {
		t.Errorf("c saw others die: %+v", dead)
	}
}

// leave takes c out: it is shown as left, never as dead.
func leave(t *testing.T, a, b, c *member) {
	asked := time.Now()
	c.do("leave").ends(t, "leave", 0)
	if took := time.Since(asked); took > 2*time.Second+slack {
		t.Errorf("kith leave took %v, want at most 2s", took)
	}
	if code := c.exit(10*time.Second + slack); code != 0 {
		t.Errorf("kith up ended with %d after a leave, want 0", code)
	}
	for _, m := range []*member{a, b} {
		m.hears(round+slack, "c", "left", asked)
		m.shows(slack, "left", "c")
	}
	time.Sleep(2 * round) // what a silent death would take to be seen is longer, but a closed session is seen at once
	for _, m := range []*member{a, b} {
		if dead := m.events("c", "dead", "suspect"); len(dead) > 1 { // the crash before
			for _, e := range dead {
				if e.Time.After(asked) {
					t.Errorf("%s says of c, which has left: %s", m.name, e.Text)
				}
			}
		}
		if s := m.members()["c"].State; s != "left" && s != "" {
			t.Errorf("%s shows c, which has left, as %s", m.name, s)
		}
	}
}

// A node of another authority does not get in, and both sides say why.
func TestClusterRefusesAnotherAuthority(t *testing.T) {
	t.Parallel()
	dir, other := authority(t, "a"), authority(t, "x")
	a := newTown(t, nil, dir).settle("a", nil)
	x := newTown(t, nil, other).settle("x", nil, a)
	eventually(t, soon, "the log of a", func() bool { return a.log.line("refused", "bad certificate") != "" })
	eventually(t, soon, "the log of x", func() bool { return x.log.line("unknown authority") != "" })

	// Now x believes a, and a does not believe x.
	x.kill()
	write(t, filepath.Join(other, "ca.pem"), bytes.Join([][]byte{read(t, other, "ca.pem"), read(t, dir, "ca.pem")}, nil))
	x.start()
	eventually(t, soon, "the log of a", func() bool { return a.log.line("refused", "certificate of x signed by unknown authority") != "" })
	eventually(t, soon, "the log of x", func() bool {
		return x.log.line("peer said", "certificate of x signed by unknown authority") != ""
	})
	for _, m := range []*member{a, x} {
		if all := m.members(); len(all) != 1 {
			t.Errorf("%s shows %+v, want itself alone", m.name, all)
		}
	}
}

func read(t *testing.T, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// T2: without certificates that are good it never listens.
func TestT2FailClosed(t *testing.T) {
	t.Parallel()
	good := authority(t, "a")
	for _, file := range []string{"ca.pem", "a.crt", "a.key"} {
		for how, data := range map[string][]byte{"empty": {}, "garbage": []byte("garbage"), "missing": nil, "another": read(t, authority(t, "a"), file)} {
			dir := t.TempDir()
			for _, f := range []string{"ca.pem", "a.crt", "a.key"} {
				if f != file {
					write(t, filepath.Join(dir, f), read(t, good, f))
				} else if data != nil {
					write(t, filepath.Join(dir, f), data)
				}
			}
			w := newTown(t, nil, dir)
			conf := w.config("a", "127.0.0.1:0", nil, nil)
			r := w.do("", "up", "-c", conf, "--admin", filepath.Join(dir, "a.sock"))
			r.ends(t, "up with "+how+" "+file, 3, "kith: error: ")
			if strings.Contains(r.out+r.err, "listening") {
				t.Errorf("up with %s %s has listened:\n%s%s", how, file, r.out, r.err)
			}
		}
	}
}
