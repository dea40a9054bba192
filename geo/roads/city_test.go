package roads_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"rasad/geo/city"
	"rasad/geo/roads"
)

// extract is the path of an extract in the test data of the module that reads OpenStreetMap.
func extract(t testing.TB, name string) string {
	t.Helper()
	out, err := exec.Command("go", "mod", "download", "-json", "github.com/paulmach/osm@v0.8.0").Output()
	if err != nil {
		t.Fatalf("find the module with the extracts: %v", err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(module.Dir, "testdata", name)
}

func build(t testing.TB, o city.Options) *roads.Graph {
	t.Helper()
	o.Out = t.TempDir()
	if _, err := city.Build(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	g, err := roads.Load(filepath.Join(o.Out, city.FileRoads))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

var wilmington = [4]float64{-75.80, 39.58, -75.40, 39.85}

// Wilmington and Andorra, with the closures and slow streets of three moments. -tags soak asks twenty times as much.
func TestCitiesEqualDijkstra(t *testing.T) {
	for name, o := range map[string]city.Options{
		"Wilmington": {In: extract(t, "delaware-latest.osm.pbf"), BBox: &wilmington},
		"Andorra":    {In: extract(t, "andorra-latest.osm.bz2")},
	} {
		t.Run(name, func(t *testing.T) {
			g := build(t, o)
			free, err := roads.NewRouter(g, roads.TestProfiles())
			if err != nil {
				t.Fatal(err)
			}
			r := rand.New(rand.NewPCG(1, 20))
			reached, router := 0, free
			var changes []roads.Change
			for range 3 {
				reached += roads.EqualsDijkstra(t, name, r, router, changes, citySources, cityQueries/9/citySources+1)
				fleetEqualsToOne(t, r, router)
				changes = roads.SomeChanges(r, g)
				changes = changes[:len(changes)/10]
				router = router.With(changes)
			}
			t.Logf("%d edges, %d queries, %d with an answer", g.EdgeCount(), cityQueries, reached)
			if reached < cityQueries/4 {
				t.Errorf("only %d of %d queries had an answer", reached, cityQueries)
			}
		})
	}
}

// fleetEqualsToOne asks for the nearest of thousands, of many and of few, near the units and far off.
func fleetEqualsToOne(t *testing.T, r *rand.Rand, router *roads.Router) {
	t.Helper()
	g := router.Graph()
	var f roads.Fleet
	var stops []roads.Stop
	for id := range uint32(2000) {
		s := roads.Somewhere(r, g)
		if id > 1000 { // half of them together
			s.On[0].Edge = roads.EdgeID(r.IntN(g.EdgeCount() / 50))
			s.On = s.On[:1]
		}
		stops = append(stops, s)
		f.Set(id, 0, s)
	}
	costs := make([]roads.Cost, len(stops))
	for range 10 {
		to := roads.Somewhere(r, g)
		router.ToOne(0, to, stops, costs)
		for _, oneIn := range []uint32{1, 10, 100, 1000} {
			match := func(id uint32) bool { return id%oneIn == 0 }
			var want []roads.Reached
			for id, c := range costs {
				if match(uint32(id)) && c != roads.Unreached {
					want = append(want, roads.Reached{ID: uint32(id), Cost: c})
				}
			}
			slices.SortStableFunc(want, func(a, b roads.Reached) int { return int(int64(a.Cost) - int64(b.Cost)) })
			want = want[:min(5, len(want))]
			if got := f.Nearest(router, 0, to, 5, match); !slices.Equal(got, want) {
				t.Fatalf("nearest 5, one in %d matches: got %v, want %v", oneIn, got, want)
			}
		}
	}
}

// Real places: beside the road, in the sea, on an island, on a street that has just been closed.
func TestStop(t *testing.T) {
	g := build(t, city.Options{In: extract(t, "delaware-latest.osm.pbf"), BBox: &[4]float64{-75.60, 39.72, -75.50, 39.77}})
	router, err := roads.NewRouter(g, roads.TestProfiles())
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(2, 20))
	for range 200 {
		e := roads.EdgeID(r.IntN(g.EdgeCount()))
		line := g.Shape(e)
		at := line[r.IntN(len(line))]
		s, err := router.Stop(0, at, math.NaN())
		if err != nil && !errors.Is(err, roads.ErrIsland) {
			t.Fatalf("on edge %d: %v", e, err)
		}
		if s.On[0].Metres > 50 {
			t.Fatalf("on edge %d: %g m to the road", e, s.On[0].Metres)
		}
		// Closed, it is tied to another street.
		var changes []roads.Change
		for _, on := range s.On {
			changes = append(changes, roads.Change{Edge: on.Edge})
		}
		closed := router.With(changes)
		again, err := closed.Stop(0, at, math.NaN())
		if errors.Is(err, roads.ErrNoRoad) {
			continue
		}
		for _, on := range again.On {
			for _, c := range changes {
				if on.Edge == c.Edge {
					t.Fatalf("a place was tied to edge %d, which is closed", on.Edge)
				}
			}
		}
		if c, ok := closed.Time(0, s, again); ok {
			t.Fatalf("who stands on a closed street left it in %v", c)
		}
	}
	sea := g.Node(0)
	sea.Lng += 20_000_000
	if _, err := router.Stop(0, sea, math.NaN()); !errors.Is(err, roads.ErrNoRoad) {
		t.Errorf("two degrees away: got %v, want ErrNoRoad", err)
	}
}
