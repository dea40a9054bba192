package api

import (
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count what a log would drown in.
type metrics struct {
	seconds  *prometheus.HistogramVec
	nearest  prometheus.Counter
	problems *prometheus.CounterVec
	panics   prometheus.Counter

	feedMessages *prometheus.CounterVec
	feedSeconds  prometheus.Histogram

	sockets        *prometheus.GaugeVec
	socketsRefused *prometheus.CounterVec
	socketsClosed  *prometheus.CounterVec
	frames         *prometheus.CounterVec
	frameBytes     *prometheus.CounterVec
	writeSeconds   prometheus.Histogram
	upward         *prometheus.CounterVec
	encodes        *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.CounterOpts { return prometheus.CounterOpts{Name: name, Help: help} }
	m := &metrics{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "rasad_http_seconds",
			Help: "Time to answer a call, by method, route and status.", Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}}, []string{"method", "route", "status"}),
		nearest:  prometheus.NewCounter(counter("rasad_http_nearest_total", "Answers of units/nearest; they are not in rasad_http_seconds.")),
		problems: prometheus.NewCounterVec(counter("rasad_http_problems_total", "Answers that are problems, by code."), []string{"code"}),
		panics:   prometheus.NewCounter(counter("rasad_http_panics_total", "Calls and streams that panicked.")),

		feedMessages: prometheus.NewCounterVec(counter("rasad_feed_messages_total",
			"Messages of feeds, by outcome: accepted, refused, unfit, malformed, unknown (unit), failed."), []string{"feed", "outcome"}),
		feedSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "rasad_feed_seconds",
			Help: "From a fix at the door to its frame on disk.", Buckets: []float64{.001, .0025, .005, .01, .025, .05, .075, .1, .25, .5, 1, 2.5, 10}}),

		sockets:        prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "rasad_ws_sockets", Help: "Open sockets, by subprotocol."}, []string{"protocol"}),
		socketsRefused: prometheus.NewCounterVec(counter("rasad_ws_refused_total", "Sockets that were not opened, by reason."), []string{"reason"}),
		socketsClosed:  prometheus.NewCounterVec(counter("rasad_ws_closed_total", "Sockets that ended, by close code; slow is a write that did not end in time, gone a broken connection."), []string{"code"}),
		frames:         prometheus.NewCounterVec(counter("rasad_ws_frames_total", "Frames written, by subprotocol."), []string{"protocol"}),
		frameBytes:     prometheus.NewCounterVec(counter("rasad_ws_bytes_total", "Bytes of frames written, by subprotocol."), []string{"protocol"}),
		writeSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "rasad_ws_write_seconds",
			Help: "Time that writing a frame to one socket took.", Buckets: []float64{.00001, .00005, .0001, .0005, .001, .01, .1, 1, 10}}),
		upward:  prometheus.NewCounterVec(counter("rasad_ws_upward_total", "Messages of screens, by kind."), []string{"kind"}),
		encodes: prometheus.NewCounterVec(counter("rasad_ws_encodes_total", "Frames encoded for sockets; beside rasad_ws_frames_total this is how well bytes are shared."), []string{"protocol"}),
	}
	reg.MustRegister(m.seconds, m.nearest, m.problems, m.panics, m.feedMessages, m.feedSeconds, m.sockets,
		m.socketsRefused, m.socketsClosed, m.frames, m.frameBytes, m.writeSeconds, m.upward, m.encodes)
	return m
}

func stack() string { return string(debug.Stack()) }
