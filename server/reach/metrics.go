package reach

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	lag      prometheus.Gauge
	step     *prometheus.HistogramVec
	closures prometheus.Gauge
	edges    *prometheus.GaugeVec
	units    *prometheus.GaugeVec
	share    *prometheus.GaugeVec
	drifted  prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		lag: prometheus.NewGauge(prometheus.GaugeOpts{Name: "rasad_reach_lag_frames", Help: "Frames that the roads were behind the world when they were last worked in."}),
		step: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "rasad_reach_step_seconds",
			Help:    "Time to work changes in: roads (places), closures (a new router), cover (units that came or went, reroutes), drift (units that drove on).",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 8)}, []string{"what"}),
		closures: prometheus.NewGauge(prometheus.GaugeOpts{Name: "rasad_reach_closures", Help: "Hazards that close or slow roads now."}),
		edges:    prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "rasad_reach_edges", Help: "Edges of the road graph that are closed or slowed now."}, []string{"how"}),
		units: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "rasad_reach_units",
			Help: "Units: on a road; aside (they fly or sail, or no road is near); stale; unplaced; and those that count for the cover."}, []string{"standing"}),
		share:   prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "rasad_reach_covered_share", Help: "Share of the demand that is reached in the time of the standard."}, []string{"capability"}),
		drifted: prometheus.NewGauge(prometheus.GaugeOpts{Name: "rasad_reach_drifted_units", Help: "Units that drove on and wait for another look at their reach."}),
	}
	if r != nil {
		r.MustRegister(m.lag, m.step, m.closures, m.edges, m.units, m.share, m.drifted)
	}
	return m
}
