package publish

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"rasad/geo"
)

func anywhere(r *rand.Rand) geo.LngLat {
	switch r.IntN(8) {
	case 0: // edges of the globe, of degrees and of cells
		return geo.LngLat{Lng: int32(r.IntN(37)-18) * 100_000_000, Lat: int32(r.IntN(19)-9) * 100_000_000}
	case 1:
		return geo.LngLat{Lng: int32(r.IntN(2*18_000)-18_000) * 100_000, Lat: int32(r.IntN(2*72_000)-72_000) * 12_500}
	}
	return geo.LngLat{Lng: int32(r.Int64N(2*geo.LngMax+1) - geo.LngMax), Lat: int32(r.Int64N(2*geo.LatMax+1) - geo.LatMax)}
}

func (c Cell) has(p geo.LngLat) bool { return CellOf(p, c.Size) == c }

// The grid is published: a change of one cell anywhere would let two statements about
// one place be compared.
func TestTheGridIsTheSameForEver(t *testing.T) {
	var all []byte
	for row, n := range districts {
		all = fmt.Appendf(all, "%d %d\n", row, n)
	}
	sum := sha256.Sum256(all)
	if got, want := hex.EncodeToString(sum[:]), "28d9474bcdda74ba6cef072b35a996d0dfaf5cedf74361b9a73fc2d09308afb5"; got != want {
		t.Errorf("the columns of the grid have changed: %s, want %s", got, want)
	}
	for _, c := range []struct {
		lng, lat float64
		size     Precision
		want     geo.LngLat
	}{
		{51.3890, 35.6892, Block, geo.LngLat{Lng: 513882880, Lat: 356893750}},
		{-75.5466, 39.7447, District, geo.LngLat{Lng: -755417754, Lat: 397450000}},
		{121.4737, 31.2304, Block, geo.LngLat{Lng: 1214733196, Lat: 312306250}},
		{179.99999, -17.7, District, geo.LngLat{Lng: 1799947427, Lat: -176950000}},
	} {
		at, err := geo.At(c.lng, c.lat)
		if err != nil {
			t.Fatal(err)
		}
		if got := CellOf(at, c.size).Point(); got != c.want {
			t.Errorf("%v, %v is told to the %s by %+v, want %+v", c.lng, c.lat, c.size, got, c.want)
		}
	}
}

func TestCellsTileTheEarth(t *testing.T) {
	for seed := range uint64(20_000) {
		r := rand.New(rand.NewPCG(seed, 1))
		p := anywhere(r)
		for _, size := range []Precision{Block, District} {
			c := CellOf(p, size)
			b := c.Box()
			lng, lat := p.Lng, p.Lat
			if lng == geo.LngMax {
				lng = -geo.LngMax // the same meridian
			}
			if lng < b.Min.Lng || lng >= b.Max.Lng || lat < b.Min.Lat || lat >= b.Max.Lat && lat != geo.LatMax {
				t.Fatalf("seed %d: %+v does not lie in its cell %+v %+v", seed, p, c, b)
			}
			if !c.has(c.Point()) {
				t.Fatalf("seed %d: the point of %+v lies in %+v", seed, c, CellOf(c.Point(), size))
			}
			if !c.near(c) {
				t.Fatalf("seed %d: %+v is not near itself", seed, c)
			}
			// The neighbours meet without a gap.
			for _, q := range []geo.LngLat{{Lng: b.Min.Lng, Lat: b.Min.Lat}, {Lng: b.Max.Lng - 1, Lat: b.Max.Lat - 1}} {
				if !c.has(q) {
					t.Fatalf("seed %d: corner %+v of %+v lies in %+v", seed, q, c, CellOf(q, size))
				}
			}
			// At least as wide as high at its poleward edge, away from the poles.
			if math.Abs(float64(p.Lat)) < 89e7 {
				edge := b.Max.Lat
				if b.Min.Lat < 0 {
					edge = b.Min.Lat
				}
				wide := float64(b.Max.Lng-b.Min.Lng) * math.Cos(float64(edge)/1e7*math.Pi/180)
				if wide < float64(size.cellE7())*0.999 {
					t.Fatalf("seed %d: %+v is %.0f wide and %d high", seed, c, wide, size.cellE7())
				}
			}
		}
		block, district := CellOf(p, Block), CellOf(p, District)
		if got := block.within(District); got != district {
			t.Fatalf("seed %d: the block %+v lies in %+v and %+v", seed, block, got, district)
		}
		bb, db := block.Box(), district.Box()
		if bb.Min.Lng < db.Min.Lng || bb.Max.Lng > db.Max.Lng || bb.Min.Lat < db.Min.Lat || bb.Max.Lat > db.Max.Lat {
			t.Fatalf("seed %d: the block %+v sticks out of its district %+v", seed, bb, db)
		}
	}
}

// near against its meaning: the boxes, drawn three times as wide and high, have a
// point in common.
func TestNearIsTheCellsAbout(t *testing.T) {
	for seed := range uint64(20_000) {
		r := rand.New(rand.NewPCG(seed, 2))
		p := anywhere(r)
		size := []Precision{Block, District}[r.IntN(2)]
		c := CellOf(p, size)
		b := c.Box()
		step := func(v int64, by int32) int64 { return v + int64(float64(by)*(r.Float64()*8-4)) }
		lng := mod(step(int64(p.Lng), b.Max.Lng-b.Min.Lng)+geo.LngMax) - geo.LngMax
		lat := min(max(step(int64(p.Lat), b.Max.Lat-b.Min.Lat), -geo.LatMax), geo.LatMax)
		d := CellOf(geo.LngLat{Lng: int32(lng), Lat: int32(lat)}, size)
		db := d.Box()
		want := false
		wide := int64(b.Max.Lng) - int64(b.Min.Lng)
		for _, turn := range []int64{-roundE7, 0, roundE7} {
			if int64(db.Min.Lng)+turn < int64(b.Max.Lng)+wide && int64(db.Max.Lng)+turn > int64(b.Min.Lng)-wide {
				want = true
			}
		}
		want = want && d.Row-c.Row <= 1 && c.Row-d.Row <= 1
		if got := c.near(d); got != want {
			t.Fatalf("seed %d: near(%+v %+v, %+v %+v) is %v, want %v", seed, c, b, d, db, got, want)
		}
		if c.near(d) {
			for _, q := range []geo.LngLat{db.Min, {Lng: db.Max.Lng - 1, Lat: db.Max.Lat - 1}, {Lng: db.Min.Lng, Lat: db.Max.Lat - 1}} {
				if far := geo.Distance(c.Point(), q); math.Abs(float64(p.Lat)) < 88e7 && far > float64(c.Radius()) {
					t.Fatalf("seed %d: %+v may be told by %+v, which is %.0f m away, and its radius says %d", seed, q, c, far, c.Radius())
				}
			}
		}
	}
}

// blob is a polygon about a place, some cells large.
func blob(r *rand.Rand, at geo.LngLat, size Precision) *geo.Shape {
	s := &geo.Shape{Type: geo.Polygon}
	n := 3 + r.IntN(9)
	reach := float64(size.cellE7()) * (0.2 + 4*r.Float64())
	for i := range n {
		a := 2 * math.Pi * float64(i) / float64(n)
		d := reach * (0.3 + 0.7*r.Float64())
		s.Points = append(s.Points, geo.LngLat{Lng: at.Lng + int32(d*math.Cos(a)), Lat: at.Lat + int32(d*math.Sin(a))})
	}
	s.Points = append(s.Points, s.Points[0])
	s.Ends = []uint32{uint32(len(s.Points))}
	return s
}

func city(r *rand.Rand) geo.LngLat {
	return geo.LngLat{Lng: int32(-1_700_000_000 + r.IntN(2_000_000_000)), Lat: int32(-600_000_000 + r.IntN(1_200_000_000))}
}

// cellsOf against asking every cell of the box.
func TestCellsOfAShape(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 3))
		size := []Precision{Block, District}[r.IntN(2)]
		at := city(r)
		s := blob(r, at, size)
		switch r.IntN(4) {
		case 0:
			s.Type = geo.LineString
		case 1:
			s = &geo.Shape{Type: geo.MultiPoint, Points: s.Points}
		}
		got, ok := cellsOf(s, size)
		if !ok {
			t.Fatalf("seed %d: too many cells", seed)
		}
		b := s.Bounds()
		var want []Cell
		for row := CellOf(b.Min, size).Row; row <= CellOf(b.Max, size).Row; row++ {
			for lng := int64(b.Min.Lng); ; {
				c := CellOf(geo.LngLat{Lng: int32(lng), Lat: int32(row*size.cellE7() - geo.LatMax)}, size)
				if s.Touches(inner(c)) {
					want = append(want, c)
				}
				lng = int64(c.Box().Max.Lng)
				if lng > int64(b.Max.Lng) {
					break
				}
			}
		}
		slices.SortFunc(want, compareCells)
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: %d cells, want %d\n%v\n%v", seed, len(got), len(want), got, want)
		}
		// The outline is exactly those cells, and every point of it a corner of one.
		area := outline(got)
		for range 50 {
			p := geo.LngLat{Lng: at.Lng + int32(r.IntN(2_000_000)-1_000_000), Lat: at.Lat + int32(r.IntN(2_000_000)-1_000_000)}
			c := CellOf(p, size)
			in := slices.Contains(got, c)
			if b := inner(c); p != b.Min && p.Lng != b.Min.Lng && p.Lat != b.Min.Lat && area.Contains(p) != in {
				t.Fatalf("seed %d: %+v in the outline: %v, its cell told: %v", seed, p, area.Contains(p), in)
			}
		}
		for _, q := range area.Points {
			above, below := CellOf(q, size).Box(), CellOf(geo.LngLat{Lng: q.Lng, Lat: q.Lat - 1}, size).Box()
			if q.Lng != above.Min.Lng && q.Lng != below.Min.Lng || q.Lat != above.Min.Lat {
				t.Fatalf("seed %d: %+v is no corner of a cell", seed, q)
			}
		}
	}
}

func TestAnAreaThatNoCellsTell(t *testing.T) {
	whole := &geo.Shape{Type: geo.Polygon, Ends: []uint32{5}, Points: []geo.LngLat{
		{Lng: -geo.LngMax, Lat: -geo.LatMax}, {Lng: geo.LngMax, Lat: -geo.LatMax}, {Lng: geo.LngMax, Lat: geo.LatMax}, {Lng: -geo.LngMax, Lat: geo.LatMax}, {Lng: -geo.LngMax, Lat: -geo.LatMax}}}
	for _, size := range []Precision{Block, District} {
		if cells, ok := cellsOf(whole, size); ok {
			t.Errorf("the earth is told by %d cells of a %s", len(cells), size)
		}
	}
}
