package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// wilmington builds the middle of the demo city, with the bridges over the Christina.
func wilmington(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "mod", "download", "-json", "github.com/paulmach/osm@v0.8.0").Output()
	if err != nil {
		t.Fatalf("find the module with the extract: %v", err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "city")
	// In a process without the race detector, which finds nothing in one goroutine and takes many times as long.
	build := exec.Command("go", "run", "-trimpath", ".", "city", "build", filepath.Join(module.Dir, "testdata", "delaware-latest.osm.pbf"), "--bbox=-75.60,39.70,-75.50,39.78",
		"--name", "Wilmington", "--time-zone", "America/New_York", "--out", dir)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if log, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the city: %v\n%s", err, log)
	}
	return dir
}

// TestByRoad is the whole program on real streets.
func TestByRoad(t *testing.T) {
	t.Parallel()
	city := wilmington(t)
	for name, test := range map[string]func(*testing.T, string){
		"a bridge is closed":         testABridgeIsClosed,
		"the cover is in the record": testTheCoverIsInTheRecord,
		"an old city":                testAnOldCity,
		"the simulation":             testTheSimulationKeepsToTheRoads,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they wait more than they work
			test(t, city)
		})
	}
}

func (r *running) unit(key string, lon, lat float64, kind, capability string) {
	r.t.Helper()
	r.call("PUT", "/api/v1/units/"+key, fmt.Sprintf(`{"type":"Feature","geometry":{"type":"Point","coordinates":[%f,%f]},"properties":{"name":%q,"type":%q,"capabilities":[%q],"status":"available"}}`,
		lon, lat, key, kind, capability), http.StatusCreated)
}

// number walks into an answer: number(m, "units", 0, "eta_s").
func number(v any, path ...any) float64 {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return -1
			}
			v = l[p]
		}
	}
	n, ok := v.(float64)
	if !ok {
		return -1
	}
	return n
}

// over lies across the bridges of Market and Walnut Street.
const over = `{"type":"Feature","geometry":{"type":"LineString","coordinates":[[-75.5535,39.7362],[-75.5465,39.7372]]},"properties":{"type":"road_closed"%s}}`

func testABridgeIsClosed(t *testing.T, city string) {
	s := serving(t, t.TempDir(), "--city", city)
	s.unit("E1", -75.5497, 39.7330, "engine", "engine") // just south of the river
	s.unit("E2", -75.5600, 39.7500, "engine", "engine") // in the city, farther
	s.call("PUT", "/api/v1/incidents/I1", `{"geometry":{"type":"Point","coordinates":[-75.5510,39.7385]},"properties":{"type":"structure_fire"}}`, http.StatusCreated)
	const nearest, way, cover = "/api/v1/units/nearest?lon=-75.5510&lat=39.7385&capability=engine&dispatchable=true", "/api/v1/route?unit=E1&incident=I1&lang=en", "/api/v1/coverage?capability=engine&seconds=480"
	list := func() (ids []string) {
		for _, u := range s.call("GET", nearest, "", http.StatusOK)["units"].([]any) {
			ids = append(ids, u.(map[string]any)["id"].(string))
		}
		return ids
	}
	if got := list(); !slices.Equal(got, []string{"E1", "E2"}) {
		t.Fatalf("got %v: the engine over the bridge is nearer", got)
	}
	free, covered := s.call("GET", way, "", http.StatusOK), number(s.call("GET", cover, "", http.StatusOK), "covered_share")
	if names := fmt.Sprint(free["properties"]); !strings.Contains(names, "Walnut Street") && !strings.Contains(names, "Market Street") {
		t.Errorf("the way does not go over a bridge: %v", names)
	}
	if covered <= 0 {
		t.Fatalf("two engines cover %v", covered)
	}

	began := time.Now()
	rev := number(s.call("PUT", "/api/v1/hazards/H1", fmt.Sprintf(over, ""), http.StatusCreated), "properties", "rev")
	near := s.call("GET", nearest, "", http.StatusOK)
	t.Logf("closed and ranked again in %v", time.Since(began).Round(time.Millisecond))
	if got := list(); !slices.Equal(got, []string{"E2", "E1"}) {
		t.Errorf("over a closed bridge: got %v", got)
	}
	round, less := s.call("GET", way, "", http.StatusOK), s.call("GET", cover, "", http.StatusOK)
	for what, a := range map[string]float64{"nearest": number(near, "seq"), "route": number(round, "properties", "seq"), "coverage": number(less, "seq")} {
		if a < rev {
			t.Errorf("%s speaks of %v, the bridge was closed in %v", what, a, rev)
		}
	}
	if number(round, "properties", "duration_s") < number(free, "properties", "duration_s")+60 || !strings.Contains(fmt.Sprint(round["properties"]), "closed_roads_avoided") {
		t.Errorf("the way round: %v, free %v", round["properties"], free["properties"])
	}
	if got := number(less, "covered_share"); got >= covered {
		t.Errorf("the bridge is closed and %v is covered, before %v", got, covered)
	}

	s.call("DELETE", "/api/v1/hazards/H1", "", http.StatusNoContent)
	if got := list(); !slices.Equal(got, []string{"E1", "E2"}) {
		t.Errorf("opened again: got %v", got)
	}
	if got := number(s.call("GET", way, "", http.StatusOK), "properties", "duration_s"); got != number(free, "properties", "duration_s") {
		t.Errorf("opened again it takes %v s", got)
	}
	if got := number(s.call("GET", cover, "", http.StatusOK), "covered_share"); got != covered {
		t.Errorf("opened again %v is covered, before %v", got, covered)
	}

	// One that ends by itself: nobody touches it.
	until := time.Now().Add(2 * time.Second).UTC()
	s.call("PUT", "/api/v1/hazards/H2", fmt.Sprintf(over, `,"valid_to":"`+until.Format(time.RFC3339Nano)+`"`), http.StatusCreated)
	if got := list(); !slices.Equal(got, []string{"E2", "E1"}) {
		t.Errorf("closed for two seconds: got %v", got)
	}
	time.Sleep(time.Until(until) + 300*time.Millisecond)
	if got := list(); !slices.Equal(got, []string{"E1", "E2"}) {
		t.Errorf("after its end: got %v", got)
	}
	if f := s.call("GET", "/api/v1/hazards/H2", "", http.StatusOK); f["properties"].(map[string]any)["active"] != false {
		t.Errorf("after its end: %v", f)
	}
	// A status that keeps the engine from being sent takes it from list and cover at once.
	s.call("POST", "/api/v1/units/E1/status", `{"status":"out_of_service"}`, http.StatusOK)
	if got := list(); !slices.Equal(got, []string{"E2"}) {
		t.Errorf("out of service: got %v", got)
	}
	if got := s.call("GET", cover, "", http.StatusOK); number(got, "units") != 1 {
		t.Errorf("out of service: got %v", got["units"])
	}
	// So does a fix that comes by radio: it is where it says.
	s.call("GET", "/feeds/osmand?id=E2&lat=39.7336&lon=-75.5485&speed=0", "", http.StatusOK)
	if got := number(s.call("GET", nearest, "", http.StatusOK), "units", 0, "distance_m"); got < 500 || got > 1500 {
		t.Errorf("the engine that drove south is %v m away", got)
	}
}

// keyframe is the first frame of a stream.
func (r *running) keyframe(query string) map[string]any {
	r.t.Helper()
	d := websocket.Dialer{Subprotocols: []string{"rasad.json.v1"}}
	c, _, err := d.Dial("ws"+strings.TrimPrefix(r.base, "http")+"/api/v1/stream?"+query, r.bearer())
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	var f map[string]any
	if err := c.ReadJSON(&f); err != nil || f["base"] != 0.0 {
		r.t.Fatalf("no keyframe: %v, %v", f, err)
	}
	return f
}

// cover is the share of the first standard as a frame has it, -1 when it has none.
func coverOf(frame map[string]any) float64 {
	put, _ := frame["put"].([]any)
	for _, f := range put {
		if m := f.(map[string]any); m["id"] == "coverage" {
			return number(m, "properties", "standards", 0, "share")
		}
	}
	return -1
}

func testTheCoverIsInTheRecord(t *testing.T, city string) {
	s := serving(t, t.TempDir(), "--city", city)
	s.unit("E1", -75.5497, 39.7330, "engine", "engine")
	wait := func(what string, ok func(share float64) bool) (float64, time.Time) {
		t.Helper()
		for end := time.Now().Add(25 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
			if share := coverOf(s.keyframe("")); ok(share) {
				return share, time.Now()
			}
		}
		t.Fatalf("%s was not noted: %s", what, s.log)
		return 0, time.Time{}
	}
	then, at := wait("an engine that came", func(share float64) bool { return share > 0 })
	s.call("POST", "/api/v1/units/E1/status", `{"status":"out_of_service"}`, http.StatusOK)
	wait("an engine that left", func(share float64) bool { return share == 0 })
	if got := coverOf(s.keyframe("at=" + at.UTC().Format("2006-01-02T15:04:05.000Z"))); got != then {
		t.Errorf("in replay the share of that moment is %v, it was %v", got, then)
	}
	// The zone has nobody left, which the world says.
	if f := s.call("GET", "/api/v1/features?kind=void,coverage", "", http.StatusOK)["features"].([]any); len(f) < 2 {
		t.Errorf("got %v, want the coverage and a void", f)
	}
	s.call("PUT", "/api/v1/sites/coverage", `{"properties":{"type":"depot"}}`, http.StatusBadRequest)
}

// testAnOldCity serves cities that lack what this version needs: they are served,
// and every question about roads says what to do.
func testAnOldCity(t *testing.T, city string) {
	tests := map[string]struct {
		spoil func(t *testing.T, dir string)
		code  map[string]int // by path
	}{
		"without demand": {func(t *testing.T, dir string) {
			var m map[string]any
			b, err := os.ReadFile(filepath.Join(dir, "city.json"))
			if err == nil {
				err = json.Unmarshal(b, &m)
			}
			if err != nil {
				t.Fatal(err)
			}
			delete(m["files"].(map[string]any), "demand.bin")
			if b, err = json.Marshal(m); err == nil {
				err = os.WriteFile(filepath.Join(dir, "city.json"), b, 0o600)
			}
			if err == nil {
				err = os.Remove(filepath.Join(dir, "demand.bin"))
			}
			if err != nil {
				t.Fatal(err)
			}
		}, map[string]int{"/api/v1/route?from=-75.55,39.74&to=-75.56,39.74": 200, "/api/v1/coverage": 409, "/api/v1/units/nearest?lon=-75.55&lat=39.74&by=road": 200}},
		"with roads of another format": {func(t *testing.T, dir string) {
			b, err := os.ReadFile(filepath.Join(dir, "roads.bin"))
			if err != nil {
				t.Fatal(err)
			}
			b[4] ^= 0x7f // within the head of the file
			if err := os.WriteFile(filepath.Join(dir, "roads.bin"), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}, map[string]int{"/api/v1/route?from=-75.55,39.74&to=-75.56,39.74": 409, "/api/v1/coverage": 409, "/api/v1/units/nearest?lon=-75.55&lat=39.74&by=road": 409, "/api/v1/units/nearest?lon=-75.55&lat=39.74": 200}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "city")
			if err := os.CopyFS(dir, os.DirFS(city)); err != nil {
				t.Fatal(err)
			}
			tt.spoil(t, dir)
			s := serving(t, t.TempDir(), "--city", dir)
			for path, want := range tt.code {
				a := s.call("GET", path, "", want)
				if want == 409 && a["type"] != "urn:rasad:problem:build-city-again" {
					t.Errorf("%s: got %v", path, a)
				}
			}
			if !strings.Contains(s.log.String(), "build the city again") {
				t.Errorf("the log does not say what to do: %s", s.log)
			}
		})
	}
}

// testTheSimulationKeepsToTheRoads: crews of a demo drive on roads and respect what is closed.
func testTheSimulationKeepsToTheRoads(t *testing.T, city string) {
	s := serving(t, t.TempDir(), "--city", city, "--demo")
	moving := map[string]bool{}
	for end := time.Now().Add(60 * time.Second); len(moving) < 20 && time.Now().Before(end); time.Sleep(time.Second) {
		for _, f := range s.call("GET", "/api/v1/units?limit=1000", "", http.StatusOK)["features"].([]any) {
			if number(f, "properties", "fix", "speed_mps") > 3 {
				moving[f.(map[string]any)["id"].(string)] = true
			}
		}
	}
	if len(moving) < 20 {
		t.Fatalf("%d crews drove: %s", len(moving), s.log)
	}
	off, all := 0, 0
	for _, f := range s.call("GET", "/api/v1/units?limit=1000", "", http.StatusOK)["features"].([]any) {
		u := f.(map[string]any)
		kind := u["properties"].(map[string]any)["type"].(string)
		if kind == "helicopter" || kind == "boat" {
			continue
		}
		all++
		lon, lat := number(u, "geometry", "coordinates", 0), number(u, "geometry", "coordinates", 1)
		at := s.call("GET", fmt.Sprintf("/api/v1/route?from=%.7f,%.7f&to=%.7f,%.7f&type=police", lon, lat, lon, lat), "", http.StatusOK)
		if number(at, "properties", "duration_s") > 10 { // at 3 m/s to the road and back: 15 m
			off++
		}
	}
	if all < 150 || off > all/20 {
		t.Errorf("%d of %d crews are off the roads", off, all)
	}
}
