package node_test

import (
	"errors"
	"strings"
	"testing"

	"kith/node"
)

const seedID = "VmvoecS91YdyzncoXp94iFgkmCu82SitFTfFYT4DeKR"

func TestTheSeedsIDIsThirtyTwoBytes(t *testing.T) {
	ref, err := node.ParseRef(seedID + "/1701161221917")
	if err != nil {
		t.Fatal(err)
	}
	if hex := ref.ID.Hex(); !strings.HasPrefix(hex, "075f1001") || !strings.HasSuffix(hex, "9b3c70") {
		t.Errorf("id = %s, want 075f1001…9b3c70", hex)
	}
	if ref.Generation != 1701161221917 {
		t.Errorf("generation = %d", ref.Generation)
	}
	if got := ref.String(); got != seedID+"/1701161221917" {
		t.Errorf("String() = %s", got)
	}
}

func TestRefsOfAnyGeneration(t *testing.T) {
	exact, _ := node.ParseRef(seedID + "/7")
	for _, text := range []string{seedID, seedID + "/0", seedID + "/7"} {
		r, err := node.ParseRef(text)
		if err != nil || !r.Matches(exact) {
			t.Errorf("ParseRef(%s) = %v, %v; want one that matches", text, r, err)
		}
	}
	if other, _ := node.ParseRef(seedID + "/8"); other.Matches(exact) {
		t.Error("generation 8 matches generation 7")
	}
}

func TestParseRefRefuses(t *testing.T) {
	for _, text := range []string{"", "a", seedID + "x", seedID[1:], "0OIl", seedID + "/", seedID + "/x", seedID + "/-1", strings.Repeat("z", 1<<20)} {
		if r, err := node.ParseRef(text); !errors.Is(err, node.ErrBadID) {
			t.Errorf("ParseRef(%.20q) = %v, %v; want ErrBadID", text, r, err)
		}
	}
}

func TestParseNode(t *testing.T) {
	for _, text := range []string{"kith://" + seedID, "kith://" + seedID + "@a.example:1,[::1]:65535", "kith://10.0.0.1:38080"} {
		n, err := node.Parse(text)
		if err != nil {
			t.Errorf("Parse(%s): %v", text, err)
			continue
		}
		if got := n.String(); got != text {
			t.Errorf("Parse(%s) came back as %s", text, got)
		}
	}
	for _, text := range []string{"", "kith://", "enode://x", "kith://" + seedID + "@", "kith://@:1", "kith://" + seedID + "@a:0", "kith://" + seedID + "@a:1,", "kith://a:99999"} {
		if n, err := node.Parse(text); err == nil && len(n.Hosts) == 0 && !n.ID.IsZero() {
			continue // an id and an empty address list is an id alone
		} else if err == nil {
			t.Errorf("Parse(%q) = %v, want an error", text, n)
		}
	}
}

func TestCheckHostRefuses(t *testing.T) {
	for _, host := range []string{"@:1", "a b:1", "a\x1b[2J:1", "a\u202eb:1", "a,b:1", "a/b:1", "a\xff:1", "a?:1", "a#:1", "\n:1"} {
		if err := node.CheckHost(host); !errors.Is(err, node.ErrBadNode) {
			t.Errorf("CheckHost(%q) = %v, want ErrBadNode", host, err)
		}
	}
	for _, host := range []string{"a.example:1", "[fe80::1%eth0]:1", "bücher.example:65535", "my_node-1:30303"} {
		if err := node.CheckHost(host); err != nil {
			t.Errorf("CheckHost(%q) = %v", host, err)
		}
	}
}

func TestLocalTellsOfChanges(t *testing.T) {
	l := node.NewLocal(node.ID{1}, node.Cert)
	changed := l.Changed()
	l.SetHosts([]string{"a:1"})
	select {
	case <-changed:
	default:
		t.Error("SetHosts did not close Changed")
	}
	changed = l.Changed()
	l.SetHosts([]string{"a:1"})
	select {
	case <-changed:
		t.Error("the same addresses count as a change")
	default:
	}
	n := l.Node()
	n.Hosts[0] = "b:2"
	if got := l.Node().Hosts[0]; got != "a:1" {
		t.Errorf("a snapshot's owner changed our address to %s", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("kith://" + seedID + "@a.example:1,[::1]:65535")
	f.Add(seedID + "/1701161221917")
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := node.Parse(text); err == nil {
			again, err := node.Parse(n.String())
			if err != nil || !again.Equal(n) {
				t.Errorf("%q: %v came back as %v, %v", text, n, again, err)
			}
		}
		if r, err := node.ParseRef(text); err == nil {
			again, err := node.ParseRef(r.String())
			if err != nil || again != r {
				t.Errorf("%q: %v came back as %v, %v", text, r, again, err)
			}
		}
	})
}
