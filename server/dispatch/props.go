package dispatch

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"rasad/geo"
)

// Limits of properties, in bytes. They are far beyond what a screen shows and keep
// a feature well below what a frame holds.
const (
	nameMax  = 200
	codeMax  = 64
	textMax  = 10_000
	listMax  = 200
	propsMax = 64 << 10
	countMax = 10_000_000
)

// check says what is wrong with a member, or nothing.
type check func(raw json.RawMessage) string

// checks are the members that the rules know, by kind.
func (r *rules) checks(kind geo.Kind) map[string]check {
	name := text(nameMax)
	switch kind {
	case geo.Unit:
		return map[string]check{
			"name": name, "type": code(keysOf(r.UnitTypes), "type of unit"), "agency": code(r.Agencies, "agency"),
			"status": code(keysOf(r.UnitStatuses), "status of units"), "capabilities": list(code(r.Capabilities, "capability")),
			"crew": count, "distress": boolean, "dispatchable": boolean, "assigned": text(geo.KeyMax), "assignment": text(geo.KeyMax),
		}
	case geo.Incident:
		m := map[string]check{
			"name": name, "type": code(keysOf(r.IncidentTypes), "type of incident"),
			"status": code(keysOf(r.IncidentStatuses), "status of incidents"), "assigned": list(text(geo.KeyMax)),
			"description": text(textMax), "caller": unsealed,
		}
		for scale, codes := range r.Scales {
			m[scale] = code(codes, "value of "+scale)
		}
		for status := range r.IncidentStatuses {
			m[r.stamp(status)] = moment
		}
		m["opened_at"], m["closed_at"] = moment, moment
		return m
	case geo.Hazard:
		return map[string]check{"name": name, "type": code(keysOf(r.HazardTypes), "type of hazard"), "impassable": boolean,
			"speed_factor": factor, "active": boolean, "valid_from": moment, "valid_to": moment}
	case geo.Shelter:
		return map[string]check{"name": name, "type": code(r.ShelterTypes, "type of shelter"),
			"status": code(r.ShelterStatuses, "status of shelters"), "capacity": count, "occupancy": count,
			"counted_at": moment, "needs": list(text(codeMax))}
	case geo.Site:
		return map[string]check{"name": name, "type": code(r.SiteTypes, "type of site"), "sensitive": boolean,
			"snapshot_url": address, "mjpeg_url": address, "hls_url": address}
	}
	return nil
}

func keysOf[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// checkProps returns what is wrong with properties, field by field.
func (r *rules) checkProps(kind geo.Kind, m map[string]json.RawMessage) []geo.FieldError {
	var errs []geo.FieldError
	known := r.checks(kind)
	for _, k := range keysOf(m) {
		if c, ok := known[k]; ok {
			if reason := c(m[k]); reason != "" {
				errs = append(errs, geo.FieldError{Field: "properties." + k, Reason: reason})
			}
		}
	}
	if kind == geo.Hazard {
		from, to := momentOf(m["valid_from"]), momentOf(m["valid_to"])
		if from != 0 && to != 0 && to < from {
			errs = append(errs, geo.FieldError{Field: "properties.valid_to", Reason: "lies before valid_from"})
		}
	}
	return errs
}

func text(most int) check {
	return func(raw json.RawMessage) string {
		var s string
		switch {
		case raw[0] != '"' || json.Unmarshal(raw, &s) != nil:
			return "must be a string"
		case len(s) > most:
			return fmt.Sprintf("is longer than %d bytes", most)
		case !utf8.ValidString(s):
			return "must be valid UTF-8"
		}
		return ""
	}
}

// code checks a code against those that the city has; none given allow any.
func code(known []string, what string) check {
	return func(raw json.RawMessage) string {
		if reason := text(codeMax)(raw); reason != "" {
			return reason
		}
		var s string
		_ = json.Unmarshal(raw, &s) // text read it already
		if len(known) > 0 && !slices.Contains(known, s) {
			return fmt.Sprintf("%q is no known %s", s, what)
		}
		return ""
	}
}

func list(of check) check {
	return func(raw json.RawMessage) string {
		var all []json.RawMessage
		if raw[0] != '[' || json.Unmarshal(raw, &all) != nil {
			return "must be an array of strings"
		}
		if len(all) > listMax {
			return fmt.Sprintf("has more than %d members", listMax)
		}
		for i, one := range all {
			if reason := of(one); reason != "" {
				return fmt.Sprintf("[%d] %s", i, reason)
			}
		}
		return ""
	}
}

func boolean(raw json.RawMessage) string {
	if s := string(raw); s != "true" && s != "false" {
		return "must be true or false"
	}
	return ""
}

func count(raw json.RawMessage) string {
	v, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || v < 0 || v > countMax || v != math.Trunc(v) {
		return fmt.Sprintf("must be a whole number in 0..%d", countMax)
	}
	return ""
}

func factor(raw json.RawMessage) string {
	v, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || !(v > 0 && v <= 1) {
		return "must be a number above 0 and up to 1; what cannot be passed is impassable"
	}
	return ""
}

func moment(raw json.RawMessage) string {
	if momentOf(raw) == 0 {
		return "must be a time with offset, as RFC 3339 has it"
	}
	return ""
}

// addressMax is how long an address of a picture may be, in bytes.
const addressMax = 2048

// address is where a picture of a camera is fetched. What a feature says is read by
// everybody who sees it, so it holds no password.
func address(raw json.RawMessage) string {
	if reason := text(addressMax)(raw); reason != "" {
		return reason
	}
	var s string
	_ = json.Unmarshal(raw, &s) // text read it already
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return "must be a whole address, such as https://cameras.example/7.jpg"
	case u.User != nil:
		return "must hold no name and password: everybody who sees the site reads it"
	case u.Fragment != "":
		return "must have no part after #"
	}
	return ""
}

// momentOf reads a time, zero when it is none.
func momentOf(raw json.RawMessage) geo.Millis {
	var s string
	if len(raw) == 0 || json.Unmarshal(raw, &s) != nil {
		return 0
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return 0
	}
	return geo.Millis(t.UnixMilli())
}

// unsealed refuses a personal field in clear: it would stand in the record for ever.
func unsealed(json.RawMessage) string { return "is personal and must come sealed" }

// tidy brings members into the form in which they are kept: the server's own are
// taken out, and a number where a scale has codes is its code.
func (r *rules) tidy(kind geo.Kind, m map[string]json.RawMessage) {
	for _, k := range []string{"kind", "rev", "fix", "id"} {
		delete(m, k)
	}
	if kind == geo.Incident {
		for scale := range r.Scales {
			if raw := m[scale]; len(raw) > 0 && strings.IndexByte("0123456789", raw[0]) >= 0 {
				m[scale] = json.RawMessage(strconv.Quote(string(raw)))
			}
		}
	}
}

// owned returns the members that rules own, with the call that changes them.
func (r *rules) owned(f *geo.Feature) map[string]string {
	switch f.Kind {
	case geo.Unit:
		status := "POST /api/v1/units/" + f.Key + "/status"
		return map[string]string{
			"status": status, "distress": status,
			"assigned":     "POST /api/v1/incidents/{id}/assign",
			"assignment":   "POST /api/v1/incidents/{id}/assign",
			"dispatchable": status,
		}
	case geo.Incident:
		base := "POST /api/v1/incidents/" + f.Key
		m := map[string]string{"assigned": base + "/assign or release", "opened_at": "", "closed_at": base + "/close", "status": base + "/assign or close"}
		for s := range r.IncidentStatuses {
			if at := r.stamp(s); m[at] == "" {
				m[at] = base + "/status"
			}
		}
		m["shared_with"], m["shared_from"], m["shared_key"] = base+"/share", "", ""
		if home := f.Props.Text("shared_from"); home != "" {
			for _, k := range imageMembers {
				m[k] = "the world " + home
			}
		}
		return m
	case geo.Hazard:
		return map[string]string{"active": "PATCH of valid_from and valid_to"}
	}
	return nil
}

// keepOwned refuses a write that changes what rules own; what it left out is kept.
func (r *rules) keepOwned(f *geo.Feature, m map[string]json.RawMessage) error {
	owned := r.owned(f)
	for _, k := range keysOf(owned) {
		was, is := f.Props.Raw(k), m[k]
		if len(is) == 0 {
			if was != "" {
				m[k] = json.RawMessage(was)
			}
			continue
		}
		if !sameJSON(was, is) {
			no := refuse(geo.Conflict, "field-owned", "%s of %s is not written here; use %s.", k, f.Key, owned[k])
			no.Errors = []geo.FieldError{{Field: "properties." + k, Reason: "is kept by the rules; use " + owned[k]}}
			return no
		}
		m[k] = json.RawMessage(was)
	}
	return nil
}

// sameJSON compares values as JSON. Lists are compared as sets of strings, null,
// false and the empty list as nothing.
func sameJSON(was string, is json.RawMessage) bool {
	norm := func(raw string) string {
		switch raw {
		case "", "null", "false", "[]", `""`:
			return ""
		}
		var v any
		if json.Unmarshal([]byte(raw), &v) != nil {
			return raw
		}
		if l, ok := v.([]any); ok {
			slices.SortFunc(l, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		}
		b, err := json.Marshal(v)
		if err != nil {
			return raw
		}
		return string(b)
	}
	if a, b := momentOf(json.RawMessage(was)), momentOf(is); a != 0 && a == b {
		return true
	}
	return norm(was) == norm(string(is))
}

// mergePatch applies an RFC 7396 merge patch to members.
func mergePatch(m, patch map[string]json.RawMessage) {
	for k, v := range patch {
		switch {
		case len(v) == 0 || string(v) == "null":
			delete(m, k)
		case v[0] == '{':
			var into, with map[string]json.RawMessage
			if json.Unmarshal(v, &with) != nil {
				continue // not possible: v was parsed before
			}
			if json.Unmarshal(m[k], &into) != nil || into == nil {
				into = map[string]json.RawMessage{}
			}
			mergePatch(into, with)
			if b, err := json.Marshal(into); err == nil {
				m[k] = b
			}
		default:
			m[k] = v
		}
	}
}
