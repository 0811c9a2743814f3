package cluster_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"kith/cluster"
)

var update = flag.Bool("update", false, "write the golden files anew")

// good has all 18 keys of the seed, a line each from line 2 on, at their
// defaults but for the three paths.
var good = [][2]string{
	{"ca_cert_file", `"./tests/ca/ca_cert.pem"`},
	{"cert_file", `"./tests/A/a.crt"`},
	{"key_file", `"./tests/A/a.key"`},
	{"local_host", `"0.0.0.0:38080"`},
	{"seed_host", `""`},
	{"seed_host_name", `""`},
	{"phi_threshold", `8.0`},
	{"sampling_window_size", `1000`},
	{"max_interval", `10000`},
	{"initial_interval", `5000`},
	{"unlive_node_grace_period", `30000`},
	{"connect_timeout", `5000`},
	{"version", `[0, 1, 0]`},
	{"seed_amount", `1`},
	{"not_seed_amount", `1`},
	{"sync_timeout", `5000`},
	{"heartbeat_interval", `5000`},
	{"collect_interval", `30000`},
}

// text writes a configuration like good with another value for one key; an
// empty one leaves the key out, "a\nb" puts a whole text there instead.
func text(key, raw string) string {
	var lines []string
	for _, kv := range good {
		line := fmt.Sprintf("  %q: %s", kv[0], kv[1])
		switch {
		case kv[0] != key:
		case raw == "":
			continue
		case strings.HasPrefix(raw, "  "):
			line = raw
		default:
			line = fmt.Sprintf("  %q: %s", key, raw)
		}
		lines = append(lines, line)
	}
	return "{\n" + strings.Join(lines, ",\n") + "\n}\n"
}

func TestTheSeedsConfiguration(t *testing.T) {
	c, err := cluster.FromJSON([]byte(text("", "")))
	if err != nil {
		t.Fatal(err)
	}
	if c.Profile != cluster.Seed() {
		t.Errorf("Profile = %+v, want %+v", c.Profile, cluster.Seed())
	}
	if c.CA != "./tests/ca/ca_cert.pem" || c.Cert != "./tests/A/a.crt" || c.Key != "./tests/A/a.key" || c.ListenAddr != "0.0.0.0:38080" {
		t.Errorf("paths and address are %q %q %q %q", c.CA, c.Cert, c.Key, c.ListenAddr)
	}
	if c.Version != [3]uint16{0, 1, 0} || c.DialTimeout != 5*time.Second || len(c.Seeds) != 0 || c.SeedName != "" {
		t.Errorf("version %v, timeout %v, seeds %v, seed name %v", c.Version, c.DialTimeout, c.Seeds, c.SeedName)
	}
	// The seed's own grace is shorter than its detection time: allowed, but said.
	if len(c.Warnings) != 1 || c.Warnings[0].Key != "unlive_node_grace_period" || c.Warnings[0].Line != 12 {
		t.Errorf("Warnings = %v, want one about unlive_node_grace_period on line 12", c.Warnings)
	}
}

const required = `"ca_cert_file": "ca.pem", "cert_file": "a.crt", "key_file": "a.key"`

func TestProfiles(t *testing.T) {
	slow := cluster.Fast()
	slow.MaxInterval = 20 * time.Second
	window := cluster.Seed()
	window.Window = 10
	slowSeed := cluster.Seed()
	slowSeed.MaxInterval = 20 * time.Second
	for _, test := range []struct {
		extra string
		want  cluster.Profile
	}{
		{``, cluster.Fast()},
		{`, "connect_timeout": 7000, "sync_timeout": 5000, "seed_amount": 1`, cluster.Fast()},
		{`, "profile": "seed"`, cluster.Seed()},
		{`, "heartbeat_interval": null`, cluster.Fast()},
		{`, "heartbeat_interval": 0`, cluster.Seed()},
		{`, "sampling_window_size": 10`, window},
		{`, "max_interval": 20000`, slowSeed},
		{`, "profile": "fast", "max_interval": 20000`, slow},
		{`, "profile": null, "max_interval": 20000`, slowSeed},
	} {
		c, err := cluster.FromJSON([]byte("{" + required + test.extra + "}"))
		if err != nil {
			t.Errorf("FromJSON(%s): %v", test.extra, err)
		} else if c.Profile != test.want {
			t.Errorf("FromJSON(%s) has profile %+v, want %+v", test.extra, c.Profile, test.want)
		}
	}
}

// cases are what may stand for each key, besides those that are the same for
// all. A case that begins with ok is taken, the others are refused.
var cases = map[string][][2]string{
	"ca_cert_file":             paths,
	"cert_file":                paths,
	"key_file":                 paths,
	"local_host":               {{"empty", `""`}, {"wrong type", `8080`}, {"no port", `"0.0.0.0"`}, {"port too high", `"0.0.0.0:65536"`}, {"port below", `"0.0.0.0:-1"`}, {"ok any port", `":0"`}, {"ok IPv6", `"[::]:38080"`}},
	"seed_host":                {{"ok empty", `""`}, {"wrong type", `["a:1"]`}, {"no port", `"a"`}, {"port 0", `"a:0"`}, {"port too high", `"a:65536"`}, {"no host", `":1"`}, {"ok name", `"seed.example:1"`}, {"ok IPv6", `"[2001:db8::1]:65535"`}},
	"seed_host_name":           {{"ok empty", `""`}, {"wrong type", `7`}, {"a slip in an id", `"VmvoecS91YdyzncoXp94iFgkmCu82SitFTfFYT4DeK"`}, {"no name at all", `"a b"`}, {"with a generation", `"VmvoecS91YdyzncoXp94iFgkmCu82SitFTfFYT4DeKR/1701161221917"`}, {"without a seed_host", `"VmvoecS91YdyzncoXp94iFgkmCu82SitFTfFYT4DeKR"`}},
	"phi_threshold":            {{"wrong type", `"8"`}, {"empty", `""`}, {"zero", `0`}, {"below", `0.99`}, {"above", `50.1`}, {"far above", `1e400`}, {"negative", `-8`}, {"ok lowest", `1`}, {"ok highest", `50`}},
	"sampling_window_size":     {{"wrong type", `"1000"`}, {"empty", `[]`}, {"zero", `0`}, {"below", `9`}, {"above", `10001`}, {"fraction", `10.5`}, {"ok lowest", `10`}, {"ok highest", `1e4`}},
	"max_interval":             times("5001"),
	"initial_interval":         times("100"),
	"unlive_node_grace_period": append(times("100"), [2]string{"ok highest", `3600000`}),
	"connect_timeout":          timesOrZero,
	"version":                  {{"wrong type", `"0.1.0"`}, {"empty", `[]`}, {"two numbers", `[0, 1]`}, {"four numbers", `[0, 1, 0, 0]`}, {"zero", `[0, 0, 0]`}, {"below", `[0, -1, 0]`}, {"above", `[256, 0, 0]`}, {"third above", `[0, 0, 65536]`}, {"fraction", `[0, 1.5, 0]`}, {"NaN within", `[0, NaN, 0]`}, {"null within", `[0, null, 0]`}, {"ok highest", `[255, 255, 65535]`}},
	"seed_amount":              amounts,
	"not_seed_amount":          amounts,
	"sync_timeout":             timesOrZero,
	"heartbeat_interval":       append(times("100"), [2]string{"ok zero", `0`}, [2]string{"not less than max_interval", `10000`}),
	"collect_interval":         append(times("100"), [2]string{"ok highest", `3600000`}),
}

var paths = [][2]string{{"empty", `""`}, {"wrong type", `true`}, {"blank", `" "`}, {"with a NUL", `"a\u0000b"`}, {"ok", `"/etc/kith/a.pem"`}}

var amounts = [][2]string{{"wrong type", `"1"`}, {"empty", `""`}, {"below", `-1`}, {"above", `17`}, {"fraction", `0.5`}, {"ok zero", `0`}, {"ok highest", `16`}}

func times(lowest string) [][2]string {
	return [][2]string{{"wrong type", `"5s"`}, {"empty", `""`}, {"below", `99`}, {"above", `3600001`}, {"fraction", `5000.5`}, {"ok lowest", lowest}, {"ok as JavaScript may write it", `6.0e3`}}
}

var timesOrZero = append(times("100"), [2]string{"ok highest", `3600000`}, [2]string{"ok zero", `0`})

// Every key x every case: refused or taken as the case says, blamed on the right
// key and line, worded as in testdata/problems.txt.
func TestEveryKeyInEveryCase(t *testing.T) {
	var golden strings.Builder
	for i, kv := range good {
		key, line := kv[0], i+2
		isPath := i < 3
		all := append(slices.Clone(cases[key]), [][2]string{
			{"missing", ``},
			{"null", `null`},
			{"NaN", `NaN`},
			{"-Infinity", `-Infinity`},
			{"undefined", `undefined`},
			{"an object", `{"a": [1]}`},
			{"byte order mark before the value", "\ufeff" + kv[1]},
			{"unknown", fmt.Sprintf("  %q: %s", "x"+key, kv[1])},
			{"misspelt", fmt.Sprintf("  %q: %s", strings.Replace(key, "_", "", 1)+"s", kv[1])},
			{"in capitals", fmt.Sprintf("  %q: %s", strings.ToUpper(key), kv[1])},
			{"twice", fmt.Sprintf("  %q: %s,\n  %q: %s", key, kv[1], key, kv[1])},
			{"without a value", fmt.Sprintf("  %q:", key)},
			{"without quotes", fmt.Sprintf("  %s: %s", key, kv[1])},
		}...)
		for _, c := range all {
			_, err := cluster.FromJSON([]byte(text(key, c[1])))
			ok := strings.HasPrefix(c[0], "ok") || (c[0] == "missing" || c[0] == "null") && !isPath
			if ok != (err == nil) {
				t.Errorf("%s %s (%s): error is %v", key, c[0], c[1], err)
			}
			if err == nil {
				fmt.Fprintf(&golden, "%s, %s: taken\n", key, c[0])
				continue
			}
			fmt.Fprintf(&golden, "%s, %s: %v\n", key, c[0], err)
			var ce *cluster.ConfigError
			if !errors.As(err, &ce) {
				t.Fatalf("%s %s: the error is a %T", key, c[0], err)
			}
			want := line
			switch c[0] {
			case "missing":
				want = 0
			case "twice":
				want = line + 1
			}
			if p := ce.Problems[0]; p.Line != want || p.Key == "" || p.Rule == "" {
				t.Errorf("%s %s: the first problem is %+v, want line %d, a key and a rule", key, c[0], p, want)
			}
		}
	}
	checkGolden(t, "testdata/problems.txt", golden.String())
}

func checkGolden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			t.Fatalf("%s line %d:\n got %s\nwant %s\n(go test ./cluster -run %s -update)", name, i+1, g[i], w[i], t.Name())
		}
	}
	t.Errorf("%s has %d lines, want %d", name, len(w), len(g))
}

func TestAllProblemsAtOnce(t *testing.T) {
	_, err := cluster.FromJSON([]byte(`{
  "cert_file": "",
  "local_host": 8080,
  "phi_threshold": NaN,
  "phi_treshold": 9,
  "max_interval": 1,
  "version": [0, 0, 0],
  "seed_amount": 0,
  "not_seed_amount": 0,
  "seed_amount": 1
}`))
	const want = `cluster: config: 9 problems:
  line 2: cert_file: "": must be the path of a PEM file
  line 3: local_host: 8080: must be host:port to listen on, such as 0.0.0.0:8080 or [::]:8080; port 0 takes any
  line 4: phi_threshold: NaN: must be a number from 1 to 50
  line 5: phi_treshold: 9: is not a key of a configuration; did you mean "phi_threshold"?
  line 6: max_interval: 1: must be a whole number of milliseconds from 100 to 3600000 (1 h)
  line 7: version: [0, 0, 0]: must be a list of three numbers, up to 255, 255 and 65535, not all 0
  line 10: seed_amount: 1: must not be there twice; it is on line 8
  ca_cert_file: is missing; it must be the path of a PEM file
  key_file: is missing; it must be the path of a PEM file`
	if got := fmt.Sprint(err); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestWholeTexts(t *testing.T) {
	for _, test := range []struct{ name, data, want string }{
		{"empty", "", `line 1: a configuration must be an object: {"key": value, …}`},
		{"a list", "\n[1]", `line 2: [1]: a configuration must be an object: {"key": value, …}`},
		{"byte order mark", "\ufeff{" + required + "}", ""},
		{"UTF-16", "\xff\xfe{\x00", "line 1: the text must be UTF-8, this is UTF-16"},
		{"Latin-1", "{\n\"a\": \"\xe9\"}", "line 2: the text must be UTF-8"},
		{"not closed", "{" + required, "line 1: the closing } is missing"},
		{"something after it", "{" + required + "}\n{}", "line 2: {}: nothing may follow the closing }"},
		{"comma at the end", "{" + required + ",\n}", "line 1: no comma may stand before the closing }"},
		{"comma at the start", "{," + required + "}", "line 1: a key is missing before the comma"},
		{"no comma", `{"ca_cert_file": "a"` + "\n" + `"cert_file": "b", "key_file": "c"}`, `line 2: "cert_file": "b", "k: a comma must stand before this`},
		{"comments", "// ours\n{/* a\nb */" + required + "} // end", ""},
		{"a comment's line", "{" + required + "/* a\nb */, // x\n \"x\": 1}", "line 3: x: 1: is not a key of a configuration"},
		{"// in a text", `{"ca_cert_file": "//host/ca.pem", "cert_file": "/*", "key_file": "*/"}`, ""},
		{"a text without end", "{\"ca_cert_file\": \"a,\n" + required + "}", `line 1: ca_cert_file: "a,: must be the path of a PEM file`},
		{"too long", strings.Repeat(" ", 1<<20+1), "a configuration must have at most 1 MiB"},
	} {
		_, err := cluster.FromJSON([]byte(test.data))
		if err == nil {
			if test.want != "" {
				t.Errorf("%s: no error, want %s", test.name, test.want)
			}
			continue
		}
		var ce *cluster.ConfigError
		if !errors.As(err, &ce) || ce.Problems[0].String() != test.want {
			t.Errorf("%s: %v, want first %s", test.name, err, test.want)
		}
	}
}

func TestOwnKeys(t *testing.T) {
	c, err := cluster.FromJSON([]byte(`{` + required + `,
		"seed_host": "a.example:1", "seed_host_name": "VmvoecS91YdyzncoXp94iFgkmCu82SitFTfFYT4DeKR",
		"seeds": ["b.example:2"], "advertise": "a.example:38080", "admin": "/run/a.sock", "crl_file": "crl.pem", "state_file": "s",
		"serve": [
			{"port": 8080, "name": "upper", "mode": "request", "command": ["tr", "a-z", "A-Z"]},
			{"port": 8081, "mode": 3, "command": ["cat"]}
		]}`))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.Seeds, []string{"kith://VmvoecS91YdyzncoXp94iFgkmCu82SitFTfFYT4DeKR@a.example:1", "b.example:2"}) || c.SeedName != "" || !slices.Equal(c.Advertise, []string{"a.example:38080"}) {
		t.Errorf("seeds %v, seed name %v, advertise %v", c.Seeds, c.SeedName, c.Advertise)
	}
	if c.Admin != "/run/a.sock" || c.CRL != "crl.pem" || c.StateFile != "s" {
		t.Errorf("admin %q, crl %q, state %q", c.Admin, c.CRL, c.StateFile)
	}
	if len(c.Serve) != 2 || c.Serve[0].Port != 8080 || c.Serve[0].Name != "upper" || c.Serve[0].Mode != 2 || len(c.Serve[0].Command) != 3 || c.Serve[1].Mode != 3 {
		t.Errorf("serve = %+v", c.Serve)
	}
}

func TestASeedsNameInItsCertificate(t *testing.T) {
	c, err := cluster.FromJSON([]byte(`{` + required + `, "seed_host": "a.example:1", "seed_host_name": "a", "seeds": ["kith://VmvoecS91YdyzncoXp94iFgkmCu82SitFTfFYT4DeKR@[::1]:2"]}`))
	if err != nil {
		t.Fatal(err)
	}
	n := c.Node()
	if n.SeedName != "a" || !slices.Equal(n.Seeds, []string{"a.example:1", "kith://VmvoecS91YdyzncoXp94iFgkmCu82SitFTfFYT4DeKR@[::1]:2"}) {
		t.Errorf("SeedName %q, Seeds %v", n.SeedName, n.Seeds)
	}
}

func TestOwnKeysRefused(t *testing.T) {
	for _, test := range []struct{ extra, want string }{
		{`"profile": "slow"`, `line 1: profile: "slow": must be "fast" or "seed"`},
		{`"seeds": "a:1"`, `line 1: seeds: "a:1": must be a list of at most 16 host:port to dial, or kith://id@host:port if nobody else may answer`},
		{`"seeds": ["a"]`, `line 1: seeds: ["a"]: must be a list of at most 16 host:port to dial, or kith://id@host:port if nobody else may answer`},
		{`"advertise": "0"`, `line 1: advertise: "0": must be host:port, or a list of at most 8, under which others reach this node`},
		{`"admin": 1`, `line 1: admin: 1: must be the path of a socket to make`},
		{`"serve": {}`, `line 1: serve: {}: must be a list of {"port": 1 to 65535, "name": text, "mode": "send", "request" or "unreliable", "command": [program, argument, …]}`},
		{`"serve": [{"port": 0, "mode": 2, "command": ["a"]}]`, `line 1: serve[0].port: 0: must be a whole number from 1 to 65535`},
		{"\"serve\": [\n{\"port\": 1, \"mode\": 4, \"command\": [\"a\"]}]", `line 2: serve[0].mode: 4: must be "send", "request" or "unreliable", or the seed's 1, 2 or 3`},
		{`"serve": [{"port": 1, "mode": 2}]`, `line 1: serve[0].command: must be there`},
		{`"serve": [{"port": 1, "mode": 2, "command": []}]`, `line 1: serve[0].command: []: must be a list of at most 1000 texts: the program, then its arguments`},
		{`"serve": [{"port": 1, "mode": 2, "command": ["true"` + strings.Repeat(`, "x"`, 1000) + `]}]`, `line 1: serve[0].command: ["true", "x", "x", "x", "x", "x", "x", "x", "x", "x", "x", "…: must be a list of at most 1000 texts: the program, then its arguments`},
		{`"serve": [{"port": 1, "mode": 2, "command": "cat"}]`, `line 1: serve[0].command: "cat": must be a list of at most 1000 texts: the program, then its arguments`},
		{`"serve": [{"port": 1, "mode": 2, "command": ["a"], "pid": 1}]`, `line 1: serve[0].pid: 1: is not a key here: port, name, mode and command are`},
		{`"serve": [{"port": 1, "mode": 2, "command": ["a"]}, {"port": 1, "mode": 1, "command": ["b"]}]`, `line 1: serve[1].port: 1: must not be there twice`},
		{`"serve": [7]`, `line 1: serve[0]: 7: must be a list of {"port": 1 to 65535, "name": text, "mode": "send", "request" or "unreliable", "command": [program, argument, …]}`},
		{`"serve": [{"port": 1,, "mode": 2, "command": ["a"]}]`, `line 1: serve[0]: a key is missing before the comma`},
		{`"max_interval": 300`, `line 1: max_interval: 300: must be more than heartbeat_interval (5000)`},
		{`"initial_interval": 20000`, `line 1: initial_interval: 20000: must not be more than max_interval (10000)`},
		{`"seed_amount": 0, "not_seed_amount": 0`, `line 1: seed_amount: 0: must not be 0 when not_seed_amount is 0`},
	} {
		_, err := cluster.FromJSON([]byte("{" + required + ", " + test.extra + "}"))
		var ce *cluster.ConfigError
		if !errors.As(err, &ce) || ce.Problems[0].String() != test.want {
			t.Errorf("FromJSON(%s):\n got %v\nwant %s", test.extra, err, test.want)
		}
	}
}

func TestLayers(t *testing.T) {
	file := cluster.Layer{Name: "kith.json", Data: []byte("{" + required + ",\n\"phi_threshold\": 9, \"connect_timeout\": 7000}")}
	flags := cluster.Layer{Name: "--set", Data: []byte(`{"connect_timeout": 8000}`)}
	c, err := cluster.FromLayers(file, flags)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range [][3]string{
		{"phi_threshold", "9", "kith.json line 2"},
		{"connect_timeout", "8000", "--set line 1"},
		{"heartbeat_interval", "5000", "default"},
		{"profile", `"seed"`, "default"},
		{"key_file", `"a.key"`, "kith.json line 1"},
		{"version", "[0, 1, 0]", "default"},
		{"no_such", "", "default"},
	} {
		if text, origin := c.Text(test[0]), c.Origin(test[0]); text != test[1] || origin != test[2] {
			t.Errorf("%s is %s from %s, want %s from %s", test[0], text, origin, test[1], test[2])
		}
	}
	c, err = cluster.FromJSON([]byte("{" + required + "}"))
	if err != nil || c.Text("heartbeat_interval") != "1000" || c.Origin("heartbeat_interval") != "profile fast" {
		t.Errorf("heartbeat_interval is %s from %s (%v), want 1000 from profile fast", c.Text("heartbeat_interval"), c.Origin("heartbeat_interval"), err)
	}
	flags.Data = []byte(`{"connect_timeout": 1}`)
	if _, err = cluster.FromLayers(file, flags); err == nil || !strings.HasPrefix(err.Error(), "cluster: config: --set: line 1: connect_timeout: 1: must be") {
		t.Errorf("a bad flag gives %v", err)
	}
}

func TestCheckFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("a.crt", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := cluster.FromJSON([]byte("{" + required + "}"))
	if err != nil {
		t.Fatal(err)
	}
	const want = "cluster: config: 2 problems:\n" +
		"  line 1: ca_cert_file: \"ca.pem\": cannot be opened: no such file or directory\n" +
		"  line 1: key_file: \"a.key\": cannot be opened: no such file or directory"
	if err := c.CheckFiles(); err == nil || err.Error() != want {
		t.Errorf("CheckFiles() = %v, want %s", err, want)
	}
}

func TestKeysHoldTheSeedsEighteen(t *testing.T) {
	keys := cluster.Keys()
	for i, kv := range good {
		if k := keys[i]; k.Name != kv[0] || !k.Seed || k.Meaning == "" || k.Rule() == "" || k.Null == "" {
			t.Errorf("key %d is %+v, want %s with all that describes it", i, k, kv[0])
		}
	}
	if keys[len(good)].Seed {
		t.Errorf("%s counts as one of the seed's", keys[len(good)].Name)
	}
}

func TestSchemaIsJSON(t *testing.T) {
	s := string(cluster.Schema())
	for _, kv := range good {
		if !strings.Contains(s, `"`+kv[0]+`": {`) {
			t.Errorf("the schema lacks %s", kv[0])
		}
	}
}

// The tables of docs/CONFIG.md are made from Keys, so they cannot rot.
func TestTheDocumentIsTrue(t *testing.T) {
	const name = "../docs/CONFIG.md"
	old, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- keys -->\n", "<!-- /keys -->"
	head, rest, ok := strings.Cut(string(old), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s lacks its marks", name)
	}
	checkGolden(t, name, head+begin+keyTable()+end+tail)
}

func keyTable() string {
	var b strings.Builder
	keys := cluster.Keys()
	for i, k := range keys {
		if i == 0 || i == len(good) || k.Open && !keys[i-1].Open {
			title := "The seed's keys"
			switch {
			case k.Open:
				title = "The section `open`"
			case i > 0:
				title = "Ours"
			}
			fmt.Fprintf(&b, "\n### %s\n\n| key | default | what it is | must be | 0 | empty | null |\n|---|---|---|---|---|---|---|\n", title)
		}
		def := "required"
		switch {
		case k.Fast != "":
			def = fmt.Sprintf("`%s`, fast `%s`", k.Default, k.Fast)
		case k.Default != "":
			def = "`" + k.Default + "`"
		}
		if k.Unit != "" {
			def += " " + k.Unit
		}
		zero, empty := "", k.Empty
		if k.Zero != "" {
			zero = k.Zero
		}
		if k.Timing {
			def += " (t)"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s |\n", k.Name, def, k.Meaning, strings.TrimPrefix(k.Rule(), "must be "), zero, empty, k.Null)
	}
	return b.String() + "\n"
}

func FuzzFromJSON(f *testing.F) {
	f.Add([]byte(text("", "")))
	f.Add([]byte(`{"open": {"listen": ":1", "static_nodes": ["` + enode + `"], "net_restrict": ["10.0.0.1"]}}`))
	f.Add([]byte(`{"serve": [{"port": 1, "mode": "send", "command": ["a", 'b]}], // x` + "\n" + `"version": [1,2}`))
	for _, c := range []string{"{", "{,", `{"a`, `{"a"`, `{"a":`, `{"a":1`, "{]", "[}", "{'a':{[}", "/*", "{//", "{\"\\"} {
		f.Add([]byte(c))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := cluster.FromJSON(data)
		if err != nil {
			var ce *cluster.ConfigError
			if !errors.As(err, &ce) || len(ce.Problems) == 0 || c != nil {
				t.Fatalf("FromJSON = %v, %#v", c, err)
			}
			for _, p := range ce.Problems {
				if p.Rule == "" || p.Line < 0 || strings.ContainsAny(p.String(), "\n\r\x00") {
					t.Errorf("problem %+v", p)
				}
			}
			return
		}
		// What was taken can be written down again and means the same.
		written := writtenDown(c)
		again, err := cluster.FromJSON([]byte(written))
		if err != nil {
			t.Fatalf("%s\ncame back as\n%s\n%v", data, written, err)
		}
		if again.Profile != c.Profile || again.ListenAddr != c.ListenAddr || !slices.Equal(again.Seeds, c.Seeds) || len(again.Serve) != len(c.Serve) || (again.Open == nil) != (c.Open == nil) ||
			c.Open != nil && (again.Open.ListenAddr != c.Open.ListenAddr || len(again.Open.StaticNodes) != len(c.Open.StaticNodes)) {
			t.Errorf("%s\ncame back as %+v", data, again)
		}
	})
}

// writtenDown is a configuration with every key that is in force.
func writtenDown(c *cluster.Config) string {
	var outer, inner []string
	for _, k := range cluster.Keys() {
		name, inSection := strings.CutPrefix(k.Name, "open.")
		line := fmt.Sprintf("%q: %s", name, c.Text(k.Name))
		switch {
		case k.Required && !c.InCluster():
		case inSection:
			inner = append(inner, line)
		default:
			outer = append(outer, line)
		}
	}
	if c.Open != nil {
		outer = append(outer, `"open": {`+strings.Join(inner, ",")+"}")
	}
	return "{" + strings.Join(outer, ",") + "}"
}
