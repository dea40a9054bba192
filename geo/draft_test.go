package geo

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// dump is everything that a draft shows.
func dump(d *Draft) string {
	s := fmt.Sprintf("next %d acts %+v\n", d.NextID(), d.Acts())
	for _, kind := range []Kind{"", Unit, Call} {
		for f := range d.All(kind) {
			s += fmt.Sprintf("%+v\n", *f)
		}
	}
	for i := range 12 {
		f, ok := d.Get(fmt.Sprint("K", i))
		s += fmt.Sprintf("K%d %t %+v\n", i, ok, f)
	}
	x := d.Delta()
	s += fmt.Sprintf("drop %v move %v put", x.Drop, x.Move)
	for _, f := range x.Put {
		s += fmt.Sprintf(" %+v", *f)
	}
	return s
}

func (s some) act(d *Draft) {
	switch f, ok := d.ByID(ID(1 + s.IntN(12))); {
	case s.IntN(4) == 0:
		_, _ = d.Create(*s.feature(0, fmt.Sprint("K", s.IntN(12)), 0))
	case !ok:
		d.Act(Act{Name: "looked in vain"})
	case s.IntN(3) == 0:
		d.Move(f.ID, s.fix())
	case s.IntN(2) == 0:
		g := *f
		g.Props, g.Due = s.props(), Millis(s.IntN(9))
		d.Put(g)
	default:
		d.Drop(f.ID)
	}
}

func TestDraftKeepsItsLaws(t *testing.T) {
	no := errors.New("no")
	for seed := range uint64(500) {
		s := some{rand.New(rand.NewPCG(seed, 13)), 10, town}
		w, n := NewWorld(), newNaive()
		keys := map[ID]string{}
		for seq := uint64(1); seq < 6; seq++ {
			x := s.delta(seq, keys)
			w.Apply(Moment{Seq: seq}, x)
			n.apply(Moment{Seq: seq}, x)
		}
		d := NewDraft(w.View(), 6, 600)
		for range 12 {
			if s.IntN(2) == 0 {
				s.act(d)
				continue
			}
			before := dump(d)
			fail := s.IntN(3)
			func() {
				defer func() { _ = recover() }()
				_ = d.Try(func() error {
					for range s.IntN(5) {
						s.act(d)
					}
					within := dump(d)
					err := d.Try(func() error { s.act(d); s.act(d); return no })
					if after := dump(d); err != no || after != within {
						t.Fatalf("seed %d: an inner Try that failed left\n%s\nand found\n%s", seed, after, within)
					}
					_ = d.Try(func() error { s.act(d); return nil })
					switch fail {
					case 0:
						return no
					case 1:
						panic(no)
					}
					return nil
				})
			}()
			if after := dump(d); fail < 2 && after != before {
				t.Fatalf("seed %d: a Try that failed left\n%s\nand found\n%s", seed, after, before)
			}
		}
		same(t, w.View(), n) // nothing has leaked

		var shows []*Feature
		for f := range d.All("") {
			shows = append(shows, f)
		}
		x := d.Delta()
		if !slices.IsSorted(x.Drop) || x.Empty() != (len(x.Drop)+len(x.Put)+len(x.Move) == 0) {
			t.Fatalf("seed %d: delta %+v", seed, x)
		}
		w.Apply(Moment{Seq: 6, Time: 600}, x)
		if got := slices.Collect(w.View().All("")); !reflect.DeepEqual(got, shows) {
			t.Fatalf("seed %d: applied, it gives\n%s, it had shown\n%s", seed, list(got), list(shows))
		}
		for _, f := range shows {
			if g, ok := w.View().Get(f.Key); !ok || g.ID != f.ID {
				t.Fatalf("seed %d: key %s names %v, want %v", seed, f.Key, g, f)
			}
		}
	}
}

func TestDraftRefusesKeys(t *testing.T) {
	w := NewWorld()
	w.Apply(Moment{Seq: 1}, Delta{Put: []*Feature{{ID: 1, Key: "E7", Kind: Unit, Rev: 1}}})
	d := NewDraft(w.View(), 2, 0)
	if _, err := d.Create(Feature{Key: "E7", Kind: Call}); !errors.Is(err, ErrKeyTaken) {
		t.Errorf("a key that is taken: got %v, want ErrKeyTaken", err)
	}
	for _, key := range []string{"", ".", "..", "nearest", "a/b", "a b", "é", string(make([]byte, 129))} {
		if _, err := d.Create(Feature{Key: key, Kind: Call}); !errors.Is(err, ErrKey) {
			t.Errorf("key %q: got %v, want ErrKey", key, err)
		}
	}
	d.Drop(1)
	if f, err := d.Create(Feature{Key: "E7", Kind: Call}); err != nil || f.ID != 2 || f.Rev != 2 {
		t.Errorf("a key that was freed: got %+v, %v; want number 2", f, err)
	}
}
