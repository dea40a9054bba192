package streams

import (
	"context"
	"errors"
	"testing"
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
