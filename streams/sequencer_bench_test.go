package streams

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"rasad/geo"
)

const benchUnits = 100_000

// benchWorld puts the units of a big city into a world, as its next frame.
func benchWorld(b *testing.B, w *geo.World, a appender) {
	b.Helper()
	r := rand.New(rand.NewPCG(1, 1))
	v := w.View()
	seq, id := v.Seq(), v.NextID()
	for n := 0; n < benchUnits; n += 2000 { // within the limit of a frame
		f := &Frame{Base: seq, Seq: seq + 1, Time: geo.Millis(time.Now().UnixMilli())}
		seq++
		for i := n; i < n+2000; i++ {
			f.Put = append(f.Put, &geo.Feature{ID: id, Key: fmt.Sprintf("U%d", i), Kind: geo.Unit, Rev: seq, Props: `{"status":"available"}`,
				Fix: geo.Fix{At: geo.LngLat{Lng: 513_000_000 + r.Int32N(3_000_000), Lat: 356_000_000 + r.Int32N(2_000_000)}, Time: f.Time}})
			id++
		}
		f.State = stateAfter(w.View(), nil, f.Delta)
		if err := a.Append(b.Context(), f); err != nil {
			b.Fatal(err)
		}
		w.Apply(geo.Moment{Seq: f.Seq, Time: f.Time}, f.Delta)
	}
}

// benchMoves drives every unit on by at most 20 m a time, through ReportMany, with
// two batches under way, and reports what was recorded, applied and handed to a hub.
func benchMoves(b *testing.B, w *geo.World, a appender, epoch string) {
	benchWorld(b, w, a)
	hub := NewHub(w, HubOptions{World: "live", Epoch: epoch})
	var mu sync.Mutex
	moves, frames := 0, 0
	s := NewSequencer(SequencerOptions{World: w, Journal: a, Name: "live", Epoch: epoch, Log: quiet,
		Limits: func(*geo.Feature) geo.FixLimits { return geo.FixLimits{Speed: 70, Stale: 2 * time.Minute} },
		Publish: func(f *Frame) {
			hub.Publish(f)
			mu.Lock()
			defer mu.Unlock()
			moves += len(f.Move)
			frames++
		}})
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()

	r := rand.New(rand.NewPCG(2, 2))
	const half = benchUnits / 2 // so that two batches never speak of one unit
	at := make([]geo.LngLat, benchUnits)
	keys := make([]string, benchUnits)
	for i := range at {
		keys[i] = fmt.Sprintf("U%d", i)
		f, _ := w.View().Get(keys[i])
		at[i] = f.Fix.At
	}
	time.Sleep(time.Second) // 20 m in no time would be too fast
	batch := func(from int) *Tickets {
		now := geo.Millis(time.Now().UnixMilli())
		reports := make([]Report, half)
		for i := range reports {
			p := &at[from+i]
			p.Lng += r.Int32N(2000) - 1000
			p.Lat += r.Int32N(2000) - 1000
			reports[i] = Report{Key: keys[from+i], Feed: "bench", Received: now,
				Fix: geo.Fix{At: *p, Time: now, Heading: uint16(r.IntN(360)), Speed: 110, Accuracy: 8}}
		}
		tks, err := s.ReportMany(ctx, reports)
		if err != nil {
			b.Fatal(err)
		}
		return tks
	}
	accepted := 0
	wait := func(tks *Tickets) {
		out, err := tks.Wait(ctx)
		if err != nil {
			b.Fatal(err)
		}
		for i := range out {
			if out[i].Accepted {
				accepted++
			}
		}
	}
	n := 0
	var before *Tickets
	for b.Loop() {
		next := batch(n % 2 * half)
		n++
		if before != nil {
			wait(before)
		}
		before = next
	}
	wait(before)
	took := b.Elapsed()
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	if accepted < n*half*9/10 {
		b.Fatalf("%d of %d fixes were believed: the bench says nothing", accepted, n*half)
	}
	b.ReportMetric(float64(moves)/took.Seconds(), "moves/s")
	b.ReportMetric(float64(moves)/float64(frames), "moves/frame")
	b.ReportMetric(float64(took.Microseconds())/float64(moves), "µs/move")
}

// noJournal takes everything at once.
type noJournal struct{}

func (noJournal) Append(context.Context, *Frame) error { return nil }

func BenchmarkMoves(b *testing.B) { benchMoves(b, geo.NewWorld(), noJournal{}, "e") }

// BenchmarkDurableMoves has each frame synced to the disk before it is seen.
func BenchmarkDurableMoves(b *testing.B) {
	j, w, _ := mustOpen(b, testOptions(b.TempDir()))
	benchMoves(b, w, j, j.Epoch())
}

// benchCommands has n callers who each propose, wait and propose again.
func benchCommands(b *testing.B, w *geo.World, a appender, n int) {
	s := NewSequencer(SequencerOptions{World: w, Journal: a, Publish: func(*Frame) {}, Rules: testRules, Log: quiet})
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	var callers sync.WaitGroup
	work := make(chan string, n)
	for range n {
		callers.Go(func() {
			for key := range work {
				if _, err := s.Propose(ctx, command("create", key)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	i := 0
	for b.Loop() {
		i++
		work <- fmt.Sprintf(`{"key":"S%d"}`, i)
	}
	close(work)
	callers.Wait()
	b.ReportMetric(float64(i)/b.Elapsed().Seconds(), "commands/s")
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}

func BenchmarkCommands(b *testing.B) { benchCommands(b, geo.NewWorld(), noJournal{}, 64) }

func BenchmarkDurableCommands(b *testing.B) {
	j, w, _ := mustOpen(b, testOptions(b.TempDir()))
	benchCommands(b, w, j, 64)
}
