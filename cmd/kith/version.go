package main

import (
	"runtime"
	"runtime/debug"

	"kith/cmd/kith/internal/show"
)

type versionCmd struct {
	Licenses bool `help:"List the modules that are built in, with their licences."`
}

func (versionCmd) Help() string {
	return "Example:\n\n    kith version\n    kith version --licenses -o json"
}

type versionDoc struct {
	Schema  int      `json:"schema"`
	Version string   `json:"version"`
	Commit  string   `json:"commit,omitempty"`
	Go      string   `json:"go"`
	System  string   `json:"system"`
	License string   `json:"license"`
	Modules []module `json:"modules,omitempty"`
}

type module struct {
	Path    string `json:"path"`
	Version string `json:"version"`
	License string `json:"license"`
}

// licenses are those of the modules we use, read from their LICENSE files. A
// test fails for a module that is built in and stands not here.
var licenses = map[string]string{
	"github.com/alecthomas/kong":       "MIT",
	"github.com/golang/snappy":         "BSD-3-Clause",
	"github.com/mr-tron/base58":        "MIT",
	"github.com/quic-go/quic-go":       "MIT",
	"gitlab.com/yawning/secp256k1-voi": "BSD-3-Clause",
	"golang.org/x/crypto":              "BSD-3-Clause",
	"golang.org/x/net":                 "BSD-3-Clause",
	"golang.org/x/sys":                 "BSD-3-Clause",
}

// build is the version and, if known, the commit that this binary is made of.
func build() (version, commit string, deps []*debug.Module) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown", "", nil
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			commit = s.Value
		}
	}
	return info.Main.Version, commit, info.Deps
}

func (c *versionCmd) Run(a *app) error {
	version, commit, deps := build()
	doc := versionDoc{Schema: schema, Version: version, Commit: commit, Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, License: "Apache-2.0"}
	if c.Licenses {
		doc.Modules = []module{{Path: "Go", Version: runtime.Version(), License: "BSD-3-Clause"}}
		for _, d := range deps {
			doc.Modules = append(doc.Modules, module{Path: d.Path, Version: d.Version, License: licenses[d.Path]})
		}
	}
	return a.Print(doc, func() *show.Table {
		if !c.Licenses {
			t := new(show.Table)
			t.Row("kith", doc.Version, doc.Go, doc.System)
			return t
		}
		t := &show.Table{Columns: show.Narrow("MODULE", "VERSION", "LICENSE")}
		t.Row("kith", doc.Version, doc.License)
		for _, m := range doc.Modules {
			t.Row(m.Path, m.Version, m.License)
		}
		return t
	})
}
