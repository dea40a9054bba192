package city

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paulmach/orb"
	"github.com/paulmach/orb/encoding/mvt"
	"github.com/paulmach/orb/maptile"

	"rasad/geo"
	"rasad/geo/roads"
)

// town writes an OpenStreetMap file by hand: a town of 0.1 by 0.1 degrees at 51 E, 35 N.
type town struct {
	elements  []string
	nodes     map[orb.Point]int
	ways      int
	relations int
}

func (tw *town) node(p orb.Point, tags ...string) int {
	if tw.nodes == nil {
		tw.nodes = map[orb.Point]int{}
	}
	if id, ok := tw.nodes[p]; ok && len(tags) == 0 {
		return id
	}
	id := len(tw.nodes) + 1
	tw.nodes[p] = id
	tw.elements = append(tw.elements, fmt.Sprintf(`<node id="%d" lon="%.7f" lat="%.7f">%s</node>`, id, p[0], p[1], xmlTags(tags)))
	return id
}

func (tw *town) way(line orb.LineString, tags ...string) int {
	var refs strings.Builder
	for _, p := range line {
		fmt.Fprintf(&refs, `<nd ref="%d"/>`, tw.node(p))
	}
	tw.ways++
	tw.elements = append(tw.elements, fmt.Sprintf(`<way id="%d">%s%s</way>`, tw.ways, refs.String(), xmlTags(tags)))
	return tw.ways
}

func xmlTags(pairs []string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&b, `<tag k="%s" v="%s"/>`, pairs[i], pairs[i+1])
	}
	return b.String()
}

func (tw *town) file(t testing.TB) string {
	return writeText(t, "town.osm", "<?xml version=\"1.0\"?><osm version=\"0.6\">"+strings.Join(tw.elements, "\n")+"</osm>")
}

// newTown has a grid of streets, a house in each block, a hospital, a bus shelter, a fire station and a school.
func newTown() *town {
	tw := &town{}
	for i := range 11 {
		var ew, ns orb.LineString
		for k := range 11 {
			ew = append(ew, orb.Point{51 + 0.01*float64(k), 35 + 0.01*float64(i)})
			ns = append(ns, orb.Point{51 + 0.01*float64(i), 35 + 0.01*float64(k)})
		}
		tw.way(ew, "highway", "residential", "name", fmt.Sprintf("Street %d", i))
		tw.way(ns, "highway", "primary", "name", fmt.Sprintf("Avenue %d", i), "name:fa", "خیابان", "oneway", []string{"no", "yes", "-1"}[i%3])
	}
	for i := range 10 {
		for k := range 10 {
			tw.way(square(51.004+0.01*float64(i), 35.004+0.01*float64(k), 0.002), "building", "yes", "building:levels", "3")
		}
	}
	tw.way(square(51.041, 35.041, 0.002), "amenity", "hospital", "name", "Imam", "building", "yes")
	tw.node(orb.Point{51.0425, 35.0425}, "amenity", "hospital", "name", "Imam")
	tw.node(orb.Point{51.051, 35.051}, "amenity", "fire_station", "name", "Station 1")
	tw.node(orb.Point{51.052, 35.052}, "amenity", "shelter", "shelter_type", "public_transport", "name", "Stop")
	tw.node(orb.Point{51.053, 35.053}, "amenity", "school", "name", "Alborz")
	tw.node(orb.Point{51.05, 35.0501}, "place", "town", "name", "Town", "population", "50000", "name:en", "Town")
	tw.way(square(51.06, 35.06, 0.008), "leisure", "park", "name", "Laleh")
	return tw
}

func TestBuildTown(t *testing.T) {
	dir := t.TempDir()
	overlay := writeText(t, "o.csv", "id,lon,lat,kind,type,name,name_fa,name_zh,capacity,status\n"+
		"H1,51.02,35.02,shelter,hall,Hall,سالن,大厅,800,open\n"+
		"osm-w2,,,,,,خیابان صفر,,,\n"+
		",,,name,,Town,شهر,城,,\n"+
		"osm-n99999,,,,,Nothing,,,,\n"+
		",51.03,35.03,suburb,,Quarter,محله,,,\n")
	rep, err := Build(t.Context(), Options{In: newTown().file(t), Out: dir, TimeZone: "Asia/Tehran", Overlays: []Overlay{{Path: overlay}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.Warnings) != 1 || !strings.Contains(rep.Warnings[0], "osm-n99999") {
		t.Errorf("warnings: got %q, want one of the row that amends nothing", rep.Warnings)
	}
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Verify(); err != nil {
		t.Error(err)
	}
	m := c.Manifest()
	if m.Name != "Town" || m.NameFA != "شهر" || m.TimeZone != "Asia/Tehran" || m.Credit != Attribution || len(m.Overlays) != 1 ||
		m.Source.File != "town.osm" || len(m.Source.SHA256) != 64 || math.Abs(m.Centre[0]-51.05) > 1e-6 {
		t.Errorf("manifest: got %+v", m)
	}

	var sites struct {
		Features []struct {
			ID         string
			Properties map[string]any
		}
	}
	b, err := os.ReadFile(c.SitesPath())
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &sites); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range sites.Features {
		got[f.ID] = fmt.Sprint(f.Properties["kind"], " ", f.Properties["type"], " ", f.Properties["status"])
	}
	if want := 5; len(got) != want { // hospital once, station, school, its shelter, the hall
		t.Errorf("%d sites, want %d: %v", len(got), want, got)
	}
	if got["H1"] != "shelter hall open" {
		t.Errorf("the hall: got %q", got["H1"])
	}
	if strings.Contains(string(b), "Stop") {
		t.Error("a bus shelter is among the sites")
	}

	places, err := os.ReadFile(c.PlacesPath())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"name":"Avenue 0","name_fa":"خیابان صفر"`, `"name":"Street 3"`, `"kind":"suburb","name":"Quarter"`, `"kind":"park","name":"Laleh"`,
		`"kind":"town","name":"Town","name_fa":"شهر","name_zh":"城","name_en":"Town"`} {
		if !strings.Contains(string(places), want) {
			t.Errorf("places.json lacks %s", want)
		}
	}

	g, err := roads.Load(c.RoadsPath())
	if err != nil {
		t.Fatal(err)
	}
	legal := 0
	for e := range g.EdgeCount() {
		if g.Edge(roads.EdgeID(e)).Flags&roads.Against == 0 {
			legal++
		}
	}
	if g.NodeCount() != 121 || g.EdgeCount() != 2*220 || legal != 2*110+4*20+7*10 {
		t.Errorf("roads: %d nodes and %d edges, %d of them legal, want 121, %d and %d", g.NodeCount(), g.EdgeCount(), legal, 2*220, 2*110+4*20+7*10)
	}
	var from, to roads.NodeID
	for n, p := range g.Nodes() {
		switch p {
		case geo.LngLat{Lng: 510_100_000, Lat: 350_000_000}:
			from = n
		case geo.LngLat{Lng: 510_100_000, Lat: 350_100_000}:
			to = n
		}
	}
	direct := func(a, b roads.NodeID) bool {
		for e := range g.Out(a) {
			if e.To == b && e.Flags&roads.Against == 0 {
				return true
			}
		}
		return false
	}
	if !direct(from, to) || direct(to, from) {
		t.Error("Avenue 1 is one-way to the north, and is not driven so")
	}
	router, err := roads.NewRouter(g, []roads.Profile{car()})
	if err != nil {
		t.Fatal(err)
	}
	stop := func(lng, lat float64) roads.Stop {
		at, err := geo.At(lng, lat)
		if err != nil {
			t.Fatal(err)
		}
		s, err := router.Stop(0, at, math.NaN())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if path, ok := router.Path(0, stop(51.01, 35.006), stop(51.01, 35.004)); !ok || len(path.Edges) < 4 || path.Metres < 3000 {
		t.Errorf("against a one-way street: %+v, want a way round the block", path)
	}

	if rep.Merged != 1 || rep.CoverageBasis != "the box" || rep.CoveredShare != 1 {
		t.Errorf("report: merged %d, covered %g by %s", rep.Merged, rep.CoveredShare, rep.CoverageBasis)
	}
	text, err := os.ReadFile(filepath.Join(dir, FileReport))
	if err != nil || !strings.Contains(string(text), "amenity=shelter is a roof against rain") || !strings.Contains(string(text), "passed") {
		t.Errorf("report.txt: %v\n%s", err, text)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".build-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// car drives as fast as traffic does, by the signs.
func car() roads.Profile {
	p := roads.Profile{Name: "car", Limit: 1, Private: true, Approach: 3, Gate: 15,
		Turn: [roads.TurnClassCount]float64{roads.Slight: 1, roads.Left: 5, roads.Right: 3, roads.SharpLeft: 8, roads.SharpRight: 5, roads.UTurn: 20}}
	for c := range p.Max {
		p.Max[c] = 40
	}
	return p
}

// decodeTile gives the layers of a tile.
func decodeTile(t testing.TB, c *City, z uint8, x, y uint32) map[string]*mvt.Layer {
	t.Helper()
	body, ok, err := c.Tile(z, x, y)
	if err != nil || !ok {
		t.Fatalf("tile %d/%d/%d: %v, %v", z, x, y, ok, err)
	}
	layers, err := mvt.UnmarshalGzipped(body)
	if err != nil {
		t.Fatalf("tile %d/%d/%d: %v", z, x, y, err)
	}
	out := map[string]*mvt.Layer{}
	for _, l := range layers {
		out[l.Name] = l
	}
	return out
}

func TestTiles(t *testing.T) {
	dir := t.TempDir()
	if _, err := Build(t.Context(), Options{In: newTown().file(t), Out: dir}); err != nil {
		t.Fatal(err)
	}
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	at := func(z maptile.Zoom) map[string]*mvt.Layer {
		k := maptile.At(orb.Point{51.045, 35.045}, z)
		return decodeTile(t, c, uint8(z), k.X, k.Y)
	}
	has := func(z maptile.Zoom, layer, key string) bool {
		l := at(z)[layer]
		if l == nil {
			return false
		}
		for _, f := range l.Features {
			if _, ok := f.Properties[key]; ok {
				return true
			}
		}
		return false
	}
	for _, tt := range []struct {
		zoom       maptile.Zoom
		layer, key string
		want       bool
	}{
		{0, "mask", "", true}, {7, "road", "kind", false}, {8, "road", "kind", true}, {11, "road", "name", false}, {12, "road", "name", true},
		{12, "road", "name_fa", true}, {12, "road", "oneway", false}, {13, "road", "oneway", true}, {9, "poi", "id", false}, {10, "poi", "id", true},
		{14, "building", "levels", true}, {13, "building", "levels", false}, {7, "place", "name", true}, {6, "place", "name", false},
	} {
		if tt.key == "" {
			if (at(tt.zoom)[tt.layer] != nil) != tt.want {
				t.Errorf("zoom %d: layer %s: got %v", tt.zoom, tt.layer, !tt.want)
			}
			continue
		}
		if got := has(tt.zoom, tt.layer, tt.key); got != tt.want {
			t.Errorf("zoom %d: %s.%s: got %v, want %v", tt.zoom, tt.layer, tt.key, got, tt.want)
		}
	}

	// Points lie where they are; rings are closed and wound as the specification wants; what is
	// drawn stays within the buffer.
	for z := range maptile.Zoom(tileZoomMax + 1) {
		lo, hi := maptile.At(orb.Point{51, 35.1}, z), maptile.At(orb.Point{51.1, 35}, z)
		for x := lo.X; x <= hi.X; x++ {
			for y := lo.Y; y <= hi.Y; y++ {
				for name, l := range decodeTile(t, c, uint8(z), x, y) {
					for _, f := range l.Features {
						b := f.Geometry.Bound()
						if b.Min[0] < -tileBuffer || b.Min[1] < -tileBuffer || b.Max[0] > tileExtent+tileBuffer || b.Max[1] > tileExtent+tileBuffer {
							t.Fatalf("%d/%d/%d %s: reaches over the buffer: %v", z, x, y, name, b)
						}
						for _, p := range multi(f.Geometry) {
							for i, r := range p {
								if a := twiceArea(r); a == 0 || (a > 0) != (i == 0) || r[0] != r[len(r)-1] {
									t.Fatalf("%d/%d/%d %s: ring %d has area %g: %v", z, x, y, name, i, a, r)
								}
							}
						}
					}
				}
			}
		}
	}
	k := maptile.At(orb.Point{51.051, 35.051}, 14)
	poi := decodeTile(t, c, 14, k.X, k.Y)["poi"]
	found := false
	for _, f := range poi.Features {
		if f.Properties["kind"] == "fire_station" {
			found = true
			b := k.Bound()
			want := orb.Point{(51.051 - b.Min[0]) / (b.Max[0] - b.Min[0]) * tileExtent, (b.Max[1] - 35.051) / (b.Max[1] - b.Min[1]) * tileExtent}
			if p := f.Geometry.(orb.Point); math.Hypot(p[0]-want[0], p[1]-want[1]) > 2 {
				t.Errorf("the fire station is drawn at %v, want %v", p, want)
			}
		}
	}
	if !found {
		t.Error("the fire station is not on the map")
	}
	if _, ok, err := c.Tile(14, 0, 0); ok || err != nil {
		t.Errorf("a tile far away: got %v, %v", ok, err)
	}
	meta, err := c.TileMetadata()
	if err != nil || meta["attribution"] != Attribution || len(meta["vector_layers"].([]any)) != int(layerCount) {
		t.Errorf("metadata: %v, %v", meta, err)
	}
	if lowest, highest := c.TileZooms(); lowest != 0 || highest != 14 {
		t.Errorf("zooms: got %d to %d", lowest, highest)
	}
}

func TestGates(t *testing.T) {
	sea := newTown()
	sea.way(orb.LineString{{50.9, 35.05}, {51.2, 35.05}}, "natural", "coastline") // the south of the town is in the sea
	small := &town{}
	small.way(orb.LineString{{51, 35}, {51.01, 35}}, "highway", "footway")
	empty := &town{}
	tests := map[string]struct {
		town *town
		o    Options
		gate string
		says string
	}{
		"a coast that runs the wrong way round": {sea, Options{BBox: &[4]float64{51, 35, 51.1, 35.1}}, "sea", "of 101 buildings"},
		"no roads":                              {small, Options{}, "roads", "0 road nodes"},
		"an empty extract":                      {empty, Options{}, "extract", "0 nodes"},
		"a box elsewhere":                       {newTown(), Options{BBox: &[4]float64{2, 48, 3, 49}}, "data", "the data lie in 51.0000"},
		"a box turned round":                    {newTown(), Options{BBox: &[4]float64{51.1, 35, 51, 35.1}}, "box", "W < E"},
		"a box beyond the pole":                 {newTown(), Options{BBox: &[4]float64{51, 35, 51.1, 95}}, "box", "W < E"},
		"a box that is no number":               {newTown(), Options{BBox: &[4]float64{math.NaN(), 35, 51.1, 36}}, "box", "W < E"},
		"half of the world":                     {newTown(), Options{BBox: &[4]float64{0, 0, 180, 85}}, "size", "tiles at zoom 14"},
		"a basemap too big":                     {newTown(), Options{BytesMax: 1000}, "output", "at most 1000"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.o.In, tt.o.Out = tt.town.file(t), filepath.Join(t.TempDir(), "city")
			rep, err := Build(t.Context(), tt.o)
			if !errors.Is(err, ErrGate) || !strings.Contains(err.Error(), fmt.Sprintf("%q", tt.gate)) || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("got %v, want gate %q to say %q", err, tt.gate, tt.says)
			}
			if last := rep.Gates[len(rep.Gates)-1]; last.Passed || last.Name != tt.gate {
				t.Errorf("the report ends with %+v", last)
			}
			if !strings.Contains(rep.Text(), "REFUSED") {
				t.Error("the report does not say REFUSED")
			}
			if files, _ := filepath.Glob(filepath.Join(tt.o.Out, "*")); len(files) > 0 {
				t.Errorf("a refused city left %v", files)
			}
		})
	}
}

func TestBuildRefusesInput(t *testing.T) {
	out := t.TempDir()
	for name, o := range map[string]Options{
		"no such file":       {In: filepath.Join(t.TempDir(), "none.osm.pbf")},
		"another format":     {In: writeText(t, "a.shp", "x")},
		"no PBF":             {In: writeText(t, "a.osm.pbf", "hello")},
		"no bzip2":           {In: writeText(t, "a.osm.bz2", "hello")},
		"no gzip":            {In: writeText(t, "a.osm.gz", "hello")},
		"cut-off XML":        {In: writeText(t, "a.osm", `<osm><node id="1" lon="1" lat="1"/><way id="1"><nd ref`)},
		"no such time zone":  {In: newTown().file(t), TimeZone: "Mars/Olympus"},
		"no such overlay":    {In: newTown().file(t), Overlays: []Overlay{{Path: "none.csv"}}},
		"an out that is one": {In: newTown().file(t), Out: writeText(t, "file", "")},
	} {
		if o.Out == "" {
			o.Out = out
		}
		if rep, err := Build(t.Context(), o); err == nil || rep == nil {
			t.Errorf("%s: got no error", name)
		}
	}
	if files, _ := filepath.Glob(filepath.Join(out, "*")); len(files) > 0 {
		t.Errorf("left behind: %v", files)
	}
}

func TestBuildStopsWhenAsked(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	out := filepath.Join(t.TempDir(), "city")
	if _, err := Build(ctx, Options{In: newTown().file(t), Out: out}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if files, _ := filepath.Glob(filepath.Join(out, "*")); len(files) > 0 {
		t.Errorf("left behind: %v", files)
	}
}

// The same input gives the same bytes, whatever the order of its elements; only built_at and the
// checksum of the source may differ.
func TestSameInputSameBytes(t *testing.T) {
	tw := newTown()
	first := t.TempDir()
	if _, err := Build(t.Context(), Options{In: tw.file(t), Out: first}); err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 0))
		r.Shuffle(len(tw.elements), func(i, j int) { tw.elements[i], tw.elements[j] = tw.elements[j], tw.elements[i] })
		again := t.TempDir()
		if _, err := Build(t.Context(), Options{In: tw.file(t), Out: again}); err != nil {
			t.Fatal(err)
		}
		sameFiles(t, first, again)
	}
}

func sameFiles(t *testing.T, a, b string) {
	t.Helper()
	for _, name := range []string{FileBasemap, FileSites, FilePlaces, FileRoads, FileMask, FileReport, FileReportJSON} {
		x, errX := os.ReadFile(filepath.Join(a, name))
		y, errY := os.ReadFile(filepath.Join(b, name))
		if errX != nil || errY != nil || !bytes.Equal(x, y) {
			t.Errorf("%s differs between two builds (%d and %d bytes; %v, %v)", name, len(x), len(y), errX, errY)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	good := t.TempDir()
	if _, err := Build(t.Context(), Options{In: newTown().file(t), Out: good}); err != nil {
		t.Fatal(err)
	}
	copyCity := func(change func(dir string)) string {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(good)); err != nil {
			t.Fatal(err)
		}
		change(dir)
		return dir
	}
	edit := func(name string, f func([]byte) []byte) func(string) {
		return func(dir string) {
			path := filepath.Join(dir, name)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, f(b), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, tt := range map[string]struct {
		change func(string)
		want   string
	}{
		"no manifest":              {func(dir string) { os.Remove(filepath.Join(dir, FileManifest)) }, FileManifest},
		"a manifest of no JSON":    {edit(FileManifest, func(b []byte) []byte { return b[:len(b)/2] }), FileManifest},
		"a newer format":           {edit(FileManifest, func(b []byte) []byte { return bytes.Replace(b, []byte(`"format": 1`), []byte(`"format": 9`), 1) }), "format 9"},
		"a file of another build":  {edit(FileSites, func(b []byte) []byte { return append(b, ' ') }), "cut off"},
		"a file that is gone":      {func(dir string) { os.Remove(filepath.Join(dir, FileRoads)) }, FileRoads},
		"a basemap that is not so": {edit(FileBasemap, func(b []byte) []byte { return bytes.Repeat([]byte{0}, len(b)) }), "PMTiles"},
	} {
		if c, err := Open(copyCity(tt.change)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, %v, want an error with %q", name, c, err, tt.want)
		}
	}
	c, err := Open(copyCity(edit(FilePlaces, func(b []byte) []byte { b[len(b)/2] ^= 1; return b })))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Verify(); err == nil || !strings.Contains(err.Error(), FilePlaces) {
		t.Errorf("a flipped bit: Verify says %v, want it to name %s", err, FilePlaces)
	}
}

// A refused build leaves the city that was there.
func TestRefusedBuildLeavesTheOldCity(t *testing.T) {
	dir := t.TempDir()
	if _, err := Build(t.Context(), Options{In: newTown().file(t), Out: dir}); err != nil {
		t.Fatal(err)
	}
	if _, err := Build(t.Context(), Options{In: newTown().file(t), Out: dir, BytesMax: 1}); !errors.Is(err, ErrGate) {
		t.Fatalf("got %v, want a refusal", err)
	}
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Verify(); err != nil {
		t.Error(err)
	}
}

// What an overlay says is covered is covered, and the rest lies in the mask.
func TestCoverageByOverlay(t *testing.T) {
	dir := t.TempDir()
	overlay := writeText(t, "c.geojson", `{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"kind":"coverage"},
		"geometry":{"type":"Polygon","coordinates":[[[51,35],[51.05,35],[51.05,35.1],[51,35.1],[51,35]]]}}]}`)
	rep, err := Build(t.Context(), Options{In: newTown().file(t), Out: dir, Overlays: []Overlay{{Path: overlay}}})
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(rep.CoveredShare-0.5) > 0.001 {
		t.Errorf("covered share: got %g, want 0.5", rep.CoveredShare)
	}
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	masked := func(p orb.Point) bool {
		k := maptile.At(p, 14)
		l := decodeTile(t, c, 14, k.X, k.Y)["mask"]
		if l == nil {
			return false
		}
		b := k.Bound()
		at := orb.Point{(p[0] - b.Min[0]) / (b.Max[0] - b.Min[0]) * tileExtent, (b.Max[1] - p[1]) / (b.Max[1] - b.Min[1]) * tileExtent}
		return contains(multi(l.Features[0].Geometry), at)
	}
	if masked(orb.Point{51.02, 35.05}) || !masked(orb.Point{51.08, 35.05}) {
		t.Errorf("masked in the west %v, in the east %v, want only the east", masked(orb.Point{51.02, 35.05}), masked(orb.Point{51.08, 35.05}))
	}
}

func TestJoinLines(t *testing.T) {
	a, b, c, d := orb.Point{0, 0}, orb.Point{1, 0}, orb.Point{2, 0}, orb.Point{3, 1}
	tests := map[string]struct {
		in   orb.MultiLineString
		turn bool
		want int
	}{
		"end to end":                    {orb.MultiLineString{{a, b}, {b, c}}, false, 1},
		"in any order":                  {orb.MultiLineString{{b, c}, {c, d}, {a, b}}, false, 1},
		"against each other, turned":    {orb.MultiLineString{{a, b}, {c, b}}, true, 1},
		"against each other, not so":    {orb.MultiLineString{{a, b}, {c, b}}, false, 2},
		"away from each other, turned":  {orb.MultiLineString{{b, a}, {b, c}}, true, 1},
		"three at a crossing stay":      {orb.MultiLineString{{a, b}, {b, c}, {b, d}}, true, 3},
		"a loop":                        {orb.MultiLineString{{a, b}, {b, c}, {c, a}}, false, 1},
		"apart":                         {orb.MultiLineString{{a, b}, {c, d}}, true, 2},
		"a loop of lines that disagree": {orb.MultiLineString{{a, b}, {c, b}, {c, a}}, true, 1},
	}
	for name, tt := range tests {
		length := func(m orb.MultiLineString) (sum float64) {
			for _, l := range m {
				for i := 1; i < len(l); i++ {
					sum += math.Hypot(l[i][0]-l[i-1][0], l[i][1]-l[i-1][1])
				}
			}
			return sum
		}
		want := length(tt.in)
		got := joinLines(tt.in, tt.turn)
		if len(got) != tt.want || math.Abs(length(got)-want) > 1e-9 {
			t.Errorf("%s: got %v, want %d lines of the same length", name, got, tt.want)
		}
	}
}
