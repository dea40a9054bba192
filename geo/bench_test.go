package geo

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// city makes n units in half a degree, half of them in fifty clusters, as in
// measured.md; one in a hundred has the capability "rare".
func city(n int) []*Feature {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	const west, south, wide = 190_000_000, 500_000_000, 5_000_000
	var centres [50][2]float64
	for i := range centres {
		centres[i] = [2]float64{r.Float64() * wide, r.Float64() * wide}
	}
	units := make([]*Feature, n)
	for i := range units {
		x, y := r.Float64()*wide, r.Float64()*wide
		if i%2 == 0 {
			c := centres[r.IntN(50)]
			x = min(max(c[0]+r.NormFloat64()*wide/60, 0), wide)
			y = min(max(c[1]+r.NormFloat64()*wide/60, 0), wide)
		}
		capability := "bls"
		if r.IntN(100) == 0 {
			capability = "rare"
		}
		p := fmt.Sprintf(`{"agency":"fire","capabilities":["engine",%q],"crew":4,"dispatchable":%v,"name":"Unit %d","status":"available","type":"engine"}`,
			capability, r.IntN(10) > 0, i)
		units[i] = &Feature{ID: ID(i + 1), Key: "U" + strconv.Itoa(i), Kind: Unit, Rev: 1, Props: Props(p),
			Fix: Fix{At: LngLat{west + int32(x), south + int32(y)}, Time: 1, Heading: HeadingUnknown, Speed: SpeedUnknown}}
	}
	return units
}

var benchSizes = []int{10_000, 100_000, 1_000_000}

func benchCity(b *testing.B, run func(b *testing.B, w *World, units []*Feature)) {
	for _, n := range benchSizes {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			units := city(n)
			w := NewWorld()
			w.Load(Moment{Seq: 1}, Delta{Put: units}, 0, nil, nil)
			runtime.GC()
			run(b, w, units)
		})
	}
}

// moves fills a frame with moves of at most 20 m.
func moves(r *rand.Rand, units []*Feature, at []LngLat, frame []Move, now Millis) {
	for i := range frame {
		j := r.IntN(len(units))
		p := &at[j]
		p.Lng += int32(r.IntN(4001) - 2000)
		p.Lat += int32(r.IntN(2601) - 1300)
		frame[i] = Move{units[j].ID, Fix{At: *p, Time: now, Heading: uint16(r.IntN(360)), Speed: 110}}
	}
	slices.SortFunc(frame, func(a, b Move) int { return cmp.Compare(a.ID, b.ID) }) // as frames are
}

func places(units []*Feature) []LngLat {
	at := make([]LngLat, len(units))
	for i, f := range units {
		at[i] = f.Fix.At
	}
	return at
}

func benchNearest(b *testing.B, q Query) {
	benchCity(b, func(b *testing.B, w *World, units []*Feature) {
		r := rand.New(rand.NewPCG(2, 2))
		at := places(units)
		frame := make([]Move, len(units)/5+1) // some have moved, as in life
		moves(r, units, at, frame, 2)
		w.Apply(Moment{Seq: 2}, Delta{Move: frame})
		from := make([]LngLat, 4096)
		for i := range from {
			from[i] = units[r.IntN(len(units))].Fix.At
			from[i].Lng += int32(r.IntN(20_001) - 10_000)
			from[i].Lat += int32(r.IntN(20_001) - 10_000)
		}
		v := w.View()
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			q.At = from[i%len(from)]
			i++
			if len(v.Nearest(q).Units) != q.K {
				b.Fatal("too few")
			}
		}
	})
}

func BenchmarkNearest(b *testing.B) { benchNearest(b, Query{K: 5}) }

func BenchmarkNearestOnePercent(b *testing.B) {
	benchNearest(b, Query{K: 5, Capability: []string{"rare"}})
}

// As the door asks: dispatchable, and no stale fix.
func BenchmarkNearestAsAsked(b *testing.B) {
	yes := true
	benchNearest(b, Query{K: 5, Dispatchable: &yes, Now: 60_000, StaleAfter: always(2 * time.Minute)})
}

const benchFrame = 5000

func BenchmarkApplyMoves(b *testing.B) {
	benchCity(b, func(b *testing.B, w *World, units []*Feature) {
		r := rand.New(rand.NewPCG(3, 3))
		at := places(units)
		frames := make([][]Move, 200)
		for i := range frames {
			frames[i] = make([]Move, benchFrame)
			moves(r, units, at, frames[i], Millis(i))
		}
		b.ReportAllocs()
		seq := uint64(1)
		for b.Loop() {
			seq++
			w.Apply(Moment{Seq: seq}, Delta{Move: frames[seq%200]})
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchFrame), "ns/move")
	})
}

func BenchmarkReadersWhileMoving(b *testing.B) {
	for _, n := range []int{100_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			units := city(n)
			w := NewWorld()
			w.Load(Moment{Seq: 1}, Delta{Put: units}, 0, nil, nil)
			var stop atomic.Bool
			var wg sync.WaitGroup
			var frames, behind int
			wg.Go(func() {
				r := rand.New(rand.NewPCG(4, 4))
				at := places(units)
				frame := make([]Move, benchFrame)
				next := time.Now()
				for seq := uint64(2); !stop.Load(); seq++ {
					moves(r, units, at, frame, Millis(seq))
					w.Apply(Moment{Seq: seq}, Delta{Move: frame})
					frames++
					if next = next.Add(50 * time.Millisecond); time.Now().After(next) {
						behind++
					}
					time.Sleep(time.Until(next))
				}
			})
			r := rand.New(rand.NewPCG(5, 5))
			took := make([]time.Duration, 0, 1<<22)
			start := time.Now()
			for b.Loop() {
				at := units[r.IntN(len(units))].Fix.At
				t := time.Now()
				w.View().Nearest(Query{At: at, K: 5})
				took = append(took, time.Since(t))
			}
			elapsed := time.Since(start)
			stop.Store(true)
			wg.Wait()
			slices.Sort(took)
			q := func(p float64) float64 { return float64(took[int(p*float64(len(took)-1))].Nanoseconds()) / 1000 }
			b.ReportMetric(q(.5), "p50-µs")
			b.ReportMetric(q(.99), "p99-µs")
			b.ReportMetric(q(.999), "p99.9-µs")
			b.ReportMetric(q(1), "max-µs")
			b.ReportMetric(float64(frames*benchFrame)/elapsed.Seconds(), "moves/s")
			b.ReportMetric(float64(behind), "late-frames")
		})
	}
}

func BenchmarkRestore(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			units := city(n)
			runtime.GC()
			for b.Loop() {
				w := NewWorld()
				w.Load(Moment{Seq: 1}, Delta{Put: units}, 0, nil, nil)
				if len(w.View().Nearest(Query{At: units[0].Fix.At, K: 5}).Units) != 5 {
					b.Fatal("no answer")
				}
			}
		})
	}
}

// BenchmarkMemory says what a unit costs: everything, the state without names
// (keys, properties), and the resident memory of the process.
func BenchmarkMemory(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for b.Loop() {
				debug.FreeOSMemory()
				before := heap()
				units := city(n)
				features := heap() - before
				w := NewWorld()
				w.Load(Moment{Seq: 1}, Delta{Put: units}, 0, nil, nil)
				peak := rss()
				names := 0
				for _, f := range units {
					names += len(f.Key) + len(f.Props)
				}
				clear(units)
				all := heap() - before
				state := all - features
				b.ReportMetric(float64(all)/float64(n), "B/unit")
				b.ReportMetric(float64(all-int64(names))/float64(n), "B/unit-without-names")
				b.ReportMetric(float64(state)/float64(n), "B/unit-index-and-tables")
				b.ReportMetric(float64(peak)/1e6, "peak-RSS-MB")
				runtime.KeepAlive(w)
			}
		})
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// rss is the resident memory of the process in bytes, 0 where /proc does not tell.
func rss() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// BenchmarkGrow fills a world frame by frame, as a city enrolls: the grid must keep
// its cells small while it grows.
func BenchmarkGrow(b *testing.B) {
	const n, perFrame = 100_000, 1500
	r := rand.New(rand.NewPCG(1, 2))
	at := make([]LngLat, n)
	for i := range at {
		at[i] = LngLat{-758_000_000 + int32(r.IntN(4_000_000)), 395_800_000 + int32(r.IntN(2_700_000))}
	}
	for b.Loop() {
		w := NewWorld()
		for i := 0; i < n; {
			seq := w.View().Seq() + 1
			var d Delta
			for ; i < n && len(d.Put) < perFrame; i++ {
				d.Put = append(d.Put, &Feature{ID: ID(i + 1), Key: strconv.Itoa(i), Kind: Unit, Rev: seq, Fix: Fix{At: at[i], Time: 1}, Props: `{"dispatchable":true,"status":"available"}`})
			}
			w.Apply(Moment{seq, Millis(seq)}, d)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/put")
}
