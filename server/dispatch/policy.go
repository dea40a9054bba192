package dispatch

import (
	"slices"
	"time"

	"rasad/geo"
)

// Policy is what a city decides about dispatching. The program fills it from the
// preset; the rules know no code of their own. An empty list or map of codes
// allows any code.
type Policy struct {
	UnitStatuses map[string]UnitStatus
	// Transitions are the status machines. None at all allows everything.
	Transitions []Transition
	// Initial is the status of a unit that comes without one, and of one that is
	// released without a next status: "available".
	Initial string
	// Assigned is the status that a unit gets by being assigned: "dispatched".
	Assigned string

	UnitTypes    map[string]UnitType
	Agencies     []string
	Capabilities []string

	IncidentTypes    map[string]IncidentType
	IncidentStatuses map[string]IncidentStatus
	// Open is the status of a new incident, and of one whose last unit has left;
	// Closed is the one that incident.close gives.
	Open, Closed string
	// Follows says which status an incident gets when one of its units gets one:
	// "on_scene" makes "on_scene". It only goes forward.
	Follows map[string]string
	// Scales are the codes of the properties that are values of a scale: priority,
	// alarm_level, grade.
	Scales map[string][]string

	HazardTypes     map[string]HazardType
	ShelterTypes    []string
	ShelterStatuses []string
	SiteTypes       []string

	// Figures are the names of numbers that the city has words for.
	Figures []string
	// Languages, Panels and Layers are those that screens have; a layout names no
	// others.
	Languages, Panels, Layers []string

	// VoidAfter is how long a void stands before it is an alarm.
	VoidAfter time.Duration
}

// UnitStatus is what a status of units means to the rules.
type UnitStatus struct {
	Dispatchable bool // a unit in it may be sent
	Busy         bool // a unit in it works on something and is only taken knowingly
	Carrying     bool // a unit in it has a patient aboard and is not taken at all
}

// Transition lists the statuses that may follow one. A row with agencies replaces
// the general row for units of those.
type Transition struct {
	From     string
	To       []string
	Agencies []string
}

// UnitType is what a new unit of a type gets unless its creator says otherwise.
type UnitType struct {
	Agency       string
	Capabilities []string
}

// IncidentType is what a new incident of a type gets.
type IncidentType struct{ Priority string }

// IncidentStatus is what a status of incidents means to the rules.
type IncidentStatus struct {
	Order int  // place in the life of an incident
	Final bool // the incident is over
}

// HazardType is what a new hazard of a type gets.
type HazardType struct {
	Impassable  bool
	SpeedFactor float64 // of one that is not impassable; 0: it slows nobody
}

// allowed returns the statuses that may follow from, for a unit of the agency, and
// whether there is anything to keep to.
func (p *Policy) allowed(agency, from string) (to []string, bound bool) {
	if len(p.Transitions) == 0 || from == "" {
		return nil, false
	}
	for _, t := range p.Transitions {
		if t.From != from {
			continue
		}
		if slices.Contains(t.Agencies, agency) {
			return t.To, true
		}
		if len(t.Agencies) == 0 {
			to = t.To
		}
	}
	return to, true
}

// dispatchable computes the property of that name: the status allows it, the unit
// is free and well, and somebody is in it.
func (p *Policy) dispatchable(props geo.Props) bool {
	return p.whyNot(props) == ""
}

// whyNot says in a word why a unit cannot be sent, or nothing when it can.
func (p *Policy) whyNot(props geo.Props) string {
	status := props.Text("status")
	crew, counted := props.Number("crew")
	switch {
	case props.Bool("distress"):
		return "in distress"
	case props.Text("assigned") != "":
		return "assigned to " + props.Text("assigned")
	case !p.UnitStatuses[status].Dispatchable:
		return status
	case counted && crew == 0:
		return "without crew"
	}
	return ""
}

// final tells whether an incident is over.
func (p *Policy) final(incident *geo.Feature) bool {
	return p.IncidentStatuses[incident.Props.Text("status")].Final
}

// stamp is the name of the property that says when an incident reached a status.
func (p *Policy) stamp(status string) string {
	switch status {
	case p.Open:
		return "opened_at"
	case p.Closed:
		return "closed_at"
	default:
		return status + "_at"
	}
}
