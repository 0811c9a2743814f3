package port

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "add new frames to testdata/frames.txt")

// oneOfEach are frames with a distinct value in every field.
func oneOfEach() []frame {
	return []frame{
		{kind: kindOpen, id: 0x01020304, port: 8080, window: 0x10000, max: 0x1000000, detail: 1701161221917},
		{kind: kindOpened, id: 0x01020304, mode: Request, window: 0x10000, max: 0x1000000, detail: 1701161221917, body: []byte("echo")},
		{kind: kindClose, id: 0x01020304, code: codeTooLarge, detail: 0x1000000, body: []byte("words")},
		{kind: kindLeave, id: 0x01020304},
		{kind: kindRequest, id: 0x00300007, stream: 5, index: 0x0a0b0c0d, timeout: 1500, body: []byte("ping")},
		{kind: kindRequestFirst, id: 0x00300007, stream: 5, index: 0x0a0b0c0d, timeout: 1500, total: 99, body: []byte("pi")},
		{kind: kindRequestMore, id: 0x00300007, stream: 5, body: []byte("ng")},
		{kind: kindReply, id: 0x00300007, stream: 5, body: []byte("pong")},
		{kind: kindReplyFirst, id: 0x00300007, stream: 5, total: 99, body: []byte("po")},
		{kind: kindReplyMore, id: 0x00300007, stream: 5, body: []byte("ng")},
		{kind: kindError, id: 0x00300007, code: codeHandler, detail: 2, body: []byte("no such record")},
		{kind: kindCancel, id: 0x00300007},
		{kind: kindSend, id: 5, body: []byte("hello")},
		{kind: kindSendFirst, id: 5, total: 99, body: []byte("he")},
		{kind: kindSendMore, id: 5, body: []byte("llo")},
		{kind: kindAbort, id: 5},
		{kind: kindCredit, id: 5, window: 0x8000},
		{kind: kindReplyCredit, id: 5, window: 0x8000},
		{kind: kindDatagram, id: 5, body: []byte("maybe")},
		{kind: kindPing, id: 0xfeedface},
		{kind: kindPong, id: 0xfeedface},
	}
}

func (f *frame) line() string {
	return fmt.Sprintf("%d %s|%s", f.kind, hex.EncodeToString(f.appendHead(nil)), hex.EncodeToString(f.body))
}

// The file only grows: a line that changes breaks those who speak version 1.
func TestGoldenFrames(t *testing.T) {
	const file = "testdata/frames.txt"
	frames := oneOfEach()
	if len(frames) != kinds {
		t.Fatalf("%d frames, want one of each of %d kinds", len(frames), kinds)
	}
	var lines []string
	for i := range frames {
		lines = append(lines, frames[i].line())
	}
	got := strings.Join(lines, "\n") + "\n"
	want, err := os.ReadFile(file)
	if *update && strings.HasPrefix(got, string(want)) {
		err = os.WriteFile(file, []byte(got), 0o644)
		want = []byte(got)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("frames:\n%swant:\n%s", got, want)
	}
	for i, f := range frames {
		var back frame
		if err := back.parse(f.kind, append(f.appendHead(nil), f.body...)); err != nil || !same(back, f) {
			t.Errorf("frame %d: %+v came back as %+v, %v", i, f, back, err)
		}
	}
}

func same(a, b frame) bool {
	equal := bytes.Equal(a.body, b.body)
	a.body, b.body = nil, nil
	return equal && reflect.DeepEqual(a, b)
}

func TestShortFramesAreRefused(t *testing.T) {
	for _, f := range oneOfEach() {
		head := f.appendHead(nil)
		if len(head) != headSize[f.kind] {
			t.Errorf("head of kind %d has %d bytes, want %d", f.kind, len(head), headSize[f.kind])
		}
		for n := range head {
			var back frame
			if err := back.parse(f.kind, head[:n]); err == nil {
				t.Errorf("kind %d: a head of %d bytes was taken", f.kind, n)
			}
		}
	}
	var f frame
	if err := f.parse(kindOpened, (&frame{kind: kindOpened, body: []byte("name")}).appendHead(nil)); err == nil {
		t.Error("a name that is not there was taken")
	}
}

// What later versions add behind the fields is skipped.
func TestUnknownFieldsAreSkipped(t *testing.T) {
	for _, f := range oneOfEach() {
		switch f.kind {
		case kindOpen, kindOpened, kindLeave, kindCancel, kindAbort, kindCredit, kindReplyCredit, kindPing, kindPong:
			var back frame
			if err := back.parse(f.kind, append(append(f.appendHead(nil), f.body...), "more"...)); err != nil || !same(back, f) {
				t.Errorf("%+v came back as %+v, %v", f, back, err)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, fr := range oneOfEach() {
		f.Add(byte(fr.kind), append(fr.appendHead(nil), fr.body...))
	}
	f.Fuzz(func(t *testing.T, k byte, b []byte) {
		var fr, again frame
		if k >= kinds || fr.parse(kind(k), b) != nil {
			return
		}
		whole := append(fr.appendHead(nil), fr.body...)
		if !bytes.HasPrefix(b, whole) {
			t.Errorf("%x came back as %x", b, whole)
		}
		if err := again.parse(kind(k), whole); err != nil || !same(fr, again) {
			t.Errorf("%+v came back as %+v, %v", fr, again, err)
		}
	})
}
