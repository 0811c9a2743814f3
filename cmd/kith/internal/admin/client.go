package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"kith/cmd/kith/internal/exit"
)

// slack is what a node may take beyond a timeout that it keeps itself, and for an
// answer that it has ready. Then it hangs.
const slack = 5 * time.Second

// A Client talks to one node. It is safe for concurrent use.
type Client struct {
	path string
	http *http.Client
}

// Open makes a client for a path. Nothing is dialled before it is used.
func Open(path string) *Client {
	transport := &http.Transport{
		DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, path) },
		MaxIdleConnsPerHost: 64,
		DisableCompression:  true,
	}
	return &Client{path: path, http: &http.Client{Transport: transport}}
}

// Close closes the connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Path is where the node is reached.
func (c *Client) Path() string { return c.path }

func dial(ctx context.Context, path string) (net.Conn, error) {
	var d net.Dialer
	if filepath.Ext(path) != tokenExt {
		return d.DialContext(ctx, "unix", path)
	}
	known, err := readCredentials(path)
	if err != nil {
		return nil, err
	}
	return d.DialContext(ctx, "tcp", known.Address)
}

func readCredentials(path string) (credentials, error) {
	var known credentials
	data, err := os.ReadFile(path)
	if err != nil {
		return known, err
	}
	if err := json.Unmarshal(data, &known); err != nil {
		return known, fmt.Errorf("%s: not a token file: %w", path, err)
	}
	return known, nil
}

// do sends a request and returns the answer if it is good. Its body is the
// caller's to close.
func (c *Client) do(ctx context.Context, method, what string, query url.Values, body io.Reader) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://kith/v1/"+what+"?"+query.Encode(), body)
	if err != nil {
		return nil, err
	}
	if filepath.Ext(c.path) == tokenExt {
		known, err := readCredentials(c.path)
		if err != nil {
			return nil, plainError(err)
		}
		r.Header.Set("Authorization", "Bearer "+known.Token)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, plainError(err)
	}
	if answer.StatusCode != http.StatusOK {
		defer answer.Body.Close()
		return nil, readError(answer)
	}
	return answer, nil
}

// plainError leaves out the URL, which means nothing to people.
func plainError(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if refused(err) || errors.Is(err, os.ErrNotExist) || errors.Is(err, io.EOF) {
		return exit.With(err, exit.NoNode, "kith up -c FILE runs a node")
	}
	return err
}

// ask is get for what the node knows.
func ask[T any](ctx context.Context, c *Client, what string, query url.Values) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, slack)
	defer cancel()
	return get[T](ctx, c, "GET", what, query)
}

// get reads one document.
func get[T any](ctx context.Context, c *Client, method, what string, query url.Values) (doc T, err error) {
	answer, err := c.do(ctx, method, what, query, nil)
	if err != nil {
		return doc, err
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&doc); err != nil {
		return doc, fmt.Errorf("the node's answer: %w", plainError(err))
	}
	return doc, nil
}

// Status is what the node says about itself.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return ask[Status](ctx, c, "status", nil)
}

// Members are all that the node knows, itself included.
func (c *Client) Members(ctx context.Context) (Members, error) {
	return ask[Members](ctx, c, "members", nil)
}

// Peers are the sessions of a network; empty means both.
func (c *Client) Peers(ctx context.Context, net Network) (Peers, error) {
	return ask[Peers](ctx, c, "peers", url.Values{"net": {string(net)}})
}

// Ports are those of a peer; none given means everybody's. Of both networks, if
// none is given.
func (c *Client) Ports(ctx context.Context, net Network, peer string) (Ports, error) {
	return ask[Ports](ctx, c, "ports", url.Values{"net": {string(net)}, "peer": {peer}})
}

// Ping measures how long it takes to a peer and back.
func (c *Client) Ping(ctx context.Context, to Target, timeout time.Duration) (Pong, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout+slack)
	defer cancel()
	return get[Pong](ctx, c, "POST", "ping", to.query(timeout))
}

func (to Target) query(timeout time.Duration) url.Values {
	q := url.Values{"net": {string(to.Network)}, "peer": {to.Peer}, "timeout": {timeout.String()}}
	if to.Port != 0 {
		q.Set("port", strconv.Itoa(int(to.Port)))
	}
	return q
}

// Leave makes the node leave and stop.
func (c *Client) Leave(ctx context.Context) error {
	_, err := get[struct{}](ctx, c, "POST", "leave", nil)
	return err
}

// Watch gives the members now and after each change, until ctx or the node ends;
// the last error says which.
func (c *Client) Watch(ctx context.Context) iter.Seq2[Members, error] {
	return stream[Members](ctx, c, "members", url.Values{"watch": {"1"}})
}

// Events gives what happens from now on, until ctx or the node ends; the last
// error says which.
func (c *Client) Events(ctx context.Context) iter.Seq2[Event, error] {
	return stream[Event](ctx, c, "events", nil)
}

func stream[T any](ctx context.Context, c *Client, what string, query url.Values) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		answer, err := c.do(ctx, "GET", what, query, nil)
		if err != nil {
			yield(zero, err)
			return
		}
		defer answer.Body.Close()
		for d := json.NewDecoder(answer.Body); ; {
			var doc T
			if err := d.Decode(&doc); err != nil {
				yield(zero, ended(ctx, err))
				return
			}
			if !yield(doc, nil) {
				return
			}
		}
	}
}

// ended says why a stream is over.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		return exit.Errorf(exit.NoNode, "kith up -c FILE runs it again", "the node has stopped")
	}
	return err
}

// Call sends a request to a port and returns the reply.
func (c *Client) Call(ctx context.Context, to Target, data []byte, timeout time.Duration) ([]byte, error) {
	return c.message(ctx, "call", to, data, timeout)
}

// Send sends a message to a port of mode send.
func (c *Client) Send(ctx context.Context, to Target, data []byte, timeout time.Duration) error {
	_, err := c.message(ctx, "send", to, data, timeout)
	return err
}

// Dgram sends a message to a port of mode unreliable.
func (c *Client) Dgram(ctx context.Context, to Target, data []byte, timeout time.Duration) error {
	_, err := c.message(ctx, "dgram", to, data, timeout)
	return err
}

func (c *Client) message(ctx context.Context, how string, to Target, data []byte, timeout time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout+slack)
	defer cancel()
	answer, err := c.do(ctx, "POST", how, to.query(timeout), bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	reply, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("the node's answer: %w", plainError(err))
	}
	return reply, nil
}
