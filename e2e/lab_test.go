package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// A lab is a network of hosts on one switch. The test itself stands on it too,
// with the first address.
type lab struct {
	t     testing.TB
	name  string // of our end of the cable
	net   [3]byte
	hub   int // process that holds the switch's namespace
	hosts int
}

// A host is a network namespace with one cable to the switch.
type host struct {
	lab  *lab
	pid  int // process that holds the namespace
	addr netip.Addr
}

var labs atomic.Int32 // so far in this process

// newLab skips the test where there can be no lab.
func newLab(t testing.TB) *lab {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("SKIP lab: no linux")
	}
	if os.Getuid() != 0 {
		t.Skip("SKIP lab: no root")
	}
	for _, tool := range []string{"ip", "nft", "nsenter"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIP lab: no %s", tool)
		}
	}
	n := int(labs.Add(1))
	l := &lab{t: t, name: fmt.Sprintf("kl%d-%d", os.Getpid(), n), net: freeNet(t, os.Getpid()*7+n)}
	l.hub = newNamespace(t)
	l.in(l.hub, "ip", "link", "add", "hub", "type", "bridge")
	l.in(l.hub, "ip", "link", "set", "hub", "up")
	l.plug(l.name, os.Getpid())
	must(t, "ip", "addr", "add", l.addr(1).String()+"/24", "dev", l.name)
	must(t, "ip", "link", "set", l.name, "up")
	return l
}

// freeNet finds a /24 of the range for benchmarks (RFC 2544) that nobody uses here.
func freeNet(t testing.TB, hint int) [3]byte {
	t.Helper()
	taken, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
next:
	for i := range 512 {
		k := (hint + i) % 512
		p := [3]byte{198, byte(18 + k/256), byte(k)}
		for _, a := range taken {
			if strings.HasPrefix(a.String(), fmt.Sprintf("%d.%d.%d.", p[0], p[1], p[2])) {
				continue next
			}
		}
		return p
	}
	t.Fatal("no free network")
	return [3]byte{}
}

// newNamespace starts a process in a network namespace of its own.
func newNamespace(t testing.TB) int {
	t.Helper()
	c := launchRole(t, nil, namespaceOfItsOwn(), "hold", nil)
	c.read(new(struct{}))
	return c.cmd.Process.Pid
}

// must runs a command that has to succeed.
func must(t testing.TB, argv ...string) {
	t.Helper()
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
}

// in runs a command in the namespace of a process.
func (l *lab) in(pid int, argv ...string) {
	l.t.Helper()
	must(l.t, append(enter(pid), argv...)...)
}

func enter(pid int) []string { return []string{"nsenter", "-t", strconv.Itoa(pid), "-n", "--"} }

func (l *lab) addr(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{l.net[0], l.net[1], l.net[2], byte(n)})
}

// plug makes a cable from the switch to the namespace of a process, where its end
// is called name.
func (l *lab) plug(name string, pid int) {
	l.t.Helper()
	l.hosts++
	end := fmt.Sprintf("port%d", l.hosts)
	l.in(l.hub, "ip", "link", "add", end, "type", "veth", "peer", "name", name, "netns", strconv.Itoa(pid))
	l.in(l.hub, "ip", "link", "set", end, "master", "hub", "up")
}

// host adds one to the network.
func (l *lab) host() *host {
	l.t.Helper()
	h := &host{lab: l, pid: newNamespace(l.t)}
	l.plug("eth0", h.pid)
	h.addr = l.addr(l.hosts)
	h.run("ip", "link", "set", "lo", "up")
	h.run("ip", "addr", "add", h.addr.String()+"/24", "dev", "eth0")
	h.run("ip", "link", "set", "eth0", "up")
	return h
}

// run is a command in the host's namespace.
func (h *host) run(argv ...string) {
	h.lab.t.Helper()
	h.lab.in(h.pid, argv...)
}

// launch starts a command on the host.
func (h *host) launch(argv ...string) *child {
	h.lab.t.Helper()
	return launch(h.lab.t, nil, append(enter(h.pid), argv...)...)
}

// rules replaces what happens to packets that come in and go out.
func (h *host) rules(in, out string) {
	h.lab.t.Helper()
	h.run("nft", fmt.Sprintf(`table inet kith {}
		delete table inet kith
		table inet kith {
			chain in { type filter hook input priority 0; %s; }
			chain out { type filter hook output priority 0; %s; }
		}`, in, out))
}

// cut pulls the cable: nothing comes in or goes out, and nobody is told.
func (h *host) cut() { h.rules(`iifname "eth0" drop`, `oifname "eth0" drop`) }

// heal takes all rules away.
func (h *host) heal() { h.rules("accept", "accept") }

// lose throws away a share of the packets that come in.
func (h *host) lose(percent int) {
	h.rules(fmt.Sprintf(`iifname "eth0" numgen random mod 100 < %d drop`, percent), "accept")
}

// shutTCP refuses all connections.
func (h *host) shutTCP() { h.rules(`iifname "eth0" meta l4proto tcp reject with tcp reset`, "accept") }
