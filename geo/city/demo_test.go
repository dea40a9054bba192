package city

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/paulmach/orb"
	"github.com/paulmach/orb/maptile"

	"rasad/geo"
	"rasad/geo/roads"
)

// demoBBox is the crop of Delaware that `make run` shows.
var demoBBox = [4]float64{-75.80, 39.58, -75.40, 39.85}

// testdata finds a file in the test data of paulmach/osm, which is a module of ours anyway.
func testdata(t testing.TB, name string) string {
	t.Helper()
	out, err := exec.Command("go", "mod", "download", "-json", "github.com/paulmach/osm@v0.8.0").Output()
	if err != nil {
		t.Fatalf("find the module with the extracts: %v", err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(module.Dir, "testdata", name)
}

// cpuSeconds is the processor time that this process has used.
func cpuSeconds(t *testing.T) float64 {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

func TestDemoCity(t *testing.T) {
	in, dir := testdata(t, "delaware-latest.osm.pbf"), t.TempDir()
	names := filepath.Join("demo", "wilmington.csv")
	start, cpu := time.Now(), cpuSeconds(t)
	rep, err := Build(t.Context(), Options{In: in, Out: dir, BBox: &demoBBox, Overlays: []Overlay{{Path: names}}})
	if err != nil {
		t.Fatal(err)
	}
	cpu = cpuSeconds(t) - cpu
	t.Logf("built in %v, %.1f s of processor: %v", time.Since(start).Round(time.Millisecond), cpu, rep.Took)
	// 30 s on two cores, judged by processor time: what else the machine does must not fail this.
	if cpu > 60 {
		t.Errorf("the demo city took %.1f s of processor, at most 60", cpu)
	}
	if len(rep.Warnings) > 0 {
		t.Errorf("warnings: %q", rep.Warnings)
	}
	r := rep.Roads
	if r.LargestShare < 0.95 || r.Gates < 20 || r.Turns.Used < 250 || r.Turns.ViaWays < 5 || r.Turns.Used*10 < r.Turns.Found*9 || r.AgainstKm == 0 ||
		r.BuiltUpKm < 0.5*r.Km || r.Speeds[speedTagged].Km < 200 || r.Junctions < 15_000 {
		t.Errorf("roads: %+v", r)
	}

	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m := c.Manifest()
	if m.Name != "Wilmington" || m.NameFA != "ویلمینگتون" || m.NameZH != "威尔明顿" || m.TimeZone != "America/New_York" {
		t.Errorf("manifest: %+v", m)
	}
	// The extract is Delaware's: across the border and the river it has only scraps.
	if m.Covered < 0.55 || m.Covered > 0.7 {
		t.Errorf("covered share is %g, want about 0.63: the box reaches into three other states", m.Covered)
	}
	if rep.Sea.Ways == 0 || rep.SeaSwallows > 0.001 {
		t.Errorf("sea: %+v, swallows %g", rep.Sea, rep.SeaSwallows)
	}

	at := func(lon, lat float64) (map[string]bool, orb.Point, func(string) bool) {
		k := maptile.At(orb.Point{lon, lat}, 14)
		layers := decodeTile(t, c, 14, k.X, k.Y)
		names := map[string]bool{}
		for _, f := range layers["road"].Features {
			if n, ok := f.Properties["name"].(string); ok {
				names[n] = true
			}
		}
		b := k.Bound()
		p := orb.Point{(lon - b.Min[0]) / (b.Max[0] - b.Min[0]) * tileExtent, (b.Max[1] - lat) / (b.Max[1] - b.Min[1]) * tileExtent}
		return names, p, func(layer string) bool {
			if layers[layer] == nil {
				return false
			}
			for _, f := range layers[layer].Features {
				if contains(multi(f.Geometry), p) {
					return true
				}
			}
			return false
		}
	}
	streets, _, in14 := at(-75.5466, 39.7459)
	if !streets["North Market Street"] || in14("sea") || in14("mask") {
		t.Errorf("downtown Wilmington: Market Street %v, in the sea %v, masked %v", streets["North Market Street"], in14("sea"), in14("mask"))
	}
	if _, _, in14 := at(-75.53, 39.69); !in14("sea") { // the Delaware off New Castle
		t.Error("the Delaware River is dry")
	}
	if _, _, in14 := at(-75.47, 39.72); !in14("mask") { // Penns Grove, New Jersey
		t.Error("New Jersey is not masked, though the extract has only scraps of it")
	}

	b, err := os.ReadFile(c.SitesPath())
	if err != nil {
		t.Fatal(err)
	}
	var sites struct {
		Features []struct {
			ID         string
			Geometry   struct{ Coordinates [2]float64 }
			Properties map[string]any
		}
	}
	if err := json.Unmarshal(b, &sites); err != nil {
		t.Fatal(err)
	}
	count, ids := map[string]int{}, map[string]bool{}
	for _, f := range sites.Features {
		count[f.Properties["kind"].(string)+" "+f.Properties["type"].(string)]++
		if !validID(f.ID) || ids[f.ID] {
			t.Errorf("site id %q is not URL-safe or stands twice", f.ID)
		}
		ids[f.ID] = true
		if p := f.Geometry.Coordinates; p[0] < demoBBox[0] || p[0] > demoBBox[2] || p[1] < demoBBox[1] || p[1] > demoBBox[3] {
			t.Errorf("site %s lies outside the map, at %v", f.ID, p)
		}
		if f.Properties["kind"] == "shelter" && (f.Properties["derived"] != true || f.Properties["status"] != "unconfirmed" || f.Properties["capacity"] != nil) {
			t.Errorf("shelter %s promises what nobody knows: %v", f.ID, f.Properties)
		}
	}
	for kind, least := range map[string]int{"site fire_station": 5, "site hospital": 5, "site police": 8, "site school": 30, "site hydrant": 10, "shelter school": 30} {
		if count[kind] < least {
			t.Errorf("%d of %q, want at least %d", count[kind], kind, least)
		}
	}

	g, err := roads.Load(c.RoadsPath())
	if err != nil {
		t.Fatal(err)
	}
	if share := float64(g.CoreCount()) / float64(g.NodeCount()); g.NodeCount() < 25_000 || share < 0.95 {
		t.Errorf("%d road nodes, %.1f %% of them connected, want 25,000 and 95 %%", g.NodeCount(), 100*share)
	}
	router, err := roads.NewRouter(g, []roads.Profile{car()})
	if err != nil {
		t.Fatal(err)
	}
	stop := func(at geo.LngLat) roads.Stop {
		s, err := router.Stop(0, at, math.NaN())
		if err != nil {
			t.Fatalf("no road at %v: %v", at, err)
		}
		return s
	}
	var core []geo.LngLat
	for n, p := range g.Nodes() {
		if g.Core(n) {
			core = append(core, p)
		}
	}
	rnd := rand.New(rand.NewPCG(1, 0))
	for range 30 {
		from, to := core[rnd.IntN(len(core))], core[rnd.IntN(len(core))]
		path, ok := router.Path(0, stop(from), stop(to))
		line := geo.Distance(from, to)
		if !ok || path.Metres < line*0.999 || path.Metres > 5*line+5000 || path.Cost.Seconds() < path.Metres/40 {
			t.Errorf("%v to %v, %.0f m by air: ok %v, %.0f m in %.0f s", from, to, line, ok, path.Metres, path.Cost.Seconds())
		}
	}
	// Downtown to Newark: some 20 km by Interstate 95, which a person drives in 20 to 30 minutes.
	path, ok := router.Path(0, stop(geo.LngLat{Lng: -755_466_000, Lat: 397_447_000}), stop(geo.LngLat{Lng: -757_497_000, Lat: 396_837_000}))
	if seconds := path.Cost.Seconds(); !ok || seconds < 15*60 || seconds > 35*60 {
		t.Errorf("Wilmington to Newark: %.0f m in %.0f s, %v", path.Metres, seconds, ok)
	}
	t.Logf("Wilmington to Newark: %.0f m in %.0f s", path.Metres, path.Cost.Seconds())
}

func BenchmarkBuildDemo(b *testing.B) {
	in, dir := testdata(b, "delaware-latest.osm.pbf"), b.TempDir()
	for b.Loop() {
		if _, err := Build(b.Context(), Options{In: in, Out: dir, BBox: &demoBBox}); err != nil {
			b.Fatal(err)
		}
	}
}
