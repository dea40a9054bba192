package streams

import "github.com/prometheus/client_golang/prometheus"

// sequencerMetrics count what logs would flood.
type sequencerMetrics struct {
	reports  prometheus.Counter
	refused  *prometheus.CounterVec // feed, reason
	commands *prometheus.CounterVec // name, outcome
	frames   prometheus.Counter
	moves    prometheus.Counter
	failed   *prometheus.CounterVec // reason
	seconds  prometheus.Histogram
	queue    prometheus.Gauge
}

// newSequencerMetrics registers the metrics, unless r is nil.
func newSequencerMetrics(r prometheus.Registerer) *sequencerMetrics {
	m := &sequencerMetrics{
		reports: prometheus.NewCounter(prometheus.CounterOpts{Name: "rasad_reports_total",
			Help: "Fixes that were judged."}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rasad_feed_refused_total",
			Help: "Fixes that did not move their unit."}, []string{"feed", "reason"}),
		commands: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rasad_commands_total",
			Help: "Commands by what became of them."}, []string{"name", "outcome"}),
		frames: prometheus.NewCounter(prometheus.CounterOpts{Name: "rasad_frames_total",
			Help: "Frames that were recorded and applied."}),
		moves: prometheus.NewCounter(prometheus.CounterOpts{Name: "rasad_moves_total",
			Help: "Moves in recorded frames."}),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rasad_frame_failures_total",
			Help: "Attempts to record a frame that did not succeed."}, []string{"reason"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "rasad_frame_seconds",
			Help:    "From the first decision of a frame until it was applied and published.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16)}),
		queue: prometheus.NewGauge(prometheus.GaugeOpts{Name: "rasad_sequencer_queue",
			Help: "Commands and reports that wait for a frame."}),
	}
	if r != nil {
		r.MustRegister(m.reports, m.refused, m.commands, m.frames, m.moves, m.failed, m.seconds, m.queue)
	}
	return m
}
