package dispatch

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"rasad/geo"
)

// alarm is what a person must acknowledge.
type alarm struct {
	Key      string   `json:"key"`
	Type     string   `json:"type"`
	Text     string   `json:"text"`
	Subjects []string `json:"subjects"`
	Lasting  bool     `json:"lasting"` // it stands until what it is about is over

	more map[string]any // further members, of the rules that raise it
}

const (
	alarmPrefix = "alarm:"
	feedPrefix  = "feed:"
)

// raise makes an alarm stand. One that stands already is left alone.
func raise(d *geo.Draft, who geo.Principal, a alarm) (f *geo.Feature, created bool) {
	set := map[string]any{"type": a.Type, "raised_at": stampOf(d.Now()), "raised_by": who.Name}
	if a.Text != "" {
		set["text"] = a.Text
	}
	if len(a.Subjects) > 0 {
		set["subjects"] = a.Subjects
	}
	if a.Lasting {
		set["lasting"] = true
	}
	maps.Copy(set, a.more)
	if old, ok := d.Get(a.Key); ok {
		if old.Props.Raw("over_at") == "" {
			return old, false
		}
		set["over_at"], set["acked_at"], set["acked_by"] = nil, nil, nil
		return edit(d, old, set), false
	}
	f, err := d.Create(geo.Feature{Key: a.Key, Kind: geo.Alarm, Props: geo.Props("").With(set)})
	if err != nil {
		panic("dispatch: alarm: " + err.Error()) // the key was checked
	}
	return f, true
}

// over ends what an alarm is about. It goes when it was acknowledged.
func over(d *geo.Draft, f *geo.Feature) *geo.Feature {
	if f.Props.Raw("over_at") == "" {
		f = edit(d, f, map[string]any{"over_at": stampOf(d.Now())})
	}
	if f.Props.Raw("acked_at") != "" {
		d.Drop(f.ID)
	}
	return f
}

func (r *rules) alarmRaise(d *geo.Draft, who geo.Principal, args json.RawMessage) (any, error) {
	var a alarm
	if err := decode(args, &a); err != nil {
		return nil, err
	}
	if a.Key == "" {
		a.Key = freeKey(d, alarmPrefix)
	}
	var errs []geo.FieldError
	if a.Type == "" || len(a.Type) > codeMax {
		errs = append(errs, geo.FieldError{Field: "type", Reason: fmt.Sprintf("must have 1 to %d bytes", codeMax)})
	}
	if len(a.Text) > textMax {
		errs = append(errs, geo.FieldError{Field: "text", Reason: fmt.Sprintf("is longer than %d bytes", textMax)})
	}
	if len(a.Subjects) > unitsMax {
		errs = append(errs, geo.FieldError{Field: "subjects", Reason: fmt.Sprintf("may name %d features at most", unitsMax)})
	}
	for i, k := range a.Subjects {
		if err := geo.CheckKey(k); err != nil {
			errs = append(errs, geo.FieldError{Field: fmt.Sprintf("subjects[%d]", i), Reason: err.Error()})
			break
		}
	}
	if no := invalids(errs); no != nil {
		return nil, no
	}
	if err := checkKey(d, geo.Alarm, a.Key); err != nil {
		return nil, err
	}
	before, _ := d.Get(a.Key)
	f, created := raise(d, who, a)
	if f != before {
		d.Act(geo.Act{Name: "alarm.raise", By: who, Subjects: append([]string{a.Key}, a.Subjects...)})
	}
	if created {
		return answerCreated(f)
	}
	return answer(f)
}

// checkKey refuses a key that cannot be, or that names another kind.
func checkKey(d *geo.Draft, kind geo.Kind, key string) error {
	if err := geo.CheckKey(key); err != nil {
		no := refuse(geo.Invalid, "bad-key", "%v.", err)
		no.Errors = []geo.FieldError{{Field: "key", Reason: geo.ErrKey.Error()}}
		return no
	}
	if old, ok := d.Get(key); ok && old.Kind != kind {
		return refuse(geo.Conflict, "wrong-kind", "%s is the key of another kind of feature (%s); a key names one thing.", key, old.Kind)
	}
	return nil
}

func (r *rules) alarmAck(d *geo.Draft, who geo.Principal, args json.RawMessage) (any, error) {
	return alarmStep(d, who, args, "alarm.ack", func(f *geo.Feature) *geo.Feature {
		if f.Props.Raw("acked_at") == "" {
			f = edit(d, f, map[string]any{"acked_at": stampOf(d.Now()), "acked_by": who.Name})
		}
		if !f.Props.Bool("lasting") || f.Props.Raw("over_at") != "" {
			d.Drop(f.ID)
		}
		return f
	})
}

func (r *rules) alarmOver(d *geo.Draft, who geo.Principal, args json.RawMessage) (any, error) {
	return alarmStep(d, who, args, "alarm.over", func(f *geo.Feature) *geo.Feature { return over(d, f) })
}

func alarmStep(d *geo.Draft, who geo.Principal, args json.RawMessage, name string, step func(*geo.Feature) *geo.Feature) (any, error) {
	var a struct {
		Alarm  string `json:"alarm"`
		Reason string `json:"reason"`
	}
	if err := decode(args, &a); err != nil {
		return nil, err
	}
	before, err := find(d, geo.Alarm, a.Alarm)
	if err != nil {
		return nil, err
	}
	if err := checkReason(a.Reason); err != nil {
		return nil, err
	}
	f := step(before)
	if _, there := d.Get(a.Alarm); f != before || !there {
		d.Act(geo.Act{Name: name, By: who, Why: a.Reason, Subjects: []string{a.Alarm}})
	}
	return answer(f)
}

// feedMax is the longest name of a feed, in bytes: its alarm's key must fit too.
const feedMax = 64

func feedKey(name string) (string, error) {
	if len(name) > feedMax || geo.CheckKey(name) != nil {
		return "", invalid("feed", fmt.Sprintf("must be a key of at most %d bytes", feedMax))
	}
	return feedPrefix + name, nil
}

func (r *rules) feedDeclare(d *geo.Draft, who geo.Principal, args json.RawMessage) (any, error) {
	var a struct {
		Feed      string  `json:"feed"`
		Name      string  `json:"name"`
		IntervalS float64 `json:"interval_s"`
		Datum     string  `json:"datum"`
	}
	if err := decode(args, &a); err != nil {
		return nil, err
	}
	key, err := feedKey(a.Feed)
	if err != nil {
		return nil, err
	}
	var errs []geo.FieldError
	if a.IntervalS < 0 || a.IntervalS > 86_400 {
		errs = append(errs, geo.FieldError{Field: "interval_s", Reason: "must lie in 0..86400, 0 being none"})
	}
	if len(a.Name) > nameMax {
		errs = append(errs, geo.FieldError{Field: "name", Reason: fmt.Sprintf("is longer than %d bytes", nameMax)})
	}
	if len(a.Datum) > codeMax {
		errs = append(errs, geo.FieldError{Field: "datum", Reason: fmt.Sprintf("is longer than %d bytes", codeMax)})
	}
	if no := invalids(errs); no != nil {
		return nil, no
	}
	if err := checkKey(d, geo.Feed, key); err != nil {
		return nil, err
	}
	set := map[string]any{"name": a.Name, "interval_s": a.IntervalS, "datum": nil}
	if a.Name == "" {
		set["name"] = a.Feed
	}
	if a.Datum != "" {
		set["datum"] = a.Datum
	}
	old, ok := d.Get(key)
	if ok {
		f := edit(d, old, set)
		if f != old {
			d.Act(geo.Act{Name: "feed.declare", By: who, Subjects: []string{key}})
		}
		return answer(f)
	}
	f, err := d.Create(geo.Feature{Key: key, Kind: geo.Feed, Props: geo.Props("").With(set)})
	if err != nil {
		return nil, fmt.Errorf("declare feed %s: %w", a.Feed, err)
	}
	d.Act(geo.Act{Name: "feed.declare", By: who, Subjects: []string{key}})
	return answerCreated(f)
}

func (r *rules) feedSilent(d *geo.Draft, who geo.Principal, args json.RawMessage) (any, error) {
	var a struct {
		Feed  string `json:"feed"`
		Since string `json:"since"`
	}
	if err := decode(args, &a); err != nil {
		return nil, err
	}
	f, err := findFeed(d, a.Feed)
	if err != nil {
		return nil, err
	}
	if _, err := time.Parse(time.RFC3339, a.Since); err != nil {
		return nil, invalid("since", "must be a time as RFC 3339 has it")
	}
	if f.Props.Raw("silent_since") != "" {
		return answer(f)
	}
	f = edit(d, f, map[string]any{"silent_since": a.Since})
	raise(d, who, alarm{Key: alarmPrefix + f.Key, Type: "feed_silent", Subjects: []string{f.Key}, Lasting: true})
	d.Act(geo.Act{Name: "feed.silent", By: who, Subjects: []string{f.Key}})
	return answer(f)
}

func (r *rules) feedBack(d *geo.Draft, who geo.Principal, args json.RawMessage) (any, error) {
	var a struct {
		Feed string `json:"feed"`
	}
	if err := decode(args, &a); err != nil {
		return nil, err
	}
	f, err := findFeed(d, a.Feed)
	if err != nil {
		return nil, err
	}
	if f.Props.Raw("silent_since") == "" {
		return answer(f)
	}
	f = edit(d, f, map[string]any{"silent_since": nil})
	if al, ok := d.Get(alarmPrefix + f.Key); ok && al.Kind == geo.Alarm {
		over(d, al)
	}
	d.Act(geo.Act{Name: "feed.back", By: who, Subjects: []string{f.Key}})
	return answer(f)
}

func findFeed(d *geo.Draft, name string) (*geo.Feature, error) {
	key, err := feedKey(name)
	if err != nil {
		return nil, err
	}
	return find(d, geo.Feed, key)
}
