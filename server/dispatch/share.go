package dispatch

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"rasad/geo"
)

// An incident may be shared with other worlds of the installation: the fire at the
// border of two cities. It stays its own world's. The other holds an image of it,
// with its own units on it; what it is and how it stands comes from home.

// sharedMax is how many worlds one incident is shared with.
const sharedMax = 32

// imageMembers are written at home and nowhere else, beside stamps (…_at).
var imageMembers = []string{"name", "type", "priority", "alarm_level", "grade", "agencies", "sensitive", "simulated"}

// incidentShare says which worlds hear of an incident: all that are named, and no
// others.
func (r *rules) incidentShare(d *geo.Draft, who geo.Principal, args json.RawMessage) (any, error) {
	var a struct {
		Incident string   `json:"incident"`
		Worlds   []string `json:"worlds"`
		Reason   string   `json:"reason"`
	}
	if err := decode(args, &a); err != nil {
		return nil, err
	}
	f, err := find(d, geo.Incident, a.Incident)
	if err != nil {
		return nil, err
	}
	if err := checkReason(a.Reason); err != nil {
		return nil, err
	}
	if err := notOurs(f, "shared on"); err != nil {
		return nil, err
	}
	worlds := slices.Compact(slices.Sorted(slices.Values(a.Worlds)))
	if len(worlds) > sharedMax {
		return nil, invalid("worlds", fmt.Sprintf("may name %d worlds at most", sharedMax))
	}
	if r.final(f) && len(worlds) > 0 {
		return nil, refuse(geo.Conflict, "incident-closed", "Incident %s is closed; there is nothing to share.", a.Incident)
	}
	if slices.Equal(worlds, f.Props.Texts("shared_with")) {
		return answer(f)
	}
	set := map[string]any{"shared_with": worlds}
	if len(worlds) == 0 {
		set["shared_with"] = nil
	}
	f = edit(d, f, set)
	d.Act(geo.Act{Name: "incident.share", By: who, Why: a.Reason, Subjects: []string{a.Incident}, Args: args})
	return answer(f)
}

// notOurs refuses what only the world may do whose incident it is.
func notOurs(f *geo.Feature, done string) error {
	if home := f.Props.Text("shared_from"); home != "" {
		return refuse(geo.Conflict, "shared-elsewhere", "%s is an incident of the world %s, which shares it; it cannot be %s here.", f.Key, home, done)
	}
	return nil
}

// image is an incident as another world tells it.
type image struct {
	World string                     `json:"world"`
	Key   string                     `json:"key"`
	At    *geo.LngLat                `json:"at"`
	Shape *geo.Shape                 `json:"shape"`
	Props map[string]json.RawMessage `json:"props"`
}

// ImageKey is the key that an incident of another world has here.
func ImageKey(world, key string) string { return world + "~" + key }

// shareTake makes or renews the image of an incident of another world. What this
// world's preset does not know is left out: the name and the place always stay.
func (r *rules) shareTake(d *geo.Draft, who geo.Principal, args json.RawMessage) (any, error) {
	var a image
	if err := decode(args, &a); err != nil {
		return nil, err
	}
	key := ImageKey(a.World, a.Key)
	if err := checkKey(d, geo.Incident, key); err != nil {
		return nil, err
	}
	if a.Shape != nil && !sound(a.Shape) || a.At != nil && !onGlobe(*a.At) {
		return nil, invalid("geometry", "is no sound place")
	}
	old, there := d.Get(key)
	m := map[string]json.RawMessage{}
	if there {
		if old.Props.Text("shared_from") != a.World {
			return nil, refuse(geo.Conflict, "key-taken", "%s is already the key of a feature (%s).", key, old.Kind)
		}
		m = old.Props.Map()
	}
	for _, k := range keysOf(m) {
		if imaged(k) {
			delete(m, k)
		}
	}
	known := r.checks(geo.Incident)
	for k, v := range a.Props {
		if check, ok := known[k]; imaged(k) && given(v) && (!ok || check(v) == "") {
			m[k] = v
		}
	}
	var status string
	_ = json.Unmarshal(a.Props["status"], &status) // no text: no status that we know
	if _, ok := r.IncidentStatuses[status]; !ok {
		status = r.Open
	}
	for k, v := range map[string]string{"status": status, "shared_from": a.World, "shared_key": a.Key} {
		m[k], _ = json.Marshal(v) // a string always can
	}
	props, err := makeProps(m)
	if err != nil {
		return nil, err
	}
	if !there {
		f := geo.Feature{Key: key, Kind: geo.Incident, Props: props}
		place(&f, a.At, a.Shape, d.Now())
		made, err := d.Create(f)
		if err != nil {
			return nil, fmt.Errorf("make the image of %s: %w", key, err)
		}
		d.Act(geo.Act{Name: "incident.shared", By: who, Subjects: []string{key}})
		return answer(made)
	}
	g := *old
	g.Props = props
	place(&g, a.At, a.Shape, d.Now())
	if g.Props == old.Props && g.Fix == old.Fix && sameShape(g.Shape, old.Shape) {
		return answer(old)
	}
	put := d.Put(g)
	d.Act(geo.Act{Name: "incident.shared", By: who, Subjects: []string{key}})
	return answer(put)
}

// imaged tells whether a member of an image is home's to say.
func imaged(k string) bool {
	return slices.Contains(imageMembers, k) || strings.HasSuffix(k, "_at")
}

// shareEnd closes the image of an incident that is over at home, or not shared any
// more. Our units on it are free again; one with a patient keeps its status
// until it has handed over.
func (r *rules) shareEnd(d *geo.Draft, who geo.Principal, args json.RawMessage) (any, error) {
	var a struct {
		World  string `json:"world"`
		Key    string `json:"key"`
		Reason string `json:"reason"`
	}
	if err := decode(args, &a); err != nil {
		return nil, err
	}
	f, err := find(d, geo.Incident, ImageKey(a.World, a.Key))
	if err != nil {
		return nil, err
	}
	if f.Props.Text("shared_from") != a.World {
		return nil, refuse(geo.Conflict, "not-shared", "%s is not an incident of the world %s.", f.Key, a.World)
	}
	if r.final(f) {
		return answer(f)
	}
	units := f.Props.Texts("assigned")
	next := map[string]string{}
	for _, key := range units {
		if s := mustGet(d, key).Props.Text("status"); r.UnitStatuses[s].Carrying {
			next[key] = s
		}
	}
	r.free(d, f, units, next)
	f = r.reach(d, mustGet(d, f.Key), r.Closed)
	f = edit(d, f, map[string]any{"closed_at": stampOf(d.Now())})
	d.Act(geo.Act{Name: "incident.close", By: who, Why: a.Reason, Subjects: append([]string{f.Key}, units...)})
	return answer(f)
}
