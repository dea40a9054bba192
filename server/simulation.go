package main

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rasad/fixtures"
	"rasad/geo"
	"rasad/geo/roads"
)

// simulation plays a day of a city: crews that patrol, answer, work and come
// back. Everything it does goes through the public calls, and everything it
// makes carries "simulated": true.
type simulation struct {
	door   *door
	graph  *roads.Graph // nil: a plain ground, straight ways
	preset *fixtures.Preset
	center geo.LngLat
	log    *slog.Logger
	rng    *rand.Rand
	hz     float64

	vehicles    []*vehicle
	byKey       map[string]*vehicle
	incidents   map[string]*scene // open ones, by key
	nextOpen    time.Time
	opened      int
	lastTrouble atomic.Int64
}

// reportersMax is how many fixes are under way at once. Each waits for a frame
// on disk, about 60 ms, so 1,024 carry 15,000 fixes a second.
const reportersMax = 1024

// vehicle is one unit on the road. It belongs to the driving goroutine, but for
// waiting.
type vehicle struct {
	key      string
	kind     *fixtures.UnitKind
	home     place
	at       place
	way      []leg // still to drive
	done     float64
	speed    float64 // m/s
	heading  int
	accuracy int
	nextFix  time.Time
	waiting  atomic.Bool // a report is under way

	// What the server says, and what the crew does about it.
	status   string
	assigned string
	until    time.Time // when the crew goes on to the next thing
	patrols  bool
}

// place is a spot on a road.
type place struct {
	at   geo.LngLat
	node roads.NodeID
}

// leg is a straight piece of the way ahead.
type leg struct {
	from, to geo.LngLat
	metres   float64
	mps      float64 // how fast one may drive it
	node     roads.NodeID
}

// scene is an open incident.
type scene struct {
	at     geo.LngLat
	placed bool
	ours   bool
	units  int
	since  time.Time
}

func newSimulation(ctx context.Context, d *door, units int, hz float64, seed uint64, log *slog.Logger) (*simulation, error) {
	graph, preset, center, err := d.ground(ctx)
	if err != nil {
		return nil, err
	}
	s := &simulation{door: d, graph: graph, preset: preset, center: center, log: log, hz: hz,
		rng: rand.New(rand.NewPCG(seed, 0x7261736164)), byKey: map[string]*vehicle{}, incidents: map[string]*scene{}}
	there := map[string]geo.LngLat{}
	if err := s.each(ctx, "unit", func(f feature) {
		if at, ok := f.at(); ok {
			there[f.ID] = at
		}
	}); err != nil {
		return nil, err
	}
	for i, u := range fixtures.DemoFleet(preset, units, seed) {
		v := &vehicle{key: u.ID, kind: preset.UnitKind(u.Type), accuracy: 4 + s.rng.IntN(8), patrols: u.Agency == "police" || s.rng.IntN(4) == 0}
		v.home = s.somewhere(0.5)
		v.at = v.home
		if at, ok := there[u.ID]; ok {
			v.at = s.snap(at)
		} else {
			lng, lat := v.home.at.Degrees()
			body := map[string]any{"type": "Feature", "geometry": map[string]any{"type": "Point", "coordinates": []float64{lng, lat}},
				"properties": map[string]any{"name": u.Name, "type": u.Type, "agency": u.Agency, "capabilities": u.Capabilities, "crew": u.Crew, "status": "available", "simulated": true}}
			if err := d.call(ctx, http.MethodPut, "/api/v1/units/"+url.PathEscape(u.ID), body, nil); err != nil {
				return nil, fmt.Errorf("enrol unit %s: %w", u.ID, err)
			}
		}
		v.status = "available"
		v.nextFix = time.Now().Add(time.Duration(float64(time.Second) / hz * float64(i%97) / 97))
		v.until = time.Now().Add(time.Duration(s.rng.IntN(30)) * time.Second)
		s.vehicles = append(s.vehicles, v)
		s.byKey[v.key] = v
	}
	return s, nil
}

// run drives until ctx ends.
func (s *simulation) run(ctx context.Context) error {
	const step = 100 * time.Millisecond
	drive := time.NewTicker(step)
	defer drive.Stop()
	look := time.NewTicker(time.Second)
	defer look.Stop()
	slots := make(chan struct{}, reportersMax)
	var reports sync.WaitGroup
	defer reports.Wait()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
			s.observe(ctx)
			s.open(ctx)
		case <-drive.C:
			now := time.Now()
			dt := min(now.Sub(last), time.Second).Seconds()
			last = now
			for _, v := range s.vehicles {
				s.drive(v, dt)
				s.crew(ctx, v, now)
				if now.Before(v.nextFix) || v.waiting.Load() {
					continue
				}
				select {
				case slots <- struct{}{}:
				default:
					continue // the server is behind; a phone would wait too
				}
				v.nextFix = v.nextFix.Add(time.Duration(float64(time.Second) / s.hz))
				if v.nextFix.Before(now) {
					v.nextFix = now
				}
				path := s.report(v)
				v.waiting.Store(true)
				reports.Go(func() {
					if err := s.door.call(ctx, http.MethodGet, path, nil, nil); err != nil && ctx.Err() == nil {
						s.trouble("report a fix", err)
					}
					v.waiting.Store(false)
					<-slots
				})
			}
		}
	}
}

// feature is the part of a GeoJSON Feature that a crew cares about.
type feature struct {
	ID       string `json:"id"`
	Geometry *struct {
		Type        string `json:"type"`
		Coordinates []any  `json:"coordinates"`
	} `json:"geometry"`
	Properties struct {
		Kind      string   `json:"kind"`
		Status    string   `json:"status"`
		Assigned  any      `json:"assigned"`
		Simulated bool     `json:"simulated"`
		Type      string   `json:"type"`
		Needs     []string `json:"needs"`
	} `json:"properties"`
}

func (f feature) at() (geo.LngLat, bool) {
	if f.Geometry == nil || f.Geometry.Type != "Point" || len(f.Geometry.Coordinates) < 2 {
		return geo.LngLat{}, false
	}
	lng, ok1 := f.Geometry.Coordinates[0].(float64)
	lat, ok2 := f.Geometry.Coordinates[1].(float64)
	at, err := geo.At(lng, lat)
	return at, ok1 && ok2 && err == nil
}

// each calls use for every feature of the kinds, page by page.
func (s *simulation) each(ctx context.Context, kinds string, use func(feature)) error {
	cursor := ""
	for {
		var page struct {
			Features []feature `json:"features"`
			Next     string    `json:"next"`
		}
		q := url.Values{"kind": {kinds}, "limit": {"10000"}}
		if cursor != "" {
			q.Set("cursor", cursor)
		}
		if err := s.door.call(ctx, http.MethodGet, "/api/v1/features?"+q.Encode(), nil, &page); err != nil {
			return fmt.Errorf("list features: %w", err)
		}
		for _, f := range page.Features {
			use(f)
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}

// observe learns what dispatchers decided since the last look.
func (s *simulation) observe(ctx context.Context) {
	seen := map[string]*scene{}
	err := s.each(ctx, "unit,incident", func(f feature) {
		p := f.Properties
		switch {
		case p.Kind == "unit":
			if v := s.byKey[f.ID]; v != nil {
				v.assigned, _ = p.Assigned.(string)
				v.status = p.Status
			}
		case p.Kind == "incident" && p.Status != "closed":
			c := s.incidents[f.ID]
			if c == nil {
				c = &scene{since: time.Now()}
			}
			c.at, c.placed = f.at()
			c.ours = p.Simulated
			list, _ := p.Assigned.([]any)
			c.units = len(list)
			seen[f.ID] = c
		}
	})
	if err != nil {
		if ctx.Err() == nil {
			s.trouble("look around", err)
		}
		return
	}
	s.incidents = seen
	for key, c := range seen {
		// An incident of ours that nobody works at any more is over.
		if c.ours && c.units == 0 && time.Since(c.since) > 2*time.Minute {
			s.do(ctx, "close an incident", "/api/v1/incidents/"+url.PathEscape(key)+"/close", map[string]any{})
		}
	}
}

func (s *simulation) do(ctx context.Context, what, path string, body any) bool {
	err := s.door.call(ctx, http.MethodPost, path, body, nil)
	if err != nil && ctx.Err() == nil {
		s.trouble(what, err)
	}
	return err == nil
}

// open starts an incident now and then and sends who is nearest: about one for
// each forty units at a time.
func (s *simulation) open(ctx context.Context) {
	now := time.Now()
	ours := 0
	for _, c := range s.incidents {
		if c.ours {
			ours++
		}
	}
	if now.Before(s.nextOpen) || ours >= max(1, min(len(s.vehicles)/40, 25)) {
		return
	}
	s.nextOpen = now.Add(time.Duration(20+s.rng.IntN(40)) * time.Second)
	t := s.pickType()
	where := s.somewhere(0.35)
	lng, lat := where.at.Degrees()
	s.opened++
	var made feature
	body := map[string]any{"type": "Feature", "geometry": map[string]any{"type": "Point", "coordinates": []float64{lng, lat}},
		"properties": map[string]any{"type": t.Code, "priority": t.Priority, "name": s.street(where), "simulated": true}}
	if err := s.door.call(ctx, http.MethodPost, "/api/v1/incidents", body, &made); err != nil {
		s.trouble("open an incident", err)
		return
	}
	s.incidents[made.ID] = &scene{at: where.at, placed: true, ours: true, since: now}
	var keys []string
	for _, capability := range t.Capabilities {
		var near struct{ Units []struct{ ID string } }
		q := url.Values{"lon": {strconv.FormatFloat(lng, 'f', 7, 64)}, "lat": {strconv.FormatFloat(lat, 'f', 7, 64)}, "k": {"5"}, "dispatchable": {"true"}, "capability": {capability}}
		if err := s.door.call(ctx, http.MethodGet, "/api/v1/units/nearest?"+q.Encode(), nil, &near); err != nil {
			s.trouble("ask for the nearest", err)
			return
		}
		for _, u := range near.Units {
			if s.byKey[u.ID] != nil && !strings.Contains(strings.Join(keys, " ")+" ", u.ID+" ") {
				keys = append(keys, u.ID)
				break
			}
		}
	}
	if len(keys) > 0 {
		s.do(ctx, "assign", "/api/v1/incidents/"+url.PathEscape(made.ID)+"/assign", map[string]any{"units": keys})
	}
}

// pickType draws an incident type: the worst priority is the rarest, as on a usual
// day, and every type has its turn.
func (s *simulation) pickType() *fixtures.IncidentType {
	types := s.preset.IncidentTypes
	best := &types[s.rng.IntN(len(types))]
	for range 2 { // the mildest of three
		t := &types[s.rng.IntN(len(types))]
		if priority := s.preset.Scale("priority"); priority.Value(t.Priority).Rank < priority.Value(best.Priority).Rank {
			best = t
		}
	}
	return best
}

// street names a place after a street that meets there; empty when none has a name.
func (s *simulation) street(p place) string {
	if s.graph == nil {
		return ""
	}
	for e := range s.graph.Out(p.node) {
		if name := s.graph.Name(e.ID, s.preset.Languages[0]); name != "" {
			return name
		}
	}
	return ""
}

// crew does what people in the vehicle would do next.
func (s *simulation) crew(ctx context.Context, v *vehicle, now time.Time) {
	if now.Before(v.until) {
		return
	}
	next := func(after time.Duration) { v.until = now.Add(after/2 + time.Duration(s.rng.Int64N(int64(after)))) }
	say := func(status string) {
		if s.do(ctx, "set a status", "/api/v1/units/"+url.PathEscape(v.key)+"/status", map[string]any{"status": status}) {
			v.status = status
		} else {
			v.until = now.Add(5 * time.Second) // what the server thinks comes with the next look
		}
	}
	c := s.incidents[v.assigned]
	switch v.status {
	case "available":
		if len(v.way) == 0 && v.patrols {
			s.send(v, s.near(v.at, 2500))
			next(15 * time.Second)
		}
	case "dispatched":
		if c != nil && c.placed {
			s.send(v, s.snap(c.at))
			say("en_route")
		}
	case "en_route":
		if c != nil && c.placed && len(v.way) == 0 {
			if geo.Distance(v.at.at, c.at) > 150 {
				s.send(v, s.snap(c.at))
				if len(v.way) > 0 {
					return
				}
			}
			say("on_scene")
			next(2 * time.Minute)
		}
	case "on_scene":
		v.way = nil
		if c == nil || !c.ours { // at a person's incident the crew stays until released
			return
		}
		if strings.Contains(v.kind.Code, "ambulance") && s.rng.IntN(2) == 0 {
			s.send(v, s.somewhere(0.3))
			say("transporting")
			return
		}
		s.send(v, v.home)
		say("returning")
	case "transporting":
		if len(v.way) == 0 {
			say("at_hospital")
			next(90 * time.Second)
		}
	case "at_hospital":
		s.send(v, v.home)
		say("returning")
	case "returning":
		if len(v.way) == 0 {
			say("available")
			next(30 * time.Second)
		}
	}
}

// drive moves a vehicle along its way for dt seconds.
func (s *simulation) drive(v *vehicle, dt float64) {
	if len(v.way) == 0 {
		v.speed = max(0, v.speed-4*dt)
		return
	}
	// Brake for the next corner: v² = u² + 2as with a comfortable 2.5 m/s².
	limit := v.way[0].mps
	if v.status == "en_route" || v.status == "transporting" {
		limit *= 1.2
	}
	corner := 0.0
	if len(v.way) > 1 {
		turn := math.Abs(math.Remainder(bearing(v.way[0])-bearing(v.way[1]), 360))
		corner = max(3.5, v.way[1].mps*(1-turn/120))
	}
	left := v.way[0].metres - v.done
	limit = min(limit, math.Sqrt(corner*corner+2*2.5*max(left, 0.5)))
	if v.speed < limit {
		v.speed = min(limit, v.speed+2*dt)
	} else {
		v.speed = max(limit, v.speed-5*dt)
	}
	v.done += v.speed * dt
	for len(v.way) > 0 && v.done >= v.way[0].metres {
		v.done -= v.way[0].metres
		v.at = place{v.way[0].to, v.way[0].node}
		v.way = v.way[1:]
	}
	if len(v.way) == 0 {
		v.done = 0
		return
	}
	l := v.way[0]
	f := v.done / l.metres
	v.at.at = geo.LngLat{Lng: l.from.Lng + int32(f*float64(l.to.Lng-l.from.Lng)), Lat: l.from.Lat + int32(f*float64(l.to.Lat-l.from.Lat))}
	v.at.node = l.node
	v.heading = (int(math.Round(bearing(l))) + 360) % 360
}

func bearing(l leg) float64 {
	_, lat := l.from.Degrees()
	dx := float64(l.to.Lng-l.from.Lng) * math.Cos(lat*math.Pi/180)
	return math.Atan2(dx, float64(l.to.Lat-l.from.Lat)) * 180 / math.Pi
}

// blur is what a receiver would say: a metre or two beside the truth, and quite
// still when the vehicle stands.
func (s *simulation) blur(v *vehicle) geo.LngLat {
	if v.speed == 0 {
		return v.at.at
	}
	const e7PerMetre = 90 // 1 m is 90e-7 degree of latitude
	return geo.LngLat{Lng: v.at.at.Lng + int32(s.rng.NormFloat64()*1.2*e7PerMetre), Lat: v.at.at.Lat + int32(s.rng.NormFloat64()*1.2*e7PerMetre)}
}

// somewhere is a place on the roads, more likely near the centre: spread is the
// share of the graph's reach that one standard deviation covers.
func (s *simulation) somewhere(spread float64) place {
	lng, lat := s.center.Degrees()
	reach := 0.12 * spread // degrees: about 13 km times spread
	return s.snapDegrees(lng+s.rng.NormFloat64()*reach/math.Cos(lat*math.Pi/180), lat+s.rng.NormFloat64()*reach)
}

func (s *simulation) near(p place, metres float64) place {
	lng, lat := p.at.Degrees()
	r := metres / 111_320
	return s.snapDegrees(lng+(s.rng.Float64()*2-1)*r/math.Cos(lat*math.Pi/180), lat+(s.rng.Float64()*2-1)*r)
}

func (s *simulation) snap(p geo.LngLat) place {
	return s.snapDegrees(p.Degrees())
}

func (s *simulation) snapDegrees(lng, lat float64) place {
	lng, lat = min(max(lng, -180), 180), min(max(lat, -90), 90)
	if s.graph != nil {
		if n, _, ok := s.graph.Nearest(lng, lat); ok {
			return place{s.graph.Node(n), n}
		}
	}
	at, _ := geo.At(lng, lat) // clamped above
	return place{at: at}
}

// send gives a vehicle a new way. One that is under way first drives on to the
// next junction, as there is no turning through houses.
func (s *simulation) send(v *vehicle, to place) {
	from := v.at
	var head []leg
	for _, l := range v.way {
		if l.node != v.way[0].node {
			break
		}
		head = append(head, l)
	}
	if len(head) > 0 {
		head[0].from, head[0].metres = v.at.at, max(head[0].metres-v.done, 0.5)
		last := head[len(head)-1]
		from = place{last.to, last.node}
	}
	v.way, v.done = append(head, s.route(from, to)...), 0
}

// route is the way from a to b, empty when there is none or it is no way at all.
func (s *simulation) route(a, b place) []leg {
	if s.graph == nil {
		if d := geo.Distance(a.at, b.at); d > 1 {
			return []leg{{a.at, b.at, d, 13, 0}}
		}
		return nil
	}
	edges, _, ok := s.graph.Route(a.node, b.node)
	if !ok {
		return nil
	}
	var way []leg
	at := a.at
	add := func(to geo.LngLat, mps float64, node roads.NodeID) {
		if d := geo.Distance(at, to); d > 0.5 {
			way = append(way, leg{at, to, d, mps, node})
			at = to
		}
	}
	add(s.graph.Node(a.node), 8, a.node) // a vehicle may stand between two junctions
	for _, id := range edges {
		e := s.graph.Edge(id)
		mps := e.Metres / max(e.Seconds, 0.1)
		for _, p := range s.graph.Shape(id) {
			add(p, mps, e.To)
		}
	}
	return way
}
