package api_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"rasad/geo"
	"rasad/server/api"
)

func TestPagesAreStableUnderChange(t *testing.T) {
	h := newHouse(t)
	for i := range 25 {
		h.unit("U"+strconv.Itoa(i), float64(i)/10, 10, "").want(201)
	}
	seen := map[string]int{}
	path, pages := "/api/v1/units?limit=10", 0
	for path != "" {
		a := h.get(path).want(200)
		for _, f := range a.at("features").([]any) {
			seen[f.(map[string]any)["id"].(string)]++
		}
		// Between the pages some of both sides go and others come.
		h.do("DELETE", "/api/v1/units/U"+strconv.Itoa(pages), "").want(204)
		h.unit("N"+strconv.Itoa(pages), 1, 1, "").want(201)
		h.do("PATCH", "/api/v1/units/U24", `{"properties":{"name":"changed"}}`).want(200)
		path = ""
		if next, ok := a.at("next").(string); ok {
			path = "/api/v1/units?limit=10&cursor=" + next
		}
		if pages++; pages > 10 {
			t.Fatal("the pages do not end")
		}
	}
	for i := range 25 {
		if n := seen["U"+strconv.Itoa(i)]; n != 1 {
			t.Errorf("got U%d %d times, want once", i, n)
		}
	}
	a := h.get("/api/v1/units?limit=10").want(200)
	next := a.at("next").(string)
	h.get("/api/v1/incidents?limit=10&cursor=" + next).want(400)
	h.get("/api/v1/units?limit=10&bbox=0,0,1,1&cursor=" + next).want(400)
	h.get("/api/v1/units?cursor=" + next[:4]).want(400)
	h.get("/api/v1/units?cursor=%20%20").want(400)
}

func TestFeaturesByKindAndBox(t *testing.T) {
	h := newHouse(t)
	h.unit("E1", 10, 10, "").want(201)
	h.unit("E2", 179.9, 0, "").want(201)
	h.unit("E3", -179.9, 0, "").want(201)
	h.incident("I1", "").want(201)
	h.do("PUT", "/api/v1/shelters/S1", `{"properties":{"name":"no place"}}`).want(201)
	tests := map[string]struct {
		query string
		want  string
	}{
		"all of them":               {"", "E1 E2 E3 I1 S1"},
		"one kind":                  {"?kind=unit", "E1 E2 E3"},
		"two kinds":                 {"?kind=incident,shelter", "I1 S1"},
		"an empty parameter":        {"?kind=&bbox=", "E1 E2 E3 I1 S1"},
		"a box":                     {"?bbox=9,9,11,11", "E1"},
		"a box that is a point":     {"?bbox=10,10,10,10", "E1"},
		"over the antimeridian":     {"?bbox=179,-1,-179,1", "E2 E3"},
		"a box and a kind":          {"?bbox=-180,-90,180,90&kind=incident", "I1"},
		"a kind that is not on map": {"?kind=alarm", ""},
		"the world by name":         {"?world=live&kind=incident", "I1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, f := range h.get("/api/v1/features" + tt.query).want(200).at("features").([]any) {
				got = append(got, f.(map[string]any)["id"].(string))
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %v, want %s", got, tt.want)
			}
		})
	}
}

func TestNearest(t *testing.T) {
	h := newHouse(t)
	now := time.Now()
	h.unit("E1", -75.50, 39.70, `"type":"engine","agency":"fire","capabilities":["engine","als"]`).want(201)
	h.unit("E2", -75.51, 39.70, `"type":"engine","agency":"fire","capabilities":["engine"],"status":"out_of_service"`).want(201)
	h.unit("A1", -75.52, 39.70, `"type":"ambulance","agency":"ems","capabilities":["als","bls"]`).want(201)
	h.do("PUT", "/api/v1/units/P1", `{"properties":{"name":"no place"}}`).want(201)
	a := h.get("/api/v1/units/nearest?lon=-75.5&lat=39.7&k=2").want(200)
	if a.at("units", 0, "id") != "E1" || a.at("units", 1, "id") != "E2" || a.at("units", 2) != nil {
		t.Errorf("got %s, want E1 and E2", a.body)
	}
	if a.at("units", 0, "distance_m") != 0.0 || a.at("units", 0, "by") != "line" || a.at("units", 0, "reasons", 0) != "nearest" {
		t.Errorf("got %s", a.body)
	}
	if d := a.at("units", 1, "distance_m").(float64); d < 850 || d > 860 {
		t.Errorf("got %v metres to E2, want about 855", d)
	}
	if eta, ok := a.at("units", 1, "eta_s").(float64); !ok || eta <= 0 {
		t.Errorf("got eta %v, want a straight line at the speed of an engine", a.at("units", 1, "eta_s"))
	}
	if age := a.at("units", 0, "fix_age_s").(float64); age < 0 || age > time.Since(now).Seconds()+1 {
		t.Errorf("got a fix %v s old", age)
	}
	if a.seq() != uint64(a.at("seq").(float64)) || a.seq() != h.world.View().Seq() {
		t.Errorf("got seq %v and Rasad-Seq %d, want %d", a.at("seq"), a.seq(), h.world.View().Seq())
	}
	for query, want := range map[string]string{
		"&dispatchable=true":                    "E1 A1",
		"&dispatchable=false":                   "E1 E2 A1",
		"&capability=als":                       "E1 A1",
		"&capability=als,engine":                "E1",
		"&agency=ems":                           "A1",
		"&agency=&by=line":                      "E1 E2 A1",
		"&status=out_of_service":                "E2",
		"&type=ambulance":                       "A1",
		"&max_m=1000":                           "E1 E2",
		"&max_m=0":                              "E1",
		"&capability=nobody%20has%20this":       "",
		"&agency=%65ms&status=available&k=100":  "A1",
		"&dispatchable=true&capability=engine&": "E1",
	} {
		var got []string
		for _, u := range h.get("/api/v1/units/nearest?lon=-75.5&lat=39.7" + query).want(200).at("units").([]any) {
			got = append(got, u.(map[string]any)["id"].(string))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s", query, got, want)
		}
	}
	r := h.get("/api/v1/units/nearest?lon=-75.5&lat=39.7&dispatchable=true&capability=als&status=%22%0a").want(200)
	if r.at("units", 0) != nil {
		t.Errorf("got %s, want nobody", r.body)
	}
	r = h.get("/api/v1/units/nearest?lon=-75.5&lat=39.7&dispatchable=true&capability=als")
	if got := fmt.Sprint(r.at("units", 0, "reasons")); got != "[nearest dispatchable capability:als]" {
		t.Errorf("got reasons %v", got)
	}
}

func TestNearestCountsTheStale(t *testing.T) {
	at, _ := geo.At(10, 10)
	old := geo.Millis(time.Now().Add(-time.Hour).UnixMilli())
	var put []*geo.Feature
	for i := 1; i <= 3; i++ {
		put = append(put, &geo.Feature{ID: geo.ID(i), Key: "E" + strconv.Itoa(i), Kind: geo.Unit, Rev: 1, Fix: geo.Fix{At: at, Time: old}})
	}
	put[0].Fix.Time = geo.Millis(time.Now().UnixMilli())
	h := newHouse(t, func(d *api.Deps) { d.World.Load(geo.Moment{Seq: 1, Time: old}, geo.Delta{Put: put}, 4, nil, nil) })
	a := h.get("/api/v1/units/nearest?lon=10&lat=10").want(200)
	if a.at("units", 0, "id") != "E1" || a.at("units", 1) != nil || a.at("excluded", "stale") != 2.0 {
		t.Errorf("got %s, want E1 and two stale", a.body)
	}
}

// The query of nearest is read twice: by hand when it is asked in earnest, and by the
// contract behind HEAD. Both must say the same of anything.
func TestNearestReadsItsQueryAsTheContractDoes(t *testing.T) {
	h := newHouse(t)
	values := []string{"", "0", "1", "-1", "5", "100", "101", "1e2", "NaN", "Inf", "-75.5", "39.7", "90.1", "181", "true", "false", "TRUE",
		"line", "road", "als", "als,bls", "als,,bls", ",", "%20", "%zz", "a;b", "live", "mars", strings.Repeat("x", 65), "0x10", "1_0", "+1", "%2B1", "1.0"}
	names := []string{"lon", "lat", "k", "dispatchable", "status", "capability", "agency", "type", "max_m", "by", "world", "nonsense", "LON"}
	ask := func(method, q string) int {
		r := httptest.NewRequest(method, "http://localhost/api/v1/units/nearest", nil)
		r.Header = h.bearer()
		r.URL.RawQuery = q
		w := httptest.NewRecorder()
		h.api.ServeHTTP(w, r)
		return w.Code
	}
	check := func(q string) {
		t.Helper()
		if got, want := ask(http.MethodGet, q), ask(http.MethodHead, q); got != want {
			t.Errorf("%q: got %d by hand and %d by the contract", q, got, want)
		}
	}
	for _, n := range names {
		for _, v := range values {
			check("lon=1&lat=2&" + n + "=" + v)
			check(n + "=" + v + "&lat=2")
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var parts []string
		for range r.IntN(5) {
			parts = append(parts, names[r.IntN(len(names))]+"="+values[r.IntN(len(values))])
		}
		if r.IntN(2) == 0 {
			parts = append(parts, "lon=3", "lat=4")
		}
		check(strings.Join(parts, "&"))
	}
}

func TestFeeds(t *testing.T) {
	h := newHouse(t)
	h.unit("E7", 1, 1, "").want(201)
	a := h.get("/feeds/osmand?id=E7&lon=2&lat=2&altitude=3&hdop=1").want(200)
	if string(a.body) != `{"accepted":true}` || a.header.Get("Rasad-Refused") != "" {
		t.Errorf("got %s", a.body)
	}
	if f, _ := h.world.View().Get("E7"); f.Fix.At != (geo.LngLat{Lng: 20000000, Lat: 20000000}) || a.seq() > h.world.View().Seq() {
		t.Errorf("answered before it was applied")
	}
	zero := h.get("/feeds/osmand?id=E7&lon=0&lat=0").want(200)
	if zero.header.Get("Rasad-Refused") != geo.FixNullIsland || zero.at("accepted") != false || zero.at("reason") != geo.FixNullIsland {
		t.Errorf("got %s, want refused for its place", zero.body)
	}
	if unfit := h.get("/feeds/osmand?id=E7&status=1").want(200); unfit.header.Get("Rasad-Refused") != "status_only" {
		t.Errorf("got %s", unfit.body)
	}
	bad := h.get("/feeds/osmand?lon=0&lat=0").want(400)
	if bad.at("errors", 0, "field") != "id" {
		t.Errorf("got %s, want the field named", bad.body)
	}
	h.get("/feeds/osmand?id=nobody&lon=2&lat=2").want(404)
	h.get("/feeds/osmand?id=nobody&lon=2&lat=2&n=3").want(404)
	h.get("/feeds/osmand?id=E7&lon=2.0001&lat=2&n=2").want(200)
	h.get("/feeds/osmand?id=E7&lon=2&lat=2&n=1001").want(413)
	h.get("/feeds/osmand?id=panic").want(500)
	h.do("POST", "/feeds/osmand?lon=2.1&lat=2", "E7", "Content-Type", "application/x-www-form-urlencoded").want(200)
	h.do("POST", "/feeds/osmand?lon=2.1&lat=2", strings.Repeat("E", 64<<10+1)).want(413)
	h.do("POST", "/feeds/osmand?id=E7&lon=2.1&lat=2", "<x/>", "Content-Type", "text/xml").want(415)
	own := h.do("POST", "/feeds/owntracks?lon=2.2&lat=2", "E7").want(200)
	if string(own.body) != "[]" {
		t.Errorf("got %s, want what the app expects", own.body)
	}
	h.get("/feeds/osmand?id=E7&lon=2&lat=2&world=mars").want(404)
}

func TestFeedCreatesUnitsWhenItMay(t *testing.T) {
	h := newHouse(t, func(d *api.Deps) { d.CreateUnknown = true })
	h.get("/feeds/osmand?id=E71&lon=2&lat=2").want(200)
	u := h.get("/api/v1/units/E71").want(200)
	if u.at("properties", "type") != "engine" || u.at("geometry", "coordinates", 0) != 2.0 {
		t.Errorf("got %s, want an engine where the fix was", u.body)
	}
	h.get("/feeds/osmand?id=phone-of-ali&lon=2&lat=2&n=2").want(200)
	h.get("/api/v1/units/phone-of-ali").want(200)
	h.incident("I1", "").want(201)
	h.get("/feeds/osmand?id=I1&lon=2&lat=2").want(404)
}

func TestProgramCalls(t *testing.T) {
	h := newHouse(t)
	if a := h.get("/healthz").want(200); a.at("alive") != true {
		t.Errorf("got %s", a.body)
	}
	if a := h.get("/readyz").want(200); a.at("epoch") != epoch {
		t.Errorf("got %s", a.body)
	}
	h.get("/api/v1/features").want(200)
	if a := h.get("/metrics").want(200); !strings.Contains(string(a.body), `rasad_http_seconds_count{method="GET",route="/api/v1/features",status="200"} 1`) {
		t.Errorf("got %s", a.body)
	}
	preset := h.get("/api/v1/preset").want(200)
	if preset.at("code") != "us" {
		t.Errorf("got %s", preset.body)
	}
	h.get("/api/v1/preset", "If-None-Match", preset.header.Get("ETag")).want(304)
	c := h.get("/api/v1/city").want(200)
	now, err := time.Parse(time.RFC3339, c.at("now").(string))
	if err != nil || time.Since(now).Abs() > time.Minute || c.at("basemap") != false || c.at("time_zone") == "" {
		t.Errorf("got %s", c.body)
	}
	h.get("/tiles/0/0/0.pbf").want(404)
	h.get("/city/city.json").want(404)
	if a := h.get("/api/openapi.yaml").want(200); !strings.HasPrefix(string(a.body), "# The door") {
		t.Errorf("got %.40s", a.body)
	}
	if a := h.get("/api/openapi.json").want(200); a.at("openapi") != "3.0.3" {
		t.Errorf("got %.80s", a.body)
	}
}

func TestScreens(t *testing.T) {
	h := newHouse(t)
	for _, path := range []string{"/", "/wall", "/console"} {
		a := h.get(path, "Accept-Encoding", "identity").want(200)
		if !strings.Contains(string(a.body), "<title>Rasad") || a.header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: got %.60s", path, a.body)
		}
		csp := a.header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "script-src 'self';") || !strings.Contains(csp, "worker-src 'self';") {
			t.Errorf("%s: got policy %q", path, csp)
		}
		h.get(path, "If-None-Match", a.header.Get("ETag")).want(304)
	}
	for takes, want := range map[string]string{
		"gzip, deflate, br, zstd": "br", "gzip, deflate": "gzip", "br;q=0, gzip": "gzip", "*": "br",
		"identity": "", "br;q=0, gzip;q=0.0": "", "brotli": "", "*, br;q=0": "gzip", "*;q=0": "",
	} {
		a := h.get("/", "Accept-Encoding", takes).want(200)
		body := map[string]string{"br": "as Brotli", "gzip": string(zipped([]byte("as gzip"))), "": "<!doctype html><title>Rasad</title>"}[want]
		if got := a.header.Get("Content-Encoding"); got != want || string(a.body) != body || a.header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: got %q %q, varying by %q; want %q", takes, got, a.body, a.header.Get("Vary"), want)
		}
	}
	h.get("/index.html.br").want(404)
	if a := h.get("/assets/main-3f9c.js").want(200); !strings.Contains(a.header.Get("Cache-Control"), "immutable") {
		t.Errorf("got Cache-Control %q, want for ever", a.header.Get("Cache-Control"))
	}
	h.get("/.keep").want(404)
	h.get("/assets/other.js").want(404)
	bare := newHouse(t, func(d *api.Deps) { d.Screens = nil })
	if a := bare.get("/wall").want(404); a.at("type") != "urn:rasad:problem:no-screens" {
		t.Errorf("got %s", a.body)
	}
}

func TestHead(t *testing.T) {
	h := newHouse(t)
	h.unit("E7", 1, 1, "").want(201)
	for _, path := range []string{"/", "/healthz", "/api/v1/units/E7", "/api/v1/features", "/api/v1/units/nearest?lon=1&lat=1"} {
		a := h.do("HEAD", path, "").want(200)
		if len(a.body) != 0 {
			t.Errorf("%s: got a body", path)
		}
	}
	h.do("HEAD", "/api/v1/units/E8", "").want(404)
}
