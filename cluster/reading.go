package cluster

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"kith/node"
)

// A reading makes a Config and gathers the problems on the way.
type reading struct {
	config   *Config
	problems []Problem
	origin   string // of the layer at hand
	fields   []held // what is in force, in the order of first appearance
}

// A held is a field with the layer that it comes from.
type held struct {
	field
	origin string
}

func (r *reading) wrong(line int, key, value, rule string) {
	if len(r.problems) < maxProblems {
		r.problems = append(r.problems, Problem{r.origin, line, key, value, rule})
	}
}

// take adds what a splitter found within the value of a key.
func (r *reading) take(key string, found []Problem) {
	for _, p := range found {
		if p.Key == "" {
			p.Key = key
		} else if key != "" {
			p.Key = key + "." + p.Key
		}
		r.wrong(p.Line, p.Key, p.Value, p.Rule)
	}
}

// layer puts the keys of one layer in force.
func (r *reading) layer(l Layer) {
	r.origin = l.Name
	fields, problems := split(l.Data)
	r.take("", problems)
	r.forceAll(fields, "")
}

// forceAll puts the keys of one object in force; prefix is that of a section.
func (r *reading) forceAll(fields []field, prefix string) {
	first := make(map[string]int)
	for _, f := range fields {
		if len(r.problems) == maxProblems {
			return
		}
		f.key = prefix + f.key
		inSection := strings.HasPrefix(f.key, openSection+".")
		if f.key != openSection && (ruleOf(f.key) == "" || inSection && prefix == "") {
			r.unknown(f)
			continue
		}
		if line, ok := first[f.key]; ok {
			r.wrong(f.line, f.key, excerpt(f.raw), fmt.Sprintf("must not be there twice; it is on line %d", line))
			continue
		}
		first[f.key] = f.line
		if f.key == openSection {
			r.section(f)
			continue
		}
		r.force(held{f, r.origin})
	}
}

// force lets h take the place of what an earlier layer said.
func (r *reading) force(h held) {
	for i := range r.fields {
		if r.fields[i].key == h.key {
			r.fields[i] = h
			return
		}
	}
	r.fields = append(r.fields, h)
}

func (r *reading) unknown(f field) {
	rule := "is not a key of a configuration"
	inSection := openSection + "." + strings.TrimPrefix(f.key, openSection+".")
	if m := meant(f.key); ruleOf(inSection) != "" {
		rule += fmt.Sprintf("; %q is one of the section %q", strings.TrimPrefix(inSection, openSection+"."), openSection)
	} else if m != "" {
		rule += fmt.Sprintf("; did you mean %q?", m)
	}
	r.wrong(f.line, excerpt([]byte(f.key)), excerpt(f.raw), rule)
}

func ruleOf(key string) string {
	for _, k := range Keys() {
		if k.Name == key {
			return k.rule
		}
	}
	return ""
}

// values fills the Config: the defaults of the profile first, then what is set.
func (r *reading) values() {
	keys := Keys()
	r.defaults(keys)
	for _, h := range r.fields {
		r.origin = h.origin
		r.config.settings[h.key] = setting{h.origin, h.line, string(h.raw)}
		for _, k := range keys {
			switch {
			case k.Name != h.key:
			case value(h.raw).null():
				r.null(k, h)
			case k.Name == "serve":
				r.config.Serve = r.serve(h.field)
			case k.Open && r.openValue(h):
			case !k.set(r.config, value(h.raw)):
				r.wrong(h.line, k.Name, excerpt(h.raw), k.rule)
			}
		}
	}
	if r.config.seedHost != "" {
		first := node.Node{ID: r.config.seedID, Hosts: []string{r.config.seedHost}}
		text := r.config.seedHost
		if !first.ID.IsZero() {
			text = first.String()
		}
		r.config.Seeds = append([]string{text}, r.config.Seeds...)
	}
}

func (r *reading) null(k Key, h held) {
	switch {
	case k.Required:
		r.wrong(h.line, k.Name, "null", k.rule)
	case k.Name == "heartbeat_interval":
		r.warn(h, "heartbeats cannot be turned off; the default is taken")
	}
}

func (r *reading) warn(h held, rule string) {
	r.config.Warnings = append(r.config.Warnings, Problem{h.origin, h.line, h.key, excerpt(h.raw), rule})
}

// defaults sets every key that is not required to its default.
func (r *reading) defaults(keys []Key) {
	profile := "fast"
	for _, k := range keys {
		if _, ok := r.find(k.Name); ok && k.Timing {
			profile = "seed"
		}
	}
	r.config.profile = profile
	if h, ok := r.find("profile"); ok {
		value(h.raw).profile(r.config)
	}
	for _, k := range keys {
		switch {
		case k.Required || k.set == nil || k.Name == "profile" || k.Open && r.config.Open == nil:
		case k.Fast != "" && r.config.profile == "fast":
			k.set(r.config, value(k.Fast))
		default:
			k.set(r.config, value(k.Default))
		}
	}
}

// find returns what is set for a key; null is not.
func (r *reading) find(key string) (held, bool) {
	for _, h := range r.fields {
		if h.key == key && !value(h.raw).null() {
			return h, true
		}
	}
	return held{}, false
}

// missing says which required keys are not there at all.
func (r *reading) missing() {
	if len(r.fields) == 0 && len(r.problems) > 0 {
		return // it is not a configuration at all
	}
	r.origin = ""
	if r.config.Open != nil && !r.wantsCluster() {
		r.withoutCluster()
		return
	}
	for _, k := range Keys() {
		if _, ok := r.config.settings[k.Name]; k.Required && !ok {
			r.wrong(0, k.Name, "", "is missing; it "+k.rule)
		}
	}
}

// wantsCluster tells that one of the certificate's keys is there, which then
// need the others.
func (r *reading) wantsCluster() bool {
	for _, k := range Keys() {
		if _, ok := r.config.settings[k.Name]; ok && k.Required {
			return true
		}
	}
	return false
}

// withoutCluster warns of what is set in vain.
func (r *reading) withoutCluster() {
	for _, h := range r.fields {
		if !strings.HasPrefix(h.key, openSection+".") && h.key != "admin" && !value(h.raw).null() {
			r.origin = h.origin
			r.warn(h, "has no effect: without ca_cert_file, cert_file and key_file the node is in the open network only")
		}
	}
}

// good tells that none of these keys has a problem.
func (r *reading) good(keys ...string) bool {
	return !slices.ContainsFunc(r.problems, func(p Problem) bool { return slices.Contains(keys, p.Key) })
}

// crossRules hold between keys that are good each for itself.
func (r *reading) crossRules() {
	if r.config.Open != nil && !r.wantsCluster() {
		return
	}
	p := r.config.Profile
	ms := func(d time.Duration) int64 { return d.Milliseconds() }
	// Blame the key that was set; if both were, the first.
	blame := func(rule, otherRule, key, other string) {
		h, ok := r.find(key)
		if !ok {
			key, rule = other, otherRule
			h, _ = r.find(key)
		}
		r.origin = h.origin
		r.wrong(h.line, key, excerpt([]byte(r.config.Text(key))), rule)
	}
	if p.Heartbeat >= p.MaxInterval && r.good("heartbeat_interval", "max_interval") {
		blame(fmt.Sprintf("must be less than max_interval (%d)", ms(p.MaxInterval)),
			fmt.Sprintf("must be more than heartbeat_interval (%d)", ms(p.Heartbeat)), "heartbeat_interval", "max_interval")
	}
	if p.Initial > p.MaxInterval && r.good("initial_interval", "max_interval") {
		blame(fmt.Sprintf("must not be more than max_interval (%d)", ms(p.MaxInterval)),
			fmt.Sprintf("must not be less than initial_interval (%d)", ms(p.Initial)), "initial_interval", "max_interval")
	}
	if p.Seeds+p.Others == 0 && r.good("seed_amount", "not_seed_amount") {
		blame("must not be 0 when not_seed_amount is 0", "must not be 0 when seed_amount is 0", "seed_amount", "not_seed_amount")
	}
	if (r.config.SeedName != "" || !r.config.seedID.IsZero()) && r.config.seedHost == "" && r.good("seed_host") {
		blame("needs a seed_host that it is the name of", "", "seed_host_name", "")
	}
	detection := time.Duration(p.Phi * float64(p.Heartbeat))
	if p.Grace < detection {
		h, _ := r.find("unlive_node_grace_period")
		h.key, h.raw = "unlive_node_grace_period", []byte(fmt.Sprint(ms(p.Grace)))
		r.warn(h, fmt.Sprintf("is shorter than the time to find a death, phi_threshold x heartbeat_interval = %d: the dead are shown only briefly", ms(detection)))
	}
}
