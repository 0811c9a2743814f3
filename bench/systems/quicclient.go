package systems

import (
	"bufio"
	"context"
	"errors"
	"io"

	"github.com/quic-go/quic-go"

	"kith/bench/load"
)

func dialQUIC(ctx context.Context, id *load.Identity, addr string) (*quic.Conn, error) {
	conf, err := id.TLS("client", "bench")
	if err != nil {
		return nil, err
	}
	return quic.DialAddr(ctx, addr, conf, quicConfig)
}

type quicClient struct {
	conn   *quic.Conn
	oneWay *quic.Stream // opened by the first message
}

func (quicStreams) Dial(ctx context.Context, id *load.Identity, addr string) (load.Client, error) {
	conn, err := dialQUIC(ctx, id, addr)
	if err != nil {
		return nil, err
	}
	return &quicClient{conn: conn}, nil
}

func (c *quicClient) call(ctx context.Context, kind byte, payload []byte) ([]byte, error) {
	stream, err := c.conn.OpenStreamSync(ctx)
	if err != nil {
		return nil, err
	}
	if err := writeFrame(stream, kind, 0, payload); err != nil {
		return nil, err
	}
	if err := stream.Close(); err != nil {
		return nil, err
	}
	r := readers.Get().(*bufio.Reader)
	defer readers.Put(r)
	r.Reset(stream)
	f, err := readFrame(r, false)
	if err != nil {
		return nil, err
	}
	if _, err := r.ReadByte(); err != io.EOF { // a stream is freed when its end was read
		return nil, errors.Join(errors.New("quic: more than one reply"), err)
	}
	return *f.data, nil
}

func (c *quicClient) Request(ctx context.Context, payload []byte) ([]byte, error) {
	return c.call(ctx, kindEcho, payload)
}

func (c *quicClient) Pull(ctx context.Context, _ int) ([]byte, error) {
	return c.call(ctx, kindBulk, nil)
}

func (c *quicClient) OneWay(ctx context.Context, payload []byte) (err error) {
	if c.oneWay == nil {
		if c.oneWay, err = c.conn.OpenStreamSync(ctx); err != nil {
			return err
		}
	}
	return writeFrame(c.oneWay, kindOneWay, 0, payload)
}

func (c *quicClient) Flush() error { return c.oneWay.Close() }

func (c *quicClient) Datagram(payload []byte) error { return c.conn.SendDatagram(payload) }

func (c *quicClient) Close() error { return c.conn.CloseWithError(0, "") }

// quicMuxClient closes the connection with its only stream.
type quicMuxClient struct {
	*muxClient
	conn *quic.Conn
}

func (quicMux) Dial(ctx context.Context, id *load.Identity, addr string) (load.Client, error) {
	conn, err := dialQUIC(ctx, id, addr)
	if err != nil {
		return nil, err
	}
	stream, err := conn.OpenStreamSync(ctx)
	if err != nil {
		conn.CloseWithError(0, "")
		return nil, err
	}
	return &quicMuxClient{newMuxClient(stream), conn}, nil
}

func (c *quicMuxClient) Close() error {
	err := c.conn.CloseWithError(0, "")
	c.reader.Wait()
	return err
}
