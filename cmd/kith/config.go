package main

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"kith/cluster"
	"kith/cmd/kith/internal/exit"
	"kith/cmd/kith/internal/show"
)

type configCmd struct {
	Check   configCheckCmd   `cmd:"" help:"Say everything that is wrong with a configuration and its certificates."`
	Show    configShowCmd    `cmd:"" help:"Show every key that is in force, with --origin where it comes from."`
	Explain configExplainCmd `cmd:"" help:"Say what a key means and what it may be."`
	Schema  configSchemaCmd  `cmd:"" help:"Print the JSON schema of configurations."`
}

type configCheckCmd struct {
	File string   `arg:"" help:"The configuration, a JSON file; - is standard input."`
	Set  []string `sep:"none" help:"Set a key of the configuration; may be given several times." placeholder:"KEY=VALUE"`
}

func (configCheckCmd) Help() string {
	return "Opens the certificate and key files too, and judges them as peers would. Nothing is started.\n\nExample:\n\n    kith config check a.json"
}

func (c *configCheckCmd) Run(a *app) error {
	conf, err := source{c.File, c.Set}.load(a)
	if err != nil {
		return err
	}
	warn(a, conf)
	if err := checkFiles(conf); err != nil {
		return err
	}
	doc := struct {
		Schema   int      `json:"schema"`
		File     string   `json:"file"`
		OK       bool     `json:"ok"`
		Warnings []string `json:"warnings"`
	}{schema, c.File, true, []string{}}
	for _, w := range conf.Warnings {
		doc.Warnings = append(doc.Warnings, w.String())
	}
	return a.Print(doc, func() *show.Table {
		t := new(show.Table)
		t.Rows = [][]show.Cell{{{Text: c.File}, {Text: "ok", Tone: show.Good}}}
		return t
	})
}

type configShowCmd struct {
	File   string   `arg:"" help:"The configuration, a JSON file; - is standard input."`
	Origin bool     `help:"Tell where each value comes from: a line, the environment, a flag, the profile or the default."`
	Set    []string `sep:"none" help:"Set a key of the configuration; may be given several times." placeholder:"KEY=VALUE"`
}

func (configShowCmd) Help() string {
	return "A flag goes before the environment ($KITH_<KEY>), that before the file, that before the default.\n\nExample:\n\n    kith config show a.json --origin\n    kith config show a.json --set open.max_peers=10\n    kith config show a.json --set profile=seed"
}

type shownKey struct {
	Key    string          `json:"key"`
	Value  json.RawMessage `json:"value"`
	Origin string          `json:"origin"`
}

func (c *configShowCmd) Run(a *app) error {
	conf, err := source{c.File, c.Set}.load(a)
	if err != nil {
		return err
	}
	warn(a, conf)
	doc := struct {
		Schema int        `json:"schema"`
		Keys   []shownKey `json:"keys"`
	}{Schema: schema}
	for _, k := range cluster.Keys() {
		if k.Open && conf.Open == nil || !k.Open && k.Name != "admin" && !conf.InCluster() {
			continue // it is about a network that the node is not in
		}
		doc.Keys = append(doc.Keys, shownKey{k.Name, json.RawMessage(cmp.Or(conf.Text(k.Name), "null")), origin(conf, k.Name)})
	}
	return a.Print(doc, func() *show.Table {
		t := &show.Table{Columns: []show.Column{{Name: "KEY"}, {Name: "VALUE"}, {Name: "ORIGIN", Wide: !c.Origin}}}
		for _, k := range doc.Keys {
			t.Row(k.Key, string(k.Value), k.Origin)
		}
		return t
	})
}

// origin leaves out the line where there is but one.
func origin(c *cluster.Config, key string) string {
	text := c.Origin(key)
	if strings.HasPrefix(text, "$") || strings.HasPrefix(text, "--") {
		text = strings.TrimSuffix(text, " line 1")
	}
	return text
}

type configExplainCmd struct {
	Keys []string `arg:"" optional:"" name:"key" help:"Keys of a configuration; none means all."`
}

func (configExplainCmd) Help() string {
	return "Keys of the section \"open\" are named with it: open.listen; open alone lists them.\n\nExample:\n\n    kith config explain phi_threshold\n    kith config explain open\n    kith config explain -o json"
}

// explained is a cluster.Key for programs.
type explained struct {
	Key      string `json:"key"`
	Meaning  string `json:"meaning"`
	Rule     string `json:"rule"`
	Type     string `json:"type"`
	Unit     string `json:"unit,omitempty"`
	Required bool   `json:"required"`
	Default  string `json:"default,omitempty"`
	Fast     string `json:"default_fast,omitempty"`
	Zero     string `json:"zero,omitempty"`
	Empty    string `json:"empty,omitempty"`
	Null     string `json:"null"`
	Env      string `json:"env"`
}

func (c *configExplainCmd) Run(a *app) error {
	doc := struct {
		Schema int         `json:"schema"`
		Keys   []explained `json:"keys"`
	}{Schema: schema}
	wanted := make(map[string]bool)
	for _, key := range c.Keys {
		if typeOf(key) == "" && key != "open" {
			return exit.Errorf(exit.NotFound, "kith config explain lists the keys", "config: no key %q", key)
		}
		wanted[key] = true
	}
	for _, k := range cluster.Keys() {
		if len(c.Keys) == 0 || wanted[k.Name] || k.Open && wanted["open"] {
			doc.Keys = append(doc.Keys, explained{k.Name, k.Meaning, k.Rule(), k.Type, k.Unit, k.Required, k.Default, k.Fast, k.Zero, k.Empty, k.Null, envName(k.Name)})
		}
	}
	return a.Print(doc, func() *show.Table {
		return explainTable(doc.Keys, len(c.Keys) > 0 && !slices.Equal(c.Keys, []string{"open"}))
	})
}

// explainTable is a list of all keys, or everything about some.
func explainTable(keys []explained, whole bool) *show.Table {
	if !whole {
		t := &show.Table{Columns: show.Narrow("KEY", "DEFAULT", "MEANING")}
		for _, k := range keys {
			t.Row(k.Key, k.Default, k.Meaning)
		}
		return t
	}
	t := new(show.Table)
	for i, k := range keys {
		if i > 0 {
			t.Row("")
		}
		for _, pair := range [][2]string{
			{"key", k.Key},
			{"meaning", k.Meaning},
			{"type", k.Type},
			{"rule", k.Rule},
			{"unit", k.Unit},
			{"default", cmp.Or(k.Default, "none: it must be set")},
			{"with profile fast", k.Fast},
			{"0 means", k.Zero},
			{"empty means", k.Empty},
			{"null means", k.Null},
			{"environment", "$" + k.Env},
		} {
			if pair[1] != "" {
				t.Row(pair[0], pair[1])
			}
		}
	}
	return t
}

type configSchemaCmd struct{}

func (configSchemaCmd) Help() string {
	return "For editors and for programs that write configurations.\n\nExample:\n\n    kith config schema"
}

func (configSchemaCmd) Run(a *app) error {
	if a.Format == show.YAML {
		return a.Print(json.RawMessage(cluster.Schema()), nil)
	}
	_, err := a.out.Write(cluster.Schema())
	return err
}
