package roads

import (
	"math"
	"slices"

	"rasad/geo"
)

const (
	followMetres = 15                 // a line within so much of a road
	followCos    = 0.8660254037844387 // and within 30° of its direction follows it,
	followLength = 20                 // if it does so for so many metres, or half of the road or of the line
	followStep   = 5                  // metres between the places at which this is asked
)

// Touching gives the edges that a shape touches, ascending: both directions of each road.
//
// A polygon touches the roads that lie in it in part, or on its edge, but for its holes. A line touches the roads
// that it follows (within 15 m and 30° for 20 m, or half of the road or of the line), and, where it follows none, the
// roads that it crosses: a line along a street closes the street, not those that meet it. Points touch
// nothing.
func (g *Graph) Touching(s *geo.Shape) []EdgeID {
	if s == nil {
		return nil
	}
	var segs []uint32
	switch s.Type {
	case geo.Polygon, geo.MultiPolygon:
		segs = g.inPolygon(s)
	case geo.LineString, geo.MultiLineString:
		segs = g.byLine(s)
	}
	var out []EdgeID
	for _, seg := range segs {
		for _, e := range g.of[seg] {
			if e != noEdge {
				out = append(out, EdgeID(e))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// stretches goes through the straight stretches of the lines or rings of a shape.
func stretches(s *geo.Shape, visit func(a, b geo.LngLat)) {
	from := uint32(0)
	for _, end := range s.Ends {
		if end < from || uint64(end) > uint64(len(s.Points)) {
			return // only a damaged file has such
		}
		for i := from + 1; i < end; i++ {
			visit(s.Points[i-1], s.Points[i])
		}
		from = end
	}
}

// inPolygon finds the segments that touch a polygon. Cells that no ring passes through lie wholly in or out, as
// does the next one in the row; only near the rings each piece is looked at.
func (g *Graph) inPolygon(s *geo.Shape) []uint32 {
	ix := &g.pieces
	type stretch struct{ a, b geo.LngLat }
	rings := map[int][]stretch{}
	lowest, highest := ix.rows, -1
	stretches(s, func(a, b geo.LngLat) {
		ix.through(a, b, 0, func(cell int) {
			rings[cell] = append(rings[cell], stretch{a, b})
		})
		for _, p := range [...]geo.LngLat{a, b} {
			row := int(math.Floor((float64(p.Lat) - float64(ix.min.Lat)) / ix.h))
			lowest, highest = min(lowest, row), max(highest, row)
		}
	})
	touched := map[uint32]bool{}
	for row := max(0, lowest); row <= min(highest, ix.rows-1); row++ {
		known, in := false, false // of the cell before
		for col := range ix.cols {
			cell := row*ix.cols + col
			near, on := rings[cell]
			if on {
				known = false
			} else if !known {
				known, in = true, s.Contains(ix.middle(col, row))
			}
			if !on && !in {
				continue
			}
			seg := uint32(0)
			for _, piece := range ix.pieces[ix.first[cell]:ix.first[cell+1]] {
				if seg = g.segmentOf(piece, seg); touched[seg] {
					continue
				}
				a, b := g.piece(seg, piece)
				touched[seg] = !on || slices.ContainsFunc(near, func(r stretch) bool { return geo.Meet(a, b, r.a, r.b) }) || s.Contains(a)
			}
		}
	}
	var out []uint32
	for seg, yes := range touched {
		if yes {
			out = append(out, seg)
		}
	}
	return out
}

// middle is the middle of a cell.
func (ix *pieceIndex) middle(col, row int) geo.LngLat {
	at := func(from int32, size float64, k int, most float64) int32 {
		return int32(math.Min(most, float64(from)+(float64(k)+0.5)*size))
	}
	return geo.LngLat{Lng: at(ix.min.Lng, ix.w, col, geo.LngMax), Lat: at(ix.min.Lat, ix.h, row, geo.LatMax)}
}

// byLine finds the segments that a line follows, or crosses where it follows none.
func (g *Graph) byLine(s *geo.Shape) []uint32 {
	ix := &g.pieces
	type stretch struct {
		a, b geo.LngLat
		segs []uint32 // with a piece near it, ascending
	}
	var line []stretch
	near := map[uint32][]int{} // the stretches near a segment
	length := 0.0
	pad := followMetres / (ix.h * earthRadiusM * radPerE7)
	stretches(s, func(a, b geo.LngLat) {
		l := stretch{a: a, b: b}
		length += geo.Distance(a, b)
		ix.through(a, b, 1.5*pad, func(cell int) {
			seg := uint32(0)
			for _, piece := range ix.pieces[ix.first[cell]:ix.first[cell+1]] {
				seg = g.segmentOf(piece, seg)
				l.segs = append(l.segs, seg)
			}
		})
		slices.Sort(l.segs)
		l.segs = slices.Compact(l.segs)
		for _, seg := range l.segs {
			near[seg] = append(near[seg], len(line))
		}
		line = append(line, l)
	})

	followed := map[uint32]bool{}
	for seg, ks := range near {
		if g.followed(seg, length, func(visit func(a, b geo.LngLat)) {
			for _, k := range ks {
				visit(line[k].a, line[k].b)
			}
		}) {
			followed[seg] = true
		}
	}
	touched := map[uint32]bool{}
	for _, l := range line {
		for _, seg := range l.segs {
			for piece := g.shapeFirst[seg] + seg; !touched[seg] && !followed[seg] && piece <= g.shapeFirst[seg+1]+seg; piece++ {
				a, b := g.piece(seg, piece)
				if !geo.Meet(a, b, l.a, l.b) {
					continue
				}
				at := crossing(a, b, l.a, l.b)
				touched[seg] = !runsAlong(at, l.a, l.b, a, b) && !slices.ContainsFunc(l.segs, func(other uint32) bool { return followed[other] && g.runsBy(other, at, l.a, l.b) })
			}
		}
	}
	var out []uint32
	for seg := range near {
		if touched[seg] || followed[seg] {
			out = append(out, seg)
		}
	}
	return out
}

// followed says whether a line of a length, given by its stretches, runs along a segment.
func (g *Graph) followed(seg uint32, length float64, line func(func(a, b geo.LngLat))) bool {
	var whole, along float64
	for piece := g.shapeFirst[seg] + seg; piece <= g.shapeFirst[seg+1]+seg; piece++ {
		a, b := g.piece(seg, piece)
		d := geo.Distance(a, b)
		whole += d
		steps := math.Max(1, math.Ceil(d/followStep))
		for i := range int(steps) {
			t := (float64(i) + 0.5) / steps
			at := geo.LngLat{Lng: between(a.Lng, b.Lng, t), Lat: between(a.Lat, b.Lat, t)}
			by := false
			line(func(c, d geo.LngLat) { by = by || runsAlong(at, a, b, c, d) })
			if by {
				along += d / steps
			}
		}
	}
	return along > 0 && along >= min(followLength, whole/2, length/2)
}

// runsBy says whether a segment runs along the stretch c-d of a line at a place.
func (g *Graph) runsBy(seg uint32, at, c, d geo.LngLat) bool {
	for piece := g.shapeFirst[seg] + seg; piece <= g.shapeFirst[seg+1]+seg; piece++ {
		a, b := g.piece(seg, piece)
		if runsAlong(at, c, d, a, b) {
			return true
		}
	}
	return false
}

// runsAlong says whether the stretch c-d comes near a place, in the direction of a-b or against it.
func runsAlong(at, a, b, c, d geo.LngLat) bool {
	p := newPlane(at)
	if margin := followMetres * 1.01 / p.ky; float64(min(c.Lat, d.Lat)) > float64(at.Lat)+margin || float64(max(c.Lat, d.Lat)) < float64(at.Lat)-margin {
		return false
	}
	ax, ay := p.xy(a)
	bx, by := p.xy(b)
	cx, cy := p.xy(c)
	dx, dy := p.xy(d)
	ux, uy, vx, vy := bx-ax, by-ay, dx-cx, dy-cy
	t, far := nearestOn(cx, cy, dx, dy)
	if far > followMetres {
		return false
	}
	// What lies ahead of the end or behind the beginning is not beside it.
	if ex, ey := cx+t*vx, cy+t*vy; math.Abs(ex*vx+ey*vy) > followStep*math.Hypot(vx, vy) {
		return false
	}
	return math.Abs(ux*vx+uy*vy) >= followCos*math.Hypot(ux, uy)*math.Hypot(vx, vy)
}

// crossing is where a-b and c-d meet.
func crossing(a, b, c, d geo.LngLat) geo.LngLat {
	abx, aby := float64(b.Lng)-float64(a.Lng), float64(b.Lat)-float64(a.Lat)
	cdx, cdy := float64(d.Lng)-float64(c.Lng), float64(d.Lat)-float64(c.Lat)
	t, l := 0.0, abx*cdy-aby*cdx
	if l != 0 {
		t = math.Max(0, math.Min(1, ((float64(c.Lng)-float64(a.Lng))*cdy-(float64(c.Lat)-float64(a.Lat))*cdx)/l))
	}
	return geo.LngLat{Lng: between(a.Lng, b.Lng, t), Lat: between(a.Lat, b.Lat, t)}
}
