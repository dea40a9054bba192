package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rasad/fixtures"
	"rasad/geo"
	"rasad/geo/roads"
	"rasad/server/reach"
)

// simulation plays a day of a city: crews that patrol, answer, work and come
// back. Everything it does goes through the public calls, and everything it
// makes carries "simulated": true.
type simulation struct {
	door   *door
	free   *roads.Router // without closures; nil: a plain ground, straight ways
	router *roads.Router // with those that the world has
	preset *fixtures.Preset
	center geo.LngLat
	log    *slog.Logger
	rng    *rand.Rand
	hz     float64

	vehicles    []*vehicle
	byKey       map[string]*vehicle
	posts       map[string][]place // by kind of site
	closures    string             // the hazards that the router knows, as their revisions
	incidents   map[string]*scene  // open ones, by key
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
	means    reach.Kind
	home     place
	at       place
	way      []leg   // still to drive
	to       place   // where the way ends
	done     float64 // seconds of the first leg
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

// place is a spot, on a road where the ground has some.
type place struct {
	at   geo.LngLat
	edge roads.EdgeID
}

// leg is a straight piece of the way ahead.
type leg struct {
	from, to geo.LngLat
	seconds  float64
	mps      float64
	edge     roads.EdgeID
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
	g, err := d.ground(ctx)
	if err != nil {
		return nil, err
	}
	s := &simulation{door: d, free: g.router, router: g.router, preset: g.preset, center: g.center, log: log, hz: hz,
		rng: rand.New(rand.NewPCG(seed, 0x7261736164)), byKey: map[string]*vehicle{}, incidents: map[string]*scene{}, posts: map[string][]place{}}
	if err := s.each(ctx, "site", func(f feature) {
		if at, ok := f.at(); ok {
			s.posts[f.Properties.Type] = append(s.posts[f.Properties.Type], s.snap(at))
		}
	}); err != nil {
		return nil, err
	}
	there := map[string]geo.LngLat{}
	if err := s.each(ctx, "unit", func(f feature) {
		if at, ok := f.at(); ok {
			there[f.ID] = at
		}
	}); err != nil {
		return nil, err
	}
	for i, u := range fixtures.DemoFleet(g.preset, units, seed) {
		v := &vehicle{key: u.ID, kind: g.preset.UnitKind(u.Type), accuracy: 4 + s.rng.IntN(8), patrols: u.Agency == "police" || s.rng.IntN(4) == 0}
		v.means = g.kind(u.Type)
		v.home = s.post(u.Agency)
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
	s.close(ctx)
	for key, c := range seen {
		// An incident of ours that nobody works at any more is over.
		if c.ours && c.units == 0 && time.Since(c.since) > 2*time.Minute {
			s.do(ctx, "close an incident", "/api/v1/incidents/"+url.PathEscape(key)+"/close", map[string]any{})
		}
	}
}

// close looks which roads are closed or slow by now. Whoever is on the way to one of
// them looks for another way.
func (s *simulation) close(ctx context.Context) {
	if s.router == nil {
		return
	}
	var page struct{ Features []json.RawMessage }
	if err := s.door.call(ctx, http.MethodGet, "/api/v1/hazards?limit=10000", nil, &page); err != nil {
		if ctx.Err() == nil {
			s.trouble("look at the hazards", err)
		}
		return
	}
	var known strings.Builder
	least := map[roads.EdgeID]float64{}
	for _, raw := range page.Features {
		place, props, key, err := geo.ParseGeoJSON(raw)
		factor, ok := props.Number("speed_factor")
		if impassable := props.Bool("impassable"); impassable || !ok {
			factor = 1
			if impassable {
				factor = 0
			}
		}
		if err != nil || place.Shape == nil || !props.Bool("active") || factor >= 1 {
			continue
		}
		rev, _ := props.Number("rev")
		fmt.Fprintf(&known, "%s %v\n", key, rev)
		for _, e := range s.free.Graph().Touching(place.Shape) {
			if f, ok := least[e]; !ok || factor < f {
				least[e] = factor
			}
		}
	}
	if known.String() == s.closures {
		return
	}
	s.closures = known.String()
	changes := make([]roads.Change, 0, len(least))
	for e, f := range least {
		changes = append(changes, roads.Change{Edge: e, Factor: f})
	}
	slices.SortFunc(changes, func(a, b roads.Change) int { return cmp.Compare(a.Edge, b.Edge) })
	s.router = s.router.With(changes)
	for _, v := range s.vehicles {
		if slices.ContainsFunc(v.way, func(l leg) bool { _, hit := least[l.edge]; return hit }) {
			s.send(v, v.to)
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

// street names a place after its street; empty when it has no name.
func (s *simulation) street(p place) string {
	if s.router == nil {
		return ""
	}
	return s.router.Graph().Name(p.edge, s.preset.Languages[0])
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
				if !s.send(v, s.snap(c.at)) {
					next(10 * time.Second) // every road there is closed: the crew waits for one
					return
				}
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
			s.send(v, s.nearest(v.at, "hospital"))
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
	v.done += dt
	for len(v.way) > 0 && v.done >= v.way[0].seconds {
		v.done -= v.way[0].seconds
		v.at = place{v.way[0].to, v.way[0].edge}
		v.way = v.way[1:]
	}
	if len(v.way) == 0 {
		v.done, v.speed = 0, 0
		return
	}
	l := v.way[0]
	f := v.done / l.seconds
	v.at = place{between(l.from, l.to, f), l.edge}
	v.speed = l.mps
	v.heading = (int(math.Round(bearing(l.from, l.to))) + 360) % 360
}

// between is the place at a share of the straight way from a to b.
func between(a, b geo.LngLat, share float64) geo.LngLat {
	return geo.LngLat{Lng: a.Lng + int32(share*float64(b.Lng-a.Lng)), Lat: a.Lat + int32(share*float64(b.Lat-a.Lat))}
}

func bearing(a, b geo.LngLat) float64 {
	_, lat := a.Degrees()
	return math.Atan2(float64(b.Lng-a.Lng)*math.Cos(lat*math.Pi/180), float64(b.Lat-a.Lat)) * 180 / math.Pi
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
	for try := 0; ; try++ {
		x, y := lng+s.rng.NormFloat64()*reach/math.Cos(lat*math.Pi/180), lat+s.rng.NormFloat64()*reach
		// Where people are, streets are near and have names; across the river they do not.
		at, err := geo.At(x, y)
		if s.router == nil || err != nil || try == 50 {
			return s.snapDegrees(x, y)
		}
		graph := s.router.Graph()
		if on := graph.Snap(at, math.NaN(), 400, nil); len(on) > 0 && graph.Name(on[0].Edge, "") != "" {
			return place{on[0].At, on[0].Edge}
		}
	}
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
	at, _ := geo.At(min(max(lng, -180), 180), min(max(lat, -90), 90))
	if s.router == nil {
		return place{at: at}
	}
	on := s.router.Graph().Snap(at, math.NaN(), 50_000, nil)
	if len(on) == 0 {
		return place{at: at}
	}
	return place{on[0].At, on[0].Edge}
}

// post is where a unit of an agency waits: by a site of it, or somewhere where the
// city has none.
func (s *simulation) post(agency string) place {
	kind := map[string]string{"fire": "fire_station", "police": "police", "ems": "ambulance_station"}[agency]
	posts := s.posts[kind]
	if len(posts) == 0 && agency == "ems" {
		posts = append(slices.Clone(s.posts["hospital"]), s.posts["fire_station"]...) // where they wait in most of the world
	}
	if len(posts) == 0 {
		return s.somewhere(0.5)
	}
	return s.near(posts[s.rng.IntN(len(posts))], 150)
}

// nearest is the site of a kind that is nearest over the line, or a place somewhere
// in the city where it has none.
func (s *simulation) nearest(p place, kind string) place {
	posts := s.posts[kind]
	if len(posts) == 0 {
		return s.somewhere(0.3)
	}
	return slices.MinFunc(posts, func(a, b place) int { return cmp.Compare(geo.Distance(p.at, a.at), geo.Distance(p.at, b.at)) })
}

// send gives a vehicle a new way from where it is. One that drives goes on the way
// it faces: it turns where it can. It reports false when no open road leads there.
func (s *simulation) send(v *vehicle, to place) bool {
	heading := math.NaN()
	if v.speed > 0 {
		heading = float64(v.heading)
	}
	way, ok := s.route(v, heading, to)
	v.way, v.done, v.to = way, 0, to
	return ok
}

// route is the way of a vehicle to a place, empty when it is there.
func (s *simulation) route(v *vehicle, heading float64, to place) (way []leg, ok bool) {
	if s.router == nil || v.means.Way != fixtures.WayRoad {
		mps := cmp.Or(v.means.Speed, 13)
		if d := geo.Distance(v.at.at, to.at); d > 1 {
			way = append(way, leg{v.at.at, to.at, d / mps, mps, to.edge})
		}
		return way, true
	}
	from, err := s.router.Stop(v.means.Profile, v.at.at, heading)
	if err != nil {
		return nil, false
	}
	end, err := s.router.Stop(v.means.Profile, to.at, math.NaN())
	if err != nil {
		return nil, false
	}
	path, ok := s.router.Path(v.means.Profile, from, end)
	if !ok {
		return nil, false
	}
	return s.legs(v, path), true
}

// easing is the stretch before and after a junction on which its time is spent: a
// driver brakes before a corner and speeds up after it.
const easing = 30 // metres

// legs cuts a way into straight pieces, each with its own speed, that take as long
// together as the router says the way does.
func (s *simulation) legs(v *vehicle, path roads.Path) []leg {
	g, p := s.router.Graph(), s.preset.Profile(v.kind.Profile).Road
	var way []leg
	total, turn := 0.0, 0.0
	at := v.at.at // who waits beside the road drives onto it first
	for i, id := range path.Edges {
		e := g.Edge(id)
		line := g.Shape(id)
		if i == 0 {
			line = after(line, at)
		}
		if i == len(path.Edges)-1 {
			line = before(line, path.Line[len(path.Line)-1])
		}
		length := 0.0
		for k := 1; k < len(line); k++ {
			length += geo.Distance(line[k-1], line[k])
		}
		mps := max(1, e.Metres/s.router.Drive(v.means.Profile, id, 1).Seconds())
		next := 0.0
		if i+1 < len(path.Edges) {
			next = p.TurnsS[turning(line, g.Shape(path.Edges[i+1]))]
		}
		ease := min(easing, length/2)
		done := 0.0
		for _, to := range line {
			for at != to {
				d := geo.Distance(at, to)
				// The next change of speed, or the end of the piece.
				stop, slow := done+d, 0.0
				switch {
				case done < ease:
					stop, slow = min(stop, ease), turn/2/ease
				case done < length-ease:
					stop = min(stop, length-ease)
				default:
					slow = next / 2 / max(ease, 0.1)
				}
				end, way2 := to, stop-done
				if way2 < d-0.01 {
					end = between(at, to, way2/d)
				}
				if end == at { // less than a centimetre
					at = to
					break
				}
				seconds := way2/mps + way2*slow
				if seconds > 0 {
					way = append(way, leg{at, end, seconds, way2 / seconds, id})
					total += seconds
				}
				at, done = end, stop
			}
		}
		turn = next
	}
	if total > 0 {
		scale := float64(path.Cost) / 1000 / total
		for i := range way {
			way[i].seconds *= scale
			way[i].mps /= scale
		}
	}
	return way
}

// turning is the turn from the end of one line to the begin of the next, as profiles
// name it.
func turning(from, to []geo.LngLat) string {
	if len(from) < 2 || len(to) < 2 {
		return "straight"
	}
	angle := math.Remainder(bearing(to[0], to[1])-bearing(from[len(from)-2], from[len(from)-1]), 360)
	side := "right"
	if angle < 0 {
		side = "left"
	}
	switch a := math.Abs(angle); {
	case a < 20:
		return "straight"
	case a < 50:
		return "slight"
	case a < 120:
		return side
	case a < 165:
		return "sharp_" + side
	}
	return "u_turn"
}

// after is a line from the place on it that is nearest to a place, before the line up
// to there.
func after(line []geo.LngLat, at geo.LngLat) []geo.LngLat {
	i, on := nearestOn(line, at)
	return append([]geo.LngLat{on}, line[i:]...)
}

func before(line []geo.LngLat, at geo.LngLat) []geo.LngLat {
	i, on := nearestOn(line, at)
	return append(slices.Clone(line[:i]), on)
}

// nearestOn finds the place of a line that is nearest to a place, and the point of
// the line that follows it.
func nearestOn(line []geo.LngLat, at geo.LngLat) (next int, on geo.LngLat) {
	best := math.Inf(1)
	_, lat := at.Degrees()
	cos := math.Cos(lat * math.Pi / 180)
	for i := 1; i < len(line); i++ {
		a, b := line[i-1], line[i]
		dx, dy := float64(b.Lng-a.Lng)*cos, float64(b.Lat-a.Lat)
		px, py := float64(at.Lng-a.Lng)*cos, float64(at.Lat-a.Lat)
		t := 0.0
		if l := dx*dx + dy*dy; l > 0 {
			t = min(max((px*dx+py*dy)/l, 0), 1)
		}
		if d := math.Hypot(px-t*dx, py-t*dy); d < best {
			best, next, on = d, i, between(a, b, t)
		}
	}
	return next, on
}
