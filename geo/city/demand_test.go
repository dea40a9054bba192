package city

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/paulmach/orb"

	"rasad/geo"
	"rasad/geo/coverage"
)

// demandOf builds the town with overlays and reads what it wrote.
func demandOf(t *testing.T, tw *town, overlays ...string) (*coverage.Demand, *Report) {
	t.Helper()
	dir := t.TempDir()
	o := Options{In: tw.file(t), Out: dir, TimeZone: "Asia/Tehran"}
	for _, path := range overlays {
		o.Overlays = append(o.Overlays, Overlay{Path: path})
	}
	rep, err := Build(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Verify(); err != nil {
		t.Fatal(err)
	}
	d, err := coverage.LoadDemand(c.DemandPath())
	if err != nil {
		t.Fatal(err)
	}
	if rep.Demand.Cells != len(d.Cells) || math.Abs(rep.Demand.Total-d.Total()) > 0.51 || rep.Demand.Basis != d.Basis || rep.Demand.Source != d.Source || rep.Demand.Zones != len(d.Zones) {
		t.Errorf("the report says %+v; there are %d cells of %g %s and %d zones", rep.Demand, len(d.Cells), d.Total(), d.Basis, len(d.Zones))
	}
	for _, want := range []string{"\nDemand\n", d.Source, fmt.Sprintf("%d cells", len(d.Cells))} {
		if !strings.Contains(rep.Text(), want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	return d, rep
}

// in sums the weight within a box.
func in(d *coverage.Demand, w, s, e, n float64) (sum float64) {
	box := orb.Bound{Min: orb.Point{w, s}, Max: orb.Point{e, n}}
	for _, c := range d.Cells {
		if box.Contains(point(c.At)) {
			sum += c.Weight
		}
	}
	return sum
}

func TestDemandFromBuildings(t *testing.T) {
	tw := newTown()
	tw.way(square(51.0851, 35.0151, 0.0005), "building", "apartments", "building:levels", "10")
	tw.way(square(51.0851, 35.0251, 0.0005), "building", "garage")
	d, rep := demandOf(t, tw)
	if d.Basis != coverage.BasisArea || d.Source != "buildings and street length" || d.Level != coverage.LevelAt(35.05) {
		t.Errorf("demand of %s by %s, level %d", d.Source, d.Basis, d.Level)
	}
	// The houses of three floors of the town, the hospital, and ten floors of flats.
	m2 := func(side float64) float64 {
		return side * side * metresPerDeg * metresPerDeg * math.Cos(35.05*math.Pi/180)
	}
	want := 100*m2(0.002)*3*defaultUse + m2(0.002)*defaultUse + m2(0.0005)*10
	if math.Abs(rep.Demand.Floor-want) > 0.01*want {
		t.Errorf("floor: got %.0f m², want %.0f", rep.Demand.Floor, want)
	}
	// Eleven streets of 9.1 km and eleven avenues of 11.1 km.
	if km := rep.Demand.StreetKm; math.Abs(km-11*(0.1*111.195*math.Cos(35.05*math.Pi/180)+0.1*111.195)) > 2 {
		t.Errorf("streets: got %.0f km", km)
	}
	flats := in(d, 51.0845, 35.0148, 51.0865, 35.0160)
	if flats < 0.9*m2(0.0005)*10 {
		t.Errorf("ten floors of flats weigh %.0f, want %.0f", flats, m2(0.0005)*10)
	}
	if rep.Demand.StreetCounts <= 0 {
		t.Errorf("a metre of street counts %g", rep.Demand.StreetCounts)
	}
	// A cell lies where its people are: in the square, and houses pull it.
	seen := map[[2]uint32]bool{}
	for _, c := range d.Cells {
		x, y := coverage.Square(c.At, d.Level)
		if k := [2]uint32{x, y}; seen[k] {
			t.Fatalf("square %v stands twice", k)
		} else {
			seen[k] = true
		}
	}
}

func TestDemandOfStreetsAlone(t *testing.T) {
	tw := &town{}
	for i := range 11 {
		var ew, ns orb.LineString
		for k := range 11 {
			ew = append(ew, orb.Point{51 + 0.01*float64(k), 35 + 0.01*float64(i)})
			ns = append(ns, orb.Point{51 + 0.01*float64(i), 35 + 0.01*float64(k)})
		}
		tw.way(ew, "highway", "residential")
		tw.way(ns, "highway", "motorway", "oneway", "no")
	}
	d, rep := demandOf(t, tw)
	if rep.Demand.Floor != 0 || rep.Demand.StreetCounts != floorPerStreetMetre {
		t.Errorf("got %+v", rep.Demand)
	}
	km := 11 * 0.1 * 111.195 * math.Cos(35.05*math.Pi/180)                                                      // nobody lives on a motorway
	if got, want := d.Total()+rep.Demand.Outside, km*1000*floorPerStreetMetre; math.Abs(got-want) > 0.02*want { // one street runs along the edge
		t.Errorf("the demand is %.0f, want %.0f", got, want)
	}
}

func TestDemandFromPeople(t *testing.T) {
	// 120 people at a place, 1000 over a quarter, 50 off the map; a row that makes no sense.
	csv := writeText(t, "people.csv", "lat,lon,people\n35.0150,51.0150,100\n35.0151,51.0151,20\n35.5,51.05,50\n35.02,51.02,many\n35.02,51.02,0\n")
	areas := writeText(t, "areas.geojson", `{"type":"FeatureCollection","features":[
		{"type":"Feature","properties":{"population":1000},"geometry":{"type":"Polygon","coordinates":[[[51.05,35.05],[51.09,35.05],[51.09,35.09],[51.05,35.09],[51.05,35.05]]]}},
		{"type":"Feature","properties":{"kind":"population","people":7},"geometry":{"type":"Point","coordinates":[51.031,35.031]}},
		{"type":"Feature","properties":{"kind":"population"},"geometry":{"type":"Point","coordinates":[51.031,35.031]}},
		{"type":"Feature","properties":{"kind":"population","people":-3},"geometry":{"type":"Point","coordinates":[51.031,35.031]}},
		{"type":"Feature","properties":{"kind":"fire_station","name":"S9","people":12},"geometry":{"type":"Point","coordinates":[51.04,35.04]}}]}`)
	d, rep := demandOf(t, newTown(), csv, areas)
	if d.Basis != coverage.BasisPeople || d.Source != "population overlay" {
		t.Errorf("demand of %s by %s", d.Source, d.Basis)
	}
	if rep.Demand.Outside != 50 || math.Abs(d.Total()-1127) > 1e-6 {
		t.Errorf("%g people, %g outside; want 1127 and 50", d.Total(), rep.Demand.Outside)
	}
	if got := in(d, 51.011, 35.011, 51.019, 35.019); got != 120 {
		t.Errorf("at the place live %g, want 120", got)
	}
	if got := in(d, 51.049, 35.049, 51.091, 35.091); math.Abs(got-1000) > 1e-6 {
		t.Errorf("in the quarter live %g, want 1000", got)
	}
	// They are spread as houses and streets are: the few squares with a house have a third of them, and none a tenth.
	most, housed := 0., 0.
	for _, c := range d.Cells {
		if p := point(c.At); p[0] > 51.049 && p[0] < 51.091 && p[1] > 35.049 && p[1] < 35.091 {
			most = max(most, c.Weight)
			for i := range 10 {
				for k := range 10 {
					if metres(p, orb.Point{51.005 + 0.01*float64(i), 35.005 + 0.01*float64(k)}) < 250 {
						housed += c.Weight
					}
				}
			}
		}
	}
	if most > 100 || housed < 300 {
		t.Errorf("the fullest square has %g, squares with a house %g of 1000", most, housed)
	}
	if len(rep.Warnings) != 3 { // many, none, less than nobody
		t.Errorf("warnings: %q", rep.Warnings)
	}
	if rep.Sites["fire_station"] != 2 {
		t.Errorf("a station with a number of people is a site still: %v", rep.Sites)
	}
}

func TestDemandFromRaster(t *testing.T) {
	asc := func(cols, rows int, size float64, value func(col, row int) string) string {
		var s strings.Builder
		fmt.Fprintf(&s, "NCOLS %d\nNROWS %d\nXLLCORNER 51.0\nYLLCORNER 35.0\nCELLSIZE %g\nNODATA_value -9999\n", cols, rows, size)
		for row := range rows {
			for col := range cols {
				s.WriteString(value(col, row) + " ")
			}
			s.WriteString("\n")
		}
		return writeText(t, "people.asc", s.String())
	}
	// 100 m: everybody in the north-west corner.
	fine := asc(100, 100, 0.001, func(col, row int) string {
		switch {
		case col < 10 && row < 10:
			return "2.5"
		case col > 90:
			return "-9999"
		}
		return "0"
	})
	d, _ := demandOf(t, newTown(), fine)
	if math.Abs(d.Total()-250) > 1e-9 || math.Abs(in(d, 51, 35.0895, 51.0105, 35.1)-250) > 1e-9 {
		t.Errorf("%g people, %g of them in the corner; want 250", d.Total(), in(d, 51, 35.0895, 51.0105, 35.1))
	}
	// 1 km: a pixel is spread over its houses and streets.
	coarse := asc(10, 10, 0.01, func(col, row int) string {
		if col == 4 && row == 9 { // the lowest row
			return "300"
		}
		return "nan"
	})
	d, _ = demandOf(t, newTown(), coarse)
	if got := in(d, 51.04, 35, 51.05, 35.01); math.Abs(got-300) > 1e-9 || len(d.Cells) < 5 {
		t.Errorf("%g people in %d cells of the pixel, want 300 in some", got, len(d.Cells))
	}
	// Both count: a raster and some people besides.
	d, _ = demandOf(t, newTown(), fine, writeText(t, "more.csv", "population;lon;lat\n5;51.05;35.05\n"))
	if math.Abs(d.Total()-255) > 1e-9 {
		t.Errorf("%g people, want 255", d.Total())
	}
}

func TestRasterRefused(t *testing.T) {
	head := "ncols 2\nnrows 2\nxllcorner 51\nyllcorner 35\ncellsize 0.1\n"
	for name, text := range map[string]string{
		"empty":                     "",
		"no values":                 head,
		"too few values":            head + "1 2 3",
		"too many values":           head + "1 2 3 4 5",
		"a word among the values":   head + "1 2 x 4",
		"a key without a value":     "ncols",
		"a key with a word":         "ncols two",
		"half a column":             "ncols 1.5\nnrows 2\nxllcorner 51\nyllcorner 35\ncellsize 0.1\n1 2 3",
		"more than a machine has":   "ncols 1000000\nnrows 1000000\nxllcorner 51\nyllcorner 35\ncellsize 0.1\n1",
		"metres, not degrees":       "ncols 2\nnrows 2\nxllcorner 500000\nyllcorner 3900000\ncellsize 100\n1 2 3 4",
		"no size":                   "ncols 2\nnrows 2\nxllcorner 51\nyllcorner 35\n1 2 3 4",
		"more people than on Earth": head + "1 2 3 1e12",
	} {
		_, err := readOverlays([]Overlay{{Path: writeText(t, "people.asc", text)}})
		if err == nil || !strings.Contains(err.Error(), "people.asc") {
			t.Errorf("%s: got %v, want an error that names the file", name, err)
		}
	}
	if _, err := readOverlays([]Overlay{{Path: "none.asc"}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
}

// People in another datum move with it.
func TestDemandDatum(t *testing.T) {
	o, err := readOverlays([]Overlay{{writeText(t, "p.csv", "lon,lat,population\n116.38404722455657,39.91334545536069,9\n"), geo.GCJ02}})
	if err != nil || len(o.refused) > 0 || len(o.demand.points) != 1 {
		t.Fatal(err, o.refused)
	}
	if h := o.demand.points[0]; h.people != 9 || metres(h.at, orb.Point{116.377817, 39.911954}) > 0.1 {
		t.Errorf("got %+v", h)
	}
}

func TestZones(t *testing.T) {
	west := orb.LineString{{51, 35}, {51.05, 35}, {51.05, 35.1}, {51, 35.1}, {51, 35}}
	east := orb.LineString{{51.05, 35}, {51.1, 35}, {51.1, 35.1}, {51.05, 35.1}, {51.05, 35}}
	small := square(51.001, 35.001, 0.02)
	zoneAt := func(d *coverage.Demand, lon, lat float64) string {
		best, far := "nobody lives there", math.Inf(1)
		for _, c := range d.Cells {
			if m := metres(point(c.At), orb.Point{lon, lat}); m < far {
				best, far = "none", m
				if c.Zone >= 0 {
					best = d.Zones[c.Zone].Names.Local
				}
			}
		}
		return best
	}
	check := func(what string, d *coverage.Demand, want map[[2]float64]string) {
		t.Helper()
		for at, name := range want {
			if got := zoneAt(d, at[0], at[1]); got != name {
				t.Errorf("%s: at %v lies %q, want %q", what, at, got, name)
			}
		}
	}

	tw := newTown()
	tw.way(west, "boundary", "administrative", "admin_level", "9", "name", "West", "name:fa", "غرب")
	tw.way(east, "boundary", "administrative", "admin_level", "9", "name", "East")
	tw.way(small, "place", "neighbourhood", "name", "Small")
	d, rep := demandOf(t, tw)
	check("districts", d, map[[2]float64]string{{51.02, 35.05}: "West", {51.08, 35.05}: "East", {51.01, 35.01}: "West"})
	if !strings.Contains(rep.Demand.ZonesFrom, "level 9") || len(d.Zones) != 2 || d.Zones[1].Names.FA != "غرب" {
		t.Errorf("zones %+v from %s", d.Zones, rep.Demand.ZonesFrom)
	}

	tw = newTown() // quarters that hold too little are an accident of mapping
	tw.way(small, "place", "neighbourhood", "name", "Small")
	tw.way(square(51.06, 35.06, 0.01), "place", "suburb", "name", "Other")
	if d, rep = demandOf(t, tw); len(d.Zones) != 0 || !strings.Contains(rep.Demand.ZonesFrom, "first-due") {
		t.Errorf("zones %+v from %s", d.Zones, rep.Demand.ZonesFrom)
	}

	// An overlay's zones are taken as they are, the smaller one first, and people may be counted by them.
	overlay := writeText(t, "zones.geojson", `{"type":"FeatureCollection","features":[
		{"type":"Feature","id":"Z-W","properties":{"kind":"zone","name":"W","name_zh":"西","people":100},"geometry":{"type":"Polygon","coordinates":[[[51,35],[51.05,35],[51.05,35.1],[51,35.1],[51,35]]]}},
		{"type":"Feature","properties":{"kind":"zone","name":"Inner","people":10},"geometry":{"type":"Polygon","coordinates":[[[51.001,35.001],[51.021,35.001],[51.021,35.021],[51.001,35.021],[51.001,35.001]]]}},
		{"type":"Feature","properties":{"kind":"zone","name":"Nowhere"},"geometry":{"type":"Polygon","coordinates":[[[52,36],[52.1,36],[52.1,36.1],[52,36]]]}},
		{"type":"Feature","properties":{"kind":"zone","name":"A point"},"geometry":{"type":"Point","coordinates":[51,35]}}]}`)
	d, rep = demandOf(t, tw, overlay)
	check("overlay", d, map[[2]float64]string{{51.045, 35.05}: "W", {51.01, 35.01}: "Inner"})
	if len(d.Zones) != 2 || d.Zones[1].ID != "Z-W" || d.Zones[1].Names.ZH != "西" || d.Basis != coverage.BasisPeople || math.Abs(d.Total()-110) > 1e-6 {
		t.Errorf("zones %+v, %g %s", d.Zones, d.Total(), d.Basis)
	}
	if len(rep.Warnings) != 1 {
		t.Errorf("warnings: %q", rep.Warnings)
	}
}

// A city that was built before there was demand still opens: its map is as good as ever.
func TestOpenWithoutDemand(t *testing.T) {
	dir := t.TempDir()
	if _, err := Build(t.Context(), Options{In: newTown().file(t), Out: dir, TimeZone: "Asia/Tehran"}); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(dir+"/"+FileDemand, 10); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil {
		t.Error("a city with half its demand opens")
	}
	b, err := os.ReadFile(dir + "/" + FileManifest)
	if err != nil {
		t.Fatal(err)
	}
	older := strings.ReplaceAll(string(b), FileDemand, "something.else")
	if err := os.WriteFile(dir+"/"+FileManifest, []byte(older), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// FuzzPeople reads files of people: nothing panics, and whatever is taken is people at places.
func FuzzPeople(f *testing.F) {
	f.Add("lon,lat,people\n51,35,7\n", false)
	f.Add("population;y;x\n1;2;3\n\"", false)
	f.Add("ncols 2\nnrows 1\nxllcenter 51\nyllcenter 35\ndx 0.1\ndy 0.2\nnodata_value nan\n1 nan", true)
	f.Add("ncols 1 nrows 1 cellsize 1e-300 xllcorner 1 yllcorner 1 -1", true)
	f.Fuzz(func(t *testing.T, text string, raster bool) {
		var d demandRows
		if raster {
			if err := d.readRaster(strings.NewReader(text), geo.WGS84); err != nil {
				return
			}
		} else {
			if _, ok := peopleColumns([]byte(text)); !ok {
				return
			}
			if _, err := d.readPeople(bufio.NewReaderSize(strings.NewReader(text), 1<<13), Overlay{}); err != nil {
				return
			}
		}
		for _, h := range append(d.points, d.areas...) {
			if !(h.people >= 0 && h.people <= peopleMax) || !(math.Abs(h.at[0]) <= 180 && math.Abs(h.at[1]) <= 90) {
				t.Fatalf("took %+v", h)
			}
		}
		built := newSquares(17)
		if len(d.areas) < 3 && len(d.points) < 100 { // an area may be as large as the world
			for _, h := range d.areas {
				if b := h.area.Bound(); b.Max[0]-b.Min[0] > 1 || b.Max[1]-b.Min[1] > 1 {
					return
				}
			}
			peopleDemand(d, built)
		}
	})
}
