//go:build soak

package city

import (
	"testing"

	"rasad/geo/roads"
)

// Whole extracts: minutes of work, so not for every run.
//
//	go test -tags soak -timeout 20m ./geo/city

// The same demo city twice is the same, byte for byte.
func TestDemoCityTwice(t *testing.T) {
	in, names := testdata(t, "delaware-latest.osm.pbf"), []Overlay{{Path: "demo/wilmington.csv"}}
	dirs := [2]string{t.TempDir(), t.TempDir()}
	for _, dir := range dirs {
		if _, err := Build(t.Context(), Options{In: in, Out: dir, BBox: &demoBBox, Overlays: names}); err != nil {
			t.Fatal(err)
		}
	}
	sameFiles(t, dirs[0], dirs[1])
}

func TestDelaware(t *testing.T) {
	dir := t.TempDir()
	rep, err := Build(t.Context(), Options{In: testdata(t, "delaware-latest.osm.pbf"), Out: dir, TimeZone: "America/New_York"})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v\n%s", rep.Took, rep.Text())
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Verify(); err != nil {
		t.Error(err)
	}
	g, err := roads.Load(c.RoadsPath())
	if err != nil {
		t.Fatal(err)
	}
	r := rep.Roads
	if g.NodeCount() < 70_000 || g.NodeCount() != r.Nodes || g.EdgeCount() != r.Edges || r.Km < 15_000 || r.LargestShare < 0.97 {
		t.Errorf("the graph: %d nodes, %d edges; the report: %+v", g.NodeCount(), g.EdgeCount(), r)
	}
	if r.Turns.Found < 500 || r.Turns.Used < 480 || r.Turns.ViaWays < 8 || r.Ferries != 5 || r.Gates < 100 {
		t.Errorf("turns, ferries and gates: %+v", r)
	}
	bans := 0
	for range g.Bans() {
		bans++
	}
	if bans < r.Turns.Used || bans > r.Turns.Bans {
		t.Errorf("%d bans in the graph; %d of %d restrictions made %d", bans, r.Turns.Used, r.Turns.Found, r.Turns.Bans)
	}
}

// Another country, another format: XML in bzip2, no sea, a border of its own.
func TestAndorra(t *testing.T) {
	dir := t.TempDir()
	rep, err := Build(t.Context(), Options{In: testdata(t, "andorra-latest.osm.bz2"), Out: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v\n%s", rep.Took, rep.Text())
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if m := c.Manifest(); m.Name != "Andorra la Vella" || m.Covered < 0.5 || m.Covered > 0.7 {
		t.Errorf("manifest: %+v", m)
	}
	if rep.Sea.Ways != 0 {
		t.Errorf("Andorra has a coast: %+v", rep.Sea)
	}
	r := rep.Roads
	if r.LargestShare < 0.95 || r.Turns.Found < 60 || r.Turns.Used < 55 || r.Speeds[speedTagged].Km < 100 || r.UnpavedKm < 5 {
		t.Errorf("roads: %+v", r)
	}
}
