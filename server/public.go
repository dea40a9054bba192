package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rasad/fixtures"
	"rasad/geo"
	"rasad/server/api"
	"rasad/server/dispatch"
	"rasad/server/publish"
)

// publishPolicyOf tells the rules of publishing what the city's preset says.
func publishPolicyOf(p *fixtures.Preset) publish.Policy {
	labels := map[geo.Kind]map[string]fixtures.Label{geo.Incident: {}, geo.Hazard: {}, geo.Shelter: {}, geo.Site: {}}
	for _, t := range p.IncidentTypes {
		labels[geo.Incident][t.Code] = t.Label
	}
	for _, t := range p.HazardTypes {
		labels[geo.Hazard][t.Code] = t.Label
	}
	for _, t := range p.ShelterKinds {
		labels[geo.Shelter][t.Code] = t.Label
	}
	for _, t := range p.SiteKinds {
		labels[geo.Site][t.Code] = t.Label
	}
	q := publish.Policy{
		Ceilings: map[geo.Kind]map[string]publish.Ceiling{}, Flags: p.Publication.Flags, Rooms: p.Publication.Rooms, Bands: p.Publication.Bands,
		OverFor: time.Duration(p.Publication.OverForS) * time.Second,
	}
	for kind := range labels {
		q.Ceilings[kind] = map[string]publish.Ceiling{}
	}
	for _, r := range p.Publication.Rows {
		kind := geo.Kind(r.Kind)
		for _, code := range r.Types {
			c := publish.Ceiling{Never: r.Never, Precision: publish.Precision(r.Ceiling), Delay: time.Duration(r.DelayS) * time.Second,
				Guard: r.Guard, Named: r.Named, Label: publish.Text{}}
			for _, lang := range publish.Languages {
				c.Label[lang] = labels[kind][code].In(lang)
			}
			q.Ceilings[kind][code] = c
		}
	}
	for _, s := range p.IncidentStatuses {
		if s.Final {
			q.Final = append(q.Final, s.Code)
		}
	}
	return q
}

// dueOf decides what falls due: publications by the rules of publishing, the rest by
// those of dispatching.
func dueOf(d dispatch.Policy, p publish.Policy) func(*geo.Draft, *geo.Feature) error {
	others, publications := dispatch.Due(d), publish.Due(p)
	return func(d *geo.Draft, f *geo.Feature) error {
		if f.Kind == publish.Publication {
			return publications(d, f)
		}
		return others(d, f)
	}
}

// publicPages is the public world as the door serves it.
type publicPages struct {
	*publish.World
	policy publish.Policy
}

func pageOf(p *publish.Page) api.PublicPage {
	return api.PublicPage{Body: p.Body, Gzip: p.Gzip(), Tag: p.Tag, Whole: p.Whole}
}

// Snapshot is all of the public world.
func (p publicPages) Snapshot() api.PublicPage { return pageOf(p.World.Snapshot()) }

// Since is what changed after a boundary.
func (p publicPages) Since(epoch string, seq uint64) (api.PublicPage, int64, bool) {
	page, at := p.World.Since(epoch, seq)
	if page == nil {
		return api.PublicPage{}, at, false
	}
	return pageOf(page), at, true
}

// Look says what publishing a feature would make public.
func (p publicPages) Look(v *geo.View, now geo.Millis, args json.RawMessage) (any, error) {
	var in publish.Request
	if err := json.Unmarshal(args, &in); err != nil {
		return nil, fmt.Errorf("read what is to be published: %w", err)
	}
	return publish.Look(p.policy, v, now, in)
}

// openPublic makes the public world of the record.
func (s *server) openPublic(epoch string, simulated bool, metrics prometheus.Registerer) {
	s.public = publish.Open(s.world.View(), publish.WorldOptions{Name: s.config.world, Record: epoch, Exercise: s.config.exercise, Simulated: simulated, Log: s.log, Metrics: metrics})
}

// followPublic keeps the public world up to date until ctx ends.
func (s *server) followPublic(ctx context.Context) {
	s.public.Run(ctx, func(ctx context.Context, name string, args any) error {
		_, err := s.propose(ctx, name, args)
		return err
	})
}
