//go:build bench

package coverage_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"rasad/geo"
	"rasad/geo/city"
	"rasad/geo/coverage"
	"rasad/geo/roads"
)

// The figures of coverage on the whole of Delaware, from the extract in the test data of paulmach/osm:
//
//	go test -tags bench -run '^$' -bench . ./geo/coverage
//
// Units stand where people are, each at a place of its own: in a real city they share stations.

// say prints one figure in a form that a table can be made of.
func say(what, format string, args ...any) {
	fmt.Printf("FIGURE %-58s %s\n", what, fmt.Sprintf(format, args...))
}

// engine is how heavy apparatus drives, as the preset us has it.
var engine = roads.Profile{Name: "engine",
	Max: [roads.ClassCount]float64{roads.Motorway: 27, roads.Trunk: 24, roads.Primary: 18, roads.Secondary: 16, roads.Tertiary: 14,
		roads.Unclassified: 12, roads.Residential: 10.5, roads.LivingStreet: 5, roads.Service: 4.5},
	Limit: 1.15,
	Turn: [roads.TurnClassCount]float64{roads.Straight: 0.5, roads.Slight: 1, roads.Right: 3, roads.Left: 5, roads.SharpRight: 5,
		roads.SharpLeft: 8, roads.UTurn: 25},
	Gate: 20, Private: true, Banned: true, Approach: 3,
}

// state is the state of Delaware.
type state struct {
	demand   *coverage.Demand
	graph    *roads.Graph
	router   *roads.Router
	stations []coverage.Station
	posts    []coverage.Post
}

var delaware = sync.OnceValues(func() (*state, error) {
	out, err := exec.Command("go", "mod", "download", "-json", "github.com/paulmach/osm@v0.8.0").Output()
	if err != nil {
		return nil, fmt.Errorf("find the module with the extracts: %w", err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "delaware-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if _, err := city.Build(context.Background(), city.Options{In: filepath.Join(module.Dir, "testdata", "delaware-latest.osm.pbf"), Out: dir}); err != nil {
		return nil, err
	}
	c, err := city.Open(dir)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	s := &state{}
	start := time.Now()
	if s.demand, err = coverage.LoadDemand(c.DemandPath()); err != nil {
		return nil, err
	}
	say("demand of Delaware: load", "%.0f ms, %d cells of %.0f m", ms(time.Since(start)), len(s.demand.Cells), coverage.SquareMetres(s.demand.Level, 39))
	if s.graph, err = roads.Load(c.RoadsPath()); err != nil {
		return nil, err
	}
	if s.router, err = roads.NewRouter(s.graph, []roads.Profile{engine}); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(c.SitesPath())
	if err != nil {
		return nil, err
	}
	var sites struct {
		Features []struct {
			ID         string
			Properties map[string]any
			Geometry   struct{ Coordinates [2]float64 }
		}
	}
	if err := json.Unmarshal(b, &sites); err != nil {
		return nil, err
	}
	for _, f := range sites.Features {
		at, err := geo.At(f.Geometry.Coordinates[0], f.Geometry.Coordinates[1])
		if err != nil {
			return nil, err
		}
		switch f.Properties["type"] {
		case "fire_station":
			s.stations = append(s.stations, coverage.Station{ID: f.ID, At: at})
			fallthrough
		case "police", "ambulance_station", "hospital":
			s.posts = append(s.posts, coverage.Post{ID: f.ID, At: at})
		}
	}
	start = time.Now()
	s.demand = s.demand.FirstDue(s.router, 0, s.stations)
	say("first-due areas of all stations", "%.0f ms, %d stations", ms(time.Since(start)), len(s.stations))
	return s, nil
})

func setup(b *testing.B) *state {
	b.Helper()
	s, err := delaware()
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

var watched = []coverage.Standard{{Capability: "engine", Seconds: 480}, {Capability: "als", Seconds: 480}, {Capability: "ladder", Seconds: 600}}

var abilities = [][]string{{"engine"}, {"engine"}, {"als"}, {"als", "bls"}, {"ladder"}}

// units are n units where people are.
func units(s *state, r *rand.Rand, n int) []coverage.Change {
	out := make([]coverage.Change, n)
	for i := range out {
		out[i] = coverage.Change{ID: uint32(i + 1), Unit: someUnit(s, r)}
	}
	return out
}

func someUnit(s *state, r *rand.Rand) *coverage.Unit {
	weight := r.Float64() * s.demand.Total()
	i := 0
	for ; i+1 < len(s.demand.Cells) && weight > s.demand.Cells[i].Weight; i++ {
		weight -= s.demand.Cells[i].Weight
	}
	at := s.demand.Cells[i].At
	at.Lng, at.Lat = at.Lng+int32(r.IntN(10_000))-5000, at.Lat+int32(r.IntN(10_000))-5000
	return &coverage.Unit{At: at, Heading: math.NaN(), Line: 9, Capabilities: abilities[r.IntN(len(abilities))]}
}

// warm makes a grid that has tied its cells.
func warm(s *state, d *coverage.Demand) *coverage.Grid {
	g := coverage.New(d, s.router, watched)
	g.Set(0, *someUnit(s, rand.New(rand.NewPCG(9, 9))))
	g.Remove(0)
	return g
}

// measured times f by itself, for figures, while b.Loop counts.
type measured []time.Duration

func (m *measured) time(f func()) {
	start := time.Now()
	f()
	*m = append(*m, time.Since(start))
}

func (m measured) String() string {
	slices.Sort(m)
	return fmt.Sprintf("p50 %.2f ms, p99 %.2f ms, max %.2f ms (%d)", ms(m[len(m)/2]), ms(m[len(m)*99/100]), ms(m[len(m)-1]), len(m))
}

func BenchmarkTies(b *testing.B) {
	s := setup(b)
	var m measured
	for b.Loop() {
		m.time(func() { warm(s, s.demand) })
	}
	say("new grid, cells tied to the roads of one profile", "%v", m)
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
			say(fmt.Sprintf("coverage of %d units from nothing (goal: 500 in 300 ms)", n), "%v", m)
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
			say(fmt.Sprintf("one unit of %d moves (goal: 500, 2 ms)", n), "%v", m)
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
	say("what if one unit of 500 goes (goal: 5 ms)", "%v", gone)
	say("what if one goes and one comes elsewhere (goal: 5 ms)", "%v", both)
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
	say("share of a standard of the watch", "%v", kept)
	say("share of another: fewer seconds", "%v", shorter)
	say("share of another: another capability", "%v", other)
	say("share of another: more seconds than any of the watch", "%v", deeper)
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
	say(fmt.Sprintf("three move-ups, 500 units, %d posts", len(s.posts)), "%v", full)
	say(fmt.Sprintf("three move-ups, 25 units, %d posts", len(s.posts)), "%v; gain %.2f points, no choice gains more than %.2f", thin, 100*gain, 100*bound)
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
		say(fmt.Sprintf("a tile of holes, zoom %d", z), "%v, %d bytes", m, size/len(m))
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
	say("closing a bridge: the router", "%v", with)
	say("closing a bridge: coverage of 500 units", "%v; the worst costs %.2f points", reroute, 100*(before-worst))
	say("opening it again: coverage of 500 units", "%v", open)
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
			say(fmt.Sprintf("one unit of 500 moves over %d cells", len(d.Cells)), "%v", move)
			say(fmt.Sprintf("what if, over %d cells", len(d.Cells)), "%v", whatIf)
		})
	}
}
