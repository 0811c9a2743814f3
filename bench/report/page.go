package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

const caveat = `Wall rates on a shared machine swing by half between runs, so rates of different
runs do not compare. CPU time, allocations and the ratios taken within one round do: every case of every system runs once a
round, values are medians over rounds, and ratios are medians of the ratios within each round. Expect them to move by a fifth, for messages of 64 KiB
and more by two fifths. Latencies come from as few requests as fit into the time. Unless a case starts with 2p, both ends (and the broker, where there is one) share a process, which
flatters whatever gathers many messages into one write; 2p has the server in a process of its own, and adds the CPU time of both.`

const columns = `A case is KIND/SIZE/CALLERS: echo is a request whose reply is its payload, from that many callers at once; oneway is a message
without a reply, from one sender. The systems, each as its documentation would have it written:

- **kith**: ports over mutual TLS, streams on TCP and datagrams on QUIC. **kith quic**: the same with TCP shut, everything on one QUIC stream.
- **grpc**: unary calls, one client stream for one way. **nats**: core NATS with its broker, a client that asks and one that answers.
- **quic**: quic-go with a stream for each request, one for one way, and its datagrams. **quic mux**: everything on one stream of it.
- **tls mux**: frames on crypto/tls with a goroutine for each request: a day of work, and the limit for one way.
- **libp2p**: TCP, its TLS and yamux, a stream for each request, one for one way.

Cases of open networks start with rlpx or rlp; nothing in them is under TLS, and payloads do not compress.

- **kith rlpx**: a protocol of one's own on p2p.Server, which speaks RLPx. **geth**: the same on the p2p.Server of go-ethereum, built without cgo, as Kith is.
- **geth cgo**: its handshake with libsecp256k1. **tcp**: bytes on plain TCP, read and written by nobody's server.`

// Page writes the report as docs/BENCHMARKS.md.
func (r *Report) Page(w io.Writer, targets []Target) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Benchmarks\n\nThis page is written by the command that measured it, in `bench/`:\n\n    %s\n\n", r.Command)
	for _, fact := range r.About {
		fmt.Fprintf(&b, "- %s\n", fact)
	}
	fmt.Fprintf(&b, "\n%s\n\n%s\n\n", caveat, columns)
	for _, t := range append([]Table{CheckTable(r.Check(targets))}, r.Tables()...) {
		if err := t.Markdown(&b); err != nil {
			return err
		}
	}
	if r.Note != "" {
		fmt.Fprintf(&b, "%s\n", r.Note)
	}
	if wrong := r.Errors(); len(wrong) > 0 {
		fmt.Fprintf(&b, "## What failed\n\n")
		for _, line := range wrong {
			fmt.Fprintf(&b, "- %s\n", line)
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// JSON writes everything: each result of each round, and the findings.
func (r *Report) JSON(w io.Writer, targets []Target) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", " ")
	return enc.Encode(struct {
		Schema int `json:"schema"`
		*Report
		Targets []Finding `json:"targets"`
	}{1, r, r.Check(targets)})
}
