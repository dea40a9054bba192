package feeds

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rasad/geo"
	"rasad/streams"
)

// silentAfter is how many of its declared intervals a feed may miss.
const silentAfter = 3

// proposer is what the monitor needs of the writer.
type proposer interface {
	Propose(context.Context, streams.Command) (streams.Answer, error)
}

// Monitor knows when each feed last spoke. A declared feed that misses three of
// its intervals becomes a recorded fact, feed.silent, so that every screen shows
// PARTIAL with its name, and replay does too; the next message makes it feed.back.
type Monitor struct {
	writer proposer
	log    *slog.Logger

	mu    sync.Mutex
	feeds map[string]*watched
	wake  chan struct{}
}

type watched struct {
	interval time.Duration // 0: may be silent
	datum    geo.Datum
	last     time.Time
	declared bool // in the record
	silent   bool // in the record
	known    bool // whether silent is what the record says
}

// NewMonitor returns a monitor that writes what it finds through w.
func NewMonitor(w proposer, log *slog.Logger, metrics prometheus.Registerer) *Monitor {
	m := &Monitor{writer: w, log: log, feeds: map[string]*watched{}, wake: make(chan struct{}, 1)}
	metrics.MustRegister(m)
	return m
}

// Declare says how often a feed speaks, and in which datum. Call it before Run.
func (m *Monitor) Declare(name string, interval time.Duration, datum geo.Datum) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.feeds[name] = &watched{interval: interval, datum: datum, last: time.Now()}
}

// Seen notes that a feed spoke now.
func (m *Monitor) Seen(name string) {
	m.mu.Lock()
	f := m.feeds[name]
	if f == nil {
		f = &watched{}
		m.feeds[name] = f
	}
	f.last = time.Now()
	back := f.silent
	m.mu.Unlock()
	if back {
		select {
		case m.wake <- struct{}{}:
		default:
		}
	}
}

// Run watches until ctx ends.
func (m *Monitor) Run(ctx context.Context) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		m.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-m.wake:
		}
	}
}

// look records what changed. What cannot be recorded now is tried again a second
// later, since the state is only moved on by an answer.
func (m *Monitor) look(ctx context.Context) {
	type finding struct {
		name, command string
		args          map[string]any
		then          func(*watched)
	}
	var found []finding
	m.mu.Lock()
	for name, f := range m.feeds {
		if f.interval == 0 {
			continue
		}
		if !f.declared {
			found = append(found, finding{name, "feed.declare", map[string]any{"feed": name, "interval_s": f.interval.Seconds(), "datum": f.datum},
				func(f *watched) { f.declared = true }})
		}
		silent := time.Since(f.last) > silentAfter*f.interval
		switch {
		case silent && (!f.silent || !f.known):
			found = append(found, finding{name, "feed.silent", map[string]any{"feed": name, "since": f.last.UTC().Format(time.RFC3339Nano)},
				func(f *watched) { f.silent, f.known = true, true }})
		case !silent && (f.silent || !f.known):
			found = append(found, finding{name, "feed.back", map[string]any{"feed": name},
				func(f *watched) { f.silent, f.known = false, true }})
		}
	}
	m.mu.Unlock()
	for _, x := range found {
		args, err := json.Marshal(x.args)
		if err == nil {
			_, err = m.writer.Propose(ctx, streams.Command{Name: x.command, Args: args, By: geo.Principal{Name: "system", Role: "admin"}})
		}
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, streams.ErrNotRecording) {
				m.log.Warn("a feed's state could not be recorded", "feed", x.name, "what", x.command, "error", err)
			}
			continue
		}
		m.mu.Lock()
		x.then(m.feeds[x.name])
		m.mu.Unlock()
	}
}

var (
	feedAge    = prometheus.NewDesc("rasad_feed_age_seconds", "Time since a feed last spoke.", []string{"feed"}, nil)
	feedSilent = prometheus.NewDesc("rasad_feed_silent", "1 while a declared feed is silent.", []string{"feed"}, nil)
)

// Describe implements prometheus.Collector.
func (m *Monitor) Describe(ch chan<- *prometheus.Desc) {
	ch <- feedAge
	ch <- feedSilent
}

// Collect implements prometheus.Collector.
func (m *Monitor) Collect(ch chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, f := range m.feeds {
		silent := 0.0
		if f.silent {
			silent = 1
		}
		ch <- prometheus.MustNewConstMetric(feedAge, prometheus.GaugeValue, time.Since(f.last).Seconds(), name)
		ch <- prometheus.MustNewConstMetric(feedSilent, prometheus.GaugeValue, silent, name)
	}
}
