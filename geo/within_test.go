package geo

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
)

func (s some) box() Box {
	a, b := s.places(s.Rand), s.places(s.Rand)
	switch s.IntN(5) {
	case 0: // small
		b = LngLat{a.Lng, a.Lat}
		if reach := int32(s.IntN(50_000)); a.Lng < LngMax-reach && a.Lat < LatMax-reach {
			b.Lng, b.Lat = a.Lng+reach, a.Lat+reach
		}
	case 1: // as it comes, perhaps over the antimeridian, perhaps upside down
	case 2:
		a.Lng, b.Lng = -LngMax, LngMax
	case 3:
		if s.IntN(2) == 0 {
			b.Lng = LngMax
		} else {
			a.Lng = -LngMax
		}
	case 4:
		a, b = LngLat{-LngMax, -LatMax}, LngLat{LngMax, LatMax}
	}
	return Box{a, b}
}

func TestWithinEqualsLookingAtEverything(t *testing.T) {
	for name, places := range worlds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(40) {
				s := some{rand.New(rand.NewPCG(seed, 11)), []ID{5, 50, 500}[seed%3], places}
				w, n := NewWorld(), newNaive()
				point := func(id ID, seq uint64) *Feature {
					f := s.feature(id, fmt.Sprint("K", id), seq)
					f.Shape = nil
					return f
				}
				var d Delta
				for id := ID(1); id <= s.ids; id++ {
					d.Put = append(d.Put, point(id, 1))
				}
				if seed%2 == 0 {
					w.Load(Moment{Seq: 1}, d, 0, nil, nil)
				} else {
					w.Apply(Moment{Seq: 1}, d)
				}
				n.apply(Moment{Seq: 1}, d)
				for seq := uint64(2); seq < 12; seq++ {
					for range 12 {
						b := s.box()
						var kinds []Kind
						if s.IntN(2) == 0 {
							kinds = []Kind{Incident, Unit, Call}[s.IntN(3):]
						}
						got, v := w.Within(b, kinds...)
						if want := n.within(b, kinds...); !reflect.DeepEqual(got, want) || v != w.View() {
							t.Fatalf("seed %d: within %v %v: got %s, want %s", seed, b, kinds, list(got), list(want))
						}
					}
					var d Delta
					for range s.ids {
						id := 1 + ID(s.IntN(int(s.ids)))
						x := s.fix()
						if f := n.byID[id]; f != nil && f.Fix.Placed() && s.IntN(4) > 0 { // as units do move
							x = f.Fix
							x.At.Lng = max(-LngMax, min(LngMax-9000, x.At.Lng)+int32(s.IntN(9000)))
						}
						d.Move = append(d.Move, Move{id, x})
					}
					d.Drop = append(d.Drop, 1+ID(s.IntN(int(s.ids))))
					d.Put = append(d.Put, point(1+ID(s.IntN(int(s.ids))), seq))
					if s.IntN(4) == 0 {
						w.Overlay(1, 1, d.Move)
						n.overlay(1, 1, d.Move)
					} else {
						w.Apply(Moment{Seq: seq}, d)
						n.apply(Moment{Seq: seq}, d)
					}
				}
			}
		})
	}
}

func TestWithinFindsShapes(t *testing.T) {
	square := &Shape{Type: Polygon, Points: []LngLat{{0, 0}, {1000, 0}, {1000, 1000}, {0, 1000}, {0, 0}}, Ends: []uint32{5}}
	diagonal := &Shape{Type: LineString, Points: []LngLat{{0, 0}, {1000, 1000}}, Ends: []uint32{2}}
	w := NewWorld()
	w.Apply(Moment{Seq: 1}, Delta{Put: []*Feature{
		{ID: 1, Key: "flood", Kind: Hazard, Rev: 1, Fix: Fix{At: LngLat{500, 500}, Time: 1}, Shape: square},
		{ID: 2, Key: "spill", Kind: Hazard, Rev: 1, Fix: Fix{At: LngLat{500, 500}, Time: 1}, Shape: diagonal},
		{ID: 3, Key: "area", Kind: Zone, Rev: 1, Fix: Fix{At: LngLat{500, 500}, Time: 1}, Shape: square},
	}})
	tests := map[string]struct {
		box  Box
		want []ID
	}{
		"inside of the square, off the line": {Box{LngLat{700, 100}, LngLat{800, 200}}, []ID{1}},
		"on the line":                        {Box{LngLat{300, 250}, LngLat{350, 320}}, []ID{1, 2}},
		"at a corner":                        {Box{LngLat{1000, 1000}, LngLat{2000, 2000}}, []ID{1, 2}},
		"around all":                         {Box{LngLat{-5, -5}, LngLat{2000, 2000}}, []ID{1, 2}},
		"outside":                            {Box{LngLat{1001, 0}, LngLat{2000, 1000}}, nil},
	}
	check := func(when string) {
		for name, tt := range tests {
			var got []ID
			fs, _ := w.Within(tt.box)
			for _, f := range fs {
				got = append(got, f.ID)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%s %s: got %v, want %v", when, name, got, tt.want)
			}
		}
	}
	check("put:")
	w.Apply(Moment{Seq: 2}, Delta{Move: []Move{{1, Fix{At: LngLat{9000, 9000}, Time: 2}}}})
	check("a fix does not move a shape:")
	moved := &Shape{Type: Polygon, Points: []LngLat{{5000, 0}, {6000, 0}, {6000, 1000}, {5000, 0}}, Ends: []uint32{4}}
	w.Apply(Moment{Seq: 3}, Delta{Put: []*Feature{{ID: 1, Key: "flood", Kind: Hazard, Rev: 3, Fix: Fix{At: LngLat{5500, 100}, Time: 3}, Shape: moved}}})
	w.Apply(Moment{Seq: 4}, Delta{Drop: []ID{2}})
	if fs, _ := w.Within(Box{LngLat{-5, -5}, LngLat{2000, 2000}}); len(fs) > 0 {
		t.Errorf("the flood has moved and the spill is gone, but found %s", list(fs))
	}
	if fs, _ := w.Within(Box{LngLat{5800, 700}, LngLat{7000, 7000}}); len(fs) != 1 || fs[0].ID != 1 {
		t.Errorf("the flood has moved here, but found %s", list(fs))
	}
}

// Readers see whole frames: in every view all units stand where the frame put
// them, whatever they ask with.
func TestReadersAndTheWriterAtOnce(t *testing.T) {
	const n = 300
	at := func(seq uint64, id ID) LngLat { return LngLat{int32(seq) * 40_000, int32(id) * 100} }
	frame := func(seq uint64) (d Delta) {
		for id := ID(1); id <= n; id++ {
			x := Fix{At: at(seq, id), Time: Millis(seq)}
			if seq == 1 || id%50 == ID(seq%50) {
				d.Put = append(d.Put, &Feature{ID: id, Key: fmt.Sprint("E", id), Kind: Unit, Rev: seq, Fix: x, Props: `{"status":"available"}`})
			} else {
				d.Move = append(d.Move, Move{id, x})
			}
		}
		return d
	}
	w := NewWorld()
	w.Apply(Moment{Seq: 1}, frame(1))
	done := make(chan struct{})
	var readers sync.WaitGroup
	for k := range 3 {
		readers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(k), 12))
			for {
				select {
				case <-done:
					return
				default:
				}
				fs, v := w.Within(Box{LngLat{-LngMax, -LatMax}, LngLat{LngMax, LatMax - 1}}) // not the whole globe: by the tree
				if len(fs) != n {
					t.Errorf("within found %d of %d", len(fs), n)
					return
				}
				for _, f := range fs {
					if f.Fix.At != at(v.Seq(), f.ID) {
						t.Errorf("unit %d is at %v in view %d", f.ID, f.Fix.At, v.Seq())
						return
					}
				}
				v = w.View()
				id := ID(1 + r.IntN(n))
				near := v.Nearest(Query{At: at(v.Seq(), id), K: 1, Status: "available"})
				if len(near.Units) != 1 || near.Units[0].Feature.ID != id || near.Units[0].Distance != 0 {
					t.Errorf("nearest to unit %d in view %d: %v", id, v.Seq(), nearList(near))
					return
				}
				if f, ok := v.Get(fmt.Sprint("E", id)); !ok || f.Fix.At != at(v.Seq(), id) {
					t.Errorf("unit %d: %v", id, f)
					return
				}
				d, _ := v.Since(v.Seq() - 1)
				if v.Seq() > 1 && len(d.Put)+len(d.Move) != n {
					t.Errorf("since one frame before: %d", len(d.Put)+len(d.Move))
					return
				}
			}
		})
	}
	for seq := uint64(2); seq < 400; seq++ {
		w.Apply(Moment{Seq: seq}, frame(seq))
	}
	close(done)
	readers.Wait()
}
