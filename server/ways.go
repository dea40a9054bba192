package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rasad/fixtures"
	"rasad/geo"
	"rasad/geo/coverage"
	"rasad/geo/roads"
	"rasad/server/api"
	"rasad/server/reach"
)

// ways lets the door ask the driver.
type ways struct{ *reach.Driver }

func (w ways) Roads(ctx context.Context, seq uint64) (api.Ways, error) {
	s, err := w.Driver.Roads(ctx, seq)
	if err != nil {
		return nil, behind(err)
	}
	return s, nil
}

func (w ways) Cover(ctx context.Context, seq uint64) (*coverage.View, uint64, error) {
	view, at, err := w.Driver.Cover(ctx, seq)
	return view, at, behind(err)
}

func (w ways) Kind(unitType string) api.Means { return api.Means(w.Driver.Kind(unitType)) }

func behind(err error) error {
	if errors.Is(err, reach.ErrBehind) {
		return api.ErrBehind
	}
	return err
}

// openWays reads the roads of the city. A city that this version cannot use the roads of
// is served without them: its map is as good as ever.
func (s *server) openWays(p *fixtures.Preset, metrics prometheus.Registerer) api.Reach {
	if s.city == nil {
		return nil
	}
	start := time.Now()
	graph, err := roads.Load(s.city.RoadsPath())
	if err != nil {
		s.log.Error("the roads of the city cannot be read, so nothing is answered by road; build the city again with: rasad city build", "error", err)
		return nil
	}
	router, err := roads.NewRouter(graph, reach.Profiles(p))
	if err != nil {
		s.log.Error("no router can be made of the roads of the city, so nothing is answered by road", "error", err)
		return nil
	}
	s.router = router
	demand, err := s.openDemand(p, router)
	if err != nil {
		s.log.Error("it is not known where people are, so there is no coverage; build the city again with: rasad city build", "error", err)
	}
	s.reach = reach.New(reach.Options{
		World: s.world, Preset: p, Router: router, Demand: demand, Now: func() geo.Millis { return s.seq.Status().Tick },
		Propose: func(ctx context.Context, name string, args any) error {
			_, err := s.propose(ctx, name, args)
			return err
		},
		Log: s.log, Metrics: metrics,
	})
	s.log.Info("roads", "nodes", graph.NodeCount(), "edges", graph.EdgeCount(), "demand", demand != nil, "took", time.Since(start).String())
	return ways{s.reach}
}

// openDemand reads where people are. Where the city has no quarters of its own, the
// ground that each fire station answers for is one, and where there is no station
// either, the whole city.
func (s *server) openDemand(p *fixtures.Preset, router *roads.Router) (*coverage.Demand, error) {
	d, err := coverage.LoadDemand(s.city.DemandPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("the city was built by an older version")
	}
	if err != nil {
		return nil, err
	}
	if len(d.Zones) == 0 {
		stations, err := s.stations()
		if err != nil {
			return nil, err
		}
		if profiles := reach.Profiles(p); len(stations) > 0 && len(profiles) > 0 {
			d = d.FirstDue(router, 0, stations)
		}
	}
	if len(d.Zones) == 0 {
		m := s.city.Manifest()
		whole := *d
		whole.Zones = []coverage.Zone{{ID: "city", Names: roads.Names{Local: m.Name, FA: m.NameFA, ZH: m.NameZH, EN: m.NameEN}}}
		whole.Cells = slices.Clone(d.Cells)
		for i := range whole.Cells {
			whole.Cells[i].Zone = 0
		}
		d = &whole
	}
	for i := range d.Zones {
		d.Zones[i].ID = zoneKey(d.Zones[i].ID)
	}
	return d, nil
}

// zoneKey makes an id of a zone that can be part of a key: what a city's own
// polygons are called may be any text.
func zoneKey(id string) string {
	if len(id) <= 48 && geo.CheckKey(id) == nil {
		return id
	}
	h := fnv.New64a()
	h.Write([]byte(id))
	return fmt.Sprintf("z%016x", h.Sum64())
}

// stations are the fire stations of the city's file.
func (s *server) stations() ([]coverage.Station, error) {
	b, err := os.ReadFile(s.city.SitesPath())
	if err != nil {
		return nil, fmt.Errorf("read the sites: %w", err)
	}
	var sites struct{ Features []json.RawMessage }
	if err := json.Unmarshal(b, &sites); err != nil {
		return nil, fmt.Errorf("read the sites: %w", err)
	}
	var out []coverage.Station
	for _, raw := range sites.Features {
		place, props, key, err := geo.ParseGeoJSON(raw)
		if err != nil || !place.Placed || props.Text("type") != "fire_station" {
			continue
		}
		name := props.Text("name")
		out = append(out, coverage.Station{ID: key, At: place.At, Names: roads.Names{Local: name, FA: props.Text("name_fa"), ZH: props.Text("name_zh"), EN: props.Text("name_en")}})
	}
	return out, nil
}
