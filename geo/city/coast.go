package city

import (
	"cmp"
	"math"
	"slices"

	"github.com/paulmach/orb"
	"github.com/paulmach/orb/clip"
)

// In OpenStreetMap a coastline is a way with land on its left and sea on its right, and an
// extract cuts it anywhere. The sea is made of it in this order: join ways end to end, join ends
// that lie open inside the box to each other, cut at the box, carry what still lies open to the
// edge of the box, walk the edge clockwise (the sea side) from where a coast leaves to where the
// next one enters.

// mouthDegreesMax is how far apart two open ends may lie to be one coast: a river mouth or the
// strip that the edge of an extract took away, some 5 km.
const mouthDegreesMax = 0.06

// SeaReport says how the sea was made of the coastlines.
type SeaReport struct {
	Ways    int `json:"ways"`    // coastline ways
	Joined  int `json:"joined"`  // open ends joined to each other
	Carried int `json:"carried"` // open ends carried to the edge of the map
	Islands int `json:"islands"`
	Stray   int `json:"stray"` // islands outside any sea, left out
}

// sea makes the sea inside box. Where coasts lie open there is more than one way to close them;
// swallowed says what share of the city a sea would drown, and the one that drowns least is
// taken. It is nil where there is no coast, or all of it lies outside the box.
func sea(ways []orb.LineString, box orb.Bound, swallowed func(orb.MultiPolygon) float64) (orb.MultiPolygon, SeaReport) {
	var best orb.MultiPolygon
	var bestReport SeaReport
	least := math.Inf(1)
	for _, reach := range [...]float64{mouthDegreesMax, mouthDegreesMax / 10, 0} {
		got, rep := seaWithin(ways, box, reach)
		if share := swallowed(got); share < least {
			best, bestReport, least = got, rep, share
		}
		if least == 0 || rep.Joined == 0 {
			break // a shorter reach joins nothing else
		}
	}
	return best, bestReport
}

func seaWithin(ways []orb.LineString, box orb.Bound, reach float64) (orb.MultiPolygon, SeaReport) {
	rep := SeaReport{Ways: len(ways)}
	chains := joinCoast(ways)
	chains = joinMouths(chains, box, reach, &rep)

	p := perimeter{box}
	var cuts []cut
	var lakes, islands []orb.Ring
	for _, c := range chains {
		if c[0] == c[len(c)-1] {
			out := slices.IndexFunc(c, func(q orb.Point) bool { return !box.Contains(q) })
			switch {
			case len(c) < 4:
				continue
			case out < 0 && twiceArea(c) > 0:
				islands = append(islands, orb.Ring(c)) // land on the left is land inside
				continue
			case out < 0:
				lakes = append(lakes, orb.Ring(c))
				continue
			}
			// Begin outside, or the piece with the first point falls in two.
			c = slices.Concat(c[out:], c[1:out+1])
		}
		for _, s := range clip.LineString(box, c) {
			if len(s) < 2 {
				continue
			}
			if !p.on(s[0]) {
				s = slices.Insert(s, 0, p.nearest(s[0]))
				rep.Carried++
			}
			if end := s[len(s)-1]; !p.on(end) {
				s = append(s, p.nearest(end))
				rep.Carried++
			}
			cuts = append(cuts, cut{s, p.at(s[0]), p.at(s[len(s)-1])})
		}
	}
	rep.Islands = len(islands)

	var out orb.MultiPolygon
	for _, r := range append(p.walk(cuts), lakes...) {
		out = append(out, orb.Polygon{r})
	}
	if len(out) == 0 && len(islands) > 0 {
		out = orb.MultiPolygon{{box.ToRing()}}
	}
	for _, is := range islands {
		i := slices.IndexFunc(out, func(s orb.Polygon) bool { return ringHolds(s[0], is) })
		if i < 0 {
			rep.Stray++
			continue
		}
		out[i] = append(out[i], is)
	}
	return out, rep
}

// joinCoast joins ways that continue each other exactly, never turning one round.
func joinCoast(ways []orb.LineString) []orb.LineString {
	starts, ends := map[orb.Point]int{}, map[orb.Point]bool{}
	for i, w := range ways {
		if len(w) >= 2 {
			starts[w[0]] = i
			ends[w[len(w)-1]] = true
		}
	}
	used := make([]bool, len(ways))
	var chains []orb.LineString
	follow := func(i int) {
		used[i] = true
		c := slices.Clone(ways[i])
		for {
			j, ok := starts[c[len(c)-1]]
			if !ok || used[j] {
				break
			}
			used[j] = true
			c = append(c, ways[j][1:]...)
		}
		chains = append(chains, c)
	}
	for i, w := range ways { // first those that nothing leads into
		if len(w) >= 2 && !used[i] && !ends[w[0]] {
			follow(i)
		}
	}
	for i, w := range ways {
		if len(w) >= 2 && !used[i] {
			follow(i)
		}
	}
	return chains
}

// joinMouths joins an end that lies open inside the box to the nearest open start, nearest pair
// first, its own start included: that closes an island the extract cut.
func joinMouths(chains []orb.LineString, box orb.Bound, reach float64, rep *SeaReport) []orb.LineString {
	if reach == 0 {
		return chains
	}
	var done, open []orb.LineString
	for _, c := range chains {
		if end := c[len(c)-1]; c[0] == end || !box.Contains(end) && !box.Contains(c[0]) {
			done = append(done, c)
		} else {
			open = append(open, c)
		}
	}
	for {
		bi, bj, near := -1, -1, reach
		for i, a := range open {
			end := a[len(a)-1]
			if a[0] == end || !box.Contains(end) {
				continue
			}
			for j, b := range open {
				start := b[0]
				if start == b[len(b)-1] || !box.Contains(start) {
					continue
				}
				d := math.Hypot((end[0]-start[0])*math.Cos(end[1]*math.Pi/180), end[1]-start[1])
				// A short coast is not closed upon itself over a gap as long as it is.
				if i == j && d > length(a)/4 {
					continue
				}
				if d < near {
					bi, bj, near = i, j, d
				}
			}
		}
		if bi < 0 {
			return append(done, open...)
		}
		rep.Joined++
		if bi == bj {
			open[bi] = append(open[bi], open[bi][0])
			continue
		}
		open[bi] = append(open[bi], open[bj]...)
		open = slices.Delete(open, bj, bj+1)
	}
}

func length(l orb.LineString) float64 {
	sum := 0.0
	for i := 1; i < len(l); i++ {
		sum += math.Hypot(l[i][0]-l[i-1][0], l[i][1]-l[i-1][1])
	}
	return sum
}

// cut is a piece of coast from edge to edge of the box, with the places on the perimeter where
// it enters and leaves.
type cut struct {
	line    orb.LineString
	in, out float64
}

// perimeter measures along the edge of a box, clockwise from its north-west corner.
type perimeter struct{ box orb.Bound }

func (p perimeter) size() (w, h float64) {
	return p.box.Max[0] - p.box.Min[0], p.box.Max[1] - p.box.Min[1]
}

func (p perimeter) on(q orb.Point) bool {
	return q[0] <= p.box.Min[0]+degreeEpsilon || q[0] >= p.box.Max[0]-degreeEpsilon ||
		q[1] <= p.box.Min[1]+degreeEpsilon || q[1] >= p.box.Max[1]-degreeEpsilon
}

func (p perimeter) at(q orb.Point) float64 {
	w, h := p.size()
	switch {
	case q[1] >= p.box.Max[1]-degreeEpsilon:
		return q[0] - p.box.Min[0]
	case q[0] >= p.box.Max[0]-degreeEpsilon:
		return w + p.box.Max[1] - q[1]
	case q[1] <= p.box.Min[1]+degreeEpsilon:
		return w + h + p.box.Max[0] - q[0]
	default:
		return 2*w + h + q[1] - p.box.Min[1]
	}
}

// nearest is the place on the edge nearest to a point inside.
func (p perimeter) nearest(q orb.Point) orb.Point {
	edges := []orb.Point{{p.box.Min[0], q[1]}, {p.box.Max[0], q[1]}, {q[0], p.box.Min[1]}, {q[0], p.box.Max[1]}}
	return slices.MinFunc(edges, func(a, b orb.Point) int {
		return cmp.Compare(math.Abs(a[0]-q[0])+math.Abs(a[1]-q[1]), math.Abs(b[0]-q[0])+math.Abs(b[1]-q[1]))
	})
}

// walk closes the cuts along the edge and gives the rings of the sea.
func (p perimeter) walk(cuts []cut) []orb.Ring {
	w, h := p.size()
	round := 2 * (w + h)
	corners := []struct {
		at float64
		p  orb.Point
	}{{0, orb.Point{p.box.Min[0], p.box.Max[1]}}, {w, p.box.Max}, {w + h, orb.Point{p.box.Max[0], p.box.Min[1]}}, {2*w + h, p.box.Min}}
	ahead := func(from, to float64) float64 { return math.Mod(to-from+round, round) }

	used := make([]bool, len(cuts))
	var out []orb.Ring
	for i := range cuts {
		if used[i] {
			continue
		}
		var r orb.Ring
		for k := i; ; {
			used[k] = true
			r = append(r, cuts[k].line...)
			next, d := i, ahead(cuts[k].out, cuts[i].in)
			for j := range cuts {
				if a := ahead(cuts[k].out, cuts[j].in); !used[j] && a < d {
					next, d = j, a
				}
			}
			type stop struct {
				d float64
				p orb.Point
			}
			var stops []stop
			for _, c := range corners {
				if a := ahead(cuts[k].out, c.at); a < d {
					stops = append(stops, stop{a, c.p})
				}
			}
			slices.SortFunc(stops, func(a, b stop) int { return cmp.Compare(a.d, b.d) })
			for _, s := range stops {
				r = append(r, s.p)
			}
			if next == i {
				break
			}
			k = next
		}
		out = append(out, append(r, r[0]))
	}
	return out
}
