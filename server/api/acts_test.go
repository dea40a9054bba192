package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"rasad/geo"
	"rasad/server/access"
	"rasad/server/api"
	"rasad/streams"
)

// remembering makes what is recorded the history of a house.
func remembering(d *api.Deps) { d.History = &memory{} }

// names of the acts of a page, in its order.
func (a answer) acts() (names []string) {
	a.t.Helper()
	for _, x := range a.at("acts").([]any) {
		names = append(names, x.(map[string]any)["name"].(string))
	}
	return names
}

func TestActsAreFound(t *testing.T) {
	h, boss := town(t, remembering)
	h.unit("first", -75.5, 39.7, "").want(201) // the frame that this history begins with
	h.person("amini", access.Dispatcher)
	amini := h.browser()
	sid := amini.signIn("amini").at("session").(string)
	put := func(path, body string) { amini.do("PUT", path, body).want(201) }
	put("/api/v1/units/E7", `{"geometry":{"type":"Point","coordinates":[-75.55,39.74]},"properties":{"name":"E7","type":"engine","agency":"fire"}}`)
	put("/api/v1/units/P1", `{"geometry":{"type":"Point","coordinates":[-75.55,39.74]},"properties":{"name":"P1","type":"police","agency":"police"}}`)
	put("/api/v1/incidents/I1", `{"geometry":{"type":"Point","coordinates":[-75.55,39.74]},"properties":{"type":"structure_fire","description":"smoke over the roof",
		"caller":{"name":"Zahra Canary","phone":"+98-21-5550199"}}}`)
	amini.do("POST", "/api/v1/incidents/I1/assign", form("units", []string{"E7"}, "reason", "nearest one")).want(200)
	time.Sleep(20 * time.Millisecond) // moments are told in milliseconds: this one lies between two acts
	middle := time.Now()
	time.Sleep(20 * time.Millisecond)
	amini.do("PATCH", "/api/v1/incidents/I1", `{"properties":{"caller":{"name":"Parvin Canary","phone":"5550177"},"description":"out"}}`).want(200)
	amini.get("/api/v1/incidents/I1/caller?reason=call+back").want(200)
	amini.do("POST", "/api/v1/incidents/I1/close", form("next", map[string]string{"E7": "available"})).want(200)

	all := boss.get("/api/v1/acts").want(200)
	names := all.acts()
	if len(names) < 7 || names[0] != "incident.close" || !slices.Contains(names, "sealed.open") || names[len(names)-1] != "feature.put" {
		t.Fatalf("acts: %v", names)
	}
	if strings.Contains(string(all.body), "Canary") || strings.Contains(string(all.body), "55501") {
		t.Errorf("a caller stands in the acts: %s", all.body)
	}
	if all.at("next") != nil {
		t.Errorf("there is more: %s", all.body)
	}
	last := time.Now().Add(time.Minute)
	for _, x := range all.at("acts").([]any) {
		x := x.(map[string]any)
		at, err := time.Parse(time.RFC3339, x["at"].(string))
		if err != nil || at.After(last) {
			t.Errorf("not newest first: %v after %v", x["at"], last)
		}
		last = at
		if x["by"] != "user:amini" || x["session"] != sid || x["from"] != "127.0.0.1" || x["role"] != "dispatcher" {
			t.Errorf("who: %v", x)
		}
	}
	one := boss.get("/api/v1/acts?name=incident.assign").want(200)
	if len(one.acts()) != 1 || one.at("acts", 0, "why") != "nearest one" {
		t.Fatalf("the assignment: %s", one.body)
	}
	changed := map[string][2]any{}
	for _, c := range one.at("acts", 0, "changes").([]any) {
		c := c.(map[string]any)
		changed[c["subject"].(string)+"."+c["field"].(string)] = [2]any{c["before"], c["after"]}
	}
	if changed["E7.status"] != [2]any{"available", "dispatched"} || changed["E7.assigned"] != [2]any{nil, "I1"} {
		t.Errorf("what the assignment changed: %v", changed)
	}
	patched := boss.get("/api/v1/acts?name=feature.patch").want(200)
	if s := string(patched.body); !strings.Contains(s, `"field":"caller","subject":"I1"`) || !strings.Contains(s, `{"sealed":true}`) || !strings.Contains(s, "smoke over the roof") {
		t.Errorf("what the patch changed: %s", s)
	}

	for q, want := range map[string]int{
		"who=AMINI": len(names), "who=user:boss": 0, "feature=P1": 1, "feature=E7&name=incident.*": 2, "name=incident.*": 2, "q=Nearest": 1, "q=smoke": 1, "q=canary": 0, "q=5550199": 0,
		"to=" + stamp(middle): len(names) - 3, "from=" + stamp(middle): 3, "from=" + stamp(middle) + "&to=" + stamp(middle): 0, "from=2001-01-01T00:00:00Z&to=2001-01-02T00:00:00Z": 0,
		"name=feature.put&feature=I1": 1, "limit=2": 2,
	} {
		if got := boss.get("/api/v1/acts?" + q).want(200).acts(); len(got) != want {
			t.Errorf("%s: %d acts %v, want %d", q, len(got), got, want)
		}
	}
	for _, bad := range []string{"name=[", "limit=0", "limit=1000", "from=noon", "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "cursor=x", "sort=up"} {
		boss.get("/api/v1/acts?"+bad).refused(400, "invalid")
	}
	// In pages of one, each act comes once.
	var paged []string
	next := ""
	for range 50 {
		page := boss.get("/api/v1/acts?limit=1" + next).want(200)
		paged = append(paged, page.acts()...)
		cursor, more := page.at("next").(string)
		if !more {
			break
		}
		next = "&cursor=" + cursor
		boss.get("/api/v1/acts?who=x"+next).refused(400, "invalid") // of another question
	}
	if !slices.Equal(paged, names) {
		t.Errorf("in pages %v, at once %v", paged, names)
	}
	amini.get("/api/v1/acts").refused(403, "denied")
	h.browser().get("/api/v1/acts").refused(401, "sign-in")
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// A supervisor who is confined to an agency is shown what the policy shows them.
func TestActsOfOthersAreNotShown(t *testing.T) {
	h, boss := town(t, remembering)
	h.person("chief", access.Supervisor, func(in *access.NewAccount) { in.Agencies = []string{"fire"} })
	chief := h.browser()
	chief.signIn("chief")
	h.unit("first", -75.5, 39.7, "").want(201) // the frame that this history begins with
	h.unit("E7", -75.5, 39.7, `"type":"engine","agency":"fire","note":"of fire"`).want(201)
	h.unit("P1", -75.5, 39.7, `"type":"police","agency":"police","note":"of police"`).want(201)
	h.do("PATCH", "/api/v1/units/P1", `{"properties":{"note":"secret plan","name":"Patrol"}}`).want(200)
	all, own := string(boss.get("/api/v1/acts").want(200).body), string(chief.get("/api/v1/acts").want(200).body)
	for _, s := range []string{"of fire", "of police", "secret plan", "Patrol"} {
		if !strings.Contains(all, s) {
			t.Errorf("an admin is not shown %q: %s", s, all)
		}
	}
	if !strings.Contains(own, "of fire") || !strings.Contains(own, `"Patrol"`) || strings.Contains(own, "of police") || strings.Contains(own, "secret plan") {
		t.Errorf("a supervisor of fire is shown %s", own)
	}
}

// ages is a history of many frames, of which only some have acts; it counts what is
// read of it.
type ages struct {
	frames int
	acts   map[uint64]string
	read   *int
}

func (a ages) at(seq uint64) *streams.Frame {
	f := &streams.Frame{V: streams.FormatVersion, World: "live", Epoch: epoch, Base: seq - 1, Seq: seq, Time: a.time(seq)}
	if name, ok := a.acts[seq]; ok {
		f.Acts = []geo.Act{{Name: name, By: geo.Principal{Name: "user:amini"}}}
	}
	return f
}

func (ages) time(seq uint64) geo.Millis { return geo.Millis(1_700_000_000_000 + 50*seq) }

func (a ages) KeyframeAt(_ context.Context, t geo.Millis) (*streams.Frame, error) {
	seq := uint64(0)
	if t > a.time(0) {
		seq = min(uint64(t-a.time(0))/50, uint64(a.frames)) / 1200 * 1200
	}
	return &streams.Frame{V: streams.FormatVersion, World: "live", Epoch: epoch, Seq: seq, Time: a.time(seq), NextID: 1}, nil
}

func (a ages) Frames(_ context.Context, after uint64) iter.Seq2[*streams.Frame, error] {
	return func(yield func(*streams.Frame, error) bool) {
		for seq := after + 1; seq <= uint64(a.frames); seq++ {
			*a.read++
			if !yield(a.at(seq), nil) {
				return
			}
		}
	}
}

func (a ages) Span() (first, last geo.Millis) { return a.time(0), a.time(uint64(a.frames)) }

func TestALongSearchIsManyShortOnes(t *testing.T) {
	read := 0
	past := ages{frames: 200_000, acts: map[uint64]string{3: "first", 150_000: "middle", 199_999: "last"}, read: &read}
	_, boss := town(t, func(d *api.Deps) {
		d.World.Load(geo.Moment{Seq: 200_000, Time: past.time(200_000)}, geo.Delta{}, 1, nil, nil)
		d.History = past
	})
	var names []string
	next, calls := "", 0
	for {
		read = 0
		page := boss.get("/api/v1/acts?limit=10" + next).want(200)
		calls++
		if read > 30_000 || page.at("frames").(float64) > 30_000 {
			t.Fatalf("one call read %d frames and says %v", read, page.at("frames"))
		}
		names = append(names, page.acts()...)
		cursor, more := page.at("next").(string)
		if !more {
			break
		}
		next = "&cursor=" + cursor
		if calls > 20 {
			t.Fatal("the search does not end")
		}
	}
	if !slices.Equal(names, []string{"last", "middle", "first"}) || calls < 8 {
		t.Errorf("found %v in %d calls", names, calls)
	}
	// What is asked for by time is found without looking through all of it.
	read = 0
	at := past.time(150_000)
	page := boss.get(fmt.Sprintf("/api/v1/acts?from=%s&to=%s", stamp(time.UnixMilli(int64(at)-1000)), stamp(time.UnixMilli(int64(at)+1000)))).want(200)
	if got := page.acts(); !slices.Equal(got, []string{"middle"}) || page.at("next") != nil || read > 5000 {
		t.Errorf("by time: %v after %d frames, %s", got, read, page.body)
	}
}

func TestThePolicyIsShownAsItIs(t *testing.T) {
	h, boss := town(t)
	table := boss.get("/api/v1/policy").want(200)
	if rows := table.at("rows").([]any); len(rows) != len(access.Rows()) {
		t.Errorf("%d rows, want %d", len(rows), len(access.Rows()))
	}
	boss.do("GET", "/api/v1/policy", "", "If-None-Match", table.header.Get("ETag")).want(304)
	h.browser().get("/api/v1/policy").want(401)

	h.person("officer", access.AgencyOfficer)
	h.person("chief", access.Supervisor, func(in *access.NewAccount) { in.Agencies = []string{"fire"} })
	list := boss.get("/api/v1/audiences").want(200)
	seen := map[string]map[string]any{}
	for _, x := range list.at("audiences").([]any) {
		x := x.(map[string]any)
		seen[x["name"].(string)] = x
	}
	for name, people := range map[string]float64{"ops": 1, "brief": 0, "public": 0, "agency:fire": 1, "ops:fire": 1} {
		if x := seen[name]; x == nil || x["people"] != people {
			t.Errorf("the audience %s: %v", name, x)
		}
	}
	kinds := func(name string) string { b, _ := json.Marshal(seen[name]["kinds"]); return string(b) }
	if !strings.Contains(kinds("agency:fire"), `{"internal":true,"kind":"incident","own_only":true,"sensitive":true}`) ||
		!strings.Contains(kinds("brief"), `{"internal":false,"kind":"unit","own_only":false,"sensitive":false}`) || strings.Contains(kinds("brief"), `"call"`) {
		t.Errorf("what they see: %s %s", kinds("agency:fire"), kinds("brief"))
	}
}

func TestPreviewOfAnAudience(t *testing.T) {
	h, boss := town(t)
	h.unit("E7", -75.5, 39.7, `"type":"engine","agency":"fire","note":"internal"`).want(201)
	h.unit("P1", -75.5, 39.7, `"type":"police","agency":"police","note":"internal"`).want(201)
	notes := func(b *browser, as string) int {
		return strings.Count(string(b.get("/api/v1/features?kind=unit&as="+as).want(200).body), `"note"`)
	}
	for as, want := range map[string]int{"ops": 2, "brief": 0, "agency:fire": 1, "ops:police": 1} {
		if got := notes(boss, as); got != want {
			t.Errorf("as %s: %d internal notes, want %d", as, got, want)
		}
	}
	for _, bad := range []string{"nobody", "agency:", "ops:fire,", "user:amini"} {
		boss.get("/api/v1/features?as="+bad).refused(400, "invalid")
	}
	boss.get("/api/v1/features?kind=unit&as=shelter:S1").refused(403, "denied") // as it is for them
	h.person("amini", access.Dispatcher)
	h.person("chief", access.Supervisor, func(in *access.NewAccount) { in.Agencies = []string{"fire"} })
	amini, chief := h.browser(), h.browser()
	amini.signIn("amini")
	chief.signIn("chief")
	amini.get("/api/v1/features?as=brief").refused(403, "denied")
	if notes(chief, "ops:fire") != 1 || notes(chief, "brief") != 0 {
		t.Error("a supervisor of fire does not see their own audiences")
	}
	chief.get("/api/v1/features?as=ops").refused(403, "audience-denied") // more than their own eyes see
	chief.get("/api/v1/features?as=ops:police").refused(403, "audience-denied")
}

func TestACallerIsErasedByACall(t *testing.T) {
	var asked []api.Erasure
	_, boss := town(t, func(d *api.Deps) {
		d.Erase = func(_ context.Context, e api.Erasure) (api.ErasureDone, error) {
			asked = append(asked, e)
			if e.Key == "I9" {
				return api.ErasureDone{}, &geo.Refusal{Class: geo.Missing, Code: "no-caller", Detail: "I9 never had a sealed caller"}
			}
			return api.ErasureDone{Keys: 2, Seq: 7}, nil
		}
	})
	boss.settled()
	boss.do("DELETE", "/api/v1/incidents/I1/caller?reason=asked", "").refused(403, "step-up")
	boss.do("POST", "/api/v1/session/stepup", form("password", goodPassword)).want(200)
	boss.do("DELETE", "/api/v1/incidents/I1/caller", "").refused(400, "invalid")
	boss.do("DELETE", "/api/v1/incidents/I1/caller?reason=", "").refused(400, "invalid")
	boss.do("DELETE", "/api/v1/incidents/I9/caller?reason=asked", "").refused(404, "no-caller")
	a := boss.do("DELETE", "/api/v1/incidents/I1/caller?reason=asked+by+the+caller", "").want(200)
	if a.at("keys") != 2.0 || a.seq() != 7 || len(asked) != 2 || asked[1].Field != "caller" || asked[1].Why != "asked by the caller" || asked[1].By.Name != "user:boss" || asked[1].By.Session == "" {
		t.Errorf("erased: %s %+v", a.body, asked)
	}
}

// What is medical about somebody is sealed as a caller is, opened by those who work with
// callers and by nobody else, and each opening is in the record.
func TestPersonalFieldsAreOpenedOneByOne(t *testing.T) {
	var asked []api.Erasure
	h, boss := town(t, remembering, func(d *api.Deps) {
		d.Erase = func(_ context.Context, e api.Erasure) (api.ErasureDone, error) {
			asked = append(asked, e)
			return api.ErasureDone{Keys: 1, Seq: 9}, nil
		}
	})
	h.person("amini", access.Dispatcher)
	amini := h.browser()
	amini.signIn("amini")
	amini.do("PUT", "/api/v1/incidents/I1", `{"geometry":{"type":"Point","coordinates":[-75.55,39.74]},"properties":{"type":"medical",
		"patient":{"name":"Ava Canary","born":1990},"medical":"Canary allergy"}}`).want(201)
	if a := amini.get("/api/v1/incidents/I1").want(200); strings.Contains(string(a.body), "Canary") {
		t.Errorf("a patient stands in what is read: %s", a.body)
	}
	if a := amini.get("/api/v1/incidents/I1/personal/patient?reason=handover").want(200); !strings.Contains(string(a.body), "Ava Canary") {
		t.Errorf("the patient is %s", a.body)
	}
	if a := amini.get("/api/v1/incidents/I1/personal/medical").want(200); string(a.body) != `"Canary allergy"` {
		t.Errorf("what is medical is %s", a.body)
	}
	amini.get("/api/v1/incidents/I1/personal/caller").refused(404, "no-caller")
	amini.get("/api/v1/incidents/I1/personal/description").refused(400, "invalid")
	amini.do("DELETE", "/api/v1/incidents/I1/personal/patient?reason=asked", "").refused(403, "denied")
	boss.settled()
	boss.do("POST", "/api/v1/session/stepup", form("password", goodPassword)).want(200)
	boss.do("DELETE", "/api/v1/incidents/I1/personal/name?reason=asked", "").refused(400, "invalid")
	boss.do("DELETE", "/api/v1/incidents/I1/personal/medical?reason=asked", "").want(200)
	if len(asked) != 1 || asked[0].Field != "medical" {
		t.Errorf("erased: %+v", asked)
	}
	opened := 0
	for _, a := range h.journal.acts() {
		if a.Name == api.OpenSealedName {
			opened++
		}
	}
	if opened != 2 {
		t.Errorf("%d openings are in the record, want 2", opened)
	}
	if a := boss.get("/api/v1/acts").want(200); strings.Contains(string(a.body), "Canary") {
		t.Errorf("a patient stands in the acts: %s", a.body)
	}
}
