package roads

import (
	"math"
	"slices"
	"sort"

	"rasad/geo"
)

// OnEdge is a place on a road: what a place beside the road is tied to.
type OnEdge struct {
	Edge   EdgeID
	Along  float64    // share of the length of the edge, 0 at its tail and 1 at its head
	Metres float64    // from the place to the road
	At     geo.LngLat // the place on the road
	// Side is where the place lies as one drives along the edge: -1 left of the road, 1 right of it, 0 on it.
	Side int
}

const (
	// islandMetres is how much farther a road of the largest component may lie and still be preferred: from
	// an island nobody gets anywhere, and most islands are mistakes of the map.
	islandMetres = 50
	// facingMetres is how much farther a road may lie that runs the way one faces: as far as the other
	// carriageway, not as far as the next street.
	facingMetres = 30
	facingCos    = 0.5 // within 60°
)

// Island says whether an edge lies outside the largest part of the graph: it may have no way to the rest,
// or none back.
func (g *Graph) Island(id EdgeID) bool {
	s := g.segs[g.edges[id].seg&^reversed]
	return !g.core[s.a] || !g.core[s.b]
}

// Snap ties a place to the road: both directions of the nearest road, or one when only that may be driven. An edge
// for which drivable is false is no road; nil takes every edge. A heading in degrees clockwise from north leaves
// the directions that agree with it within 60°, where there are such: a road that runs that way is preferred to one
// that is up to 30 m nearer. NaN is no heading. The largest connected part is preferred to an island ([Graph.Island])
// that is up to 50 m nearer. It is empty where there is no road within most metres.
func (g *Graph) Snap(place geo.LngLat, heading, most float64, drivable func(EdgeID) bool) []OnEdge {
	p := newPlane(place)
	faces := !math.IsNaN(heading) && !math.IsInf(heading, 0)
	hy, hx := math.Cos(heading*math.Pi/180), math.Sin(heading*math.Pi/180)
	// agrees says whether the edge of a segment on a side (0 along its line) runs the way of the heading on a piece.
	agrees := func(dx, dy float64, side int) bool {
		d := math.Hypot(dx, dy)
		if side == 1 {
			dx, dy = -dx, -dy
		}
		return d == 0 || dx*hx+dy*hy >= facingCos*d
	}
	can := func(seg uint32, side int) bool {
		e := g.of[seg][side]
		return e != noEdge && (drivable == nil || drivable(EdgeID(e)))
	}

	var best struct {
		seg, piece uint32
		t, metres  float64
		dx, dy     float64
		found      bool
	}
	least := math.Inf(1) // metres and what was added to them
	ix := &g.pieces
	look := func(cell int) {
		seg := uint32(0)
		for _, piece := range ix.pieces[ix.first[cell]:ix.first[cell+1]] {
			seg = g.segmentOf(piece, seg)
			a, b := g.piece(seg, piece)
			ax, ay := p.xy(a)
			bx, by := p.xy(b)
			t, d := nearestOn(ax, ay, bx, by)
			if !(d <= most) || d > least {
				continue
			}
			penalty := math.Inf(1)
			for side := range 2 {
				if !can(seg, side) {
					continue
				}
				if !faces || agrees(bx-ax, by-ay, side) {
					penalty = 0
					break
				}
				penalty = facingMetres
			}
			if s := &g.segs[seg]; !g.core[s.a] || !g.core[s.b] {
				penalty += islandMetres
			}
			if cost := d + penalty; cost < least || cost == least && !math.IsInf(cost, 1) && piece < best.piece {
				least = cost
				best.seg, best.piece, best.t, best.metres, best.dx, best.dy, best.found = seg, piece, t, d, bx-ax, by-ay, true
			}
		}
	}
	ix.around(p, func() float64 { return math.Min(most, least) }, look)
	if !best.found {
		return nil
	}

	a, b := g.piece(best.seg, best.piece)
	on := geo.LngLat{Lng: between(a.Lng, b.Lng, best.t), Lat: between(a.Lat, b.Lat, best.t)}
	along := g.along(best.seg, best.piece, on)
	ax, ay := p.xy(a)
	side := 0
	if cross := best.dx*-ay - best.dy*-ax; cross > 0 && best.metres > 0 {
		side = -1
	} else if cross < 0 && best.metres > 0 {
		side = 1
	}
	forward := OnEdge{EdgeID(g.of[best.seg][0]), along, best.metres, on, side}
	backward := OnEdge{EdgeID(g.of[best.seg][1]), 1 - along, best.metres, on, -side}
	out := make([]OnEdge, 0, 2)
	for _, all := range [...]bool{false, true} { // first what agrees with the heading
		for side, o := range [...]OnEdge{forward, backward} {
			if can(best.seg, side) && (all || !faces || agrees(best.dx, best.dy, side)) {
				out = append(out, o)
			}
		}
		if len(out) > 0 {
			break
		}
	}
	return out
}

// between is the place at share t from a to b.
func between(a, b int32, t float64) int32 {
	return int32(math.Round(float64(a) + t*(float64(b)-float64(a))))
}

// along is the share of a segment's length up to a place on one of its pieces.
func (g *Graph) along(seg, piece uint32, on geo.LngLat) float64 {
	from := g.shapeFirst[seg] + seg
	var until, whole float64
	for i := from; i <= g.shapeFirst[seg+1]+seg; i++ {
		a, b := g.piece(seg, i)
		if i == piece {
			until = whole + geo.Distance(a, on)
		}
		whole += geo.Distance(a, b)
	}
	if whole == 0 {
		return 0
	}
	return math.Min(1, until/whole)
}

// plane is the ground around a place, flat: exact enough for the few kilometres that matter.
type plane struct {
	at     geo.LngLat
	kx, ky float64 // metres for 1e-7 degree
}

func newPlane(at geo.LngLat) plane {
	const ky = earthRadiusM * radPerE7
	return plane{at, ky * math.Cos(float64(at.Lat)*radPerE7), ky}
}

// xy is where a place lies from the middle of the plane, in metres east and north.
func (p *plane) xy(q geo.LngLat) (x, y float64) {
	return (float64(q.Lng) - float64(p.at.Lng)) * p.kx, (float64(q.Lat) - float64(p.at.Lat)) * p.ky
}

// nearestOn is the share of the way from a to b where it comes nearest to the origin, and how near.
func nearestOn(ax, ay, bx, by float64) (t, distance float64) {
	dx, dy := bx-ax, by-ay
	if l := dx*dx + dy*dy; l > 0 {
		t = math.Max(0, math.Min(1, -(ax*dx+ay*dy)/l))
	}
	return t, math.Hypot(ax+t*dx, ay+t*dy)
}

// Every road is a chain of straight pieces from bend to bend. Those of segment i are numbered from
// shapeFirst[i]+i to shapeFirst[i+1]+i.

// piece gives the ends of a piece of a segment.
func (g *Graph) piece(seg, piece uint32) (a, b geo.LngLat) {
	first, end := g.shapeFirst[seg], g.shapeFirst[seg+1]
	k := piece - seg // of the bend at its end
	a, b = g.nodes[g.segs[seg].a], g.nodes[g.segs[seg].b]
	if k > first {
		a = g.shapes[k-1]
	}
	if k < end {
		b = g.shapes[k]
	}
	return a, b
}

// segmentOf is the segment of a piece; the guess is tried first.
func (g *Graph) segmentOf(piece, guess uint32) uint32 {
	if g.shapeFirst[guess]+guess <= piece && piece <= g.shapeFirst[guess+1]+guess {
		return guess
	}
	return uint32(sort.Search(len(g.segs), func(i int) bool { return g.shapeFirst[i+1]+uint32(i) >= piece }))
}

// pieceIndex sorts pieces into equal cells: each lies in every cell that it passes through.
type pieceIndex struct {
	min        geo.LngLat
	w, h       float64 // of a cell, 1e-7 degree
	cols, rows int
	first      []uint32 // by cell, one more at the end
	pieces     []uint32 // of each cell, ascending
}

const (
	// piecesPerCell trades the memory of cells against pieces looked at in vain.
	piecesPerCell = 1
	// entriesPerPiece bounds the memory of the index, whatever the roads look like.
	entriesPerPiece = 8
	// cellPad covers what rounding does to the border of cells, in cells.
	cellPad = 1e-6
)

func newPieceIndex(g *Graph) pieceIndex {
	ix := pieceIndex{min: geo.LngLat{Lng: math.MaxInt32, Lat: math.MaxInt32}}
	most := geo.LngLat{Lng: math.MinInt32, Lat: math.MinInt32}
	if len(g.segs) == 0 {
		return ix
	}
	see := func(p geo.LngLat) {
		ix.min = geo.LngLat{Lng: min(ix.min.Lng, p.Lng), Lat: min(ix.min.Lat, p.Lat)}
		most = geo.LngLat{Lng: max(most.Lng, p.Lng), Lat: max(most.Lat, p.Lat)}
	}
	for _, p := range g.nodes {
		see(p)
	}
	for _, p := range g.shapes {
		see(p)
	}
	n := float64(len(g.shapes) + len(g.segs))
	w, h := float64(most.Lng)-float64(ix.min.Lng)+1, float64(most.Lat)-float64(ix.min.Lat)+1
	squash := math.Max(0.01, math.Cos((float64(ix.min.Lat)+h/2)*radPerE7))
	// Square on the ground. A chain along one line must not make a million empty cells across it.
	ix.h = math.Max(math.Sqrt(w*squash*h*piecesPerCell/n), math.Max(w*squash, h)/math.Min(8192, n))
	for ; ; ix.h *= 2 {
		ix.w = ix.h / squash
		ix.cols, ix.rows = int(w/ix.w)+1, int(h/ix.h)+1
		ix.first = make([]uint32, ix.cols*ix.rows+1)
		entries := 0
		ix.each(g, func(_ uint32, cell int) {
			ix.first[cell+1]++
			entries++
		})
		if entries <= entriesPerPiece*int(n) {
			break // else the roads are so long that they pass through too many cells
		}
	}
	for i := range ix.cols * ix.rows {
		ix.first[i+1] += ix.first[i]
	}
	ix.pieces = make([]uint32, ix.first[ix.cols*ix.rows])
	next := slices.Clone(ix.first)
	ix.each(g, func(piece uint32, cell int) {
		ix.pieces[next[cell]] = piece
		next[cell]++
	})
	return ix
}

// each visits every piece of the graph with every cell that it passes through.
func (ix *pieceIndex) each(g *Graph, visit func(piece uint32, cell int)) {
	for seg := range uint32(len(g.segs)) {
		for piece := g.shapeFirst[seg] + seg; piece <= g.shapeFirst[seg+1]+seg; piece++ {
			a, b := g.piece(seg, piece)
			ix.through(a, b, 0, func(cell int) { visit(piece, cell) })
		}
	}
}

// through visits the cells that come within pad (in heights of a cell) of the straight line from a to b, each once.
func (ix *pieceIndex) through(a, b geo.LngLat, pad float64, visit func(cell int)) {
	pad += cellPad
	ax, ay := (float64(a.Lng)-float64(ix.min.Lng))/ix.w, (float64(a.Lat)-float64(ix.min.Lat))/ix.h
	bx, by := (float64(b.Lng)-float64(ix.min.Lng))/ix.w, (float64(b.Lat)-float64(ix.min.Lat))/ix.h
	if ay > by {
		ax, ay, bx, by = bx, by, ax, ay
	}
	for row := max(0, int(math.Floor(ay-pad))); row <= min(ix.rows-1, int(math.Floor(by+pad))); row++ {
		x0, x1 := ax, bx
		if by > ay { // the stretch of the line within the row
			x0 = ax + (bx-ax)*math.Max(0, math.Min(1, (float64(row)-pad-ay)/(by-ay)))
			x1 = ax + (bx-ax)*math.Max(0, math.Min(1, (float64(row+1)+pad-ay)/(by-ay)))
		}
		for col := max(0, int(math.Floor(min(x0, x1)-pad))); col <= min(ix.cols-1, int(math.Floor(max(x0, x1)+pad))); col++ {
			visit(row*ix.cols + col)
		}
	}
}

// around visits cells in rings about the middle of a plane, until those that are left lie farther than within says.
func (ix *pieceIndex) around(p plane, within func() float64, visit func(cell int)) {
	if ix.rows == 0 {
		return
	}
	x, y := (float64(p.at.Lng)-float64(ix.min.Lng))/ix.w, (float64(p.at.Lat)-float64(ix.min.Lat))/ix.h
	col, row := int(math.Floor(x)), int(math.Floor(y))
	cell := func(c, r int) {
		if c >= 0 && c < ix.cols && r >= 0 && r < ix.rows {
			visit(r*ix.cols + c)
		}
	}
	// Where the place lies outside the grid, the first rings are empty: begin at the nearest cell.
	ring := max(0, -col, col-ix.cols+1, -row, row-ix.rows+1)
	for last := max(col, ix.cols-1-col, row, ix.rows-1-row); ring <= last; ring++ {
		// What was not visited lies outside the rings before this one.
		east := math.Min(x-float64(col-ring+1), float64(col+ring)-x) * ix.w * p.kx
		north := math.Min(y-float64(row-ring+1), float64(row+ring)-y) * ix.h * p.ky
		if ring > 0 && math.Min(east, north) > within() {
			return
		}
		for c := max(col-ring, 0); c <= min(col+ring, ix.cols-1); c++ {
			cell(c, row-ring)
			if ring > 0 {
				cell(c, row+ring)
			}
		}
		for r := max(row-ring+1, 0); r <= min(row+ring-1, ix.rows-1); r++ {
			cell(col-ring, r)
			cell(col+ring, r)
		}
	}
}
