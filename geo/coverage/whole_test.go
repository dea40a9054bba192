//go:build soak

package coverage_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"rasad/geo/coverage"
	"rasad/geo/roads"
)

// TestWholeDelaware asks the router for the time from each of some units to every cell of the state, with roads open,
// closed and slow, and compares that with what coverage found by one search from each unit.
func TestWholeDelaware(t *testing.T) {
	s := setup(t)
	r := rand.New(rand.NewPCG(11, 1))
	standard := coverage.Standard{Seconds: 480}
	g := coverage.New(s.demand, s.router, []coverage.Standard{standard})
	units := make([]*coverage.Unit, 30)
	for i := range units {
		units[i] = someUnit(s, r)
		if i%3 == 0 {
			units[i].Heading = 360 * r.Float64()
		}
	}
	cells := make([]roads.Stop, len(s.demand.Cells))
	for i, c := range s.demand.Cells {
		cells[i], _ = s.router.Stop(0, c.At, math.NaN())
	}
	reached := 0
	for round := range 3 {
		changes := make([]roads.Change, 1000*round)
		for i := range changes {
			changes[i] = roads.Change{Edge: roads.EdgeID(r.IntN(s.graph.EdgeCount())), Factor: []float64{0, 0.3}[i%2]}
		}
		router := s.router.With(changes)
		// Those who are there when roads close are looked at again, the others come after.
		g.Reroute(router)
		from := make([]roads.Stop, len(units))
		for i, u := range units {
			from[i], _ = router.Stop(0, u.At, u.Heading)
		}
		found := make([][]bool, len(units))
		for i, u := range units {
			g.Set(1, *u)
			found[i] = make([]bool, len(cells))
			_, _, lost, _ := g.View().WhatIf(standard, []uint32{1}, nil)
			for _, c := range lost {
				found[i][c] = true
			}
		}
		costs := make([]roads.Cost, len(units))
		for c := range cells {
			router.ToOne(0, cells[c], from, costs)
			for i := range units {
				if want := costs[i] <= 480_000; found[i][c] != want {
					t.Fatalf("round %d, unit %d, cell %d, %v: covered %v, the router says %v", round, i, c, costs[i].Seconds(), found[i][c], want)
				} else if want {
					reached++
				}
			}
		}
	}
	t.Logf("%d units and %d cells, three times: %d are within 480 s, as the router says", len(units), len(cells), reached)
	if reached == 0 {
		t.Error("nobody reaches anything")
	}
}
