package coverage

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"rasad/geo"
	"rasad/geo/roads"
)

// TestCountsEqualBruteForce moves units at random, closes and opens roads, and compares every count with
// one made from nothing by asking the router about each unit and each cell.
func TestCountsEqualBruteForce(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		graph := town(t, r, 20+r.IntN(60))
		d := people(r, 10+r.IntN(60), r.IntN(4))
		ways := router(t, graph)
		g, naive := New(d, ways, watch), newOracle(ways, d)
		units := map[uint32]Unit{}
		for step := range 25 {
			switch r.IntN(8) {
			case 0:
				id := uint32(1 + r.IntN(8))
				g.Remove(id)
				delete(units, id)
			case 1:
				ways = ways.With(closures(r, graph.EdgeCount()))
				g.Reroute(ways)
				naive.reroute(ways)
			case 2: // several at once, some of them twice
				var changes []Change
				for range 1 + r.IntN(6) {
					c := Change{ID: uint32(1 + r.IntN(8))}
					delete(units, c.ID)
					if r.IntN(4) > 0 {
						u := someUnit(r)
						c.Unit, units[c.ID] = &u, u
					}
					changes = append(changes, c)
				}
				g.Update(changes)
			case 3: // only what it can do changes
				id := uint32(1 + r.IntN(8))
				if u, ok := units[id]; ok {
					u.Capabilities = someUnit(r).Capabilities
					g.Set(id, u)
					units[id] = u
				}
			default:
				id, u := uint32(1+r.IntN(8)), someUnit(r)
				g.Set(id, u)
				units[id] = u
			}
			v := g.View()
			for _, s := range append(slices.Clone(watch), someStandard(r)) {
				want, with := naive.counts(units, s)
				got := v.tally(s)
				for i := range want {
					if int(got.counts[i]) != want[i] {
						t.Fatalf("seed %d, step %d, %+v, cell %d: %d units, want %d", seed, step, s, i, got.counts[i], want[i])
					}
				}
				if a, b := v.Share(s), shared(d, want, with); !alike(a, b) {
					t.Fatalf("seed %d, step %d, %+v: got %+v, want %+v", seed, step, s, a, b)
				}
			}
		}
	}
}

func closures(r *rand.Rand, edges int) []roads.Change {
	var out []roads.Change
	for e := range edges {
		if r.IntN(12) == 0 {
			out = append(out, roads.Change{Edge: roads.EdgeID(e), Factor: []float64{0, 0, 0.5, 2}[r.IntN(4)]})
		}
	}
	return out
}

// TestWhatIfEqualsDoingIt asks, then does it, then compares.
func TestWhatIfEqualsDoingIt(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 2))
		graph := town(t, r, 20+r.IntN(60))
		d := people(r, 10+r.IntN(80), r.IntN(4))
		g := New(d, router(t, graph), watch)
		for id := range uint32(8) {
			g.Set(id, someUnit(r))
		}
		v, s := g.View(), someStandard(r)
		var remove []uint32
		var changes []Change
		for range r.IntN(4) {
			id := uint32(r.IntN(12)) // some are not there, some stand twice
			remove = append(remove, id)
			changes = append(changes, Change{ID: id})
		}
		var add []Unit
		for i := range r.IntN(3) {
			add = append(add, someUnit(r))
			changes = append(changes, Change{uint32(100 + i), &add[i]})
		}
		before, after, lost, gained := v.WhatIf(s, remove, add)
		if !alike(before, v.Share(s)) {
			t.Fatalf("seed %d: before is %+v, the share %+v", seed, before, v.Share(s))
		}
		g.Update(changes)
		if now := g.View().Share(s); !alike(after, now) {
			t.Fatalf("seed %d, %+v: after was to be %+v, is %+v", seed, s, after, now)
		}
		var wantLost, wantGained []int32
		was, is := v.tally(s).counts, g.View().tally(s).counts
		for i := range was {
			switch {
			case was[i] > 0 && is[i] == 0:
				wantLost = append(wantLost, int32(i))
			case was[i] == 0 && is[i] > 0:
				wantGained = append(wantGained, int32(i))
			}
		}
		for _, c := range []struct{ got, want []int32 }{{lost, wantLost}, {gained, wantGained}} {
			if !slices.IsSortedFunc(c.got, func(a, b int32) int { return int(1e6 * (d.Cells[b].Weight - d.Cells[a].Weight)) }) {
				t.Fatalf("seed %d: cells %v do not begin with the heaviest", seed, c.got)
			}
			if got := slices.Sorted(slices.Values(c.got)); !slices.Equal(got, c.want) {
				t.Fatalf("seed %d: cells %v, want %v", seed, got, c.want)
			}
		}
	}
}

// TestReadersOfAViewAtOnce reads one view from many goroutines while units move and roads close.
func TestReadersOfAViewAtOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	graph := town(t, r, 60)
	d := people(r, 60, 3)
	g := New(d, router(t, graph), watch)
	for id := range uint32(8) {
		g.Set(id, someUnit(r))
	}
	v := g.View()
	ask := []Standard{watch[0], {"als", 700, false}, {"ladder", 100, true}}
	want := make([]Share, len(ask))
	for i, s := range ask {
		want[i] = shared(d, ints(v.count(s).counts), len(v.who(s)))
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 4))
			for range 50 {
				i := r.IntN(len(ask))
				if got := v.Share(ask[i]); !alike(got, want[i]) {
					t.Errorf("a view changed: %+v is %+v, was %+v", ask[i], got, want[i])
				}
				now := g.View()
				now.WhatIf(someStandard(r), []uint32{uint32(r.IntN(8))}, []Unit{someUnit(r)})
				now.MoveUps(ask[i], []Post{{"a", someUnit(r).At}}, 2)
			}
		})
	}
	for step := range 60 {
		g.Set(uint32(r.IntN(8)), someUnit(r))
		if step%10 == 0 {
			g.Reroute(v.router.With(closures(r, graph.EdgeCount())))
		}
	}
	wg.Wait()
}

// A closure looks again at those who drive there, and leaves the others what they have.
func TestRerouteLooksAtFew(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	graph := town(t, r, 150)
	s := Standard{"", 45, false}
	ways := router(t, graph)
	d := people(r, 400, 0)
	g := New(d, ways, []Standard{s})
	units := map[uint32]Unit{}
	for id := range uint32(2) {
		units[id] = Unit{At: place(0.005+0.05*float64(id), 0.005+0.05*float64(id)), Heading: math.NaN()}
		g.Set(id, units[id])
	}
	before := g.View()
	var closed []roads.Change
	for e := range graph.EdgeCount() {
		if to := graph.Node(graph.Edge(roads.EdgeID(e)).From); geo.Distance(to, units[0].At) < 300 {
			closed = append(closed, roads.Change{Edge: roads.EdgeID(e)})
		}
	}
	ways = ways.With(closed)
	g.Reroute(ways)
	after := g.View()
	if before.units[0].road.Load() == after.units[0].road.Load() || before.units[1].road.Load() != after.units[1].road.Load() {
		t.Errorf("%d edges closed about unit 0: it was looked at again: %v; unit 1, 7 km away: %v", len(closed),
			before.units[0].road.Load() != after.units[0].road.Load(), before.units[1].road.Load() != after.units[1].road.Load())
	}
	want, with := newOracle(ways, d).counts(units, s)
	if got := after.Share(s); !alike(got, shared(d, want, with)) || got.Covered >= before.Share(s).Covered {
		t.Errorf("after the closure %+v, before %+v, want %+v", got, before.Share(s), shared(d, want, with))
	}
	g.Reroute(ways)
	if g.View() != after {
		t.Error("the same router again made a new view")
	}
	if g.Reroute(ways.With(nil)); !alike(g.View().Share(s), before.Share(s)) {
		t.Errorf("when all is open again: %+v, was %+v", g.View().Share(s), before.Share(s))
	}
}

func ints(counts []uint32) []int {
	out := make([]int, len(counts))
	for i, c := range counts {
		out[i] = int(c)
	}
	return out
}

// A unit that says again what it said costs nothing, and one that only learns something keeps its reach.
func TestStandingStill(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	d := people(r, 60, 0)
	g := New(d, router(t, town(t, r, 60)), watch)
	u := Unit{At: place(0.02, 0.02), Heading: math.NaN(), Capabilities: []string{"engine"}}
	g.Set(1, u)
	v := g.View()
	if g.Set(1, u); g.View() != v {
		t.Error("a unit that stands still made a new view")
	}
	if g.Remove(2); g.View() != v {
		t.Error("taking away a unit that is not there made a new view")
	}
	u.Capabilities = []string{"als"}
	g.Set(1, u)
	if g.View().Share(watch[1]).Units != 1 || g.View().Share(watch[0]).Units != 0 {
		t.Error("a unit that can do something else counts for what it could")
	}
	if v.units[0].road.Load() != g.View().units[0].road.Load() {
		t.Error("its reach was computed again")
	}
}

func TestByLineIsACircle(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 7))
		d := people(r, 1+r.IntN(200), 0)
		ground := newGround(d)
		u := someUnit(r)
		if seed%10 == 0 { // near the antimeridian and the pole as well
			for i := range d.Cells {
				d.Cells[i].At.Lng += 128_6800000
				d.Cells[i].At.Lat += 40_0000000
				if d.Cells[i].At.Lng > 1_800_000_000 || r.IntN(2) == 0 {
					d.Cells[i].At.Lng = -1_800_000_000 + int32(r.IntN(500_000))
				}
			}
			u.At.Lng, u.At.Lat = 1_799_900_000, u.At.Lat+40_0000000
			d.Sort()
			ground = newGround(d)
		}
		depth := roads.Cost(r.IntN(900_001))
		got := map[int32]bool{}
		for _, h := range ground.byLine(u.At, u.Line, depth) {
			if got[h.cell] {
				t.Fatalf("seed %d: cell %d twice", seed, h.cell)
			}
			got[h.cell] = true
		}
		in := (&oracle{d: d}).covers(&Unit{At: u.At, Line: u.Line * float64(depth) / 1000, OffRoad: true}, Standard{Seconds: 1})
		for i := range d.Cells {
			if got[int32(i)] != in[i] {
				t.Fatalf("seed %d: cell %d within: %v, want %v", seed, i, got[int32(i)], in[i])
			}
		}
	}
}
