package coverage

import (
	"bytes"
	"image"
	"image/png"
	"math"
	"math/rand/v2"
	"testing"

	"rasad/geo"
)

func decodeTile(t *testing.T, b []byte) image.Image {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if m.Bounds() != image.Rect(0, 0, 256, 256) {
		t.Fatalf("the tile is %v", m.Bounds())
	}
	return m
}

// pixelOf returns the tile of a zoom that a place lies in and the pixel in it, by the formula of the map.
func pixelOf(at geo.LngLat, z uint32) (x, y uint32, px, py int) {
	lng, lat := at.Degrees()
	n := math.Exp2(float64(z)) * 256
	gx := (lng + 180) / 360 * n
	gy := (1 - math.Asinh(math.Tan(lat*math.Pi/180))/math.Pi) / 2 * n
	return uint32(gx / 256), uint32(gy / 256), int(gx) % 256, int(gy) % 256
}

// inked counts the drawn pixels within a few pixels of a place, and those that are amber.
func inked(m image.Image, px, py, around int) (drawn, amber, clear int) {
	for y := max(0, py-around); y <= min(255, py+around); y++ {
		for x := max(0, px-around); x <= min(255, px+around); x++ {
			r, g, b, a := m.At(x, y).RGBA()
			if a == 0 {
				clear++
				continue
			}
			drawn++
			if a > 0xa000 && r > 2*b && g > b {
				amber++
			}
		}
	}
	return drawn, amber, clear
}

// TestTileShowsHoles puts a unit into one of two quarters: the other is hatched, at every zoom, at the right
// place, and the covered one is clear.
func TestTileShowsHoles(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 9))
	d := &Demand{Level: LevelAt(35.6), Basis: BasisPeople, Source: "a test"}
	safe, hole := place(0, 0), place(0.1, 0.05)
	for range 400 {
		for _, q := range []geo.LngLat{safe, hole} {
			d.Cells = append(d.Cells, Cell{geo.LngLat{Lng: q.Lng + int32(r.IntN(200_000)) - 100_000, Lat: q.Lat + int32(r.IntN(200_000)) - 100_000}, 10, NoZone})
		}
	}
	d.Cells = append(d.Cells, Cell{safe, 10, NoZone}, Cell{hole, 10, NoZone})
	d.Sort()
	s := Standard{"", 300, false}
	g := New(d, noRoads(t), []Standard{s})
	g.Set(1, Unit{At: safe, Heading: math.NaN(), Line: 10, OffRoad: true})
	v := g.View()
	for z := uint32(8); z <= 20; z++ {
		x, y, px, py := pixelOf(hole, z)
		m := decodeTile(t, v.Tile(s, z, x, y))
		around := 4
		if z < 11 {
			around = 8 // the quarter is as small as a square of the picture
		}
		if drawn, amber, _ := inked(m, px, py, around); drawn < 20 || amber < 8 {
			t.Errorf("zoom %d: the hole has %d drawn pixels, %d amber", z, drawn, amber)
		}
		x, y, px, py = pixelOf(safe, z)
		if drawn, _, _ := inked(decodeTile(t, v.Tile(s, z, x, y)), px, py, 2); drawn > 0 {
			t.Errorf("zoom %d: covered ground has %d drawn pixels", z, drawn)
		}
	}
	// When the unit drives over, the picture turns round.
	g.Set(1, Unit{At: hole, Heading: math.NaN(), Line: 10, OffRoad: true})
	x, y, px, py := pixelOf(safe, 15)
	if drawn, amber, _ := inked(decodeTile(t, g.View().Tile(s, 15, x, y)), px, py, 4); drawn < 40 || amber < 8 {
		t.Errorf("the quarter that was left has %d drawn pixels, %d amber", drawn, amber)
	}
	x, y, _, _ = pixelOf(hole, 15)
	if got := g.View().Tile(s, 15, x, y); !bytes.Equal(got, emptyTile()) {
		t.Error("covered ground is drawn")
	}
}

// TestTilePixels compares each pixel of tiles where squares are not drawn together with the cells.
func TestTilePixels(t *testing.T) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 10))
		d := people(r, 300, 0)
		s := Standard{"", 120, false}
		g := New(d, noRoads(t), nil)
		for id := range uint32(3) {
			u := someUnit(r)
			u.OffRoad = true
			g.Set(id, u)
		}
		v := g.View()
		counts := v.count(s).counts
		hole := map[[2]uint32]bool{} // squares with people out of reach, at least half of theirs
		out, all := map[[2]uint32]float64{}, map[[2]uint32]float64{}
		for i, c := range d.Cells {
			x, y := Square(c.At, d.Level)
			all[[2]uint32{x, y}] += c.Weight
			if counts[i] == 0 {
				out[[2]uint32{x, y}] += c.Weight
			}
		}
		for k, w := range out {
			hole[k] = w > 0 && (2*w >= all[k] || w*weightScale >= float64(v.ground.dense[0]))
		}
		for _, z := range []uint32{12, 13, 14, 16, 17, 18} {
			x, y, _, _ := pixelOf(place(r.Float64()*side, r.Float64()*side), z)
			m := decodeTile(t, v.Tile(s, z, x, y))
			for py := range uint32(256) {
				for px := range uint32(256) {
					// The square of this pixel: 17 is the level of the squares, 8 bits are the tile.
					k := [2]uint32{(x<<8 + px) << 5 >> (z + 13 - uint32(d.Level)), (y<<8 + py) << 5 >> (z + 13 - uint32(d.Level))}
					_, _, _, a := m.At(int(px), int(py)).RGBA()
					if (a > 0) != hole[k] {
						t.Fatalf("seed %d, tile %d/%d/%d, pixel %d,%d in square %v: drawn %v, want %v", seed, z, x, y, px, py, k, a > 0, hole[k])
					}
				}
			}
		}
	}
}

// TestTilesJoin looks across the seam of two tiles: the hatch runs on.
func TestTilesJoin(t *testing.T) {
	const z, x, y = 18, 168452, 103198
	d := &Demand{Level: 17, Basis: BasisPeople, Source: "a test"}
	for dx := range 4 {
		for dy := range 4 {
			n := math.Exp2(17)
			fx, fy := (float64(x/2+dx-1)+0.5)/n, (float64(y/2+dy-1)+0.5)/n
			at, err := geo.At((fx-0.5)*360, math.Atan(math.Sinh(math.Pi*(1-2*fy)))*180/math.Pi)
			if err != nil {
				t.Fatal(err)
			}
			d.Cells = append(d.Cells, Cell{at, 10, NoZone})
		}
	}
	d.Sort()
	v := New(d, noRoads(t), nil).View()
	s := Standard{"", 60, false}
	left, right, below := decodeTile(t, v.Tile(s, z, x, y)), decodeTile(t, v.Tile(s, z, x+1, y)), decodeTile(t, v.Tile(s, z, x, y+1))
	for i := 1; i < 256; i++ {
		if left.At(255, i) != right.At(0, i-1) { // the lines run at 45 degrees
			t.Fatalf("row %d: the hatch breaks at the seam", i)
		}
		if left.At(i, 255) != below.At(i-1, 0) {
			t.Fatalf("column %d: the hatch breaks at the seam", i)
		}
	}
}

func TestNoSuchTile(t *testing.T) {
	v := New(people(rand.New(rand.NewPCG(1, 1)), 20, 0), noRoads(t), nil).View()
	for _, a := range [][3]uint32{{3, 8, 0}, {3, 0, 8}, {25, 0, 0}, {99, 1, 1}, {0, 1, 0}, {4, math.MaxUint32, 0}} {
		if m := decodeTile(t, v.Tile(watch[0], a[0], a[1], a[2])); len(v.Tile(watch[0], a[0], a[1], a[2])) > 400 {
			t.Errorf("%v: drew %v", a, m.Bounds())
		}
	}
	for z := range uint32(tileZoomMax + 1) { // the corners of the world
		decodeTile(t, v.Tile(watch[0], z, 0, 0))
		decodeTile(t, v.Tile(watch[0], z, 1<<z-1, 1<<z-1))
	}
}
