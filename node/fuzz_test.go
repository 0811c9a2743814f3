package node_test

import (
	"bytes"
	"testing"

	"kith/node"
	"kith/rlp"
)

func FuzzDecodeRecord(f *testing.F) {
	v, key := eip778(f)
	r, err := node.ParseRecord(v.ENR)
	if err != nil {
		f.Fatal(err)
	}
	raw, _ := rlp.Marshal(r)
	f.Add(raw, false)
	f.Add(forged(f, number(1), text("id"), text("v4")), true)
	f.Add(listOf(text(""), number(1<<63), text("a"), listOf(listOf()), text("ip"), text("1234")), true)
	f.Fuzz(func(t *testing.T, b []byte, sign bool) {
		if sign { // so that what lies behind the signature is reached
			b = resign(t, b)
		}
		r, err := node.DecodeRecord(b)
		if err != nil {
			return
		}
		again, err := rlp.Marshal(r)
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%x came back as %x, %v", b, again, err)
		}
		c := r.Clone()
		for k := range r.Keys() {
			var v rlp.Raw
			if err := r.Get(k, &v); err != nil {
				continue // nested too deep
			}
			c.Delete(k)
			if err := c.Set(k, v); err != nil {
				t.Errorf("Set(%q, %x) = %v", k, v, err)
			}
		}
		if r.Key().Equal(key.Public()) {
			if err := c.Sign(key); err != nil || !c.Equal(r) {
				t.Errorf("%v signed anew is %v, %v", r, c, err)
			}
		}
		n, err := node.FromRecord(r)
		if err != nil || n.ID != node.V4ID(r.Key()) {
			t.Errorf("FromRecord(%v) = %v, %v", r, n, err)
		}
		for _, h := range n.TCPHosts() {
			if err := node.CheckHost(h); err != nil {
				t.Error(err)
			}
		}
	})
}

// resign replaces the first item of a list by a right signature and adds the
// entries that it needs.
func resign(t *testing.T, b []byte) []byte {
	_, key := eip778(t)
	list, _, err := rlp.SplitList(b)
	if err != nil {
		return b
	}
	_, _, content, err := rlp.Split(list)
	if err != nil {
		return b
	}
	seq, rest, err := rlp.SplitUint(content)
	if err != nil {
		return b
	}
	r := new(node.Record)
	r.SetSeq(seq)
	for len(rest) > 0 {
		name, value, err := rlp.SplitString(rest)
		if err != nil {
			return b
		}
		_, _, after, err := rlp.Split(value)
		if err != nil || r.Set(string(name), rlp.Raw(value[:len(value)-len(after)])) != nil {
			return b
		}
		rest = after
	}
	if r.Sign(key) != nil {
		return b
	}
	raw, err := rlp.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func FuzzParseRecord(f *testing.F) {
	v, _ := eip778(f)
	f.Add(v.ENR)
	f.Add("enr:")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := node.ParseRecord(text)
		if err != nil {
			return
		}
		again, err := node.ParseRecord(r.String())
		if err != nil || !again.Equal(r) || len(r.String()) > len(text) {
			t.Errorf("%q came back as %v, %v", text, again, err)
		}
	})
}

func FuzzParseEnode(f *testing.F) {
	f.Add("@10.0.0.7:30303?discport=30301")
	f.Add("@[fe80::1%25eth0]:1?discport=0")
	f.Add("@boot.example:0?x&discport=1#y")
	f.Fuzz(func(t *testing.T, where string) {
		n, err := node.Parse("enode://" + keyText + where)
		if err != nil {
			return
		}
		again, err := node.Parse(n.String())
		if err != nil || !again.Equal(n) || again.String() != n.String() {
			t.Errorf("%q: %v came back as %v, %v", where, n, again, err)
		}
		for _, h := range append(n.TCPHosts(), n.UDPHosts()...) {
			if err := node.CheckHost(h); err != nil {
				t.Errorf("%q: %v", where, err)
			}
		}
	})
}
