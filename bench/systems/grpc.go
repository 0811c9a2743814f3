package systems

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/mem"

	"kith/bench/load"
)

// grpcSystem is grpc-go with one connection: unary calls, and a client stream
// for one way. A codec for raw bytes spares it protobuf.
type grpcSystem struct{}

func (grpcSystem) Name() string { return "grpc" }

type grpcServer struct {
	load.Tally
	*grpc.Server
	addr string
	done sync.WaitGroup
}

func (grpcSystem) Serve(id *load.Identity) (load.Server, error) {
	conf, err := id.TLS("server", "h2")
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", loopback)
	if err != nil {
		return nil, err
	}
	s := &grpcServer{addr: l.Addr().String()}
	s.Server = grpc.NewServer(grpc.Creds(credentials.NewTLS(conf)), grpc.ForceServerCodecV2(raw{}))
	s.RegisterService(&service, s)
	s.done.Go(func() { s.Server.Serve(l) })
	return s, nil
}

func (s *grpcServer) Addr() string { return s.addr }

func (s *grpcServer) Close() error {
	s.Stop()
	s.done.Wait()
	return nil
}

var service = grpc.ServiceDesc{
	ServiceName: "bench",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{
		{MethodName: "Echo", Handler: unary(func(in []byte) []byte { return in })},
		{MethodName: "Bulk", Handler: unary(func([]byte) []byte { return bulk })},
	},
	Streams: []grpc.StreamDesc{{StreamName: "OneWay", ClientStreams: true, Handler: receive}},
}

func unary(f func([]byte) []byte) grpc.MethodHandler {
	return func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		var in []byte
		if err := decode(&in); err != nil {
			return nil, err
		}
		out := f(in)
		return &out, nil
	}
}

func receive(srv any, stream grpc.ServerStream) error {
	s := srv.(*grpcServer)
	for {
		var in []byte
		if err := stream.RecvMsg(&in); err == io.EOF {
			return stream.SendMsg(new([]byte))
		} else if err != nil {
			return err
		}
		s.Got(len(in))
	}
}

type grpcClient struct {
	conn   *grpc.ClientConn
	stream grpc.ClientStream // one way; opened by the first message
}

func (grpcSystem) Dial(ctx context.Context, id *load.Identity, addr string) (load.Client, error) {
	conf, err := id.TLS("client", "h2")
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient("passthrough:///"+addr,
		grpc.WithTransportCredentials(credentials.NewTLS(conf)),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw{})))
	if err != nil {
		return nil, err
	}
	conn.Connect()
	return &grpcClient{conn: conn}, nil
}

func (c *grpcClient) call(ctx context.Context, method string, payload []byte) ([]byte, error) {
	var out []byte
	err := c.conn.Invoke(ctx, method, &payload, &out)
	return out, err
}

func (c *grpcClient) Request(ctx context.Context, payload []byte) ([]byte, error) {
	return c.call(ctx, "/bench/Echo", payload)
}

func (c *grpcClient) Pull(ctx context.Context, _ int) ([]byte, error) {
	return c.call(ctx, "/bench/Bulk", nil)
}

func (c *grpcClient) OneWay(ctx context.Context, payload []byte) (err error) {
	if c.stream == nil {
		if c.stream, err = c.conn.NewStream(ctx, &service.Streams[0], "/bench/OneWay"); err != nil {
			return err
		}
	}
	return c.stream.SendMsg(&payload)
}

// Flush ends the stream and waits until the server has read all of it.
func (c *grpcClient) Flush() error {
	if err := c.stream.CloseSend(); err != nil {
		return err
	}
	return c.stream.RecvMsg(new([]byte))
}

func (c *grpcClient) Close() error { return c.conn.Close() }

// raw is a codec whose messages are *[]byte.
type raw struct{}

func (raw) Name() string { return "raw" }

func (raw) Marshal(v any) (mem.BufferSlice, error) {
	b, ok := v.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("raw: cannot marshal %T", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(*b)}, nil
}

func (raw) Unmarshal(data mem.BufferSlice, v any) error {
	b, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("raw: cannot unmarshal into %T", v)
	}
	*b = data.Materialize()
	return nil
}
