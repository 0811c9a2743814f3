package live

import (
	"strings"
	"testing"

	"kith/cmd/kith/internal/admin"
	"kith/cmd/kith/internal/exit"
	"kith/node"
)

func TestResolve(t *testing.T) {
	a, b, c := node.ID{1, 1, 1, 1, 1}, node.ID{1, 1, 1, 1, 2}, node.ID{3}
	self := node.Ref{ID: a, Generation: 5}
	members := []admin.Member{
		{ID: a.String(), Name: "a", State: "alive", Self: true},
		{ID: b.String(), Name: "b", State: "alive"},
		{ID: c.String(), Name: "b", State: "dead"},
		{ID: c.String(), Name: "c", State: "left"},
		{ID: node.ID{4}.String(), Name: "twin", State: "alive"},
		{ID: node.ID{5}.String(), Name: "twin", State: "alive"},
	}
	shared := 0
	for a.String()[:shared+1] == b.String()[:shared+1] {
		shared++
	}
	for _, tc := range []struct {
		peer string
		want node.Ref
		code exit.Code
	}{
		{"self", self, exit.OK},
		{"a", node.Ref{ID: a}, exit.OK},
		{"a/5", node.Ref{ID: a, Generation: 5}, exit.OK},
		{"a/x", node.Ref{}, exit.Usage},
		{"b", node.Ref{ID: b}, exit.OK}, // the dead one of that name is not meant
		{"c", node.Ref{ID: c}, exit.OK}, // though it has left
		{c.String(), node.Ref{ID: c}, exit.OK},
		{c.String() + "/9", node.Ref{ID: c, Generation: 9}, exit.OK},
		{node.ID{77}.String(), node.Ref{ID: node.ID{77}}, exit.OK}, // the node says whether it is known
		{b.String()[:shared+1], node.Ref{ID: b}, exit.OK},
		{a.String()[:shared], node.Ref{}, exit.NotFound}, // b has it too
		{"twin", node.Ref{}, exit.NotFound},
		{"nobody", node.Ref{}, exit.NotFound},
		{"", node.Ref{}, exit.Usage},
	} {
		got, err := resolve(tc.peer, self, members)
		if exit.CodeOf(err) != tc.code || got != tc.want && err == nil {
			t.Errorf("resolve(%q) = %v, %v; want %v, code %d", tc.peer, got, err, tc.want, tc.code)
		}
	}
	if _, err := resolve("twin", self, members); err == nil || !strings.Contains(err.Error(), node.ID{5}.String()) {
		t.Errorf("resolve(twin) = %v, want both ids", err)
	}
}
