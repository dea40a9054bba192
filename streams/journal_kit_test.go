package streams

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"testing"

	"rasad/geo"
)

// scribe writes made-up frames into a journal as a sequencer would: decide,
// record, apply. It remembers the hash of each acknowledged frame.
type scribe struct {
	j     *Journal
	w     *geo.World
	r     *rand.Rand
	units int
	acked map[uint64]acked
}

type acked struct {
	sum   hash
	state uint64
}

func newScribe(j *Journal, w *geo.World, seed uint64) *scribe {
	return &scribe{j: j, w: w, r: rand.New(rand.NewPCG(seed, 1)), units: 50, acked: map[uint64]acked{}}
}

// frame makes the next frame and the state it leads to.
func (s *scribe) frame() *Frame {
	v := s.w.View()
	f := &Frame{Base: v.Seq(), Seq: v.Seq() + 1, Time: v.Time() + 50}
	next := v.NextID()
	fix := func() geo.Fix {
		return geo.Fix{At: geo.LngLat{Lng: s.r.Int32N(1e7), Lat: s.r.Int32N(1e7)}, Time: f.Time - 10, Heading: uint16(s.r.IntN(360)), Speed: uint16(s.r.IntN(500))}
	}
	for id := geo.ID(1); id < next; id++ {
		if p, ok := v.ByID(id); ok && s.r.IntN(4) == 0 {
			switch s.r.IntN(20) {
			case 0:
				f.Drop = append(f.Drop, id)
			case 1:
				q := *p
				q.Rev, q.Fix, q.Props = f.Seq, fix(), geo.Props(fmt.Sprintf(`{"n":%d}`, s.r.IntN(1000)))
				f.Put = append(f.Put, &q)
			default:
				f.Move = append(f.Move, geo.Move{ID: id, Fix: fix()})
			}
		}
	}
	if v.Len("") < s.units {
		f.Put = append(f.Put, &geo.Feature{ID: next, Key: fmt.Sprintf("u%d", next), Kind: geo.Unit, Rev: f.Seq, Fix: fix(), Props: `{"status":"available"}`})
	}
	if s.r.IntN(5) == 0 {
		f.Acts = append(f.Acts, geo.Act{At: f.Time, Name: "assign", By: geo.Principal{Name: "test"}, Key: fmt.Sprintf("key-%d", f.Seq), Digest: []byte{1, 2}, Answer: []byte(`{}`)})
	}
	f.State = scribeState(v, f.Delta)
	return f
}

// scribeState is the state hash that a delta leads to.
func scribeState(v *geo.View, d geo.Delta) uint64 {
	sum := v.Hash()
	share := func(id geo.ID) uint64 {
		if p, ok := v.ByID(id); ok {
			return geo.Mix(p.ID, p.Rev, p.Fix)
		}
		return 0
	}
	for _, id := range d.Drop {
		sum -= share(id)
	}
	for _, p := range d.Put {
		sum += geo.Mix(p.ID, p.Rev, p.Fix) - share(p.ID)
	}
	for _, m := range d.Move {
		if p, ok := v.ByID(m.ID); ok {
			sum += geo.Mix(p.ID, p.Rev, m.Fix) - share(m.ID)
		}
	}
	return sum
}

// write records and applies n frames.
func (s *scribe) write(t testing.TB, n int) {
	t.Helper()
	for range n {
		f := s.frame()
		if err := s.j.Append(context.Background(), f); err != nil {
			t.Fatalf("append frame %d: %v", f.Seq, err)
		}
		s.apply(f)
	}
}

func (s *scribe) apply(f *Frame) {
	s.w.Apply(geo.Moment{Seq: f.Seq, Time: f.Time}, f.Delta)
	s.acked[f.Seq] = acked{sha256.Sum256(f.Encode()), f.State}
}

func (s *scribe) snapshot(t testing.TB) {
	t.Helper()
	if err := s.j.Snapshot(context.Background(), s.w.View(), nil); err != nil {
		t.Fatalf("snapshot: %v", err)
	}
}

// testOptions are those of a journal in dir without a background check, whose
// reserve does not depend on the machine.
func testOptions(dir string) JournalOptions {
	return JournalOptions{Dir: dir, ScrubRate: -1, Reserve: 1}
}

// mustOpen opens a journal and closes it when the test ends.
func mustOpen(t testing.TB, o JournalOptions) (*Journal, *geo.World, *Recovery) {
	t.Helper()
	j, w, r, err := OpenJournal(context.Background(), o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j, w, r
}

// healthy fails the test unless the journal came back whole, in its epoch.
func healthy(t testing.TB, r *Recovery) {
	t.Helper()
	if len(r.Damaged) > 0 || len(r.Repaired) > 0 || r.NewEpoch {
		t.Fatalf("got %+v, want a healthy journal", *r)
	}
}

// sameFrames fails the test unless the journal holds exactly the acknowledged
// frames, byte for byte, and empty frames of new pens.
func sameFrames(t testing.TB, j *Journal, s *scribe) {
	t.Helper()
	left := len(s.acked)
	for f, err := range j.Frames(context.Background(), 0) {
		if err != nil {
			t.Fatalf("read back: %v", err)
		}
		want, ok := s.acked[f.Seq]
		if !ok {
			if !f.Keyframe() && !f.Delta.Empty() {
				t.Fatalf("frame %d was never acknowledged", f.Seq)
			}
			continue
		}
		if got := sha256.Sum256(f.Encode()); got != want.sum {
			t.Fatalf("frame %d differs from the one acknowledged", f.Seq)
		}
		left--
	}
	if left != 0 {
		t.Fatalf("%d acknowledged frames are missing", left)
	}
}
