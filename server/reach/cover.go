package reach

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"rasad/fixtures"
	"rasad/geo"
	"rasad/geo/coverage"
	"rasad/geo/roads"
)

const (
	// driftMetres is how far a unit drives before its reach is looked at again: a
	// tenth of a cell, two or three seconds of driving.
	driftMetres = 25
	// driftEvery is the pause between two looks at a unit that merely drives.
	driftEvery = 2 * time.Second
	// driftShare is the share of one processor that driving units may cost; beyond,
	// they are looked at less often.
	driftShare = 0.25
	driftPace  = 100 * time.Millisecond
)

// placed is a unit as the cover has it: none when it cannot be sent now.
type placed struct {
	unit coverage.Unit
	edge roads.EdgeID
	here bool
}

// placed is what the cover is to know of the unit.
func (u *unit) placed() placed {
	if !u.dispatchable || !u.kind.Covers || u.standing < aside {
		return placed{}
	}
	return placed{here: true, edge: u.edge, unit: coverage.Unit{
		At: u.fix.At, Heading: Heading(u.fix), Profile: u.kind.Profile, Line: u.kind.Line,
		OffRoad: u.kind.Way != fixtures.WayRoad, Capabilities: u.capabilities,
	}}
}

// coverState is the cover at a sequence.
type coverState struct {
	view  *coverage.View
	seq   uint64
	units int // that count
}

// cover is the second step: whom dispatchable units reach in time.
type cover struct {
	*Driver
	standards []coverage.Standard
	grid      *coverage.Grid
	state     atomic.Pointer[coverState]
	gate      gate
	wake      chan struct{}

	mu      sync.Mutex
	changed map[geo.ID]placed // since the last step
	router  *roads.Router
	seq     uint64

	// Of the goroutine alone.
	known   map[geo.ID]*known
	drifted []geo.ID // whose reach is to be looked at again, the longest waiting first
	tokens  time.Duration
	cost    time.Duration // of one look, as it went lately
	at      *roads.Router // that the grid has
}

// known is a unit in the grid.
type known struct {
	placed
	looked time.Time // when its reach was computed
	next   *placed   // where it is by now, when it waits in drifted
}

func newCover(d *Driver) *cover {
	c := &cover{Driver: d, wake: make(chan struct{}, 1), changed: map[geo.ID]placed{}, known: map[geo.ID]*known{}, at: d.Router, cost: 3 * time.Millisecond}
	c.gate.next = make(chan struct{})
	c.standards = watched(d.Preset)
	c.grid = coverage.New(d.Demand, d.Router, c.standards)
	return c
}

// tell hands over what the first step found. It never waits.
func (c *cover) tell(s *State, changed map[geo.ID]placed) {
	c.mu.Lock()
	for id, p := range changed {
		c.changed[id] = p
	}
	c.router, c.seq = s.router, s.seq
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *cover) run(ctx context.Context) {
	pace := time.NewTicker(driftPace)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
			c.step()
		case <-pace.C:
			c.tokens = min(c.tokens+time.Duration(driftShare*float64(driftPace)), time.Duration(driftShare*float64(time.Second)))
			c.drift()
		}
	}
}

// step works in what must be right at once: closures, and units that came, went or
// changed what they are. Units that merely moved on wait for drift.
func (c *cover) step() {
	start := time.Now()
	c.mu.Lock()
	changed, router, seq := c.changed, c.router, c.seq
	c.changed = map[geo.ID]placed{}
	c.mu.Unlock()

	var update []coverage.Change
	for id, p := range changed {
		k := c.known[id]
		switch {
		case k == nil && p.here:
			c.known[id] = &known{placed: p, looked: start}
			update = append(update, coverage.Change{ID: uint32(id), Unit: &p.unit})
		case k != nil && !p.here:
			delete(c.known, id)
			update = append(update, coverage.Change{ID: uint32(id)})
		case k == nil:
		case !sameMeans(&k.unit, &p.unit):
			k.placed, k.looked, k.next = p, start, nil
			update = append(update, coverage.Change{ID: uint32(id), Unit: &p.unit})
		case k.next != nil:
			k.next = &p
		case k.edge != p.edge || geo.Distance(k.unit.At, p.unit.At) >= driftMetres:
			k.next = &p
			c.drifted = append(c.drifted, id)
		}
	}
	if len(update) > 0 {
		c.grid.Update(update)
	}
	if router != c.at {
		c.grid.Reroute(router)
		c.at = router
	}
	c.publish(seq)
	if len(update) > 0 {
		c.metrics.step.WithLabelValues("cover").Observe(time.Since(start).Seconds())
	}
}

// sameMeans says whether two are the same but for where they are.
func sameMeans(a, b *coverage.Unit) bool {
	return a.Profile == b.Profile && a.Line == b.Line && a.OffRoad == b.OffRoad && slices.Equal(a.Capabilities, b.Capabilities)
}

// drift looks again at units that drove on, as far as the time allowed for it goes.
func (c *cover) drift() {
	if len(c.drifted) == 0 || c.tokens <= 0 {
		return
	}
	start := time.Now()
	most := max(1, int(c.tokens/c.cost))
	var update []coverage.Change
	rest := c.drifted[:0]
	for _, id := range c.drifted {
		k := c.known[id]
		switch {
		case k == nil || k.next == nil: // it left, or was looked at for another reason
		case len(update) == most || start.Sub(k.looked) < driftEvery:
			rest = append(rest, id)
		default:
			k.placed, k.looked, k.next = *k.next, start, nil
			update = append(update, coverage.Change{ID: uint32(id), Unit: &k.unit})
		}
	}
	c.drifted = rest
	c.metrics.drifted.Set(float64(len(rest)))
	if len(update) == 0 {
		return
	}
	c.grid.Update(update)
	// The grid works on all processors at once.
	spent := time.Since(start) * time.Duration(min(len(update), runtime.GOMAXPROCS(0)))
	c.tokens -= spent
	c.cost = max(time.Microsecond, (7*c.cost+spent/time.Duration(len(update)))/8)
	c.publish(c.state.Load().seq)
	c.metrics.step.WithLabelValues("drift").Observe(time.Since(start).Seconds())
}

func (c *cover) publish(seq uint64) {
	view := c.grid.View()
	c.state.Store(&coverState{view, seq, len(c.known)})
	c.metrics.units.WithLabelValues("cover").Set(float64(len(c.known)))
	for _, s := range c.standards {
		c.metrics.share.WithLabelValues(s.Capability).Set(view.Share(s).Part())
	}
	c.gate.raise(seq)
}
