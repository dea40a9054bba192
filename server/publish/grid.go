package publish

import (
	"cmp"
	"math"
	"slices"

	"rasad/geo"
)

// Precision says how well the public may know a place. A later one is coarser.
type Precision string

// The precisions, from the finest.
const (
	Exact    Precision = "exact"    // as it is
	Block    Precision = "block"    // a cell of 0.00125° of latitude: about 139 m
	District Precision = "district" // a cell of 0.01°: about 1.1 km
	Hidden   Precision = "hidden"   // that it is, not where
)

// Precisions are all of them, the finest first.
var Precisions = []Precision{Exact, Block, District, Hidden}

func (p Precision) rank() int { return slices.Index(Precisions, p) }

// Known tells whether there is such a precision.
func (p Precision) Known() bool { return p.rank() >= 0 }

// FinerThan tells whether p says more about a place than q.
func (p Precision) FinerThan(q Precision) bool { return p.rank() < q.rank() }

// cellE7 is the height of a cell in 1e-7 degree; zero: there are no cells.
func (p Precision) cellE7() int64 {
	switch p {
	case Block:
		return 12_500
	case District:
		return 100_000
	}
	return 0
}

const (
	degreeE7 = 10_000_000
	roundE7  = 360 * degreeE7
	heightE7 = 180 * degreeE7
)

// Cell is a piece of the earth that a place is told by. The grid is the same
// everywhere and for ever: rows of equal height from the south pole, in each degree
// of latitude as many columns as make a cell no narrower than it is high. A block
// lies in one district, so that the two together say no more than the block.
type Cell struct {
	Size     Precision
	Row, Col int64
}

// districts is the number of columns of districts in each degree of latitude from
// the south pole. It is even only so that no cell is half the world and its own
// neighbour twice.
var districts = func() (n [180]int64) {
	for i := range n {
		polewards := max(90-i, i-89)
		// The little more keeps 60° at 18,000 whatever the last bit of a cosine is.
		n[i] = max(2, int64(36_000*math.Cos(float64(polewards)*math.Pi/180)+1e-6)&^1)
	}
	return n
}()

// columns is the number of cells around the earth in the row of c.
func (c Cell) columns() int64 {
	return districts[c.Row*c.Size.cellE7()/degreeE7] * (District.cellE7() / c.Size.cellE7())
}

// CellOf returns the cell of a place, of a precision that has cells.
func CellOf(p geo.LngLat, size Precision) Cell {
	h := size.cellE7()
	c := Cell{Size: size, Row: min((int64(p.Lat)+geo.LatMax)/h, heightE7/h-1)}
	x := (int64(p.Lng) + geo.LngMax) % roundE7 // 180° east is 180° west
	c.Col = x * c.columns() / roundE7
	return c
}

// edges returns west and east of the cell, from 180° west; east is the west of the
// next one.
func (c Cell) edges() (west, east int64) {
	n := c.columns()
	up := func(col int64) int64 { return (col*roundE7 + n - 1) / n }
	return up(c.Col), up(c.Col + 1)
}

// Box is the cell with its edges.
func (c Cell) Box() geo.Box {
	h := c.Size.cellE7()
	west, east := c.edges()
	return geo.Box{
		Min: geo.LngLat{Lng: int32(west - geo.LngMax), Lat: int32(c.Row*h - geo.LatMax)},
		Max: geo.LngLat{Lng: int32(east - geo.LngMax), Lat: int32((c.Row+1)*h - geo.LatMax)},
	}
}

// Point is the point by which everything in the cell is told.
func (c Cell) Point() geo.LngLat {
	b := c.Box()
	return geo.LngLat{Lng: int32((int64(b.Min.Lng) + int64(b.Max.Lng)) / 2), Lat: (b.Min.Lat + b.Max.Lat) / 2}
}

// within is the cell of a coarser size that the cell lies in.
func (c Cell) within(size Precision) Cell { return CellOf(c.Point(), size) }

// near tells whether a place in d may still be told by c: d is c or touches it.
//
// Only the numbers of cells enter here. So two stories of a place that pass through
// the same cells are told alike, whatever happened inside the cells, and a place
// that wavers about an edge does not give the edge away: the cell that is told
// changes only to one that lies apart, and then to the whole of it.
func (c Cell) near(d Cell) bool {
	if c.Size != d.Size || c.Row-d.Row > 1 || d.Row-c.Row > 1 {
		return false
	}
	west, east := c.edges()
	wide := east - west
	dWest, dEast := d.edges()
	from, width := west-wide, 3*wide
	return width >= roundE7 || mod(dWest-from) < width || mod(from-dWest) < dEast-dWest
}

func mod(x int64) int64 { return (x%roundE7 + roundE7) % roundE7 }

// Radius is how far from Point the thing can be, in metres, rounded up to ten: the
// cells near the cell belong to it.
func (c Cell) Radius() int {
	at := c.Point()
	west, east := c.edges()
	wide := east - west
	most := 0.
	for row := c.Row - 1; row <= c.Row+1; row++ {
		h := c.Size.cellE7()
		south := row*h - geo.LatMax
		if south < -geo.LatMax || south >= geo.LatMax {
			continue
		}
		for _, x := range []int64{west - wide, east + wide - 1} {
			last := CellOf(geo.LngLat{Lng: int32(mod(x) - geo.LngMax), Lat: int32(south)}, c.Size)
			b := last.Box()
			lng := b.Min.Lng
			if x >= east {
				lng = b.Max.Lng
			}
			for _, lat := range []int32{b.Min.Lat, b.Max.Lat} {
				most = max(most, geo.Distance(at, geo.LngLat{Lng: lng, Lat: lat}))
			}
		}
	}
	return int(math.Ceil(most/10)) * 10
}

// cellsMax bounds the cells of an area: some 10 km² of blocks, 600 km² of
// districts. What is larger is told by larger cells.
const cellsMax = 512

// cellsOf returns the cells that a shape has a point in, in order; false when there
// are more than cellsMax.
func cellsOf(s *geo.Shape, size Precision) ([]Cell, bool) {
	box := s.Bounds()
	first, last := CellOf(box.Min, size).Row, CellOf(box.Max, size).Row
	if last-first >= cellsMax {
		return nil, false
	}
	// Columns of the box, row by row: they differ from degree to degree.
	span := func(row int64, west, east int32) (from, to int64) {
		at := Cell{Size: size, Row: row}
		n := at.columns()
		col := func(lng int32) int64 { return min((int64(lng)+geo.LngMax)*n/roundE7, n-1) }
		return col(west), col(east)
	}
	sum := int64(0)
	for row := first; row <= last; row++ {
		from, to := span(row, box.Min.Lng, box.Max.Lng)
		if sum += to - from + 1; sum > 8*cellsMax { // a slanted line fills its box thinly
			return nil, false
		}
	}
	hit := map[Cell]bool{}
	touch := func(part *geo.Shape, b geo.Box) {
		for row := CellOf(b.Min, size).Row; row <= CellOf(b.Max, size).Row; row++ {
			from, to := span(row, b.Min.Lng, b.Max.Lng)
			for col := from; col <= to; col++ {
				c := Cell{size, row, col}
				if !hit[c] && part.Touches(inner(c)) {
					hit[c] = true
				}
			}
		}
	}
	// The edges one by one, then what they enclose: an outline of thousands of points
	// is not asked about each cell.
	if len(s.Ends) == 0 {
		for _, p := range s.Points {
			hit[CellOf(p, size)] = true
		}
	}
	from := uint32(0)
	for _, end := range s.Ends {
		for i := from + 1; i < end; i++ {
			part := &geo.Shape{Type: geo.LineString, Points: s.Points[i-1 : i+1], Ends: []uint32{2}}
			touch(part, part.Bounds())
		}
		from = end
	}
	if s.Type == geo.Polygon || s.Type == geo.MultiPolygon {
		for row := first; row <= last; row++ {
			west, east := span(row, box.Min.Lng, box.Max.Lng)
			inside, known := false, false // cells in a row without an edge between them are alike
			for col := west; col <= east; col++ {
				c := Cell{size, row, col}
				if hit[c] {
					known = false
					continue
				}
				if !known {
					inside, known = s.Contains(c.Point()), true
				}
				if inside {
					hit[c] = true
				}
			}
		}
	}
	if len(hit) > cellsMax {
		return nil, false
	}
	out := make([]Cell, 0, len(hit))
	for c := range hit {
		out = append(out, c)
	}
	slices.SortFunc(out, compareCells)
	return out, true
}

// inner is the cell without its eastern and northern edge, which are the next one's.
func inner(c Cell) geo.Box {
	b := c.Box()
	b.Max.Lng--
	b.Max.Lat--
	return b
}

func compareCells(a, b Cell) int { return cmp.Or(cmp.Compare(a.Row, b.Row), cmp.Compare(a.Col, b.Col)) }

// follow returns the cells by which an area is told that was told by old and now
// touches now: all of these, and those of old that still touch one. As with near, only
// the numbers of cells enter.
func follow(old, now []Cell) []Cell {
	rows := map[int64][]Cell{}
	for _, c := range now {
		rows[c.Row] = append(rows[c.Row], c)
	}
	out := slices.Clone(now)
	for _, c := range old {
		isNear := func(d Cell) bool { return c.near(d) }
		if !slices.Contains(rows[c.Row], c) && (slices.ContainsFunc(rows[c.Row-1], isNear) ||
			slices.ContainsFunc(rows[c.Row], isNear) || slices.ContainsFunc(rows[c.Row+1], isNear)) {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, compareCells)
	return out
}

// outline is the area of cells as rectangles, as few as rows make.
func outline(cells []Cell) *geo.Shape {
	var done []geo.Box
	open := map[[2]int32]int{} // by west and east: a rectangle that the row above may lengthen
	for i := 0; i < len(cells); {
		j := i + 1
		for j < len(cells) && cells[j].Row == cells[i].Row && cells[j].Col == cells[j-1].Col+1 {
			j++
		}
		b := cells[i].Box()
		b.Max = cells[j-1].Box().Max
		span := [2]int32{b.Min.Lng, b.Max.Lng}
		if at, ok := open[span]; ok && done[at].Max.Lat == b.Min.Lat {
			done[at].Max.Lat = b.Max.Lat
		} else {
			open[span] = len(done)
			done = append(done, b)
		}
		i = j
	}
	s := &geo.Shape{Type: geo.MultiPolygon}
	for _, b := range done {
		s.Points = append(s.Points, b.Min, geo.LngLat{Lng: b.Max.Lng, Lat: b.Min.Lat}, b.Max, geo.LngLat{Lng: b.Min.Lng, Lat: b.Max.Lat}, b.Min)
		s.Ends = append(s.Ends, uint32(len(s.Points)))
		s.Parts = append(s.Parts, uint32(len(s.Ends)))
	}
	return s
}
