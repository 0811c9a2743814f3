package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"kith/cert"
	"kith/cluster"
	"kith/cmd/kith/internal/exit"
)

// source says where a configuration comes from: flags before the environment
// before the file before the defaults.
type source struct {
	Config string   `short:"c" required:"" help:"The configuration, a JSON file; - is standard input." placeholder:"FILE"`
	Set    []string `sep:"none" help:"Set a key of the configuration; may be given several times. $KITH_<KEY> does the same." placeholder:"KEY=VALUE"`
}

func (s source) load(a *app) (*cluster.Config, error) {
	data, err := readInput(a, s.Config, maxFile)
	if err != nil {
		return nil, exit.Errorf(exit.Config, "kith init writes a configuration", "config: %w", err)
	}
	layers := []cluster.Layer{{Name: s.Config, Data: data}}
	for _, k := range cluster.Keys() {
		name := envName(k.Name)
		if text, ok := os.LookupEnv(name); ok {
			layers = append(layers, layerOf("$"+name, k.Name, k.Type, text))
		}
	}
	for _, set := range s.Set {
		key, text, found := strings.Cut(set, "=")
		if !found {
			return nil, exit.Errorf(exit.Usage, "kith config explain lists the keys", "--set %s: want KEY=VALUE", set)
		}
		layers = append(layers, layerOf("--set", key, typeOf(key), text))
	}
	c, err := cluster.FromLayers(layers...)
	if err != nil {
		return nil, exit.With(err, exit.Config, explainHint(err))
	}
	return c, nil
}

// layerOf is a configuration of one key. A text needs no quotes there.
func layerOf(name, key, keyType, text string) cluster.Layer {
	if strings.HasPrefix(keyType, "text") && !strings.HasPrefix(text, `"`) && !strings.HasPrefix(text, "[") {
		quoted, _ := json.Marshal(text) // a string always encodes
		text = string(quoted)
	}
	data := cmp.Or(text, `""`)
	section, inner, nested := strings.Cut(key, ".")
	if nested {
		data = object(inner, data)
	}
	return cluster.Layer{Name: name, Data: []byte(object(section, data))}
}

func object(key, value string) string {
	quoted, _ := json.Marshal(key) // a string always encodes
	return fmt.Sprintf("{%s: %s}", quoted, value)
}

// envName is the variable of the environment that sets a key.
func envName(key string) string {
	return "KITH_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

func typeOf(key string) string {
	for _, k := range cluster.Keys() {
		if k.Name == key {
			return k.Type
		}
	}
	return ""
}

// explainHint names the first key that is wrong, if that is a key at all.
func explainHint(err error) string {
	var bad *cluster.ConfigError
	if errors.As(err, &bad) {
		for _, p := range bad.Problems {
			key, _, _ := strings.Cut(p.Key, "[")
			if typeOf(key) != "" {
				return "kith config explain " + key
			}
			if key == "open" || strings.HasPrefix(key, "open.") {
				return "kith config explain open"
			}
		}
	}
	return "kith config explain lists the keys; kith init writes a configuration"
}

// checkFiles lists everything that is wrong with the files that a configuration
// names.
func checkFiles(c *cluster.Config) error {
	if err := c.CheckFiles(); err != nil {
		return exit.Errorf(exit.Config, filesHint(err), "%w", err)
	}
	if !c.InCluster() {
		return nil
	}
	files := &cert.Files{CA: c.CA, Cert: c.Cert, Key: c.Key, CRL: c.CRL}
	if _, err := files.Load(); err != nil {
		return exit.Errorf(exit.Config, fmt.Sprintf("kith certs verify --ca %s %s", c.CA, c.Cert), "certificates:\n%s", strings.Join(problemTexts(err), "\n"))
	}
	return nil
}

// filesHint says who makes the files that are no good.
func filesHint(err error) string {
	var bad *cluster.ConfigError
	if errors.As(err, &bad) && len(bad.Problems) == 1 && bad.Problems[0].Key == "open.key_file" {
		return "kith devp2p key --out FILE makes one"
	}
	return "kith certs ca and kith certs node make them; a path is relative to the directory kith runs in"
}

func warn(a *app, c *cluster.Config) {
	for _, w := range c.Warnings {
		fmt.Fprintf(a.err, "kith: warning: %s\n", w)
	}
}
