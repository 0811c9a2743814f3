package cluster

import (
	"fmt"
	"slices"

	"kith/port"
)

// A Serve is a port that is served by a command. Programs may ignore it: only
// the command kith starts commands.
type Serve struct {
	Port    uint16
	Name    string
	Mode    port.Mode
	Command []string
}

// maxServe is how many ports a configuration may have, as many as a member can
// tell others of.
const maxServe = 256

// maxCommand is how many texts a served command may have, its program included.
const maxCommand = 1000

const ruleOfServe = `must be a list of {"port": 1 to 65535, "name": text, "mode": "send", "request" or "unreliable", "command": [program, argument, …]}`

// serve reads the key of that name, and the one of the section "open". Unlike the other keys it is long enough to
// have its problems told one by one.
func (r *reading) serve(f field) []Serve {
	rule := ruleOfServe
	if len(f.raw) == 0 || f.raw[0] != '[' {
		r.wrong(f.line, f.key, excerpt(f.raw), rule)
		return nil
	}
	s := splitter{rest: f.raw, line: f.line}
	entries := s.list()
	r.take(f.key, s.problems)
	if len(entries) > maxServe {
		r.wrong(f.line, f.key, "", fmt.Sprintf("must have at most %d ports, has %d", maxServe, len(entries)))
		return nil
	}
	var out []Serve
	for i, e := range entries {
		place := fmt.Sprintf("%s[%d]", f.key, i)
		if e.raw[0] != '{' {
			r.wrong(e.line, place, excerpt(e.raw), rule)
			continue
		}
		one := r.serveEntry(place, e)
		if one.Port != 0 && slices.ContainsFunc(out, func(s Serve) bool { return s.Port == one.Port }) {
			r.wrong(e.line, place+".port", fmt.Sprint(one.Port), "must not be there twice")
		}
		out = append(out, one)
	}
	return out
}

func (r *reading) serveEntry(place string, e field) (one Serve) {
	s := splitter{rest: e.raw, line: e.line}
	fields := s.object()
	r.take(place, s.problems)
	seen := make(map[string]bool)
	for _, f := range fields {
		key := place + "." + excerpt([]byte(f.key))
		if seen[f.key] {
			r.wrong(f.line, key, excerpt(f.raw), "must not be there twice")
			continue
		}
		seen[f.key] = true
		if rule := one.set(f.key, value(f.raw)); rule != "" {
			r.wrong(f.line, key, excerpt(f.raw), rule)
		}
	}
	for _, need := range []string{"port", "mode", "command"} {
		if !seen[need] {
			r.wrong(e.line, place+"."+need, "", "must be there")
		}
	}
	return one
}

// set puts one value in its place, or says what it must be.
func (s *Serve) set(key string, v value) (rule string) {
	ok := false
	switch key {
	case "port":
		rule = "must be a whole number from 1 to 65535"
		var n int
		n, ok = v.whole(1, 65535)
		s.Port = uint16(n)
	case "name":
		rule = fmt.Sprintf("must be a text of at most %d bytes", maxPortName)
		s.Name, ok = v.text()
		ok = ok && len(s.Name) <= maxPortName || v.null()
	case "mode":
		rule = `must be "send", "request" or "unreliable", or the seed's 1, 2 or 3`
		s.Mode, ok = v.mode()
	case "command":
		rule = fmt.Sprintf("must be a list of at most %d texts: the program, then its arguments", maxCommand)
		s.Command, ok = v.texts(maxCommand, value.text)
		ok = ok && len(s.Command) > 0 && s.Command[0] != ""
	default:
		return "is not a key here: port, name, mode and command are"
	}
	if ok {
		return ""
	}
	return rule
}

func (v value) mode() (port.Mode, bool) {
	if n, ok := v.whole(int(port.Send), int(port.Unreliable)); ok {
		return port.Mode(n), true
	}
	s, _ := v.text()
	var m port.Mode
	return m, m.UnmarshalText([]byte(s)) == nil
}
