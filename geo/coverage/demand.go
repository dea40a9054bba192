package coverage

import (
	"math"
	"slices"

	"rasad/geo"
	"rasad/geo/roads"
)

// What the weight of a [Cell] counts.
const (
	BasisPeople = "people" // inhabitants
	BasisArea   = "area"   // square metres of floor, and streets as a named stand-in
)

// NoZone is the zone of a cell that lies in none.
const NoZone int32 = -1

// Cell is a square of ground with people in it.
type Cell struct {
	At     geo.LngLat // where in the square they are, on average
	Weight float64    // in the unit of the basis; finite, not negative
	Zone   int32      // index in Demand.Zones, or NoZone
}

// Zone is a part of the city that someone answers for.
type Zone struct {
	ID    string
	Names roads.Names
}

// Demand is where people are. It is immutable once a [Grid] holds it.
type Demand struct {
	// Level says how large the squares are: a square is a Web Mercator tile of this zoom. Tiles of the
	// map then show squares by whole pixels at every zoom.
	Level  uint8
	Cells  []Cell // sorted by square, row by row from the north-west
	Zones  []Zone
	Basis  string // BasisPeople or BasisArea
	Source string // for people: what the weights were made of
}

// Levels of squares that make sense: 17 is some 250 m.
const (
	levelMin = 10
	levelMax = 22
)

const (
	cellMetres    = 250
	equatorMetres = 40075016.68557849
	latLimit      = 85.0511287798 // where the Mercator square ends
)

// LevelAt returns the level whose squares are about 250 m wide at a latitude in degrees: from 177 to 354 m.
func LevelAt(lat float64) uint8 {
	lat = min(max(lat, -latLimit), latLimit)
	level := math.Round(math.Log2(equatorMetres * math.Cos(lat*math.Pi/180) / cellMetres))
	return uint8(min(max(level, levelMin), levelMax))
}

// Square returns the column and the row, from the north-west, of the square of a level that a place lies in.
func Square(at geo.LngLat, level uint8) (x, y uint32) {
	lng, lat := at.Degrees()
	n := float64(uint32(1) << level)
	φ := min(max(lat, -latLimit), latLimit) * math.Pi / 180
	clamp := func(v float64) uint32 { return uint32(min(max(v*n, 0), n-1)) }
	return clamp(lng/360 + 0.5), clamp(0.5 - math.Log(math.Tan(math.Pi/4+φ/2))/(2*math.Pi))
}

// SquareMetres returns the width of a square of a level at a latitude in degrees, in metres.
func SquareMetres(level uint8, lat float64) float64 {
	return equatorMetres * math.Cos(lat*math.Pi/180) / float64(uint32(1)<<level)
}

// Total returns the sum of all weights.
func (d *Demand) Total() float64 {
	sum := 0.
	for i := range d.Cells {
		sum += d.Cells[i].Weight
	}
	return sum
}

// Sort brings the cells into the order of the file: by square, row by row from the north-west. Cells of
// one square keep their order.
func (d *Demand) Sort() {
	slices.SortStableFunc(d.Cells, func(a, b Cell) int {
		ax, ay := Square(a.At, d.Level)
		bx, by := Square(b.At, d.Level)
		if ay != by {
			return int(ay) - int(by)
		}
		return int(ax) - int(bx)
	})
}
