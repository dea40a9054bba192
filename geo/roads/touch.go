package roads

import (
	"cmp"
	"math"
	"slices"

	"rasad/geo"
)

const (
	followMetres = 15                 // a line within so much of a road
	followCos    = 0.8660254037844387 // and within 30° of its direction follows it,
	followLength = 20                 // if it does so for so many metres, or half of the road or of the line
	followPast   = 5                  // what lies farther ahead of its end is not beside it
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

// stretches goes through the straight stretches of the lines or rings of a shape, with the number of their line or ring.
func stretches(s *geo.Shape, visit func(ring int, a, b geo.LngLat)) {
	from := uint32(0)
	for i, end := range s.Ends {
		if end < from || uint64(end) > uint64(len(s.Points)) {
			return // only a damaged file has such
		}
		for k := from + 1; k < end; k++ {
			visit(i, s.Points[k-1], s.Points[k])
		}
		from = end
	}
}

// outline is the rings of an area, sorted into the cells and the rows of cells that they pass through.
type outline struct {
	ix    *pieceIndex
	cells map[int][]ringStretch
	rows  map[int][]ringStretch // in the order of rings
	outer []bool                // by ring: it is the first of a polygon
}

type ringStretch struct {
	ring int
	a, b geo.LngLat
}

func (ix *pieceIndex) row(lat int32) int {
	return int(math.Floor((float64(lat) - float64(ix.min.Lat)) / ix.h))
}

func newOutline(ix *pieceIndex, s *geo.Shape) *outline {
	o := &outline{ix, map[int][]ringStretch{}, map[int][]ringStretch{}, make([]bool, len(s.Ends))}
	if len(s.Ends) > 0 {
		o.outer[0] = true
	}
	for _, part := range s.Parts {
		if int(part) < len(o.outer) {
			o.outer[part] = true
		}
	}
	stretches(s, func(ring int, a, b geo.LngLat) {
		r := ringStretch{ring, a, b}
		ix.through(a, b, 0, func(cell int) { o.cells[cell] = append(o.cells[cell], r) })
		for row := max(0, ix.row(min(a.Lat, b.Lat))); row <= min(ix.rows-1, ix.row(max(a.Lat, b.Lat))); row++ {
			o.rows[row] = append(o.rows[row], r)
		}
	})
	return o
}

// contains says whether a place that lies on no ring lies inside one of the polygons and in none of its holes. Only what passes through
// the place's row can lie east of it.
func (o *outline) contains(p geo.LngLat) bool {
	body, hole, odd, ring := false, false, false, -1 // of the polygon so far, and of the ring
	for _, r := range o.rows[o.ix.row(p.Lat)] {
		if r.ring != ring {
			body, hole = o.close(ring, body, hole, odd)
			for k := ring + 1; k <= r.ring; k++ { // of a ring that is not in this row nothing lies east
				if o.outer[k] {
					if body && !hole {
						return true
					}
					body, hole = false, false
				}
			}
			ring, odd = r.ring, false
		}
		a, b := r.a, r.b
		if (a.Lat > p.Lat) == (b.Lat > p.Lat) {
			continue
		}
		if a.Lat > b.Lat {
			a, b = b, a
		}
		// Exact: differences of valid coordinates have 32 and 31 bits, their product 63.
		if (int64(b.Lng)-int64(a.Lng))*(int64(p.Lat)-int64(a.Lat)) > (int64(p.Lng)-int64(a.Lng))*(int64(b.Lat)-int64(a.Lat)) {
			odd = !odd
		}
	}
	body, hole = o.close(ring, body, hole, odd)
	return body && !hole
}

// close says what is known of a polygon after one of its rings, which holds a place when odd.
func (o *outline) close(ring int, body, hole, odd bool) (bool, bool) {
	switch {
	case !odd:
		return body, hole
	case o.outer[ring]:
		return true, hole
	}
	return body, true
}

// inPolygon finds the segments that touch a polygon. Cells that no ring passes through lie wholly in or out, as
// does the next one in the row; only near the rings each piece is looked at.
func (g *Graph) inPolygon(s *geo.Shape) []uint32 {
	ix := &g.pieces
	if ix.rows == 0 {
		return nil
	}
	o := newOutline(ix, s)
	touched := make([]bool, len(g.segs))
	var out []uint32
	bounds := s.Bounds()
	for row := max(0, ix.row(bounds.Min.Lat)); row <= min(ix.row(bounds.Max.Lat), ix.rows-1); row++ {
		known, in := false, false // of the cell before
		for col := range ix.cols {
			cell := row*ix.cols + col
			near, on := o.cells[cell]
			if on {
				known = false
			} else if !known {
				known, in = true, o.contains(ix.middle(col, row))
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
				if !on || slices.ContainsFunc(near, func(r ringStretch) bool { return geo.Meet(a, b, r.a, r.b) }) || o.contains(a) {
					touched[seg] = true
					out = append(out, seg)
				}
			}
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
	stretches(s, func(_ int, a, b geo.LngLat) {
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
	var shares [][2]float64
	for piece := g.shapeFirst[seg] + seg; piece <= g.shapeFirst[seg+1]+seg; piece++ {
		a, b := g.piece(seg, piece)
		shares = shares[:0]
		line(func(c, d geo.LngLat) {
			if from, to := beside(a, b, c, d); from < to {
				shares = append(shares, [2]float64{from, to})
			}
		})
		slices.SortFunc(shares, func(a, b [2]float64) int { return cmp.Compare(a[0], b[0]) })
		metres, until := geo.Distance(a, b), 0.0
		for _, s := range shares {
			along += metres * max(0, s[1]-max(s[0], until))
			until = max(until, s[1])
		}
		whole += metres
	}
	return along > 0 && along >= min(followLength, whole/2, length/2)
}

// beside is the share of the way from a to b, from and to, that runs along the straight line from c to d.
func beside(a, b, c, d geo.LngLat) (from, to float64) {
	p := newPlane(c)
	ax, ay := p.xy(a)
	bx, by := p.xy(b)
	vx, vy := p.xy(d)
	ux, uy, v := bx-ax, by-ay, math.Hypot(vx, vy)
	if v == 0 || math.Abs(ux*vx+uy*vy) < followCos*math.Hypot(ux, uy)*v {
		return 0, 0
	}
	vx, vy = vx/v, vy/v
	from, to = 0, 1
	// within cuts from..to down to where start + t·slope lies between low and high.
	within := func(start, slope, low, high float64) {
		switch {
		case slope > 0:
			from, to = max(from, (low-start)/slope), min(to, (high-start)/slope)
		case slope < 0:
			from, to = max(from, (high-start)/slope), min(to, (low-start)/slope)
		case start < low || start > high:
			to = from
		}
	}
	within(ax*-vy+ay*vx, ux*-vy+uy*vx, -followMetres, followMetres)
	within(ax*vx+ay*vy, ux*vx+uy*vy, -followPast, v+followPast)
	return from, to
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
	if ex, ey := cx+t*vx, cy+t*vy; math.Abs(ex*vx+ey*vy) > followPast*math.Hypot(vx, vy) {
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
