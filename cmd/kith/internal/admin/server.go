package admin

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"kith/cmd/kith/internal/exit"
)

// A Server answers the command. Its fields are read by Start and never written.
type Server struct {
	// Node is what it talks about.
	Node Node
	// Listener is what Listen returned. The Server closes it.
	Listener net.Listener

	http   *http.Server
	stop   context.CancelFunc
	loops  sync.WaitGroup
	ports  attachments
	silent silent
}

// MaxData is the most that a message from the command may have, and a reply from
// one that serves a port. It is a little more than a node takes, so that its own
// error says its limit.
const MaxData = 16<<20 + 1<<10

// maxTimeout is for those who ask for none.
const maxTimeout = time.Hour

// Start serves until Close.
func (s *Server) Start() {
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", s.status)
	mux.HandleFunc("GET /v1/members", s.members)
	mux.HandleFunc("GET /v1/peers", s.peers)
	mux.HandleFunc("GET /v1/events", s.events)
	mux.HandleFunc("GET /v1/ports", s.listPorts)
	mux.HandleFunc("POST /v1/ping", s.ping)
	mux.HandleFunc("POST /v1/call", s.message)
	mux.HandleFunc("POST /v1/send", s.message)
	mux.HandleFunc("POST /v1/dgram", s.message)
	mux.HandleFunc("POST /v1/leave", s.leave)
	mux.HandleFunc("POST /v1/serve", s.serve)
	mux.HandleFunc("GET /v1/serve/{attachment}/next", s.next)
	mux.HandleFunc("POST /v1/serve/{attachment}/{job}", s.reply)
	s.http = &http.Server{
		Handler:           s.allowed(mux),
		ReadHeaderTimeout: 5 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnState:         s.silent.note,
	}
	s.loops.Go(func() { _ = s.http.Serve(s.Listener) }) // ErrServerClosed
}

// Close ends the streams and returns when the last answer is out, or after a
// second.
func (s *Server) Close() {
	s.stop()
	_ = s.Listener.Close() // Shutdown would say the same
	s.silent.close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		s.http.Close()
	}
	s.loops.Wait()
}

// allowed asks for the token where the listener has one.
func (s *Server) allowed(next http.Handler) http.Handler {
	l, ok := s.Listener.(*listener)
	if !ok || l.token == "" {
		return next
	}
	want := []byte("Bearer " + l.token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1 {
			writeError(w, exit.Errorf(exit.Refused, "", "the token is wrong"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func writeJSON(w http.ResponseWriter, doc any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(doc) // the caller is gone if it fails
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.Node.Status()) }

func (s *Server) members(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("watch") == "" {
		writeJSON(w, Members{Schema, s.Node.Members()})
		return
	}
	put := lines(w)
	for members := range s.Node.Watch(r.Context()) {
		if put(Members{Schema, members}) != nil {
			return
		}
	}
}

func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	put := lines(w)
	for e := range s.Node.Events(r.Context()) {
		if put(e) != nil {
			return
		}
	}
}

// lines writes documents as they come, a line each, after telling the caller at
// once that there will be some.
func lines(w http.ResponseWriter) (put func(doc any) error) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	control, e := http.NewResponseController(w), json.NewEncoder(w)
	_ = control.Flush() // the first Encode will tell
	return func(doc any) error {
		if err := e.Encode(doc); err != nil {
			return err
		}
		return control.Flush()
	}
}

func (s *Server) peers(w http.ResponseWriter, r *http.Request) {
	net, err := network(r)
	if err != nil {
		writeError(w, err)
		return
	}
	peers, err := s.Node.Peers(net)
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, Peers{Schema, peers})
}

func (s *Server) listPorts(w http.ResponseWriter, r *http.Request) {
	net, err := network(r)
	if err != nil {
		writeError(w, err)
		return
	}
	ports, err := s.Node.Ports(net, r.FormValue("peer"))
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, Ports{Schema, ports})
}

// network is what a request asks for; a body is not read.
func network(r *http.Request) (Network, error) {
	switch net := Network(r.URL.Query().Get("net")); net {
	case "", NetCluster, NetOpen, NetBoth:
		return net, nil
	default:
		return "", exit.Errorf(exit.Usage, "", "network %q: want cluster or open", net)
	}
}

func (s *Server) ping(w http.ResponseWriter, r *http.Request) {
	ctx, cancel, err := limited(r)
	if err != nil {
		writeError(w, err)
		return
	}
	defer cancel()
	net, err := network(r)
	if err != nil {
		writeError(w, err)
		return
	}
	pong, err := s.Node.Ping(ctx, Target{Network: net, Peer: r.FormValue("peer")})
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, pong)
}

// limited gives a request the timeout that it asks for.
func limited(r *http.Request) (context.Context, context.CancelFunc, error) {
	timeout := maxTimeout
	if text := r.URL.Query().Get("timeout"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			return nil, nil, exit.Errorf(exit.Usage, "", "timeout %q: want a duration, such as 5s", text)
		}
		timeout = min(d, maxTimeout)
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	return ctx, cancel, nil
}

func portNumber(r *http.Request) (uint16, error) {
	text := r.URL.Query().Get("port")
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, exit.Errorf(exit.Usage, "kith ports lists what there is", "port %q: want a number from 1 to 65535", text)
	}
	return uint16(n), nil
}

// target is whom a message is for.
func target(r *http.Request) (Target, error) {
	net, err := network(r)
	if err != nil {
		return Target{}, err
	}
	number, err := portNumber(r)
	return Target{net, r.URL.Query().Get("peer"), number}, err
}

// message is call, send and dgram.
func (s *Server) message(w http.ResponseWriter, r *http.Request) {
	to, err := target(r)
	if err != nil {
		writeError(w, err)
		return
	}
	data, err := body(w, r)
	if err != nil {
		writeError(w, err)
		return
	}
	ctx, cancel, err := limited(r)
	if err != nil {
		writeError(w, err)
		return
	}
	defer cancel()
	var reply []byte
	switch r.URL.Path {
	case "/v1/call":
		reply, err = s.Node.Call(ctx, to, data)
	case "/v1/send":
		err = s.Node.Send(ctx, to, data)
	default:
		err = s.Node.Dgram(ctx, to, data)
	}
	if err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(reply)))
	_, _ = w.Write(reply) // the caller is gone if it fails
}

func body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxData))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, exit.Errorf(exit.Refused, "", "message too large: the limit is %d bytes", large.Limit)
	}
	if err != nil {
		return nil, fmt.Errorf("read the data: %w", err)
	}
	return data, nil
}

func (s *Server) leave(w http.ResponseWriter, r *http.Request) {
	if err := s.Node.Leave(r.Context()); err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, struct{}{})
}
