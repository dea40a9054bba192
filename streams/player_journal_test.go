package streams

import (
	"math/rand/v2"
	"testing"
	"time"

	"rasad/geo"
)

// The same as with a history in memory, over a real journal with its keyframe
// files: two hundred moments, and a run at 60 times the speed.
func TestReplayOfAJournal(t *testing.T) {
	j, w, _ := mustOpen(t, testOptions(t.TempDir()))
	s := newScribe(j, w, 40)
	type moment struct {
		at         geo.Millis
		seq, state uint64
	}
	var past []moment
	for range 8 {
		for range 75 {
			s.write(t, 1)
			past = append(past, moment{w.View().Time(), w.View().Seq(), w.View().Hash()})
		}
		s.snapshot(t)
	}
	_, last := j.Span()
	p, err := NewPlayer(j, last, 0)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 0))
	for range 200 {
		m := past[r.IntN(len(past))]
		at := m.at + geo.Millis(r.IntN(50)) // frames are 50 ms apart
		p.Seek(at)
		f, err := p.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !f.Keyframe() || f.Seq != m.seq || f.State != m.state {
			t.Fatalf("at %d: got frame %d with state %x, want a keyframe of %d with %x", at, f.Seq, f.State, m.seq, m.state)
		}
	}

	p.Seek(past[0].at)
	if err := p.SetSpeed(60); err != nil {
		t.Fatal(err)
	}
	var screen hubScreen
	began := time.Now()
	for screen.world == nil || screen.world.View().Seq() < past[len(past)-1].seq {
		if time.Since(began) > time.Minute {
			t.Fatalf("30 s at 60 times the speed have not played in a minute; the screen stands at %d", screen.world.View().Seq())
		}
		if err := screen.take(hubNext(t, p, 30*time.Second).Wire()); err != nil {
			t.Fatal(err)
		}
	}
	if most := int(time.Since(began)/playPace) + 2; screen.frames > most {
		t.Errorf("got %d frames, want at most %d: one in 50 ms", screen.frames, most)
	}
}
