package cluster

import (
	"encoding/json"
	"math"
	"net"
	"strconv"
	"strings"

	"kith/node"
)

// A value is the text of one JSON value. Its methods say whether it is what they
// are named after, and set what they are given only then.
type value []byte

func (v value) null() bool { return string(v) == "null" }

// number takes what JSON calls a number, which NaN, 0x10 and +1 are not.
func (v value) number() (float64, bool) {
	if len(v) == 0 || v[0] != '-' && (v[0] < '0' || v[0] > '9') || !json.Valid(v) {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(v), 64)
	return f, err == nil && !math.IsInf(f, 0)
}

// whole takes 5000, 5e3 and 5000.0.
func (v value) whole(low, high int) (int, bool) {
	f, ok := v.number()
	if !ok || f != math.Trunc(f) || f < float64(low) || f > float64(high) {
		return 0, false
	}
	return int(f), true
}

// text refuses what no path or address has.
func (v value) text() (string, bool) {
	var s string
	if len(v) == 0 || v[0] != '"' || json.Unmarshal(v, &s) != nil {
		return "", false
	}
	return s, len(s) <= 4096 && !strings.ContainsAny(s, "\x00\r\n\ufeff\ufffd")
}

func (v value) path(to *string) bool {
	s, ok := v.text()
	if ok = ok && s == strings.TrimSpace(s); ok {
		*to = s
	}
	return ok
}

func (v value) listen(to *string) bool {
	s, ok := v.text()
	if !ok {
		return false
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil || host != strings.TrimSpace(host) {
		return false
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return false
	}
	*to = s
	return true
}

// host is a "host:port" to dial.
func (v value) host() (string, bool) {
	s, ok := v.text()
	return s, ok && goodHost(s)
}

func goodHost(s string) bool {
	return len(s) <= 261 && !strings.ContainsAny(s, " \t/@,") && node.CheckHost(s) == nil
}

func (v value) seedHost(c *Config) bool {
	s, ok := v.text()
	if ok = ok && (s == "" || goodHost(s)); ok {
		c.seedHost = s
	}
	return ok
}

// seedName is an id or a name in a certificate. What looks like an id must be one:
// a slip in it shall not be taken for a name.
func (v value) seedName(c *Config) bool {
	const base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	s, ok := v.text()
	if !ok || s == "" {
		return ok
	}
	if id, err := node.ParseID(s); err == nil {
		c.seedID = id
		return !id.IsZero()
	}
	if len(s) > 253 || len(s) >= 40 && strings.Trim(s, base58) == "" {
		return false
	}
	for _, r := range s {
		if r > 'z' || !strings.ContainsRune(base58+"0OIl.-_:", r) {
			return false
		}
	}
	c.SeedName = s
	return true
}

// seed is what Node.Seeds takes.
func (v value) seed() (string, bool) {
	s, ok := v.text()
	if ok && strings.HasPrefix(s, "kith://") {
		n, err := node.Parse(s)
		return s, err == nil && len(n.Hosts) > 0
	}
	return s, ok && goodHost(s)
}

// texts is a list of texts that ok likes.
func (v value) texts(most int, ok func(value) (string, bool)) ([]string, bool) {
	var raw []json.RawMessage
	if len(v) == 0 || v[0] != '[' || json.Unmarshal(v, &raw) != nil || len(raw) > most {
		return nil, false
	}
	out := make([]string, len(raw))
	for i, r := range raw {
		s, good := ok(value(r))
		if !good {
			return nil, false
		}
		out[i] = s
	}
	return out, true
}

func (v value) seeds(to *[]string) bool {
	list, ok := v.texts(16, value.seed)
	if ok {
		*to = list
	}
	return ok
}

func (v value) advertise(to *[]string) bool {
	if s, ok := v.text(); ok {
		if s == "" {
			*to = nil
			return true
		}
		if !goodHost(s) {
			return false
		}
		*to = []string{s}
		return true
	}
	list, ok := v.texts(8, value.host)
	if ok {
		*to = list
	}
	return ok
}

func (v value) version(to *[3]uint16) bool {
	var raw []json.RawMessage
	if len(v) == 0 || v[0] != '[' || json.Unmarshal(v, &raw) != nil || len(raw) != 3 {
		return false
	}
	var out [3]uint16
	for i, most := range []int{255, 255, 65535} {
		n, ok := value(raw[i]).whole(0, most)
		if !ok {
			return false
		}
		out[i] = uint16(n)
	}
	if out == [3]uint16{} {
		return false
	}
	*to = out
	return true
}

func (v value) profile(c *Config) bool {
	s, ok := v.text()
	if ok = ok && (s == "fast" || s == "seed"); ok {
		c.profile = s
	}
	return ok
}
