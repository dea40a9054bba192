package api

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rasad/fixtures"
	"rasad/geo"
	"rasad/server/access"
	"rasad/streams"
)

const (
	// audiencesMax bounds how many projections of the world are kept at once: each
	// looks at every frame.
	audiencesMax = 256
	// audienceIdle is how long one is kept that nobody listens to: a screen that comes
	// back in this time gets what it missed and no keyframe.
	audienceIdle = 2 * time.Minute
)

// Audiences are the hubs of those who see the world of operations, or a part of it:
// "ops", "brief", "agency:fire" and whatever else access.AudienceOf names. Each is
// opened when somebody first asks for it. Its methods may be called from any goroutine,
// Publish only from that of the writer.
type Audiences struct {
	ops     *streams.Hub
	facts   access.Facts
	metrics prometheus.Registerer

	mu   sync.Mutex
	open map[string]*audience
}

type audience struct {
	hub       *streams.Hub
	listeners int
	left      time.Time // when the last one went
}

// NewAudiences makes the hub of operations, which sees everything, and is ready to
// make the others. Of the options the audience is not used.
func NewAudiences(w *geo.World, p *fixtures.Preset, o streams.HubOptions) *Audiences {
	o.Audience = streams.Audience{Name: access.AudienceOps}
	return &Audiences{ops: streams.NewHub(w, o), facts: factsOf(p), metrics: o.Metrics, open: map[string]*audience{}}
}

// Publish shows a frame to all of them, as [streams.Hub.Publish] has it.
func (a *Audiences) Publish(f *streams.Frame) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ops.Publish(f)
	for _, x := range a.open {
		x.hub.Publish(f)
	}
}

// Tick tells all of them what the writer is doing, and lets go of those that nobody
// listens to.
func (a *Audiences) Tick(s streams.Status) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ops.Tick(s)
	now := time.Now()
	for name, x := range a.open {
		if x.listeners == 0 && now.Sub(x.left) > audienceIdle {
			delete(a.open, name)
			continue
		}
		x.hub.Tick(s)
	}
}

// projection is how an audience sees the world; the zero one sees everything.
func (a *Audiences) projection(name string, door access.Door) (streams.Audience, error) {
	if name == access.AudienceOps { // the whole world; what is personal is sealed before it gets there
		return streams.Audience{Name: name}, nil
	}
	see, err := access.AudienceReader(name, door)
	if err != nil {
		return streams.Audience{}, err
	}
	s := seer{see, &a.facts}
	return streams.Audience{Name: name, Project: s.show}, nil
}

// join returns the hub of an audience. Release is called when the listener goes.
func (a *Audiences) join(name string) (_ Hub, release func(), err error) {
	if name == access.AudienceOps {
		return a.ops, func() {}, nil
	}
	p, err := a.projection(name, access.DoorStream)
	if err != nil {
		return nil, nil, fmt.Errorf("open the stream of %s: %w", name, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	x := a.open[name]
	if x == nil {
		if len(a.open) >= audiencesMax && !a.evict() {
			return nil, nil, errBusy
		}
		x = &audience{hub: a.ops.For(p, a.metrics)}
		a.open[name] = x
	}
	x.listeners++
	return x.hub, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if x.listeners--; x.listeners == 0 {
			x.left = time.Now()
		}
	}, nil
}

// evict lets go of the audience that nobody has listened to longest.
func (a *Audiences) evict() bool {
	oldest := ""
	for name, x := range a.open {
		if x.listeners == 0 && (oldest == "" || x.left.Before(a.open[oldest].left)) {
			oldest = name
		}
	}
	delete(a.open, oldest)
	return oldest != ""
}

// errNoAudience is a stream that this server does not have.
var errNoAudience = errors.New("there is no such audience here")

// hubOf is the hub that an audience listens to.
func (a *API) hubOf(name string) (Hub, func(), error) {
	if h, ok := a.Hubs[name]; ok {
		return h, func() {}, nil
	}
	if name == access.AudiencePublic {
		return nil, nil, errNoAudience // the public world is another one
	}
	return a.Audiences.join(name)
}
