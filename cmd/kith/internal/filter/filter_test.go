//go:build unix

package filter_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"kith/cmd/kith/internal/filter"
	"kith/node"
	"kith/port"
)

func sh(script string) filter.Command { return filter.Command{Args: []string{"sh", "-c", script}} }

func TestCommand(t *testing.T) {
	from := node.Ref{ID: node.ID{1}, Generation: 5}
	for _, c := range []struct {
		name, script, data, want, err string
	}{
		{"filter", "tr a-z A-Z", "hello\x00", "HELLO\x00", ""},
		{"nothing", "cat", "", "", ""},
		{"does not read", "echo ok", strings.Repeat("x", 1<<20), "ok\n", ""},
		{"environment", `echo "$KITH_NETWORK $KITH_FROM $KITH_PORT $KITH_MODE $KITH_INDEX"`, "", "cluster " + from.String() + " 8080 request 7\n", ""},
		{"fails", "echo first >&2; echo last >&2; exit 3", "", "", "last"},
		{"fails without a word", "exit 3", "", "", "sh: exit status 3"},
		{"noise is no failure", "echo noise >&2; echo ok", "", "ok\n", ""},
		{"writes for ever", "yes", "", "", "sh wrote more than 16777216 bytes"},
		{"long complaint", "yes | head -c 1000000 >&2; echo the end >&2; exit 1", "", "", "the end"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &port.Message{Data: []byte(c.data), From: from, Port: 8080, Mode: port.Request, Index: 7}
			got, err := sh(c.script).Handle(t.Context(), m)
			if c.err == "" && err != nil || c.err != "" && (err == nil || err.Error() != c.err) {
				t.Errorf("Handle = %v, want %q", err, c.err)
			}
			if !bytes.Equal(got, []byte(c.want)) {
				t.Errorf("Handle gave %q, want %q", got, c.want)
			}
		})
	}
}

func TestACommandEndsWithItsChildren(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	fifo := dir + "/alive"
	go func() {
		// The child of the command holds the pipe open for writing until it dies.
		_, err := sh("mkfifo "+fifo+" && (sleep 600 >"+fifo+") & touch "+dir+"/started; wait").Handle(ctx, &port.Message{})
		done <- err
	}()
	var pipe *os.File
	for {
		var err error
		if pipe, err = os.OpenFile(fifo, os.O_RDONLY, 0); err == nil { // waits for the writer
			break
		} else if !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	defer pipe.Close()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Handle = %v, want canceled", err)
	}
	if _, err := pipe.Read(make([]byte, 1)); err == nil {
		t.Error("the command's child wrote something")
	} // at the end of the file there is no writer any more
}

func TestASenderInTheOpen(t *testing.T) {
	c := sh(`echo "$KITH_NETWORK $KITH_FROM"`)
	c.Network = "open"
	got, err := c.Handle(t.Context(), &port.Message{From: node.Ref{ID: node.ID{0xab}}})
	if want := "open ab" + strings.Repeat("0", 62) + "\n"; err != nil || string(got) != want {
		t.Errorf("Handle gave %q, %v; want %q", got, err, want)
	}
}

func TestCheck(t *testing.T) {
	if err := (filter.Command{Args: []string{"no-such-program-anywhere"}}).Check(); err == nil {
		t.Error("Check found a program that is not there")
	}
}

func TestSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := filter.NewSlots(1)
		release := filter.Hold(s)
		ctx, cancel := context.WithCancel(t.Context())
		results := make(chan error, 100)
		for range 70 {
			go func() {
				_, err := filter.Command{Args: []string{"true"}, Slots: s}.Handle(ctx, &port.Message{})
				results <- err
			}()
		}
		synctest.Wait()
		if n := len(results); n != 6 {
			t.Errorf("%d were refused, want 6: 64 may wait", n)
		}
		for range len(results) {
			if err := <-results; !errors.Is(err, port.ErrBusy) {
				t.Errorf("Handle = %v, want busy", err)
			}
		}
		cancel()
		for range 64 {
			if err := <-results; !errors.Is(err, context.Canceled) {
				t.Errorf("Handle = %v, want canceled", err)
			}
		}
		release()
	})
}
