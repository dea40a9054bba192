package city

import (
	"math"
	"slices"

	"github.com/paulmach/orb"
)

const (
	latMax        = 85.0511287798 // where the Mercator square ends
	metresPerDeg  = 111194.926645 // of a great circle on the mean sphere
	earthRadiusM  = 6371008.8
	degreeEpsilon = 1e-9
)

// mercator projects to the unit square, y down, as tiles lie.
func mercator(p orb.Point) orb.Point {
	φ := math.Max(-latMax, math.Min(latMax, p[1])) * math.Pi / 180
	return orb.Point{p[0]/360 + 0.5, 0.5 - math.Log(math.Tan(math.Pi/4+φ/2))/(2*math.Pi)}
}

func mercatorBound(b orb.Bound) orb.Bound {
	nw, se := mercator(orb.Point{b.Min[0], b.Max[1]}), mercator(orb.Point{b.Max[0], b.Min[1]})
	return orb.Bound{Min: orb.Point{nw[0], nw[1]}, Max: orb.Point{se[0], se[1]}}
}

// mapPoints makes a new geometry with every point changed. Kinds that the map does not draw give nil.
func mapPoints(g orb.Geometry, f func(orb.Point) orb.Point) orb.Geometry {
	line := func(ps []orb.Point) []orb.Point {
		out := make([]orb.Point, len(ps))
		for i, p := range ps {
			out[i] = f(p)
		}
		return out
	}
	polygon := func(p orb.Polygon) orb.Polygon {
		out := make(orb.Polygon, len(p))
		for i, r := range p {
			out[i] = line(r)
		}
		return out
	}
	switch g := g.(type) {
	case orb.Point:
		return f(g)
	case orb.LineString:
		return orb.LineString(line(g))
	case orb.MultiLineString:
		out := make(orb.MultiLineString, len(g))
		for i, l := range g {
			out[i] = line(l)
		}
		return out
	case orb.Polygon:
		return polygon(g)
	case orb.MultiPolygon:
		out := make(orb.MultiPolygon, len(g))
		for i, p := range g {
			out[i] = polygon(p)
		}
		return out
	}
	return nil
}

// metres is the great-circle distance.
func metres(a, b orb.Point) float64 {
	φ1, φ2 := a[1]*math.Pi/180, b[1]*math.Pi/180
	dφ, dλ := φ2-φ1, (b[0]-a[0])*math.Pi/180
	h := math.Pow(math.Sin(dφ/2), 2) + math.Cos(φ1)*math.Cos(φ2)*math.Pow(math.Sin(dλ/2), 2)
	return 2 * earthRadiusM * math.Asin(math.Min(1, math.Sqrt(h)))
}

// twiceArea is twice the signed area of a ring, closed or not: positive counter-clockwise where y is up.
// Coordinates are taken from the first point, so that a small ring far from the origin keeps its digits.
func twiceArea(r []orb.Point) float64 {
	sum := 0.0
	for i := 2; i < len(r); i++ {
		ax, ay := r[i-1][0]-r[0][0], r[i-1][1]-r[0][1]
		bx, by := r[i][0]-r[0][0], r[i][1]-r[0][1]
		sum += ax*by - bx*ay
	}
	return sum
}

// area is the area of polygons less their holes, in the square of the units of their points.
func area(g orb.MultiPolygon) float64 {
	sum := 0.0
	for _, p := range g {
		for i, r := range p {
			a := math.Abs(twiceArea(r)) / 2
			if i == 0 {
				sum += a
			} else {
				sum -= a
			}
		}
	}
	return sum
}

// multi makes any area a MultiPolygon; anything else gives nil.
func multi(g orb.Geometry) orb.MultiPolygon {
	switch g := g.(type) {
	case orb.Polygon:
		return orb.MultiPolygon{g}
	case orb.MultiPolygon:
		return g
	}
	return nil
}

// contains says whether p lies inside; the boundary may fall on either side.
func contains(g orb.MultiPolygon, p orb.Point) bool {
	in := false
	for _, poly := range g {
		for _, r := range poly {
			for i, j := 0, len(r)-1; i < len(r); j, i = i, i+1 {
				if crosses(r[j], r[i], p) {
					in = !in
				}
			}
		}
	}
	return in
}

// crosses says whether the ray from p to the east crosses a-b.
func crosses(a, b, p orb.Point) bool {
	return (a[1] > p[1]) != (b[1] > p[1]) && p[0] < a[0]+(p[1]-a[1])/(b[1]-a[1])*(b[0]-a[0])
}

// sheet answers contains for many points: the edges of an area sorted into rows.
type sheet struct {
	bound orb.Bound
	step  float64
	rows  [][][2]orb.Point
}

func newSheet(g orb.MultiPolygon) *sheet {
	edges := 0
	for _, p := range g {
		for _, r := range p {
			edges += len(r)
		}
	}
	s := &sheet{bound: g.Bound()}
	n := min(4096, max(1, edges/8))
	s.step = math.Max((s.bound.Max[1]-s.bound.Min[1])/float64(n), degreeEpsilon)
	s.rows = make([][][2]orb.Point, n)
	for _, p := range g {
		for _, r := range p {
			for i, j := 0, len(r)-1; i < len(r); j, i = i, i+1 {
				a, b := r[j], r[i]
				if a[1] == b[1] {
					continue // level edges cross no ray to the east
				}
				for k := s.row(math.Min(a[1], b[1])); k <= s.row(math.Max(a[1], b[1])); k++ {
					s.rows[k] = append(s.rows[k], [2]orb.Point{a, b})
				}
			}
		}
	}
	return s
}

func (s *sheet) row(y float64) int {
	return min(len(s.rows)-1, max(0, int((y-s.bound.Min[1])/s.step)))
}

func (s *sheet) contains(p orb.Point) bool {
	if !s.bound.Contains(p) {
		return false
	}
	in := false
	for _, e := range s.rows[s.row(p[1])] {
		if crosses(e[0], e[1], p) {
			in = !in
		}
	}
	return in
}

// label is a point inside an area to stand for it: its centre of mass where that lies inside,
// else the middle of the widest stretch at that height.
func label(g orb.MultiPolygon) orb.Point {
	b := g.Bound()
	o := b.Center()
	var cx, cy, sum float64
	for _, poly := range g {
		for k, r := range poly {
			sign := 1.0
			if (twiceArea(r) < 0) != (k > 0) {
				sign = -1 // an outer ring that runs clockwise, a hole that does not
			}
			for i := 1; i < len(r); i++ {
				ax, ay, bx, by := r[i-1][0]-o[0], r[i-1][1]-o[1], r[i][0]-o[0], r[i][1]-o[1]
				c := (ax*by - bx*ay) * sign
				cx, cy, sum = cx+(ax+bx)*c, cy+(ay+by)*c, sum+c
			}
		}
	}
	c := o
	if math.Abs(sum) > 1e-18 {
		c = orb.Point{o[0] + cx/(3*sum), o[1] + cy/(3*sum)}
	}
	if contains(g, c) {
		return c
	}
	if !(c[1] > b.Min[1] && c[1] < b.Max[1]) {
		c[1] = o[1]
	}
	var xs []float64
	for _, poly := range g {
		for _, r := range poly {
			for i, j := 0, len(r)-1; i < len(r); j, i = i, i+1 {
				if (r[j][1] > c[1]) != (r[i][1] > c[1]) {
					xs = append(xs, r[j][0]+(c[1]-r[j][1])/(r[i][1]-r[j][1])*(r[i][0]-r[j][0]))
				}
			}
		}
	}
	slices.Sort(xs)
	wide := 0.0
	for i := 0; i+1 < len(xs); i += 2 {
		if w := xs[i+1] - xs[i]; w > wide {
			wide, c[0] = w, (xs[i]+xs[i+1])/2
		}
	}
	return c
}

// middle is the point half way along a line.
func middle(l orb.LineString) orb.Point {
	total := 0.0
	for i := 1; i < len(l); i++ {
		total += metres(l[i-1], l[i])
	}
	left := total / 2
	for i := 1; i < len(l); i++ {
		d := metres(l[i-1], l[i])
		if d >= left && d > 0 {
			t := left / d
			return orb.Point{l[i-1][0] + t*(l[i][0]-l[i-1][0]), l[i-1][1] + t*(l[i][1]-l[i-1][1])}
		}
		left -= d
	}
	return l[0]
}

func reversedLine(l orb.LineString) orb.LineString {
	out := slices.Clone(l)
	slices.Reverse(out)
	return out
}
