package dispatch

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"rasad/geo"
)

// unitsMax is how many units one command may name: more than any alarm level
// sends at once, and a frame still holds them.
const unitsMax = 200

// crowdMax is how many units an incident may have in all: their keys must fit into
// its properties.
const crowdMax = 1000

func (r *rules) assign(d *geo.Draft, who geo.Principal, args json.RawMessage) (any, error) {
	var a struct {
		Incident string   `json:"incident"`
		Units    []string `json:"units"`
		Take     bool     `json:"take"`
		Reason   string   `json:"reason"`
	}
	if err := decode(args, &a); err != nil {
		return nil, err
	}
	incident, err := find(d, geo.Incident, a.Incident)
	if err != nil {
		return nil, err
	}
	if err := checkReason(a.Reason); err != nil {
		return nil, err
	}
	if len(a.Units) == 0 {
		return nil, invalid("units", "must name at least one unit")
	}
	sent, err := r.send(d, who, incident, a.Units, a.Take, a.Reason)
	if err != nil {
		return nil, err
	}
	if len(sent) > 0 {
		d.Act(geo.Act{Name: "incident.assign", By: who, Why: a.Reason, Subjects: append([]string{a.Incident}, sent...)})
	}
	return answer(mustGet(d, a.Incident))
}

// send assigns units to an incident, all or none, and returns those that were not
// there already. When several cannot go, the refusal names each.
func (r *rules) send(d *geo.Draft, who geo.Principal, incident *geo.Feature, keys []string, take bool, reason string) ([]string, error) {
	if r.final(incident) {
		return nil, refuse(geo.Conflict, "incident-closed", "Incident %s is closed; open a new one or set its status first.", incident.Key)
	}
	if len(keys) > unitsMax {
		return nil, invalid("units", fmt.Sprintf("may name %d units at most", unitsMax))
	}
	var no []*geo.Refusal
	var sent []string
	for i, key := range keys {
		if slices.Contains(sent, key) {
			continue
		}
		u, err := r.mayGo(d, incident.Key, key, take, reason)
		if err != nil {
			err.Errors = []geo.FieldError{{Field: fmt.Sprintf("units[%d]", i), Reason: err.Code}}
			no = append(no, err)
			continue
		}
		if u != nil {
			sent = append(sent, key)
		}
	}
	if len(no) > 0 {
		return nil, together(no)
	}
	if len(incident.Props.Texts("assigned"))+len(sent) > crowdMax {
		return nil, refuse(geo.Conflict, "incident-full", "%s would have more than %d units; open another incident for the sector.", incident.Key, crowdMax)
	}
	for _, key := range sent {
		u := mustGet(d, key)
		if from := u.Props.Text("assigned"); from != "" {
			u = r.leave(d, u, r.Initial)
			d.Act(geo.Act{Name: "unit.taken", By: who, Why: reason, Subjects: []string{key, from, incident.Key}})
		}
		r.join(d, who, u, incident.Key)
	}
	r.muster(d, incident.Key, sent)
	return sent, nil
}

// mayGo returns the unit when it may be sent to the incident, nil when it is there
// already.
func (r *rules) mayGo(d *geo.Draft, incident, key string, take bool, reason string) (*geo.Feature, *geo.Refusal) {
	u, ok := d.Get(key)
	if !ok || u.Kind != geo.Unit {
		return nil, refuse(geo.Missing, "no-unit", "There is no unit %.140q.", key)
	}
	status, other := u.Props.Text("status"), u.Props.Text("assigned")
	switch what := r.UnitStatuses[status]; {
	case other == incident:
		return nil, nil
	case u.Props.Bool("distress"):
		return nil, refuse(geo.Conflict, "unit-distress", "%s is in distress and cannot be sent.", key)
	case what.Carrying:
		return nil, refuse(geo.Conflict, "unit-carrying", "%s is %s and is not free before it has handed over.", key, status)
	case other != "" || what.Busy:
		work := "is " + status
		if other != "" {
			work = "works on " + other
		}
		if !take {
			return nil, refuse(geo.Conflict, "unit-busy", "%s %s; send \"take\": true with a reason to take it from there.", key, work)
		}
		if reason == "" {
			return nil, refuse(geo.Conflict, "reason-needed", "%s %s; say in \"reason\" why it is taken from there.", key, work)
		}
	case !r.dispatchable(u.Props):
		return nil, refuse(geo.Conflict, "unit-not-dispatchable", "%s cannot be sent: it is %s.", key, r.whyNot(u.Props))
	}
	return u, nil
}

// together makes one refusal of several: the first names the code.
func together(no []*geo.Refusal) *geo.Refusal {
	out := *no[0]
	said := make([]string, len(no))
	out.Errors = nil
	for i, n := range no {
		said[i] = n.Detail
		out.Errors = append(out.Errors, n.Errors...)
	}
	out.Detail = strings.Join(said[:min(len(said), 10)], " ")
	return &out
}

// join begins the assignment of a free unit. The incident's list is muster's.
func (r *rules) join(d *geo.Draft, who geo.Principal, u *geo.Feature, incident string) {
	stem := incident + "~" + u.Key + "~"
	if len(stem) > geo.KeyMax-20 {
		stem = "assignment~"
	}
	now := stampOf(d.Now())
	a, err := d.Create(geo.Feature{Key: freeKey(d, stem), Kind: geo.Assignment, Props: geo.Props("").With(map[string]any{
		"incident": incident, "unit": u.Key, "assigned_at": now, "by": who.Name,
	})})
	if err != nil {
		panic("dispatch: assignment: " + err.Error()) // the key is free and made of keys
	}
	r.editUnit(d, u, map[string]any{"assigned": incident, "assignment": a.Key, "status": r.Assigned})
}

// muster adds units that joined to the list of their incident: once for all of
// them, because the list of a mass event is long.
func (r *rules) muster(d *geo.Draft, incident string, joined []string) {
	if len(joined) == 0 {
		return
	}
	f := mustGet(d, incident)
	units := append(f.Props.Texts("assigned"), joined...)
	slices.Sort(units)
	edit(d, f, map[string]any{"assigned": units})
	r.follow(d, incident, r.Assigned)
}

// part ends the assignment of a unit, which takes the next status. The incident's
// list is dismiss's.
func (r *rules) part(d *geo.Draft, u *geo.Feature, next string) *geo.Feature {
	edit(d, mustGet(d, u.Props.Text("assignment")), map[string]any{"cleared_at": stampOf(d.Now())})
	return r.editUnit(d, u, map[string]any{"assigned": nil, "assignment": nil, "status": next})
}

// dismiss takes units that parted from the list of their incident. When none is
// left, an incident that followed its units is open again.
func (r *rules) dismiss(d *geo.Draft, incident *geo.Feature, parted []string) {
	units := slices.DeleteFunc(incident.Props.Texts("assigned"), func(k string) bool { return slices.Contains(parted, k) })
	set := map[string]any{"assigned": units}
	if len(units) == 0 {
		set["assigned"] = nil
		if incident.Props.Text("shared_from") == "" && r.followed(incident.Props.Text("status")) {
			set["status"] = r.Open
		}
	}
	edit(d, incident, set)
}

// leave takes one unit off its incident.
func (r *rules) leave(d *geo.Draft, u *geo.Feature, next string) *geo.Feature {
	incident := mustGet(d, u.Props.Text("assigned"))
	u = r.part(d, u, next)
	r.dismiss(d, incident, []string{u.Key})
	return u
}

// follow moves an incident forward when one of its units reached a status.
func (r *rules) follow(d *geo.Draft, incident, unitStatus string) {
	f := mustGet(d, incident)
	next, ok := r.Follows[unitStatus]
	if !ok || r.final(f) || f.Props.Text("shared_from") != "" || r.IncidentStatuses[next].Order <= r.IncidentStatuses[f.Props.Text("status")].Order {
		return
	}
	r.reach(d, f, next)
}

// followed tells whether incidents get a status from their units: without units it
// says nothing. A status set by hand stays.
func (r *rules) followed(status string) bool {
	for _, s := range r.Follows {
		if s == status {
			return !r.IncidentStatuses[s].Final
		}
	}
	return false
}

// reach gives an incident a status and stamps the first time.
func (r *rules) reach(d *geo.Draft, f *geo.Feature, status string) *geo.Feature {
	set := map[string]any{"status": status}
	if at := r.stamp(status); f.Props.Raw(at) == "" {
		set[at] = stampOf(d.Now())
	}
	return edit(d, f, set)
}

func (r *rules) release(d *geo.Draft, who geo.Principal, args json.RawMessage) (any, error) {
	var a struct {
		Incident string            `json:"incident"`
		Units    []string          `json:"units"`
		Next     map[string]string `json:"next"`
		Reason   string            `json:"reason"`
	}
	if err := decode(args, &a); err != nil {
		return nil, err
	}
	incident, err := find(d, geo.Incident, a.Incident)
	if err != nil {
		return nil, err
	}
	if err := checkReason(a.Reason); err != nil {
		return nil, err
	}
	assigned := incident.Props.Texts("assigned")
	units := slices.Compact(slices.Sorted(slices.Values(a.Units)))
	if len(units) == 0 {
		units = assigned
	}
	for _, key := range units {
		if !slices.Contains(assigned, key) {
			return nil, refuse(geo.Conflict, "unit-not-assigned", "%.140s is not assigned to %s.", key, a.Incident)
		}
	}
	if err := r.mayLeave(d, units, a.Next); err != nil {
		return nil, err
	}
	r.free(d, incident, units, a.Next)
	if len(units) > 0 {
		d.Act(geo.Act{Name: "incident.release", By: who, Why: a.Reason, Subjects: append([]string{a.Incident}, units...)})
	}
	return answer(mustGet(d, a.Incident))
}

// mayLeave refuses when a unit cannot be released, or not into its next status.
func (r *rules) mayLeave(d *geo.Draft, units []string, next map[string]string) error {
	for _, key := range units {
		if s := mustGet(d, key).Props.Text("status"); r.UnitStatuses[s].Carrying {
			return refuse(geo.Conflict, "unit-carrying", "%s is %s; only its own next status ends that.", key, s)
		}
	}
	var errs []geo.FieldError
	for _, key := range slices.Sorted(maps.Keys(next)) {
		field := "next." + key
		status, known := r.UnitStatuses[next[key]]
		switch {
		case !slices.Contains(units, key):
			errs = append(errs, geo.FieldError{Field: field, Reason: "is not among the units that are released"})
		case !known:
			errs = append(errs, geo.FieldError{Field: field, Reason: fmt.Sprintf("is no status of units: %.64q", next[key])})
		case status.Busy:
			errs = append(errs, geo.FieldError{Field: field, Reason: "must be the status of a unit that is not busy"})
		}
	}
	if no := invalids(errs); no != nil {
		return no
	}
	return nil
}

// free takes units off an incident, each into its next status or the initial one.
func (r *rules) free(d *geo.Draft, incident *geo.Feature, units []string, next map[string]string) {
	if len(units) == 0 {
		return
	}
	for _, key := range units {
		status, ok := next[key]
		if !ok {
			status = r.Initial
		}
		r.part(d, mustGet(d, key), status)
	}
	r.dismiss(d, incident, units)
}

func (r *rules) close(d *geo.Draft, who geo.Principal, args json.RawMessage) (any, error) {
	var a struct {
		Incident string            `json:"incident"`
		Next     map[string]string `json:"next"`
		Reason   string            `json:"reason"`
	}
	if err := decode(args, &a); err != nil {
		return nil, err
	}
	incident, err := find(d, geo.Incident, a.Incident)
	if err != nil {
		return nil, err
	}
	if err := checkReason(a.Reason); err != nil {
		return nil, err
	}
	if r.final(incident) {
		return answer(incident)
	}
	if err := notOurs(incident, "closed"); err != nil {
		return nil, err
	}
	units := incident.Props.Texts("assigned")
	if err := r.mayLeave(d, units, a.Next); err != nil {
		return nil, err
	}
	var without []string
	var errs []geo.FieldError
	for _, key := range units {
		if _, ok := a.Next[key]; !ok {
			without = append(without, key)
			errs = append(errs, geo.FieldError{Field: "next." + key, Reason: "is needed: the unit is assigned"})
		}
	}
	if len(without) > 0 {
		no := refuse(geo.Conflict, "next-needed", "%s still has %s; say in \"next\" what becomes of each.", a.Incident, quoted(without))
		no.Errors = errs
		return nil, no
	}
	r.free(d, incident, units, a.Next)
	incident = r.reach(d, mustGet(d, a.Incident), r.Closed)
	incident = edit(d, incident, map[string]any{"closed_at": stampOf(d.Now())}) // the last time, when it was reopened
	d.Act(geo.Act{Name: "incident.close", By: who, Why: a.Reason, Subjects: append([]string{a.Incident}, units...)})
	return answer(incident)
}

func (r *rules) incidentStatus(d *geo.Draft, who geo.Principal, args json.RawMessage) (any, error) {
	var a struct {
		Incident string `json:"incident"`
		Status   string `json:"status"`
		Reason   string `json:"reason"`
	}
	if err := decode(args, &a); err != nil {
		return nil, err
	}
	incident, err := find(d, geo.Incident, a.Incident)
	if err != nil {
		return nil, err
	}
	if err := checkReason(a.Reason); err != nil {
		return nil, err
	}
	if err := notOurs(incident, "given a status"); err != nil {
		return nil, err
	}
	status, known := r.IncidentStatuses[a.Status]
	switch {
	case !known:
		return nil, invalid("status", fmt.Sprintf("is no status of incidents: %.64q", a.Status))
	case incident.Props.Text("status") == a.Status:
		return answer(incident)
	case status.Final:
		return nil, refuse(geo.Conflict, "use-close", "An incident ends by POST /api/v1/incidents/%s/close.", a.Incident)
	case r.final(incident) && a.Reason == "":
		return nil, refuse(geo.Conflict, "reason-needed", "%s is closed; say in \"reason\" why it goes on.", a.Incident)
	case r.final(incident):
		incident = edit(d, incident, map[string]any{"closed_at": nil})
	}
	incident = r.reach(d, incident, a.Status)
	d.Act(geo.Act{Name: "incident.status", By: who, Why: a.Reason, Subjects: []string{a.Incident}})
	return answer(incident)
}

// mustGet returns a feature that the invariants promise.
func mustGet(d *geo.Draft, key string) *geo.Feature {
	f, ok := d.Get(key)
	if !ok {
		panic("dispatch: the world names " + key + " and does not hold it")
	}
	return f
}

// reasonMax bounds what a person writes as a reason, in bytes.
const reasonMax = 2000

func checkReason(s string) error {
	if len(s) > reasonMax {
		return invalid("reason", fmt.Sprintf("is longer than %d bytes", reasonMax))
	}
	return nil
}
