package gossip

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// String is a sentence for people, such as
//
//	c joined (10.0.0.3:38080, generation 1701161221917)
//	c suspect: 3 of 5 observers silent for 4.6 s (limit 6-8 s); b hears it
//	c dead: 5 of 5 votes, phi 6.0-6.3, no answer to 20 probes; by a, d, f, g, h
//	c dead here only: I reach 0 of 2 peers, probably it is me
func (ev Event) String() string {
	who := cmp.Or(ev.Name, ev.ID.Short())
	switch {
	case ev.Kind == Suspected:
		return who + " suspect" + ev.suspicion()
	case ev.Kind == Died && ev.Local:
		return who + " dead here only: " + ev.alone()
	case ev.Kind == Died:
		return who + " dead: " + ev.verdict()
	case ev.Kind == Departed && ev.Restarted:
		return fmt.Sprintf("%s left: generation %d made way for its next", who, ev.Generation)
	case ev.Kind == Departed:
		return who + " left"
	case ev.Kind == Joined:
		return fmt.Sprintf("%s joined (%s, generation %d)", who, cmp.Or(ev.Address, "no address yet"), ev.Generation)
	case ev.Kind == Superseded:
		return who + " superseded: a newer run has our key"
	}
	return who + " " + ev.Kind.String()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f", d.Seconds()) }

func (ev *Event) suspicion() string {
	var b strings.Builder
	against, hear := split(ev.Votes)
	switch {
	case len(against) > 0:
		fmt.Fprintf(&b, ": %d of %d observers hear nothing of it", len(against), ev.Observers)
		if ev.Silence > 0 {
			fmt.Fprintf(&b, ", here for %s s", seconds(ev.Silence))
		}
	case ev.Silence > 0:
		fmt.Fprintf(&b, ": silent for %s s", seconds(ev.Silence))
	}
	if ev.Limits[1] > 0 {
		fmt.Fprintf(&b, " (limit %s-%s s)", seconds(ev.Limits[0]), seconds(ev.Limits[1]))
	}
	if len(hear) > 0 {
		b.WriteString("; " + strings.Join(hear, ", ") + " hears it")
	}
	return b.String()
}

func (ev *Event) verdict() string {
	against, _ := split(ev.Votes)
	if len(against) == 0 {
		return "by votes of nodes that are not known here"
	}
	lo, hi := ev.Votes[0].Phi, ev.Votes[0].Phi
	for _, v := range ev.Votes {
		lo, hi = min(lo, v.Phi), max(hi, v.Phi)
	}
	text := fmt.Sprintf("%d of %d votes, phi %.1f-%.1f", len(against), max(ev.Observers, len(against)), lo, hi)
	if ev.Probes > 0 {
		text += fmt.Sprintf(", no answer to %d probes", ev.Probes)
	}
	return text + "; by " + strings.Join(against, ", ")
}

func (ev *Event) alone() string {
	text := fmt.Sprintf("silent for %s s, and nobody else can tell", seconds(ev.Silence))
	if ev.Subjects > 1 {
		text = fmt.Sprintf("I reach %d of %d peers", ev.Reached, ev.Subjects)
		if ev.Reached == 0 {
			text += ", probably it is me"
		}
	}
	return text
}

// split names those who voted against a member, and those who hear it.
func split(votes []Vote) (against, hear []string) {
	for _, v := range votes {
		name := cmp.Or(v.Name, v.ID.Short())
		if v.Deny {
			hear = append(hear, name)
		} else {
			against = append(against, name)
		}
	}
	return against, hear
}
