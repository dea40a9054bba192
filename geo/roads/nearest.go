package roads

import (
	"math"

	"rasad/geo"
)

// grid sorts the core nodes into equal cells of about four nodes.
type grid struct {
	min        geo.LngLat
	cell       float64 // 1e-7 degree
	cols, rows int
	first      []uint32
	nodes      []uint32
}

func newGrid(g *Graph) grid {
	gr := grid{min: geo.LngLat{Lng: math.MaxInt32, Lat: math.MaxInt32}}
	most := geo.LngLat{Lng: math.MinInt32, Lat: math.MinInt32}
	for i, p := range g.nodes {
		if g.core[i] {
			gr.min = geo.LngLat{Lng: min(gr.min.Lng, p.Lng), Lat: min(gr.min.Lat, p.Lat)}
			most = geo.LngLat{Lng: max(most.Lng, p.Lng), Lat: max(most.Lat, p.Lat)}
		}
	}
	if g.coreCount == 0 {
		return gr
	}
	w, h := float64(most.Lng)-float64(gr.min.Lng)+1, float64(most.Lat)-float64(gr.min.Lat)+1
	// A chain of nodes along one line must not make a million empty cells across it.
	gr.cell = math.Max(math.Sqrt(w*h*4/float64(g.coreCount)), math.Max(w, h)/math.Min(4096, float64(g.coreCount)))
	gr.cols, gr.rows = int(w/gr.cell)+1, int(h/gr.cell)+1
	gr.first = make([]uint32, gr.cols*gr.rows+1)
	for i, p := range g.nodes {
		if g.core[i] {
			gr.first[gr.index(p)+1]++
		}
	}
	for i := range gr.cols * gr.rows {
		gr.first[i+1] += gr.first[i]
	}
	gr.nodes = make([]uint32, g.coreCount)
	next := append([]uint32(nil), gr.first...)
	for i, p := range g.nodes {
		if g.core[i] {
			c := gr.index(p)
			gr.nodes[next[c]] = uint32(i)
			next[c]++
		}
	}
	return gr
}

func (gr *grid) col(lon int32) int { return int((float64(lon) - float64(gr.min.Lng)) / gr.cell) }
func (gr *grid) row(lat int32) int { return int((float64(lat) - float64(gr.min.Lat)) / gr.cell) }
func (gr *grid) index(p geo.LngLat) int {
	return gr.row(p.Lat)*gr.cols + gr.col(p.Lng)
}

// Nearest is the node of the core nearest to lon, lat in degrees, by great circle, with its
// distance in metres; ties go to the smaller number. It is false only when the graph is empty
// or the place is not one (NaN, beyond the poles).
func (g *Graph) Nearest(lon, lat float64) (n NodeID, metres float64, ok bool) {
	at, err := geo.At(lon, lat)
	if g.coreCount == 0 || err != nil {
		return 0, 0, false
	}
	gr := &g.grid
	best, bestM := uint32(0), math.Inf(1)
	col, row := gr.col(at.Lng), gr.row(at.Lat)
	// Where the place lies outside the grid, the first rings are empty: begin at the nearest cell.
	ring := max(0, -col, col-gr.cols+1, -row, row-gr.rows+1)
	// One cell is at least this many metres wide on the ground, anywhere in the grid or up to the place.
	polar := math.Max(math.Abs(float64(at.Lat)), math.Max(math.Abs(float64(gr.min.Lat)), math.Abs(float64(gr.min.Lat)+gr.cell*float64(gr.rows))))
	cellM := gr.cell * radPerE7 * earthRadiusM * math.Cos(math.Min(polar*radPerE7, math.Pi/2))
	visit := func(r, c int) {
		if r < 0 || r >= gr.rows || c < 0 || c >= gr.cols {
			return
		}
		k := r*gr.cols + c
		for _, i := range gr.nodes[gr.first[k]:gr.first[k+1]] {
			if d := geo.Distance(at, g.nodes[i]); d < bestM || d == bestM && i < best {
				best, bestM = i, d
			}
		}
	}
	last := max(col, gr.cols-1-col, row, gr.rows-1-row)
	for ; ring <= last; ring++ {
		// The rings from here on lie at least ring-1 cells away, less a little for the curve.
		if float64(ring-1)*cellM*0.99 > bestM {
			break
		}
		for c := max(col-ring, 0); c <= min(col+ring, gr.cols-1); c++ {
			visit(row-ring, c)
			if ring > 0 {
				visit(row+ring, c)
			}
		}
		for r := max(row-ring+1, 0); r <= min(row+ring-1, gr.rows-1); r++ {
			visit(r, col-ring)
			visit(r, col+ring)
		}
	}
	return NodeID(best), bestM, true
}
