package cluster

import (
	"cmp"
	"time"
)

// A Profile is how quickly a cluster notices things, and what it pays for that.
// All members of a cluster should have the same. The zero Profile is Fast; in
// any other a zero field means what Fast has there, save that the two amounts
// are one choice: both zero means one each.
type Profile struct {
	// Heartbeat is how often a node tells its observers that it lives.
	Heartbeat time.Duration
	// Initial is the interval that is expected of a member not heard for long.
	Initial time.Duration
	// MaxInterval is the most that one silence counts for in the mean.
	MaxInterval time.Duration
	// Window is how many intervals are kept for each member.
	Window int
	// Phi is how many usual intervals a silence may last: a member is dead when
	// its observers agree that it has.
	Phi float64
	// Grace is how long a dead member stays in the list.
	Grace time.Duration
	// Collect is how often the list is swept for those.
	Collect time.Duration
	// Sync bounds one exchange of tables between two members.
	Sync time.Duration
	// Seeds and Others are how many seeds, and other members, are greeted in a
	// round beside the heartbeats.
	Seeds, Others int
}

// Fast sees a silent crash within 7 seconds, a killed process within 1.5, for
// about 430 bytes a second.
func Fast() Profile {
	p := Seed()
	p.Heartbeat, p.Initial = time.Second, time.Second
	return p
}

// Seed is the profile of p2pConfigDefault: a silent crash within half a minute,
// for about 90 bytes a second.
func Seed() Profile {
	return Profile{
		Heartbeat: 5 * time.Second, Initial: 5 * time.Second, MaxInterval: 10 * time.Second,
		Window: 1000, Phi: 8, Grace: 30 * time.Second, Collect: 30 * time.Second, Sync: 5 * time.Second,
		Seeds: 1, Others: 1,
	}
}

// filled has no zero field but perhaps one of the amounts.
func (p Profile) filled() Profile {
	f := Fast()
	f.Heartbeat = cmp.Or(p.Heartbeat, f.Heartbeat)
	f.Initial = cmp.Or(p.Initial, f.Initial)
	f.MaxInterval = cmp.Or(p.MaxInterval, f.MaxInterval)
	f.Window = cmp.Or(p.Window, f.Window)
	f.Phi = cmp.Or(p.Phi, f.Phi)
	f.Grace = cmp.Or(p.Grace, f.Grace)
	f.Collect = cmp.Or(p.Collect, f.Collect)
	f.Sync = cmp.Or(p.Sync, f.Sync)
	if p.Seeds != 0 || p.Others != 0 {
		f.Seeds, f.Others = p.Seeds, p.Others
	}
	return f
}
