package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.yaml.in/yaml/v3"

	"rasad/server/access"
	"rasad/server/api"
)

// as makes a token of a role, confined where the role must be.
func (h *house) as(role access.Role) string {
	h.t.Helper()
	o := access.TokenOptions{Role: string(role), Name: "of " + string(role)}
	switch role {
	case access.AgencyOfficer:
		o.Agencies = []string{"fire"}
	case access.ShelterKeeper:
		o.Shelters = []string{"S1"}
	}
	return h.issue(o)
}

// tokenRoles are the roles of which a program can be.
var tokenRoles = []access.Role{access.Viewer, access.Dispatcher, access.Supervisor, access.Commander, access.AgencyOfficer, access.ShelterKeeper, access.FeedProgram, access.Admin}

// operations reads the calls of the contract: operationId, method and path.
func operations(t *testing.T) map[string][2]string {
	t.Helper()
	b, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]yaml.Node
	}
	if err := yaml.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	out := map[string][2]string{}
	for path, methods := range doc.Paths {
		for method, n := range methods {
			var op struct {
				ID string `yaml:"operationId"`
			}
			if method == "parameters" {
				continue
			}
			if err := n.Decode(&op); err != nil || op.ID == "" {
				t.Fatalf("%s %s has no operationId: %v", method, path, err)
			}
			out[op.ID] = [2]string{strings.ToUpper(method), path}
		}
	}
	return out
}

// fill puts values into the braces of a path.
var fill = strings.NewReplacer("{z}", "0", "{x}", "0", "{y}", "0", "{file}", "city.json", "{token}", "rasad_no", "{name}", "x", "{code}", "x", "{sid}", "x",
	"{epoch}", "x", "{seq}", "1", "{lang}", "en")

// TestEveryCallIsDecidedByThePolicy asks every call of the contract in every role, and
// of nobody, over real HTTP: a call that the policy refuses a role whatever it is about
// is refused with the policy's own code, and no other call is refused for the role.
func TestEveryCallIsDecidedByThePolicy(t *testing.T) {
	h := newHouse(t)
	tokens := map[access.Role]string{access.Anonymous: ""}
	for _, r := range tokenRoles {
		tokens[r] = h.as(r)
	}
	asked := 0
	for id, op := range operations(t) {
		action, kind, ok := access.OperationAction(id)
		if !ok {
			t.Errorf("the policy does not know the call %s: it is nobody's", id)
			continue
		}
		if action == access.StreamOpen || action == access.PublicRead || strings.Contains(op[1], "{token}") {
			continue // they have tests of their own
		}
		path := fill.Replace(op[1])
		for strings.Contains(path, "{") { // ids
			path = path[:strings.Index(path, "{")] + "none" + path[strings.Index(path, "}")+1:]
		}
		for role, token := range tokens {
			asked++
			p := access.Principal{Name: "x", Role: role, Token: "x"}
			switch role {
			case access.Anonymous:
				p = access.Nobody("")
			case access.AgencyOfficer:
				p.Agencies = []string{"fire"}
			case access.ShelterKeeper:
				p.Shelters = []string{"S1"}
			}
			d := access.Allow(p, action, access.Target{Kind: kind})
			r, err := http.NewRequest(op[0], h.url+path, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			if token != "" {
				r.Header.Set("Authorization", "Bearer "+token)
			}
			a := h.send(r)
			code := ""
			if a.status >= 400 {
				code, _ = strings.CutPrefix(fmt.Sprint(a.at("type")), "urn:rasad:problem:")
			}
			refused := code == access.SignInNeeded || code == access.Denied // a handler may ask for more when it knows what is changed
			switch {
			case d.Code == access.SignInNeeded || d.Code == access.Denied || d.Code == access.PersonNeeded:
				if code != d.Code {
					t.Errorf("%s as %s: got %d %s, want the policy's %s", id, role, a.status, code, d.Code)
				}
			case d.Allowed && refused && !(action == access.FeatureRead && kind == ""):
				t.Errorf("%s as %s: got %d %s, and the policy allows it", id, role, a.status, code)
			}
		}
	}
	if asked < 500 {
		t.Errorf("only %d calls were made", asked)
	}
}

func TestNobodyAndWrongTokensAreRefused(t *testing.T) {
	h := newHouse(t)
	h.unit("E7", 1, 1, "").want(201)
	for name, auth := range map[string]string{
		"made up": "Bearer rasad_" + strings.Repeat("A", 43), "no token": "Bearer", "not ours": "Bearer x", "basic": "Basic dXNlcjpwYXNz", "empty": "Bearer ",
	} {
		for _, path := range []string{"/api/v1/units", "/api/v1/units/E7", "/api/v1/units/nearest?lon=1&lat=1", "/api/v1/city", "/feeds/osmand?id=E7&lat=1&lon=1"} {
			a := h.get(path, "Authorization", auth).want(401)
			if a.header.Get("WWW-Authenticate") == "" || a.at("type") != "urn:rasad:problem:sign-in" {
				t.Errorf("%s: %s got %s", name, path, a.body)
			}
		}
	}
	for _, path := range []string{"/api/v1/units", "/api/v1/features", "/api/v1/alarms", "/api/v1/units/E7", "/api/v1/units/nearest?lon=1&lat=1", "/api/v1/preset", "/metrics",
		"/feeds/osmand?id=E7&lat=1&lon=1", "/api/v1/coverage"} {
		h.get(path, "Authorization", "").want(401)
	}
	h.do("POST", "/feeds/owntracks", `{"_type":"location"}`, "Authorization", "").want(401)
	h.do("PUT", "/api/v1/units/E8", `{"properties":{}}`, "Authorization", "").want(401)
	for _, path := range []string{"/healthz", "/readyz", "/api/v1/city", "/api/openapi.json", "/", "/wall"} {
		h.get(path, "Authorization", "").want(200)
	}
	// A token in an address stands in logs of proxies and in histories of browsers.
	for _, path := range []string{"/api/v1/units?token=", "/api/v1/stream?token=", "/api/v1/units?access_token="} {
		if a := h.get(path+h.token, "Authorization", ""); a.status != 400 && a.status != 401 {
			t.Errorf("%s: got %d, want a refusal", path, a.status)
		}
		h.get(path+h.token, "Connection", "Upgrade").want(400)
	}
	if _, resp, err := h.dial("?token="+h.token, http.Header{"Authorization": {"-"}}); err == nil || resp.StatusCode != 400 {
		t.Errorf("a token in the query of the stream: got %v %v, want 400", resp, err)
	}
}

// A screen that is not ours cannot bring the cookie of one that is.
func TestACookieCountsOnlyWhereItIsSafe(t *testing.T) {
	far := false
	h := newHouse(t, func(d *api.Deps) {
		d.LoopbackOnly = false
		d.Client = func(r *http.Request) (bool, string) { return far && r.Header.Get("X-Test-TLS") != "", "203.0.113.7" }
	})
	cookie, _ := h.signIn(access.Dispatcher)
	h.get("/api/v1/units", "Authorization", "", "Cookie", cookie).want(200)
	h.get("/api/v1/units", "Authorization", "", "Cookie", cookie, "Host", "rasad.example").want(401) // in clear, over the network
	h.get("/api/v1/units", "Authorization", "", "Cookie", cookie+"; "+cookie).want(401)
	far = true
	secure := strings.Replace(cookie, access.CookieLoopback, access.CookieSecure, 1)
	h.get("/api/v1/units", "Authorization", "", "Cookie", secure, "Host", "rasad.example", "X-Test-TLS", "1").want(200)
	h.get("/api/v1/units", "Authorization", "", "Cookie", cookie, "Host", "rasad.example", "X-Test-TLS", "1").want(401) // the name of a plain connection
	h.do("PUT", "/api/v1/units/E7", `{"properties":{}}`, "Authorization", "", "Cookie", cookie, "Sec-Fetch-Site", "cross-site").want(403)
}

// signIn makes an account of a role and signs it in: the cookie, and the session's id.
func (h *house) signIn(role access.Role, agencies ...string) (cookie, session string) {
	h.t.Helper()
	ctx := context.Background()
	name := fmt.Sprintf("%s-%d", role, time.Now().UnixNano())
	a, err := h.gate.Register.Create(ctx, access.Act{By: "test", At: time.Now()}, access.NewAccount{Name: name, Role: role, Agencies: agencies, Hash: passwordHash()})
	if err != nil {
		h.t.Fatal(err)
	}
	secret, s := h.gate.Sessions.Begin(ctx, time.Now(), access.Session{Account: a.ID, Role: role, Grant: a.Grant}, "")
	return access.CookieLoopback + "=" + secret, s.ID
}

// passwordHash is a hash that nobody knows a password of; it costs once.
var passwordHash = sync.OnceValue(func() string {
	hash, err := access.NewHasher(access.DefaultHashParams, 1).Hash(context.Background(), "correct horse battery")
	if err != nil {
		panic(err)
	}
	return hash
})

// TestFeedTokensMoveTheirOwn: a token of a feed moves the units that it names, creates
// none unless it may, and reads nothing.
func TestFeedTokensMoveTheirOwn(t *testing.T) {
	h := newHouse(t)
	h.unit("E7", 1, 1, "").want(201)
	h.unit("M1", 1, 1, "").want(201)
	token := h.issue(access.TokenOptions{Role: "feed", Name: "phones", IDs: access.Patterns{"E*"}, Feed: "osmand"})
	fix := func(id, token string) answer {
		return h.get("/feeds/osmand?lat=1.0001&lon=1&id="+id, "Authorization", "Bearer "+token)
	}
	fix("E7", token).want(200)
	fix("M1", token).want(403)
	if lng, _ := h.get("/api/v1/units/M1").at("geometry", "coordinates", 0).(float64); lng != 1 {
		t.Errorf("the foreign unit moved to %v", lng)
	}
	fix("E8", token).want(404)
	fix("E8", h.issue(access.TokenOptions{Role: "feed", Name: "new ones", Creates: true, IDs: access.Patterns{"E*"}})).want(200)
	h.get("/api/v1/units/E8").want(200)
	fix("M8", h.issue(access.TokenOptions{Role: "feed", Name: "new ones", Creates: true, IDs: access.Patterns{"E*"}})).want(403)
	h.do("POST", "/feeds/owntracks?lat=1&lon=1&id=E7", `{"_type":"location"}`, "Authorization", "Bearer "+token).want(403) // bound to another feed
	h.get("/api/v1/units", "Authorization", "Bearer "+token).want(403)
	h.get("/api/v1/units/E7", "Authorization", "Bearer "+token).want(404)
	h.unit("E9", 1, 1, "")
	fix("E7", h.as(access.FeedProgram)).want(200) // a token that names none moves any
	fix("E77", h.as(access.FeedProgram)).want(404)
	fix("E7", h.as(access.Viewer)).want(403)
}

func TestATokenInTheAddressOfAPhone(t *testing.T) {
	h := newHouse(t)
	h.unit("E7", 1, 1, "").want(201)
	token := h.as(access.FeedProgram)
	h.get("/feeds/osmand/"+token+"?id=E7&lat=1.0001&lon=1", "Authorization", "").want(200)
	h.do("POST", "/feeds/osmand/"+token+"?id=E7&lat=1.0002&lon=1", "", "Authorization", "").want(200)
	h.get("/feeds/osmand/rasad_no?id=E7&lat=1&lon=1", "Authorization", "").want(401)
	h.get("/feeds/osmand/"+token+"?id=panic&lat=1&lon=1", "Authorization", "").want(500)
	if strings.Contains(h.logs.String(), token) || !strings.Contains(h.logs.String(), "{token}") {
		t.Errorf("the log holds the token, or not the call: %s", h.logs)
	}
	if b := h.get("/metrics").want(200).body; bytes.Contains(b, []byte(token)) {
		t.Error("the metrics hold the token")
	}
	// The OwnTracks app sends it as a password.
	r, _ := http.NewRequest("POST", h.url+"/feeds/owntracks?id=E7&lat=1.0003&lon=1", strings.NewReader(`{"_type":"location"}`))
	r.Header.Set("Content-Type", "application/json")
	r.SetBasicAuth("phone", token)
	h.send(r).want(200)
	r, _ = http.NewRequest("POST", h.url+"/feeds/owntracks?id=E7&lat=1.0003&lon=1", strings.NewReader(`{"_type":"location"}`))
	r.SetBasicAuth("phone", "rasad_no")
	h.send(r).want(401)
}

// A token that asks again and again for what it may not is set aside.
func TestATokenThatMisbehavesIsSetAside(t *testing.T) {
	h := newHouse(t)
	h.unit("M1", 1, 1, "").want(201)
	token := h.issue(access.TokenOptions{Role: "feed", Name: "wrong", IDs: access.Patterns{"E*"}})
	for range 20 {
		h.get("/feeds/osmand?lat=1&lon=1&id=M1", "Authorization", "Bearer "+token).want(403)
	}
	h.get("/feeds/osmand?lat=1&lon=1&id=M1", "Authorization", "Bearer "+token).want(401)
	slow := h.issue(access.TokenOptions{Role: "feed", Name: "slow", PerSecond: 1, Bytes: 40})
	h.get("/feeds/osmand?lat=1&lon=1&id=M1", "Authorization", "Bearer "+slow).want(200)
	h.get("/feeds/osmand?lat=1&lon=1&id=M1&more="+strings.Repeat("x", 40), "Authorization", "Bearer "+slow).want(413)
	limited := false
	for range 30 {
		if a := h.get("/feeds/osmand?lat=1&lon=1&id=M1", "Authorization", "Bearer "+slow); a.status == 429 {
			limited = a.header.Get("Retry-After") != ""
			break
		}
	}
	if !limited {
		t.Error("a token of one fix a second was never slowed down")
	}
}

// city is a world that each role sees another part of.
func (h *house) cityOfSecrets() {
	h.t.Helper()
	h.unit("E7", 1, 1, `"type":"engine","agency":"fire","note":"internal-E7"`).want(201)
	h.unit("P1", 1.001, 1, `"type":"police","agency":"police","note":"internal-P1"`).want(201)
	h.unit("U1", 1.002, 1, `"type":"police","agency":"police","sensitive":true`).want(201)
	h.incident("I1", `"priority":"1","description":"internal-I1","caller":{"name":"personal-I1"}`).want(201)
	h.do("PUT", "/api/v1/incidents/I2", `{"geometry":{"type":"Point","coordinates":[1,1]},"properties":{"type":"assault","description":"internal-I2"}}`).want(201)
	h.do("PUT", "/api/v1/shelters/S1", `{"geometry":{"type":"Point","coordinates":[1,1]},"properties":{"name":"Hall","capacity":50,"contact":"internal-S1"}}`).want(201)
	h.do("PUT", "/api/v1/shelters/S2", `{"geometry":{"type":"Point","coordinates":[1,1]},"properties":{"name":"School","capacity":50,"contact":"internal-S2"}}`).want(201)
	h.do("PUT", "/api/v1/sites/H1", `{"geometry":{"type":"Point","coordinates":[1,1]},"properties":{"name":"House","type":"safe_house"}}`).want(201)
}

// hears returns what the stream of a token holds, by key, as JSON of its first keyframe.
func (h *house) hears(token, query string) map[string]json.RawMessage {
	h.t.Helper()
	conn, _, err := h.dial(query, http.Header{"Authorization": {"Bearer " + token}}, "rasad.json.v1")
	if err != nil {
		h.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	out := map[string]json.RawMessage{}
	for first, until := true, h.world.View().Seq(); ; first = false {
		var f struct {
			Base, Seq uint64
			Mode      string
			Put       []json.RawMessage
			Drop      []string
		}
		if err := conn.ReadJSON(&f); err != nil || first && f.Base != 0 {
			h.t.Fatalf("no keyframe: %+v %v", f, err)
		}
		for _, p := range f.Put {
			var x struct{ ID string }
			if err := json.Unmarshal(p, &x); err != nil {
				h.t.Fatal(err)
			}
			out[x.ID] = p
		}
		for _, key := range f.Drop {
			delete(out, key)
		}
		if f.Seq >= until || f.Mode == "replay" {
			return out
		}
	}
}

// TestStreamsHoldWhatListsHold: what a stream shows is what the lists show the same
// caller, feature by feature and field by field, now and after changes.
func TestStreamsHoldWhatListsHold(t *testing.T) {
	h := newHouse(t)
	h.cityOfSecrets()
	want := map[access.Role]string{
		access.Dispatcher: "E7 H1 I1 I2 P1 S1 S2 U1", access.Commander: "E7 H1 I1 I2 P1 S1 S2 U1", access.Viewer: "E7 I1 P1 S1 S2",
		access.AgencyOfficer: "E7 I1 P1 S1 S2", access.ShelterKeeper: "S1",
	}
	check := func(when string) {
		t.Helper()
		for role, keys := range want {
			token := h.as(role)
			auth := []string{"Authorization", "Bearer " + token}
			listed := map[string]json.RawMessage{}
			var page struct {
				Features []json.RawMessage
				Next     string
			}
			for cursor := ""; ; cursor = "&cursor=" + page.Next {
				page.Next, page.Features = "", nil
				a := h.get("/api/v1/features?limit=2"+cursor, auth...).want(200)
				if err := json.Unmarshal(a.body, &page); err != nil {
					t.Fatal(err)
				}
				for _, f := range page.Features {
					var x struct{ ID string }
					_ = json.Unmarshal(f, &x)
					listed[x.ID] = f
				}
				if page.Next == "" {
					break
				}
			}
			var got []string
			for k := range listed {
				got = append(got, k)
			}
			slices.Sort(got)
			if strings.Join(got, " ") != keys {
				t.Errorf("%s, %s: lists hold %v, want %s", when, role, got, keys)
			}
			heard := h.hears(token, "")
			for key, f := range listed {
				if !jsonEqual(f, heard[key]) {
					t.Errorf("%s, %s: the list says\n%s\nand the stream\n%s", when, role, f, heard[key])
				}
				one := h.get(pathOfKind(f)+"/"+key, auth...).want(200)
				if !jsonEqual(f, one.body) {
					t.Errorf("%s, %s: the list says\n%s\nand the call of one\n%s", when, role, f, one.body)
				}
				delete(heard, key)
			}
			for key, f := range heard {
				if !strings.Contains(string(f), `"kind":"alarm"`) {
					t.Errorf("%s, %s: the stream holds %s, and the lists do not", when, role, key)
				}
			}
			for _, key := range []string{"E7", "P1", "U1", "I1", "I2", "S1", "S2", "H1"} {
				if _, ok := listed[key]; ok {
					continue
				}
				kind := map[byte]string{'E': "units", 'P': "units", 'U': "units", 'I': "incidents", 'S': "shelters", 'H': "sites"}[key[0]]
				hidden, none := h.get("/api/v1/"+kind+"/"+key, auth...).want(404), h.get("/api/v1/"+kind+"/none", auth...).want(404)
				if strings.ReplaceAll(string(hidden.body), key, "none") != string(none.body) {
					t.Errorf("%s: what is hidden answers\n%s\nand what is not there\n%s", role, hidden.body, none.body)
				}
			}
			all := ""
			for _, f := range listed {
				all += string(f)
			}
			if internal := role == access.Dispatcher || role == access.Commander; strings.Contains(all, "internal-P1") != internal || strings.Contains(all, "personal") {
				t.Errorf("%s sees %s", role, all)
			}
		}
	}
	check("at first")
	h.do("PATCH", "/api/v1/units/E7", `{"properties":{"note":"internal-P1 too"}}`).want(200)
	h.do("PATCH", "/api/v1/units/E7", `{"properties":{"note":"internal again"}}`).want(200)
	h.do("PATCH", "/api/v1/units/P1", `{"properties":{"sensitive":true}}`).want(200)
	want[access.Viewer], want[access.AgencyOfficer] = "E7 I1 S1 S2", "E7 I1 S1 S2"
	check("after one became sensitive")
	h.do("PATCH", "/api/v1/incidents/I2", `{"properties":{"type":"flood","agencies":["fire"]}}`).want(200)
	want[access.Viewer], want[access.AgencyOfficer] = "E7 I1 I2 S1 S2", "E7 I1 I2 S1 S2"
	check("after one is so no more")
	if got := h.hears(h.as(access.Commander), "?audience=brief"); len(got["U1"]) > 0 || len(got["E7"]) == 0 || strings.Contains(string(got["E7"]), "internal") {
		t.Errorf("the brief of a commander holds %v", got)
	}
}

func pathOfKind(f json.RawMessage) string {
	var x struct{ Properties struct{ Kind string } }
	_ = json.Unmarshal(f, &x)
	return "/api/v1/" + x.Properties.Kind + "s"
}

func jsonEqual(a, b []byte) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	p, _ := json.Marshal(x)
	q, _ := json.Marshal(y)
	return bytes.Equal(p, q)
}

// TestHiddenUnitsAreNotNear: nearest does not name what the caller does not see, and
// answers of writes and problems show no more than reads do.
func TestHiddenUnitsAreNotNear(t *testing.T) {
	h := newHouse(t)
	h.cityOfSecrets()
	near := func(role access.Role) (out []any) {
		a := h.get("/api/v1/units/nearest?lon=1.002&lat=1&k=5", "Authorization", "Bearer "+h.as(role)).want(200)
		for _, u := range a.at("units").([]any) {
			out = append(out, u.(map[string]any)["id"])
		}
		return out
	}
	if got := fmt.Sprint(near(access.Dispatcher)); got != "[U1 P1 E7]" {
		t.Errorf("a dispatcher is told of %s", got)
	}
	if got := fmt.Sprint(near(access.Viewer)); got != "[P1 E7]" {
		t.Errorf("a viewer is told of %s", got)
	}
	h.get("/api/v1/units/nearest?lon=1&lat=1", "Authorization", "Bearer "+h.as(access.ShelterKeeper)).want(403)

	keeper := []string{"Authorization", "Bearer " + h.as(access.ShelterKeeper)}
	h.do("PATCH", "/api/v1/shelters/S1", `{"properties":{"occupancy":12}}`, keeper...).want(200)
	h.do("PATCH", "/api/v1/shelters/S1", `{"properties":{"capacity":12}}`, keeper...).want(403)
	h.do("PATCH", "/api/v1/shelters/S2", `{"properties":{"occupancy":12}}`, keeper...).want(403)
	officer := []string{"Authorization", "Bearer " + h.as(access.AgencyOfficer)}
	h.do("PATCH", "/api/v1/units/E7", `{"properties":{"name":"Engine 7"}}`, officer...).want(200)
	h.do("PATCH", "/api/v1/units/P1", `{"properties":{"name":"mine"}}`, officer...).want(403)
	hidden := h.do("PATCH", "/api/v1/units/U1", `{"properties":{"name":"mine"}}`, officer...)
	none := h.do("PATCH", "/api/v1/units/U2", `{"properties":{"name":"mine"}}`, officer...)
	if hidden.status != 404 && hidden.status != 403 || bytes.Contains(hidden.body, []byte("current")) || none.status < 403 {
		t.Errorf("a hidden unit answers %s, one that is not there %s", hidden.body, none.body)
	}
	stale := h.do("PATCH", "/api/v1/units/E7", `{"properties":{"name":"x"}}`, append(officer, "If-Match", `"1"`)...).want(412)
	if stale.at("current", "properties", "name") != "Engine 7" {
		t.Errorf("an officer sees of the own unit %s", stale.body)
	}
	feed := h.issue(access.TokenOptions{Role: "feed", Name: "makes", Creates: true})
	made := h.do("PUT", "/api/v1/units/E70", `{"properties":{"name":"x"}}`, "Authorization", "Bearer "+feed)
	if made.status == 201 && bytes.Contains(made.body, []byte("status")) {
		t.Errorf("a program that reads nothing is answered %s", made.body)
	}
	viewer := h.get("/api/v1/incidents/I1/caller", "Authorization", "Bearer "+h.as(access.Viewer))
	if viewer.status != 403 {
		t.Errorf("a viewer who opens a caller got %d", viewer.status)
	}
	h.get("/api/v1/incidents/I1/caller", "Authorization", "Bearer "+h.as(access.Admin)).want(403)
	h.get("/api/v1/incidents/I1/caller", "Authorization", "Bearer "+h.as(access.Dispatcher)).want(200)
}

// closes reads a socket until it ends and returns its close code.
func closes(t testing.TB, conn *websocket.Conn) int {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			if e, ok := err.(*websocket.CloseError); ok {
				return e.Code
			}
			t.Fatalf("the socket ended without a word: %v", err)
		}
	}
}

func TestWhoMayListen(t *testing.T) {
	h := newHouse(t, func(d *api.Deps) { d.History = &memory{} })
	h.cityOfSecrets()
	past := "at=" + time.Now().Add(-time.Millisecond).UTC().Format(time.RFC3339Nano)
	keeper, feed := h.as(access.ShelterKeeper), h.as(access.FeedProgram)
	for _, tt := range []struct {
		token, query string
		code         int
	}{
		{"", "", 4401}, {"", "?audience=ops", 4401}, {"", "?audience=brief", 4401}, {"", "?audience=public", 4403},
		{feed, "", 4403}, {keeper, "?audience=ops", 4403}, {keeper, "?audience=brief", 4403}, {keeper, "?" + past, 4403},
		{h.as(access.Viewer), "?audience=ops", 4403}, {h.as(access.AgencyOfficer), "?audience=ops", 4403},
	} {
		header := http.Header{"Authorization": {"Bearer " + tt.token}}
		if tt.token == "" {
			header = http.Header{"Authorization": {"-"}}
		}
		conn, resp, err := h.dial(tt.query, header)
		if err != nil {
			t.Errorf("%q: %v %v", tt.query, err, resp)
			continue
		}
		if got := closes(t, conn); got != tt.code {
			t.Errorf("%q: closed with %d, want %d", tt.query, got, tt.code)
		}
		conn.Close()
	}
	conn, _, err := h.dial("", http.Header{"Authorization": {"Bearer " + keeper}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.WriteJSON(map[string]string{"seek": time.Now().Add(-time.Second).UTC().Format(time.RFC3339Nano)}); err != nil {
		t.Fatal(err)
	}
	if got := closes(t, conn); got != 4403 {
		t.Errorf("one who may not replay and seeks: closed with %d", got)
	}
	if got := h.hears(h.as(access.Viewer), "?"+past); len(got["U1"]) > 0 {
		t.Errorf("the replay of a viewer holds %v", got)
	}
	h.get("/api/v1/stream", "Authorization", "").want(401)
	h.get("/api/v1/stream", "Authorization", "Bearer "+feed).want(403)
}

// revocations is how often a session is ended; the long run of `make faults` asks for more.
func revocations() int {
	if os.Getenv("RASAD_LONG") != "" {
		return 1000
	}
	return 100
}

// TestASessionThatIsOverIsCutOff: sign-out, a disabled account, a changed role and a
// revoked token close every socket within a second, with 4401.
func TestASessionThatIsOverIsCutOff(t *testing.T) {
	h := newHouse(t)
	h.unit("E7", 1, 1, "").want(201)
	ctx := context.Background()
	act := func() access.Act { return access.Act{By: "test", At: time.Now()} }
	slowest := time.Duration(0)
	for i := range revocations() {
		var header http.Header
		var end func()
		if i%4 == 3 {
			text, id, err := h.gate.Tokens.IssueWith(access.TokenOptions{Role: "viewer", Name: "t"}, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			header = http.Header{"Authorization": {"Bearer " + text}}
			end = func() {
				if err := h.gate.Tokens.Revoke(access.Act{Why: "lost", At: time.Now()}, id); err != nil {
					t.Fatal(err)
				}
			}
		} else {
			cookie, session := h.signIn(access.Dispatcher)
			header = http.Header{"Cookie": {cookie}, "Origin": {h.url}, "Authorization": {"-"}}
			p, err := h.gate.Identify(ctx, access.Credentials{Session: strings.TrimPrefix(cookie, access.CookieLoopback+"=")})
			if err != nil {
				t.Fatal(err)
			}
			end = []func(){
				func() { h.gate.SignOut(ctx, p) },
				func() {
					yes := true
					if _, err := h.gate.Register.Change(ctx, act(), p.Account, access.AccountChanges{Disabled: &yes}); err != nil {
						t.Fatal(err)
					}
				},
				func() {
					role := access.Viewer
					if _, err := h.gate.Register.Change(ctx, act(), p.Account, access.AccountChanges{Role: &role}); err != nil {
						t.Fatal(err)
					}
				},
			}[i%4]
			if session == "" {
				t.Fatal("no session")
			}
		}
		var open []*websocket.Conn
		for range 1 + i%2 {
			conn, resp, err := h.dial("", header)
			if err != nil {
				t.Fatal(err, resp)
			}
			conn.SetReadDeadline(time.Now().Add(5 * time.Second))
			if _, _, err := conn.ReadMessage(); err != nil {
				t.Fatal(err)
			}
			open = append(open, conn)
		}
		began := time.Now()
		end()
		for _, conn := range open {
			if code := closes(t, conn); code != 4401 {
				t.Fatalf("try %d: closed with %d", i, code)
			}
			slowest = max(slowest, time.Since(began))
			conn.Close()
		}
		r, _ := http.NewRequest("GET", h.url+"/api/v1/units", nil)
		r.Header = header.Clone()
		if r.Header.Get("Authorization") == "-" {
			r.Header.Del("Authorization")
		}
		if a := h.send(r); a.status != 401 {
			t.Fatalf("try %d: what is over still reads: %d", i, a.status)
		}
	}
	if slowest > time.Second {
		t.Errorf("the slowest socket closed after %s", slowest)
	}
	t.Logf("%d times, the slowest after %s", revocations(), slowest)
}

// A reader that does not read cannot hold its socket open.
func TestASessionThatIsOverFeedsNobody(t *testing.T) {
	h := newHouse(t, crowd(20_000))
	cookie, session := h.signIn(access.Dispatcher)
	conn, _, err := h.dial("", http.Header{"Cookie": {cookie}, "Origin": {h.url}, "Authorization": {"-"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw := conn.NetConn()
	time.Sleep(200 * time.Millisecond) // the keyframe does not fit into the buffers
	h.gate.Sessions.Revoke(context.Background(), func(s access.Session) bool { return s.ID == session })
	time.Sleep(time.Second)
	raw.SetReadDeadline(time.Now().Add(2 * time.Second))
	n, err := io.Copy(io.Discard, raw)
	if err != nil && strings.Contains(err.Error(), "timeout") {
		t.Errorf("the socket is still open after a second: %d bytes, %v", n, err)
	}
}
