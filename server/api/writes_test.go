package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"rasad/geo"
)

func TestWriteReadChangeRemove(t *testing.T) {
	h := newHouse(t)
	made := h.unit("E7", -75.5466, 39.7447, `"type":"engine","agency":"fire","capabilities":["engine"],"x-mine":{"a":[1,2]}`).want(201)
	if got := made.header.Get("Location"); got != "/api/v1/units/E7" {
		t.Errorf("got Location %q, want /api/v1/units/E7", got)
	}
	if _, ok := made.json()["created"]; ok {
		t.Errorf("got %s, want no member created: it is between rule and door", made.body)
	}
	tag := made.header.Get("ETag")
	if want := fmt.Sprintf(`"%v"`, made.at("properties", "rev")); tag != want {
		t.Errorf("got ETag %s, want %s", tag, want)
	}
	if made.seq() < uint64(made.at("properties", "rev").(float64)) {
		t.Errorf("got Rasad-Seq %d before rev %v", made.seq(), made.at("properties", "rev"))
	}

	read := h.get("/api/v1/units/E7").want(200)
	if read.header.Get("ETag") != tag || string(read.body) != string(made.body) {
		t.Errorf("read %s, want what the write answered: %s", read.body, made.body)
	}
	if got := read.at("properties", "x-mine", "a", 1); got != 2.0 {
		t.Errorf("got %v for an unknown property, want it kept", got)
	}
	h.get("/api/v1/units/E7", "If-None-Match", tag).want(304)
	h.get("/api/v1/units/E7", "If-None-Match", `"1", W/`+tag).want(304)
	h.get("/api/v1/units/E7", "If-None-Match", `"99999"`).want(200)

	changed := h.do("PATCH", "/api/v1/units/E7", `{"properties":{"name":"Engine 7","x-mine":null}}`,
		"Content-Type", "application/merge-patch+json", "If-Match", tag).want(200)
	if changed.at("properties", "name") != "Engine 7" || changed.at("properties", "x-mine") != nil || changed.at("properties", "type") != "engine" {
		t.Errorf("got %s after the patch", changed.body)
	}
	stale := h.do("PATCH", "/api/v1/units/E7", `{"properties":{"name":"late"}}`, "If-Match", tag).want(412)
	if stale.at("yours") != tag || stale.at("current", "properties", "name") != "Engine 7" {
		t.Errorf("got %s, want both values", stale.body)
	}
	h.do("PUT", "/api/v1/units/E7", `{"properties":{"name":"late"}}`, "If-Match", tag).want(412)
	h.do("DELETE", "/api/v1/units/E7", "", "If-Match", tag).want(412)
	h.do("PUT", "/api/v1/units/E7", `{"properties":{"name":"again"}}`, "If-None-Match", "*").want(412)
	h.do("PUT", "/api/v1/units/E8", `{"properties":{"name":"new"}}`, "If-Match", "*").want(412)
	h.do("PUT", "/api/v1/units/E8", `{"properties":{"name":"new"}}`, "If-Match", `"5"`).want(412)
	h.do("PUT", "/api/v1/units/E8", `{"properties":{"name":"new"}}`, "If-None-Match", "*").want(201)
	h.do("PUT", "/api/v1/units/E7", `{"properties":{"name":"Engine 7b"}}`, "If-Match", `"1", `+changed.header.Get("ETag")).want(200)
	h.do("PUT", "/api/v1/incidents/E7", `{"properties":{"type":"flood"}}`).want(409)
	h.get("/api/v1/incidents/E7").want(404)

	gone := h.do("DELETE", "/api/v1/units/E7", "").want(204)
	if h.world.View().Seq() < gone.seq() {
		t.Errorf("answered before it was applied")
	}
	h.get("/api/v1/units/E7").want(404)
	h.do("DELETE", "/api/v1/units/E7", "").want(404)
	h.do("PATCH", "/api/v1/units/E7", `{"properties":{"name":"x"}}`).want(404)
}

func TestMovesLeaveTheETagAlone(t *testing.T) {
	h := newHouse(t)
	tag := h.unit("E7", -75.5466, 39.7447, "").want(201).header.Get("ETag")
	before := h.world.View().Seq()
	h.get("/feeds/osmand?id=E7&lon=-75.5&lat=39.7").want(200)
	if h.world.View().Seq() == before {
		t.Fatal("the fix is in no frame")
	}
	read := h.get("/api/v1/units/E7").want(200)
	if read.header.Get("ETag") != tag {
		t.Errorf("got ETag %s after a move, want %s", read.header.Get("ETag"), tag)
	}
	if read.at("geometry", "coordinates", 0) != -75.5 {
		t.Errorf("got %s, want the new place", read.body)
	}
}

func TestPostMakesAKey(t *testing.T) {
	h := newHouse(t)
	a := h.do("POST", "/api/v1/incidents", `{"geometry":null,"properties":{"type":"flood"}}`).want(201)
	id, _ := a.at("id").(string)
	if geo.CheckKey(id) != nil || a.header.Get("Location") != "/api/v1/incidents/"+id {
		t.Errorf("got id %q at %q", id, a.header.Get("Location"))
	}
	h.get(a.header.Get("Location")).want(200)
	h.do("POST", "/api/v1/incidents", `{"id":"I1","properties":{"type":"flood"}}`).want(201)
	taken := h.do("POST", "/api/v1/units", `{"id":"I1","properties":{"name":"x"}}`).want(409)
	if taken.at("type") != "urn:rasad:problem:key-taken" {
		t.Errorf("got %s", taken.body)
	}
}

func TestARetryIsDoneOnce(t *testing.T) {
	h := newHouse(t)
	post := func(body, key string) answer {
		return h.do("POST", "/api/v1/incidents", body, "Idempotency-Key", key)
	}
	first := post(`{"properties":{"type":"flood","caller":{"name":"A"}}}`, "k1").want(201)
	again := post(`{"properties":{"type":"flood","caller":{"name":"A"}}}`, "k1").want(201)
	if string(first.body) != string(again.body) {
		t.Errorf("got %s for the retry, want %s", again.body, first.body)
	}
	other := post(`{"properties":{"type":"medical"}}`, "k1").want(422)
	if other.at("type") != "urn:rasad:problem:key-reused" {
		t.Errorf("got %s", other.body)
	}
	if n := h.world.View().Len(geo.Incident); n != 1 {
		t.Errorf("got %d incidents, want 1", n)
	}
	// The same key and body at another address is another request.
	h.do("PUT", "/api/v1/incidents/I9", `{"properties":{"type":"flood"}}`, "Idempotency-Key", "k2").want(201)
	h.do("PUT", "/api/v1/incidents/I10", `{"properties":{"type":"flood"}}`, "Idempotency-Key", "k2").want(422)
	for _, bad := range []string{strings.Repeat("k", 129), "two words", "ключ"} {
		post(`{"properties":{"type":"flood"}}`, bad).want(400)
	}
}

func TestCallerIsSealed(t *testing.T) {
	h := newHouse(t)
	const secret = "Maryam Hosseini"
	h.incident("I1", `"caller":{"name":"`+secret+`","phone":"+98 21 5550100"}`).want(201)
	read := h.get("/api/v1/incidents/I1").want(200)
	if got := read.at("properties", "caller", "sealed"); got != true {
		t.Errorf("got caller %s, want only that it is sealed", read.body)
	}
	for _, f := range h.journal.frames {
		if strings.Contains(string(f.Encode()), secret) {
			t.Error("the caller stands in a frame in clear")
		}
		for _, a := range f.Acts {
			if strings.Contains(string(a.Args), secret) || strings.Contains(string(a.Answer), secret) {
				t.Errorf("the caller stands in the act %s in clear", a.Name)
			}
		}
	}
	opened := h.get("/api/v1/incidents/I1/caller?reason=call%20back").want(200)
	if opened.at("name") != secret {
		t.Errorf("got %s", opened.body)
	}
	acts := h.journal.acts()
	if last := acts[len(acts)-1]; last.Name != "sealed.open" || last.Why != "call back" || last.By.Name != "token:test" || last.By.Role != "supervisor" {
		t.Errorf("got last act %+v, want who opened the caller and why", last)
	}
	// What was read can be written back without losing the caller.
	h.do("PUT", "/api/v1/incidents/I1", string(read.body)).want(200)
	if h.get("/api/v1/incidents/I1/caller").want(200).at("name") != secret {
		t.Error("writing back what was read lost the caller")
	}
	h.do("PATCH", "/api/v1/incidents/I1", `{"properties":{"caller":{"name":"B"}}}`).want(200)
	if h.get("/api/v1/incidents/I1/caller").want(200).at("name") != "B" {
		t.Error("a patch did not replace the caller")
	}
	h.do("PATCH", "/api/v1/incidents/I1", `{"properties":{"caller":null}}`).want(200)
	h.get("/api/v1/incidents/I1/caller").want(404)

	h.incident("I2", `"caller":{"name":"C"}`).want(201)
	f, _ := h.world.View().Get("I2")
	if err := h.sealer.Erase(f.Sealed[0].KeyID); err != nil {
		t.Fatal(err)
	}
	if erased := h.get("/api/v1/incidents/I2/caller").want(410); erased.at("type") != "urn:rasad:problem:erased" {
		t.Errorf("got %s", erased.body)
	}
	if strings.Contains(h.logs.String(), secret) {
		t.Error("the caller stands in the log")
	}
}

func TestDatumIsConvertedAtTheDoor(t *testing.T) {
	h := newHouse(t)
	const lon, lat = 116.397, 39.909
	wantLon, wantLat := geo.GCJ02.ToWGS84(lon, lat)
	place := fmt.Sprintf(`"geometry":{"type":"Point","coordinates":[%v,%v]}`, lon, lat)
	for path, body := range map[string]string{
		"/api/v1/sites/S1?datum=gcj02": `{` + place + `,"properties":{"name":"a"}}`,
		"/api/v1/sites/S2":             `{` + place + `,"datum":"gcj02","properties":{"name":"a"}}`,
		"/api/v1/sites/S3":             `{` + place + `,"properties":{"name":"a","datum":"GCJ02"}}`,
	} {
		a := h.do("PUT", path, body).want(201)
		x, y := a.at("geometry", "coordinates", 0).(float64), a.at("geometry", "coordinates", 1).(float64)
		if diff(x, wantLon) > 2e-7 || diff(y, wantLat) > 2e-7 {
			t.Errorf("%s: got %v,%v, want %v,%v", path, x, y, wantLon, wantLat)
		}
		if a.at("properties", "original", "datum") != "gcj02" || a.at("properties", "original", "lon") != lon {
			t.Errorf("%s: got %s, want the original kept", path, a.body)
		}
	}
	ring := `{"type":"Polygon","coordinates":[[[116,39],[117,39],[117,40],[116,39]]]}`
	a := h.do("PUT", "/api/v1/hazards/H1?datum=bd09", `{"geometry":`+ring+`,"properties":{"type":"flood"}}`).want(201)
	if x, _ := geo.BD09.ToWGS84(116, 39); diff(a.at("geometry", "coordinates", 0, 0, 0).(float64), x) > 2e-7 {
		t.Errorf("got %s, want every position converted", a.body)
	}
	h.do("PUT", "/api/v1/sites/S4?datum=wgs84", `{`+place+`,"datum":"gcj02"}`).want(400)
	h.do("PUT", "/api/v1/sites/S4", `{`+place+`,"datum":"mars"}`).want(400)
	h.do("PUT", "/api/v1/sites/S4?datum=mars", `{`+place+`}`).want(400)
}

func diff(a, b float64) float64 { return max(a-b, b-a) }

func TestPatchOfAPlace(t *testing.T) {
	h := newHouse(t)
	h.do("PUT", "/api/v1/hazards/H1", `{"geometry":{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]]]},"properties":{"type":"flood"}}`).want(201)
	a := h.do("PATCH", "/api/v1/hazards/H1", `{"geometry":{"coordinates":[[[2,2],[3,2],[3,3],[2,2]]]}}`).want(200)
	if a.at("geometry", "type") != "Polygon" || a.at("geometry", "coordinates", 0, 0, 0) != 2.0 {
		t.Errorf("got %s, want the coordinates merged into the polygon", a.body)
	}
	a = h.do("PATCH", "/api/v1/hazards/H1", `{"geometry":{"type":"Point","coordinates":[5,6]}}`).want(200)
	if a.at("geometry", "type") != "Point" {
		t.Errorf("got %s, want a point", a.body)
	}
	a = h.do("PATCH", "/api/v1/hazards/H1", `{"geometry":null}`).want(200)
	if a.at("geometry") != nil || a.at("properties", "type") != "flood" {
		t.Errorf("got %s, want no place and the rest kept", a.body)
	}
}

func TestDispatchOverTheDoor(t *testing.T) {
	h := newHouse(t)
	h.unit("E7", -75.54, 39.74, `"type":"engine"`).want(201)
	h.unit("A1", -75.53, 39.74, `"type":"ambulance"`).want(201)
	h.incident("I1", "").want(201)
	h.incident("I2", "").want(201)
	a := h.do("POST", "/api/v1/incidents/I1/assign", `{"units":["E7"]}`).want(200)
	if a.at("properties", "assigned", 0) != "E7" || a.seq() == 0 {
		t.Errorf("got %s", a.body)
	}
	if u := h.get("/api/v1/units/E7"); u.at("properties", "status") != "dispatched" || u.at("properties", "assigned") != "I1" || u.at("properties", "dispatchable") != false {
		t.Errorf("got %s", u.body)
	}
	busy := h.do("POST", "/api/v1/incidents/I2/assign", `{"units":["E7"]}`).want(409)
	if busy.at("type") != "urn:rasad:problem:unit-busy" || busy.at("detail") == "" {
		t.Errorf("got %s", busy.body)
	}
	h.do("POST", "/api/v1/incidents/I2/assign", `{"units":["E7"],"take":true}`).want(409)
	h.do("POST", "/api/v1/incidents/I2/assign", `{"units":["E7"],"take":true,"reason":"worse fire"}`).want(200)
	owned := h.do("PATCH", "/api/v1/units/E7", `{"properties":{"status":"available"}}`).want(409)
	if owned.at("type") != "urn:rasad:problem:field-owned" {
		t.Errorf("got %s", owned.body)
	}
	s := h.do("POST", "/api/v1/units/E7/status", `{"status":"en_route"}`).want(200)
	if s.at("properties", "status") != "en_route" {
		t.Errorf("got %s", s.body)
	}
	h.do("POST", "/api/v1/units/E7/status", `{"distress":true}`).want(200)
	if l := h.get("/api/v1/alarms").want(200); l.at("features", 0, "id") != "alarm:distress:E7" {
		t.Errorf("got %s, want the alarm of the distress", l.body)
	}
	h.do("POST", "/api/v1/alarms/alarm:distress:E7/ack", "").want(200)
	h.do("POST", "/api/v1/units/E7/status", `{"distress":false}`).want(200)
	h.do("POST", "/api/v1/incidents/I2/status", `{"status":"under_control"}`).want(200)
	h.do("POST", "/api/v1/incidents/I2/status", `{"status":"closed"}`).want(409)
	h.do("POST", "/api/v1/incidents/I2/close", "").want(409)
	h.do("POST", "/api/v1/incidents/I2/release", `{"units":["E7"],"next":{"E7":"returning"}}`).want(200)
	h.do("POST", "/api/v1/incidents/I2/close", `{}`).want(200)
	h.do("POST", "/api/v1/incidents/I2/assign", `{"units":["E7"]}`).want(409)
	h.do("POST", "/api/v1/incidents/nobody/assign", `{"units":["E7"]}`).want(404)
	h.do("POST", "/api/v1/incidents/I1/assign", `{"units":["nobody"]}`).want(404)
	h.do("POST", "/api/v1/units/nobody/status", `{"status":"available"}`).want(404)
	h.do("POST", "/api/v1/alarms/nobody/ack", "").want(404)
}

func TestNearestUnitHasNoKeyOfThatName(t *testing.T) {
	h := newHouse(t)
	h.do("PUT", "/api/v1/units/nearest", `{"properties":{"name":"x"}}`).want(http.StatusBadRequest)
}
