package city

import (
	"math"
	"testing"

	"github.com/paulmach/orb"
)

// The box of these tests is one degree by one degree at the equator: wide and plain.
var unitBox = orb.Bound{Min: orb.Point{0, 0}, Max: orb.Point{1, 1}}

// A coast has land on its left and sea on its right, as it is drawn.
func TestSea(t *testing.T) {
	type points []orb.Point
	tests := map[string]struct {
		coast     []orb.LineString
		wet, dry  points
		area      float64 // of the sea, in square degrees; within 0.02
		joined    int
		carried   int
		islands   int
		stray     int
		noSea     bool
		buildings points // where the city stands, to choose between ways of closing
	}{
		"no coast, no sea": {noSea: true},
		"a straight coast, sea to the east": {
			coast: []orb.LineString{{{0.5, -0.2}, {0.5, 1.2}}},
			wet:   points{{0.9, 0.5}}, dry: points{{0.1, 0.5}}, area: 0.5},
		"the same coast the other way round, sea to the west": {
			coast: []orb.LineString{{{0.5, 1.2}, {0.5, -0.2}}},
			wet:   points{{0.1, 0.5}}, dry: points{{0.9, 0.5}}, area: 0.5},
		"in pieces, out of order": {
			coast: []orb.LineString{{{0.5, 0.6}, {0.5, 1.2}}, {{0.5, 0.3}, {0.5, 0.6}}, {{0.5, -0.2}, {0.5, 0.3}}},
			wet:   points{{0.9, 0.5}}, dry: points{{0.1, 0.5}}, area: 0.5},
		"a bay: the coast enters and leaves by the same edge": {
			coast: []orb.LineString{{{0.7, 1.1}, {0.7, 0.6}, {0.3, 0.6}, {0.3, 1.1}}},
			wet:   points{{0.5, 0.8}}, dry: points{{0.5, 0.3}, {0.1, 0.9}, {0.9, 0.9}}, area: 0.16},
		"a cape: the same edge, the other way": {
			coast: []orb.LineString{{{0.3, 1.1}, {0.3, 0.6}, {0.7, 0.6}, {0.7, 1.1}}},
			wet:   points{{0.5, 0.3}, {0.1, 0.9}, {0.9, 0.9}}, dry: points{{0.5, 0.8}}, area: 0.84},
		"a strait: two coasts with the sea between": {
			coast: []orb.LineString{{{0.4, -0.1}, {0.4, 1.1}}, {{0.6, 1.1}, {0.6, -0.1}}},
			wet:   points{{0.5, 0.5}}, dry: points{{0.1, 0.5}, {0.9, 0.5}}, area: 0.2},
		"an isthmus: two seas": {
			coast: []orb.LineString{{{0.4, 1.1}, {0.4, -0.1}}, {{0.6, -0.1}, {0.6, 1.1}}},
			wet:   points{{0.1, 0.5}, {0.9, 0.5}}, dry: points{{0.5, 0.5}}, area: 0.8},
		"a river mouth: two ends lie open inside, a few kilometres apart": {
			coast: []orb.LineString{{{0.5, -0.1}, {0.5, 0.48}}, {{0.5, 0.52}, {0.5, 1.1}}},
			wet:   points{{0.9, 0.5}}, dry: points{{0.1, 0.5}}, area: 0.5, joined: 1},
		"an island alone": {
			coast: []orb.LineString{{{0.4, 0.4}, {0.6, 0.4}, {0.6, 0.6}, {0.4, 0.6}, {0.4, 0.4}}},
			wet:   points{{0.1, 0.5}, {0.9, 0.9}}, dry: points{{0.5, 0.5}}, area: 0.96, islands: 1},
		"an island in two ways before a coast": {
			coast: []orb.LineString{{{0.5, -0.1}, {0.5, 1.1}}, {{0.7, 0.4}, {0.8, 0.4}, {0.8, 0.6}}, {{0.8, 0.6}, {0.7, 0.6}, {0.7, 0.4}}},
			wet:   points{{0.6, 0.5}, {0.95, 0.5}}, dry: points{{0.75, 0.5}, {0.2, 0.5}}, area: 0.48, islands: 1},
		"an island that the edge of the map cuts": {
			coast: []orb.LineString{{{0.8, 0.4}, {1.2, 0.4}, {1.2, 0.6}, {0.8, 0.6}, {0.8, 0.4}}},
			wet:   points{{0.5, 0.5}, {0.9, 0.2}, {0.9, 0.8}}, dry: points{{0.9, 0.5}}, area: 0.96},
		"an island whose ring the extract broke": {
			coast: []orb.LineString{{{0.41, 0.4}, {0.6, 0.4}, {0.6, 0.6}, {0.4, 0.6}, {0.4, 0.41}}},
			wet:   points{{0.1, 0.5}}, dry: points{{0.5, 0.5}}, area: 0.96, joined: 1, islands: 1},
		"an inland sea: a ring with the water inside": {
			coast: []orb.LineString{{{0.4, 0.4}, {0.4, 0.6}, {0.6, 0.6}, {0.6, 0.4}, {0.4, 0.4}}},
			wet:   points{{0.5, 0.5}}, dry: points{{0.1, 0.5}}, area: 0.04},
		"an island in the middle of the land is left out": {
			coast: []orb.LineString{{{0.5, -0.1}, {0.5, 1.1}}, {{0.1, 0.4}, {0.2, 0.4}, {0.2, 0.6}, {0.1, 0.6}, {0.1, 0.4}}},
			wet:   points{{0.9, 0.5}}, dry: points{{0.15, 0.5}, {0.3, 0.3}}, area: 0.5, islands: 1, stray: 1},
		"an end that nothing continues is carried to the edge": {
			coast: []orb.LineString{{{0.5, -0.1}, {0.5, 0.9}}},
			wet:   points{{0.9, 0.5}}, dry: points{{0.1, 0.5}}, area: 0.5, carried: 1},
		"a coast outside the map": {coast: []orb.LineString{{{2, 0}, {2, 1}}}, noSea: true},
		"of two ways to close, the one that drowns nobody": {
			// The open ends lie near each other: joined, the bay swallows the town on the cape between them.
			coast: []orb.LineString{{{-0.1, 0.52}, {0.5, 0.52}}, {{0.5, 0.48}, {1.1, 0.48}}},
			wet:   points{{0.25, 0.25}}, dry: points{{0.25, 0.75}, {0.75, 0.75}}, area: 0.5, joined: 1,
			buildings: points{{0.25, 0.75}, {0.75, 0.75}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			judge := func(s orb.MultiPolygon) float64 {
				n := 0
				for _, b := range tt.buildings {
					if contains(s, b) {
						n++
					}
				}
				return float64(n)
			}
			s, rep := sea(tt.coast, unitBox, judge)
			if tt.noSea {
				if len(s) > 0 {
					t.Fatalf("got a sea: %v", s)
				}
				return
			}
			for _, p := range tt.wet {
				if !contains(s, p) {
					t.Errorf("%v is dry, want sea", p)
				}
			}
			for _, p := range tt.dry {
				if contains(s, p) {
					t.Errorf("%v is in the sea, want land", p)
				}
			}
			if got := area(s); math.Abs(got-tt.area) > 0.02 {
				t.Errorf("the sea has %.3f square degrees, want %.3f: %v", got, tt.area, s)
			}
			if rep.Joined != tt.joined || rep.Carried != tt.carried || rep.Islands != tt.islands || rep.Stray != tt.stray {
				t.Errorf("got %+v, want joined %d, carried %d, islands %d, stray %d", rep, tt.joined, tt.carried, tt.islands, tt.stray)
			}
			for _, p := range s {
				for _, r := range p {
					if r[0] != r[len(r)-1] || len(r) < 4 {
						t.Errorf("a ring is not closed: %v", r)
					}
				}
			}
		})
	}
}

// Where the naive closing would drown the city, a shorter reach is tried.
func TestSeaChoosesTheDriest(t *testing.T) {
	// Two shores of a lake-like inlet, each cut off by the extract in the middle of the map. Joined,
	// they make one sea of the whole south; apart, each is carried to its own edge.
	coast := []orb.LineString{{{-0.1, 0.6}, {0.45, 0.6}, {0.49, 0.5}}, {{0.51, 0.5}, {0.55, 0.6}, {1.1, 0.6}}}
	town := orb.Point{0.5, 0.2}
	judge := func(s orb.MultiPolygon) float64 {
		if contains(s, town) {
			return 1
		}
		return 0
	}
	joined, rep := seaWithin(coast, unitBox, mouthDegreesMax)
	if rep.Joined != 1 || judge(joined) != 1 {
		t.Fatalf("the trap is not one: joined %d, town wet %v", rep.Joined, judge(joined))
	}
	apart, _ := seaWithin(coast, unitBox, 0)
	if judge(apart) != 0 {
		t.Fatal("unjoined the town is wet as well: this proves nothing")
	}
	s, rep := sea(coast, unitBox, judge)
	if judge(s) != 0 || rep.Joined != 0 {
		t.Errorf("the town is in the sea; joined %d ends, want the way that leaves it dry", rep.Joined)
	}
}
