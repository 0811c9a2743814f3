package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"kith/cmd/kith/internal/exit"
	"kith/port"
)

// A program attaches itself to a port with POST /v1/serve. The answer stays open
// as long as the program serves: its first line is an attachment, and after that
// comes a cancellation for each job that nobody waits for any more. Each of the
// program's workers fetches a job with GET …/next, whose body is the data, and
// replies with POST …/{job}. Where the connection of the attachment ends, its
// jobs fail and the port is free again.

// attachment is the first line; cancellation is one after that.
type attachment struct {
	ID string `json:"attachment"`
}

type cancellation struct {
	Job uint64 `json:"cancel"`
}

// Headers of a job.
const (
	headJob   = "Kith-Job"
	headFrom  = "Kith-From"
	headIndex = "Kith-Index"
	headNet   = "Kith-Network"
)

// maxWaiting is how many jobs of one attachment may wait for a worker of the
// program. There are as many workers in the node for all ports together, so a
// slow program must not take them all. One job more is refused as busy.
const maxWaiting = 64

var errDetached = errors.New("the program that served this port has gone")

// attachments are what is attached now. The zero value is empty.
type attachments struct {
	mu   sync.Mutex // guards what follows
	last uint64
	byID map[string]*attached
}

func (all *attachments) add(a *attached) (id string) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.byID == nil {
		all.byID = make(map[string]*attached)
	}
	all.last++
	id = strconv.FormatUint(all.last, 10)
	all.byID[id] = a
	return id
}

func (all *attachments) remove(id string) {
	all.mu.Lock()
	defer all.mu.Unlock()
	delete(all.byID, id)
}

func (all *attachments) get(id string) *attached {
	all.mu.Lock()
	defer all.mu.Unlock()
	return all.byID[id]
}

// attached is a program that serves a port. On each network its on is the port's
// handler.
type attached struct {
	jobs   chan *job   // waiting for a worker; unbuffered, since the job must not be lost between
	cancel chan uint64 // jobs that nobody waits for; when it is full the program learns it when it replies
	done   <-chan struct{}

	mu      sync.Mutex // guards what follows
	last    uint64
	waiting int
	running map[uint64]*job
}

type job struct {
	id      uint64
	net     Network
	message *port.Message
	result  chan result // has room for one
}

type result struct {
	reply []byte
	err   error
}

// on handles the messages of one network.
func (a *attached) on(net Network) port.Handler {
	return port.HandlerFunc(func(ctx context.Context, m *port.Message) ([]byte, error) { return a.handle(ctx, net, m) })
}

// handle gives the message to a worker of the program and waits for its reply.
func (a *attached) handle(ctx context.Context, net Network, m *port.Message) ([]byte, error) {
	j, ok := a.admit(net, m)
	if !ok {
		return nil, port.ErrBusy
	}
	defer a.forget(j)
	err := a.hand(ctx, j)
	a.taken()
	if err != nil {
		return nil, err
	}
	select {
	case r := <-j.result:
		return r.reply, r.err
	case <-ctx.Done():
		select {
		case a.cancel <- j.id:
		default:
		}
		return nil, ctx.Err()
	case <-a.done:
		return nil, errDetached
	}
}

// hand waits until a worker has taken the job.
func (a *attached) hand(ctx context.Context, j *job) error {
	select {
	case a.jobs <- j:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-a.done:
		return errDetached
	}
}

func (a *attached) admit(net Network, m *port.Message) (*job, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.waiting >= maxWaiting {
		return nil, false
	}
	a.waiting++
	a.last++
	kept := *m // a program may fetch it when the handler has given up already
	kept.Data = slices.Clone(m.Data)
	j := &job{id: a.last, net: net, message: &kept, result: make(chan result, 1)}
	a.running[j.id] = j
	return j, true
}

func (a *attached) taken() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting--
}

func (a *attached) forget(j *job) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.running, j.id)
}

// finish takes a reply; false means that nobody waits for it.
func (a *attached) finish(id uint64, r result) bool {
	a.mu.Lock()
	j := a.running[id]
	delete(a.running, id)
	a.mu.Unlock()
	if j == nil {
		return false
	}
	j.result <- r
	return true
}

// serve attaches a program for as long as the request lasts.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	to, err := target(r)
	if err != nil {
		writeError(w, err)
		return
	}
	var mode port.Mode
	if err := mode.UnmarshalText([]byte(r.URL.Query().Get("mode"))); err != nil {
		writeError(w, exit.With(err, exit.Usage, ""))
		return
	}
	a := &attached{jobs: make(chan *job), cancel: make(chan uint64, maxWaiting), done: r.Context().Done(), running: make(map[uint64]*job)}
	stop, err := s.Node.Serve(to.Network, to.Port, r.URL.Query().Get("name"), mode, a.on)
	if err != nil {
		writeError(w, err)
		return
	}
	defer stop()
	id := s.ports.add(a)
	defer s.ports.remove(id)
	put := lines(w)
	if put(attachment{id}) != nil {
		return
	}
	for {
		select {
		case job := <-a.cancel:
			if put(cancellation{job}) != nil {
				return
			}
		case <-a.done:
			return
		}
	}
}

var errNotAttached = exit.Errorf(exit.NotFound, "", "no such attachment, or not any more")

// next hands out a job when there is one.
func (s *Server) next(w http.ResponseWriter, r *http.Request) {
	a := s.ports.get(r.PathValue("attachment"))
	if a == nil {
		writeError(w, errNotAttached)
		return
	}
	select {
	case j := <-a.jobs:
		h := w.Header()
		h.Set(headJob, strconv.FormatUint(j.id, 10))
		h.Set(headNet, string(j.net))
		h.Set(headFrom, j.message.From.String())
		h.Set(headIndex, strconv.FormatUint(uint64(j.message.Index), 10))
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Content-Length", strconv.Itoa(len(j.message.Data)))
		if _, err := w.Write(j.message.Data); err != nil {
			a.finish(j.id, result{err: errDetached})
		}
	case <-a.done:
		writeError(w, errNotAttached)
	case <-r.Context().Done():
	}
}

// reply takes the reply to a job, or its error.
func (s *Server) reply(w http.ResponseWriter, r *http.Request) {
	a := s.ports.get(r.PathValue("attachment"))
	id, err := strconv.ParseUint(r.PathValue("job"), 10, 64)
	if a == nil || err != nil {
		writeError(w, errNotAttached)
		return
	}
	var res result
	if text := r.URL.Query().Get("error"); text != "" {
		res.err = errors.New(text)
	} else if res.reply, err = body(w, r); err != nil {
		writeError(w, err)
		return
	}
	if !a.finish(id, res) {
		writeError(w, exit.Errorf(exit.NotFound, "", "nobody waits for this reply any more"))
		return
	}
	writeJSON(w, struct{}{})
}
