//go:build bench

package coverage_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"rasad/geo"
	"rasad/geo/coverage"
	"rasad/geo/roads"
)

// The figures of coverage on the whole of Delaware, from the extract in the test data of paulmach/osm:
//
//	go test -tags bench -run '^$' -bench . ./geo/coverage
//
// Units stand where people are, each at a place of its own: in a real city they share stations.

var watched = []coverage.Standard{{Capability: "engine", Seconds: 480}, {Capability: "als", Seconds: 480}, {Capability: "ladder", Seconds: 600}}

// units are n units where people are.
func units(s *state, r *rand.Rand, n int) []coverage.Change {
	out := make([]coverage.Change, n)
	for i := range out {
		out[i] = coverage.Change{ID: uint32(i + 1), Unit: someUnit(s, r)}
	}
	return out
}

// warm makes a grid that has tied its cells.
func warm(s *state, d *coverage.Demand) *coverage.Grid {
	g := coverage.New(d, s.router, watched)
	g.Set(0, *someUnit(s, rand.New(rand.NewPCG(9, 9))))
	g.Remove(0)
	return g
}

// measured times f by itself, for figures, while b.Loop counts. Processor time stands beside it: what else the machine
// does is not in that.
type measured struct {
	took []time.Duration
	cpu  time.Duration
}

func (m *measured) time(f func()) {
	start, cpu := time.Now(), processor()
	f()
	m.took, m.cpu = append(m.took, time.Since(start)), m.cpu+processor()-cpu
}

func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (m *measured) String() string {
	n := len(m.took)
	slices.Sort(m.took)
	return fmt.Sprintf("p50 %.2f ms, p99 %.2f ms, max %.2f ms, processor %.2f ms (%d)",
		ms(m.took[n/2]), ms(m.took[n*99/100]), ms(m.took[n-1]), ms(m.cpu/time.Duration(n)), n)
}

func BenchmarkTies(b *testing.B) {
	s := setup(b)
	var m measured
	for b.Loop() {
		m.time(func() { warm(s, s.demand) })
	}
	say("new grid, cells tied to the roads of one profile", "%v", &m)
}

func BenchmarkFromNothing(b *testing.B) {
	s := setup(b)
	for _, n := range []int{50, 500, 5000} {
		b.Run(fmt.Sprint(n, " units"), func(b *testing.B) {
			g := warm(s, s.demand)
			all := units(s, rand.New(rand.NewPCG(1, 1)), n)
			none := make([]coverage.Change, n)
			for i := range none {
				none[i].ID = all[i].ID
			}
			var m measured
			for b.Loop() {
				m.time(func() { g.Update(all) })
				b.StopTimer()
				g.Update(none)
				b.StartTimer()
			}
			say(fmt.Sprintf("coverage of %d units from nothing (goal: 500 in 300 ms)", n), "%v", &m)
		})
	}
}

func BenchmarkMove(b *testing.B) {
	s := setup(b)
	for _, n := range []int{50, 500, 5000} {
		b.Run(fmt.Sprint(n, " units"), func(b *testing.B) {
			g := warm(s, s.demand)
			r := rand.New(rand.NewPCG(2, 1))
			all := units(s, r, n)
			g.Update(all)
			to := units(s, r, 1000)
			var m measured
			for i := 0; b.Loop(); i++ {
				u := to[i%len(to)].Unit
				id := uint32(1 + r.IntN(n))
				m.time(func() { g.Set(id, *u) })
			}
			say(fmt.Sprintf("one unit of %d moves (goal: 500, 2 ms)", n), "%v", &m)
		})
	}
}

func BenchmarkWhatIf(b *testing.B) {
	s := setup(b)
	g := warm(s, s.demand)
	r := rand.New(rand.NewPCG(3, 1))
	g.Update(units(s, r, 500))
	v := g.View()
	add := units(s, r, 1000)
	var gone, both measured
	for i := 0; b.Loop(); i++ {
		gone.time(func() { v.WhatIf(watched[0], []uint32{uint32(1 + r.IntN(500))}, nil) })
		both.time(func() {
			v.WhatIf(watched[0], []uint32{uint32(1 + r.IntN(500))}, []coverage.Unit{*add[i%len(add)].Unit})
		})
	}
	say("what if one unit of 500 goes (goal: 5 ms)", "%v", &gone)
	say("what if one goes and one comes elsewhere (goal: 5 ms)", "%v", &both)
}

func BenchmarkShare(b *testing.B) {
	s := setup(b)
	g := warm(s, s.demand)
	r := rand.New(rand.NewPCG(4, 1))
	g.Update(units(s, r, 500))
	var kept, shorter, other, deeper measured
	v := g.View()
	for i := 0; b.Loop(); i++ {
		kept.time(func() { v.Share(watched[i%len(watched)]) })
		b.StopTimer()
		g.Set(uint32(1+i%500), *someUnit(s, r)) // a view that nobody has asked yet
		v = g.View()
		b.StartTimer()
		shorter.time(func() { v.Share(coverage.Standard{Capability: "engine", Seconds: 300}) })
		other.time(func() { v.Share(coverage.Standard{Capability: "bls", Seconds: 480}) })
		deeper.time(func() { v.Share(coverage.Standard{Capability: "engine", Seconds: 720}) })
	}
	say("share of a standard of the watch", "%v", &kept)
	say("share of another: fewer seconds", "%v", &shorter)
	say("share of another: another capability", "%v", &other)
	say("share of another: more seconds than any of the watch", "%v", &deeper)
}

func BenchmarkMoveUps(b *testing.B) {
	s := setup(b)
	g := warm(s, s.demand)
	r := rand.New(rand.NewPCG(5, 1))
	g.Update(units(s, r, 500))
	// A hundred engines went to one quarter: the rest of the state is thin.
	var gone []coverage.Change
	for id := uint32(1); id <= 500; id++ {
		if id%20 != 0 {
			gone = append(gone, coverage.Change{ID: id})
		}
	}
	var full, thin measured
	v := g.View()
	g.Update(gone)
	few := g.View()
	var moves []coverage.Move
	var bound float64
	for b.Loop() {
		full.time(func() { v.MoveUps(watched[0], s.posts, 3) })
		thin.time(func() { moves, bound = few.MoveUps(watched[0], s.posts, 3) })
	}
	gain := 0.
	for _, m := range moves {
		gain += m.Gain
	}
	say(fmt.Sprintf("three move-ups, 500 units, %d posts", len(s.posts)), "%v", &full)
	say(fmt.Sprintf("three move-ups, 25 units, %d posts", len(s.posts)), "%v; gain %.2f points, no choice gains more than %.2f", &thin, 100*gain, 100*bound)
}

func BenchmarkTile(b *testing.B) {
	s := setup(b)
	g := warm(s, s.demand)
	r := rand.New(rand.NewPCG(6, 1))
	g.Update(units(s, r, 25))
	v := g.View()
	for z := uint32(8); z <= 15; z++ {
		var m measured
		size := 0
		b.Run(fmt.Sprint("zoom ", z), func(b *testing.B) {
			for b.Loop() {
				c := s.demand.Cells[r.IntN(len(s.demand.Cells))]
				x, y := coverage.Square(c.At, uint8(z))
				m.time(func() { size += len(v.Tile(watched[0], z, x, y)) })
			}
		})
		say(fmt.Sprintf("a tile of holes, zoom %d", z), "%v, %d bytes", &m, size/len(m.took))
	}
}

// BenchmarkClosure closes one bridge of a street after the other.
func BenchmarkClosure(b *testing.B) {
	s := setup(b)
	g := warm(s, s.demand)
	g.Update(units(s, rand.New(rand.NewPCG(7, 1)), 500))
	var bridges []roads.EdgeID
	for e := range s.graph.EdgeCount() {
		if edge := s.graph.Edge(roads.EdgeID(e)); edge.Flags&roads.Bridge != 0 && edge.Class >= roads.Primary && edge.Class <= roads.Tertiary && edge.Metres > 50 {
			bridges = append(bridges, edge.ID)
		}
	}
	var with, reroute, open measured
	before := g.View().Share(watched[0]).Part()
	worst := before
	for i := 0; b.Loop(); i++ {
		closed := []roads.Change{{Edge: bridges[i%len(bridges)]}}
		if back, ok := s.graph.Reverse(closed[0].Edge); ok {
			closed = append(closed, roads.Change{Edge: back})
		}
		var r *roads.Router
		with.time(func() { r = s.router.With(closed) })
		reroute.time(func() { g.Reroute(r) })
		worst = min(worst, g.View().Share(watched[0]).Part())
		open.time(func() { g.Reroute(s.router) })
	}
	say("closing a bridge: the router", "%v", &with)
	say("closing a bridge: coverage of 500 units", "%v; the worst costs %.2f points", &reroute, 100*(before-worst))
	say("opening it again: coverage of 500 units", "%v", &open)
}

// BenchmarkCells cuts each square into more: how the work grows with the ground.
func BenchmarkCells(b *testing.B) {
	s := setup(b)
	for _, cut := range []int{1, 2, 4} {
		d := &coverage.Demand{Level: s.demand.Level + uint8(cut/2), Basis: s.demand.Basis, Source: s.demand.Source}
		step := int32(360e7 / math.Exp2(float64(s.demand.Level)) / float64(cut) / 2)
		for _, c := range s.demand.Cells {
			for dx := range cut {
				for dy := range cut {
					at := geo.LngLat{Lng: c.At.Lng + int32(2*dx-cut+1)*step, Lat: c.At.Lat + int32(2*dy-cut+1)*step*3/4}
					d.Cells = append(d.Cells, coverage.Cell{At: at, Weight: c.Weight / float64(cut*cut), Zone: coverage.NoZone})
				}
			}
		}
		d.Sort()
		b.Run(fmt.Sprint(len(d.Cells), " cells"), func(b *testing.B) {
			g := warm(s, d)
			r := rand.New(rand.NewPCG(8, 1))
			g.Update(units(s, r, 500))
			to := units(s, r, 1000)
			var move, whatIf measured
			for i := 0; b.Loop(); i++ {
				id := uint32(1 + r.IntN(500))
				move.time(func() { g.Set(id, *to[i%len(to)].Unit) })
				whatIf.time(func() { g.View().WhatIf(watched[0], []uint32{id}, []coverage.Unit{*to[(i+1)%len(to)].Unit}) })
			}
			say(fmt.Sprintf("one unit of 500 moves over %d cells", len(d.Cells)), "%v", &move)
			say(fmt.Sprintf("what if, over %d cells", len(d.Cells)), "%v", &whatIf)
		})
	}
}
