package demo

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"

	"kith/cert"
	"kith/cmd/kith/internal/admin"
)

// A member is one node of the cluster: a process, and how it is reached.
type member struct {
	process
	config string // path
	admin  string // path
	seed   string

	client *admin.Client
	status admin.Status // as it was when it had started
}

func (m *member) writeConfig(dir string) error {
	files := cert.Dir{Path: dir}
	conf := map[string]any{
		"ca_cert_file": files.CAPath(), "cert_file": files.CertPath(m.name), "key_file": files.KeyPath(m.name),
		"local_host": "127.0.0.1:0", "seed_host": m.seed,
	}
	text, err := json.MarshalIndent(conf, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, m.name+".json"), text, 0o600)
}

// run starts the process.
func (m *member) run(program string) error {
	m.client = admin.Open(m.admin)
	return m.process.run(program, "up", "-c", m.config, "--admin", m.admin, "--while-stdin")
}

// answers tells whether the node is up, and notes what it says.
func (m *member) answers(ctx context.Context) (bool, error) {
	status, err := m.client.Status(ctx)
	if err != nil || status.Listening == "" {
		return false, nil
	}
	m.status = status
	return true, nil
}

// count says how many members it sees in a state.
func (m *member) count(ctx context.Context, state string) (n int, err error) {
	doc, err := m.client.Members(ctx)
	for _, other := range doc.Members {
		if other.State == state {
			n++
		}
	}
	return n, err
}

// sees is another member as this one has it.
func (m *member) sees(ctx context.Context, id string) (admin.Member, bool) {
	doc, _ := m.client.Members(ctx) // an error is as good as not seeing it
	for _, other := range doc.Members {
		if other.ID == id {
			return other, true
		}
	}
	return admin.Member{}, false
}

// close lets go of the connection to a member that has ended.
func (m *member) close() {
	if m.client != nil {
		m.client.Close()
	}
}
