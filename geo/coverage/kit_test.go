package coverage

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"rasad/geo"
	"rasad/geo/roads"
)

// place is a place in the test town, in degrees from its south-west corner.
func place(x, y float64) geo.LngLat {
	at, err := geo.At(51.3+x, 35.6+y)
	if err != nil {
		panic(err)
	}
	return at
}

const side = 0.06 // of the test town, in degrees: some 6 km

// town makes a town of crossings with streets between near ones, a third of them one-way.
func town(t testing.TB, r *rand.Rand, n int) *roads.Graph {
	t.Helper()
	var b roads.Builder
	at := make([]geo.LngLat, n)
	for i := range at {
		at[i] = place(r.Float64()*side, r.Float64()*side)
		b.Node(at[i])
	}
	for i := range at {
		for range 3 {
			k := r.IntN(n)
			for range 8 { // the nearest of a few: streets are short
				if o := r.IntN(n); o != i && (k == i || geo.Distance(at[i], at[o]) < geo.Distance(at[i], at[k])) {
					k = o
				}
			}
			if k == i {
				continue
			}
			s := roads.Segment{From: roads.NodeID(i), To: roads.NodeID(k), Class: roads.Residential, Way: int64(i)}
			s.Forward = geo.Distance(at[i], at[k]) / 12
			if r.IntN(3) > 0 {
				s.Backward = s.Forward
			}
			if err := b.Add(s); err != nil {
				t.Fatal(err)
			}
		}
	}
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// people scatters n cells over the town, in zones.
func people(r *rand.Rand, n, zones int) *Demand {
	d := &Demand{Level: LevelAt(35.6), Basis: BasisPeople, Source: "a test"}
	for z := range zones {
		d.Zones = append(d.Zones, Zone{ID: fmt.Sprint("z", z), Names: roads.Names{Local: fmt.Sprint("Zone ", z), FA: "ناحیه", ZH: "区"}})
	}
	for range n {
		c := Cell{At: place(r.Float64()*side, r.Float64()*side), Weight: math.Round(r.ExpFloat64()*1e4) / 1e2, Zone: NoZone}
		if zones > 0 && r.IntN(5) > 0 {
			c.Zone = int32(r.IntN(zones))
		}
		d.Cells = append(d.Cells, c)
	}
	d.Sort()
	return d
}

var capabilities = []string{"engine", "als", "ladder"}

// someUnit makes a unit somewhere in town; every sixth flies.
func someUnit(r *rand.Rand) Unit {
	u := Unit{At: place(r.Float64()*side, r.Float64()*side), Heading: math.NaN(), Profile: roads.ProfileID(r.IntN(2)), Line: 5 + 10*r.Float64(), OffRoad: r.IntN(6) == 0}
	if r.IntN(3) == 0 {
		u.Heading = float64(r.IntN(360))
	}
	for _, c := range capabilities {
		if r.IntN(2) == 0 {
			u.Capabilities = append(u.Capabilities, c)
		}
	}
	return u
}

var watch = []Standard{{"engine", 240, false}, {"als", 120, false}, {"", 300, false}, {"engine", 240, true}}

// someStandard is one of the watch, or another.
func someStandard(r *rand.Rand) Standard {
	if r.IntN(2) == 0 {
		return watch[r.IntN(len(watch))]
	}
	return Standard{append([]string{"", "none"}, capabilities...)[r.IntN(5)], r.IntN(MaxSeconds + 1), r.IntN(4) == 0}
}

// drivers are the profiles of the tests: a fast one that shuns gates, and a slow one that turns badly.
var drivers = []roads.Profile{driver("engine", 14, 1), driver("ladder", 9, 6)}

func driver(name string, mps, turn float64) roads.Profile {
	p := roads.Profile{Name: name, Limit: 1.2, Private: true, Gate: 10, Approach: 3}
	for c := range p.Max {
		p.Max[c] = mps
	}
	for c := range p.Turn {
		p.Turn[c] = turn * float64(c)
	}
	return p
}

func router(t testing.TB, g *roads.Graph) *roads.Router {
	t.Helper()
	r, err := roads.NewRouter(g, drivers)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// oracle knows how long each unit takes to each cell, each asked of the router by itself. A cell is on the street
// that is there, closed or not.
type oracle struct {
	d     *Demand
	stops [][]roads.Stop // by profile, of the cells
	r     *roads.Router
	times map[string][]roads.Cost // by unit, with the closures of r
}

func newOracle(r *roads.Router, d *Demand) *oracle {
	o := &oracle{d: d, stops: make([][]roads.Stop, len(drivers)), r: r, times: map[string][]roads.Cost{}}
	open := r.With(nil)
	for p := range drivers {
		for _, c := range d.Cells {
			stop, _ := open.Stop(roads.ProfileID(p), c.At, math.NaN())
			o.stops[p] = append(o.stops[p], stop)
		}
	}
	return o
}

// reroute takes other closures.
func (o *oracle) reroute(r *roads.Router) { o.r, o.times = r, map[string][]roads.Cost{} }

// covers tells which cells a unit reaches.
func (o *oracle) covers(u *Unit, s Standard) []bool {
	out := make([]bool, len(o.d.Cells))
	if s.Line || u.OffRoad {
		for i, c := range o.d.Cells {
			out[i] = geo.Distance(u.At, c.At) <= u.Line*float64(s.Seconds)
		}
		return out
	}
	key := fmt.Sprint(u.At, u.Heading, u.Profile)
	if o.times[key] == nil {
		from, _ := o.r.Stop(u.Profile, u.At, u.Heading)
		for _, to := range o.stops[u.Profile] {
			t, _ := o.r.Time(u.Profile, from, to)
			o.times[key] = append(o.times[key], t)
		}
	}
	for i, t := range o.times[key] {
		out[i] = int(t) <= s.Seconds*1000
	}
	return out
}

// counts gives for a whole grid how many units reach each cell.
func (o *oracle) counts(units map[uint32]Unit, s Standard) (counts []int, with int) {
	counts = make([]int, len(o.d.Cells))
	for _, u := range units {
		if !s.met(&u) {
			continue
		}
		with++
		for i, in := range o.covers(&u, s) {
			if in {
				counts[i]++
			}
		}
	}
	return counts, with
}

// shared is what a share must be for counts.
func shared(d *Demand, counts []int, with int) Share {
	s := Share{Units: with, Zones: make([]ZoneShare, len(d.Zones))}
	for i, c := range d.Cells {
		s.Total += c.Weight
		if counts[i] > 0 {
			s.Covered += c.Weight
		}
		if c.Zone >= 0 {
			s.Zones[c.Zone].Total += c.Weight
			if counts[i] > 0 {
				s.Zones[c.Zone].Covered += c.Weight
			}
		}
	}
	return s
}

// alike compares shares; the oracle adds floats in another order.
func alike(a, b Share) bool {
	near := func(x, y float64) bool { return math.Abs(x-y) < 1e-6*(1+math.Abs(x)) }
	if !near(a.Covered, b.Covered) || !near(a.Total, b.Total) || a.Units != b.Units || len(a.Zones) != len(b.Zones) {
		return false
	}
	for z := range a.Zones {
		if !near(a.Zones[z].Covered, b.Zones[z].Covered) || !near(a.Zones[z].Total, b.Zones[z].Total) {
			return false
		}
	}
	return true
}

// noRoads is a router of a city without a road, for units that need none.
func noRoads(t testing.TB) *roads.Router {
	t.Helper()
	g, err := new(roads.Builder).Graph()
	if err != nil {
		t.Fatal(err)
	}
	return router(t, g)
}
