package api_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rasad/geo/city"
	"rasad/server/api"
)

// hamlet builds a city of a few streets.
func hamlet(t *testing.T) *city.City {
	t.Helper()
	var osm strings.Builder
	osm.WriteString(`<?xml version="1.0"?><osm version="0.6"><bounds minlat="10" minlon="20" maxlat="10.04" maxlon="20.04"/>`)
	const n = 9
	for y := range n {
		for x := range n {
			fmt.Fprintf(&osm, `<node id="%d" version="1" lat="%.4f" lon="%.4f"/>`, y*n+x+1, 10+float64(y)*0.005, 20+float64(x)*0.005)
		}
	}
	osm.WriteString(`<node id="499" version="1" lat="10.02" lon="20.02"><tag k="place" v="city"/><tag k="name" v="Hamlet"/><tag k="name:fa" v="دهکده"/></node>`)
	osm.WriteString(`<node id="500" version="1" lat="10.02" lon="20.021"><tag k="amenity" v="fire_station"/><tag k="name" v="Station 1"/></node>`)
	for i := range n {
		fmt.Fprintf(&osm, `<way id="%d" version="1">`, 1000+i)
		for x := range n {
			fmt.Fprintf(&osm, `<nd ref="%d"/>`, i*n+x+1)
		}
		osm.WriteString(`<tag k="highway" v="residential"/></way>`)
		fmt.Fprintf(&osm, `<way id="%d" version="1">`, 2000+i)
		for y := range n {
			fmt.Fprintf(&osm, `<nd ref="%d"/>`, y*n+i+1)
		}
		osm.WriteString(`<tag k="highway" v="primary"/></way>`)
	}
	osm.WriteString(`</osm>`)
	dir := t.TempDir()
	in, out := filepath.Join(dir, "hamlet.osm"), filepath.Join(dir, "city")
	if err := os.WriteFile(in, []byte(osm.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if report, err := city.Build(t.Context(), city.Options{In: in, Out: out, Name: "Hamlet", TimeZone: "Asia/Tehran"}); err != nil {
		t.Fatalf("%v\n%+v", err, report)
	}
	c, err := city.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestCity(t *testing.T) {
	c := hamlet(t)
	h := newHouse(t, func(d *api.Deps) { d.City = c })
	a := h.get("/api/v1/city").want(200)
	if a.at("name") != "Hamlet" || a.at("time_zone") != "Asia/Tehran" || a.at("utc_offset_s") != 12600.0 || a.at("basemap") != true || a.at("bbox", 0) != 20.0 || a.at("names", "fa") != "دهکده" || a.at("names", "zh") != nil {
		t.Errorf("got %s", a.body)
	}
	if now, _ := a.at("now").(string); !strings.HasSuffix(now, "+03:30") {
		t.Errorf("got now %s, want the offset of the city", now)
	}

	// A tile as it lies in the file, and unpacked for one who cannot.
	lowest, _ := c.TileZooms()
	path := fmt.Sprintf("/tiles/%d/0/0.pbf", lowest)
	packed := h.get(path, "Accept-Encoding", "gzip").want(200)
	if packed.header.Get("Content-Encoding") != "gzip" || packed.header.Get("Content-Type") != "application/vnd.mapbox-vector-tile" {
		t.Errorf("got %v", packed.header)
	}
	plain := h.get(path, "Accept-Encoding", "identity").want(200)
	z, err := gzip.NewReader(bytes.NewReader(packed.body))
	if err != nil {
		t.Fatal(err)
	}
	if unpacked, err := io.ReadAll(z); err != nil || !bytes.Equal(unpacked, plain.body) {
		t.Errorf("the packed tile is another than the plain one: %v", err)
	}
	h.get(path, "If-None-Match", packed.header.Get("ETag")).want(304)
	h.get("/tiles/14/0/0.pbf").want(204)
	// Strangers draw the public map on it, and do not learn how much operations do.
	for _, path := range []string{path, "/city/city.json", "/tiles/14/0/0.pbf"} {
		if w := h.askPublic("GET", path, nil); w.Code >= 300 || w.Header().Get("Rasad-Seq") != "" {
			t.Errorf("%s: a stranger got %d with sequence %q", path, w.Code, w.Header().Get("Rasad-Seq"))
		}
	}
	h.get("/tiles/20/0/0.pbf").want(204)

	whole := h.get("/city/basemap.pmtiles").want(200)
	part := h.get("/city/basemap.pmtiles", "Range", "bytes=0-6").want(206)
	if string(part.body) != "PMTiles" || !bytes.HasPrefix(whole.body, part.body) || part.header.Get("Content-Range") == "" {
		t.Errorf("got %q", part.body)
	}
	h.get("/city/basemap.pmtiles", "If-None-Match", whole.header.Get("ETag")).want(304)
	h.get("/city/basemap.pmtiles", "Range", "bytes=99999999-").want(416)
	if m := h.get("/city/city.json").want(200); m.at("name") != "Hamlet" {
		t.Errorf("got %s", m.body)
	}
	if s := h.get("/city/sites.geojson").want(200); !strings.Contains(string(s.body), "fire_station") {
		t.Errorf("got %s", s.body)
	}
	h.get("/city/places.json").want(200)
	h.get("/city/mask.geojson").want(200)
	h.get("/city/roads.bin").want(200)
	h.get("/city/report.txt").want(404)
}
