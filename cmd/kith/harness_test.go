package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"kith/cmd/kith/internal/admin"
)

// exitCode is the script command "exit CODE kith ARGS…": it runs the command and
// wants that very code. Its output goes to the files stdout.txt and stderr.txt.
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit CODE PROGRAM ARGS…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	var out, errOut bytes.Buffer
	path, err := exec.LookPath(args[1])
	ts.Check(err)
	cmd := exec.Command(path, args[2:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = ts.MkAbs("."), &out, &errOut
	cmd.Env = environment(ts)
	err = cmd.Run()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		ts.Fatalf("%v: %v", args[1:], err)
	}
	ts.Check(os.WriteFile(ts.MkAbs("stdout.txt"), out.Bytes(), 0o666))
	ts.Check(os.WriteFile(ts.MkAbs("stderr.txt"), errOut.Bytes(), 0o666))
	ts.Logf("%s%s", out.String(), errOut.String())
	if got := cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("%v ended with %d, want %d", args[1:], got, want)
	}
}

// environment is what of the script's matters to kith.
func environment(ts *testscript.TestScript) []string {
	env := os.Environ()
	for _, name := range []string{"XDG_RUNTIME_DIR", "TMPDIR", "KITH_NODE"} {
		env = append(env, name+"="+ts.Getenv(name))
	}
	return env
}

// script is every command of ours.
var script = map[string]func(*testscript.TestScript, bool, []string){
	"exit":      exitCode,
	"until":     until,
	"field":     field,
	"terminate": terminate,
	"gone":      gone,
	"large":     large,
	"load":      load,
}

// patience is how long a script waits for what should come.
const patience = time.Minute

// until is "until PATTERN PROGRAM ARGS…": it runs the command again and again
// until it succeeds and its output matches. That goes to the file stdout.txt.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until PATTERN PROGRAM ARGS…")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	path, err := exec.LookPath(args[1])
	ts.Check(err)
	var out, errOut bytes.Buffer
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		out.Reset()
		errOut.Reset()
		cmd := exec.Command(path, args[2:]...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = ts.MkAbs("."), &out, &errOut
		cmd.Env = environment(ts)
		if cmd.Run() == nil && pattern.Match(out.Bytes()) {
			ts.Check(os.WriteFile(ts.MkAbs("stdout.txt"), out.Bytes(), 0o666))
			return
		}
	}
	ts.Fatalf("%v did not say %q within %v, but:\n%s%s", args[1:], args[0], patience, out.String(), errOut.String())
}

// status asks a node, waiting until it is up.
func status(ts *testscript.TestScript, socket string) admin.Status {
	c := admin.Open(ts.MkAbs(socket))
	defer c.Close()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var s admin.Status
		if s, err = c.Status(context.Background()); err == nil {
			return s
		}
	}
	ts.Fatalf("no node at %s within %v: %v", socket, patience, err)
	return admin.Status{}
}

// field is "field VAR FIELD SOCKET": it waits for the node and puts a field of
// its status into a variable of the script.
func field(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: field VAR FIELD SOCKET")
	}
	text, err := json.Marshal(status(ts, args[2]))
	ts.Check(err)
	var all map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	ts.Check(d.Decode(&all))
	ts.Setenv(args[0], fmt.Sprint(all[args[1]]))
}

// terminate is "terminate SOCKET": it sends SIGTERM to the node's process.
func terminate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: terminate SOCKET")
	}
	p, err := os.FindProcess(status(ts, args[0]).PID)
	ts.Check(err)
	ts.Check(p.Signal(syscall.SIGTERM))
}

// gone is "gone FILE…": it waits until the processes whose numbers are in these
// files have ended.
func gone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: gone FILE…")
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		alive := slices.ContainsFunc(args, func(file string) bool {
			pid, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile(file)))
			ts.Check(err)
			p, err := os.FindProcess(pid)
			return err == nil && p.Signal(syscall.Signal(0)) == nil && !zombie(pid)
		})
		if !alive {
			return
		}
	}
	ts.Fatalf("some of the processes %v are still there after %v", args, patience)
}

// zombie tells of a process that has ended but that nobody has waited for, as
// happens to orphans where there is no init.
func zombie(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	return strings.HasPrefix(rest, "Z")
}

// large is "large FILE BYTES": it makes a file of no pattern.
func large(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: large FILE BYTES")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data) // it never fails
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o666))
}

// load is "load VAR FILE": it puts the only line of a file into a variable.
func load(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: load VAR FILE")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}
