package dispatch

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"rasad/geo"
)

func (r *rules) unitStatus(d *geo.Draft, who geo.Principal, args json.RawMessage) (any, error) {
	var a struct {
		Unit     string `json:"unit"`
		Status   string `json:"status"`
		Distress *bool  `json:"distress"`
		Reason   string `json:"reason"`
	}
	if err := decode(args, &a); err != nil {
		return nil, err
	}
	u, err := find(d, geo.Unit, a.Unit)
	if err != nil {
		return nil, err
	}
	if err := checkReason(a.Reason); err != nil {
		return nil, err
	}
	if a.Status == "" && a.Distress == nil {
		return nil, invalid("status", "is needed, or distress")
	}
	subjects := []string{a.Unit}
	if in := u.Props.Text("assigned"); in != "" {
		subjects = append(subjects, in)
	}
	if a.Status != "" && a.Status != u.Props.Text("status") {
		if err := r.mayBecome(u, a.Status); err != nil {
			return nil, err
		}
		u = r.become(d, u, a.Status)
		d.Act(geo.Act{Name: "unit.status", By: who, Why: a.Reason, Subjects: subjects})
	}
	if a.Distress != nil && *a.Distress != u.Props.Bool("distress") {
		u = r.distress(d, who, u, *a.Distress)
		d.Act(geo.Act{Name: "unit.distress", By: who, Why: a.Reason, Subjects: subjects})
	}
	return answer(u)
}

// mayBecome refuses a status that the machine of the unit's agency does not have
// after the present one.
func (r *rules) mayBecome(u *geo.Feature, status string) error {
	if _, known := r.UnitStatuses[status]; !known {
		return invalid("status", fmt.Sprintf("is no status of units: %.64q", status))
	}
	from := u.Props.Text("status")
	if to, bound := r.allowed(u.Props.Text("agency"), from); bound && !slices.Contains(to, status) {
		can := "nothing else"
		if len(to) > 0 {
			can = strings.Join(to, ", ")
		}
		return refuse(geo.Conflict, "status-not-allowed", "%s is %s and cannot become %s; it can become %s.", u.Key, from, status, can)
	}
	if status == r.Assigned && u.Props.Text("assigned") == "" {
		return refuse(geo.Conflict, "unit-needs-incident", "%s gets this status by POST /api/v1/incidents/{id}/assign.", u.Key)
	}
	return nil
}

// become gives a unit a status. The assignment is stamped, or ends.
func (r *rules) become(d *geo.Draft, u *geo.Feature, status string) *geo.Feature {
	incident := u.Props.Text("assigned")
	switch {
	case incident == "":
		return r.editUnit(d, u, map[string]any{"status": status})
	case !r.UnitStatuses[status].Busy:
		return r.leave(d, u, status)
	}
	if a, at := mustGet(d, u.Props.Text("assignment")), status+"_at"; a.Props.Raw(at) == "" && status != r.Assigned {
		edit(d, a, map[string]any{at: stampOf(d.Now())})
	}
	u = r.editUnit(d, u, map[string]any{"status": status})
	r.follow(d, incident, status)
	return u
}

// distress sets or clears the flag, and its alarm.
func (r *rules) distress(d *geo.Draft, who geo.Principal, u *geo.Feature, on bool) *geo.Feature {
	key := distressAlarm(u)
	if on {
		raise(d, who, alarm{Key: key, Type: "distress", Subjects: []string{u.Key}, Lasting: true})
	} else if f, ok := d.Get(key); ok && f.Kind == geo.Alarm {
		over(d, f)
	}
	return r.editUnit(d, u, map[string]any{"distress": on})
}

// distressAlarm is the key of the alarm of a unit.
func distressAlarm(u *geo.Feature) string {
	const stem = "alarm:distress:"
	if len(u.Key) > geo.KeyMax-len(stem) {
		return fmt.Sprintf("%s%d", stem, u.ID)
	}
	return stem + u.Key
}
