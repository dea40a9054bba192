//go:build bench || soak

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
	"sync"
	"testing"
	"time"

	"rasad/geo"
	"rasad/geo/city"
	"rasad/geo/coverage"
	"rasad/geo/roads"
)

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

func setup(b testing.TB) *state {
	b.Helper()
	s, err := delaware()
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

var abilities = [][]string{{"engine"}, {"engine"}, {"als"}, {"als", "bls"}, {"ladder"}}

// someUnit is a unit where people are.
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
