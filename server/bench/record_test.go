//go:build bench

package bench

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"rasad/geo"
	"rasad/streams"
)

// TestRestoreDay: 100k features, and a day of 1,000 units at 1 Hz in the journal,
// one frame a second, a keyframe a minute before the end as the server writes
// them; then a start. The journal is made outside the timing.
func TestRestoreDay(t *testing.T) {
	const features, movers, seconds = 100_000, 1000, 24 * 60 * 60
	dir := t.TempDir()
	seed(t, dir, features, func(j *streams.Journal, w *geo.World) {
		before := size(t, dir)
		began := time.Now()
		r := rand.New(rand.NewPCG(4, 4))
		now := w.View().Time()
		x := make([]geo.Fix, movers)
		for i := range x {
			f, _ := w.View().ByID(geo.ID(i + 1))
			x[i] = f.Fix
		}
		for s := range seconds {
			now += 1000
			d := geo.Delta{Move: make([]geo.Move, movers)}
			for i := range x {
				x[i].At.Lng += int32(r.IntN(4000) - 2000) // up to 20 m
				x[i].At.Lat += int32(r.IntN(4000) - 2000)
				x[i].Time = now - geo.Millis(r.IntN(1000))
				x[i].Heading, x[i].Speed = uint16(r.IntN(360)), uint16(r.IntN(200))
				d.Move[i] = geo.Move{ID: geo.ID(i + 1), Fix: x[i]}
			}
			record(t, j, w, d, now)
			if s == seconds-60 {
				if err := j.Snapshot(context.Background(), w.View(), nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		made := time.Since(began)
		say(t, "journal of a day, 1,000 units x 1 Hz", "%.2f GB, %.1f bytes a move; made at %.0f durable moves/s by one writer",
			float64(size(t, dir)-before)/1e9, float64(size(t, dir)-before)/seconds/movers, seconds*movers/made.Seconds())
	})
	restore(t, dir, "restore of 100k features + 24 h of 1,000 units x 1 Hz")
}

// TestMillion: a restart with a million features, and what they weigh.
func TestMillion(t *testing.T) {
	dir := t.TempDir()
	seed(t, dir, 1_000_000, nil)
	restore(t, dir, "restore of 1M features")
	s := start(t, dir)
	time.Sleep(5 * time.Second)
	now, peak := s.memory(t)
	say(t, "1M features", "%d MB resident after the start, %d MB at the peak; %v from the start of the process to the first answer", now>>20, peak>>20, s.up.Round(time.Millisecond))
}

func restore(t *testing.T, dir, what string) {
	t.Helper()
	for range 3 {
		j, w, r, err := streams.OpenJournal(context.Background(), streams.JournalOptions{Dir: dir, ScrubRate: -1})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Damaged) > 0 {
			t.Fatalf("damaged: %v", r.Damaged)
		}
		say(t, what, "%v (%d features, tail of %d frames)", r.Took.Round(time.Millisecond), w.View().Len(""), r.TailFrames)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
