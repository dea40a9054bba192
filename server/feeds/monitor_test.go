package feeds

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rasad/geo"
	"rasad/streams"
)

// writer remembers commands and refuses while it is told to.
type writer struct {
	mu   sync.Mutex
	said []string
	err  error
}

func (w *writer) Propose(_ context.Context, c streams.Command) (streams.Answer, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return streams.Answer{}, w.err
	}
	w.said = append(w.said, fmt.Sprintf("%s %s", c.Name, c.Args))
	return streams.Answer{}, nil
}

func (w *writer) names() (out []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.said {
		var name string
		fmt.Sscan(s, &name)
		out = append(out, name)
	}
	return out
}

func TestASilentFeedIsRecordedAndSoIsItsReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &writer{}
		m := NewMonitor(w, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		m.Declare("osmand", 10*time.Second, geo.WGS84)
		ctx, stop := context.WithCancel(t.Context())
		var done sync.WaitGroup
		done.Go(func() { m.Run(ctx) })
		m.Seen("owntracks") // undeclared: may be silent
		time.Sleep(25 * time.Second)
		m.Seen("osmand")
		time.Sleep(29 * time.Second)
		if got := w.names(); !slices.Equal(got, []string{"feed.declare", "feed.back"}) {
			t.Errorf("while it spoke: %v", got)
		}
		time.Sleep(3 * time.Second)
		if got := w.names(); !slices.Equal(got[2:], []string{"feed.silent"}) {
			t.Errorf("after three intervals: %v", got)
		}
		w.mu.Lock()
		w.err = streams.ErrNotRecording
		w.mu.Unlock()
		m.Seen("osmand")
		time.Sleep(5 * time.Second)
		w.mu.Lock()
		w.err = nil
		w.mu.Unlock()
		time.Sleep(2 * time.Second)
		if got := w.names(); !slices.Equal(got[3:], []string{"feed.back"}) {
			t.Errorf("after it came back and the journal healed: %v", got)
		}
		stop()
		done.Wait()
	})
}
