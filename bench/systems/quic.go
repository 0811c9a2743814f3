package systems

import (
	"bufio"
	"context"
	"io"
	"sync"

	"github.com/quic-go/quic-go"

	"kith/bench/load"
)

// quicStreams is quic-go with a stream for each request, one stream for one
// way, and its datagrams.
type quicStreams struct{}

func (quicStreams) Name() string { return "quic" }

// quicMux is quic-go with everything on one stream.
type quicMux struct{}

func (quicMux) Name() string { return "quic mux" }

var quicConfig = &quic.Config{
	EnableDatagrams:    true,
	MaxIncomingStreams: 1 << 10, // the default of 100 is less than our callers
}

type quicServer struct {
	load.Tally
	listener *quic.Listener
	loops    sync.WaitGroup
	ctx      context.Context // ends with Close
	stop     context.CancelFunc
	serve    func(*quicServer, *quic.Stream)
}

func serveQUIC(id *load.Identity, serve func(*quicServer, *quic.Stream)) (load.Server, error) {
	conf, err := id.TLS("server", "bench")
	if err != nil {
		return nil, err
	}
	l, err := quic.ListenAddr(loopback, conf, quicConfig)
	if err != nil {
		return nil, err
	}
	s := &quicServer{listener: l, serve: serve}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.loops.Go(s.accept)
	return s, nil
}

func (quicStreams) Serve(id *load.Identity) (load.Server, error) {
	return serveQUIC(id, (*quicServer).answer)
}

func (quicMux) Serve(id *load.Identity) (load.Server, error) {
	return serveQUIC(id, func(s *quicServer, stream *quic.Stream) { serveMux(stream, &s.Tally) })
}

func (s *quicServer) accept() {
	for {
		conn, err := s.listener.Accept(s.ctx)
		if err != nil {
			return
		}
		s.loops.Go(func() { s.datagrams(conn) })
		s.loops.Go(func() {
			defer conn.CloseWithError(0, "")
			for {
				stream, err := conn.AcceptStream(s.ctx)
				if err != nil {
					return
				}
				s.loops.Go(func() { s.serve(s, stream) })
			}
		})
	}
}

func (s *quicServer) datagrams(conn *quic.Conn) {
	for {
		b, err := conn.ReceiveDatagram(s.ctx)
		if err != nil {
			return
		}
		s.Got(len(b))
	}
}

// answer reads a request to the end of the stream and replies, or reads one-way
// messages until the stream ends.
func (s *quicServer) answer(stream *quic.Stream) {
	defer stream.Close()
	r := readers.Get().(*bufio.Reader)
	defer readers.Put(r)
	r.Reset(stream)
	for {
		f, err := readFrame(r, true)
		if err != nil {
			return
		}
		reply := *f.data
		switch f.kind {
		case kindOneWay:
			s.Got(len(reply))
			buffers.Put(f.data)
			continue
		case kindBulk:
			reply = bulk
		}
		if _, err := r.ReadByte(); err == io.EOF {
			writeFrame(stream, f.kind, f.id, reply)
		}
		buffers.Put(f.data)
		return
	}
}

func (s *quicServer) Addr() string { return s.listener.Addr().String() }

func (s *quicServer) Close() error {
	s.stop()
	err := s.listener.Close()
	s.loops.Wait()
	return err
}
