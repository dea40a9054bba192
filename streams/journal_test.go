package streams

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"rasad/geo"
)

func TestJournalComesBack(t *testing.T) {
	o := testOptions(t.TempDir())
	j, w, r := mustOpen(t, o)
	if !r.NewEpoch || len(r.Damaged) > 0 || len(r.Repaired) > 0 {
		t.Fatalf("first start: got %+v", *r)
	}
	s := newScribe(j, w, 1)
	s.write(t, 100)
	s.snapshot(t)
	s.write(t, 40)
	epoch, term := j.Epoch(), j.Term()
	state, seq, next := w.View().Hash(), w.View().Seq(), w.View().NextID()
	if _, _, _, err := OpenJournal(context.Background(), o); !errors.Is(err, ErrDirHeld) {
		t.Fatalf("second server on the folder: got %v, want %v", err, ErrDirHeld)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	j, w, r = mustOpen(t, o)
	healthy(t, r)
	if j.Epoch() != epoch || j.Term() != term+1 {
		t.Errorf("got epoch %s term %d, want %s and %d", j.Epoch(), j.Term(), epoch, term+1)
	}
	if v := w.View(); v.Hash() != state || v.Seq() != seq+1 || v.NextID() != next {
		t.Errorf("got state %x at %d, next id %d; want %x at %d, %d", v.Hash(), v.Seq(), v.NextID(), state, seq+1, next)
	}
	if r.TailFrames != 40 {
		t.Errorf("got %d tail frames, want 40", r.TailFrames)
	}
	s.j = j
	sameFrames(t, j, s)
	if bad, err := j.Check(context.Background()); err != nil || bad != nil {
		t.Errorf("check: got %v, %v", bad, err)
	}
}

// A journal that is not synced until it is closed is as whole as any, when there was
// no power cut.
func TestUnsyncedJournal(t *testing.T) {
	dir := t.TempDir()
	then := time.UnixMilli(1_600_000_000_000)
	o := JournalOptions{Dir: dir, ScrubRate: -1, Unsynced: true, Now: func() time.Time { return then }}
	j, w, r, err := OpenJournal(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !r.NewEpoch || w.View().Time() != 1_600_000_000_000 {
		t.Errorf("it begins at %d, want the time that was given", w.View().Time())
	}
	for i := range 50 {
		v := w.View()
		f := &Frame{V: FormatVersion, Base: v.Seq(), Seq: v.Seq() + 1, Time: v.Time() + 1000, Acts: []geo.Act{{Name: fmt.Sprint(i)}}}
		if err := j.Append(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		w.Apply(geo.Moment{Seq: f.Seq, Time: f.Time}, f.Delta)
	}
	last := j.Last()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	o.Unsynced = false
	j, w, r, err = OpenJournal(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if r.NewEpoch || len(r.Damaged) > 0 || len(r.Repaired) > 0 || j.Last() != last+1 || w.View().Time() != 1_600_000_050_000 {
		t.Errorf("opened again: %+v, frame %d of %d", r, j.Last(), last)
	}
}
