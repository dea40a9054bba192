package city

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"
)

// Demo is the crop that `make run` shows.
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

func TestDemoCity(t *testing.T) {
	dir := t.TempDir()
	rep, err := Build(t.Context(), Options{In: testdata(t, "delaware-latest.osm.pbf"), Out: dir, BBox: &demoBBox})
	t.Log(rep.Took)
	t.Log(rep.Text())
	if err != nil {
		t.Fatal(err)
	}
}
