package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
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

// openGate opens what says who may come in. It returns what closes it again.
func (s *server) openGate(ctx context.Context, tell func(access.Event)) (close func(), err error) {
	register, err := access.OpenRegister(s.config.Data, s.sealer)
	if err != nil {
		return nil, err
	}
	close = func() {
		if err := register.Close(); err != nil {
			s.log.Warn("the register of accounts was not closed", "error", err)
		}
	}
	defer func() {
		if err != nil {
			close()
		}
	}()
	tokens, err := access.OpenTokens(s.config.Data)
	if err != nil {
		return nil, fmt.Errorf("open the tokens in %s: %w", s.config.Data, err)
	}
	store, shut, err := s.openSessions(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the sessions: %w", err)
	}
	before := close
	close = func() {
		if err := shut(); err != nil {
			s.log.Warn("the sessions were not closed", "error", err)
		}
		before()
	}
	if s.gate, err = access.OpenGate(ctx, register, tokens, store, s.log, tell); err != nil {
		return nil, err
	}
	return close, nil
}

// openSessions opens where sessions are kept: in the cluster, where another machine finds
// them, or in the data folder.
func (s *server) openSessions(ctx context.Context) (store access.SessionStore, shut func() error, err error) {
	if s.config.NATS != "" {
		n, err := access.OpenNATSStore(ctx, s.config.NATS, s.log)
		if err != nil {
			return nil, nil, err
		}
		return n, n.Close, nil
	}
	f, err := access.OpenFileStore(s.config.Data)
	if err != nil {
		return nil, nil, err
	}
	return f, f.Close, nil
}

// setupLives is how long the first start's one-time link works.
const setupLives = 24 * time.Hour

// setupLink makes a one-time link as long as there is no account; empty when there
// is one. The token stands in the fragment, which a browser sends to nobody.
func (s *server) setupLink(ctx context.Context) (string, error) {
	if !s.gate.Register.State().Empty() {
		return "", nil
	}
	token, err := s.gate.Register.IssueSetup(ctx, access.Act{By: "system", At: time.Now()}, setupLives)
	if err != nil {
		return "", fmt.Errorf("make the one-time link of the first start: %w", err)
	}
	return s.base() + "/setup#" + token, nil
}

// recordEvents brings what happens at the gate into the record, in its own order,
// and raises an alarm where somebody must look at it.
func (s *server) recordEvents(ctx context.Context, events <-chan access.Event) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-events:
			args := map[string]any{"type": e.Type, "account": e.Account, "session": e.Session, "from": e.From, "at": e.At.UTC().Format(time.RFC3339Nano), "text": e.Text}
			if err := s.note(ctx, gateNoteName, args, e.By.Geo(), e.Why); err != nil && ctx.Err() == nil {
				s.log.Error("an event of the gate is not in the record", "type", e.Type, "account", e.Account, "from", e.From, "error", err)
			}
			if !e.Alarm {
				continue
			}
			key := fmt.Sprintf("alarm:gate:%s:%x", e.Type, sha256.Sum256([]byte(e.Account)))
			_, err := s.propose(ctx, "alarm.raise", map[string]any{"key": key[:min(len(key), 64)], "type": e.Type, "text": e.Text, "lasting": false})
			if err != nil && ctx.Err() == nil {
				s.log.Error("an alarm could not be raised", "type", e.Type, "text", e.Text, "error", err)
			}
		}
	}
}

// gateNoteName is the command that leaves an act of an event at the gate.
const gateNoteName = "gate.note"

// gateNote is its rule: it changes nothing and leaves an act under the event's type,
// in the name of who did it.
func gateNote(d *geo.Draft, by geo.Principal, args json.RawMessage) (any, error) {
	var in struct{ Type, Account, Text string }
	if err := json.Unmarshal(args, &in); err != nil || in.Type == "" {
		return nil, &geo.Refusal{Class: geo.Invalid, Code: "bad-args", Detail: "the arguments of gate.note are not as they should be"}
	}
	d.Act(geo.Act{Name: "gate." + in.Type, By: by, Why: in.Text, Args: args})
	return nil, nil
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
	q.Languages, q.Panels, q.Layers = p.Languages, p.Panels, p.Layers
	for _, f := range p.Figures {
		q.Figures = append(q.Figures, f.Code)
	}
	for _, s := range p.Scales {
		for _, v := range s.Values {
			q.Scales[s.Code] = append(q.Scales[s.Code], v.Code)
		}
	}
	return q
}
