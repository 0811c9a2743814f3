package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the scripts run this very binary as kith.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kith": main})
}

// TestScripts runs testdata/script: each is a session of somebody at a shell.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Cmds:                script,
		Setup: func(env *testscript.Env) error {
			runtimeDir, err := shortDir(env)
			env.Setenv("XDG_RUNTIME_DIR", runtimeDir)
			return err
		},
	})
}

// shortDir is for sockets, whose paths may not be long.
func shortDir(env *testscript.Env) (string, error) {
	dir, err := os.MkdirTemp("", "k")
	if err == nil {
		env.Defer(func() { _ = os.RemoveAll(dir) })
	}
	return dir, err
}
