package streams

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rasad/geo"
)

// benchCity is a world of units as a city has them, standing at a sequence.
func benchCity(units int, seq uint64) *geo.World {
	r := rand.New(rand.NewPCG(1, 0))
	moves := cityMoves(r, units, units, 1_795_340_460_123)
	d := geo.Delta{}
	for _, m := range moves {
		d.Put = append(d.Put, &geo.Feature{ID: m.ID, Key: fmt.Sprintf("unit-%d", m.ID), Kind: geo.Unit, Rev: 1, Fix: m.Fix,
			Props: `{"agency":"fire","capabilities":["engine"],"crew":4,"dispatchable":true,"name":"Engine 7","status":"available","type":"engine"}`})
	}
	w := geo.NewWorld()
	w.Apply(geo.Moment{Seq: seq, Time: 1_795_340_460_123}, d)
	return w
}

func benchFrame(w *geo.World, r *rand.Rand, n int) *Frame {
	v := w.View()
	f := &Frame{V: FormatVersion, World: hubWorld, Epoch: hubEpoch, Base: v.Seq(), Seq: v.Seq() + 1, Time: v.Time() + 50, Delta: geo.Delta{Move: cityMoves(r, n, v.Len(""), v.Time()+50)}}
	w.Apply(geo.Moment{Seq: f.Seq, Time: f.Time}, f.Delta)
	f.State = w.View().Hash()
	return f
}

// One frame to ten thousand readers that keep up: everything but the socket.
func BenchmarkHubTo10000(b *testing.B) {
	const readers = 10_000
	w := benchCity(5000, 1)
	h := NewHub(w, HubOptions{World: hubWorld, Epoch: hubEpoch})
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	var got atomic.Int64
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range readers {
		s := h.Subscribe(Resume{}, 0)
		wg.Go(func() {
			defer s.Close()
			for {
				f, err := s.Next(ctx)
				if err != nil {
					return
				}
				if f.Heartbeat() {
					continue
				}
				_ = f.Wire()
				got.Add(1)
			}
		})
	}
	for got.Load() < readers {
		time.Sleep(time.Millisecond)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	r := rand.New(rand.NewPCG(1, 0))
	n := int64(readers)
	for b.Loop() {
		h.Publish(benchFrame(w, r, 250))
		for n += readers; got.Load() < n; {
			runtime.Gosched()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*readers), "ns/delivery")
	b.ReportMetric(float64(after.HeapInuse+after.StackInuse-before.HeapInuse-before.StackInuse)/readers, "B/reader")
	cancel()
	wg.Wait()
}

// Ten thousand readers come back at once, each from a moment of its own.
func BenchmarkHubResume10000(b *testing.B) {
	const readers = 10_000
	w := benchCity(1000, 1)
	h := NewHub(w, HubOptions{World: hubWorld, Epoch: hubEpoch})
	r := rand.New(rand.NewPCG(1, 0))
	for range 20_000 {
		h.Publish(benchFrame(w, r, 10))
	}
	frames := map[*Frame]int{}
	for b.Loop() {
		clear(frames)
		for range readers {
			s := h.Subscribe(Resume{hubEpoch, 1 + r.Uint64N(20_000), 0}, 0)
			f, err := s.Next(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			frames[f] = len(f.Wire())
			s.Close()
		}
	}
	bytes := 0
	for _, n := range frames {
		bytes += n
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*readers), "ns/reader")
	b.ReportMetric(float64(len(frames)), "frames")
	b.ReportMetric(float64(bytes)/1e6, "MB")
}

func BenchmarkKeyframe(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		v := benchCity(n, 1).View()
		f := &Frame{Seq: 1, Time: v.Time(), Delta: v.Keyframe()}
		bytes := f.Wire()
		b.Run(fmt.Sprintf("encode/%d", n), func(b *testing.B) {
			for b.Loop() {
				f.Delta = v.Keyframe()
				f.Wire()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/feature")
			b.ReportMetric(float64(len(bytes))/float64(n), "B/feature")
		})
		b.Run(fmt.Sprintf("parse/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseFrame(bytes); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/feature")
		})
		b.Run(fmt.Sprintf("json/%d", n), func(b *testing.B) {
			for b.Loop() {
				f.JSON(v.KeyOf)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/feature")
		})
	}
}

// Seconds of history that a replay plays in a second, at most.
func BenchmarkReplay(b *testing.B) {
	w := benchCity(1000, 1)
	v := w.View()
	h := &pastHistory{}
	h.keep(v, hubEpoch)
	r := rand.New(rand.NewPCG(1, 0))
	for range 2000 { // 100 s at 20 frames of 50 moves a second
		h.frames = append(h.frames, benchFrame(w, r, 50))
	}
	first, last := h.Span()
	p, err := NewPlayer(h, first, 0)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		p.Seek(last)
		if _, err := p.Next(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(last-first)/1000*float64(b.N)/b.Elapsed().Seconds(), "s/s")
}
