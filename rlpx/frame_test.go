package rlpx

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/iotest"

	"github.com/golang/snappy"
)

// fixed is a connection whose secrets are always the same; what it reads is in.
func fixed(t testing.TB, dialled bool, in io.Reader) *Conn {
	t.Helper()
	tr := transcript{dialled, [32]byte{1}, [32]byte{2}, []byte("auth"), []byte("ack")}
	c, err := newConn(input{Reader: in}, nil, nil, dialled, tr.secrets([32]byte{3}))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// stream is what a fixed connection that dialled sends for these messages, with
// code i for the i-th.
func stream(t testing.TB, compress bool, messages ...[]byte) []byte {
	t.Helper()
	var b []byte
	for i, m := range messages {
		var err error
		if b, err = appendMessage(b, uint64(i), m, compress); err != nil {
			t.Fatal(err)
		}
	}
	if n := fixed(t, true, nil).out.seal(b, len(b)); n != len(b) {
		t.Fatalf("seal() = %d of %d bytes", n, len(b))
	}
	return b
}

// readAll reads messages until the error.
func readAll(c *Conn) (messages [][]byte, err error) {
	for {
		_, data, err := c.ReadMsg()
		if err != nil {
			return messages, err
		}
		messages = append(messages, data)
	}
}

var threeMessages = [][]byte{[]byte("first"), bytes.Repeat([]byte("second "), 20), []byte("third")}

// A byte that is changed anywhere ends the connection, and what was whole before
// it is all that is handed out.
func TestR3ChangedBytes(t *testing.T) {
	good := stream(t, false, threeMessages...)
	ends := []int{}
	for i := range threeMessages {
		ends = append(ends, len(stream(t, false, threeMessages[:i+1]...)))
	}
	for at := range good {
		b := bytes.Clone(good)
		b[at] ^= 1 << (at % 8)
		got, err := readAll(fixed(t, false, bytes.NewReader(b)))
		whole := 0
		for whole < len(ends) && ends[whole] <= at {
			whole++
		}
		if len(got) != whole {
			t.Errorf("byte %d changed: %d messages, want %d", at, len(got), whole)
		}
		for i := range got {
			if !bytes.Equal(got[i], threeMessages[i]) {
				t.Errorf("byte %d changed: message %d is %q", at, i, got[i])
			}
		}
		if !errors.Is(err, ProtocolError) {
			t.Errorf("byte %d changed: %v, want %v", at, err, ProtocolError)
		}
	}
}

func TestR3CutAndReplayedStreams(t *testing.T) {
	good := stream(t, true, threeMessages...)
	for n := range good {
		got, err := readAll(fixed(t, false, bytes.NewReader(good[:n])))
		if len(got) == len(threeMessages) || !errors.Is(err, io.EOF) {
			t.Errorf("cut at %d: %d messages, %v", n, len(got), err)
		}
	}
	one := len(stream(t, true, threeMessages[0]))
	for name, b := range map[string][]byte{
		"the first twice":  append(bytes.Clone(good[:one]), good[:one]...),
		"all of it twice":  append(bytes.Clone(good), good...),
		"without a first":  good[one:],
		"our own, back":    nil,
		"a frame left out": append(bytes.Clone(good[:one]), stream(t, true, threeMessages...)[one+48:]...),
	} {
		c := fixed(t, false, bytes.NewReader(b))
		if b == nil {
			c = fixed(t, true, bytes.NewReader(good))
		}
		c.SetSnappy(true)
		got, err := readAll(c)
		if len(got) > len(threeMessages) || !errors.Is(err, ProtocolError) {
			t.Errorf("%s: %d messages, %v; want %v", name, len(got), err, ProtocolError)
		}
	}
}

// However the bytes come, the messages are the same.
func TestFramesInPieces(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var messages [][]byte
	for range 40 {
		m := noise(r.IntN(3000))
		if r.IntN(8) == 0 {
			m = noise(r.IntN(200_000))
		}
		messages = append(messages, m)
	}
	for _, compress := range []bool{false, true} {
		b := stream(t, compress, messages...)
		for name, in := range map[string]io.Reader{
			"at once": bytes.NewReader(b), "half of each read": iotest.HalfReader(bytes.NewReader(b)),
			"with the error": iotest.DataErrReader(bytes.NewReader(b)), "at random": &pieces{bytes.NewReader(b), r},
		} {
			c := fixed(t, false, in)
			c.SetSnappy(compress)
			got, err := readAll(c)
			if !errors.Is(err, io.EOF) || len(got) != len(messages) {
				t.Fatalf("%s: %d messages, %v; want %d", name, len(got), err, len(messages))
			}
			for i := range got {
				if !bytes.Equal(got[i], messages[i]) {
					t.Errorf("%s: message %d has changed", name, i)
				}
			}
		}
	}
}

// pieces gives a little at a time.
type pieces struct {
	in io.Reader
	r  *rand.Rand
}

func (p *pieces) Read(b []byte) (int, error) {
	return p.in.Read(b[:min(len(b), 1+p.r.IntN(2000))])
}

// It makes no difference how much is encrypted at a time.
func TestSealInSteps(t *testing.T) {
	messages := [][]byte{noise(10), noise(100_000), noise(1), noise(70_000)}
	want := stream(t, true, messages...)
	for _, most := range []int{1, 16, 48, 4096, 65536, 1 << 20} {
		var b []byte
		for i, m := range messages {
			b, _ = appendMessage(b, uint64(i), m, true)
		}
		s := &fixed(t, true, nil).out
		for rest := b; len(rest) > 0; {
			n := s.seal(rest, most)
			if n == 0 {
				t.Fatalf("seal(most %d) = 0", most)
			}
			rest = rest[n:]
		}
		if !bytes.Equal(b, want) {
			t.Errorf("in steps of %d the stream is another", most)
		}
	}
}

// What a header claims takes no memory before it comes.
func TestR4ClaimsTakeNoMemory(t *testing.T) {
	b, err := appendMessage(nil, 1, make([]byte, maxData-1), false)
	if err != nil {
		t.Fatal(err)
	}
	fixed(t, true, nil).out.seal(b, len(b))
	for _, sent := range []int{frameStart, 100, 5000, 100_000, 1 << 20, len(b) - 1} {
		c := fixed(t, false, bytes.NewReader(b[:sent]))
		if _, _, err := c.ReadMsg(); !errors.Is(err, io.EOF) {
			t.Errorf("ReadMsg() after %d bytes = %v, want %v", sent, err, io.EOF)
		}
		if most := 2*sent + minBuffer; cap(c.in.buf) > most {
			t.Errorf("%d bytes of a frame take a buffer of %d, want at most %d", sent, cap(c.in.buf), most)
		}
	}
	c := fixed(t, false, bytes.NewReader(b))
	if _, data, err := c.ReadMsg(); err != nil || len(data) != maxData-1 {
		t.Errorf("ReadMsg() = %d bytes, %v", len(data), err)
	}
}

// The limit for hello holds before it is read.
func TestR4LimitOfHello(t *testing.T) {
	for size, ok := range map[int]bool{maxHello - 1: true, maxHello: false, 1 << 20: false} {
		b := stream(t, false, make([]byte, size))
		c := fixed(t, false, bytes.NewReader(b[:min(len(b), maxHello+64)]))
		c.in.limit = maxHello
		_, _, err := c.ReadMsg()
		if (err == nil) != ok {
			t.Errorf("a hello of %d bytes: %v", size, err)
		}
		if cap(c.in.buf) > 2*maxHello {
			t.Errorf("a hello of %d bytes takes a buffer of %d", size, cap(c.in.buf))
		}
	}
}

func TestMessagesTooLarge(t *testing.T) {
	for _, tt := range []struct {
		size     int
		compress bool
		ok       bool
	}{
		{maxData, false, false}, // with its code it does not fit
		{maxData - 1, false, true},
		{maxData, true, true}, // zeros become fewer
		{maxData + 1, true, false},
	} {
		b, err := appendMessage([]byte("before"), 1, make([]byte, tt.size), tt.compress)
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrTooLarge) {
			t.Errorf("appendMessage(%d bytes, %v) = %v", tt.size, tt.compress, err)
		}
		if err != nil && string(b) != "before" {
			t.Errorf("appendMessage(%d bytes, %v) left %d bytes", tt.size, tt.compress, len(b))
		}
	}
	if _, err := appendMessage(nil, 1, noise(maxData), true); !errors.Is(err, ErrTooLarge) {
		t.Errorf("appendMessage() of what grows = %v, want %v", err, ErrTooLarge)
	}
}

func TestR5SnappyBombs(t *testing.T) {
	claim := func(n uint64, rest ...byte) []byte {
		var b []byte
		for ; n >= 0x80; n >>= 7 {
			b = append(b, byte(n)|0x80)
		}
		return append(append(b, byte(n)), rest...)
	}
	zerosOf := func(n int) []byte { return snappy.Encode(nil, make([]byte, n)) }
	for name, b := range map[string][]byte{
		"nothing":                {},
		"16 MiB claimed":         claim(1<<24, zerosOf(100)[1:]...),
		"4 GiB claimed":          claim(1<<32-1, 1, 2, 3),
		"2^63 claimed":           claim(1<<63, 1, 2, 3),
		"most claimed, little":   claim(maxData, zerosOf(100)[1:]...),
		"one more than is there": claim(101, zerosOf(100)[1:]...),
		"one less":               claim(99, zerosOf(100)[1:]...),
		"empty, but more":        {0, 1, 2},
		"no end of the claim":    {0x80, 0x80},
		"16 MiB, compressed":     zerosOf(1 << 24),
		"copy before the start":  {4, 0x01, 0x09},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		data, err := payload(b, true, maxData)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ProtocolError) {
			t.Errorf("%s: %d bytes, %v; want %v", name, len(data), err, ProtocolError)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > uint64(32*len(b)+64<<10) {
			t.Errorf("%s: %d bytes of memory for %d", name, took, len(b))
		}
	}
	for _, n := range []int{0, 1, 59, 60, 64, 65, 66, 100, 1 << 16, maxData} {
		b := zerosOf(n)
		if data, err := payload(b, true, maxData); err != nil || len(data) != n {
			t.Errorf("%d zeros in %d bytes of snappy: %d, %v", n, len(b), len(data), err)
		}
	}
}

// The largest that snappy can make of little is still taken.
func TestDensestSnappy(t *testing.T) {
	for n := range 200 {
		b := []byte{0, 0, 0} // the size comes later
		b = append(b, 0x00, 'x')
		for range n {
			b = append(b, 63<<2|2, 1, 0) // copies 64 bytes from 1 back
		}
		size := 1 + 64*n
		b[0], b[1], b[2] = byte(size)|0x80, byte(size>>7)|0x80, byte(size>>14)
		if data, err := payload(b, true, maxData); err != nil || len(data) != size {
			t.Fatalf("%d copies: %d bytes, %v; want %d", n, len(data), err, size)
		}
	}
}

func TestBuffersShrink(t *testing.T) {
	var messages [][]byte
	messages = append(messages, noise(1<<20))
	for range 3 * calmReads {
		messages = append(messages, noise(100))
	}
	var in chunks
	for i := range messages {
		in = append(in, stream(t, true, messages[:i+1]...)[len(stream(t, true, messages[:i]...)):])
	}
	c := fixed(t, false, &in)
	c.SetSnappy(true)
	most := 0
	for range messages {
		if _, _, err := c.ReadMsg(); err != nil {
			t.Fatal(err)
		}
		most = max(most, cap(c.in.buf))
	}
	if most < 1<<20 || cap(c.in.buf) > minBuffer {
		t.Errorf("the buffer has %d bytes after %d, want %d", cap(c.in.buf), most, minBuffer)
	}
}

// A very large buffer goes as soon as its frame is done with.
func TestVeryLargeBuffersGoAtOnce(t *testing.T) {
	messages := [][]byte{noise(8 << 20), noise(100), noise(100)}
	long := len(stream(t, true, messages[0]))
	b := stream(t, true, messages...)
	c := fixed(t, false, &chunks{b[:long], b[long:]})
	c.SetSnappy(true)
	for range messages {
		if _, _, err := c.ReadMsg(); err != nil {
			t.Fatal(err)
		}
	}
	if cap(c.in.buf) > batchBuffer {
		t.Errorf("the buffer has %d bytes, want %d at most", cap(c.in.buf), batchBuffer)
	}
}

// chunks are what one read after the other gives.
type chunks [][]byte

func (c *chunks) Read(b []byte) (int, error) {
	if len(*c) == 0 {
		return 0, io.EOF
	}
	n := copy(b, (*c)[0])
	if (*c)[0] = (*c)[0][n:]; len((*c)[0]) == 0 {
		*c = (*c)[1:]
	}
	return n, nil
}

func TestFramesTakeNoMemory(t *testing.T) {
	for _, size := range []int{100, 5000, 60_000} {
		x, y := loops(t)
		x.SetSnappy(true)
		y.SetSnappy(true)
		data := noise(size)
		send := func() {
			if err := x.WriteMsg(16, data); err != nil {
				t.Fatal(err)
			}
			if _, _, err := y.ReadMsg(); err != nil {
				t.Fatal(err)
			}
		}
		for range 10 {
			send()
		}
		if n := testing.AllocsPerRun(100, send); n > 1 {
			t.Errorf("%v allocations for a message of %d bytes, want the one of its payload", n, size)
		}
	}
}

// A frame whose header says nothing is none.
func TestEmptyFramesAreRefused(t *testing.T) {
	b := make([]byte, frameStart+macSize)
	copy(b, []byte{0, 0, 0, 0xc2, 0x80, 0x80})
	fixed(t, true, nil).out.seal(b, len(b))
	if _, _, err := fixed(t, false, bytes.NewReader(b)).ReadMsg(); !errors.Is(err, ProtocolError) {
		t.Errorf("ReadMsg() = %v, want %v", err, ProtocolError)
	}
	for _, code := range []string{"\xc0", "\x00", "\x81\x05", "\x89123456789", "\xb8", "\x83ab"} {
		b, _ := appendMessage(nil, 1, []byte(code[1:]), false)
		b[frameStart] = code[0]
		fixed(t, true, nil).out.seal(b, len(b))
		if _, _, err := fixed(t, false, bytes.NewReader(b)).ReadMsg(); !errors.Is(err, ProtocolError) {
			t.Errorf("ReadMsg() of message number %x = %v, want %v", code, err, ProtocolError)
		}
	}
}
