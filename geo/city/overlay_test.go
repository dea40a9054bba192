package city

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paulmach/orb"

	"rasad/geo"
)

func writeText(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOverlayCSV(t *testing.T) {
	path := writeText(t, "a.csv", "\ufeffid,lon,lat,kind,name,name_fa,name_zh,capacity,phone,note\n"+
		"S1,51.40,35.70,shelter,Azadi Hall,سالن آزادی,自由大厅,1200,0021 55,\"ramp, north door\"\n"+
		"osm-n7,,,,,بیمارستان,,,,\n"+
		",,,name,Main Street,خیابان اصلی,主街,,,\n"+
		",51.41,35.71,fire_station,Station 9,,,,,\n")
	o, err := readOverlays([]Overlay{{Path: path}})
	if err != nil || len(o.refused) > 0 {
		t.Fatal(err, o.refused)
	}
	if len(o.rows) != 3 || len(o.dictionary) != 1 {
		t.Fatalf("got %d rows and %d names", len(o.rows), len(o.dictionary))
	}
	r := o.byID["S1"]
	if r == nil || r.at != (orb.Point{51.40, 35.70}) || r.kind != "shelter" || r.names.FA != "سالن آزادی" || r.names.ZH != "自由大厅" ||
		r.properties["capacity"] != 1200.0 || r.properties["phone"] != "0021 55" || r.properties["note"] != "ramp, north door" || r.original != nil {
		t.Errorf("got %+v", r)
	}
	if o.dictionary["Main Street"].ZH != "主街" {
		t.Errorf("dictionary: got %+v", o.dictionary)
	}
}

// A place in another datum is converted, and what stood there is kept.
func TestOverlayDatum(t *testing.T) {
	csv := writeText(t, "a.csv", "id,lon,lat,kind,datum\nB1,116.38404722455657,39.91334545536069,hospital,\nB2,116.377817,39.911954,hospital,wgs84\n")
	geojson := writeText(t, "b.geojson", `{"type":"FeatureCollection","features":[{"type":"Feature","id":"B3",
		"geometry":{"type":"Point","coordinates":[116.38404722455657,39.91334545536069]},"properties":{"kind":"hospital"}}]}`)
	o, err := readOverlays([]Overlay{{csv, geo.GCJ02}, {geojson, geo.GCJ02}})
	if err != nil || len(o.refused) > 0 {
		t.Fatal(err, o.refused)
	}
	want := orb.Point{116.377817, 39.911954}
	for _, id := range []string{"B1", "B2", "B3"} {
		r := o.byID[id]
		if d := metres(r.at, want); d > 0.1 {
			t.Errorf("%s lies %.2f m from where it is", id, d)
		}
		if id == "B2" {
			if r.original != nil {
				t.Errorf("%s was not converted, but has an original: %v", id, r.original)
			}
			continue
		}
		if r.original["datum"] != "gcj02" || math.Abs(r.original["lon"].(float64)-116.3840472) > 1e-6 {
			t.Errorf("%s: original is %v", id, r.original)
		}
	}
}

func TestOverlayRefusesRows(t *testing.T) {
	tests := map[string]struct{ csv, want string }{
		"no place and no id":       {"name,kind\nX,hospital", "neither a place nor"},
		"an id that fits no path":  {"id,lon,lat,kind\na/b,1,1,hospital", "id \"a/b\""},
		"an id too long":           {"id,lon,lat,kind\n" + strings.Repeat("x", 129) + ",1,1,hospital", "at most 128"},
		"an unknown datum":         {"id,lon,lat,datum\na,1,1,mars", "datum \"mars\""},
		"a longitude of no world":  {"id,lon,lat\na,181,1", "is no place"},
		"a longitude of no number": {"id,lon,lat\na,east,1", "is no place"},
		"a longitude alone":        {"id,lon,lat\na,1,", "is no place"},
		"an id twice":              {"id,lon,lat\na,1,1\na,2,2", "stands twice"},
		"a name without a name":    {"kind,name_fa\nname,x", "without a name"},
		"coverage without an area": {"kind,lon,lat\ncoverage,1,1", "wants a polygon"},
	}
	for name, tt := range tests {
		o, err := readOverlays([]Overlay{{Path: writeText(t, "a.csv", tt.csv)}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(o.refused) != 1 || !strings.Contains(o.refused[0].Error(), tt.want) || !strings.Contains(o.refused[0].Error(), "a.csv, row ") {
			t.Errorf("%s: got %v, want a refusal that says %q", name, o.refused, tt.want)
		}
	}
	line := writeText(t, "a.geojson", `{"type":"FeatureCollection","features":[{"type":"Feature","geometry":{"type":"LineString","coordinates":[[0,0],[1,1]]},"properties":{}},
		{"type":"Feature","geometry":{"type":"Polygon","coordinates":[[[0,0],[1,1]]]},"properties":{"kind":"hospital"}}]}`)
	o, err := readOverlays([]Overlay{{Path: line}})
	if err != nil || len(o.refused) != 2 {
		t.Errorf("a line and a broken polygon: got %v, %v, want both refused", err, o.refused)
	}
}

func TestOverlayRefusesFiles(t *testing.T) {
	for name, path := range map[string]string{
		"no such file":    filepath.Join(t.TempDir(), "none.csv"),
		"another format":  writeText(t, "a.xlsx", "x"),
		"an empty file":   writeText(t, "a.csv", ""),
		"a ragged file":   writeText(t, "b.csv", "id,lon\na,1,2\n"),
		"an open quote":   writeText(t, "c.csv", "id,lon\n\"a,1\n"),
		"no JSON":         writeText(t, "a.geojson", "{"),
		"a feature alone": writeText(t, "b.geojson", `{"type":"Feature"}`),
	} {
		if _, err := readOverlays([]Overlay{{Path: path}}); err == nil || !strings.Contains(err.Error(), filepath.Base(path)) {
			t.Errorf("%s: got %v, want an error that names the file", name, err)
		}
	}
}

func FuzzOverlay(f *testing.F) {
	f.Add("id,lon,lat,kind,datum\na,116.3,39.9,hospital,bd09\n", true)
	f.Add("a;b\n1;2", true)
	f.Add(`{"type":"FeatureCollection","features":[{"type":"Feature","id":1,"geometry":{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]]]},"properties":{"kind":"coverage"}}]}`, false)
	f.Add(`{"type":"FeatureCollection","features":[{"type":"Feature","geometry":{"type":"Point","coordinates":[]},"properties":null}]}`, false)
	f.Fuzz(func(t *testing.T, text string, csv bool) {
		parse := parseGeoJSON
		if csv {
			parse = parseCSV
		}
		rows, err := parse("f", []byte(text))
		if err != nil {
			return
		}
		o := &overlays{byID: map[string]*overlayRow{}, dictionary: map[string]names{}}
		for _, r := range rows {
			if o.add(r, geo.GCJ02) == nil && r.placed && !(math.Abs(r.at[0]) <= 181 && math.Abs(r.at[1]) <= 91) {
				t.Fatalf("a row at %v was taken", r.at)
			}
		}
	})
}
