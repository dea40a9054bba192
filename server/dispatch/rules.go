package dispatch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"rasad/geo"
)

// rules are a policy with what follows from it.
type rules struct{ Policy }

// Rules returns the rules by the names of their commands. The policy must not be
// changed afterwards.
func Rules(p Policy) map[string]geo.Rule {
	r := &rules{p}
	return map[string]geo.Rule{
		"feature.create":   r.create,
		"feature.put":      r.put,
		"feature.patch":    r.patch,
		"feature.delete":   r.remove,
		"incident.assign":  r.assign,
		"incident.release": r.release,
		"incident.close":   r.close,
		"incident.status":  r.incidentStatus,
		"incident.share":   r.incidentShare,
		"share.take":       r.shareTake,
		"share.end":        r.shareEnd,
		"unit.status":      r.unitStatus,
		"alarm.raise":      r.alarmRaise,
		"alarm.ack":        r.alarmAck,
		"alarm.over":       r.alarmOver,
		"feed.declare":     r.feedDeclare,
		"feed.silent":      r.feedSilent,
		"feed.back":        r.feedBack,
		"coverage.note":    r.coverageNote,
		"void.open":        r.voidOpen,
		"void.close":       r.voidClose,
		"situation.set":    r.situationSet,
		"situation.clear":  takeBack(geo.Situation, "situation.clear"),
		"response.set":     r.responseSet,
		"response.clear":   takeBack(geo.Response, "response.clear"),
		"figure.set":       r.figureSet,
		"figure.remove":    takeBack(geo.Figure, "figure.remove"),
		"decision.set":     r.decisionSet,
		"decision.remove":  takeBack(geo.Decision, "decision.remove"),
		"layout.set":       r.layoutSet,
		"layout.show":      r.layoutShow,
		"layout.remove":    takeBack(geo.Layout, "layout.remove"),
	}
}

// Due returns the rule for features whose Due has come: hazards begin and end,
// voids that lasted become alarms.
func Due(p Policy) func(d *geo.Draft, f *geo.Feature) error {
	r := &rules{p}
	return func(d *geo.Draft, f *geo.Feature) error {
		switch f.Kind {
		case geo.Hazard:
			return r.hazardDue(d, f)
		case geo.Void:
			return r.voidDue(d, f)
		}
		return fmt.Errorf("%s %s is due, and no rule knows why", f.Kind, f.Key)
	}
}

// decode reads the arguments of a command.
func decode(args json.RawMessage, into any) error {
	dec := json.NewDecoder(bytes.NewReader(args))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil {
		if _, extra := dec.Token(); extra != io.EOF {
			err = fmt.Errorf("something follows the object")
		}
	}
	if err != nil {
		return refuse(geo.Invalid, "bad-args", "The arguments cannot be read: %v.", err)
	}
	return nil
}

func refuse(class geo.RefusalClass, code, format string, a ...any) *geo.Refusal {
	return &geo.Refusal{Class: class, Code: code, Detail: fmt.Sprintf(format, a...)}
}

// invalid refuses input and names one field.
func invalid(field, reason string) *geo.Refusal {
	return invalids([]geo.FieldError{{Field: field, Reason: reason}})
}

// invalids refuses input and names the fields; nil when there are none.
func invalids(errs []geo.FieldError) *geo.Refusal {
	if len(errs) == 0 {
		return nil
	}
	said := make([]string, len(errs))
	for i, e := range errs {
		said[i] = e.Field + " " + e.Reason
	}
	return &geo.Refusal{Class: geo.Invalid, Code: "invalid", Detail: strings.Join(said, "; ") + ".", Errors: errs}
}

// find returns the feature of the kind with the key, or refuses.
func find(d *geo.Draft, kind geo.Kind, key string) (*geo.Feature, error) {
	f, ok := d.Get(key)
	if !ok || f.Kind != kind {
		return nil, refuse(geo.Missing, "no-"+string(kind), "There is no %s %.140q.", kind, key)
	}
	return f, nil
}

// answer is the feature as the caller gets it.
func answer(f *geo.Feature) (any, error) {
	b, err := geo.ToGeoJSON(f)
	return json.RawMessage(b), err
}

// answerCreated marks the answer as of a feature that is new.
func answerCreated(f *geo.Feature) (any, error) {
	b, err := geo.ToGeoJSON(f)
	if err != nil {
		return nil, err
	}
	return json.RawMessage(append([]byte(`{"created":true,`), b[1:]...)), nil
}

// stampOf writes a moment as properties have it: RFC 3339, UTC, milliseconds.
func stampOf(t geo.Millis) string {
	return time.UnixMilli(int64(t)).UTC().Format("2006-01-02T15:04:05.000Z")
}

// edit puts a feature with some properties changed; nil removes one. A feature
// that would not change is left alone, so that its rev says something.
func edit(d *geo.Draft, f *geo.Feature, set map[string]any) *geo.Feature {
	g := *f
	g.Props = f.Props.With(set)
	if g.Props == f.Props {
		return f
	}
	return d.Put(g)
}

// editUnit is edit for a unit: dispatchable follows.
func (r *rules) editUnit(d *geo.Draft, u *geo.Feature, set map[string]any) *geo.Feature {
	g := *u
	g.Props = u.Props.With(set)
	g.Props = g.Props.With(map[string]any{"dispatchable": r.dispatchable(g.Props)})
	if g.Props == u.Props {
		return u
	}
	return d.Put(g)
}

// freeKey makes a key that nobody has.
func freeKey(d *geo.Draft, stem string) string {
	for n := uint64(d.NextID()); ; n++ {
		key := stem + strconv.FormatUint(n, 10)
		if _, taken := d.Get(key); !taken {
			return key
		}
	}
}

// quoted lists keys for a sentence.
func quoted(keys []string) string {
	const most = 10 // a sentence, not a roll
	if len(keys) > most {
		return strings.Join(keys[:most], ", ") + " and " + strconv.Itoa(len(keys)-most) + " more"
	}
	return strings.Join(keys, ", ")
}
