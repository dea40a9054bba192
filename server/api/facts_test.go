package api_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"rasad/geo"
	"rasad/server/access"
	"rasad/server/api"
)

const wallLayout = `{"area":{"bbox":[-75.7,39.6,-75.4,39.9]},"panels":["situation","worst"],"layers":["units"],"language":"fa","devices":["w1"]}`

// What a supervisor says of the city is read by everybody inside, in lists and on the
// stream, and written by those whom the policy names.
func TestFactsOverTheDoor(t *testing.T) {
	h := newHouse(t)
	supervisor := "Bearer " + h.as(access.Supervisor)
	put := func(path, body string) answer { return h.do("PUT", path, body, "Authorization", supervisor) }
	for path, body := range map[string]string{
		"/api/v1/situation":       `{"text":"The river is over the mark.","lang":"en","author":"Major Amini"}`,
		"/api/v1/response":        `{"level":"2","reason":"flood"}`,
		"/api/v1/figures/injured": `{"value":14,"source":"EMS","confirmed":"reported","as_of":"2026-11-22T09:00:00+03:30"}`,
		"/api/v1/decisions/d1":    `{"text":"Close the bridge?","owner":"Mayor"}`,
		"/api/v1/layouts/city":    wallLayout,
		"/api/v1/layouts/night":   strings.ReplaceAll(wallLayout, `"w1"`, `"w2"`),
	} {
		if a := put(path, body); a.status != http.StatusOK || a.header.Get("ETag") == "" {
			t.Fatalf("%s: got %d %s", path, a.status, a.body)
		}
	}
	if a := put("/api/v1/displays/w2", `{"layout":"city"}`); a.status != http.StatusOK || !slices.Equal(a.at("properties", "devices").([]any), []any{"w1", "w2"}) {
		t.Errorf("a display is switched: got %d %s", a.status, a.body)
	}
	for role, sees := range map[access.Role]bool{access.Viewer: true, access.Dispatcher: true, access.Commander: true, access.AgencyOfficer: true, access.ShelterKeeper: false} {
		token := h.as(role)
		a := h.get("/api/v1/features?kind=situation,response,figure,decision,layout", "Authorization", "Bearer "+token)
		var list struct{ Features []struct{ ID string } }
		if err := json.Unmarshal(a.body, &list); err != nil {
			t.Fatal(err)
		}
		if want := 0; sees && len(list.Features) != 6 || !sees && len(list.Features) != want {
			t.Errorf("%s reads %d facts", role, len(list.Features))
		}
		if !sees {
			continue
		}
		heard := h.hears(token, "")
		for _, key := range []string{"situation", "response", "figure-injured", "decision-d1", "layout-city", "layout-night"} {
			if heard[key] == nil {
				t.Errorf("%s does not hear %s", role, key)
			}
		}
		if !strings.Contains(string(heard["figure-injured"]), `"source":"EMS"`) || !strings.Contains(string(heard["situation"]), "Major Amini") {
			t.Errorf("%s hears %s and %s", role, heard["figure-injured"], heard["situation"])
		}
	}
	// A replay holds them as they were.
	time.Sleep(10 * time.Millisecond)
	if a := h.do("DELETE", "/api/v1/situation?reason=over", "", "Authorization", supervisor); a.status != http.StatusNoContent {
		t.Errorf("got %d %s", a.status, a.body)
	}
	if _, there := h.world.View().Get("situation"); there {
		t.Error("the situation line is still there")
	}
	acts := h.journal.acts()
	if last := acts[len(acts)-1]; last.Name != "situation.clear" || last.Why != "over" {
		t.Errorf("got the act %+v", last)
	}
}

// A replay shows what was said then, also when it was taken back later.
func TestReplayHoldsWhatWasSaid(t *testing.T) {
	history := &memory{}
	h := newHouse(t, func(d *api.Deps) { d.History = history })
	supervisor := "Bearer " + h.as(access.Supervisor)
	h.do("PUT", "/api/v1/figures/injured", `{"value":14,"source":"EMS","confirmed":"reported"}`, "Authorization", supervisor)
	then := h.world.View().Time()
	time.Sleep(50 * time.Millisecond)
	h.do("PUT", "/api/v1/figures/injured", `{"value":31,"source":"EMS","confirmed":"confirmed"}`, "Authorization", supervisor)
	h.do("DELETE", "/api/v1/figures/injured", "", "Authorization", supervisor)
	heard := h.hears(h.as(access.Supervisor), "?speed=0&at="+time.UnixMilli(int64(then)).UTC().Format("2006-01-02T15:04:05.000Z"))
	if f := string(heard["figure-injured"]); !strings.Contains(f, `"value":14`) {
		t.Errorf("the replay has %q", f)
	}
}

func TestFactsThatTheDoorRefuses(t *testing.T) {
	h := newHouse(t)
	supervisor := "Bearer " + h.as(access.Supervisor)
	tests := map[string]struct {
		method, path, body string
		headers            []string
		status             int
		says               string // in the body
	}{
		"a number for a text":   {"PUT", "/api/v1/situation", `{"text":7,"lang":"en"}`, nil, 400, `"field":"text"`},
		"a member that is none": {"PUT", "/api/v1/situation", `{"text":"x","lang":"en","colour":"red"}`, nil, 400, `"field":"colour"`},
		"a level that is none":  {"PUT", "/api/v1/response", `{"level":"9","reason":"x"}`, nil, 400, `"field":"level"`},
		"no number":             {"PUT", "/api/v1/figures/injured", `{"source":"x","confirmed":"reported"}`, nil, 400, `"field":"value"`},
		"a null number":         {"PUT", "/api/v1/figures/injured", `{"value":null,"source":"x","confirmed":"reported"}`, nil, 400, `"field":"value"`},
		"a panel nobody draws":  {"PUT", "/api/v1/layouts/a", strings.Replace(wallLayout, "worst", "weather", 1), nil, 400, `"field":"panels[1]"`},
		"no object":             {"PUT", "/api/v1/situation", `[]`, nil, 400, "object"},
		"no such layout":        {"PUT", "/api/v1/displays/w1", `{"layout":"none"}`, nil, 404, "no-layout"},
		"no layout named":       {"PUT", "/api/v1/displays/w1", `{}`, nil, 400, `"field":"layout"`},
		"nothing to take away":  {"DELETE", "/api/v1/response", "", nil, 404, "no-response"},
		"a long name":           {"PUT", "/api/v1/decisions/" + strings.Repeat("x", 65), `{"text":"x"}`, nil, 400, `"field":"name"`},
		"not as it was seen":    {"PUT", "/api/v1/situation", `{"text":"x","lang":"en"}`, []string{"If-Match", `"7"`}, 412, "stale"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := h.do(tt.method, tt.path, tt.body, append([]string{"Authorization", supervisor}, tt.headers...)...)
			if a.status != tt.status || !strings.Contains(string(a.body), tt.says) {
				t.Errorf("got %d %s, want %d with %s", a.status, a.body, tt.status, tt.says)
			}
		})
	}
	if n := h.world.View().Len(geo.Situation); n != 0 {
		t.Errorf("%d situation lines after nothing but refusals", n)
	}
}

// Two supervisors write one line: the second is told what the first wrote.
func TestTwoSupervisorsOneLine(t *testing.T) {
	h := newHouse(t)
	supervisor := "Bearer " + h.as(access.Supervisor)
	first := h.do("PUT", "/api/v1/situation", `{"text":"a","lang":"en"}`, "Authorization", supervisor)
	h.do("PUT", "/api/v1/situation", `{"text":"b","lang":"en"}`, "Authorization", supervisor, "If-Match", first.header.Get("ETag"))
	a := h.do("PUT", "/api/v1/situation", `{"text":"c","lang":"en"}`, "Authorization", supervisor, "If-Match", first.header.Get("ETag"))
	if a.status != http.StatusPreconditionFailed || a.at("current", "properties", "text") != "b" || a.at("yours") == nil {
		t.Errorf("got %d %s", a.status, a.body)
	}
}

// The same key twice is one fact, whatever the network does.
func TestAFactIsWrittenOnce(t *testing.T) {
	h := newHouse(t)
	supervisor := "Bearer " + h.as(access.Supervisor)
	once := func() answer {
		return h.do("PUT", "/api/v1/figures/injured", `{"value":3,"source":"EMS","confirmed":"reported"}`, "Authorization", supervisor, "Idempotency-Key", "f-1")
	}
	first, again := once(), once()
	if first.status != 200 || again.status != 200 || first.header.Get("ETag") != again.header.Get("ETag") {
		t.Errorf("got %d %s and %d %s", first.status, first.header.Get("ETag"), again.status, again.header.Get("ETag"))
	}
}
