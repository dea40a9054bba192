//go:build bench

package roads_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rasad/geo"
	"rasad/geo/city"
	"rasad/geo/roads"
)

// The figures of roads on the whole of Delaware, from the extract in the test data of paulmach/osm, and on ten
// such states side by side:
//
//	go test -tags bench -run '^$' -bench . ./geo/roads

// say prints one figure in a form that a table can be made of.
func say(what, format string, args ...any) {
	fmt.Printf("FIGURE %-58s %s\n", what, fmt.Sprintf(format, args...))
}

// land is a graph with a router and units on its streets.
type land struct {
	name   string
	graph  *roads.Graph
	router *roads.Router
	stops  []roads.Stop
	fleet  roads.Fleet
}

const fleetSize = 5000

// load reads a graph and makes a router of one profile, and says what it takes.
func load(b *testing.B, name, path string) *land {
	b.Helper()
	l := &land{name: name}
	before := heap()
	began := time.Now()
	var err error
	if l.graph, err = roads.Load(path); err != nil {
		b.Fatal(err)
	}
	took := time.Since(began)
	graph := heap()
	began = time.Now()
	if l.router, err = roads.NewRouter(l.graph, roads.TestProfiles()[:1]); err != nil {
		b.Fatal(err)
	}
	edges := float64(l.graph.EdgeCount())
	say(name+": load the graph", "%.0f ms, %d edges", ms(took), l.graph.EdgeCount())
	say(name+": make the router", "%.0f ms", ms(time.Since(began)))
	say(name+": memory an edge", "%.0f B graph, %.0f B router of one profile", float64(graph-before)/edges, float64(heap()-graph)/edges)
	r := rand.New(rand.NewPCG(1, 30))
	for id := range uint32(fleetSize) {
		l.stops = append(l.stops, l.place(r))
		l.fleet.Set(id, 0, l.stops[id])
	}
	return l
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// place is a place beside a random street of the largest part.
func (l *land) place(r *rand.Rand) roads.Stop {
	for {
		line := l.graph.Shape(roads.EdgeID(r.IntN(l.graph.EdgeCount())))
		at := line[r.IntN(len(line))]
		at.Lng, at.Lat = at.Lng+r.Int32N(2000)-1000, at.Lat+r.Int32N(2000)-1000
		if s, err := l.router.Stop(0, at, math.NaN()); err == nil {
			return s
		}
	}
}

var delawarePath = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "rasad-roads-")
	return dir, err
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := delawarePath(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

var lands = map[string]*land{}

func delaware(b *testing.B) *land {
	b.Helper()
	if l := lands["Delaware"]; l != nil {
		return l
	}
	dir, err := delawarePath()
	if err != nil {
		b.Fatal(err)
	}
	if _, err := city.Build(b.Context(), city.Options{In: extract(b, "delaware-latest.osm.pbf"), Out: dir}); err != nil {
		b.Fatal(err)
	}
	lands["Delaware"] = load(b, "Delaware", filepath.Join(dir, city.FileRoads))
	return lands["Delaware"]
}

// ten is ten copies of Delaware side by side, each joined to the next by twenty streets.
func ten(b *testing.B) *land {
	b.Helper()
	if l := lands["10 x Delaware"]; l != nil {
		return l
	}
	g := delaware(b).graph
	var build roads.Builder
	step := int32(math.MinInt32)
	least := int32(math.MaxInt32)
	for _, p := range g.Nodes() {
		step, least = max(step, p.Lng), min(least, p.Lng)
	}
	step -= least - 1000
	n, r := g.NodeCount(), rand.New(rand.NewPCG(2, 30))
	for k := range 10 {
		for _, p := range g.Nodes() {
			build.Node(geo.LngLat{Lng: p.Lng + int32(k)*step, Lat: p.Lat})
		}
		for e := range g.EdgeCount() {
			edge := g.Edge(roads.EdgeID(e))
			s := roads.Segment{From: edge.From + roads.NodeID(k*n), To: edge.To + roads.NodeID(k*n), Forward: edge.Seconds, Class: edge.Class, Way: edge.Way}
			if back, ok := g.Reverse(edge.ID); ok {
				if back < edge.ID {
					continue // added with that
				}
				s.Backward = g.Edge(back).Seconds
				s.BackwardFlags = g.Edge(back).Flags
			}
			s.ForwardFlags = edge.Flags
			for _, p := range g.Shape(edge.ID)[1 : len(g.Shape(edge.ID))-1] {
				s.Between = append(s.Between, geo.LngLat{Lng: p.Lng + int32(k)*step, Lat: p.Lat})
			}
			if err := build.Add(s); err != nil {
				b.Fatal(err)
			}
		}
	}
	// The streets that join two: from the easternmost nodes of one to the westernmost of the next, at like latitudes.
	var core []roads.NodeID
	for i := range g.Nodes() {
		if g.Core(i) {
			core = append(core, i)
		}
	}
	slices.SortFunc(core, func(i, j roads.NodeID) int { return int(g.Node(i).Lng - g.Node(j).Lng) })
	for k := range 9 {
		for range 20 {
			west, east := core[r.IntN(400)], core[len(core)-1-r.IntN(400)]
			s := roads.Segment{From: east + roads.NodeID(k*n), To: west + roads.NodeID((k+1)*n), Forward: 60, Backward: 60, Class: roads.Secondary}
			if err := build.Add(s); err != nil {
				b.Fatal(err)
			}
		}
	}
	tiled, err := build.Graph()
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	order := roads.Hierarchy(tiled)
	say("10 x Delaware: order of the hierarchy, at build time", "%.1f s", time.Since(began).Seconds())
	dir, err := delawarePath()
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(dir, "ten.bin")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	if err := roads.Write(f, tiled, order); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	lands["10 x Delaware"] = load(b, "10 x Delaware", path)
	return lands["10 x Delaware"]
}

// times is how long each of many questions took, by the clock and of processors: on a busy machine the first
// tells what else ran.
type times struct{ clock, processor []time.Duration }

type instant struct {
	clock     time.Time
	processor time.Duration
}

func now() instant {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts); err != nil {
		panic(err)
	}
	return instant{time.Now(), time.Duration(ts.Nano())}
}

func (t *times) add(began instant) {
	n := now()
	t.clock, t.processor = append(t.clock, n.clock.Sub(began.clock)), append(t.processor, n.processor-began.processor)
}

func (t *times) report(b *testing.B, what string) {
	at := func(d []time.Duration, percent int) float64 {
		slices.Sort(d)
		return float64(d[len(d)*percent/100].Microseconds()) / 1000
	}
	b.ReportMetric(at(t.clock, 50), "p50-ms")
	b.ReportMetric(at(t.clock, 99), "p99-ms")
	say(what, "p50 %.2f ms, p99 %.2f ms; of a processor p50 %.2f ms, p99 %.2f ms",
		at(t.clock, 50), at(t.clock, 99), at(t.processor, 50), at(t.processor, 99))
}

func both(b *testing.B, run func(b *testing.B, l *land)) {
	b.Helper()
	b.Run("Delaware", func(b *testing.B) { run(b, delaware(b)) })
	b.Run("ten", func(b *testing.B) { run(b, ten(b)) })
}

func BenchmarkNearest(b *testing.B) {
	both(b, func(b *testing.B, l *land) {
		for _, share := range []struct {
			name string
			in   uint32
		}{{"all match", 1}, {"10 % match", 10}, {"1 % match", 100}, {"0.1 % match", 1000}} {
			b.Run(share.name, func(b *testing.B) {
				r := rand.New(rand.NewPCG(3, 30))
				match := func(id uint32) bool { return id%share.in == 0 }
				var t times
				for b.Loop() {
					to := l.place(r)
					began := now()
					if got := l.fleet.Nearest(l.router, 0, to, 5, match); len(got) == 0 {
						b.Fatal("nobody")
					}
					t.add(began)
				}
				t.report(b, fmt.Sprintf("%s: nearest 5 of %d, %s", l.name, fleetSize, share.name))
			})
		}
	})
}

func BenchmarkTime(b *testing.B) {
	both(b, func(b *testing.B, l *land) {
		r := rand.New(rand.NewPCG(4, 30))
		var t times
		for b.Loop() {
			from, to := l.place(r), l.place(r)
			began := now()
			l.router.Time(0, from, to)
			t.add(began)
		}
		t.report(b, l.name+": time between two places")
	})
}

func BenchmarkPath(b *testing.B) {
	both(b, func(b *testing.B, l *land) {
		r := rand.New(rand.NewPCG(5, 30))
		var t times
		edges := 0
		for b.Loop() {
			from, to := l.place(r), l.place(r)
			began := now()
			p, _ := l.router.Path(0, from, to)
			t.add(began)
			edges += len(p.Edges)
		}
		b.ReportMetric(float64(edges)/float64(b.N), "edges")
		t.report(b, l.name+": path between two places, with its line")
	})
}

func BenchmarkToOne(b *testing.B) {
	both(b, func(b *testing.B, l *land) {
		for _, n := range []int{50, fleetSize} {
			b.Run(fmt.Sprint(n), func(b *testing.B) {
				r := rand.New(rand.NewPCG(6, 30))
				costs := make([]roads.Cost, n)
				var t times
				for b.Loop() {
					to := l.place(r)
					began := now()
					l.router.ToOne(0, to, l.stops[:n], costs)
					t.add(began)
				}
				t.report(b, fmt.Sprintf("%s: %d to one", l.name, n))
			})
		}
	})
}

func BenchmarkWithin(b *testing.B) {
	both(b, func(b *testing.B, l *land) {
		for _, minutes := range []int{8, 15} {
			b.Run(fmt.Sprint(minutes, " min"), func(b *testing.B) {
				r := rand.New(rand.NewPCG(7, 30))
				var t times
				edges := 0
				for b.Loop() {
					from := l.place(r)
					began := now()
					l.router.Within(0, from, roads.Cost(minutes*60_000), func(roads.EdgeID, roads.Cost, roads.Cost) { edges++ })
					t.add(began)
				}
				b.ReportMetric(float64(edges)/float64(b.N), "edges")
				t.report(b, fmt.Sprintf("%s: what is within %d minutes (%d edges)", l.name, minutes, edges/b.N))
			})
		}
	})
}

// A closed bridge, a polygon that closes a part of everything, and the same withdrawn.
func BenchmarkWith(b *testing.B) {
	both(b, func(b *testing.B, l *land) {
		r := rand.New(rand.NewPCG(8, 30))
		var bridges []roads.EdgeID
		for e := range l.graph.EdgeCount() {
			if edge := l.graph.Edge(roads.EdgeID(e)); edge.Flags&roads.Bridge != 0 && edge.Class <= roads.Secondary {
				bridges = append(bridges, edge.ID)
			}
		}
		b.Run("bridge", func(b *testing.B) {
			var t times
			for b.Loop() {
				e := bridges[r.IntN(len(bridges))]
				changes := []roads.Change{{Edge: e}}
				if back, ok := l.graph.Reverse(e); ok {
					changes = append(changes, roads.Change{Edge: back})
				}
				began := now()
				l.router.With(changes)
				t.add(began)
			}
			t.report(b, l.name+": a bridge closes")
		})
		for _, percent := range []float64{0.1, 1, 5, 10, 20} {
			b.Run(fmt.Sprint(percent, " %"), func(b *testing.B) {
				changes := disc(l, r, percent/100)
				var t times
				for b.Loop() {
					began := now()
					l.router.With(changes)
					t.add(began)
				}
				t.report(b, fmt.Sprintf("%s: a flood closes %g %% (%d edges)", l.name, percent, len(changes)))
			})
		}
		b.Run("free", func(b *testing.B) {
			var t times
			for b.Loop() {
				began := now()
				if _, err := roads.NewRouter(l.graph, roads.TestProfiles()[:1]); err != nil {
					b.Fatal(err)
				}
				t.add(began)
			}
			t.report(b, l.name+": everything but the order anew")
		})
	})
}

// disc closes the share of all edges that lies nearest to a random node.
func disc(l *land, r *rand.Rand, share float64) []roads.Change {
	centre := l.graph.Node(roads.NodeID(r.IntN(l.graph.NodeCount())))
	edges := make([]roads.EdgeID, l.graph.EdgeCount())
	far := make([]float64, len(edges))
	for e := range edges {
		edges[e] = roads.EdgeID(e)
		far[e] = geo.Distance(centre, l.graph.Node(l.graph.Edge(roads.EdgeID(e)).To))
	}
	slices.SortFunc(edges, func(a, b roads.EdgeID) int { return int(far[a]) - int(far[b]) })
	var changes []roads.Change
	for _, e := range edges[:int(share*float64(len(edges)))] {
		changes = append(changes, roads.Change{Edge: e})
	}
	return changes
}
