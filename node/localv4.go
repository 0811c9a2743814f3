package node

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"kith/crypto"
	"kith/rlp"
)

// NewLocalV4 returns the local node of an open network with this key and no
// addresses. Its Node has a signed Record, made anew at every change, whose
// sequence number begins with the milliseconds since the Unix epoch, so that a
// node that starts again is newer than it was.
func NewLocalV4(key *crypto.PrivateKey) *Local {
	l := NewLocal(V4ID(key.Public()), V4)
	l.key, l.node.Key = key, key.Public()
	l.record.seq = uint64(max(time.Now().UnixMilli(), 1)) - 1
	l.signLocked()
	return l
}

// SetUDP says at which port we take part in discovery, at every address. Zero,
// as in the beginning, means that we do not. Use it for V4 nodes alone.
func (l *Local) SetUDP(port uint16) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.udp != port {
		l.udp = port
		l.changeLocked()
	}
}

// ours are the entries that a Local sets itself.
var ours = []string{idKey, keyKey, "ip", "tcp", "udp", "ip6", "tcp6", "udp6"}

// Set adds an entry to our Record, as Record.Set does, or replaces it. Those for
// identity and addresses are the Local's own. It fails where there is no Record,
// and if the Record could pass MaxRecord with addresses of both kinds.
func (l *Local) Set(key string, v any) error {
	return l.edit(key, func(r *Record) error { return r.Set(key, v) })
}

// Delete removes an entry that Set has added.
func (l *Local) Delete(key string) error {
	return l.edit(key, func(r *Record) error {
		r.Delete(key)
		return nil
	})
}

func (l *Local) edit(key string, change func(*Record) error) error {
	if l.key == nil {
		return fmt.Errorf("node: entry %q of the local record: only V4 nodes have one", key)
	}
	if slices.Contains(ours, key) {
		return fmt.Errorf("node: entry %q of the local record: identity and addresses are not set this way", key)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	next := l.record.Clone()
	if err := change(next); err != nil {
		return err
	}
	if next.Equal(&l.record) {
		return nil
	}
	if err := l.fits(next.Clone()); err != nil {
		return err
	}
	l.record = *next
	l.changeLocked()
	return nil
}

// widest are addresses that take as much room as any.
var widest = [len(families)]netip.AddrPort{
	netip.MustParseAddrPort("255.255.255.254:65535"),
	netip.MustParseAddrPort("[2001:db8::1]:65534"),
}

// fits tells whether r has room for all addresses that may come.
func (l *Local) fits(r *Record) error {
	r.seq = 1<<64 - 1
	r.setEndpoints(widest, 65533)
	return r.Sign(l.key)
}

// signLocked makes the Record anew.
func (l *Local) signLocked() {
	l.record.seq++
	l.record.setEndpoints(firstOfEach(l.node.Hosts), l.udp)
	signed := l.record.Clone()
	if err := signed.Sign(l.key); err != nil {
		panic(err) // fits has seen to it
	}
	l.node.Record, l.node.UDP = signed, l.udp
	if len(l.node.Hosts) > 0 && strings.HasSuffix(l.node.Hosts[0], ":"+strconv.Itoa(int(l.udp))) {
		l.node.UDP = 0
	}
}

// firstOfEach gives the first address of each family among hosts, invalid if
// there is none.
func firstOfEach(hosts []string) (all [len(families)]netip.AddrPort) {
	for _, h := range hosts {
		a, err := netip.ParseAddrPort(h)
		if err != nil {
			continue
		}
		ip, i := a.Addr().Unmap().WithZone(""), 0
		if ip.Is6() {
			i = 1
		}
		if !all[i].IsValid() && dialable(ip) {
			all[i] = netip.AddrPortFrom(ip, a.Port())
		}
	}
	return all
}

// setEndpoints replaces the entries for addresses. Those of IPv6 get ports of
// their own even where they are the same: not everybody looks for the others.
func (r *Record) setEndpoints(all [len(families)]netip.AddrPort, udp uint16) {
	for i, f := range families {
		r.Delete(f.ip)
		r.Delete(f.tcp)
		r.Delete(f.udp)
		if a := all[i]; a.IsValid() {
			r.put(f.ip, rlp.AppendBytes(nil, a.Addr().AsSlice()))
			r.put(f.tcp, rlp.AppendUint(nil, uint64(a.Port())))
			if udp != 0 {
				r.put(f.udp, rlp.AppendUint(nil, uint64(udp)))
			}
		}
	}
}
