package geo

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// worlds are the sorts of places that units stand in.
var worlds = map[string]func(r *rand.Rand) LngLat{
	"a town": town,
	"a lattice of ties": func(r *rand.Rand) LngLat {
		return LngLat{int32(r.IntN(9)-4) * 10_000, int32(r.IntN(9)-4) * 10_000}
	},
	"one depot": func(r *rand.Rand) LngLat { return LngLat{-755_466_000, 397_447_000 + int32(r.IntN(2))} },
	"everywhere": func(r *rand.Rand) LngLat {
		return LngLat{int32(r.Int64N(2*LngMax+1) - LngMax), int32(r.Int64N(2*LatMax+1) - LatMax)}
	},
	"a country": func(r *rand.Rand) LngLat {
		if r.IntN(2) == 0 {
			return LngLat{450_000_000 + int32(r.IntN(180_000_000)), 250_000_000 + int32(r.IntN(140_000_000))}
		}
		return LngLat{514_000_000 + int32(r.NormFloat64()*300_000), 357_000_000 + int32(r.NormFloat64()*300_000)}
	},
	"the antimeridian": func(r *rand.Rand) LngLat {
		lng := int64(LngMax) - 1_500_000 + r.Int64N(3_000_001)
		if lng > LngMax {
			lng -= 2 * LngMax
		}
		if r.IntN(6) == 0 {
			lng = LngMax - 2*LngMax*r.Int64N(2)
		}
		return LngLat{int32(lng), 517_000_000 + int32(r.IntN(1_000_000))}
	},
	"a pole": func(r *rand.Rand) LngLat {
		lat := int32(LatMax - r.Int64N(3_000_000))
		if r.IntN(6) == 0 {
			lat = LatMax
		}
		if r.IntN(2) == 0 {
			lat = -lat
		}
		return LngLat{int32(r.Int64N(2*LngMax+1) - LngMax), lat}
	},
}

func (s some) query() Query {
	q := Query{At: s.places(s.Rand), K: s.IntN(12), Now: 300_000}
	if s.IntN(8) == 0 {
		q.K = 90 + s.IntN(20)
	}
	if s.IntN(6) == 0 {
		q.At = worlds["everywhere"](s.Rand)
	}
	if s.IntN(3) == 0 {
		yes := s.IntN(2) == 0
		q.Dispatchable = &yes
	}
	if s.IntN(4) == 0 {
		q.Status = fmt.Sprintf("status%d", s.IntN(20))
	}
	if s.IntN(4) == 0 {
		q.Agency = fmt.Sprintf("agency%d", s.IntN(4))
	}
	if s.IntN(4) == 0 {
		q.Type = fmt.Sprintf("type%d", s.IntN(80)*s.IntN(2))
	}
	for range s.IntN(5) / 2 {
		q.Capability = append(q.Capability, someCapabilities[s.IntN(len(someCapabilities))*s.IntN(2)])
	}
	if s.IntN(3) == 0 {
		q.MaxDistance = math.Exp(s.Float64() * 17)
	}
	switch s.IntN(4) {
	case 0:
		q.StaleAfter = always(time.Duration(s.IntN(300)) * time.Second)
	case 1:
		q.StaleAfter = func(f *Feature) time.Duration { return time.Duration(f.ID%300) * time.Second }
	}
	return q
}

func checkNearest(t *testing.T, v *View, n *naive, q Query) {
	t.Helper()
	got, want := v.Nearest(q), n.nearest(q)
	if len(got.Units) != len(want.Units) || got.Stale != want.Stale {
		t.Fatalf("%+v: got %d units, %d stale; want %d, %d\ngot  %v\nwant %v", q, len(got.Units), got.Stale, len(want.Units), want.Stale, nearList(got), nearList(want))
	}
	for i := range want.Units {
		if !reflect.DeepEqual(got.Units[i], want.Units[i]) {
			t.Fatalf("%+v: number %d: got\n%v, want\n%v", q, i, nearList(got), nearList(want))
		}
	}
}

func nearList(n Nearest) (s string) {
	for _, u := range n.Units {
		s += fmt.Sprintf(" %d:%.9g", u.Feature.ID, u.Distance)
	}
	return s
}

func TestNearestEqualsMeasuringEveryUnit(t *testing.T) {
	for name, places := range worlds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(48) {
				s := some{rand.New(rand.NewPCG(seed, 3)), []ID{4, 40, 40, 300, 40, 1500}[seed%6], places}
				w, n := NewWorld(), newNaive()
				var d Delta
				for id := ID(1); id <= s.ids; id++ {
					f := s.feature(id, fmt.Sprint("K", id), 1)
					if id%8 > 0 {
						f.Kind, f.Shape = Unit, nil
					}
					d.Put = append(d.Put, f)
				}
				if seed%3 == 0 {
					w.Load(Moment{Seq: 1}, d, 0, nil, nil)
				} else {
					w.Apply(Moment{Seq: 1}, d)
				}
				n.apply(Moment{Seq: 1}, d)
				for seq := uint64(2); seq < 8; seq++ {
					for range 6 {
						checkNearest(t, w.View(), n, s.query())
					}
					if seq == 4 { // as it happens to a grid that has become too crowded or too empty
						w.edit++
						v := *w.View()
						v.grid.ops, v.grid.tuned = 1<<20, 0
						v.grid.retune(w.edit)
						w.view.Store(&v)
					}
					var d Delta
					for range s.ids / 2 {
						d.Move = append(d.Move, Move{1 + ID(s.IntN(int(s.ids))), s.fix()})
					}
					d.Drop = append(d.Drop, 1+ID(s.IntN(int(s.ids))))
					id := 1 + ID(s.IntN(int(s.ids)))
					d.Put = append(d.Put, s.feature(id, fmt.Sprint("K", id), seq))
					w.Apply(Moment{Seq: seq}, d)
					n.apply(Moment{Seq: seq}, d)
				}
			}
		})
	}
}

func TestDistance(t *testing.T) {
	tests := map[string]struct {
		a, b LngLat
		want float64
	}{
		"to itself":              {LngLat{514_000_000, 357_000_000}, LngLat{514_000_000, 357_000_000}, 0},
		"a degree of latitude":   {LngLat{0, 0}, LngLat{0, 10_000_000}, EarthRadius * math.Pi / 180},
		"half round the equator": {LngLat{-900_000_000, 0}, LngLat{900_000_000, 0}, EarthRadius * math.Pi},
		"over the antimeridian":  {LngLat{1_799_000_000, 0}, LngLat{-1_799_000_000, 0}, EarthRadius * math.Pi / 900},
		"from pole to pole":      {LngLat{0, LatMax}, LngLat{1_234_567_890, -LatMax}, EarthRadius * math.Pi},
		"two names of a place":   {LngLat{LngMax, 10}, LngLat{-LngMax, 10}, 0},
		"Tehran to Mashhad":      {LngLat{513_890_000, 356_892_000}, LngLat{596_168_000, 362_605_000}, 742_891.5987},
	}
	for name, tt := range tests {
		if got := Distance(tt.a, tt.b); math.Abs(got-tt.want) > 1e-9*(1+tt.want) {
			t.Errorf("%s: got %f, want %f", name, got, tt.want)
		}
	}
	r := rand.New(rand.NewPCG(1, 4))
	for range 200_000 {
		a := worlds["everywhere"](r)
		b := worlds["everywhere"](r)
		if r.IntN(2) == 0 {
			reach := int64(math.Exp(r.Float64() * 18))
			b = LngLat{int32(max(-LngMax, min(LngMax, int64(a.Lng)+r.Int64N(2*reach+1)-reach))), int32(max(-LatMax, min(LatMax, int64(a.Lat)+r.Int64N(2*reach+1)-reach)))}
		}
		got, want := Distance(a, b), vincenty(a, b)
		if math.Abs(got-want) > 1e-8+want*1e-11 && want < 19_000_000 { // near the antipode a haversine loses digits: 6 cm
			t.Fatalf("%v to %v: got %.9f, want %.9f", a, b, got, want)
		}
		if math.Abs(got-want) > .1 {
			t.Fatalf("%v to %v: got %.9f, want %.9f", a, b, got, want)
		}
	}
}

// To order by hav is to order by metres: neighbouring values of the one are
// different values of the other, in the same order.
func TestMetresKeepTheOrderOfHav(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 6))
	step := uint64(1) << 12
	check := func(bits uint64) {
		h, next := math.Float64frombits(bits), math.Float64frombits(bits+step)
		if metres(h) >= metres(next) {
			t.Fatalf("%g is %.17g m, the next, %g, is %.17g m", h, metres(h), next, metres(next))
		}
	}
	for range 1_000_000 {
		check(math.Float64bits(math.Exp(-r.Float64()*42)) &^ (step - 1)) // from the antipode down to 5 mm
	}
	seam := math.Float64bits(1e-4) &^ (step - 1)
	for i := range uint64(1000) { // where one formula takes over from the other
		check(seam - 500*step + i*step)
	}
}

// What the search leaves out must be farther than the bound says.
func TestBoundsOfTheSearchHold(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 5))
	for range 300_000 {
		o := newOrigin(worlds["everywhere"](r))
		if r.IntN(3) == 0 {
			o = newOrigin(worlds["a pole"](r))
		}
		size := int64(1) << (9 + r.IntN(24))
		x0, y0 := r.Int64N(2*LngMax)&^(size-1), r.Int64N(2*LatMax)&^(size-1)
		p := LngLat{int32(min(2*LngMax, x0+r.Int64N(size)) - LngMax), int32(min(2*LatMax, y0+r.Int64N(size)) - LatMax)}
		if bound, h := o.within(x0, y0, x0+size-1, y0+size-1), o.hav(p); bound > h {
			t.Fatalf("from %v: %v lies in a box at least %g away, but is %g away", o.at, p, bound, h)
		}
		ux, uy := o.at.u()
		x, y := int64(ux), int64(uy)
		w := 1 + r.Int64N(30_000_000)
		box := [4]int64{x - r.Int64N(w), y - r.Int64N(w), x + r.Int64N(w), y + r.Int64N(w)}
		if box[0] < 0 || box[2] > 2*LngMax {
			continue
		}
		reach := int64(math.Exp(r.Float64() * 20))
		q := LngLat{int32(max(-LngMax, min(LngMax, int64(o.at.Lng)+r.Int64N(2*reach+1)-reach))), int32(max(-LatMax, min(LatMax, int64(o.at.Lat)+r.Int64N(2*reach+1)-reach)))}
		qx, qy := q.u()
		if int64(qx) >= box[0] && int64(qx) <= box[2] && int64(qy) >= box[1] && int64(qy) <= box[3] {
			continue
		}
		if bound, h := o.beyond(box[0], box[1], box[2], box[3]), o.hav(q); bound > h {
			t.Fatalf("from %v: %v lies outside of a block, at least %g away, but is %g away", o.at, q, bound, h)
		}
	}
}
