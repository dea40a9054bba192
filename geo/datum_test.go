package geo

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestDatumPublishedValues(t *testing.T) {
	// The first three are the test values of googollee/eviltransform, the converter that most
	// others were copied from; places in Shanghai, Shenzhen and Beijing;
	// the fourth is the example of wandergis/coordtransform.
	tests := map[string]struct {
		datum          Datum
		lon, lat       float64 // in the datum
		wgsLon, wgsLat float64
	}{
		"Shanghai in GCJ-02":               {GCJ02, 121.531541859215, 31.17530398364597, 121.5272106, 31.1774276},
		"Shenzhen in GCJ-02":               {GCJ02, 113.9171764808363, 22.540796131694766, 113.912316, 22.543847},
		"Beijing in GCJ-02":                {GCJ02, 116.38404722455657, 39.91334545536069, 116.377817, 39.911954},
		"Tiananmen in GCJ-02":              {GCJ02, 116.41024449916938, 39.91640428150164, 116.404, 39.915},
		"CGCS2000 is taken as it is":       {CGCS2000, 116.4, 39.9, 116.4, 39.9},
		"WGS 84 is taken as it is":         {WGS84, 116.4, 39.9, 116.4, 39.9},
		"no datum is WGS 84":               {"", 116.4, 39.9, 116.4, 39.9},
		"Tehran in GCJ-02 is not shifted":  {GCJ02, 51.389, 35.6892, 51.389, 35.6892},
		"Delaware in BD-09 is not shifted": {BD09, -75.5466, 39.7447, -75.5466, 39.7447},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			lon, lat := tt.datum.ToWGS84(tt.lon, tt.lat)
			if d := datumMetres(lon, lat, tt.wgsLon, tt.wgsLat); d > 0.05 {
				t.Errorf("ToWGS84: got %.7f, %.7f, want %.7f, %.7f (%.3f m away)", lon, lat, tt.wgsLon, tt.wgsLat, d)
			}
			lon, lat = tt.datum.FromWGS84(tt.wgsLon, tt.wgsLat)
			if d := datumMetres(lon, lat, tt.lon, tt.lat); d > 0.05 {
				t.Errorf("FromWGS84: got %.7f, %.7f, want %.7f, %.7f (%.3f m away)", lon, lat, tt.lon, tt.lat, d)
			}
		})
	}
}

// Both ways, as wandergis/coordtransform publishes them; its way back is the closed formula,
// which is off by up to a metre.
func TestBaiduPublishedValues(t *testing.T) {
	if lon, lat := baidu(116.404, 39.915); datumMetres(lon, lat, 116.41036949371029, 39.92133699351021) > 0.001 {
		t.Errorf("GCJ-02 to BD-09: got %.8f, %.8f, want 116.41036949, 39.92133699", lon, lat)
	}
	if lon, lat := unbaidu(116.404, 39.915); datumMetres(lon, lat, 116.39762729119315, 39.90865673957631) > 1 {
		t.Errorf("BD-09 to GCJ-02: got %.8f, %.8f, want 116.39762729, 39.90865674", lon, lat)
	}
}

func datumMetres(lon1, lat1, lon2, lat2 float64) float64 {
	return math.Hypot((lon1-lon2)*math.Cos(lat1*math.Pi/180), lat1-lat2) * 111195
}

// What was shifted comes back, everywhere in China, to well under the 0.1 m that we promise.
func TestDatumRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 0))
	for _, d := range []Datum{GCJ02, BD09, CGCS2000, WGS84} {
		worst, shifted := 0.0, 0.0
		for range 100_000 {
			lon, lat := 73+r.Float64()*64, 2+r.Float64()*52
			x, y := d.FromWGS84(lon, lat)
			shifted = math.Max(shifted, datumMetres(lon, lat, x, y))
			x, y = d.ToWGS84(x, y)
			worst = math.Max(worst, datumMetres(lon, lat, x, y))
		}
		if worst > 0.001 {
			t.Errorf("%s: a round trip ends %g m away, want under 1 mm", d, worst)
		}
		if moves := d == GCJ02 || d == BD09; moves != (shifted > 100) {
			t.Errorf("%s: shifts by up to %g m", d, shifted)
		}
	}
}

// Whatever comes in, something finite or the same comes out, and nothing hangs.
func TestDatumOddPlaces(t *testing.T) {
	for _, d := range []Datum{GCJ02, BD09} {
		for _, p := range [][2]float64{{0, 0}, {180, 90}, {-180, -90}, {105, 35}, {72.004, 0.8293}, {137.8347, 55.8271}, {1e300, -1e300}} {
			lon, lat := d.ToWGS84(p[0], p[1])
			if math.IsNaN(lon) || math.IsNaN(lat) {
				t.Errorf("%s of %v: got NaN", d, p)
			}
		}
		if lon, _ := d.ToWGS84(math.NaN(), 30); !math.IsNaN(lon) {
			t.Errorf("%s of NaN: got %v, want NaN to stay visible", d, lon)
		}
	}
}

func TestParseDatum(t *testing.T) {
	for in, want := range map[string]Datum{"": WGS84, "WGS84": WGS84, " gcj02 ": GCJ02, "BD09": BD09, "cgcs2000": CGCS2000} {
		if got, err := ParseDatum(in); err != nil || got != want {
			t.Errorf("ParseDatum(%q): got %q, %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"mars", "wgs 84", "gcj-02"} {
		if got, err := ParseDatum(in); err == nil {
			t.Errorf("ParseDatum(%q): got %q, want an error", in, got)
		}
	}
}
