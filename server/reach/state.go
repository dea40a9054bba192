package reach

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"rasad/fixtures"
	"rasad/geo"
	"rasad/geo/roads"
)

// State is what is known of the roads at a sequence. It never changes, but for the
// fleet, which follows the units and may be asked by any goroutine.
type State struct {
	seq      uint64
	router   *roads.Router
	free     *roads.Router
	changes  []roads.Change
	fleet    *roads.Fleet
	aside    []geo.ID
	stale    []geo.ID
	unplaced []geo.ID
	enrolled map[string]int // units by capability, whatever they do
}

// Seq is the sequence up to which closures and places are worked in.
func (s *State) Seq() uint64 { return s.seq }

// Router has the closures of this moment.
func (s *State) Router() *roads.Router { return s.router }

// Free has no closures.
func (s *State) Free() *roads.Router { return s.free }

// Changes are the closed and slowed edges, by number. They must not be changed.
func (s *State) Changes() []roads.Change { return s.changes }

// Fleet holds every road unit with a place, a fresh fix and a road near it,
// dispatchable or not, under its number.
func (s *State) Fleet() *roads.Fleet { return s.fleet }

// Aside are the units with a place and a fresh fix that no road may lead from: those
// that fly or sail, those that no road is near to, and those on roads that hang
// together with no others (which are in the fleet too). In ascending order; not to be changed.
func (s *State) Aside() []geo.ID { return s.aside }

// Stale are the units whose fix is too old to count. In ascending order; not to be changed.
func (s *State) Stale() []geo.ID { return s.stale }

// Unplaced are the units that have no place. In ascending order; not to be changed.
func (s *State) Unplaced() []geo.ID { return s.unplaced }

// standing is where a unit is, to those who ask for the nearest.
type standing uint8

const (
	nowhere standing = iota // not seen yet
	unplaced
	stale
	aside  // off the roads
	island // on roads that hang together with no others
	onRoad
)

// unit is what the driver keeps of one.
type unit struct {
	rev          uint64 // of the feature when it was read last
	kind         Kind
	dispatchable bool
	capabilities []string
	standing     standing
	fix          geo.Fix    // that the stop is of
	staleAt      geo.Millis // 0: never
	edge         roads.EdgeID
}

// drive is the first step: places and closures.
func (d *Driver) drive(ctx context.Context) {
	w := &wheel{Driver: d, units: map[geo.ID]*unit{}, hazards: map[geo.ID]*hazard{}, router: d.Router, fleet: &roads.Fleet{}}
	// Whatever stands in the world when the driver starts.
	view := d.World.View()
	all := map[geo.ID]struct{}{}
	for f := range view.All(geo.Unit) {
		all[f.ID] = struct{}{}
	}
	for f := range view.All(geo.Hazard) {
		all[f.ID] = struct{}{}
	}
	w.step(view, all, view.Seq())
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.wake:
			touched, seq := d.frames.take()
			w.step(d.World.View(), touched, seq)
		case <-second.C:
			w.silence()
		}
	}
}

// wheel is the state of the first step, of one goroutine.
type wheel struct {
	*Driver
	units   map[geo.ID]*unit
	hazards map[geo.ID]*hazard
	router  *roads.Router
	changes []roads.Change
	fleet   *roads.Fleet
	lists   bool // somebody went from one list to another, or can do other things
}

// step works in what was touched, of frames up to seq. The view may be newer.
func (w *wheel) step(view *geo.View, touched map[geo.ID]struct{}, seq uint64) {
	start := time.Now()
	closures := false
	changed := map[geo.ID]placed{}
	now := w.Now()
	for id := range touched {
		f, ok := view.ByID(id)
		switch {
		case ok && f.Kind == geo.Unit:
			w.unit(f, now, changed)
		case ok && f.Kind == geo.Hazard:
			closures = w.hazard(f) || closures
		case !ok && w.units[id] != nil:
			w.leave(id, w.units[id])
			delete(w.units, id)
			w.lists = true
			changed[id] = placed{}
		case !ok && w.hazards[id] != nil:
			closures = closures || len(w.hazards[id].edges) > 0
			delete(w.hazards, id)
		}
	}
	if closures {
		w.reroute(changed)
	}
	w.publish(seq, changed)
	w.metrics.step.WithLabelValues("roads").Observe(time.Since(start).Seconds())
	w.metrics.lag.Set(float64(w.World.View().Seq()) - float64(seq))
}

// silence takes out the units that fell silent.
func (w *wheel) silence() {
	now := w.Now()
	changed := map[geo.ID]placed{}
	for id, u := range w.units {
		if u.staleAt != 0 && u.staleAt <= now && u.standing > stale {
			w.leave(id, u)
			u.standing, w.lists = stale, true
			changed[id] = placed{}
		}
	}
	if len(changed) > 0 {
		w.publish(w.state.Load().seq, changed)
	}
}

// unit works in a unit as it is now.
func (w *wheel) unit(f *geo.Feature, now geo.Millis, changed map[geo.ID]placed) {
	u := w.units[f.ID]
	if u == nil {
		u = &unit{}
		w.units[f.ID] = u
	}
	fresh := u.standing == nowhere
	if u.rev != f.Rev {
		kind := w.kind(f.Props.Text("type"))
		fresh = fresh || kind != u.kind
		u.rev, u.kind, u.dispatchable = f.Rev, kind, f.Props.Bool("dispatchable")
		if c := f.Props.Texts("capabilities"); !slices.Equal(c, u.capabilities) {
			u.capabilities, w.lists = c, true
		}
	}
	was := u.standing
	u.staleAt = 0
	if after := w.stale(f); f.Fix.Placed() && after > 0 {
		u.staleAt = f.Fix.Time + geo.Millis(after.Milliseconds())
	}
	switch {
	case !f.Fix.Placed():
		w.leave(f.ID, u)
		u.standing = unplaced
	case u.staleAt != 0 && u.staleAt <= now:
		w.leave(f.ID, u)
		u.standing = stale
	case fresh || was < aside || f.Fix.At != u.fix.At || Heading(f.Fix) != Heading(u.fix) && !(math.IsNaN(Heading(f.Fix)) && math.IsNaN(Heading(u.fix))):
		w.stand(f, u)
	}
	w.lists = w.lists || u.standing != was
	changed[f.ID] = u.placed()
}

// stand ties a unit to the road it is on.
func (w *wheel) stand(f *geo.Feature, u *unit) {
	u.fix = f.Fix
	w.tie(f.ID, u)
}

// tie ties a unit to the open roads by its place.
func (w *wheel) tie(id geo.ID, u *unit) {
	if u.kind.Way == fixtures.WayRoad {
		stop, err := w.router.Stop(u.kind.Profile, u.fix.At, Heading(u.fix))
		if err == nil || errors.Is(err, roads.ErrIsland) {
			w.fleet.Set(uint32(id), u.kind.Profile, stop)
			u.edge = stop.On[0].Edge
			if u.standing = onRoad; err != nil {
				u.standing = island
			}
			return
		}
	}
	w.leave(id, u)
	u.standing, u.edge = aside, 0
}

// leave takes a unit off the roads.
func (w *wheel) leave(id geo.ID, u *unit) {
	if u.standing >= island {
		w.fleet.Remove(uint32(id))
	}
}

// headingMps is the speed above which a vehicle faces where it goes; a parked one
// turns as it likes, and its receiver makes headings up.
const headingMps = 2

// Heading is where a unit faces, in degrees clockwise from north, or NaN when its
// fix does not tell: it is not known, or the unit stands.
func Heading(x geo.Fix) float64 {
	if x.Heading == geo.HeadingUnknown || x.Speed == geo.SpeedUnknown || x.Speed <= headingMps*10 {
		return math.NaN()
	}
	return float64(x.Heading)
}

// publish shows the new state to readers and hands what changed to the second step.
func (w *wheel) publish(seq uint64, changed map[geo.ID]placed) {
	s := &State{seq: seq, router: w.router, free: w.Router, changes: w.changes, fleet: w.fleet}
	if old := w.state.Load(); old != nil && !w.lists {
		s.aside, s.stale, s.unplaced, s.enrolled = old.aside, old.stale, old.unplaced, old.enrolled
	} else {
		s.enrolled = map[string]int{}
		roadsters := 0
		for id, u := range w.units {
			for _, c := range u.capabilities {
				s.enrolled[c]++
			}
			switch u.standing {
			case aside, island:
				s.aside = append(s.aside, id)
			case stale:
				s.stale = append(s.stale, id)
			case unplaced:
				s.unplaced = append(s.unplaced, id)
			case onRoad:
				roadsters++
			}
		}
		for _, list := range [][]geo.ID{s.aside, s.stale, s.unplaced} {
			slices.Sort(list)
		}
		w.lists = false
		w.metrics.units.WithLabelValues("road").Set(float64(roadsters))
		w.metrics.units.WithLabelValues("aside").Set(float64(len(s.aside)))
		w.metrics.units.WithLabelValues("stale").Set(float64(len(s.stale)))
		w.metrics.units.WithLabelValues("unplaced").Set(float64(len(s.unplaced)))
	}
	w.state.Store(s)
	if w.cover != nil {
		w.cover.tell(s, changed)
	}
	w.gate.raise(seq)
}
