package main

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"rasad/fixtures"
	"rasad/geo"
	"rasad/server/access"
	"rasad/server/api"
	"rasad/server/dispatch"
	"rasad/server/feeds"
	"rasad/streams"
)

// adapters are the feeds of this version behind their paths.
func (s *server) adapters() []api.Feed {
	datum := func(name string) geo.Datum {
		if f, ok := s.config.Feeds[name]; ok {
			return f.Datum
		}
		return geo.WGS84
	}
	known := func(key string) bool {
		f, ok := s.world.View().Get(key)
		return ok && f.Kind == geo.Unit
	}
	osmand := feeds.OsmAnd{Name: "osmand", Datum: datum("osmand")}
	own := feeds.OwnTracks{Name: "owntracks", Datum: datum("owntracks"), Known: known}
	return []api.Feed{
		{Name: osmand.Name, Path: "/feeds/osmand", Parse: s.watched(osmand.Name, osmand.Parse)},
		{Name: own.Name, Path: "/feeds/owntracks", Parse: s.watched(own.Name, own.Parse), Reply: []byte("[]")},
	}
}

type parser func(r *http.Request, body []byte, received time.Time) ([]streams.Report, error)

// watched tells the monitor that a feed spoke, and puts the door's word for a
// message without a fix in place of the adapter's.
func (s *server) watched(name string, parse parser) parser {
	return func(r *http.Request, body []byte, received time.Time) ([]streams.Report, error) {
		reports, err := parse(r, body, received)
		var unfit *feeds.Unfit
		switch {
		case errors.As(err, &unfit):
			s.monitor.Seen(name)
			return nil, &api.Unfit{Reason: unfit.Reason}
		case err == nil:
			s.monitor.Seen(name)
		}
		return reports, err
	}
}

// principal knows programs by their tokens. A call without one is somebody at
// this machine, as long as there are no accounts; a wrong token is refused.
func principal(tokens *access.Tokens) func(*http.Request) (geo.Principal, error) {
	return func(r *http.Request) (geo.Principal, error) {
		who := geo.Principal{Name: "local", Role: "admin"}
		if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
			if who, ok = tokens.Check(token); !ok {
				return who, errors.New("the token is not one of this server")
			}
		}
		who.From = r.RemoteAddr
		return who, nil
	}
}

// limitsOf says how fast each kind of unit can be, from the preset.
func limitsOf(p *fixtures.Preset) func(*geo.Feature) geo.FixLimits {
	byKind := map[string]geo.FixLimits{}
	for _, k := range p.UnitKinds {
		byKind[k.Code] = geo.FixLimits{Speed: k.Speed.MaxMps, Stale: time.Duration(k.StaleAfterS) * time.Second}
	}
	return func(f *geo.Feature) geo.FixLimits { return byKind[f.Props.Text("type")] }
}

// policyOf tells the rules what the city's preset says.
func policyOf(p *fixtures.Preset) dispatch.Policy {
	q := dispatch.Policy{
		UnitStatuses: map[string]dispatch.UnitStatus{}, UnitTypes: map[string]dispatch.UnitType{},
		IncidentTypes: map[string]dispatch.IncidentType{}, IncidentStatuses: map[string]dispatch.IncidentStatus{},
		HazardTypes: map[string]dispatch.HazardType{}, Scales: map[string][]string{},
		Initial: p.InitialStatus().Code, Assigned: p.AssignedStatus().Code, Open: p.InitialIncidentStatus().Code,
		// An incident goes on with the first of its units that does.
		Follows:   map[string]string{},
		VoidAfter: time.Duration(p.Coverage.VoidAfterS) * time.Second,
	}
	for _, s := range p.Statuses {
		q.UnitStatuses[s.Code] = dispatch.UnitStatus{Dispatchable: s.Dispatchable, Busy: s.Busy, Carrying: s.Carrying}
		if i := p.IncidentStatus(s.Code); i != nil && !i.Final && !i.Initial {
			q.Follows[s.Code] = i.Code
		}
	}
	for _, t := range p.Transitions {
		q.Transitions = append(q.Transitions, dispatch.Transition{From: t.From, To: t.To, Agencies: t.Agencies})
	}
	for _, k := range p.UnitKinds {
		q.UnitTypes[k.Code] = dispatch.UnitType{Agency: k.Agency, Capabilities: k.Capabilities}
	}
	for _, a := range p.Agencies {
		q.Agencies = append(q.Agencies, a.Code)
	}
	for _, c := range p.Capabilities {
		q.Capabilities = append(q.Capabilities, c.Code)
	}
	for _, t := range p.IncidentTypes {
		q.IncidentTypes[t.Code] = dispatch.IncidentType{Priority: t.Priority}
	}
	for _, s := range p.IncidentStatuses {
		q.IncidentStatuses[s.Code] = dispatch.IncidentStatus{Order: s.Order, Final: s.Final}
		if s.Final {
			q.Closed = s.Code
		}
	}
	for _, h := range p.HazardTypes {
		q.HazardTypes[h.Code] = dispatch.HazardType{Impassable: h.Impassable, SpeedFactor: h.SpeedFactor}
	}
	for _, k := range p.ShelterKinds {
		q.ShelterTypes = append(q.ShelterTypes, k.Code)
	}
	for _, s := range p.ShelterStatuses {
		q.ShelterStatuses = append(q.ShelterStatuses, s.Code)
	}
	for _, k := range p.SiteKinds {
		q.SiteTypes = append(q.SiteTypes, k.Code)
	}
	for _, s := range p.Scales {
		for _, v := range s.Values {
			q.Scales[s.Code] = append(q.Scales[s.Code], v.Code)
		}
	}
	return q
}
