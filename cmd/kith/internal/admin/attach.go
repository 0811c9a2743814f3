package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"kith/node"
	"kith/port"
)

// A Service is a port that a program serves through the admin socket.
type Service struct {
	Network Network
	Port    uint16
	Name    string
	Mode    port.Mode
	// Workers is how many messages are handled at once. At least one.
	Workers int
	// Handle does the work, as port.Handler says. It is told the network that the
	// message has come from; Message.Index and From are set.
	Handle func(ctx context.Context, net Network, m *port.Message) ([]byte, error)
	// Ready is called once the port is served. It may be nil.
	Ready func()
}

// Serve attaches a program to a port until ctx or the node ends. The error says
// which.
func (c *Client) Serve(ctx context.Context, s Service) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	query := url.Values{"net": {string(s.Network)}, "port": {strconv.Itoa(int(s.Port))}, "name": {s.Name}, "mode": {s.Mode.String()}}
	answer, err := c.do(ctx, "POST", "serve", query, nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	lines := json.NewDecoder(answer.Body)
	var first attachment
	if err := lines.Decode(&first); err != nil {
		return ended(ctx, err)
	}
	w := &working{client: c, service: s, id: first.ID, running: make(map[uint64]context.CancelFunc)}
	var workers sync.WaitGroup
	for range max(s.Workers, 1) {
		workers.Go(func() { w.run(ctx) })
	}
	if s.Ready != nil {
		s.Ready()
	}
	err = w.cancellations(lines)
	err = ended(ctx, err)
	cancel()
	workers.Wait()
	return err
}

// working is a program at its work.
type working struct {
	client  *Client
	service Service
	id      string

	mu      sync.Mutex // guards what follows
	running map[uint64]context.CancelFunc
}

// cancellations reads the stream of the attachment to its end.
func (w *working) cancellations(lines *json.Decoder) error {
	for {
		var c cancellation
		if err := lines.Decode(&c); err != nil {
			return err
		}
		w.mu.Lock()
		if stop := w.running[c.Job]; stop != nil {
			stop()
		}
		w.mu.Unlock()
	}
}

// run is one worker.
func (w *working) run(ctx context.Context) {
	for ctx.Err() == nil {
		answer, err := w.client.do(ctx, "GET", "serve/"+w.id+"/next", nil, nil)
		if err != nil {
			return // the attachment has ended, and its stream says why
		}
		j, err := readJob(answer)
		if err != nil {
			return // the attachment has ended, and its stream says why
		}
		j.message.Port, j.message.Mode = w.service.Port, w.service.Mode
		w.handle(ctx, j)
	}
}

func readJob(answer *http.Response) (*job, error) {
	defer answer.Body.Close()
	m := new(port.Message)
	id, err1 := strconv.ParseUint(answer.Header.Get(headJob), 10, 64)
	index, err2 := strconv.ParseUint(answer.Header.Get(headIndex), 10, 32)
	m.Index = uint32(index)
	var err3, err4 error
	m.From, err3 = node.ParseRef(answer.Header.Get(headFrom))
	m.Data, err4 = io.ReadAll(answer.Body)
	return &job{id: id, net: Network(answer.Header.Get(headNet)), message: m}, errors.Join(err1, err2, err3, err4)
}

func (w *working) handle(ctx context.Context, j *job) {
	jobCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	w.mu.Lock()
	w.running[j.id] = cancel
	w.mu.Unlock()
	reply, err := w.service.Handle(jobCtx, j.net, j.message)
	w.mu.Lock()
	delete(w.running, j.id)
	w.mu.Unlock()
	query := url.Values{}
	if err != nil {
		query.Set("error", shortened(err.Error()))
		reply = nil
	}
	answer, err := w.client.do(ctx, "POST", "serve/"+w.id+"/"+strconv.FormatUint(j.id, 10), query, bytes.NewReader(reply))
	if err != nil {
		return // the caller has given up, or the attachment has ended
	}
	answer.Body.Close()
}

// shortened is the most of an error that a caller is told anyway.
func shortened(text string) string {
	const most = 1024
	if text == "" {
		return "failed"
	}
	return text[:min(len(text), most)]
}
