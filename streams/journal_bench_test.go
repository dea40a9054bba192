package streams

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"rasad/geo"
)

// BenchmarkAppend is one frame of 50 moves, durable: journal and mark synced.
func BenchmarkAppend(b *testing.B) {
	for _, moves := range []int{1, 50, 2000} {
		b.Run(fmt.Sprintf("moves=%d", moves), func(b *testing.B) {
			j, w, _ := mustOpen(b, testOptions(b.TempDir()))
			r := rand.New(rand.NewPCG(1, 1))
			crowd(b, j, w, max(moves, 1000))
			var took []time.Duration
			var bytes int
			for b.Loop() {
				f := rush(w.View(), r, moves)
				start := time.Now()
				if err := j.Append(context.Background(), f); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
				w.Apply(geo.Moment{Seq: f.Seq, Time: f.Time}, f.Delta)
				bytes += len(f.Encode())
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64(bytes)/float64(b.N), "B/frame")
			if st, err := j.streamState(context.Background(), j.stream); err == nil {
				b.ReportMetric((float64(st.Bytes)-float64(bytes))/float64(st.Msgs), "B-overhead")
			}
		})
	}
}

// crowd fills the world with n units.
func crowd(b testing.TB, j *Journal, w *geo.World, n int) {
	const each = 2000
	for from := 0; from < n; from += each {
		v := w.View()
		f := &Frame{Base: v.Seq(), Seq: v.Seq() + 1, Time: v.Time() + 50}
		for i := from; i < min(from+each, n); i++ {
			id := v.NextID() + geo.ID(i-from)
			f.Put = append(f.Put, &geo.Feature{ID: id, Key: fmt.Sprintf("unit-%d", id), Kind: geo.Unit, Rev: f.Seq, Props: `{"agency":"fire","name":"Engine 7","status":"available","type":"engine"}`,
				Fix: geo.Fix{At: geo.LngLat{Lng: int32(i%1000) * 5000, Lat: int32(i/1000) * 5000}, Time: f.Time, Heading: 90, Speed: 100}})
		}
		f.State = scribeState(v, f.Delta)
		if err := j.Append(context.Background(), f); err != nil {
			b.Fatal(err)
		}
		w.Apply(geo.Moment{Seq: f.Seq, Time: f.Time}, f.Delta)
	}
}

// rush moves n units by up to 20 m.
func rush(v *geo.View, r *rand.Rand, n int) *Frame {
	f := &Frame{Base: v.Seq(), Seq: v.Seq() + 1, Time: v.Time() + 50}
	first := geo.ID(1 + r.IntN(int(v.NextID())-n))
	for id := first; id < first+geo.ID(n); id++ {
		if p, ok := v.ByID(id); ok {
			x := p.Fix
			x.At.Lng += r.Int32N(4000) - 2000
			x.At.Lat += r.Int32N(4000) - 2000
			x.Time = f.Time - 300
			f.Move = append(f.Move, geo.Move{ID: id, Fix: x})
		}
	}
	f.State = scribeState(v, f.Delta)
	return f
}

// BenchmarkRestore opens a stopped journal: a keyframe, and a minute of frames
// of 50 moves after it.
func BenchmarkRestore(b *testing.B) {
	for _, n := range []int{1000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("features=%d", n), func(b *testing.B) {
			o := testOptions(b.TempDir())
			j, w, _ := mustOpen(b, o)
			crowd(b, j, w, n)
			start := time.Now()
			if err := j.Snapshot(context.Background(), w.View(), nil); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(time.Since(start).Seconds()*1000, "keyframe-ms")
			r := rand.New(rand.NewPCG(1, 1))
			for range 1200 {
				f := rush(w.View(), r, 50)
				if err := j.Append(context.Background(), f); err != nil {
					b.Fatal(err)
				}
				w.Apply(geo.Moment{Seq: f.Seq, Time: f.Time}, f.Delta)
			}
			_ = j.Close()
			w = nil
			for b.Loop() {
				j, _, r, err := OpenJournal(context.Background(), o)
				if err != nil || len(r.Damaged) > 0 {
					b.Fatal(err, r)
				}
				b.ReportMetric(float64(r.TailFrames), "tail-frames")
				b.StopTimer()
				_ = j.Close()
				b.StartTimer()
			}
		})
	}
}
