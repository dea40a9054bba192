package dispatch

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"rasad/geo"
)

const (
	coverageKey = "coverage"
	voidPrefix  = "void:"
	surgeAlarm  = alarmPrefix + "void_surge"

	// voidsApart is how many lasting voids are an alarm each; more are one.
	voidsApart = 3
	// standardsMax and zonesMax bound what one note may hold: far more than a city has.
	standardsMax = 16
	zonesMax     = 500
	// zoneMax is the longest zone and capability: "alarm:void:" and both fit a key.
	zoneMax  = 56
	namesMax = 16
)

// standard is how well one standard of cover is met.
type standard struct {
	Capability string   `json:"capability"`
	Seconds    int      `json:"seconds"`
	Share      float64  `json:"share"`
	Basis      string   `json:"basis"`
	VoidZones  []string `json:"void_zones"`
}

// coverageNote keeps what the standards of cover come to now, and the share of the
// first over the last day.
func (r *rules) coverageNote(d *geo.Draft, who geo.Principal, args json.RawMessage) (any, error) {
	var a struct {
		Units     int        `json:"units"`
		Standards []standard `json:"standards"`
	}
	if err := decode(args, &a); err != nil {
		return nil, err
	}
	var errs []geo.FieldError
	bad := func(field, reason string) { errs = append(errs, geo.FieldError{Field: field, Reason: reason}) }
	if a.Units < 0 {
		bad("units", "must be 0 or more")
	}
	if len(a.Standards) == 0 || len(a.Standards) > standardsMax {
		bad("standards", fmt.Sprintf("must be 1 to %d", standardsMax))
	}
	zones := 0
	for i := range a.Standards {
		s := &a.Standards[i]
		zones += len(s.VoidZones)
		at := fmt.Sprintf("standards[%d].", i)
		if s.VoidZones == nil {
			s.VoidZones = []string{}
		}
		switch {
		case !(s.Share >= 0 && s.Share <= 1):
			bad(at+"share", "must lie in 0..1")
		case s.Seconds < 1:
			bad(at+"seconds", "must be above 0")
		case len(s.Capability) > codeMax || len(s.Basis) > codeMax:
			bad(at+"capability", "is no code")
		case zones > zonesMax:
			bad(at+"void_zones", fmt.Sprintf("may name %d zones at most in all", zonesMax))
		case slices.ContainsFunc(s.VoidZones, func(z string) bool { return len(z) > zoneMax }):
			bad(at+"void_zones", fmt.Sprintf("holds one longer than %d bytes", zoneMax))
		}
		s.Share = math.Round(s.Share*1e4) / 1e4
	}
	if no := invalids(errs); no != nil {
		return nil, no
	}
	old, ok := d.Get(coverageKey)
	if ok && old.Kind != geo.Coverage {
		return nil, checkKey(d, geo.Coverage, coverageKey)
	}
	var trend [][2]float64
	if ok {
		_ = json.Unmarshal([]byte(old.Props.Raw("trend")), &trend) // what is no trend begins anew
	}
	set := map[string]any{"at": stampOf(d.Now()), "units": a.Units, "standards": a.Standards,
		"trend": prolong(trend, d.Now(), a.Standards[0].Share)}
	act := geo.Act{Name: "coverage.note", By: who, Subjects: []string{coverageKey}}
	if ok {
		f := edit(d, old, set)
		if f != old {
			d.Act(act)
		}
		return answer(f)
	}
	f, err := d.Create(geo.Feature{Key: coverageKey, Kind: geo.Coverage, Props: geo.Props("").With(set)})
	if err != nil {
		return nil, fmt.Errorf("note the coverage: %w", err)
	}
	d.Act(act)
	return answerCreated(f)
}

// trendSteps say how far apart the points of a trend stand, by their age: a minute
// for what a person watches, most of an hour for what a shift looks back on.
var trendSteps = []struct{ age, step time.Duration }{
	{30 * time.Minute, time.Minute},
	{3 * time.Hour, 5 * time.Minute},
	{24 * time.Hour, 40 * time.Minute},
}

const trendMax = 96

// prolong adds a point to a trend and thins out what grew old: of each step, counted
// from 1970 so that it does not wander, the first point stays.
func prolong(trend [][2]float64, now geo.Millis, share float64) [][2]float64 {
	seconds := float64(now / 1000)
	kept := make([][2]float64, 0, len(trend)+1)
	last := math.Inf(-1) // the step of the point kept last
	for _, p := range trend {
		age := seconds - p[0]
		i := slices.IndexFunc(trendSteps, func(s struct{ age, step time.Duration }) bool { return age < s.age.Seconds() })
		if i < 0 || age <= 0 {
			continue // too old, or of a clock that went back
		}
		step := trendSteps[i].step.Seconds()
		if start := math.Floor(p[0]/step) * step; start > last {
			kept, last = append(kept, p), start
		}
	}
	kept = append(kept, [2]float64{seconds, share})
	return kept[max(0, len(kept)-trendMax):]
}

// voidOpen notes that hardly anybody of a zone is reached in time by a capability.
func (r *rules) voidOpen(d *geo.Draft, who geo.Principal, args json.RawMessage) (any, error) {
	var a struct {
		Zone       string            `json:"zone"`
		Capability string            `json:"capability"`
		Seconds    int               `json:"seconds"`
		Names      map[string]string `json:"names"`
	}
	if err := decode(args, &a); err != nil {
		return nil, err
	}
	key := voidPrefix + a.Capability + ":" + a.Zone
	if err := checkKey(d, geo.Void, key); err != nil {
		return nil, err
	}
	if a.Zone == "" || len(a.Zone) > zoneMax || len(a.Capability) > zoneMax {
		return nil, invalid("zone", fmt.Sprintf("and capability must have at most %d bytes: the alarm about them needs a key as well", zoneMax))
	}
	if len(a.Names) > namesMax {
		return nil, invalid("names", fmt.Sprintf("may be in %d languages at most", namesMax))
	}
	for lang, name := range a.Names {
		if len(lang) > codeMax || len(name) > nameMax {
			return nil, invalid("names."+lang, fmt.Sprintf("is longer than %d bytes", nameMax))
		}
	}
	if old, ok := d.Get(key); ok {
		return answer(old)
	}
	set := map[string]any{"zone": a.Zone, "capability": a.Capability, "seconds": a.Seconds, "since": stampOf(d.Now())}
	if len(a.Names) > 0 {
		set["names"] = a.Names
	}
	f, err := d.Create(geo.Feature{Key: key, Kind: geo.Void, Due: d.Now() + geo.Millis(r.VoidAfter.Milliseconds()), Props: geo.Props("").With(set)})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", key, err)
	}
	d.Act(geo.Act{Name: "void.open", By: who, Subjects: []string{key}})
	return answerCreated(f)
}

// voidDue turns a void that lasted into an alarm.
func (r *rules) voidDue(d *geo.Draft, f *geo.Feature) error {
	g := *f
	g.Due = 0
	g.Props = f.Props.With(map[string]any{"alarmed": true})
	f = d.Put(g)
	d.Act(geo.Act{Name: "void.lasted", By: system, Subjects: []string{f.Key}})
	lasting := lastingVoids(d)
	if surge, ok := d.Get(surgeAlarm); len(lasting) > voidsApart || ok && surge.Props.Raw("over_at") == "" {
		r.surge(d, lasting)
		return nil
	}
	raise(d, system, alarm{Key: alarmPrefix + f.Key, Type: "void", Subjects: []string{f.Key}, Lasting: true, more: voidMembers(f)})
	return nil
}

// system is who acts when something is due.
var system = geo.Principal{Name: "system", Role: "system"}

func lastingVoids(d *geo.Draft) []*geo.Feature {
	var out []*geo.Feature
	for f := range d.All(geo.Void) {
		if f.Props.Bool("alarmed") {
			out = append(out, f)
		}
	}
	return out
}

// voidMembers are what the alarm says of its void: a screen makes the sentence.
func voidMembers(f *geo.Feature) map[string]any {
	m := map[string]any{}
	for _, k := range []string{"zone", "capability", "seconds", "names", "since"} {
		if raw := f.Props.Raw(k); raw != "" {
			m[k] = json.RawMessage(raw)
		}
	}
	return m
}

// surge has one alarm stand for all lasting voids, in place of theirs.
func (r *rules) surge(d *geo.Draft, voids []*geo.Feature) {
	keys := make([]string, 0, min(len(voids), unitsMax))
	for _, f := range voids {
		if al, ok := d.Get(alarmPrefix + f.Key); ok && al.Kind == geo.Alarm {
			d.Drop(al.ID)
		}
		if len(keys) < unitsMax {
			keys = append(keys, f.Key)
		}
	}
	a := alarm{Key: surgeAlarm, Type: "void_surge", Subjects: keys, Lasting: true, more: map[string]any{"count": len(voids)}}
	if f, created := raise(d, system, a); !created {
		edit(d, f, map[string]any{"subjects": keys, "count": len(voids)})
	}
}

// voidClose ends a void and the alarm about it.
func (r *rules) voidClose(d *geo.Draft, who geo.Principal, args json.RawMessage) (any, error) {
	var a struct {
		Zone       string `json:"zone"`
		Capability string `json:"capability"`
	}
	if err := decode(args, &a); err != nil {
		return nil, err
	}
	f, err := find(d, geo.Void, voidPrefix+a.Capability+":"+a.Zone)
	if err != nil {
		return nil, err
	}
	d.Drop(f.ID)
	d.Act(geo.Act{Name: "void.close", By: who, Subjects: []string{f.Key}})
	if al, ok := d.Get(alarmPrefix + f.Key); ok && al.Kind == geo.Alarm {
		over(d, al)
	}
	if al, ok := d.Get(surgeAlarm); ok && al.Props.Raw("over_at") == "" {
		// What is left was told with the surge; another void is an alarm of its own again.
		if left := lastingVoids(d); len(left) > voidsApart {
			r.surge(d, left)
		} else {
			over(d, al)
		}
	}
	return answer(f)
}
