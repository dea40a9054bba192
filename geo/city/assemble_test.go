package city

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/paulmach/orb"
	"github.com/paulmach/osm"

	"rasad/geo"
)

// extractOf makes an extract of lines: nodes are shared where points are equal.
func extractOf(lines ...orb.LineString) *extract {
	x := &extract{}
	ids := map[orb.Point]int64{}
	for i, l := range lines {
		w := way{id: int64(i + 1)}
		for _, p := range l {
			id, ok := ids[p]
			if !ok {
				id = int64(len(ids) + 1)
				ids[p] = id
				at, err := geo.At(p[0], p[1])
				if err != nil {
					panic(err)
				}
				x.ids, x.places = append(x.ids, id), append(x.places, at)
			}
			w.refs = append(w.refs, id)
		}
		x.ways = append(x.ways, w)
	}
	return x
}

func memberWays(roles ...string) osm.Members {
	var ms osm.Members
	for i, r := range roles {
		ms = append(ms, osm.Member{Type: osm.TypeWay, Ref: int64(i + 1), Role: r})
	}
	return ms
}

func square(x, y, side float64) orb.LineString {
	return orb.LineString{{x, y}, {x + side, y}, {x + side, y + side}, {x, y + side}, {x, y}}
}

func TestArea(t *testing.T) {
	tests := map[string]struct {
		lines  []orb.LineString
		roles  []string
		clip   orb.Bound
		bodies int
		area   float64
		bad    broken
	}{
		"one closed way":       {lines: []orb.LineString{square(0, 0, 1)}, roles: []string{"outer"}, bodies: 1, area: 1},
		"no role is outer":     {lines: []orb.LineString{square(0, 0, 1)}, roles: []string{""}, bodies: 1, area: 1},
		"a hole":               {lines: []orb.LineString{square(0, 0, 4), square(1, 1, 1)}, roles: []string{"outer", "inner"}, bodies: 1, area: 15},
		"other roles are not":  {lines: []orb.LineString{square(0, 0, 1), square(5, 5, 1)}, roles: []string{"outer", "label"}, bodies: 1, area: 1},
		"a hole wound alike":   {lines: []orb.LineString{square(0, 0, 4), reversedLine(square(1, 1, 1))}, roles: []string{"outer", "inner"}, bodies: 1, area: 15},
		"two bodies, one hole": {lines: []orb.LineString{square(0, 0, 4), square(10, 0, 4), square(11, 1, 1)}, roles: []string{"outer", "outer", "inner"}, bodies: 2, area: 31},
		"an island in a lake: the hole goes to the outer body, the island stays": {
			lines: []orb.LineString{square(0, 0, 9), square(2, 2, 5), square(4, 4, 1)}, roles: []string{"outer", "inner", "outer"}, bodies: 2, area: 81 - 25 + 1},
		"a ring in three ways, one of them backwards": {
			lines: []orb.LineString{{{0, 0}, {1, 0}}, {{1, 1}, {1, 0}}, {{1, 1}, {0, 1}, {0, 0}}}, roles: []string{"outer", "outer", "outer"}, bodies: 1, area: 1},
		"two rings that touch in a point": {
			lines: []orb.LineString{{{1, 1}, {0, 1}, {0, 0}}, {{0, 0}, {1, 0}, {1, 1}}, {{1, 1}, {2, 1}, {2, 2}}, {{2, 2}, {1, 2}, {1, 1}}},
			roles: []string{"outer", "outer", "outer", "outer"}, bodies: 2, area: 2},
		"a gap of some metres is closed": {
			lines: []orb.LineString{{{0, 0}, {1, 0}, {1, 1}, {0, 1}, {0, 0.0001}}}, roles: []string{"outer"}, bodies: 1, area: 1, bad: broken{closedGap: 1}},
		"a ring that does not close is left out, the other stays": {
			lines: []orb.LineString{square(0, 0, 1), {{5, 5}, {6, 5}, {6, 6}}}, roles: []string{"outer", "outer"}, clip: orb.Bound{Min: orb.Point{0, 0}, Max: orb.Point{9, 9}},
			bodies: 1, area: 1, bad: broken{open: 1}},
		"a ring cut by the extract is closed where nobody sees": {
			lines: []orb.LineString{{{2, 0}, {0.5, 0}, {0.5, 1}, {2, 1}}}, roles: []string{"outer"}, clip: orb.Bound{Min: orb.Point{0, 0}, Max: orb.Point{1, 1}},
			bodies: 1, area: 1.5, bad: broken{closedOut: 1}},
		"a ring cut by the extract is not closed across the map": {
			lines: []orb.LineString{{{2, 0}, {0.5, 0.2}, {-2, 1}}}, roles: []string{"outer"}, clip: orb.Bound{Min: orb.Point{0, 0}, Max: orb.Point{1, 1}},
			bodies: 0, bad: broken{open: 1}},
		"a hole outside the body": {
			lines: []orb.LineString{square(0, 0, 1), square(5, 5, 1)}, roles: []string{"outer", "inner"}, bodies: 1, area: 1, bad: broken{strayInner: 1}},
		"a member that the extract does not have": {
			lines: []orb.LineString{square(0, 0, 1)}, roles: []string{"outer", "outer"}, bodies: 1, area: 1, bad: broken{missing: 1}},
		"no members":         {bodies: 0},
		"a ring of no size":  {lines: []orb.LineString{{{0, 0}, {1, 0}, {0, 0}}}, roles: []string{"outer"}, bodies: 0},
		"a way of one point": {lines: []orb.LineString{{{0, 0}}}, roles: []string{"outer"}, bodies: 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			x := extractOf(tt.lines...)
			g, bad := x.area(&relation{members: memberWays(tt.roles...)}, tt.clip)
			if len(g) != tt.bodies || math.Abs(area(g)-tt.area) > 1e-3 || bad != tt.bad {
				t.Errorf("got %d bodies, area %g, %+v, want %d, %g, %+v\n%v", len(g), area(g), bad, tt.bodies, tt.area, tt.bad, g)
			}
		})
	}
}

// However a ring is cut into ways, shuffled and turned round, it comes out whole.
func TestRingsInAnyOrder(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 0))
		var lines []orb.LineString
		want := 0.0
		n := 1 + r.IntN(4)
		for k := range n {
			// A star-shaped ring round its own centre, far from the others.
			corners := 3 + r.IntN(20)
			ring := make(orb.LineString, 0, corners+1)
			for i := range corners {
				a := 2 * math.Pi * (float64(i) + 0.8*r.Float64()) / float64(corners)
				d := 0.5 + r.Float64()
				ring = append(ring, orb.Point{10*float64(k) + d*math.Cos(a), d * math.Sin(a)})
			}
			ring = append(ring, ring[0])
			want += math.Abs(twiceArea(ring)) / 2
			for at := 0; at < corners; {
				to := min(corners, at+1+r.IntN(4))
				l := slices.Clone(ring[at : to+1])
				if r.IntN(2) == 0 {
					slices.Reverse(l)
				}
				lines = append(lines, l)
				at = to
			}
		}
		r.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		var bad broken
		got := rings(lines, orb.Bound{}, &bad)
		sum := 0.0
		for _, g := range got {
			sum += math.Abs(twiceArea(g)) / 2
		}
		if len(got) != n || math.Abs(sum-want) > 1e-9 || bad != (broken{}) {
			t.Fatalf("seed %d: got %d rings of area %g, %+v, want %d of %g", seed, len(got), sum, bad, n, want)
		}
	}
}

func TestLabelLiesInside(t *testing.T) {
	shapes := map[string]orb.MultiPolygon{
		"a square":         {{orb.Ring(square(0, 0, 1))}},
		"a horseshoe":      {{{{0, 0}, {3, 0}, {3, 3}, {2, 3}, {2, 1}, {1, 1}, {1, 3}, {0, 3}, {0, 0}}}},
		"a ring road":      {{orb.Ring(square(0, 0, 9)), orb.Ring(square(1, 1, 7))}},
		"two islands":      {{orb.Ring(square(0, 0, 1))}, {orb.Ring(square(9, 0, 1))}},
		"clockwise":        {{orb.Ring(reversedLine(square(0, 0, 1)))}},
		"a hole as a body": {{orb.Ring(square(0, 0, 9)), orb.Ring(reversedLine(square(2, 2, 6)))}},
		"far from zero":    {{orb.Ring(square(151.2, -33.8, 0.0001))}},
	}
	for name, g := range shapes {
		if p := label(g); !contains(g, p) {
			t.Errorf("%s: the label lies outside, at %v", name, p)
		}
	}
	if p := label(orb.MultiPolygon{{orb.Ring(square(0, 0, 1))}}); math.Hypot(p[0]-0.5, p[1]-0.5) > 1e-9 {
		t.Errorf("the label of a square is at %v, want its middle", p)
	}
}

func TestSheetEqualsContains(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		var g orb.MultiPolygon
		for range 1 + r.IntN(3) {
			var ring orb.Ring
			for range 3 + r.IntN(200) {
				ring = append(ring, orb.Point{r.Float64(), math.Round(r.Float64()*8) / 8})
			}
			g = append(g, orb.Polygon{append(ring, ring[0])})
		}
		s := newSheet(g)
		for range 300 {
			p := orb.Point{r.Float64()*1.2 - 0.1, math.Round(r.Float64()*64)/64*1.2 - 0.1}
			if got, want := s.contains(p), contains(g, p); got != want {
				t.Fatalf("seed %d: %v: got %v, want %v", seed, p, got, want)
			}
		}
	}
	if newSheet(nil).contains(orb.Point{0, 0}) {
		t.Error("nothing contains a point")
	}
}
