package systems

import (
	"bytes"
	"context"
	"testing"
	"time"

	"kith/bench/load"
)

// TestEverySystemCarries sends each kind of message through each system once,
// or often enough to need its flow control.
func TestEverySystemCarries(t *testing.T) {
	id, err := load.NewIdentity(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, sys := range All() {
		t.Run(sys.Name(), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			srv, err := sys.Serve(id)
			if err != nil {
				t.Fatal(err)
			}
			defer srv.Close()
			client, err := sys.Dial(ctx, id, srv.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			requests(t, ctx, client)
			if one, ok := client.(load.OneWayer); ok {
				oneWay(t, ctx, one, srv)
			}
			if v, ok := client.(load.Valuer); ok {
				before := srv.Delivered()
				if err := v.Value(ctx, 7, make([]byte, 1000)); err != nil || !reaches(srv, before+1) {
					t.Errorf("Value = %v, %d delivered", err, srv.Delivered()-before)
				}
			}
			if gram, ok := client.(load.Datagrammer); ok {
				datagrams(t, gram, srv)
			}
			if n := srv.Mangled(); n != 0 {
				t.Errorf("%d messages had another length", n)
			}
		})
	}
}

func requests(t *testing.T, ctx context.Context, client load.Client) {
	for _, n := range []int{64, 64 << 10, 1 << 20} {
		want := bytes.Repeat([]byte{1, 2, 3, 5}, n/4)
		got, err := client.Request(ctx, want)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("Request of %d bytes = %d bytes, %v, want its echo", n, len(got), err)
		}
	}
	puller, ok := client.(load.Puller)
	for i := range load.BulkStreams {
		if !ok {
			break
		}
		if got, err := puller.Pull(ctx, i); err != nil || !bytes.Equal(got, bulk) {
			t.Errorf("Pull(%d) = %d bytes, %v, want the bulk", i, len(got), err)
		}
	}
}

func oneWay(t *testing.T, ctx context.Context, client load.OneWayer, srv load.Server) {
	const n = 2000
	for range n {
		if err := client.OneWay(ctx, make([]byte, 1000)); err != nil {
			t.Fatalf("OneWay = %v", err)
		}
	}
	if err := client.Flush(); err != nil {
		t.Errorf("Flush = %v", err)
	}
	if !reaches(srv, n) {
		t.Errorf("%d of %d delivered", srv.Delivered(), n)
	}
}

// datagrams sends until one arrives: any may get lost, all may not.
func datagrams(t *testing.T, client load.Datagrammer, srv load.Server) {
	before := srv.Delivered()
	for range 1000 {
		if err := client.Datagram(make([]byte, 1000)); err != nil {
			t.Fatalf("Datagram = %v", err)
		}
		if srv.Delivered() > before {
			return
		}
		time.Sleep(time.Millisecond) // real sockets: the network is what is tried
	}
	t.Error("no datagram was delivered")
}

// TestOpenWork does each piece of work, and connects idle nodes.
func TestOpenWork(t *testing.T) {
	for _, c := range load.OpenCases() {
		if c.Kind != load.Work {
			continue
		}
		op, err := openSystem{}.Work(c.Work)
		if err == nil {
			err = op()
		}
		if err != nil {
			t.Errorf("%s: %v", c.Work, err)
		}
	}
	mesh, err := openSystem{}.Mesh(4)
	if err != nil {
		t.Fatal(err)
	}
	defer mesh.Close()
	if err := mesh.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, s := range mesh.(openMesh) {
		if n := len(s.Peers()); n != 3 {
			t.Errorf("node %d has %d peers, want 3", i, n)
		}
	}
}

func reaches(srv load.Server, n int64) bool {
	for range 10000 {
		if srv.Delivered() >= n {
			return true
		}
		time.Sleep(time.Millisecond)
	}
	return false
}
