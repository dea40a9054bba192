package api_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"rasad/geo"
	"rasad/geo/city"
	"rasad/geo/coverage"
	"rasad/geo/roads"
	"rasad/server/api"
	"rasad/server/reach"
	"rasad/streams"
)

// byRoad is the driver as the program hands it to the door.
type byRoad struct{ *reach.Driver }

func (b byRoad) Roads(ctx context.Context, seq uint64) (api.Ways, error) {
	s, err := b.Driver.Roads(ctx, seq)
	if errors.Is(err, reach.ErrBehind) {
		err = api.ErrBehind
	}
	return s, err
}

func (b byRoad) Kind(unitType string) api.Means { return api.Means(b.Driver.Kind(unitType)) }

// withRoads gives a house the city and what is answered by road.
func withRoads(t testing.TB, c *city.City) func(*api.Deps) {
	return func(d *api.Deps) {
		t.Helper()
		graph, err := roads.Load(c.RoadsPath())
		if err != nil {
			t.Fatal(err)
		}
		router, err := roads.NewRouter(graph, reach.Profiles(d.Preset))
		if err != nil {
			t.Fatal(err)
		}
		demand, err := coverage.LoadDemand(c.DemandPath())
		if err != nil {
			t.Fatal(err)
		}
		whole := *demand
		whole.Zones = []coverage.Zone{{ID: "hamlet", Names: roads.Names{Local: "دهکده", EN: "Hamlet"}}}
		whole.Cells = slices.Clone(demand.Cells)
		for i := range whole.Cells {
			whole.Cells[i].Zone = 0
		}
		driver := reach.New(reach.Options{World: d.World, Preset: d.Preset, Router: router, Demand: &whole,
			Now: func() geo.Millis { return geo.Millis(time.Now().UnixMilli()) }})
		d.City, d.Reach = c, byRoad{driver}
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); driver.Run(ctx) }()
		t.Cleanup(func() { stop(); <-done })
	}
}

func (a answer) rows() (out []map[string]any) {
	a.t.Helper()
	for _, u := range a.at("units").([]any) {
		out = append(out, u.(map[string]any))
	}
	return out
}

func (a answer) ids() (out []string) {
	a.t.Helper()
	for _, r := range a.rows() {
		out = append(out, r["id"].(string))
	}
	return out
}

func reasons(row map[string]any) []string {
	out := []string{}
	for _, r := range row["reasons"].([]any) {
		out = append(out, r.(string))
	}
	return out
}

// The hamlet: streets every 0.005 degrees, from 20,10 to 20.04,10.04.
func TestNearestByRoad(t *testing.T) {
	h := newHouse(t, withRoads(t, hamlet(t)))
	const als = `"type":"als_ambulance","capabilities":["als","bls"],"status":"available"`
	h.unit("near", 20.02, 10.0195, `"type":"engine","capabilities":["engine"],"status":"available"`).want(201)
	h.unit("medic", 20.01, 10.01, als).want(201)
	h.unit("busy", 20.015, 10.02, `"type":"engine","capabilities":["engine"],"status":"out_of_service"`).want(201)
	h.unit("heli", 20.04, 10.04, `"type":"helicopter","capabilities":["als"],"status":"available"`).want(201)
	h.unit("field", 20.10, 10.02, `"type":"engine","capabilities":["engine"],"status":"available"`).want(201) // 6 km from the last street
	h.do("PUT", "/api/v1/units/lost", `{"properties":{"type":"engine","status":"available"}}`).want(201)
	h.do("PUT", "/api/v1/units/silent", `{"properties":{"type":"engine","status":"available"}}`).want(201)
	long := geo.Millis(time.Now().Add(-10 * time.Minute).UnixMilli())
	at, _ := geo.At(20.021, 10.02)
	if _, err := h.seq.Report(t.Context(), streams.Report{Key: "silent", Received: long, Feed: "osmand", Fix: geo.Fix{At: at, Time: long, Heading: geo.HeadingUnknown, Speed: geo.SpeedUnknown}}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond) // its frame

	tests := map[string]struct {
		query string
		want  []string
		also  func(t *testing.T, a answer)
	}{
		"by road is the default": {"", []string{"near", "heli", "busy", "medic", "field"}, func(t *testing.T, a answer) {
			if a.at("by") != "road" || a.at("units", 0, "by") != "road" || a.at("units", 1, "by") != "line" || a.at("excluded", "stale") != 1.0 || a.at("excluded", "unplaced") != 1.0 || a.at("excluded", "unreachable") != 0.0 {
				t.Errorf("got %s", a.body)
			}
			for i, want := range [][]string{{"nearest_by_road"}, {"air"}, {}, {}, {"no_road"}} {
				if got := reasons(a.rows()[i]); !slices.Equal(got, want) {
					t.Errorf("row %d gives the reasons %v, want %v", i, got, want)
				}
			}
		}},
		"by line": {"&by=line", []string{"near", "busy", "medic", "heli", "field"}, func(t *testing.T, a answer) {
			if a.at("by") != "line" || a.at("units", 0, "reasons", 0) != "nearest" {
				t.Errorf("got %s", a.body)
			}
		}},
		"only the first":               {"&k=1", []string{"near"}, nil},
		"who may be sent":              {"&dispatchable=true", []string{"near", "heli", "medic", "field"}, nil},
		"who can help":                 {"&capability=als", []string{"heli", "medic"}, nil},
		"who can do both":              {"&capability=als,bls", []string{"medic"}, nil},
		"of a type":                    {"&type=engine", []string{"near", "busy", "field"}, nil},
		"of a type that flies":         {"&type=helicopter", []string{"heli"}, nil},
		"of an agency":                 {"&agency=ems", []string{}, nil},
		"of a status":                  {"&status=out_of_service", []string{"busy"}, nil},
		"within a kilometre":           {"&max_m=1000", []string{"near", "busy"}, nil},
		"half a kilometre":             {"&max_m=500&type=engine", []string{"near"}, nil},
		"nobody can":                   {"&capability=hazmat", []string{}, nil},
		"the first who can, with less": {"&capability=als&k=1", []string{"heli"}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := h.get("/api/v1/units/nearest?lon=20.02&lat=10.02&k=10" + strings.Replace(tt.query, "&k=1", "", 1) + "&world=live").want(200)
			if strings.Contains(tt.query, "&k=1") {
				a = h.get("/api/v1/units/nearest?lon=20.02&lat=10.02" + tt.query).want(200)
			}
			if got := a.ids(); !slices.Equal(got, tt.want) && len(got)+len(tt.want) > 0 {
				t.Errorf("got %v, want %v: %s", got, tt.want, a.body)
			}
			if tt.also != nil {
				tt.also(t, a)
			}
		})
	}

	// A place that no road is near: everybody by line, nobody left out.
	a := h.get("/api/v1/units/nearest?lon=20.2&lat=10.02&k=10").want(200)
	if got := a.ids(); len(got) != 5 || got[0] != "heli" {
		t.Errorf("far from any road: got %s", a.body)
	}
	for _, r := range a.rows()[1:] {
		if r["by"] != "line" || !slices.Contains(reasons(r), "no_road") {
			t.Errorf("far from any road: got %v", r)
		}
	}
	// Every street between the medic and the place is closed.
	h.do("PUT", "/api/v1/hazards/river", `{"geometry":{"type":"LineString","coordinates":[[20.0175,9.99],[20.0175,10.05]]},"properties":{"impassable":true}}`).want(201)
	a = h.get("/api/v1/units/nearest?lon=20.02&lat=10.02&k=10&dispatchable=true").want(200)
	if got := a.ids(); !slices.Equal(got, []string{"near", "heli", "field"}) || a.at("excluded", "unreachable") != 1.0 {
		t.Errorf("behind closures: got %s", a.body)
	}
	h.get("/api/v1/route?unit=medic&to=20.02,10.02").want(409)
}

// The list is the order of the routes, for every unit, with closures and without.
func TestNearestByRoadAgreesWithTheRoutes(t *testing.T) {
	h := newHouse(t, withRoads(t, hamlet(t)))
	r := rand.New(rand.NewPCG(7, 7))
	spot := func() (float64, float64) { return 20 + r.Float64()*0.04, 10 + r.Float64()*0.04 }
	for i := range 30 {
		lon, lat := spot()
		h.unit(fmt.Sprintf("U%d", i), lon, lat, `"status":"available","type":"`+[]string{"engine", "ladder", "ambulance", "police"}[i%4]+`"`).want(201)
	}
	for round := range 4 {
		lon, lat := spot()
		var want []string
		eta := map[string]float64{}
		for i := range 30 {
			key := fmt.Sprintf("U%d", i)
			a := h.get(fmt.Sprintf("/api/v1/route?unit=%s&to=%f,%f", key, lon, lat))
			if a.status == 409 {
				continue
			}
			a.want(200)
			eta[key] = a.at("properties", "duration_s").(float64)
			want = append(want, key)
		}
		slices.SortStableFunc(want, func(a, b string) int { return cmp.Compare(eta[a], eta[b]) })
		a := h.get(fmt.Sprintf("/api/v1/units/nearest?lon=%f&lat=%f&k=30", lon, lat)).want(200)
		if got := a.ids(); len(got) != len(want) || a.at("excluded", "unreachable") != float64(30-len(want)) {
			t.Fatalf("round %d: got %d units, want %d: %s", round, len(got), len(want), a.body)
		}
		last := 0.0
		for _, row := range a.rows() {
			s := row["eta_s"].(float64)
			if s != eta[row["id"].(string)] || s < last {
				t.Errorf("round %d: %v is there in %v s, by its route in %v", round, row["id"], s, eta[row["id"].(string)])
			}
			last = s
		}
		lon2, lat2 := spot()
		seq := h.do("PUT", fmt.Sprintf("/api/v1/hazards/H%d", round), fmt.Sprintf(`{"geometry":{"type":"Polygon","coordinates":[[[%f,%f],[%f,%f],[%f,%f],[%f,%f]]]},"properties":{"type":"flood","impassable":true}}`,
			lon2, lat2, lon2+0.011, lat2, lon2, lat2+0.011, lon2, lat2)).want(201).seq()
		if got := h.get("/api/v1/units/nearest?lon=20.01&lat=10.01").want(200).seq(); got < seq {
			t.Errorf("an answer of %d after a closure of %d", got, seq)
		}
	}
}

func TestAClosedStreetIsSaid(t *testing.T) {
	h := newHouse(t, withRoads(t, hamlet(t)))
	h.unit("E1", 20.0201, 10.0101, `"type":"engine","status":"available"`).want(201)
	const nearest, way = "/api/v1/units/nearest?lon=20.0201&lat=10.0199", "/api/v1/route?unit=E1&to=20.0201,10.0199"
	free := h.get(way).want(200)
	if got := reasons(h.get(nearest).want(200).rows()[0]); !slices.Equal(got, []string{"nearest_by_road"}) {
		t.Errorf("got %v", got)
	}
	h.do("PUT", "/api/v1/hazards/H1", `{"geometry":{"type":"LineString","coordinates":[[20.0195,10.013],[20.0205,10.013]]},"properties":{"type":"road_closed","impassable":true}}`).want(201)
	if got := reasons(h.get(nearest).want(200).rows()[0]); !slices.Equal(got, []string{"nearest_by_road", "closed_roads_avoided"}) {
		t.Errorf("with a closed street: got %v", got)
	}
	round := h.get(way).want(200)
	if round.at("properties", "duration_s").(float64) <= free.at("properties", "duration_s").(float64) || round.at("properties", "reasons", 0) != "closed_roads_avoided" {
		t.Errorf("got %s, free %s", round.body, free.body)
	}
	h.do("PUT", "/api/v1/hazards/H1", `{"geometry":{"type":"LineString","coordinates":[[20.0195,10.013],[20.0205,10.013]]},"properties":{"type":"road_slow","impassable":false,"speed_factor":0.9}}`).want(200)
	if got := h.get(way).want(200); got.at("properties", "reasons", 0) != "slow_roads" {
		t.Errorf("got %s", got.body)
	}
	h.do("DELETE", "/api/v1/hazards/H1", "").want(204)
	if got := h.get(way).want(200); got.at("properties", "duration_s") != free.at("properties", "duration_s") {
		t.Errorf("after it was withdrawn: got %s, want %s", got.body, free.body)
	}
	// A unit that drives away from the place says so.
	lon, lat := 20.0201, 10.0101
	at, _ := geo.At(lon, lat)
	now := geo.Millis(time.Now().UnixMilli())
	if _, err := h.seq.Report(t.Context(), streams.Report{Key: "E1", Received: now, Feed: "osmand", Fix: geo.Fix{At: at, Time: now, Heading: 180, Speed: 120}}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	a := h.get(nearest).want(200)
	if got := reasons(a.rows()[0]); !slices.Equal(got, []string{"nearest_by_road", "moving", "facing_away"}) {
		t.Errorf("got %v", got)
	}
}

func TestRoute(t *testing.T) {
	h := newHouse(t, withRoads(t, hamlet(t)))
	h.unit("E1", 20.01, 10.01, `"type":"engine","status":"available"`).want(201)
	h.unit("heli", 20.04, 10.04, `"type":"helicopter","status":"available"`).want(201)
	h.do("PUT", "/api/v1/units/lost", `{"properties":{"type":"engine"}}`).want(201)
	h.do("PUT", "/api/v1/incidents/I1", `{"geometry":{"type":"Point","coordinates":[20.03,10.02]},"properties":{"type":"structure_fire"}}`).want(201)
	h.do("PUT", "/api/v1/incidents/I2", `{"properties":{"type":"structure_fire"}}`).want(201)

	a := h.get("/api/v1/route?unit=E1&incident=I1&lang=fa").want(200)
	if a.at("properties", "unit") != "E1" || a.at("properties", "incident") != "I1" || a.at("properties", "by") != "road" || a.at("geometry", "type") != "LineString" {
		t.Errorf("got %s", a.body)
	}
	metres, seconds := 0.0, 0.0
	for _, s := range a.at("properties", "steps").([]any) {
		metres += s.(map[string]any)["distance_m"].(float64)
		seconds += s.(map[string]any)["duration_s"].(float64)
	}
	if d := a.at("properties", "distance_m").(float64); metres < d-1 || metres > d+1 || d < 3200 || d > 3400 {
		t.Errorf("the steps are %v m long, the way %v", metres, d)
	}
	if d := a.at("properties", "duration_s").(float64); seconds > d+1 || seconds < d-5 {
		t.Errorf("the steps take %v s, the way %v", seconds, d)
	}
	if a := h.get("/api/v1/route?unit=heli&incident=I1").want(200); a.at("properties", "by") != "line" || a.at("properties", "reasons", 0) != "air" || len(a.at("geometry", "coordinates").([]any)) != 2 {
		t.Errorf("got %s", a.body)
	}
	if a := h.get("/api/v1/route?from=21,10&to=20.02,10.02").want(200); a.at("properties", "by") != "line" || a.at("properties", "reasons", 0) != "no_road" || a.at("properties", "duration_s") != nil {
		t.Errorf("got %s", a.body)
	}
	car := h.get("/api/v1/route?from=20.0,10.0&to=20.04,10.04&type=police").want(200).at("properties", "duration_s").(float64)
	ladder := h.get("/api/v1/route?from=20.0,10.0&to=20.04,10.04&type=ladder").want(200).at("properties", "duration_s").(float64)
	if car >= ladder {
		t.Errorf("a patrol car takes %v s, a ladder %v", car, ladder)
	}
	h.get("/api/v1/route?from=20.01,10.01&to=20.01,10.01").want(200) // no way is one too

	tests := map[string]struct {
		query  string
		status int
		field  string
	}{
		"from nowhere":               {"to=20,10", 400, "unit"},
		"from both":                  {"unit=E1&from=20,10&to=20,10", 400, "unit"},
		"to nowhere":                 {"unit=E1", 400, "incident"},
		"to both":                    {"unit=E1&incident=I1&to=20,10", 400, "incident"},
		"half a place":               {"unit=E1&to=20", 400, "to"},
		"off the globe":              {"unit=E1&to=20,95", 400, "to"},
		"a place in words":           {"from=here,there&to=20,10", 400, "from"},
		"a unit with another type":   {"unit=E1&type=police&to=20,10", 400, "type"},
		"a type that is none":        {"from=20,10&type=tank&to=20,10", 400, "type"},
		"a unit that is none":        {"unit=E9&to=20,10", 404, "unit"},
		"an incident for a unit":     {"unit=I1&to=20,10", 404, "unit"},
		"an incident that is none":   {"unit=E1&incident=E1", 404, "incident"},
		"a unit without a place":     {"unit=lost&to=20,10", 409, "unit"},
		"an incident without one":    {"unit=E1&incident=I2", 409, "incident"},
		"another parameter":          {"unit=E1&to=20,10&by=road", 400, "by"},
		"a unit with too long a key": {"unit=" + strings.Repeat("E", 129) + "&to=20,10", 400, "unit"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := h.get("/api/v1/route?" + tt.query).want(tt.status)
			if got := a.at("errors", 0, "field"); got != tt.field {
				t.Errorf("got field %v, want %s: %s", got, tt.field, a.body)
			}
		})
	}
}

func TestCoverage(t *testing.T) {
	h := newHouse(t, withRoads(t, hamlet(t)))
	share := func(query string) float64 {
		t.Helper()
		return h.get("/api/v1/coverage?" + query).want(200).at("covered_share").(float64)
	}
	if got := share("capability=engine&seconds=120"); got != 0 {
		t.Errorf("an empty hamlet is covered by %v", got)
	}
	h.unit("E1", 20.02, 10.02, `"type":"engine","capabilities":["engine"],"status":"available"`).want(201)
	one := share("capability=engine&seconds=120")
	if one <= 0 || one >= 1 {
		t.Errorf("one engine covers %v", one)
	}
	if more := share("capability=engine&seconds=240"); more <= one {
		t.Errorf("in 240 s it covers %v, in 120 s %v", more, one)
	}
	if got := share("capability=ladder&seconds=120"); got != 0 {
		t.Errorf("an engine covers %v as a ladder", got)
	}
	if line := share("capability=engine&seconds=120&by=line"); line <= 0 || line == one {
		t.Errorf("by line it covers %v, by road %v", line, one)
	}
	a := h.get("/api/v1/coverage?capability=engine").want(200)
	if a.at("seconds") != 480.0 || a.at("basis") != "area" || a.at("basis_source") == "" || a.at("by") != "road" || a.at("units") != 1.0 ||
		a.at("zones", 0, "id") != "hamlet" || a.at("zones", 0, "name", "en") != "Hamlet" || a.at("zones", 0, "name", "zh") != "دهکده" {
		t.Errorf("got %s", a.body)
	}
	if a := h.get("/api/v1/coverage").want(200); a.at("capability") != "" || a.at("covered_share").(float64) == 0 {
		t.Errorf("got %s", a.body)
	}
	if a := h.get("/api/v1/coverage?capability=magic").want(400); a.at("errors", 0, "field") != "capability" {
		t.Errorf("got %s", a.body)
	}
	seq := h.do("POST", "/api/v1/units/E1/status", `{"status":"out_of_service"}`).want(200).seq()
	if a := h.get("/api/v1/coverage?capability=engine&seconds=120").want(200); a.at("covered_share") != 0.0 || a.seq() < seq || a.at("seq").(float64) < float64(seq) {
		t.Errorf("out of service it covers %s", a.body)
	}
	h.do("POST", "/api/v1/units/E1/status", `{"status":"available"}`).want(200)
	if got := share("capability=engine&seconds=120"); got != one {
		t.Errorf("back again it covers %v, want %v", got, one)
	}
}

func TestWhatIf(t *testing.T) {
	h := newHouse(t, withRoads(t, hamlet(t)))
	ask := func(body string) answer { return h.do("POST", "/api/v1/coverage/whatif", body) }
	h.unit("E1", 20.005, 10.005, `"type":"engine","capabilities":["engine","bls"],"status":"available"`).want(201)
	h.unit("M1", 20.035, 10.035, `"type":"als_ambulance","capabilities":["als","bls"],"status":"available"`).want(201)

	a := ask(`{"remove":["E1"],"seconds":120}`).want(200)
	rows := a.at("by_capability").([]any)
	if len(rows) != 2 || a.at("capability") != rows[0].(map[string]any)["capability"] || a.at("lost_cells").(float64) <= 0 || len(a.at("cells").([]any)) != int(a.at("lost_cells").(float64)) {
		t.Fatalf("got %s", a.body)
	}
	before, after := a.at("before", "covered_share").(float64), a.at("after", "covered_share").(float64)
	if after >= before {
		t.Errorf("before %v, after %v", before, after)
	}
	for _, r := range rows {
		c := r.(map[string]any)["capability"].(string)
		one := ask(`{"remove":["E1"],"seconds":120,"capability":"` + c + `"}`).want(200)
		if fmt.Sprint(one.at("by_capability", 0)) != fmt.Sprint(r) {
			t.Errorf("asked alone, %s is %s, among all %v", c, one.body, r)
		}
	}
	if got := h.get("/api/v1/coverage?capability=engine&seconds=120").want(200).at("covered_share"); got == 0.0 {
		t.Error("a question changed the cover")
	}
	a = ask(`{"add":[{"lon":20.035,"lat":10.005,"type":"engine"}],"capability":"engine","seconds":120}`).want(200)
	if a.at("gained_cells").(float64) <= 0 || a.at("lost_cells") != 0.0 || a.at("after", "covered_share").(float64) <= a.at("before", "covered_share").(float64) {
		t.Errorf("got %s", a.body)
	}
	if a := ask(`{"add":[{"lon":20.035,"lat":10.005,"type":"helicopter"}],"capability":"als"}`).want(200); a.at("gained_cells") != 0.0 {
		t.Errorf("a helicopter covers: %s", a.body)
	}
	tests := map[string]struct {
		body   string
		status int
		field  string
	}{
		"nothing":                   {`{}`, 400, "remove"},
		"a unit that is none":       {`{"remove":["E9"]}`, 404, "remove[0]"},
		"an hour":                   {`{"remove":["E1"],"seconds":3600}`, 400, "seconds"},
		"no time":                   {`{"remove":["E1"],"seconds":0}`, 400, "seconds"},
		"a capability that is none": {`{"remove":["E1"],"capability":"magic"}`, 400, "capability"},
		"an empty capability":       {`{"remove":["E1"],"capability":""}`, 400, "capability"},
		"a kind that is none":       {`{"add":[{"lon":20,"lat":10,"type":"tank"}]}`, 400, "add[0].type"},
		"off the globe":             {`{"add":[{"lon":20,"lat":95,"type":"engine"}]}`, 400, "add[0]"},
		"too many":                  {`{"remove":["` + strings.Repeat(`E1","`, 100) + `E1"]}`, 400, "remove"},
		"a member that is none":     {`{"remove":["E1"],"by":"line"}`, 400, "by"},
		"words for numbers":         {`{"remove":["E1"],"seconds":"soon"}`, 400, "seconds"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := ask(tt.body).want(tt.status)
			if got := a.at("errors", 0, "field"); got != tt.field {
				t.Errorf("got field %v, want %s: %s", got, tt.field, a.body)
			}
		})
	}
	ask(`{`).want(400)
	h.do("POST", "/api/v1/coverage/whatif", "x", "Content-Type", "text/plain").want(415)
}

func TestMoveUps(t *testing.T) {
	h := newHouse(t, withRoads(t, hamlet(t)))
	h.unit("E1", 20.0, 10.0, `"type":"engine","capabilities":["engine"],"status":"available"`).want(201)
	h.unit("E2", 20.0, 10.001, `"type":"engine","capabilities":["engine"],"status":"available"`).want(201)
	for key, at := range map[string]string{"corner": "20.04,10.04", "home": "20.0,10.0"} {
		h.do("PUT", "/api/v1/sites/"+key, `{"geometry":{"type":"Point","coordinates":[`+at+`]},"properties":{"type":"fire_station","name":"Station `+key+`"}}`).want(201)
	}
	h.do("PUT", "/api/v1/sites/school", `{"geometry":{"type":"Point","coordinates":[20.02,10.02]},"properties":{"type":"school"}}`).want(201)
	a := h.get("/api/v1/coverage/moveups?capability=engine&seconds=120&max=2").want(200)
	moves := a.at("moves").([]any)
	if len(moves) != 1 || a.at("moves", 0, "post") != "corner" || a.at("moves", 0, "post_name") != "Station corner" || a.at("moves", 0, "gain_share").(float64) <= 0 ||
		a.at("moves", 0, "eta_s").(float64) < 300 || a.at("bound_share").(float64) < a.at("moves", 0, "gain_share").(float64) {
		t.Errorf("got %s", a.body)
	}
	if a := h.get("/api/v1/coverage/moveups?capability=als").want(200); len(a.at("moves").([]any)) != 0 {
		t.Errorf("nobody can move up, and yet: %s", a.body)
	}
	h.get("/api/v1/coverage/moveups?max=0").want(400)
}

func TestPictureOfHoles(t *testing.T) {
	h := newHouse(t, withRoads(t, hamlet(t)))
	const path = "/api/v1/coverage/12/2275/1933.png?capability=engine&seconds=60" // around 20.02, 10.02
	empty := h.get(path).want(200)
	if !strings.HasPrefix(string(empty.body), "\x89PNG") || empty.header.Get("Content-Type") != "image/png" {
		t.Errorf("got %q %v", empty.body[:8], empty.header)
	}
	h.get(path, "If-None-Match", empty.header.Get("ETag")).want(304)
	h.unit("E1", 20.02, 10.02, `"type":"engine","capabilities":["engine"],"status":"available"`).want(201)
	if now := h.get(path+"&seq=2", "If-None-Match", empty.header.Get("ETag")).want(200); string(now.body) == string(empty.body) {
		t.Error("the holes are as they were, although an engine came")
	}
	h.get("/api/v1/coverage/12/2275/1933.pbf").want(404)
	h.get("/api/v1/coverage/1/2/0.png").want(400)
	h.get(path + "0").want(200) // 600 seconds
	h.get("/api/v1/coverage/12/2275/1933.png?seconds=9000").want(400)
	h.get("/api/v1/coverage/12/2275/1933.png?capability=magic").want(400)
}

// behind is a driver that never comes to it.
type behind struct{ api.Reach }

func (behind) Roads(context.Context, uint64) (api.Ways, error) { return nil, api.ErrBehind }
func (behind) Cover(context.Context, uint64) (*coverage.View, uint64, error) {
	return nil, 0, api.ErrBehind
}

// undemanded is a driver of a city that says nothing of people.
type undemanded struct{ api.Reach }

func (undemanded) Cover(context.Context, uint64) (*coverage.View, uint64, error) { return nil, 0, nil }

func TestRoadsThatAreNotThere(t *testing.T) {
	c := hamlet(t)
	paths := []string{"/api/v1/units/nearest?lon=20&lat=10&by=road", "/api/v1/route?from=20,10&to=20.01,10", "/api/v1/coverage", "/api/v1/coverage/moveups", "/api/v1/coverage/1/0/0.png"}
	tests := map[string]struct {
		deps   func(*api.Deps)
		paths  []string
		status int
		code   string
	}{
		"no city":          {func(*api.Deps) {}, paths, http.StatusConflict, "no-city"},
		"an old city":      {func(d *api.Deps) { d.City = c }, paths, http.StatusConflict, "build-city-again"},
		"a city of nobody": {func(d *api.Deps) { d.City, d.Reach = c, undemanded{} }, paths[2:], http.StatusConflict, "build-city-again"},
		"a driver behind":  {func(d *api.Deps) { d.City, d.Reach = c, behind{} }, paths, http.StatusServiceUnavailable, "roads-behind"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, tt.deps)
			for _, path := range tt.paths {
				a := h.get(path).want(tt.status)
				if a.at("type") != "urn:rasad:problem:"+tt.code || (tt.status == 503) != (a.header.Get("Retry-After") != "") {
					t.Errorf("%s: got %s %v", path, a.body, a.header)
				}
			}
			if strings.Contains(name, "city") && name != "a city of nobody" {
				if a := h.get("/api/v1/units/nearest?lon=20&lat=10").want(200); a.at("by") != "line" {
					t.Errorf("without roads the default is %s", a.body)
				}
				if a := h.get("/api/v1/city").want(200); a.at("roads") != false {
					t.Errorf("got %s", a.body)
				}
			}
		})
	}
}
