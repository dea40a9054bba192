package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"rasad/fixtures"
	"rasad/frontend"
	"rasad/geo"
	"rasad/geo/city"
	"rasad/geo/roads"
	"rasad/server/access"
	"rasad/server/api"
	"rasad/server/dispatch"
	"rasad/server/feeds"
	"rasad/server/publish"
	"rasad/server/reach"
	"rasad/streams"
)

const (
	// snapshotEvery bounds the tail that a restart has to read.
	snapshotEvery = time.Minute
	// stopWithin is how long answers under way may take after SIGTERM.
	stopWithin = 4 * time.Second
	demoUnits  = 200
)

func serve(ctx context.Context, e env, args []string) error {
	c, err := loadConfig(args, e.getenv)
	if err != nil {
		return err
	}
	s, err := start(ctx, c, e.logger())
	if err != nil {
		return err
	}
	fmt.Fprintf(e.out, "Rasad %s\n  wall     %s/wall\n  console  %s/console\n", build, s.base(), s.base())
	if s.tls != nil && s.tls.fingerprint != "" {
		fmt.Fprintf(e.out, "  devices  trust %s/ca.pem, SHA-256 %s\n", s.base(), s.tls.fingerprint)
	}
	if s.setup != "" {
		fmt.Fprintf(e.out, "  setup    %s\n", s.setup)
	}
	return s.run(ctx)
}

// server is one running Rasad: the wiring, and nothing that decides.
type server struct {
	config   config
	log      *slog.Logger
	address  string
	listener net.Listener
	tls      *keeper // nil: plain HTTP
	proxies  proxies
	keep     map[string]time.Duration // how long personal fields are kept
	journal  *streams.Journal
	heads    *streams.Heads // nil: the key cannot be read
	sealer   *streams.Sealer
	gate     *access.Gate
	shut     func() // lets go of the register
	signIn   *access.OIDC
	setup    string // the one-time link, while there is no account
	world    *geo.World
	seq      *streams.Sequencer
	hub      *api.Audiences
	public   *publish.World
	pretend  atomic.Bool // the world holds simulated units
	api      *api.API
	monitor  *feeds.Monitor
	city     *city.City
	router   *roads.Router // without closures; nil: no city, or one whose roads cannot be used
	reach    *reach.Driver // nil with it
	others   []*server     // worlds of this installation beside the home world
	policy   dispatch.Policy
	shared   *sharing // nil: there is one world
	gather   prometheus.Gatherers
	undo     []func()
}

// start opens everything: the home world, then the others, then the listener. What it
// opened it closes again when it fails.
func start(ctx context.Context, c config, log *slog.Logger) (_ *server, err error) {
	s, err := open(ctx, c, nil, log)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.abandon()
		}
	}()
	if err := s.openOthers(ctx); err != nil {
		return nil, err
	}
	if s.listener, err = net.Listen("tcp", c.Listen); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", c.Listen, err)
	}
	s.address = s.listener.Addr().String()
	if s.setup, err = s.setupLink(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// screens are the pages that are in the binary, the same for all worlds.
var screens = sync.OnceValues(func() (*api.Screens, error) { return api.OpenScreens(frontend.Dist()) })

// embed is what the pages of news sites are made of, the same for all worlds.
var embed = sync.OnceValues(func() (*api.Embed, error) { return api.OpenEmbed(frontend.Embed()) })

// open opens a world, in the order in which things depend on each other. What is of the
// whole installation comes from its home; nil: this is it.
func open(ctx context.Context, c config, home *server, log *slog.Logger) (_ *server, err error) {
	var undo []func()
	defer func() {
		if err != nil {
			for i := len(undo) - 1; i >= 0; i-- {
				undo[i]()
			}
		}
	}()
	preset, err := fixtures.Load(c.Preset)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	s := &server{config: c, log: log}
	if s.keep, err = keepings(preset, c.Retention); err != nil {
		return nil, err
	}
	if home != nil {
		s.proxies, s.tls = home.proxies, home.tls
	} else {
		if s.proxies, err = parseProxies(c.Proxies); err != nil {
			return nil, err
		}
		if s.tls, err = openTLS(c, log); err != nil {
			return nil, err
		}
	}
	if c.City != "" {
		if s.city, err = city.Open(c.City); err != nil {
			return nil, fmt.Errorf("open the city in %s: %w", c.City, err)
		}
		undo = append(undo, func() { s.city.Close() })
	}

	alarms := make(chan alarm, 64)
	raise := func(a alarm) {
		select {
		case alarms <- a:
		default:
			log.Error("an alarm could not be queued", "type", a.Type, "text", a.Text)
		}
	}
	journal, world, recovery, err := streams.OpenJournal(ctx, streams.JournalOptions{
		Dir: c.Data, World: c.world, URL: c.NATS, Log: log, RetainFor: time.Duration(c.Journal.KeepFor), RetainBytes: c.Journal.BytesMax,
		OnDamage: func(what string) { raise(alarm{"alarm:journal", "journal_damaged", what, true}) },
		OnStore: func(used, limit int64) {
			if used*100 >= limit*80 {
				raise(alarm{"alarm:store", "store_full", fmt.Sprintf("The journal takes %d of %d bytes.", used, limit), false})
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("open the record in %s: %w", c.Data, err)
	}
	undo = append(undo, func() { journal.Close() })
	s.journal, s.world = journal, world
	log.Info("restored", "epoch", recovery.Epoch, "seq", world.View().Seq(), "features", world.View().Len(""), "keyframe", recovery.FromKeyframe,
		"tail", recovery.TailFrames, "took", recovery.Took.String())
	for _, what := range recovery.Repaired {
		log.Warn("repaired", "what", what)
	}
	for _, what := range recovery.Damaged {
		log.Error("the record is damaged", "what", what)
		raise(alarm{"alarm:journal", "journal_damaged", what, true})
	}

	sealer, err := streams.OpenSealer(c.Data)
	if err != nil {
		return nil, fmt.Errorf("open the keys in %s: %w", c.Data, err)
	}
	undo = append(undo, func() { sealer.Close() })
	s.sealer = sealer
	s.openHeads(raise)
	events := make(chan access.Event, 1024) // of the home world: people are of the installation
	tell := func(e access.Event) {
		select {
		case events <- e:
		default: // attempts by the thousand must not fill the memory
			log.Error("an event of the gate is not in the record", "type", e.Type, "account", e.Account, "from", e.From)
		}
	}
	if home != nil {
		s.gate, s.shut = home.gate, func() {}
	} else {
		if s.shut, err = s.openGate(ctx, tell); err != nil {
			return nil, err
		}
		undo = append(undo, s.shut)
	}

	registry := prometheus.NewRegistry()
	metrics := prometheus.Registerer(registry)
	s.gather = append(s.gather, registry)
	if home != nil {
		metrics = prometheus.WrapRegistererWith(prometheus.Labels{"world": c.world}, registry)
		home.gather = append(home.gather, registry) // one page of metrics shows all worlds
	}
	simulated := c.Demo || anySimulated(world.View())
	s.pretend.Store(simulated)
	s.hub = api.NewAudiences(world, preset, streams.HubOptions{World: c.world, Epoch: recovery.Epoch, Build: build, Exercise: c.exercise, Metrics: metrics})
	s.openPublic(recovery.Epoch, simulated, metrics)
	policy, publishing := policyOf(preset), publishPolicyOf(preset)
	s.policy = policy
	rules := dispatch.Rules(policy)
	maps.Copy(rules, publish.Rules(publishing))
	rules[api.OpenSealedName] = api.OpenSealed
	rules[eraseName] = eraseSealed
	rules[gateNoteName] = gateNote
	if soak.rules != nil {
		soak.rules(rules)
	}
	rules[accessNoteName] = accessNote
	s.seq = streams.NewSequencer(streams.SequencerOptions{
		World: world, Journal: journal, Publish: s.publish, Rules: rules, Due: dueOf(policy, publishing), Limits: limitsOf(preset),
		Answers: journal.Answers(), Name: c.world, Epoch: recovery.Epoch, Log: log, Metrics: metrics,
	})
	s.monitor = feeds.NewMonitor(s.seq, log, metrics)
	for name, f := range c.Feeds {
		s.monitor.Declare(name, time.Duration(f.Interval), f.Datum)
	}
	by := s.openWays(preset, metrics)
	if home != nil {
		s.signIn = home.signIn // a provider sends everybody back to one address
	} else if s.signIn, err = c.OIDC.open(s.gate, sealer.Digest([]byte("oidc"))); err != nil {
		return nil, err
	}
	pages, err := screens()
	if err != nil {
		return nil, err
	}
	pagesOfNews, err := embed()
	if err != nil {
		return nil, err
	}
	s.api, err = api.New(api.Deps{
		Name: c.world, Title: c.title, OIDC: s.signIn, OIDCName: cmp.Or(c.OIDC.Name, "OpenID"),
		World: world, Sequencer: s.seq, Audiences: s.hub, History: journal, Sealer: sealer, Epoch: recovery.Epoch, Preset: preset,
		City: s.city, Reach: by, Screens: pages, Embed: pagesOfNews, Approval: c.Public.Approval, Feeds: s.adapters(), Gate: s.gate, Erase: s.eraseField, Ready: journal.Probe,
		CreateUnknown: c.Demo, Build: build, Log: log, Metrics: metrics, Origins: c.Origins, Frames: c.Frames, Cameras: c.Cameras,
		Hubs: map[string]api.Hub{access.AudiencePublic: s.public.Hub()}, Public: publicPages{s.public, publishing}, PublicHost: c.Public.Host,
		Client: s.proxies.client, HSTS: s.hsts(), CA: s.authority(), LoopbackOnly: loopback(c.Listen) && len(s.proxies) == 0 && s.tls == nil,
		Gather: prometheus.GathererFunc(s.gathered),
	})
	if err != nil {
		return nil, err
	}
	s.undo = undo
	go s.drainAlarms(ctx, alarms)
	if home == nil {
		go s.recordEvents(ctx, events)
	}
	return s, nil
}

// gathered is every metric of the world; of the home world those of the others too. The
// journal counts in the default registry, as does the Go runtime.
func (s *server) gathered() ([]*dto.MetricFamily, error) {
	return append(slices.Clone(s.gather), prometheus.DefaultGatherer).Gather()
}

// abandon closes what was opened, when nothing has begun.
func (s *server) abandon() {
	for _, o := range s.others {
		o.abandon()
	}
	for i := len(s.undo) - 1; i >= 0; i-- {
		s.undo[i]()
	}
}

// run serves until ctx ends, then stops in order: sockets are told to come back,
// answers under way are given, the last frame is recorded, a keyframe is written.
func (s *server) run(ctx context.Context) error {
	worlds := append([]*server{s}, s.others...)
	failed := make(chan error, 1+len(worlds))
	shared := s.share(worlds)
	ends := make([]func(context.Context) error, len(worlds))
	helped, stopHelpers := context.WithCancel(ctx)
	defer stopHelpers()
	for i, w := range worlds {
		ends[i] = w.begin(helped, failed)
	}
	var helpers sync.WaitGroup
	helpers.Go(func() { s.gate.Run(helped) })
	helpers.Go(func() { s.tellChanges(helped) })
	if soak.run != nil {
		helpers.Go(func() {
			if err := soak.run(helped, s); err != nil && helped.Err() == nil {
				s.log.Error("the tape stopped", "error", err)
			}
		})
	}
	if s.tls != nil {
		helpers.Go(func() { s.tls.run(helped) })
	}
	if shared != nil {
		helpers.Go(func() { shared.run(helped) })
	}
	web := &http.Server{Handler: s.proxies.handler(s.door()), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 32 << 10, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)}
	go func() {
		if err := s.serveWeb(web); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("the listener stopped: %w", err)
		}
	}()
	s.log.Info("serving", "address", s.address, "build", build, "worlds", len(worlds))

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	s.log.Info("stopping")
	stopHelpers()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	var closing sync.WaitGroup
	for _, w := range worlds {
		closing.Go(func() { w.api.Close(last) })
	}
	closing.Wait()
	if e := web.Shutdown(last); e != nil {
		web.Close()
	}
	helpers.Wait()
	for _, end := range ends {
		if e := end(last); e != nil && err == nil {
			err = e
		}
	}
	s.shut()
	return err
}

// begin starts the writer of a world and what works beside it. The function returned
// ends both, after ctx has, and closes the record.
func (s *server) begin(ctx context.Context, failed chan<- error) (end func(context.Context) error) {
	writing, stopWriting := context.WithCancel(context.WithoutCancel(ctx))
	var writer, helpers sync.WaitGroup
	writer.Go(func() {
		if err := s.seq.Run(writing); err != nil && writing.Err() == nil {
			failed <- fmt.Errorf("the writer of the world %s stopped: %w", s.config.world, err)
		}
	})
	helpers.Go(func() { s.beat(ctx) })
	helpers.Go(func() { s.monitor.Run(ctx) })
	helpers.Go(func() { s.snapshots(ctx) })
	helpers.Go(func() { s.signHeads(ctx) })
	helpers.Go(func() { s.retains(ctx, s.keep) })
	helpers.Go(func() { s.followPublic(ctx) })
	enrolled := make(chan struct{})
	helpers.Go(func() {
		defer close(enrolled)
		s.enrolSites(ctx)
	})
	if s.reach != nil {
		helpers.Go(func() { s.reach.Run(ctx) })
	}
	helpers.Go(func() {
		if err := s.serveLocal(ctx); err != nil {
			s.log.Error("the socket for the command line stopped", "error", err)
		}
	})
	if s.config.Demo {
		helpers.Go(func() {
			<-enrolled // crews wait at the stations of the city
			s.demo(ctx)
		})
	}
	return func(last context.Context) (err error) {
		helpers.Wait()
		stopWriting()
		writer.Wait()
		if e := s.journal.Snapshot(last, s.world.View(), s.seq.Answers()); e != nil {
			s.log.Warn("no keyframe at the stop; the next start reads a longer tail", "error", e)
		}
		s.signLast(last)
		if e := s.journal.Close(); e != nil {
			err = fmt.Errorf("close the record: %w", e)
		}
		s.log.Info("stopped", "seq", s.world.View().Seq())
		return err
	}
}

// beat tells the hub the writer's last completed tick, which is what screens judge
// LIVE by: when the writer is stuck, this stands still, though sockets are open.
func (s *server) beat(ctx context.Context) {
	t := time.NewTicker(250 * time.Millisecond)
	defer t.Stop()
	for {
		st := s.seq.Status()
		status := streams.Status{Tick: st.Tick, Recording: st.Recording, Simulated: s.pretend.Load(), Exercise: soak.exercise || s.config.exercise}
		s.hub.Tick(status)
		s.public.Hub().Tick(status)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// publish shows a frame to the hub. The first simulated unit marks every screen
// at once; the mark goes when a look at the whole world finds none any more.
func (s *server) publish(f *streams.Frame) {
	for _, p := range f.Put {
		if p.Kind == geo.Unit && !s.pretend.Load() && p.Props.Bool("simulated") {
			s.pretend.Store(true)
		}
	}
	if s.reach != nil {
		s.reach.Frame(f)
	}
	s.hub.Publish(f)
	s.public.Frame(f, s.world.View())
	if s.shared != nil {
		s.shared.frame(s.config.world, f)
	}
}

func (s *server) snapshots(ctx context.Context) {
	t := time.NewTicker(snapshotEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			s.pretend.Store(s.config.Demo || anySimulated(s.world.View()))
			if err := s.journal.Snapshot(ctx, s.world.View(), s.seq.Answers()); err != nil && ctx.Err() == nil {
				s.log.Warn("no keyframe was written", "error", err)
			}
		}
	}
}

// demo plays a day with simulated units through the public calls.
func (s *server) demo(ctx context.Context) {
	ctx = api.WithPrincipal(ctx, access.Principal{Name: "simulation", Role: access.Supervisor, Creates: true})
	d := &door{base: "http://localhost", client: &http.Client{Transport: inProcess{s.api}}, router: s.router}
	sim, err := newSimulation(ctx, d, demoUnits, 1, 1, s.log)
	if err == nil {
		err = sim.run(ctx)
	}
	if err != nil && ctx.Err() == nil {
		s.log.Error("the simulation stopped", "error", err)
	}
}

// alarm is a technical alarm that the server raises itself.
type alarm struct {
	Key, Type, Text string
	Lasting         bool
}

func (s *server) drainAlarms(ctx context.Context, alarms <-chan alarm) {
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-alarms:
			_, err := s.propose(ctx, "alarm.raise", map[string]any{"key": a.Key, "type": a.Type, "text": a.Text, "lasting": a.Lasting})
			if err != nil && ctx.Err() == nil {
				s.log.Error("an alarm could not be raised", "type", a.Type, "text", a.Text, "error", err)
			}
		}
	}
}

func (s *server) propose(ctx context.Context, name string, args any) (streams.Answer, error) {
	b, err := json.Marshal(args)
	if err != nil {
		return streams.Answer{}, err
	}
	return s.seq.Propose(ctx, streams.Command{Name: name, Args: b, By: geo.Principal{Name: "system", Role: "admin"}})
}

// enrolSites puts the sites and shelters of the city into the world, those that
// are not there yet; what people changed stays.
func (s *server) enrolSites(ctx context.Context) {
	if s.city == nil {
		return
	}
	b, err := os.ReadFile(filepath.Join(s.config.City, "sites.geojson"))
	if err != nil {
		s.log.Error("the sites of the city cannot be read", "error", err)
		return
	}
	var sites struct{ Features []json.RawMessage }
	if err := json.Unmarshal(b, &sites); err != nil {
		s.log.Error("the sites of the city cannot be read", "error", err)
		return
	}
	// Many at once, because proposals that wait together share a frame.
	work := make(chan json.RawMessage)
	var wg sync.WaitGroup
	var mu sync.Mutex
	added, refused := 0, 0
	for range 64 {
		wg.Go(func() {
			for raw := range work {
				err := s.enrolSite(ctx, raw)
				var r *geo.Refusal
				mu.Lock()
				switch {
				case err == nil:
					added++
				case errors.As(err, &r) && r.Code == "key-taken":
				default:
					if refused++; refused <= 5 && ctx.Err() == nil {
						s.log.Warn("a site of the city was refused", "error", err)
					}
				}
				mu.Unlock()
			}
		})
	}
	for _, raw := range sites.Features {
		select {
		case work <- raw:
		case <-ctx.Done():
		}
	}
	close(work)
	wg.Wait()
	s.log.Info("sites of the city", "in_file", len(sites.Features), "added", added, "refused", refused)
}

func (s *server) enrolSite(ctx context.Context, raw json.RawMessage) error {
	place, props, key, err := geo.ParseGeoJSON(raw)
	if err != nil {
		return err
	}
	if _, there := s.world.View().Get(key); there {
		return &geo.Refusal{Class: geo.Conflict, Code: "key-taken", Detail: "the site is in the world already"}
	}
	in := geo.Input{Key: key, Kind: geo.Kind(props.Text("kind")), Shape: place.Shape, Props: props}
	if place.Placed {
		in.At = &place.At
	}
	_, err = s.propose(ctx, "feature.create", in)
	return err
}

func anySimulated(v *geo.View) bool {
	for f := range v.All(geo.Unit) {
		if f.Props.Bool("simulated") {
			return true
		}
	}
	return false
}
