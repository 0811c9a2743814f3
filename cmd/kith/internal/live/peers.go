package live

import (
	"slices"
	"strings"

	"kith/cmd/kith/internal/admin"
	"kith/cmd/kith/internal/exit"
	"kith/node"
)

// resolve finds who is meant: "self", an id or id/generation, a name, or the
// start of an id that only one member has.
func resolve(peer string, self node.Ref, members []admin.Member) (node.Ref, error) {
	if peer == "self" {
		return self, nil
	}
	if ref, err := node.ParseRef(peer); err == nil {
		return ref, nil
	}
	text, generation, exact := strings.Cut(peer, "/")
	ids := matching(members, func(m admin.Member) bool { return m.Name == text })
	if len(ids) == 0 && text != "" {
		ids = matching(members, func(m admin.Member) bool { return strings.HasPrefix(m.ID, text) })
	}
	switch {
	case text == "":
		return node.Ref{}, exit.Errorf(exit.Usage, "kith members lists who is there", "no peer is named")
	case len(ids) == 0:
		return node.Ref{}, exit.Errorf(exit.NotFound, "kith members lists who is there", "no member %q", peer)
	case len(ids) > 1:
		return node.Ref{}, exit.Errorf(exit.NotFound, "name it by its id, or enough of it", "%q could be any of:\n%s", peer, strings.Join(ids, "\n"))
	}
	id := ids[0]
	if exact {
		id += "/" + generation
	}
	ref, err := node.ParseRef(id)
	return ref, exit.With(err, exit.Usage, "kith members -o wide lists the generations")
}

// matching are the ids of members that suit. Those that are alive go before
// those that are not: an old member's name may be somebody else's by now.
func matching(members []admin.Member, suits func(admin.Member) bool) []string {
	var alive, all []string
	for _, m := range members {
		if !suits(m) || slices.Contains(all, m.ID) {
			continue
		}
		all = append(all, m.ID)
		if m.State == "alive" || m.State == "suspect" {
			alive = append(alive, m.ID)
		}
	}
	if len(alive) > 0 {
		return alive
	}
	return all
}
