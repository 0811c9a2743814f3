package systems

import (
	"bufio"
	"context"
	"io"
	"net"
	"sync"

	"kith/bench/load"
)

// muxClient runs many requests over one ordered stream of bytes, the plain way:
// a lock around each write, a map of who waits for which id.
type muxClient struct {
	stream io.ReadWriteCloser
	wmu    sync.Mutex // one writer at a time

	mu      sync.Mutex // guards what follows
	next    uint32
	waiting map[uint32]chan []byte
	err     error

	out    *bufio.Writer // one way
	reader sync.WaitGroup
}

func newMuxClient(stream io.ReadWriteCloser) *muxClient {
	c := &muxClient{stream: stream, waiting: map[uint32]chan []byte{}, out: bufio.NewWriterSize(stream, 64<<10)}
	c.reader.Go(c.read)
	return c
}

func (c *muxClient) read() {
	r := bufio.NewReaderSize(c.stream, 64<<10)
	for {
		f, err := readFrame(r, false)
		if err != nil {
			c.end(err)
			return
		}
		c.mu.Lock()
		ch := c.waiting[f.id]
		delete(c.waiting, f.id)
		c.mu.Unlock()
		if ch != nil {
			ch <- *f.data
		}
	}
}

func (c *muxClient) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
	for _, ch := range c.waiting {
		close(ch)
	}
	clear(c.waiting)
}

func (c *muxClient) call(ctx context.Context, kind byte, payload []byte) ([]byte, error) {
	ch := make(chan []byte, 1)
	c.mu.Lock()
	if c.err != nil {
		defer c.mu.Unlock()
		return nil, c.err
	}
	c.next++
	id := c.next
	c.waiting[id] = ch
	c.mu.Unlock()
	c.wmu.Lock()
	err := writeFrame(c.stream, kind, id, payload)
	c.wmu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case reply, ok := <-ch:
		if !ok {
			return nil, net.ErrClosed
		}
		return reply, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (c *muxClient) Request(ctx context.Context, payload []byte) ([]byte, error) {
	return c.call(ctx, kindEcho, payload)
}

func (c *muxClient) Pull(ctx context.Context, _ int) ([]byte, error) {
	return c.call(ctx, kindBulk, nil)
}

// OneWay goes through a buffer: no system that has to deliver on time can be
// faster than this.
func (c *muxClient) OneWay(_ context.Context, payload []byte) error {
	h := c.out.AvailableBuffer()
	if cap(h) < frameHeader {
		h = make([]byte, frameHeader)
	}
	h = h[:frameHeader]
	putHeader(h, kindOneWay, 0, len(payload))
	if _, err := c.out.Write(h); err != nil {
		return err
	}
	_, err := c.out.Write(payload)
	return err
}

func (c *muxClient) Flush() error { return c.out.Flush() }

func (c *muxClient) Close() error {
	err := c.stream.Close()
	c.reader.Wait()
	return err
}

// serveMux answers one stream until it ends, each request in a goroutine of its
// own so that a large reply does not keep the next request from being read.
func serveMux(stream io.ReadWriter, tally *load.Tally) {
	var wmu sync.Mutex
	var answers sync.WaitGroup
	defer answers.Wait()
	r := bufio.NewReaderSize(stream, 64<<10)
	for {
		f, err := readFrame(r, true)
		if err != nil {
			return
		}
		if f.kind == kindOneWay {
			tally.Got(len(*f.data))
			buffers.Put(f.data)
			continue
		}
		answers.Go(func() {
			defer buffers.Put(f.data)
			reply := *f.data
			if f.kind == kindBulk {
				reply = bulk
			}
			wmu.Lock()
			defer wmu.Unlock()
			writeFrame(stream, f.kind, f.id, reply)
		})
	}
}
