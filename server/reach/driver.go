package reach

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rasad/fixtures"
	"rasad/geo"
	"rasad/geo/coverage"
	"rasad/geo/roads"
	"rasad/streams"
)

// waitMax is how long a reader waits for what it asked about: a closure takes a
// tenth of a second, so whoever waits longer has met trouble.
const waitMax = 2 * time.Second

// ErrBehind is what a reader gets when the frames up to its sequence were not worked
// in within two seconds.
var ErrBehind = errors.New("the roads are not worked in yet")

// Options say what a [Driver] works on. World, Preset, Router and Now must be there.
type Options struct {
	World *geo.World
	// Preset says how units get about, when their fixes are stale, and which
	// standards of cover to watch.
	Preset *fixtures.Preset
	// Router is the road network of [Profiles] without closures.
	Router *roads.Router
	// Demand is where people are; nil: there is no cover to speak of.
	Demand *coverage.Demand
	// Now is the moment of the sequencer's last tick: units fall silent by its clock.
	Now func() geo.Millis
	// Propose sends a command and waits until it is recorded. Nil: nothing is kept.
	Propose func(ctx context.Context, name string, args any) error
	Log     *slog.Logger          // nil: slog.Default
	Metrics prometheus.Registerer // nil: counted and not shown
}

// Driver is the running thing. Frame, Roads and Cover may be called from any
// goroutine; Run once.
type Driver struct {
	Options
	metrics *metrics
	kind    func(unitType string) Kind
	stale   func(*geo.Feature) time.Duration

	frames queue
	wake   chan struct{}
	state  atomic.Pointer[State]
	gate   gate

	cover *cover // nil: no demand
}

// New makes a driver that knows nothing yet; Run brings it into step with the world.
func New(o Options) *Driver {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	d := &Driver{Options: o, metrics: newMetrics(o.Metrics), wake: make(chan struct{}, 1), kind: Kinds(o.Preset, o.Router), stale: staleness(o.Preset)}
	d.frames.touched = map[geo.ID]struct{}{}
	d.gate.next = make(chan struct{})
	if o.Demand != nil {
		d.cover = newCover(d)
	}
	return d
}

// Kind says how units of a type get about, of "" and unknown types too.
func (d *Driver) Kind(unitType string) Kind { return d.kind(unitType) }

// Frame tells the driver what a frame changed, after it was applied. It never waits.
func (d *Driver) Frame(f *streams.Frame) {
	d.frames.add(f)
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Run follows the world until ctx ends.
func (d *Driver) Run(ctx context.Context) {
	var wg sync.WaitGroup
	if d.cover != nil {
		wg.Go(func() { d.cover.run(ctx) })
		if d.Propose != nil {
			wg.Go(func() { d.watch(ctx) })
		}
	}
	d.drive(ctx)
	wg.Wait()
}

// Roads returns the roads as of sequence seq or later. It returns [ErrBehind] when
// they are not there in two seconds, or the error of ctx.
func (d *Driver) Roads(ctx context.Context, seq uint64) (*State, error) {
	if s := d.state.Load(); s != nil && s.seq >= seq {
		return s, nil
	}
	if err := d.gate.wait(ctx, seq); err != nil {
		return nil, err
	}
	return d.state.Load(), nil
}

// Cover returns the coverage as of sequence seq or later, and which one that is. It
// returns [ErrBehind] as [Driver.Roads] does, and a nil view when there is no demand.
func (d *Driver) Cover(ctx context.Context, seq uint64) (*coverage.View, uint64, error) {
	if d.cover == nil {
		return nil, 0, nil
	}
	if err := d.cover.gate.wait(ctx, seq); err != nil {
		return nil, 0, err
	}
	s := d.cover.state.Load()
	return s.view, s.seq, nil
}

// queue gathers what frames touched until the driver comes to it. It is bounded by
// the number of features, however far the driver is behind.
type queue struct {
	mu      sync.Mutex
	touched map[geo.ID]struct{}
	seq     uint64
}

func (q *queue) add(f *streams.Frame) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.seq = max(q.seq, f.Seq)
	for _, id := range f.Drop {
		q.touched[id] = struct{}{}
	}
	for _, p := range f.Put {
		q.touched[p.ID] = struct{}{}
	}
	for _, m := range f.Move {
		q.touched[m.ID] = struct{}{}
	}
}

func (q *queue) take() (map[geo.ID]struct{}, uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	t := q.touched
	q.touched = make(map[geo.ID]struct{}, min(len(t), 1024))
	return t, q.seq
}

// gate lets readers through up to a sequence.
type gate struct {
	mu   sync.Mutex
	open bool // something is there at all
	seq  uint64
	next chan struct{} // closed when seq rises
}

func (g *gate) raise(seq uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open && seq <= g.seq {
		return
	}
	g.open, g.seq = true, max(seq, g.seq)
	close(g.next)
	g.next = make(chan struct{})
}

func (g *gate) wait(ctx context.Context, seq uint64) error {
	var timeout <-chan time.Time
	for {
		g.mu.Lock()
		through, next := g.open && g.seq >= seq, g.next
		g.mu.Unlock()
		if through {
			return nil
		}
		if timeout == nil {
			t := time.NewTimer(waitMax)
			defer t.Stop()
			timeout = t.C
		}
		select {
		case <-next:
		case <-timeout:
			return ErrBehind
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
