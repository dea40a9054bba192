package coverage

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"rasad/geo"
)

func TestWriteLoad(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 0))
		d := people(r, r.IntN(200), r.IntN(5))
		var b bytes.Buffer
		if err := WriteDemand(&b, d); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "demand.bin")
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := LoadDemand(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Cells) == 0 {
			got.Cells, d.Cells = nil, nil
		}
		if !reflect.DeepEqual(got, d) {
			t.Fatalf("seed %d: got %+v, want %+v", seed, got, d)
		}
	}
}

func TestLoadDamaged(t *testing.T) {
	if _, err := LoadDemand(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
	var b bytes.Buffer
	if err := WriteDemand(&b, people(rand.New(rand.NewPCG(1, 0)), 20, 2)); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	for n := range len(whole) {
		if _, err := parse(whole[:n]); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("a file cut after %d of %d bytes: got %v, want damage", n, len(whole), err)
		}
	}
	for bit := range len(whole) * 8 {
		flipped := bytes.Clone(whole)
		flipped[bit/8] ^= 1 << (bit % 8)
		if _, err := parse(flipped); err == nil {
			t.Fatalf("bit %d flipped: read as whole", bit)
		}
	}
	newer := bytes.Clone(whole)
	newer[8] = Version + 1
	if _, err := parse(newer); err == nil || errors.Is(err, ErrCorrupt) {
		t.Errorf("a newer version: got %v, want an error that names the version, not damage", err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	tests := map[string]func(d *Demand){
		"squares as large as a country": func(d *Demand) { d.Level = 2 },
		"squares of a hand's width":     func(d *Demand) { d.Level = 30 },
		"a basis that nobody knows":     func(d *Demand) { d.Basis = "votes" },
		"less than nobody":              func(d *Demand) { d.Cells[3].Weight = -1 },
		"a weight that is no number":    func(d *Demand) { d.Cells[3].Weight = math.NaN() },
		"more people than there are":    func(d *Demand) { d.Cells[3].Weight = 1e13 },
		"a zone that is not there":      func(d *Demand) { d.Cells[3].Zone = 2 },
		"a zone less than none":         func(d *Demand) { d.Cells[3].Zone = -2 },
		"a place off the globe":         func(d *Demand) { d.Cells[3].At.Lat = geo.LatMax + 1 },
		"cells out of order":            func(d *Demand) { d.Cells[0], d.Cells[19] = d.Cells[19], d.Cells[0] },
	}
	for name, spoil := range tests {
		d := people(rand.New(rand.NewPCG(1, 0)), 20, 2)
		spoil(d)
		var b bytes.Buffer
		if err := WriteDemand(&b, d); err != nil {
			t.Fatal(err)
		}
		if _, err := parse(b.Bytes()); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: got %v, want damage", name, err)
		}
	}
}

// FuzzLoad feeds damaged files past the checksum: nothing panics, and what is accepted can be counted and drawn.
func FuzzLoad(f *testing.F) {
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 6))
		var b bytes.Buffer
		if err := WriteDemand(&b, people(r, r.IntN(12), r.IntN(3))); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes()[:b.Len()-32])
	}
	roads := router(f, town(f, rand.New(rand.NewPCG(1, 1)), 12))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := parse(b); err == nil || len(b) < headBytes {
			return
		}
		d, err := decode(b)
		if err != nil {
			return
		}
		if len(d.Cells) > 1000 {
			return
		}
		g := New(d, roads, watch)
		g.Set(1, Unit{At: place(side/2, side/2), Heading: math.NaN(), Line: 10, Capabilities: []string{"engine"}})
		s := g.View().Share(Standard{"", 600, false})
		if s.Covered < 0 || s.Covered > s.Total || len(s.Zones) != len(d.Zones) {
			t.Fatalf("share of %+v: %+v", d, s)
		}
		for _, c := range d.Cells {
			x, y := Square(c.At, 12)
			g.View().Tile(watch[0], 12, x, y)
		}
	})
}

func TestSquares(t *testing.T) {
	for lat, want := range map[float64]uint8{0: 17, 35.7: 17, 39.75: 17, 52: 17, 60: 16, 75: 15, 89: 14, -90: 14} {
		if got := LevelAt(lat); got != want {
			t.Errorf("level at %g: got %d, want %d", lat, got, want)
		}
		if m := SquareMetres(LevelAt(lat), lat); math.Abs(lat) <= 85 && (m < 176 || m > 355) {
			t.Errorf("squares at %g are %g m wide", lat, m)
		}
	}
	// The corners of a tile, from its address by the usual formula.
	for _, at := range []geo.LngLat{{Lng: -180e7, Lat: 90e7}, {Lng: 180e7, Lat: -90e7}, {Lng: 51e7, Lat: 35e7}} {
		x, y := Square(at, 17)
		if x >= 1<<17 || y >= 1<<17 {
			t.Errorf("%v lies in square %d, %d", at, x, y)
		}
	}
	if x, y := Square(geo.LngLat{Lng: 51_3890000, Lat: 35_6890000}, 12); x != 2632 || y != 1612 {
		t.Errorf("Tehran lies in tile 12/%d/%d, want 12/2632/1612", x, y)
	}
}
