package coverage

import (
	"math"
	"slices"

	"rasad/geo"
	"rasad/geo/roads"
)

// Weights are summed as integers, so that a sum does not depend on the order in which units came and
// went: a thousandth of a person, of a square metre.
const (
	weightScale = 1000
	weightMax   = 1e12 // of a cell: a million such cells still fit an int64
)

// ground is what never changes while a city is loaded: the demand, sorted into squares.
type ground struct {
	demand     *Demand
	weight     []int64 // by cell, thousandths
	zoneWeight []int64
	total      int64
	xs, ys     []uint32 // by cell: its square
	order      []int32  // cells by square: by row, then by column
	rows       []uint32 // the rows that have cells, ascending
	first      []int32  // by row, one more: its first in order
	// dense are the weights that split the people of the city in three: a third of them lives in cells
	// lighter than dense[0], a third in cells heavier than dense[1].
	dense [2]int64
}

func newGround(d *Demand) *ground {
	n := len(d.Cells)
	g := &ground{demand: d, weight: make([]int64, n), zoneWeight: make([]int64, len(d.Zones)),
		xs: make([]uint32, n), ys: make([]uint32, n), order: make([]int32, n)}
	for i, c := range d.Cells {
		g.weight[i] = int64(math.Round(c.Weight * weightScale))
		g.total += g.weight[i]
		if c.Zone >= 0 {
			g.zoneWeight[c.Zone] += g.weight[i]
		}
		g.xs[i], g.ys[i] = Square(c.At, d.Level)
		g.order[i] = int32(i)
	}
	slices.SortFunc(g.order, func(a, b int32) int {
		switch {
		case g.ys[a] != g.ys[b]:
			return int(g.ys[a]) - int(g.ys[b])
		case g.xs[a] != g.xs[b]:
			return int(g.xs[a]) - int(g.xs[b])
		}
		return int(a - b)
	})
	for i, c := range g.order {
		if i == 0 || g.ys[c] != g.rows[len(g.rows)-1] {
			g.rows = append(g.rows, g.ys[c])
			g.first = append(g.first, int32(i))
		}
	}
	g.first = append(g.first, int32(n))

	byWeight := slices.Sorted(slices.Values(g.weight))
	sum, k := int64(0), 0
	for _, w := range byWeight {
		sum += w
		for k < 2 && sum*3 >= g.total*int64(k+1) {
			g.dense[k] = w
			k++
		}
	}
	return g
}

// within calls visit for each cell in the squares x0..x1 by y0..y1, bounds included, row by row.
func (g *ground) within(x0, y0, x1, y1 uint32, visit func(cell int32)) {
	r, _ := slices.BinarySearch(g.rows, y0)
	for ; r < len(g.rows) && g.rows[r] <= y1; r++ {
		row := g.order[g.first[r]:g.first[r+1]]
		i, _ := slices.BinarySearchFunc(row, x0, func(c int32, x uint32) int { return int(g.xs[c]) - int(x) })
		for ; i < len(row) && g.xs[row[i]] <= x1; i++ {
			visit(row[i])
		}
	}
}

// byLine finds what a unit reaches over the straight line at a speed in metres a second.
func (g *ground) byLine(at geo.LngLat, speed float64, depth roads.Cost) []hit {
	if !(speed > 0) {
		return nil
	}
	var hits []hit
	metres := speed * float64(depth) / 1000
	box := around(at, metres)
	see := func(west, east int32) {
		x0, y0 := Square(geo.LngLat{Lng: west, Lat: box.Max.Lat}, g.demand.Level)
		x1, y1 := Square(geo.LngLat{Lng: east, Lat: box.Min.Lat}, g.demand.Level)
		g.within(x0, y0, x1, y1, func(c int32) {
			if t := geo.Distance(at, g.demand.Cells[c].At) / speed * 1000; t <= float64(depth) {
				hits = append(hits, hit{c, roads.Cost(math.Ceil(t))})
			}
		})
	}
	if box.Min.Lng > box.Max.Lng { // over the antimeridian
		see(box.Min.Lng, geo.LngMax)
		see(-geo.LngMax, box.Max.Lng)
	} else {
		see(box.Min.Lng, box.Max.Lng)
	}
	return hits
}

// around returns a box that holds all that lies within some metres of a place.
func around(at geo.LngLat, metres float64) geo.Box {
	const metresPerDegree = 111000 // rounded down: the box may be too large, never too small
	north := metres / metresPerDegree * 1e7
	low, high := max(float64(at.Lat)-north, -geo.LatMax), min(float64(at.Lat)+north, geo.LatMax)
	box := geo.Box{Min: geo.LngLat{Lng: -geo.LngMax, Lat: int32(low)}, Max: geo.LngLat{Lng: geo.LngMax, Lat: int32(high)}}
	// A circle is widest off its middle, towards the pole: its cosine is taken at the far edge.
	narrow := math.Cos(max(math.Abs(low), math.Abs(high)) / 1e7 * math.Pi / 180)
	if east := north / narrow; narrow > 0 && east < geo.LngMax {
		wrap := func(v float64) int32 {
			if v > geo.LngMax {
				v -= 2 * geo.LngMax
			} else if v < -geo.LngMax {
				v += 2 * geo.LngMax
			}
			return int32(v)
		}
		box.Min.Lng, box.Max.Lng = wrap(float64(at.Lng)-east), wrap(float64(at.Lng)+east)
	}
	return box
}
