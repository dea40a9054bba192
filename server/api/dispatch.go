package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"rasad/geo"
	"rasad/server/access"
	"rasad/streams"
)

// AssignIncident sends units to an incident.
func (a *API) AssignIncident(c echo.Context, id Id, p AssignIncidentParams) error {
	var in AssignInput
	return a.ask(c, "incident.assign", "incident", id, &in, false, p.IdempotencyKey, func(args map[string]any) error {
		if len(in.Units) == 0 || len(in.Units) > 100 {
			return invalid("units", "must name 1 to 100 units")
		}
		args["units"] = in.Units
		set(args, "take", in.Take)
		set(args, "reason", in.Reason)
		return checkKeys("units", in.Units)
	})
}

// ReleaseIncident releases units from an incident.
func (a *API) ReleaseIncident(c echo.Context, id Id, p ReleaseIncidentParams) error {
	var in ReleaseInput
	return a.ask(c, "incident.release", "incident", id, &in, true, p.IdempotencyKey, func(args map[string]any) error {
		set(args, "next", in.Next)
		set(args, "reason", in.Reason)
		if in.Units == nil {
			return nil
		}
		if n := len(*in.Units); n == 0 || n > 100 {
			return invalid("units", "must name 1 to 100 units, or be left out to release all")
		}
		args["units"] = *in.Units
		return checkKeys("units", *in.Units)
	})
}

// CloseIncident ends an incident.
func (a *API) CloseIncident(c echo.Context, id Id, p CloseIncidentParams) error {
	var in CloseInput
	return a.ask(c, "incident.close", "incident", id, &in, true, p.IdempotencyKey, func(args map[string]any) error {
		set(args, "next", in.Next)
		set(args, "reason", in.Reason)
		return nil
	})
}

// SetIncidentStatus changes the status of an incident by hand.
func (a *API) SetIncidentStatus(c echo.Context, id Id, p SetIncidentStatusParams) error {
	var in IncidentStatusInput
	return a.ask(c, "incident.status", "incident", id, &in, false, p.IdempotencyKey, func(args map[string]any) error {
		if in.Status == "" || len(in.Status) > 64 {
			return invalid("status", "must have 1 to 64 bytes")
		}
		args["status"] = in.Status
		set(args, "reason", in.Reason)
		return nil
	})
}

// SetUnitStatus changes the status of a unit, or its distress.
func (a *API) SetUnitStatus(c echo.Context, id Id, p SetUnitStatusParams) error {
	var in UnitStatusInput
	return a.ask(c, "unit.status", "unit", id, &in, false, p.IdempotencyKey, func(args map[string]any) error {
		if in.Status == nil && in.Distress == nil {
			return invalid("status", "status or distress must be given")
		}
		if in.Status != nil && (*in.Status == "" || len(*in.Status) > 64) {
			return invalid("status", "must have 1 to 64 bytes")
		}
		set(args, "status", in.Status)
		set(args, "distress", in.Distress)
		set(args, "reason", in.Reason)
		return nil
	})
}

// AckAlarm acknowledges an alarm.
func (a *API) AckAlarm(c echo.Context, id Id, p AckAlarmParams) error {
	var in AckInput
	return a.ask(c, "alarm.ack", "alarm", id, &in, true, p.IdempotencyKey, func(args map[string]any) error {
		set(args, "reason", in.Reason)
		return nil
	})
}

// ListAlarms answers a page of the alarms that stand.
func (a *API) ListAlarms(c echo.Context, p ListAlarmsParams) error {
	return a.page(c, []geo.Kind{geo.Alarm}, nil, p.Limit, p.Cursor)
}

// ask reads the body of a command about one feature, proposes it and answers with
// the feature.
func (a *API) ask(c echo.Context, command, subject, id string, in any, mayBeEmpty bool, key *string, fill func(args map[string]any) error) error {
	if err := geo.CheckKey(id); err != nil {
		return err
	}
	body, err := readObject(c, in, mayBeEmpty)
	if err != nil {
		return err
	}
	args := map[string]any{subject: id}
	if err := fill(args); err != nil {
		return err
	}
	if s, ok := args["reason"].(string); ok && len([]rune(s)) > 500 {
		return invalid("reason", "must be at most 500 characters")
	}
	raw, err := json.Marshal(args)
	if err != nil {
		return fmt.Errorf("write the arguments of %s: %w", command, err)
	}
	answer, err := a.propose(c, streams.Command{Name: command, Args: raw}, body, key, nil)
	if err != nil {
		return err
	}
	return a.answerFeature(c, answer)
}

// set puts a member that was given.
func set[T any](args map[string]any, name string, v *T) {
	if v != nil {
		args[name] = *v
	}
}

func checkKeys(field string, keys []string) error {
	var errs []FieldError
	for i, k := range keys {
		if geo.CheckKey(k) != nil {
			errs = append(errs, FieldError{fmt.Sprintf("%s[%d]", field, i), geo.ErrKey.Error()})
		}
	}
	return invalids(errs)
}

// OpenSealedName is the command that [OpenSealed] is the rule of.
const OpenSealedName = "sealed.open"

// OpenSealed is a rule that changes nothing and leaves an act: who opened which
// sealed field, and why. It answers the feature.
//
//	sealed.open  {"key", "name", "reason"?}
func OpenSealed(d *geo.Draft, by geo.Principal, args json.RawMessage) (any, error) {
	var in struct{ Key, Name, Reason string }
	if err := json.Unmarshal(args, &in); err != nil {
		return nil, &geo.Refusal{Class: geo.Invalid, Code: "bad-args", Detail: "the arguments of sealed.open are not as they should be"}
	}
	f, ok := d.Get(in.Key)
	if !ok {
		return nil, &geo.Refusal{Class: geo.Missing, Code: "no-incident", Detail: "there is no incident " + in.Key}
	}
	for _, s := range f.Sealed {
		if s.Name == in.Name {
			d.Act(geo.Act{Name: OpenSealedName, By: by, Why: in.Reason, Subjects: []string{f.Key}, Args: args})
			return s, nil
		}
	}
	return nil, &geo.Refusal{Class: geo.Missing, Code: "no-" + in.Name, Detail: f.Key + " has no " + in.Name}
}

// OpenCaller answers the sealed caller of an incident.
func (a *API) OpenCaller(c echo.Context, id Id, p OpenCallerParams) error {
	return a.openSealed(c, id, "caller", text(p.Reason))
}

// OpenPersonal answers a sealed field of an incident: its caller, its patient or what is
// medical about it.
func (a *API) OpenPersonal(c echo.Context, id Id, field PersonalField, p OpenPersonalParams) error {
	return a.openSealed(c, id, field, text(p.Reason))
}

// personal refuses a field that is none of those that are sealed.
func personal(field string) error {
	if known := access.PersonalFields(geo.Incident); !slices.Contains(known, field) {
		return invalid("field", "must be one of %s", strings.Join(known, ", "))
	}
	return nil
}

// openSealed answers a sealed field of an incident, after it is in the record who opened
// it.
func (a *API) openSealed(c echo.Context, id, field, reason string) error {
	if err := personal(field); err != nil {
		return err
	}
	f, err := a.seerOf(principal(c)).lookup(a.World.View(), geo.Incident, id)
	if err != nil {
		return err
	}
	args, err := json.Marshal(map[string]string{"key": f.Key, "name": field, "reason": reason})
	if err != nil {
		return fmt.Errorf("write the arguments of %s: %w", OpenSealedName, err)
	}
	answer, err := a.propose(c, streams.Command{Name: OpenSealedName, Args: args, Why: reason}, nil, nil, nil)
	if err != nil {
		return err
	}
	var box geo.Sealed
	if err := json.Unmarshal(answer.Body, &box); err != nil {
		return fmt.Errorf("read the answer of %s: %w", OpenSealedName, err)
	}
	plain, err := a.Sealer.Open(box)
	if errors.Is(err, streams.ErrErased) {
		return problem(http.StatusGone, "erased", "the "+field+" of "+id+" was erased: nobody can read it any more")
	}
	if err != nil {
		return fmt.Errorf("open the %s of %s: %w", field, id, err)
	}
	setSeq(c.Response(), answer.Seq)
	return writeJSON(c.Response(), http.StatusOK, jsonType, plain)
}
