package dispatch

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"rasad/geo"
)

// policy is a small city.
var policy = Policy{
	UnitStatuses: map[string]UnitStatus{
		"available": {Dispatchable: true}, "dispatched": {Busy: true}, "en_route": {Busy: true}, "on_scene": {Busy: true},
		"transporting": {Busy: true, Carrying: true}, "at_hospital": {Busy: true},
		"returning": {Dispatchable: true}, "out_of_service": {},
	},
	Transitions: []Transition{
		{From: "available", To: []string{"dispatched", "en_route", "out_of_service"}},
		{From: "dispatched", To: []string{"en_route", "on_scene", "available", "out_of_service"}},
		{From: "en_route", To: []string{"on_scene", "available", "out_of_service"}},
		{From: "on_scene", To: []string{"transporting", "returning", "available", "out_of_service"}},
		{From: "on_scene", To: []string{"available", "out_of_service"}, Agencies: []string{"police"}},
		{From: "transporting", To: []string{"at_hospital"}},
		{From: "at_hospital", To: []string{"available", "returning", "out_of_service"}},
		{From: "returning", To: []string{"available", "dispatched", "out_of_service"}},
		{From: "out_of_service", To: []string{"available"}},
	},
	Initial: "available", Assigned: "dispatched",
	UnitTypes: map[string]UnitType{
		"engine":    {Agency: "fire", Capabilities: []string{"engine"}},
		"ambulance": {Agency: "ems", Capabilities: []string{"als", "bls"}},
		"police":    {Agency: "police"},
	},
	Agencies: []string{"fire", "ems", "police"}, Capabilities: []string{"engine", "ladder", "als", "bls", "hazmat", "rescue"},
	IncidentTypes: map[string]IncidentType{"structure_fire": {Priority: "1"}, "medical": {Priority: "2"}},
	IncidentStatuses: map[string]IncidentStatus{
		"open": {Order: 1}, "dispatched": {Order: 2}, "on_scene": {Order: 3}, "controlled": {Order: 4}, "closed": {Order: 5, Final: true}},
	Open: "open", Closed: "closed",
	Follows:         map[string]string{"dispatched": "dispatched", "on_scene": "on_scene"},
	Scales:          map[string][]string{"priority": {"1", "2", "3", "4"}, "grade": {"I", "II"}, "response_level": {"4", "3", "2", "1"}},
	Figures:         []string{"injured", "without_power"},
	Languages:       []string{"fa", "zh", "en"},
	Panels:          []string{"counters", "worst", "ticker"},
	Layers:          []string{"units", "incidents", "coverage"},
	HazardTypes:     map[string]HazardType{"flood": {Impassable: true}, "smoke": {}, "ice": {SpeedFactor: 0.6}},
	ShelterTypes:    []string{"assembly_point"},
	ShelterStatuses: []string{"open", "full"},
	SiteTypes:       []string{"hospital"},
	VoidAfter:       time.Minute,
}

// desk runs commands against a world, a frame each.
type desk struct {
	t     testing.TB
	w     *geo.World
	rules map[string]geo.Rule
	now   geo.Millis
	who   geo.Principal
	acts  []geo.Act // of the last frame
}

const morning = geo.Millis(1_700_000_000_000) // 2023-11-14T22:13:20Z

func newDesk(t testing.TB, before ...string) *desk {
	t.Helper()
	k := &desk{t: t, w: geo.NewWorld(), rules: Rules(policy), now: morning, who: geo.Principal{Name: "dispatcher:amini"}}
	for _, c := range before {
		if _, err := k.do(c); err != nil {
			t.Fatalf("before the case: %s: %v", c, err)
		}
	}
	return k
}

// do runs "name {args}" and returns the answer. Refused commands change nothing.
func (k *desk) do(line string) (json.RawMessage, error) {
	k.t.Helper()
	name, args, _ := strings.Cut(line, " ")
	rule, ok := k.rules[name]
	if !ok {
		k.t.Fatalf("no rule %q", name)
	}
	v := k.w.View()
	d := geo.NewDraft(v, v.Seq()+1, k.now)
	var out any
	err := d.Try(func() (err error) { out, err = rule(d, k.who, json.RawMessage(args)); return err })
	if err != nil && !d.Delta().Empty() {
		k.t.Fatalf("%s: refused and yet changed %+v", line, d.Delta())
	}
	k.acts = slices.Clone(d.Acts())
	if !d.Delta().Empty() && len(k.acts) == 0 {
		k.t.Errorf("%s: changed the world without an act", line)
	}
	for _, a := range k.acts {
		if len(a.Subjects) == 0 {
			k.t.Errorf("%s: act %s is about nothing", line, a.Name)
		}
	}
	if !d.Delta().Empty() {
		k.w.Apply(geo.Moment{Seq: v.Seq() + 1, Time: k.now}, d.Delta())
	}
	checkInvariants(k.t, k.w.View(), line)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(out)
	if err != nil {
		k.t.Fatalf("%s: answer: %v", line, err)
	}
	return b, nil
}

// must is do for what must be accepted.
func (k *desk) must(line string) json.RawMessage {
	k.t.Helper()
	out, err := k.do(line)
	if err != nil {
		k.t.Fatalf("%s: %v", line, err)
	}
	return out
}

func (k *desk) get(key string) *geo.Feature {
	k.t.Helper()
	f, ok := k.w.View().Get(key)
	if !ok {
		k.t.Fatalf("there is no %s", key)
	}
	return f
}

// checkInvariants holds a world against the law of the package.
func checkInvariants(t testing.TB, v *geo.View, after string) {
	t.Helper()
	open := map[string]string{} // unit: incident, by open assignments
	for a := range v.All(geo.Assignment) {
		unit, incident := a.Props.Text("unit"), a.Props.Text("incident")
		if _, ok := v.Get(incident); !ok {
			t.Errorf("after %s: assignment %s outlived its incident", after, a.Key)
		}
		if a.Props.Text("cleared_at") != "" {
			continue
		}
		if other, twice := open[unit]; twice {
			t.Errorf("after %s: %s has open assignments to %s and %s", after, unit, other, incident)
		}
		open[unit] = incident
		u, ok := v.Get(unit)
		if !ok || u.Props.Text("assigned") != incident || u.Props.Text("assignment") != a.Key {
			t.Errorf("after %s: assignment %s is open and %s does not say so", after, a.Key, unit)
		}
	}
	for u := range v.All(geo.Unit) {
		in := u.Props.Text("assigned")
		if in != open[u.Key] {
			t.Errorf("after %s: %s says %q, its open assignment %q", after, u.Key, in, open[u.Key])
		}
		if in != "" {
			f, ok := v.Get(in)
			if !ok || !slices.Contains(f.Props.Texts("assigned"), u.Key) || policy.final(f) {
				t.Errorf("after %s: %s is assigned to %s, which does not hold it or is closed", after, u.Key, in)
			}
		}
		status := policy.UnitStatuses[u.Props.Text("status")]
		if in != "" && !status.Busy {
			t.Errorf("after %s: %s is assigned and %s", after, u.Key, u.Props.Text("status"))
		}
		crew, counted := u.Props.Number("crew")
		want := status.Dispatchable && in == "" && !u.Props.Bool("distress") && !(counted && crew == 0)
		if got := u.Props.Raw("dispatchable"); got != fmt.Sprint(want) {
			t.Errorf("after %s: %s dispatchable = %s, want %t (%s)", after, u.Key, got, want, u.Props)
		}
	}
	for f := range v.All(geo.Incident) {
		for _, key := range f.Props.Texts("assigned") {
			if open[key] != f.Key {
				t.Errorf("after %s: %s holds %s, which works on %q", after, f.Key, key, open[key])
			}
		}
	}
}

const (
	engine7  = `feature.create {"key":"E7","kind":"unit","at":[-755466000,397447000],"props":{"name":"Engine 7","type":"engine"}}`
	engine9  = `feature.create {"key":"E9","kind":"unit","props":{"type":"engine"}}`
	medic3   = `feature.create {"key":"M3","kind":"unit","props":{"type":"ambulance"}}`
	police1  = `feature.create {"key":"P1","kind":"unit","props":{"type":"police"}}`
	fire     = `feature.create {"key":"I1","kind":"incident","at":[-755400000,397400000],"props":{"type":"structure_fire"}}`
	collapse = `feature.create {"key":"I2","kind":"incident","props":{"type":"medical"}}`
	ladder   = `feature.create {"key":"L1","kind":"unit","props":{"type":"engine","status":"out_of_service"}}`
	flood    = `feature.create {"key":"H1","kind":"hazard","props":{"type":"flood"}}`
	e7ToFire = `incident.assign {"incident":"I1","units":["E7"]}`
	m3ToFire = `incident.assign {"incident":"I1","units":["M3"]}`
)

func TestRefusals(t *testing.T) {
	tests := map[string]struct {
		before []string
		do     string
		class  geo.RefusalClass
		code   string
		says   string // a part of the sentence
	}{
		"arguments that are no JSON":         {nil, `unit.status {`, geo.Invalid, "bad-args", "cannot be read"},
		"a misspelt argument":                {nil, `unit.status {"unit":"E7","stauts":"en_route"}`, geo.Invalid, "bad-args", "stauts"},
		"something behind the arguments":     {nil, `unit.status {"unit":"E7"} {}`, geo.Invalid, "bad-args", "follows"},
		"an incident of a type nobody knows": {nil, `feature.create {"key":"I9","kind":"incident","props":{"type":"dragon"}}`, geo.Invalid, "invalid", `"dragon"`},
		"a priority off the scale":           {nil, `feature.create {"key":"I9","kind":"incident","props":{"priority":5}}`, geo.Invalid, "invalid", "priority"},
		"a unit in a status nobody knows":    {nil, `feature.create {"key":"E9","kind":"unit","props":{"status":"asleep"}}`, geo.Invalid, "invalid", "asleep"},
		"capabilities that are no list":      {nil, `feature.create {"key":"E9","kind":"unit","props":{"capabilities":"als"}}`, geo.Invalid, "invalid", "capabilities must be an array"},
		"a capability nobody knows":          {nil, `feature.create {"key":"E9","kind":"unit","props":{"capabilities":["als","fly"]}}`, geo.Invalid, "invalid", "[1]"},
		"a capability that is null":          {nil, `feature.create {"key":"E9","kind":"unit","props":{"capabilities":[null]}}`, geo.Invalid, "invalid", "[0]"},
		"a crew of minus one":                {nil, `feature.create {"key":"E9","kind":"unit","props":{"crew":-1}}`, geo.Invalid, "invalid", "crew"},
		"a crew of one and a half":           {nil, `feature.create {"key":"E9","kind":"unit","props":{"crew":1.5}}`, geo.Invalid, "invalid", "crew"},
		"a shelter for half a person":        {nil, `feature.create {"key":"S1","kind":"shelter","props":{"capacity":0.5}}`, geo.Invalid, "invalid", "capacity"},
		"a name longer than a screen":        {nil, `feature.create {"key":"E9","kind":"unit","props":{"name":"` + strings.Repeat("e", 201) + `"}}`, geo.Invalid, "invalid", "name"},
		"properties beyond all bounds":       {nil, `feature.create {"key":"E9","kind":"unit","props":{"x":"` + strings.Repeat("e", 70_000) + `"}}`, geo.Invalid, "invalid", "properties"},
		"properties that grow by escaping":   {nil, `feature.create {"key":"E9","kind":"unit","props":{"x":"` + strings.Repeat("<", 60_000) + `"}}`, geo.Invalid, "invalid", "properties"},
		"properties forty levels deep":       {nil, `feature.create {"key":"E9","kind":"unit","props":{"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}}`, geo.Invalid, "invalid", "properties"},
		"a patch forty levels deep":          {[]string{engine7}, `feature.patch {"key":"E7","kind":"unit","props":{"x":` + strings.Repeat(`{"x":`, 40) + "1" + strings.Repeat("}", 40) + `}}`, geo.Invalid, "invalid", "properties"},
		"a time without offset":              {nil, `feature.create {"key":"H9","kind":"hazard","props":{"valid_to":"2026-11-22 10:00"}}`, geo.Invalid, "invalid", "valid_to"},
		"a hazard that ends before it began": {nil, `feature.create {"key":"H9","kind":"hazard","props":{"valid_from":"2026-11-22T10:00:00Z","valid_to":"2026-11-22T09:00:00Z"}}`, geo.Invalid, "invalid", "before"},
		"a caller in clear":                  {nil, `feature.create {"key":"I9","kind":"incident","props":{"caller":{"name":"A"}}}`, geo.Invalid, "invalid", "sealed"},
		"a place off the globe":              {nil, `feature.create {"key":"E9","kind":"unit","at":[1800000001,0]}`, geo.Invalid, "invalid", "geometry"},
		"a shape whose rings do not meet":    {nil, `feature.create {"key":"H9","kind":"hazard","shape":{"type":4,"points":[[0,0],[1,1]],"ends":[3]}}`, geo.Invalid, "invalid", "geometry"},
		"a zone by a generic write":          {nil, `feature.create {"key":"Z","kind":"zone"}`, geo.Invalid, "invalid", "kind"},
		"a key that cannot stand in a path":  {nil, `feature.create {"key":"E/7","kind":"unit"}`, geo.Invalid, "bad-key", "E/7"},
		"a key that is an alarm's":           {nil, `feature.create {"key":"alarm:x","kind":"unit"}`, geo.Invalid, "bad-key", "server"},
		"a key that is a void's":             {nil, `feature.create {"key":"void:als:1","kind":"unit"}`, geo.Invalid, "bad-key", "server"},
		"a camera by a path":                 {nil, `feature.create {"key":"C9","kind":"site","props":{"snapshot_url":"/7.jpg"}}`, geo.Invalid, "invalid", "whole address"},
		"a camera that runs a script":        {nil, `feature.create {"key":"C9","kind":"site","props":{"mjpeg_url":"javascript:alert(1)"}}`, geo.Invalid, "invalid", "mjpeg_url"},
		"a camera with its password":         {nil, `feature.create {"key":"C9","kind":"site","props":{"hls_url":"https://admin:secret@cameras.example/7.m3u8"}}`, geo.Invalid, "invalid", "password"},
		"a camera with a part of a page":     {nil, `feature.create {"key":"C9","kind":"site","props":{"snapshot_url":"https://cameras.example/7.jpg#x"}}`, geo.Invalid, "invalid", "after #"},
		"a camera that is half sensitive":    {nil, `feature.create {"key":"C9","kind":"site","props":{"sensitive":"a little"}}`, geo.Invalid, "invalid", "true or false"},
		"the key of the coverage":            {nil, `feature.put {"key":"coverage","kind":"site"}`, geo.Invalid, "bad-key", "server"},
		"coverage by a generic write":        {nil, `feature.put {"key":"coverage","kind":"coverage","props":{"standards":[]}}`, geo.Conflict, "rule-owned", "kept by the rules"},
		"a void by a generic write":          {nil, `feature.delete {"key":"void:als:1","kind":"void"}`, geo.Conflict, "rule-owned", "kept by the rules"},
		"a hazard that speeds roads up":      {nil, `feature.create {"key":"H9","kind":"hazard","props":{"speed_factor":1.5}}`, geo.Invalid, "invalid", "speed_factor"},
		"a hazard that slows to nothing":     {nil, `feature.create {"key":"H9","kind":"hazard","props":{"speed_factor":0}}`, geo.Invalid, "invalid", "impassable"},
		"a hazard slow in words":             {nil, `feature.create {"key":"H9","kind":"hazard","props":{"speed_factor":"0.5"}}`, geo.Invalid, "invalid", "speed_factor"},
		"a note without standards":           {nil, `coverage.note {"units":1}`, geo.Invalid, "invalid", "standards"},
		"more than all is covered":           {nil, `coverage.note {"standards":[{"capability":"als","seconds":480,"share":1.1}]}`, geo.Invalid, "invalid", "share"},
		"a note of more zones than a city":   {nil, `coverage.note {"standards":[{"capability":"als","seconds":480,"share":0,"void_zones":[` + strings.Repeat(`"z",`, 500) + `"z"]}]}`, geo.Invalid, "invalid", "void_zones"},
		"a void of no zone":                  {nil, `void.open {"capability":"als","seconds":480}`, geo.Invalid, "invalid", "zone"},
		"a void in a zone nobody can name":   {nil, `void.open {"zone":"a b","capability":"als","seconds":480}`, geo.Invalid, "bad-key", "a b"},
		"a void with too long a key":         {nil, `void.open {"zone":"` + strings.Repeat("z", 57) + `","capability":"als","seconds":480}`, geo.Invalid, "invalid", "zone"},
		"closing a void that is none":        {nil, `void.close {"zone":"1","capability":"als"}`, geo.Missing, "no-void", "void:als:1"},
		"a key twice":                        {[]string{engine7}, engine7, geo.Conflict, "key-taken", "E7"},
		"put under the key of another kind":  {[]string{engine7}, `feature.put {"key":"E7","kind":"incident"}`, geo.Conflict, "wrong-kind", "unit"},
		"patch under another kind":           {[]string{engine7}, `feature.patch {"key":"E7","kind":"incident"}`, geo.Conflict, "wrong-kind", "unit"},
		"patch of nothing":                   {nil, `feature.patch {"key":"E7","kind":"unit"}`, geo.Missing, "no-unit", "E7"},
		"delete of nothing":                  {nil, `feature.delete {"key":"E7","kind":"unit"}`, geo.Missing, "no-unit", "E7"},
		"put with a revision, of nothing":    {nil, `feature.put {"key":"E7","kind":"unit","if_match":4}`, geo.Missing, "no-unit", "E7"},
		"put over another's change":          {[]string{engine7, `feature.patch {"key":"E7","kind":"unit","props":{"crew":4}}`}, `feature.put {"key":"E7","kind":"unit","if_match":1}`, geo.Stale, "stale", "revision 2"},
		"status by a generic write":          {[]string{engine7}, `feature.patch {"key":"E7","kind":"unit","props":{"status":"en_route"}}`, geo.Conflict, "field-owned", "POST /api/v1/units/E7/status"},
		"status taken away by a patch":       {[]string{engine7, fire, e7ToFire}, `feature.put {"key":"E7","kind":"unit","props":{"assigned":"I2"}}`, geo.Conflict, "field-owned", "assigned"},
		"dispatchable by a generic write":    {[]string{engine7}, `feature.patch {"key":"E7","kind":"unit","props":{"dispatchable":false}}`, geo.Conflict, "field-owned", "dispatchable"},
		"closing by a generic write":         {[]string{fire}, `feature.patch {"key":"I1","kind":"incident","props":{"status":"closed"}}`, geo.Conflict, "field-owned", "status"},
		"units of an incident by patch":      {[]string{fire, engine7}, `feature.patch {"key":"I1","kind":"incident","props":{"assigned":["E7"]}}`, geo.Conflict, "field-owned", "assign"},
		"a new opening time":                 {[]string{fire}, `feature.patch {"key":"I1","kind":"incident","props":{"opened_at":"2020-01-01T00:00:00Z"}}`, geo.Conflict, "field-owned", "opened_at"},
		"a hazard in force by hand":          {[]string{flood}, `feature.patch {"key":"H1","kind":"hazard","props":{"active":false}}`, geo.Conflict, "field-owned", "valid_from"},
		"assigning to no incident":           {[]string{engine7}, e7ToFire, geo.Missing, "no-incident", "I1"},
		"assigning no unit":                  {[]string{fire}, `incident.assign {"incident":"I1","units":[]}`, geo.Invalid, "invalid", "units"},
		"assigning a unit nobody has":        {[]string{fire}, e7ToFire, geo.Missing, "no-unit", "E7"},
		"assigning an incident":              {[]string{fire, collapse}, `incident.assign {"incident":"I1","units":["I2"]}`, geo.Missing, "no-unit", "I2"},
		"assigning to a closed incident":     {[]string{fire, engine7, `incident.close {"incident":"I1"}`}, e7ToFire, geo.Conflict, "incident-closed", "I1"},
		"a unit that works elsewhere":        {[]string{fire, collapse, engine7, e7ToFire}, `incident.assign {"incident":"I2","units":["E7"]}`, geo.Conflict, "unit-busy", "works on I1"},
		"taking it without a reason":         {[]string{fire, collapse, engine7, e7ToFire}, `incident.assign {"incident":"I2","units":["E7"],"take":true}`, geo.Conflict, "reason-needed", "reason"},
		"taking one out of service":          {[]string{fire, ladder}, `incident.assign {"incident":"I1","units":["L1"],"take":true,"reason":"all hands"}`, geo.Conflict, "unit-not-dispatchable", "out_of_service"},
		"a unit without crew":                {[]string{fire, `feature.create {"key":"E8","kind":"unit","props":{"crew":0}}`}, `incident.assign {"incident":"I1","units":["E8"]}`, geo.Conflict, "unit-not-dispatchable", "without crew"},
		"a unit in distress":                 {[]string{fire, engine7, `unit.status {"unit":"E7","distress":true}`}, e7ToFire, geo.Conflict, "unit-distress", "E7"},
		"taking a unit with a patient":       {[]string{fire, collapse, medic3, m3ToFire, `unit.status {"unit":"M3","status":"on_scene"}`, `unit.status {"unit":"M3","status":"transporting"}`}, `incident.assign {"incident":"I2","units":["M3"],"take":true,"reason":"nearer"}`, geo.Conflict, "unit-carrying", "handed over"},
		"releasing one with a patient":       {[]string{fire, medic3, m3ToFire, `unit.status {"unit":"M3","status":"on_scene"}`, `unit.status {"unit":"M3","status":"transporting"}`}, `incident.release {"incident":"I1"}`, geo.Conflict, "unit-carrying", "M3"},
		"closing over one with a patient":    {[]string{fire, medic3, m3ToFire, `unit.status {"unit":"M3","status":"on_scene"}`, `unit.status {"unit":"M3","status":"transporting"}`}, `incident.close {"incident":"I1","next":{"M3":"available"}}`, geo.Conflict, "unit-carrying", "M3"},
		"closing over a unit":                {[]string{fire, engine7, e7ToFire}, `incident.close {"incident":"I1"}`, geo.Conflict, "next-needed", "E7"},
		"closing with a next for one of two": {[]string{fire, engine7, engine9, `incident.assign {"incident":"I1","units":["E7","E9"]}`}, `incident.close {"incident":"I1","next":{"E7":"available"}}`, geo.Conflict, "next-needed", "E9"},
		"a next status that is busy":         {[]string{fire, engine7, e7ToFire}, `incident.close {"incident":"I1","next":{"E7":"on_scene"}}`, geo.Invalid, "invalid", "next.E7"},
		"a next status nobody knows":         {[]string{fire, engine7, e7ToFire}, `incident.release {"incident":"I1","next":{"E7":"asleep"}}`, geo.Invalid, "invalid", "asleep"},
		"a next status for a stranger":       {[]string{fire, engine7, engine9, e7ToFire}, `incident.release {"incident":"I1","next":{"E9":"available"}}`, geo.Invalid, "invalid", "E9"},
		"releasing who is not there":         {[]string{fire, engine7}, `incident.release {"incident":"I1","units":["E7"]}`, geo.Conflict, "unit-not-assigned", "E7"},
		"on scene before it was sent":        {[]string{engine7}, `unit.status {"unit":"E7","status":"on_scene"}`, geo.Conflict, "status-not-allowed", "it can become dispatched, en_route, out_of_service"},
		"police that carry patients":         {[]string{fire, police1, `incident.assign {"incident":"I1","units":["P1"]}`, `unit.status {"unit":"P1","status":"on_scene"}`}, `unit.status {"unit":"P1","status":"transporting"}`, geo.Conflict, "status-not-allowed", "available, out_of_service"},
		"dispatched without an incident":     {[]string{engine7}, `unit.status {"unit":"E7","status":"dispatched"}`, geo.Conflict, "unit-needs-incident", "assign"},
		"a status nobody knows":              {[]string{engine7}, `unit.status {"unit":"E7","status":"asleep"}`, geo.Invalid, "invalid", "asleep"},
		"neither status nor distress":        {[]string{engine7}, `unit.status {"unit":"E7"}`, geo.Invalid, "invalid", "needed"},
		"deleting a unit at work":            {[]string{fire, engine7, e7ToFire}, `feature.delete {"key":"E7","kind":"unit"}`, geo.Conflict, "unit-assigned", "I1"},
		"deleting an incident with units":    {[]string{fire, engine7, e7ToFire}, `feature.delete {"key":"I1","kind":"incident"}`, geo.Conflict, "incident-has-units", "E7"},
		"closing by status":                  {[]string{fire}, `incident.status {"incident":"I1","status":"closed"}`, geo.Conflict, "use-close", "close"},
		"opening again without a reason":     {[]string{fire, `incident.close {"incident":"I1"}`}, `incident.status {"incident":"I1","status":"open"}`, geo.Conflict, "reason-needed", "why"},
		"a new unit at a closed incident":    {[]string{fire, `incident.close {"incident":"I1"}`}, `feature.create {"key":"E7","kind":"unit","props":{"assigned":"I1"}}`, geo.Conflict, "incident-closed", "I1"},
		"a new unit, assigned and free":      {[]string{fire}, `feature.create {"key":"E7","kind":"unit","props":{"assigned":"I1","status":"returning"}}`, geo.Invalid, "invalid", "busy"},
		"a new unit at no incident":          {nil, `feature.create {"key":"E7","kind":"unit","props":{"assigned":"I1"}}`, geo.Invalid, "invalid", "assigned"},
		"a new incident with a busy unit":    {[]string{fire, engine7, e7ToFire}, `feature.create {"key":"I3","kind":"incident","props":{"assigned":["E7"]}}`, geo.Conflict, "unit-busy", "I1"},
		"acknowledging nothing":              {nil, `alarm.ack {"alarm":"alarm:clock"}`, geo.Missing, "no-alarm", "clock"},
		"an alarm without a type":            {nil, `alarm.raise {}`, geo.Invalid, "invalid", "type"},
		"an alarm under a unit's key":        {[]string{engine7}, `alarm.raise {"key":"E7","type":"x"}`, geo.Conflict, "wrong-kind", "unit"},
		"silence of a feed nobody declared":  {nil, `feed.silent {"feed":"osmand","since":"2026-11-22T09:00:00Z"}`, geo.Missing, "no-feed", "osmand"},
		"silence since no time":              {[]string{`feed.declare {"feed":"osmand","interval_s":5}`}, `feed.silent {"feed":"osmand","since":"noon"}`, geo.Invalid, "invalid", "since"},
		"a reason longer than a report":      {[]string{fire}, `incident.close {"incident":"I1","reason":"` + strings.Repeat("r", 2001) + `"}`, geo.Invalid, "invalid", "reason"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			k := newDesk(t, tt.before...)
			hash := k.w.View().Hash()
			_, err := k.do(tt.do)
			var no *geo.Refusal
			if !errors.As(err, &no) {
				t.Fatalf("got %v, want a refusal", err)
			}
			if no.Class != tt.class || no.Code != tt.code || !strings.Contains(no.Detail, tt.says) {
				t.Errorf("got class %d %s %q, want class %d %s with %q", no.Class, no.Code, no.Detail, tt.class, tt.code, tt.says)
			}
			if no.Class == geo.Stale && no.Current == nil {
				t.Error("a stale write must be shown what stands now")
			}
			if no.Class == geo.Invalid && no.Code != "bad-args" && len(no.Errors) == 0 {
				t.Error("wrong input must name its fields")
			}
			if len(k.acts) != 0 || k.w.View().Hash() != hash {
				t.Error("a refused command left something behind")
			}
		})
	}
}

func TestOutcomes(t *testing.T) {
	tests := map[string]struct {
		before []string
		do     string
		of     string            // key to look at
		want   map[string]string // property: JSON, "" for none
	}{
		"a new unit gets what its type has":            {nil, engine7, "E7", map[string]string{"status": `"available"`, "agency": `"fire"`, "capabilities": `["engine"]`, "dispatchable": "true", "distress": "false"}},
		"a new unit says better":                       {nil, `feature.create {"key":"E7","kind":"unit","props":{"type":"engine","agency":"ems","capabilities":[],"status":"out_of_service"}}`, "E7", map[string]string{"agency": `"ems"`, "capabilities": "[]", "dispatchable": "false"}},
		"a new unit without crew":                      {nil, `feature.create {"key":"E7","kind":"unit","props":{"crew":0,"dispatchable":true}}`, "E7", map[string]string{"dispatchable": "false"}},
		"crew boards":                                  {[]string{`feature.create {"key":"E7","kind":"unit","props":{"crew":0}}`}, `feature.patch {"key":"E7","kind":"unit","props":{"crew":4}}`, "E7", map[string]string{"dispatchable": "true"}},
		"a new unit that is at work":                   {[]string{fire}, `feature.create {"key":"E7","kind":"unit","props":{"assigned":"I1","status":"on_scene"}}`, "I1", map[string]string{"assigned": `["E7"]`, "status": `"on_scene"`}},
		"a new incident":                               {nil, fire, "I1", map[string]string{"status": `"open"`, "priority": `"1"`, "opened_at": `"2023-11-14T22:13:20.000Z"`, "assigned": ""}},
		"a new incident of another day":                {nil, `feature.create {"key":"I1","kind":"incident","props":{"status":"closed","opened_at":"2020-01-01T00:00:00Z"}}`, "I1", map[string]string{"opened_at": `"2020-01-01T00:00:00Z"`, "closed_at": `"2023-11-14T22:13:20.000Z"`}},
		"a priority as a number":                       {nil, `feature.create {"key":"I1","kind":"incident","props":{"priority":3}}`, "I1", map[string]string{"priority": `"3"`}},
		"a new incident with units":                    {[]string{engine7}, `feature.create {"key":"I1","kind":"incident","props":{"assigned":["E7"]}}`, "E7", map[string]string{"assigned": `"I1"`, "status": `"dispatched"`}},
		"a flood is impassable":                        {nil, flood, "H1", map[string]string{"impassable": "true", "active": "true"}},
		"ice slows":                                    {nil, `feature.create {"key":"H1","kind":"hazard","props":{"type":"ice"}}`, "H1", map[string]string{"impassable": "false", "speed_factor": "0.6"}},
		"ice that nobody passes":                       {nil, `feature.create {"key":"H1","kind":"hazard","props":{"type":"ice","impassable":true}}`, "H1", map[string]string{"impassable": "true", "speed_factor": ""}},
		"ice as its creator says":                      {nil, `feature.create {"key":"H1","kind":"hazard","props":{"type":"ice","speed_factor":0.25}}`, "H1", map[string]string{"speed_factor": "0.25"}},
		"a flood that can be driven":                   {nil, `feature.create {"key":"H1","kind":"hazard","props":{"type":"flood","impassable":false,"speed_factor":0.3}}`, "H1", map[string]string{"impassable": "false", "speed_factor": "0.3"}},
		"a void":                                       {nil, `void.open {"zone":"r1","capability":"als","seconds":480,"names":{"en":"North"}}`, "void:als:r1", map[string]string{"zone": `"r1"`, "names": `{"en":"North"}`, "since": `"2023-11-14T22:13:20.000Z"`, "alarmed": ""}},
		"the first note of the coverage":               {nil, `coverage.note {"units":7,"standards":[{"capability":"als","seconds":480,"share":0.87654,"basis":"area"}]}`, "coverage", map[string]string{"units": "7", "standards": `[{"capability":"als","seconds":480,"share":0.8765,"basis":"area","void_zones":[]}]`, "trend": "[[1700000000,0.8765]]"}},
		"put keeps what rules own":                     {[]string{engine7, fire, e7ToFire}, `feature.put {"key":"E7","kind":"unit","props":{"name":"Engine Seven"}}`, "E7", map[string]string{"name": `"Engine Seven"`, "status": `"dispatched"`, "assigned": `"I1"`, "type": ""}},
		"put repeats what rules own":                   {[]string{engine7, fire, e7ToFire}, `feature.put {"key":"E7","kind":"unit","props":{"status":"dispatched","assigned":"I1","dispatchable":false,"kind":"unit","rev":99,"fix":{}}}`, "E7", map[string]string{"status": `"dispatched"`, "rev": "", "fix": "", "kind": ""}},
		"put repeats a time in another zone":           {[]string{fire}, `feature.put {"key":"I1","kind":"incident","props":{"opened_at":"2023-11-15T01:43:20+03:30"}}`, "I1", map[string]string{"opened_at": `"2023-11-14T22:13:20.000Z"`}},
		"a merge patch goes into objects":              {[]string{`feature.create {"key":"X","kind":"site","props":{"a":{"b":1,"c":2},"d":[1]}}`}, `feature.patch {"key":"X","kind":"site","props":{"a":{"b":null,"e":3},"d":[2]}}`, "X", map[string]string{"a": `{"c":2,"e":3}`, "d": "[2]"}},
		"a camera keeps its addresses":                 {nil, `feature.create {"key":"X","kind":"site","props":{"snapshot_url":"https://cameras.example:8443/7.jpg?size=4","hls_url":"http://10.0.0.7/7.m3u8","sensitive":true}}`, "X", map[string]string{"hls_url": `"http://10.0.0.7/7.m3u8"`, "sensitive": "true"}},
		"a merge patch makes objects":                  {[]string{`feature.create {"key":"X","kind":"site","props":{"a":1}}`}, `feature.patch {"key":"X","kind":"site","props":{"a":{"b":{"c":null,"d":1}}}}`, "X", map[string]string{"a": `{"b":{"d":1}}`}},
		"assigning":                                    {[]string{engine7, fire}, e7ToFire, "E7", map[string]string{"assigned": `"I1"`, "status": `"dispatched"`, "dispatchable": "false"}},
		"assigning moves the incident on":              {[]string{engine7, fire}, e7ToFire, "I1", map[string]string{"assigned": `["E7"]`, "status": `"dispatched"`, "dispatched_at": `"2023-11-14T22:13:20.000Z"`}},
		"assigning one that is on its way home":        {[]string{engine7, fire, e7ToFire, `incident.release {"incident":"I1","next":{"E7":"returning"}}`}, e7ToFire, "E7", map[string]string{"assigned": `"I1"`, "status": `"dispatched"`}},
		"taking a unit":                                {[]string{engine7, fire, collapse, e7ToFire}, `incident.assign {"incident":"I2","units":["E7"],"take":true,"reason":"a life"}`, "I1", map[string]string{"assigned": "", "status": `"open"`}},
		"on scene":                                     {[]string{engine7, fire, e7ToFire}, `unit.status {"unit":"E7","status":"on_scene"}`, "I1", map[string]string{"status": `"on_scene"`, "on_scene_at": `"2023-11-14T22:13:20.000Z"`}},
		"under control stays, whoever leaves":          {[]string{engine7, fire, e7ToFire, `incident.status {"incident":"I1","status":"controlled"}`}, `incident.release {"incident":"I1"}`, "I1", map[string]string{"status": `"controlled"`, "assigned": ""}},
		"the last to leave opens it again":             {[]string{engine7, fire, e7ToFire}, `incident.release {"incident":"I1"}`, "I1", map[string]string{"status": `"open"`}},
		"a released unit is free":                      {[]string{engine7, fire, e7ToFire}, `incident.release {"incident":"I1"}`, "E7", map[string]string{"status": `"available"`, "dispatchable": "true", "assigned": "", "assignment": ""}},
		"a released unit that must be cleaned":         {[]string{engine7, fire, e7ToFire}, `incident.release {"incident":"I1","next":{"E7":"out_of_service"}}`, "E7", map[string]string{"status": `"out_of_service"`, "dispatchable": "false"}},
		"available while assigned is a release":        {[]string{engine7, fire, e7ToFire}, `unit.status {"unit":"E7","status":"available"}`, "I1", map[string]string{"assigned": "", "status": `"open"`}},
		"out of service while assigned is one as well": {[]string{engine7, fire, e7ToFire}, `unit.status {"unit":"E7","status":"out_of_service"}`, "E7", map[string]string{"assigned": "", "dispatchable": "false"}},
		"distress over any status":                     {[]string{engine7}, `unit.status {"unit":"E7","distress":true}`, "alarm:distress:E7", map[string]string{"type": `"distress"`, "lasting": "true", "subjects": `["E7"]`}},
		"distress holds a unit back":                   {[]string{engine7}, `unit.status {"unit":"E7","distress":true}`, "E7", map[string]string{"dispatchable": "false", "status": `"available"`}},
		"closing":                                      {[]string{engine7, fire, e7ToFire}, `incident.close {"incident":"I1","next":{"E7":"returning"}}`, "I1", map[string]string{"status": `"closed"`, "closed_at": `"2023-11-14T22:13:20.000Z"`, "assigned": ""}},
		"closing frees into the next status":           {[]string{engine7, fire, e7ToFire}, `incident.close {"incident":"I1","next":{"E7":"returning"}}`, "E7", map[string]string{"status": `"returning"`, "dispatchable": "true"}},
		"opening again":                                {[]string{fire, `incident.close {"incident":"I1"}`}, `incident.status {"incident":"I1","status":"open","reason":"smoke again"}`, "I1", map[string]string{"status": `"open"`, "closed_at": "", "opened_at": `"2023-11-14T22:13:20.000Z"`}},
		"a feed falls silent":                          {[]string{`feed.declare {"feed":"osmand","interval_s":5}`}, `feed.silent {"feed":"osmand","since":"2023-11-14T22:13:00Z"}`, "alarm:feed:osmand", map[string]string{"type": `"feed_silent"`}},
		"a feed comes back":                            {[]string{`feed.declare {"feed":"osmand","interval_s":5}`, `feed.silent {"feed":"osmand","since":"2023-11-14T22:13:00Z"}`}, `feed.back {"feed":"osmand"}`, "feed:osmand", map[string]string{"silent_since": "", "interval_s": "5"}},
		"an alarm over and not acknowledged stays":     {[]string{engine7, `unit.status {"unit":"E7","distress":true}`}, `unit.status {"unit":"E7","distress":false}`, "alarm:distress:E7", map[string]string{"over_at": `"2023-11-14T22:13:20.000Z"`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			k := newDesk(t, tt.before...)
			k.must(tt.do)
			f := k.get(tt.of)
			for _, p := range slices.Sorted(maps.Keys(tt.want)) {
				if got := f.Props.Raw(p); got != tt.want[p] {
					t.Errorf("%s of %s: got %s, want %s", p, tt.of, got, tt.want[p])
				}
			}
		})
	}
}

// Twice the same is once: what a nervous finger or a retry must not do.
func TestRepeatingChangesNothing(t *testing.T) {
	setting := []string{engine7, engine9, medic3, fire, collapse, e7ToFire, `feed.declare {"feed":"osmand","interval_s":5}`}
	for _, line := range []string{
		e7ToFire,
		`feature.put {"key":"E7","kind":"unit","at":[-755466000,397447000],"props":{"name":"Engine 7","type":"engine","agency":"fire","capabilities":["engine"]}}`,
		`feature.patch {"key":"E7","kind":"unit","props":{"name":"Engine 7"}}`,
		`feature.patch {"key":"E7","kind":"unit","at":[-755466000,397447000]}`,
		`unit.status {"unit":"E7","status":"on_scene"}`,
		`unit.status {"unit":"E9","distress":true}`,
		`incident.release {"incident":"I2"}`,
		`incident.close {"incident":"I2"}`,
		`incident.status {"incident":"I2","status":"controlled"}`,
		`alarm.raise {"key":"alarm:x","type":"x","lasting":true}`,
		`feed.declare {"feed":"osmand","interval_s":5}`,
		`feed.silent {"feed":"osmand","since":"2023-11-14T22:13:00Z"}`,
	} {
		t.Run(line, func(t *testing.T) {
			k := newDesk(t, setting...)
			k.must(line)
			seq := k.w.View().Seq()
			k.now += 60_000
			k.must(line)
			if got := k.w.View().Seq(); got != seq {
				t.Errorf("the second time cut frame %d, want none after %d", got, seq)
			}
		})
	}
}

// Two dispatchers send the same engine in the same tick: they meet on the draft,
// in order, and the second is told.
func TestTwoDispatchersOneEngine(t *testing.T) {
	k := newDesk(t, engine7, fire, collapse)
	d := geo.NewDraft(k.w.View(), k.w.View().Seq()+1, k.now)
	assign := func(who, incident string) error {
		return d.Try(func() error {
			_, err := k.rules["incident.assign"](d, geo.Principal{Name: who}, json.RawMessage(`{"incident":"`+incident+`","units":["E7"]}`))
			return err
		})
	}
	if err := assign("dispatcher:amini", "I1"); err != nil {
		t.Fatalf("the first: %v", err)
	}
	err := assign("dispatcher:wang", "I2")
	var no *geo.Refusal
	if !errors.As(err, &no) || no.Code != "unit-busy" || !strings.Contains(no.Detail, "I1") {
		t.Fatalf("the second: got %v, want a refusal that names I1", err)
	}
	k.w.Apply(geo.Moment{Seq: d.Seq(), Time: k.now}, d.Delta())
	checkInvariants(t, k.w.View(), "both")
	if got := k.get("E7").Props.Text("assigned"); got != "I1" {
		t.Errorf("E7 works on %q, want I1", got)
	}
	if len(d.Acts()) != 1 || d.Acts()[0].By.Name != "dispatcher:amini" {
		t.Errorf("acts %+v, want that of the first", d.Acts())
	}
}

// A whole job, as its times are measured later.
func TestAnAssignmentKeepsItsStamps(t *testing.T) {
	k := newDesk(t, medic3, fire)
	var key string
	for i, step := range []string{
		m3ToFire, `unit.status {"unit":"M3","status":"en_route"}`, `unit.status {"unit":"M3","status":"on_scene"}`,
		`unit.status {"unit":"M3","status":"transporting"}`, `unit.status {"unit":"M3","status":"at_hospital"}`, `unit.status {"unit":"M3","status":"available"}`,
	} {
		k.now = morning + geo.Millis(i)*60_000
		k.must(step)
		if i == 0 {
			key = k.get("M3").Props.Text("assignment")
		}
	}
	a := k.get(key)
	for i, stamp := range []string{"assigned_at", "en_route_at", "on_scene_at", "transporting_at", "at_hospital_at", "cleared_at"} {
		if got, want := a.Props.Text(stamp), stampOf(morning+geo.Millis(i)*60_000); got != want {
			t.Errorf("%s: got %q, want %q", stamp, got, want)
		}
	}
	if a.Props.Text("unit") != "M3" || a.Props.Text("incident") != "I1" || a.Props.Text("by") != k.who.Name {
		t.Errorf("got %s", a.Props)
	}
	k.must(`incident.close {"incident":"I1"}`)
	k.must(`feature.delete {"key":"I1","kind":"incident"}`)
	if n := k.w.View().Len(geo.Assignment); n != 0 {
		t.Errorf("%d assignments outlived their incident", n)
	}
}

// A mass event: an incident takes a thousand units with the longest keys, and says
// so when it has them.
func TestAnIncidentTakesAThousandUnits(t *testing.T) {
	k := newDesk(t, fire)
	name := func(i int) string { return fmt.Sprintf("%0*d", geo.KeyMax, i) }
	d := geo.NewDraft(k.w.View(), 2, k.now)
	for i := range crowdMax + 1 {
		if _, err := k.rules["feature.create"](d, k.who, json.RawMessage(`{"key":"`+name(i)+`","kind":"unit"}`)); err != nil {
			t.Fatal(err)
		}
	}
	send := func(from, to int) error {
		var keys []string
		for i := from; i < to; i++ {
			keys = append(keys, name(i))
		}
		args, err := json.Marshal(map[string]any{"incident": "I1", "units": keys})
		if err != nil {
			t.Fatal(err)
		}
		return d.Try(func() error { _, err := k.rules["incident.assign"](d, k.who, args); return err })
	}
	for n := 0; n < crowdMax; n += unitsMax {
		if err := send(n, n+unitsMax); err != nil {
			t.Fatalf("after %d units: %v", n, err)
		}
	}
	var no *geo.Refusal
	if err := send(crowdMax, crowdMax+1); !errors.As(err, &no) || no.Code != "incident-full" {
		t.Errorf("got %v, want a refusal", err)
	}
	f, _ := d.Get("I1")
	if got := len(f.Props.Texts("assigned")); got != crowdMax {
		t.Errorf("it has %d units, want %d", got, crowdMax)
	}
}

// When several units cannot go, the dispatcher hears it of all at once, and none goes.
func TestAssigningIsAllOrNothing(t *testing.T) {
	k := newDesk(t, engine7, engine9, ladder, fire, collapse, `incident.assign {"incident":"I2","units":["E9"]}`)
	_, err := k.do(`incident.assign {"incident":"I1","units":["E7","E9","L1","E7"]}`)
	var no *geo.Refusal
	if !errors.As(err, &no) {
		t.Fatalf("got %v, want a refusal", err)
	}
	want := []geo.FieldError{{Field: "units[1]", Reason: "unit-busy"}, {Field: "units[2]", Reason: "unit-not-dispatchable"}}
	if !slices.Equal(no.Errors, want) {
		t.Errorf("got errors %+v, want %+v", no.Errors, want)
	}
	if in := k.get("E7").Props.Text("assigned"); in != "" {
		t.Errorf("E7 went to %s alone", in)
	}
}

func TestAPlaceByHandIsAFixOfThatMoment(t *testing.T) {
	k := newDesk(t, engine7)
	k.now += 3_600_000
	k.must(`feature.put {"key":"E7","kind":"unit","at":[-755466000,397447000],"props":{"name":"Seven"}}`)
	if got := k.get("E7").Fix; got.Time != morning {
		t.Errorf("the same place again made the fix fresh: %+v", got)
	}
	k.must(`feature.patch {"key":"E7","kind":"unit","at":[-755466000,397447001]}`)
	if got, want := k.get("E7").Fix, (geo.Fix{At: geo.LngLat{Lng: -755466000, Lat: 397447001}, Time: k.now,
		Heading: geo.HeadingUnknown, Speed: geo.SpeedUnknown, Flags: geo.FixManual}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	k.must(`feature.put {"key":"E7","kind":"unit","at":null,"props":{"name":"VII"}}`)
	if got := k.get("E7").Fix; !got.Placed() {
		t.Error("a put without a place wiped the unit off the map")
	}
	k.must(`feature.patch {"key":"E7","kind":"unit","at":null}`)
	if got := k.get("E7").Fix; got != (geo.Fix{}) {
		t.Errorf("a patch to no place left %+v", got)
	}
}

func TestHazardsBeginAndEnd(t *testing.T) {
	k := newDesk(t)
	from, to := morning+60_000, morning+120_000
	k.must(fmt.Sprintf(`feature.create {"key":"H1","kind":"hazard","shape":{"type":4,"points":[[0,0],[10,0],[10,10],[0,0]],"ends":[4]},"props":{"type":"smoke","valid_from":%q,"valid_to":%q}}`, stampOf(from), stampOf(to)))
	due := Due(policy)
	for _, step := range []struct {
		at     geo.Millis
		active string
		due    geo.Millis
		act    string
	}{{morning, "false", from, ""}, {from, "true", to, "hazard.began"}, {to, "false", 0, "hazard.expired"}} {
		v := k.w.View()
		d := geo.NewDraft(v, v.Seq()+1, step.at)
		for _, f := range v.Due(step.at) {
			if err := d.Try(func() error { return due(d, f) }); err != nil {
				t.Fatal(err)
			}
		}
		k.w.Apply(geo.Moment{Seq: v.Seq() + 1, Time: step.at}, d.Delta())
		f := k.get("H1")
		if f.Props.Raw("active") != step.active || f.Due != step.due {
			t.Errorf("at %s: active %s due %d, want %s %d", stampOf(step.at), f.Props.Raw("active"), f.Due, step.active, step.due)
		}
		if step.act != "" && (len(d.Acts()) != 1 || d.Acts()[0].Name != step.act) {
			t.Errorf("at %s: acts %+v, want %s", stampOf(step.at), d.Acts(), step.act)
		}
	}
	if err := due(geo.NewDraft(k.w.View(), 99, to), &geo.Feature{Kind: geo.Site, Key: "X"}); err == nil {
		t.Error("a due site has no rule and must not be passed over in silence")
	}
}

func TestAlarmsGoWhenSeenAndOver(t *testing.T) {
	gone := func(k *desk, key string) bool { _, ok := k.w.View().Get(key); return !ok }
	k := newDesk(t, engine7)
	k.must(`alarm.raise {"key":"alarm:1","type":"x"}`)
	k.must(`alarm.ack {"alarm":"alarm:1"}`)
	if !gone(k, "alarm:1") {
		t.Error("an alarm about a moment must go when it was seen")
	}
	k.must(`unit.status {"unit":"E7","distress":true}`)
	k.must(`alarm.ack {"alarm":"alarm:distress:E7"}`)
	if a := k.get("alarm:distress:E7"); a.Props.Text("acked_by") != k.who.Name {
		t.Errorf("got %s, want who saw it", a.Props)
	}
	k.must(`unit.status {"unit":"E7","distress":false}`)
	if !gone(k, "alarm:distress:E7") {
		t.Error("seen and over, and still there")
	}
	k.must(`alarm.raise {"key":"alarm:2","type":"x","lasting":true}`)
	k.must(`alarm.over {"alarm":"alarm:2"}`)
	k.must(`alarm.raise {"key":"alarm:2","type":"x","lasting":true}`)
	if a := k.get("alarm:2"); a.Props.Raw("over_at") != "" {
		t.Errorf("raised again and still over: %s", a.Props)
	}
	k.must(`alarm.raise {"type":"y"}`)
	k.must(`feature.delete {"key":"E7","kind":"unit"}`)
}

func TestSealedFields(t *testing.T) {
	k := newDesk(t, `feature.create {"key":"I1","kind":"incident","props":{"type":"medical"},"sealed":[{"name":"caller","key_id":"k1","box":"AAAA"}]}`)
	sealed := func() []string {
		var out []string
		for _, s := range k.get("I1").Sealed {
			out = append(out, s.Name+"="+s.KeyID)
		}
		return out
	}
	steps := []struct {
		do   string
		want []string
	}{
		{`feature.put {"key":"I1","kind":"incident","props":{"type":"medical","caller":{"sealed":true}}}`, []string{"caller=k1"}},
		{`feature.patch {"key":"I1","kind":"incident","props":{"description":"x"}}`, []string{"caller=k1"}},
		{`feature.patch {"key":"I1","kind":"incident","sealed":[{"name":"note","key_id":"k2","box":"AAAA"}]}`, []string{"caller=k1", "note=k2"}},
		{`feature.patch {"key":"I1","kind":"incident","sealed":[{"name":"caller","key_id":"k3","box":"AAAA"}]}`, []string{"caller=k3", "note=k2"}},
		{`feature.patch {"key":"I1","kind":"incident","sealed":[{"name":"note"}]}`, []string{"caller=k3"}},
		{`feature.patch {"key":"I1","kind":"incident","props":{"caller":null}}`, nil},
		{`feature.put {"key":"I1","kind":"incident","sealed":[{"name":"caller","key_id":"k4","box":"AAAA"}]}`, []string{"caller=k4"}},
		{`feature.put {"key":"I1","kind":"incident","props":{"type":"medical"}}`, nil},
	}
	for _, s := range steps {
		k.must(s.do)
		if got := sealed(); !slices.Equal(got, s.want) {
			t.Errorf("after %s: got %v, want %v", s.do, got, s.want)
		}
		if raw := k.get("I1").Props.Raw("caller"); raw != "" {
			t.Errorf("after %s: caller stands in the properties: %s", s.do, raw)
		}
	}
}

func TestAnswers(t *testing.T) {
	k := newDesk(t)
	var got struct {
		Type       string
		ID         string
		Created    bool
		Properties map[string]any
	}
	read := func(b json.RawMessage) {
		t.Helper()
		got.Created = false
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
	}
	read(k.must(`feature.create {"kind":"incident","props":{"type":"medical"}}`))
	if got.Type != "Feature" || !got.Created || got.ID != "incident-1" || got.Properties["rev"] != 1.0 {
		t.Errorf("create: got %+v", got)
	}
	read(k.must(`feature.put {"key":"incident-1","kind":"incident","props":{"type":"medical","name":"x"}}`))
	if got.Created || got.Properties["rev"] != 2.0 {
		t.Errorf("put: got %+v", got)
	}
	read(k.must(`feature.put {"key":"S","kind":"site","props":{}}`))
	if !got.Created || got.ID != "S" {
		t.Errorf("put of what was missing: got %+v", got)
	}
	if b := k.must(`feature.delete {"key":"S","kind":"site"}`); string(b) != "null" {
		t.Errorf("delete: got %s", b)
	}
}

// shift plays random commands; checkInvariants stands behind each.
func shift(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 7))
	k := newDesk(t)
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	unit := func() string { return fmt.Sprintf("U%d", r.IntN(4)) }
	incident := func() string { return fmt.Sprintf("I%d", r.IntN(3)) }
	statuses := slices.Sorted(maps.Keys(policy.UnitStatuses))
	revs := map[string]uint64{}
	accepted := 0
	for range 60 {
		k.now += geo.Millis(r.IntN(90_000))
		var line string
		switch r.IntN(14) {
		case 0, 1:
			line = fmt.Sprintf(`feature.put {"key":%q,"kind":"unit","at":[%d,0],"props":{"type":%q,"crew":%d}}`, unit(), r.IntN(3), pick("engine", "ambulance", "police"), r.IntN(3))
		case 2:
			line = fmt.Sprintf(`feature.create {"key":%q,"kind":"unit","props":{"assigned":%q,"status":%q}}`, unit(), incident(), pick(statuses...))
		case 3:
			line = fmt.Sprintf(`feature.put {"key":%q,"kind":"incident","props":{"type":"medical"}}`, incident())
		case 4:
			line = fmt.Sprintf(`feature.create {"key":%q,"kind":"incident","props":{"assigned":[%q,%q]}}`, incident(), unit(), unit())
		case 5, 6:
			line = fmt.Sprintf(`incident.assign {"incident":%q,"units":[%q,%q],"take":%t,"reason":%q}`, incident(), unit(), unit(), r.IntN(2) == 0, pick("", "a life"))
		case 7:
			line = fmt.Sprintf(`incident.release {"incident":%q,"next":{%q:%q}}`, incident(), unit(), pick(statuses...))
		case 8:
			line = fmt.Sprintf(`incident.close {"incident":%q,"next":{%q:%q,%q:%q}}`, incident(), unit(), pick(statuses...), unit(), pick(statuses...))
		case 9, 10:
			line = fmt.Sprintf(`unit.status {"unit":%q,"status":%q}`, unit(), pick(statuses...))
		case 11:
			line = fmt.Sprintf(`unit.status {"unit":%q,"distress":%t}`, unit(), r.IntN(2) == 0)
		case 12:
			line = fmt.Sprintf(`incident.status {"incident":%q,"status":%q,"reason":%q}`, incident(), pick("open", "controlled", "on_scene"), pick("", "again"))
		default:
			key, kind := unit(), "unit"
			if r.IntN(2) == 0 {
				key, kind = incident(), "incident"
			}
			line = fmt.Sprintf(`feature.delete {"key":%q,"kind":%q}`, key, kind)
		}
		before := k.w.View()
		_, err := k.do(line)
		var no *geo.Refusal
		if err != nil && !errors.As(err, &no) {
			t.Fatalf("seed %d: %s: %v", seed, line, err)
		}
		if err == nil {
			accepted++
		}
		for f := range k.w.View().All("") {
			if f.Rev < revs[f.Key] {
				t.Fatalf("seed %d: %s: rev of %s went back from %d to %d", seed, line, f.Key, revs[f.Key], f.Rev)
			}
			if old, ok := before.ByID(f.ID); ok && old.Props != f.Props && f.Rev == old.Rev {
				t.Fatalf("seed %d: %s: %s changed under rev %d", seed, line, f.Key, f.Rev)
			}
			revs[f.Key] = f.Rev
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if accepted < 5 {
		t.Fatalf("seed %d: only %d of 60 commands were accepted: the case says nothing", seed, accepted)
	}
}

func TestRandomShifts(t *testing.T) {
	for seed := range uint64(500) {
		shift(t, seed)
	}
}

// FuzzCommand: whatever arguments come, no rule panics or breaks an invariant.
func FuzzCommand(f *testing.F) {
	names := slices.Sorted(maps.Keys(Rules(policy)))
	for _, line := range []string{engine7, fire, e7ToFire, flood,
		`feature.patch {"key":"E7","kind":"unit","at":null,"props":{"a":{"b":null}}}`,
		`coverage.note {"units":1,"standards":[{"capability":"als","seconds":480,"share":1,"basis":"area","void_zones":["z"]}]}`,
		`void.open {"zone":"z","capability":"als","seconds":480,"names":{"fa":"ز"}}`,
		`feature.put {"key":"H","kind":"hazard","shape":{"type":5,"points":[[0,0],[1,0],[1,1],[0,0]],"ends":[4],"parts":[1]}}`,
		`incident.close {"incident":"I1","next":{"E7":"available"}}`,
		`alarm.raise {"type":"x","subjects":["E7"]}`,
		`feed.declare {"feed":"osmand","interval_s":1e308}`,
	} {
		name, args, _ := strings.Cut(line, " ")
		f.Add(slices.Index(names, name), args)
	}
	f.Fuzz(func(t *testing.T, n int, args string) {
		k := newDesk(t, engine7, engine9, fire, collapse, flood, e7ToFire, `unit.status {"unit":"E9","distress":true}`, `feed.declare {"feed":"osmand","interval_s":5}`)
		name := names[((n%len(names))+len(names))%len(names)]
		_, err := k.do(name + " " + args)
		var no *geo.Refusal
		if err != nil && !errors.As(err, &no) {
			t.Fatalf("%s %s: %v", name, args, err)
		}
	})
}

func BenchmarkAssignAndRelease(b *testing.B) {
	k := newDesk(b, engine7, fire)
	for b.Loop() {
		k.must(e7ToFire)
		k.must(`incident.release {"incident":"I1"}`)
	}
}
