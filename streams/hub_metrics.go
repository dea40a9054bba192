package streams

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// hubMetrics count what the hub of one audience does.
type hubMetrics struct {
	readers, lagging, sight                       prometheus.Gauge
	frames, delivered, keyframes, resumes, merged prometheus.Counter
	encode                                        prometheus.Observer
	bytes                                         prometheus.Counter
}

// newHubMetrics makes the metrics of an audience. Hubs that share a registry
// share the metrics; the label "audience" tells them apart.
func newHubMetrics(r prometheus.Registerer, audience string) *hubMetrics {
	label := []string{"audience"}
	gauge := func(name, help string) prometheus.Gauge {
		return hubCollector(r, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "rasad_hub_" + name, Help: help}, label)).WithLabelValues(audience)
	}
	counter := func(name, help string) prometheus.Counter {
		return hubCollector(r, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rasad_hub_" + name + "_total", Help: help}, label)).WithLabelValues(audience)
	}
	return &hubMetrics{
		readers:   gauge("readers", "Open subscriptions."),
		lagging:   gauge("lagging_readers", "Subscriptions to every frame whose last frame was a summary of several."),
		sight:     gauge("features", "Features that the audience sees."),
		frames:    counter("frames_published", "Frames handed to the hub, overlays included."),
		delivered: counter("frames_delivered", "Frames given to readers, heartbeats included."),
		keyframes: counter("keyframes", "Keyframes given to readers."),
		resumes:   counter("resumes", "Subscriptions that went on where they had been."),
		merged:    counter("summaries", "Frames made for readers that missed some; each may serve many."),
		encode: hubCollector(r, prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "rasad_hub_encode_seconds",
			Help: "Time to encode a frame, once for all readers.", Buckets: []float64{.00001, .0001, .001, .01, .1, 1}}, label)).WithLabelValues(audience),
		bytes: counter("encoded_bytes", "Bytes of encoded frames, counted once for all readers."),
	}
}

// hubCollector registers c, or returns the one that is registered already.
func hubCollector[C prometheus.Collector](r prometheus.Registerer, c C) C {
	if r == nil {
		return c
	}
	if err := r.Register(c); err != nil {
		if known, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
			return known.ExistingCollector.(C)
		}
		panic("streams: " + err.Error()) // two collectors of one name: ours
	}
	return c
}

func (m *hubMetrics) encoded(took time.Duration, n int) {
	m.encode.Observe(took.Seconds())
	m.bytes.Add(float64(n))
}
