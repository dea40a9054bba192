package dispatch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"rasad/geo"
)

// input are the arguments of a generic write. It reads what [geo.Input] writes,
// and knows a null from what is not there.
type input struct {
	Key     string                     `json:"key"`
	Kind    geo.Kind                   `json:"kind"`
	At      json.RawMessage            `json:"at"`
	Shape   json.RawMessage            `json:"shape"`
	Props   map[string]json.RawMessage `json:"props"`
	Sealed  []geo.Sealed               `json:"sealed"`
	IfMatch uint64                     `json:"if_match"`

	at    *geo.LngLat
	shape *geo.Shape
}

// pointsMax bounds a geometry: at 10 bytes a point it takes a quarter of a frame.
const pointsMax = 10_000

// read decodes and checks what does not depend on the world.
func (r *rules) read(args json.RawMessage) (*input, error) {
	in := &input{}
	if err := decode(args, in); err != nil {
		return nil, err
	}
	switch in.Kind {
	case geo.Unit, geo.Incident, geo.Hazard, geo.Shelter, geo.Site:
	case geo.Coverage, geo.Void:
		return nil, refuse(geo.Conflict, "rule-owned", "Features of kind %s are kept by the rules: they follow the units and the roads.", in.Kind)
	default:
		return nil, invalid("kind", "must be unit, incident, hazard, shelter or site")
	}
	if given(in.Shape) {
		if json.Unmarshal(in.Shape, &in.shape) != nil || !sound(in.shape) {
			return nil, invalid("geometry", "is no sound shape")
		}
	}
	switch {
	case given(in.At):
		if json.Unmarshal(in.At, &in.at) != nil || !onGlobe(*in.at) {
			return nil, invalid("geometry", geo.ErrRange.Error())
		}
	case in.shape != nil:
		at := in.shape.Inside()
		in.at = &at
	}
	if in.Props == nil {
		in.Props = map[string]json.RawMessage{}
	}
	for i, s := range in.Sealed {
		if s.Name == "" || len(s.Name) > codeMax || len(s.KeyID) > geo.KeyMax || len(s.Box) > propsMax {
			return nil, invalid(fmt.Sprintf("sealed[%d]", i), "is no sealed field")
		}
	}
	r.tidy(in.Kind, in.Props)
	return in, nil
}

func given(raw json.RawMessage) bool { return len(raw) > 0 && !bytes.Equal(raw, []byte("null")) }

func onGlobe(p geo.LngLat) bool {
	return p.Lng >= -geo.LngMax && p.Lng <= geo.LngMax && p.Lat >= -geo.LatMax && p.Lat <= geo.LatMax
}

// sound tells whether the parts of a shape meet. The door has checked the geometry;
// this keeps whoever walks the parts from falling off their end.
func sound(s *geo.Shape) bool {
	if s == nil || len(s.Points) == 0 || len(s.Points) > pointsMax || s.Type < geo.MultiPoint || s.Type > geo.MultiPolygon {
		return false
	}
	for _, p := range s.Points {
		if !onGlobe(p) {
			return false
		}
	}
	rising := func(ends []uint32, last int) bool {
		from := uint32(0)
		for _, e := range ends {
			if e <= from {
				return false
			}
			from = e
		}
		return int(from) == last
	}
	switch s.Type {
	case geo.MultiPoint:
		return len(s.Ends) == 0 && len(s.Parts) == 0
	case geo.MultiPolygon:
		return rising(s.Ends, len(s.Points)) && rising(s.Parts, len(s.Ends))
	case geo.LineString:
		return len(s.Ends) == 1 && rising(s.Ends, len(s.Points)) && len(s.Parts) == 0
	default:
		return rising(s.Ends, len(s.Points)) && len(s.Parts) == 0
	}
}

func (r *rules) create(d *geo.Draft, who geo.Principal, args json.RawMessage) (any, error) {
	in, err := r.read(args)
	if err != nil {
		return nil, err
	}
	if in.Key == "" {
		in.Key = freeKey(d, string(in.Kind)+"-")
	}
	if old, ok := d.Get(in.Key); ok {
		no := refuse(geo.Conflict, "key-taken", "%s is already the key of a feature (%s).", in.Key, old.Kind)
		no.Current = old
		return nil, no
	}
	return r.make(d, who, in, "feature.create")
}

// make creates the feature of an input whose key is free.
func (r *rules) make(d *geo.Draft, who geo.Principal, in *input, name string) (any, error) {
	err := checkOwnKey(d, in.Kind, in.Key)
	if err != nil {
		return nil, err
	}
	m := in.Props
	for k, v := range m {
		if !given(v) {
			delete(m, k)
		}
	}
	for _, k := range []string{"shared_with", "shared_from", "shared_key"} {
		if _, ok := m[k]; ok && in.Kind == geo.Incident {
			return nil, invalid("properties."+k, "cannot be given at the beginning; use POST /api/v1/incidents/{id}/share")
		}
	}
	f := geo.Feature{Key: in.Key, Kind: in.Kind}
	f.Sealed = sealInto(m, nil, in.Sealed, true)
	if errs := r.checkProps(in.Kind, m); len(errs) > 0 {
		return nil, invalids(errs)
	}
	r.defaults(d, in.Kind, m)
	place(&f, in.at, in.shape, d.Now())

	var assigned []string // units of a new incident
	var incident string   // of a new unit
	status := ""
	switch in.Kind {
	case geo.Unit:
		delete(m, "assignment")
		_ = json.Unmarshal(m["status"], &status)
		if raw, ok := m["assigned"]; ok {
			_ = json.Unmarshal(raw, &incident)
			delete(m, "assigned")
		}
		if incident != "" {
			delete(m, "status") // joining gives one; the wished one follows
		}
		m["dispatchable"] = json.RawMessage("false")
	case geo.Incident:
		if raw, ok := m["assigned"]; ok {
			_ = json.Unmarshal(raw, &assigned)
			delete(m, "assigned")
		}
	}
	if f.Props, err = makeProps(m); err != nil {
		return nil, err
	}
	if in.Kind == geo.Hazard {
		season(&f, d.Now())
	}
	made, err := d.Create(f)
	if err != nil {
		return nil, fmt.Errorf("make %s %s: %w", in.Kind, in.Key, err)
	}
	d.Act(geo.Act{Name: name, By: who, Subjects: []string{in.Key}})
	switch in.Kind {
	case geo.Unit:
		made, err = r.settleUnit(d, who, made, incident, status)
	case geo.Incident:
		if len(assigned) > 0 {
			_, err = r.send(d, who, made, assigned, false, "")
		}
	}
	if err != nil {
		return nil, err
	}
	return answerCreated(mustGet(d, made.Key))
}

// settleUnit brings a new unit into the state that its creator wants.
func (r *rules) settleUnit(d *geo.Draft, who geo.Principal, u *geo.Feature, incident, status string) (*geo.Feature, error) {
	u = r.editUnit(d, u, nil)
	if u.Props.Bool("distress") {
		raise(d, who, alarm{Key: distressAlarm(u), Type: "distress", Subjects: []string{u.Key}, Lasting: true})
	}
	if incident == "" {
		return u, nil
	}
	f, err := find(d, geo.Incident, incident)
	if err != nil {
		return nil, invalid("properties.assigned", fmt.Sprintf("names no incident: %.140q", incident))
	}
	if r.final(f) {
		return nil, refuse(geo.Conflict, "incident-closed", "Incident %s is closed.", incident)
	}
	if len(f.Props.Texts("assigned")) >= crowdMax {
		return nil, refuse(geo.Conflict, "incident-full", "%s has %d units.", incident, crowdMax)
	}
	if status == r.Initial || status == "" {
		status = r.Assigned
	}
	if !r.UnitStatuses[status].Busy {
		return nil, invalid("properties.status", "must be that of a busy unit, because it is assigned")
	}
	r.join(d, who, u, incident)
	r.muster(d, incident, []string{u.Key})
	return r.become(d, mustGet(d, u.Key), status), nil
}

// defaults fills in what the creator left to the type.
func (r *rules) defaults(d *geo.Draft, kind geo.Kind, m map[string]json.RawMessage) {
	var typ string
	_ = json.Unmarshal(m["type"], &typ)
	set := func(k string, v any, worth bool) {
		if _, ok := m[k]; ok || !worth {
			return
		}
		if b, err := json.Marshal(v); err == nil {
			m[k] = b
		}
	}
	switch kind {
	case geo.Unit:
		t := r.UnitTypes[typ]
		set("status", r.Initial, r.Initial != "")
		set("agency", t.Agency, t.Agency != "")
		set("capabilities", t.Capabilities, len(t.Capabilities) > 0)
		set("distress", false, true)
	case geo.Incident:
		t := r.IncidentTypes[typ]
		var status string
		set("status", r.Open, r.Open != "")
		_ = json.Unmarshal(m["status"], &status)
		set("priority", t.Priority, t.Priority != "")
		set("opened_at", stampOf(d.Now()), true)
		set("closed_at", stampOf(d.Now()), r.IncidentStatuses[status].Final)
	case geo.Hazard:
		t := r.HazardTypes[typ]
		set("impassable", t.Impassable, true)
		set("speed_factor", t.SpeedFactor, t.SpeedFactor > 0 && string(m["impassable"]) == "false")
	}
}

// place sets where a feature is. The same place again is no news.
func place(f *geo.Feature, at *geo.LngLat, shape *geo.Shape, now geo.Millis) {
	if at == nil {
		f.Fix, f.Shape = geo.Fix{}, nil
		return
	}
	if !f.Fix.Placed() || f.Fix.At != *at {
		f.Fix = geo.Fix{At: *at, Time: now, Heading: geo.HeadingUnknown, Speed: geo.SpeedUnknown, Flags: geo.FixManual}
	}
	f.Shape = shape
}

// checkOwnKey is checkKey for keys that callers choose: those of alarms, feeds,
// voids and the coverage are not theirs.
func checkOwnKey(d *geo.Draft, kind geo.Kind, key string) error {
	if key == coverageKey || strings.HasPrefix(key, alarmPrefix) || strings.HasPrefix(key, feedPrefix) || strings.HasPrefix(key, voidPrefix) {
		no := refuse(geo.Invalid, "bad-key", "The key %q, and keys that begin with %q, %q or %q, are the server's.", coverageKey, alarmPrefix, feedPrefix, voidPrefix)
		no.Errors = []geo.FieldError{{Field: "key", Reason: "begins with what is the server's"}}
		return no
	}
	return checkKey(d, kind, key)
}

// current returns the feature that a write is about, or refuses.
func current(d *geo.Draft, in *input) (*geo.Feature, error) {
	if err := checkOwnKey(d, in.Kind, in.Key); err != nil {
		return nil, err
	}
	f, err := find(d, in.Kind, in.Key)
	if err != nil {
		return nil, err
	}
	if in.IfMatch != 0 && in.IfMatch != f.Rev {
		no := refuse(geo.Stale, "stale", "%s was changed: it is at revision %d, and the request saw %d.", f.Key, f.Rev, in.IfMatch)
		no.Current = f
		return nil, no
	}
	return f, nil
}

func (r *rules) put(d *geo.Draft, who geo.Principal, args json.RawMessage) (any, error) {
	in, err := r.read(args)
	if err != nil {
		return nil, err
	}
	if _, ok := d.Get(in.Key); !ok && in.IfMatch == 0 {
		return r.make(d, who, in, "feature.put")
	}
	f, err := current(d, in)
	if err != nil {
		return nil, err
	}
	m := in.Props
	for k, v := range m {
		if !given(v) {
			delete(m, k)
		}
	}
	g := *f
	g.Sealed = sealInto(m, f.Sealed, in.Sealed, true)
	if in.at != nil || f.Kind != geo.Unit {
		place(&g, in.at, in.shape, d.Now())
	}
	return r.write(d, who, f, g, m, "feature.put")
}

func (r *rules) patch(d *geo.Draft, who geo.Principal, args json.RawMessage) (any, error) {
	in, err := r.read(args)
	if err != nil {
		return nil, err
	}
	f, err := current(d, in)
	if err != nil {
		return nil, err
	}
	g := *f
	m := f.Props.Map()
	mergePatch(m, in.Props)
	g.Sealed = sealInto(m, f.Sealed, in.Sealed, false)
	for k, v := range in.Props { // null takes a sealed field away too
		if !given(v) && !slices.ContainsFunc(in.Sealed, func(s geo.Sealed) bool { return s.Name == k }) {
			g.Sealed = slices.DeleteFunc(g.Sealed, func(s geo.Sealed) bool { return s.Name == k })
		}
	}
	if len(in.At) > 0 || in.shape != nil {
		place(&g, in.at, in.shape, d.Now())
	}
	return r.write(d, who, f, g, m, "feature.patch")
}

// write puts g, a changed copy of f, with the members m.
func (r *rules) write(d *geo.Draft, who geo.Principal, f *geo.Feature, g geo.Feature, m map[string]json.RawMessage, name string) (any, error) {
	if errs := r.checkProps(f.Kind, m); len(errs) > 0 {
		return nil, invalids(errs)
	}
	if err := r.keepOwned(f, m); err != nil {
		return nil, err
	}
	if g.Fix != f.Fix || !sameShape(g.Shape, f.Shape) {
		if err := notOurs(f, "moved"); err != nil {
			return nil, err
		}
	}
	var err error
	if g.Props, err = makeProps(m); err != nil {
		return nil, err
	}
	switch f.Kind {
	case geo.Unit:
		g.Props = g.Props.With(map[string]any{"dispatchable": r.dispatchable(g.Props)})
	case geo.Hazard:
		season(&g, d.Now())
	}
	if g.Props == f.Props && g.Fix == f.Fix && g.Due == f.Due && sameShape(g.Shape, f.Shape) && sameSealed(g.Sealed, f.Sealed) {
		return answer(f)
	}
	put := d.Put(g)
	d.Act(geo.Act{Name: name, By: who, Subjects: []string{f.Key}})
	return answer(put)
}

// makeProps makes properties of members that were checked one by one. What rules add
// later fits, because propsMax is well below [geo.PropsMax].
func makeProps(m map[string]json.RawMessage) (geo.Props, error) {
	p, err := geo.MakeProps(m)
	if err != nil {
		return "", invalid("properties", err.Error())
	}
	if len(p) > propsMax {
		return "", invalid("properties", fmt.Sprintf("are longer than %d bytes", propsMax))
	}
	return p, nil
}

func sameShape(a, b *geo.Shape) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Type == b.Type && slices.Equal(a.Points, b.Points) && slices.Equal(a.Ends, b.Ends) && slices.Equal(a.Parts, b.Parts)
}

func sameSealed(a, b []geo.Sealed) bool {
	return slices.EqualFunc(a, b, func(x, y geo.Sealed) bool { return x.Name == y.Name && x.KeyID == y.KeyID && bytes.Equal(x.Box, y.Box) })
}

// sealInto returns the sealed fields after a write and takes their names out of m.
// With whole, old fields stay only when m names them as {"sealed":true}.
func sealInto(m map[string]json.RawMessage, old, fresh []geo.Sealed, whole bool) []geo.Sealed {
	var out []geo.Sealed
	for _, s := range old {
		named := slices.ContainsFunc(fresh, func(x geo.Sealed) bool { return x.Name == s.Name })
		back := isSealed(m[s.Name])
		if !named && (back || !whole) {
			out = append(out, s)
		}
		if back {
			delete(m, s.Name)
		}
	}
	for _, s := range fresh {
		delete(m, s.Name)
		out = slices.DeleteFunc(out, func(x geo.Sealed) bool { return x.Name == s.Name })
		if s.KeyID != "" {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b geo.Sealed) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func isSealed(raw json.RawMessage) bool {
	var v struct {
		Sealed bool `json:"sealed"`
	}
	return len(raw) > 0 && raw[0] == '{' && json.Unmarshal(raw, &v) == nil && v.Sealed
}

func (r *rules) remove(d *geo.Draft, who geo.Principal, args json.RawMessage) (any, error) {
	in, err := r.read(args)
	if err != nil {
		return nil, err
	}
	f, err := current(d, in)
	if err != nil {
		return nil, err
	}
	if in := f.Props.Text("assigned"); f.Kind == geo.Unit && in != "" {
		return nil, refuse(geo.Conflict, "unit-assigned", "%s is assigned to %s; release it first.", f.Key, in)
	}
	if units := f.Props.Texts("assigned"); f.Kind == geo.Incident && len(units) > 0 {
		return nil, refuse(geo.Conflict, "incident-has-units", "%s still has %s; close it or release them first.", f.Key, quoted(units))
	}
	if f.Kind == geo.Incident && !r.final(f) {
		if err := notOurs(f, "deleted"); err != nil {
			return nil, err
		}
	}
	d.Drop(f.ID)
	d.Act(geo.Act{Name: "feature.delete", By: who, Subjects: []string{f.Key}})
	switch f.Kind {
	case geo.Incident:
		for a := range d.All(geo.Assignment) {
			if a.Props.Text("incident") == f.Key {
				d.Drop(a.ID)
			}
		}
	case geo.Unit:
		if al, ok := d.Get(distressAlarm(f)); ok && al.Kind == geo.Alarm {
			over(d, al)
		}
	}
	return nil, nil
}

// season computes whether a hazard is in force, and when that must be looked at
// again.
func season(f *geo.Feature, now geo.Millis) {
	from, to := momentOf(json.RawMessage(f.Props.Raw("valid_from"))), momentOf(json.RawMessage(f.Props.Raw("valid_to")))
	f.Due = 0
	switch {
	case from > now:
		f.Due = from
	case to > now:
		f.Due = to
	}
	f.Props = f.Props.With(map[string]any{"active": from <= now && (to == 0 || now < to)})
}

// hazardDue begins or ends a hazard.
func (r *rules) hazardDue(d *geo.Draft, f *geo.Feature) error {
	was := f.Props.Bool("active")
	g := *f
	season(&g, d.Now())
	if g.Due == f.Due && g.Props == f.Props {
		return nil
	}
	d.Put(g)
	name := "hazard.expired"
	if g.Props.Bool("active") {
		name = "hazard.began"
	}
	if was != g.Props.Bool("active") {
		d.Act(geo.Act{Name: name, By: system, Subjects: []string{f.Key}})
	}
	return nil
}
