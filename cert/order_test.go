package cert

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What each call answers, in any order.
func TestFilesCallOrder(t *testing.T) {
	type call struct{ do, want string }
	for _, calls := range [][]call{
		{{"close", ""}, {"close", ""}, {"start", "closed"}, {"reload", "closed"}, {"current", "nil"}},
		{{"current", "nil"}, {"err", ""}, {"changed", "open"}, {"reload", "not started"}, {"start", ""}, {"changed", "open"}, {"current", "a"}},
		{{"start", ""}, {"start", "already started"}, {"reload", ""}, {"current", "a"}, {"close", ""}, {"close", ""}, {"reload", "closed"}, {"current", "a"}, {"start", "closed"}},
		{{"break", ""}, {"start", "no file is named"}, {"reload", "not started"}, {"current", "nil"}, {"mend", ""}, {"start", ""}, {"current", "a"}, {"close", ""}},
		{{"break", ""}, {"start", "no file is named"}, {"close", ""}, {"mend", ""}, {"start", "closed"}},
		{{"start", ""}, {"cancelled", "canceled"}, {"reload", ""}, {"close", ""}},
		{{"load", ""}, {"current", "nil"}, {"start", ""}, {"load", ""}, {"close", ""}, {"load", ""}},
	} {
		var names []string
		for _, c := range calls {
			names = append(names, c.do)
		}
		t.Run(strings.Join(names, " "), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlace(t, material(t, caNow(t, "ours"), NodeOptions{Name: "a"}))
				f := p.files()
				defer f.Close()
				for i, c := range calls {
					if got := f.answer(t.Context(), p, c.do); got != c.want && (c.want == "" || !strings.Contains(got, c.want)) {
						t.Errorf("call %d, %s = %q, want %q", i, c.do, got, c.want)
					}
				}
			})
		})
	}
}

func (f *Files) answer(ctx context.Context, p *place, do string) string {
	text := func(err error) string {
		if err == nil {
			return ""
		}
		return err.Error()
	}
	switch do {
	case "start":
		return text(f.Start())
	case "close":
		return text(f.Close())
	case "reload":
		return text(f.Reload(ctx))
	case "cancelled":
		done, stop := context.WithCancel(ctx)
		stop()
		if err := f.Reload(done); err != nil { // the watcher may have been faster
			return text(err)
		}
		return context.Canceled.Error()
	case "load":
		_, err := f.Load()
		return text(err)
	case "err":
		return text(f.Err())
	case "current":
		if s := f.Current(); s != nil {
			return s.Name
		}
		return "nil"
	case "changed":
		select {
		case <-f.Changed():
			return "closed"
		default:
			return "open"
		}
	case "break":
		f.CA = ""
	case "mend":
		f.CA = p.path("ca.pem")
	}
	return ""
}

func TestErrClosedIsNetErrClosed(t *testing.T) {
	f := &Files{Logger: slog.New(slog.DiscardHandler)}
	f.Close()
	if err := f.Start(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Start after Close = %v, want %v in it", err, net.ErrClosed)
	}
}

// Close and Reload at the same time: nobody hangs.
func TestCloseEndsReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, material(t, caNow(t, "ours"), NodeOptions{Name: "a"}))
		f := p.files()
		start(t, f)
		answers := make(chan error, 20)
		for range cap(answers) {
			go func() { answers <- f.Reload(t.Context()) }()
		}
		f.Close()
		for range cap(answers) {
			if err := <-answers; err != nil && !errors.Is(err, ErrClosed) {
				t.Errorf("Reload beside Close = %v, want nil or %v", err, ErrClosed)
			}
		}
	})
}

// A gate is a log that holds up whoever writes to it.
type gate struct {
	slog.Handler
	open chan struct{}
}

func (g gate) Handle(context.Context, slog.Record) error {
	<-g.open
	return nil
}

func TestCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gate{slog.NewTextHandler(new(lines), nil), make(chan struct{})}
		p := newPlace(t, material(t, caNow(t, "ours"), NodeOptions{Name: "a", Validity: 40 * day, Now: time.Now()}))
		f := p.files()
		f.Logger = slog.New(g)
		start(t, f)
		p.put(material(t, caNow(t, "next"), NodeOptions{Name: "a"}))
		time.Sleep(2 * pollInterval) // the watcher now has something to say
		closed := make(chan struct{})
		go func() {
			f.Close()
			close(closed)
		}()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close returned before the watcher ended")
		default:
		}
		close(g.open)
		<-closed
	})
}
