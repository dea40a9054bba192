package api_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"rasad/server/api"
	"rasad/streams"
)

// Whatever comes in gets the problem that the contract describes, and the server lives.
func TestBadInput(t *testing.T) {
	h := newHouse(t)
	h.unit("E7", -75.54, 39.74, "").want(201)
	h.incident("I1", "").want(201)
	deep := strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200)
	deepList := strings.Repeat("[", 200) + strings.Repeat("]", 200)
	const unit = "/api/v1/units/E7"
	polygon := func(ring string) string {
		return `{"geometry":{"type":"Polygon","coordinates":` + ring + `},"properties":{"type":"flood"}}`
	}
	tests := map[string]struct {
		method, path, body string
		headers            []string
		status             int
		field              string // of the first error; "" when none is named
	}{
		// the address
		"no such call":                       {"GET", "/api/v1/nothing", "", nil, 404, ""},
		"no such version":                    {"GET", "/api/v2/units", "", nil, 404, ""},
		"a path that climbs":                 {"GET", "/api/v1/units/..%2f..%2fetc%2fpasswd", "", nil, 400, "id"},
		"a key with a space":                 {"GET", "/api/v1/units/E%207", "", nil, 400, "id"},
		"a key with a NUL":                   {"GET", "/api/v1/units/E%00", "", nil, 400, "id"},
		"a key that is too long":             {"PUT", "/api/v1/units/" + strings.Repeat("k", 129), `{"properties":{}}`, nil, 400, "id"},
		"a key in another alphabet":          {"PUT", "/api/v1/units/%D8%A7", `{"properties":{}}`, nil, 400, "id"},
		"properties past what a frame takes": {"PUT", "/api/v1/units/E1", `{"properties":{"x":"` + strings.Repeat("x", 300_000) + `"}}`, nil, 400, "properties"},
		"a method that the call has not":     {"DELETE", "/api/v1/units", "", nil, 405, ""},
		"a method that nobody has":           {"BREW", unit, "", nil, 405, ""},
		"another world":                      {"GET", "/api/v1/units?world=exercise", "", nil, 404, "world"},
		"a parameter that is not known":      {"GET", "/api/v1/units?colour=red", "", nil, 400, "colour"},
		"a parameter twice":                  {"GET", "/api/v1/units?limit=1&limit=2", "", nil, 400, "limit"},
		"a query with half an escape":        {"GET", "/api/v1/units?limit=%zz", "", nil, 400, ""},
		"a parameter of a write":             {"DELETE", unit + "?force=true", "", nil, 400, "force"},
		"a page of none":                     {"GET", "/api/v1/units?limit=0", "", nil, 400, "limit"},
		"a page that is too long":            {"GET", "/api/v1/units?limit=10001", "", nil, 400, "limit"},
		"a page of many digits":              {"GET", "/api/v1/units?limit=99999999999999999999", "", nil, 400, "limit"},
		"a kind that is not":                 {"GET", "/api/v1/features?kind=unit,banana", "", nil, 400, "kind"},
		"a box of three":                     {"GET", "/api/v1/features?bbox=1,2,3", "", nil, 400, "bbox"},
		"a box of five":                      {"GET", "/api/v1/features?bbox=1,2,3,4,5", "", nil, 400, "bbox"},
		"a box that is not numbers":          {"GET", "/api/v1/features?bbox=a,b,c,d", "", nil, 400, "bbox"},
		"a box with NaN":                     {"GET", "/api/v1/features?bbox=NaN,0,1,1", "", nil, 400, "bbox"},
		"a box off the globe":                {"GET", "/api/v1/features?bbox=0,-91,1,1", "", nil, 400, "bbox"},
		"a box upside down":                  {"GET", "/api/v1/features?bbox=0,2,1,1", "", nil, 400, "bbox"},
		"a cursor that nobody gave":          {"GET", "/api/v1/features?cursor=AAAA", "", nil, 400, "cursor"},
		"nearest to nowhere":                 {"GET", "/api/v1/units/nearest", "", nil, 400, "lon"},
		"nearest off the globe":              {"GET", "/api/v1/units/nearest?lon=181&lat=0", "", nil, 400, "lon"},
		"nearest to NaN":                     {"GET", "/api/v1/units/nearest?lon=NaN&lat=0", "", nil, 400, "lon"},
		"nearest of none":                    {"GET", "/api/v1/units/nearest?lon=1&lat=0&k=0", "", nil, 400, "k"},
		"nearest of too many":                {"GET", "/api/v1/units/nearest?lon=1&lat=0&k=101", "", nil, 400, "k"},
		"nearest by road without a city":     {"GET", "/api/v1/units/nearest?lon=1&lat=0&by=road", "", nil, 409, ""},
		"nearest by air":                     {"GET", "/api/v1/units/nearest?lon=1&lat=0&by=air", "", nil, 400, "by"},
		"nearest in another world":           {"GET", "/api/v1/units/nearest?lon=1&lat=0&world=mars", "", nil, 404, "world"},
		"nearest by POST":                    {"POST", "/api/v1/units/nearest", "{}", nil, 405, ""},
		"coverage without a city":            {"GET", "/api/v1/coverage", "", nil, 409, ""},
		"coverage by line without a city":    {"GET", "/api/v1/coverage?by=line", "", nil, 409, ""},
		"coverage within an hour":            {"GET", "/api/v1/coverage?seconds=3600", "", nil, 400, "seconds"},
		"coverage by air":                    {"GET", "/api/v1/coverage?by=air", "", nil, 400, "by"},
		"a picture of holes without a city":  {"GET", "/api/v1/coverage/1/0/0.png", "", nil, 409, ""},
		"a route without a city":             {"GET", "/api/v1/route?from=1,0&to=1,1", "", nil, 409, ""},
		"a route from half a place":          {"GET", "/api/v1/route?from=1&to=1,1", "", nil, 400, "from"},
		"what if without a city":             {"POST", "/api/v1/coverage/whatif", `{"remove":["E7"]}`, nil, 409, ""},
		"move-ups without a city":            {"GET", "/api/v1/coverage/moveups", "", nil, 409, ""},
		"too many move-ups":                  {"GET", "/api/v1/coverage/moveups?max=11", "", nil, 400, "max"},
		"a tile off the map":                 {"GET", "/tiles/1/2/0.pbf", "", nil, 400, "x"},
		"a tile of no number":                {"GET", "/tiles/a/0/0.pbf", "", nil, 400, "z"},
		"a tile with a sign":                 {"GET", "/tiles/1/+1/0.pbf", "", nil, 400, "x"},
		"a tile of another kind":             {"GET", "/tiles/0/0/0.png", "", nil, 404, ""},
		"a file that the city has not":       {"GET", "/city/..%2f..%2fetc%2fpasswd", "", nil, 404, ""},
		"the caller of nobody":               {"GET", "/api/v1/incidents/nobody/caller", "", nil, 404, ""},
		"the caller of one that has none":    {"GET", "/api/v1/incidents/I1/caller", "", nil, 404, ""},

		// the body
		"no body":                       {"PUT", unit, "", nil, 400, ""},
		"not JSON":                      {"PUT", unit, "name=E7", nil, 400, ""},
		"half of JSON":                  {"PUT", unit, `{"properties":{"name":`, nil, 400, ""},
		"JSON and something":            {"PUT", unit, `{"properties":{}} {}`, nil, 400, ""},
		"a list":                        {"PUT", unit, `[]`, nil, 400, ""},
		"null":                          {"PUT", unit, `null`, nil, 400, ""},
		"an empty object":               {"PUT", unit, `{}`, nil, 400, "geometry"},
		"a name twice":                  {"PUT", unit, `{"properties":{"name":"a","name":"b"}}`, nil, 400, "properties.name"},
		"deep objects":                  {"PUT", unit, `{"properties":{"x":` + deep + `}}`, nil, 400, ""},
		"deep lists":                    {"PUT", unit, `{"properties":{"x":` + deepList + `}}`, nil, 400, ""},
		"not UTF-8":                     {"PUT", unit, "{\"properties\":{\"name\":\"\xff\xfe\"}}", nil, 400, ""},
		"a NUL":                         {"PUT", unit, `{"properties":{"name":"a\u0000b"}}`, nil, 400, "properties.name"},
		"a number beyond numbers":       {"PUT", unit, `{"properties":{"x":1e999}}`, nil, 400, "properties.x"},
		"another type of GeoJSON":       {"PUT", unit, `{"type":"FeatureCollection","features":[]}`, nil, 400, "features"},
		"a type of nothing":             {"PUT", unit, `{"type":"Banana","properties":{}}`, nil, 400, "type"},
		"members beside a feature":      {"PUT", unit, `{"name":"E7","properties":{}}`, nil, 400, "name"},
		"another id":                    {"PUT", unit, `{"id":"E8","properties":{}}`, nil, 400, "id"},
		"an id that is a number":        {"PUT", unit, `{"id":7,"properties":{}}`, nil, 400, "id"},
		"an id that cannot be":          {"POST", "/api/v1/units", `{"id":"a b","properties":{}}`, nil, 400, "id"},
		"the id nearest":                {"POST", "/api/v1/units", `{"id":"nearest","properties":{}}`, nil, 400, "id"},
		"another kind":                  {"PUT", unit, `{"properties":{"kind":"hazard"}}`, nil, 400, "properties.kind"},
		"properties that are a list":    {"PUT", unit, `{"properties":[]}`, nil, 400, "properties"},
		"a crew below none":             {"PUT", unit, `{"properties":{"crew":-1}}`, nil, 400, "properties.crew"},
		"distress of a string":          {"PUT", "/api/v1/units/E9", `{"properties":{"distress":"yes"}}`, nil, 400, "properties.distress"},
		"a caller that is a string":     {"PUT", "/api/v1/incidents/I1", `{"properties":{"caller":"Ali"}}`, nil, 400, "properties.caller"},
		"a caller with a number":        {"PUT", "/api/v1/incidents/I1", `{"properties":{"caller":{"phone":115}}}`, nil, 400, "properties.caller.phone"},
		"a geometry of nothing":         {"PUT", unit, `{"geometry":{"type":"Blob","coordinates":[]}}`, nil, 400, "geometry"},
		"a geometry that is a string":   {"PUT", unit, `{"geometry":"here"}`, nil, 400, "geometry"},
		"a point off the globe":         {"PUT", unit, `{"geometry":{"type":"Point","coordinates":[200,0]}}`, nil, 400, "geometry"},
		"a point of one number":         {"PUT", unit, `{"geometry":{"type":"Point","coordinates":[1]}}`, nil, 400, "geometry"},
		"a point of strings":            {"PUT", unit, `{"geometry":{"type":"Point","coordinates":["1","2"]}}`, nil, 400, "geometry"},
		"a ring that is open":           {"PUT", "/api/v1/hazards/H1", polygon(`[[[0,0],[1,0],[1,1],[0,1]]]`), nil, 400, "geometry"},
		"a ring of two":                 {"PUT", "/api/v1/hazards/H1", polygon(`[[[0,0],[1,0],[0,0]]]`), nil, 400, "geometry"},
		"a polygon of nothing":          {"PUT", "/api/v1/hazards/H1", polygon(`[]`), nil, 400, "geometry"},
		"a hazard that ends first":      {"PUT", "/api/v1/hazards/H1", `{"properties":{"type":"flood","valid_from":"2026-01-02T00:00:00Z","valid_to":"2026-01-01T00:00:00Z"}}`, nil, 400, "properties.valid_to"},
		"a time of no zone":             {"PUT", "/api/v1/hazards/H1", `{"properties":{"type":"flood","valid_from":"2026-01-02 00:00"}}`, nil, 400, "properties.valid_from"},
		"an occupancy below none":       {"PUT", "/api/v1/shelters/S1", `{"properties":{"occupancy":-5}}`, nil, 400, "properties.occupancy"},
		"a body that is too long":       {"PUT", unit, `{"properties":{"x":"` + strings.Repeat("x", 1<<20) + `"}}`, nil, 413, ""},
		"another content type":          {"PUT", unit, `{"properties":{}}`, []string{"Content-Type", "text/plain"}, 415, ""},
		"another charset":               {"PUT", unit, `{"properties":{}}`, []string{"Content-Type", "application/json; charset=utf-16"}, 415, ""},
		"a content type of nothing":     {"PUT", unit, `{"properties":{}}`, []string{"Content-Type", ";;"}, 415, ""},
		"a compressed body":             {"PUT", unit, "\x1f\x8b", []string{"Content-Encoding", "gzip"}, 415, ""},
		"a patch of another type":       {"PATCH", unit, `[{"op":"remove","path":"/x"}]`, []string{"Content-Type", "application/json-patch+json"}, 415, ""},
		"a patch that is a list":        {"PATCH", unit, `[]`, nil, 400, ""},
		"a patch of nothing":            {"PATCH", unit, `{}`, nil, 400, "geometry"},
		"a patch of the key":            {"PATCH", unit, `{"id":"E8","properties":{}}`, nil, 400, "id"},
		"a patch that drops everything": {"PATCH", unit, `{"properties":null}`, nil, 400, "properties"},
		"a patch of a foreign member":   {"PATCH", unit, `{"name":"x"}`, nil, 400, "name"},

		// headers
		"If-Match without quotes":    {"PUT", unit, `{"properties":{}}`, []string{"If-Match", "7"}, 400, "If-Match"},
		"If-Match of nonsense":       {"PUT", unit, `{"properties":{}}`, []string{"If-Match", `"seven"`}, 412, ""},
		"If-Match of zero":           {"PUT", unit, `{"properties":{}}`, []string{"If-Match", `"0"`}, 412, ""},
		"If-Match of many digits":    {"DELETE", unit, "", []string{"If-Match", `"99999999999999999999999"`}, 412, ""},
		"If-Match of very many":      {"DELETE", unit, "", []string{"If-Match", strings.Repeat(`"1",`, 50) + `"2"`}, 400, "If-Match"},
		"an empty idempotency key":   {"POST", "/api/v1/incidents", `{"properties":{"type":"flood"}}`, []string{"Idempotency-Key", " "}, 400, "Idempotency-Key"},
		"another host":               {"GET", "/api/v1/units", "", []string{"Host", "evil.example"}, 403, ""},
		"a host that looks like it":  {"GET", "/api/v1/units", "", []string{"Host", "127.0.0.1.evil.example"}, 403, ""},
		"a write of another origin":  {"PUT", unit, `{"properties":{}}`, []string{"Origin", "http://evil.example"}, 403, ""},
		"a write across sites":       {"DELETE", unit, "", []string{"Sec-Fetch-Site", "cross-site"}, 403, ""},
		"an image that is a fix":     {"GET", "/feeds/osmand?id=E7&lon=1&lat=1", "", []string{"Sec-Fetch-Site", "cross-site"}, 403, ""},
		"an image that opens a call": {"GET", "/api/v1/incidents/I1/caller", "", []string{"Sec-Fetch-Site", "cross-site"}, 403, ""},

		// commands
		"assign nobody":                {"POST", "/api/v1/incidents/I1/assign", `{"units":[]}`, nil, 400, "units"},
		"assign without units":         {"POST", "/api/v1/incidents/I1/assign", `{}`, nil, 400, "units"},
		"assign a string":              {"POST", "/api/v1/incidents/I1/assign", `{"units":"E7"}`, nil, 400, "units"},
		"assign a number":              {"POST", "/api/v1/incidents/I1/assign", `{"units":[7]}`, nil, 400, "units"},
		"assign a key that cannot be":  {"POST", "/api/v1/incidents/I1/assign", `{"units":["a b"]}`, nil, 400, "units[0]"},
		"assign too many":              {"POST", "/api/v1/incidents/I1/assign", `{"units":[` + strings.TrimSuffix(strings.Repeat(`"E7",`, 101), ",") + `]}`, nil, 400, "units"},
		"assign with a foreign member": {"POST", "/api/v1/incidents/I1/assign", `{"units":["E7"],"force":true}`, nil, 400, "force"},
		"assign for no reason":         {"POST", "/api/v1/incidents/I1/assign", `{"units":["E7"],"reason":"` + strings.Repeat("x", 501) + `"}`, nil, 400, "reason"},
		"assign by form":               {"POST", "/api/v1/incidents/I1/assign", `units=E7`, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, ""},
		"assign by GET":                {"GET", "/api/v1/incidents/I1/assign", "", nil, 405, ""},
		"release nobody by name":       {"POST", "/api/v1/incidents/I1/release", `{"units":[]}`, nil, 400, "units"},
		"a status of nothing":          {"POST", "/api/v1/units/E7/status", `{}`, nil, 400, "status"},
		"a status that is empty":       {"POST", "/api/v1/units/E7/status", `{"status":""}`, nil, 400, "status"},
		"a status that is a number":    {"POST", "/api/v1/units/E7/status", `{"status":3}`, nil, 400, "status"},
		"a status that nobody knows":   {"POST", "/api/v1/units/E7/status", `{"status":"on_holiday"}`, nil, 400, "status"},
		"a distress that is a string":  {"POST", "/api/v1/units/E7/status", `{"distress":"yes"}`, nil, 400, "distress"},

		// the stream
		"a stream without an upgrade":       {"GET", "/api/v1/stream", "", nil, 400, ""},
		"a stream for a stranger":           {"GET", "/api/v1/stream?audience=everybody", "", nil, 400, "audience"},
		"a stream of an area":               {"GET", "/api/v1/stream?area=north", "", nil, 400, "area"},
		"a stream of another world":         {"GET", "/api/v1/stream?world=mars", "", nil, 404, "world"},
		"a stream from nonsense":            {"GET", "/api/v1/stream?from=here", "", nil, 400, "from"},
		"a stream from a negative sequence": {"GET", "/api/v1/stream?from=e:-1", "", nil, 400, "from"},
		"a stream at no time":               {"GET", "/api/v1/stream?at=yesterday", "", nil, 400, "at"},
		"a stream of the future":            {"GET", "/api/v1/stream?at=2999-01-01T00:00:00Z", "", nil, 400, "at"},
		"a stream that runs backwards":      {"GET", "/api/v1/stream?at=2026-01-01T00:00:00Z&speed=-1", "", nil, 400, "speed"},
		"a live stream with a speed":        {"GET", "/api/v1/stream?speed=4", "", nil, 400, "speed"},
		"a stream every never":              {"GET", "/api/v1/stream?every=never", "", nil, 400, "every"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := *h
			h.t = t
			a := h.do(tt.method, tt.path, tt.body, tt.headers...).want(tt.status)
			field, _ := a.at("errors", 0, "field").(string)
			if !strings.HasPrefix(field, tt.field) || (tt.field == "") != (field == "") {
				t.Errorf("got %s, want the field %q named", a.body, tt.field)
			}
			if tt.status == 405 && a.header.Get("Allow") == "" {
				t.Error("405 without Allow")
			}
		})
	}
	h.get("/api/v1/units/E7").want(200)
	if n := h.world.View().Len(""); n != 2 {
		t.Errorf("got %d features after all that, want the 2 from before", n)
	}
}

func TestLimitsAreNamed(t *testing.T) {
	h := newHouse(t)
	for path, limit := range map[string]string{
		"/api/v1/units?limit=10001":                         "10000",
		"/api/v1/units/nearest?lon=1&lat=1&k=101":           "100",
		"/api/v1/stream?at=2020-01-01T00:00:00Z&speed=9999": "3600",
	} {
		if a := h.get(path).want(400); !strings.Contains(string(a.body), limit) {
			t.Errorf("%s: got %s, want the limit %s named", path, a.body, limit)
		}
	}
	big := h.do("PUT", "/api/v1/units/E7", strings.Repeat(" ", 1<<20+1)).want(413)
	if !strings.Contains(string(big.body), "1048576") {
		t.Errorf("got %s, want the limit named", big.body)
	}
	small := h.do("POST", "/feeds/osmand", strings.Repeat(" ", 64<<10+1)).want(413)
	if !strings.Contains(string(small.body), "65536") {
		t.Errorf("got %s, want the limit named", small.body)
	}
}

// A body without a length must not get past the limit either.
func TestChunkedBodyIsLimited(t *testing.T) {
	h := newHouse(t)
	r, _ := http.NewRequest("PUT", h.url+"/api/v1/units/E7", struct{ *strings.Reader }{strings.NewReader(strings.Repeat(" ", 1<<20+10))})
	r.Header = h.bearer()
	r.Header.Set("Content-Type", "application/json")
	h.send(r).want(413)
}

func TestBodyThatEndsEarly(t *testing.T) {
	h := newHouse(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "PUT /api/v1/units/E7 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"prop", h.token)
	conn.(*net.TCPConn).CloseWrite()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 400 {
		t.Errorf("got %s, want 400", resp.Status)
	}
	h.get("/api/v1/units/E7").want(404)
}

func TestBodyThatNeverEnds(t *testing.T) {
	t.Cleanup(api.ShortenBodyWait(100 * time.Millisecond))
	h := newHouse(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "PUT /api/v1/units/E7 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"prop", h.token)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestTimeout || resp.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("got %s, want 408 and a problem", resp.Status)
	}
	h.unit("E7", 1, 1, "").want(201)
}

func TestNotRecording(t *testing.T) {
	h := newHouse(t)
	h.unit("E7", 1, 1, "").want(201)
	h.journal.breaks(streams.ErrNotRecording)
	deadline := time.Now().Add(15 * time.Second)
	for h.seq.Status().Recording && time.Now().Before(deadline) {
		go func() { // its answer may take the ten seconds of an outcome that is not known
			r, _ := http.NewRequest("GET", h.url+"/feeds/osmand?id=E7&lon=1.01&lat=1", nil)
			r.Header = h.bearer()
			if resp, err := http.DefaultClient.Do(r); err == nil {
				resp.Body.Close()
			}
		}()
		time.Sleep(20 * time.Millisecond)
	}
	if h.seq.Status().Recording {
		t.Fatal("the sequencer still says that it records")
	}
	for _, a := range []answer{
		h.unit("E8", 1, 1, ""),
		h.get("/feeds/osmand?id=E7&lon=1.02&lat=1"),
		h.get("/readyz"),
	} {
		a.want(503)
		if a.header.Get("Retry-After") == "" || a.at("type") != "urn:rasad:problem:not-recording" {
			t.Errorf("got %s %v", a.body, a.header)
		}
	}
	h.get("/api/v1/units/E7").want(200)
	h.get("/healthz").want(200)
	h.journal.breaks(nil)
	for !h.seq.Status().Recording && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	h.unit("E8", 1, 1, "").want(201)
}

// Every call of the document is one of the router, and the other way round.
func TestRoutesAreTheDocument(t *testing.T) {
	h := newHouse(t)
	doc, _ := document()
	inDoc := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		if strings.HasPrefix(path, "/public/") {
			continue // answered before the router, see servePublic
		}
		for method := range item.Operations() {
			path = strings.NewReplacer("{y}.pbf", ":tile", "{y}.png", ":tile", "{", ":", "}", "").Replace(path)
			inDoc[method+" "+path] = true
		}
	}
	for _, r := range h.api.Routes() {
		if r.Method == echo.RouteNotFound {
			continue
		}
		if !inDoc[r.Method+" "+r.Path] {
			t.Errorf("%s %s is a call and not in openapi.yaml", r.Method, r.Path)
		}
		delete(inDoc, r.Method+" "+r.Path)
	}
	for call := range inDoc {
		t.Errorf("%s is in openapi.yaml and no call", call)
	}
}
