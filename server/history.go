package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"time"

	"rasad/fixtures"
	"rasad/fixtures/history"
	"rasad/geo"
	"rasad/geo/city"
	"rasad/geo/roads"
	"rasad/server/dispatch"
	"rasad/server/reach"
	"rasad/streams"
)

// writeHistory invents the past of a city and records it, as this program would have
// recorded it: the rules decide, the sequencer cuts the frames, the journal keeps
// them. Only the time is made up.
func writeHistory(ctx context.Context, e env, args []string) error {
	f := newFlags("history")
	data := f.String("data", "", "folder that is to hold the history; it must not hold one")
	cityDir := f.String("city", "", "folder that `rasad city build` made; without it the ground is plain")
	presetName := f.String("preset", "us", "ir, cn or us")
	from := f.String("from", "", "RFC 3339 time of the begin; default: so that it ends now")
	days := f.Float64("days", 0, "how many days")
	length := f.Duration("for", 0, "how long, instead of --days: 40m")
	seed := f.Uint64("seed", 1, "the same seed tells the same story")
	units := f.Int("units", 60, "how many units")
	every := f.Duration("every", 10*time.Second, "how often a moving unit says where it is")
	badNight := f.String("bad-night", "", "when 300 incidents come within ten minutes: an RFC 3339 time, or how long before the end: 9m")
	if err := f.parse(args, e.getenv); err != nil {
		return err
	}
	if err := f.want(); err != nil {
		return err
	}
	if *data == "" {
		return usagef("--data is missing: name the folder that is to hold the history")
	}
	if (*days > 0) == (*length > 0) || *days < 0 || *length < 0 || *days > 3660 {
		return usagef("say how long: --days N or --for DURATION")
	}
	o := history.Options{Seed: *seed, Units: *units, Every: *every}
	span := *length
	if span == 0 {
		span = time.Duration(*days * 24 * float64(time.Hour))
	}
	o.From = time.Now().Add(-span)
	if *from != "" {
		var err error
		if o.From, err = time.Parse(time.RFC3339, *from); err != nil {
			return usagef("--from %q: write an RFC 3339 time, such as 2026-11-01T00:00:00+03:30", *from)
		}
	}
	if o.To = o.From.Add(span); o.To.After(time.Now().Add(time.Minute)) {
		return usagef("--from %s: the history would end in the future, where no record can be", *from)
	}
	if *badNight != "" {
		if before, err := time.ParseDuration(*badNight); err == nil {
			o.BadNight = o.To.Add(-before)
		} else if o.BadNight, err = time.Parse(time.RFC3339, *badNight); err != nil {
			return usagef("--bad-night %q: write an RFC 3339 time, or how long before the end: 9m", *badNight)
		}
	}
	var err error
	if o.Preset, err = fixtures.Load(*presetName); err != nil {
		return usagef("--preset: %v", err)
	}
	if err := lay(&o, *cityDir); err != nil {
		return err
	}
	// The journal says that it was opened; what counts here is the last line.
	log := slog.New(slog.NewTextHandler(e.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	start := time.Now()
	told, err := recordHistory(ctx, o, *data, log)
	if err != nil {
		return err
	}
	took := time.Since(start)
	fmt.Fprintf(e.out, "%s to %s, SIMULATED: %d incidents, %d units, %d frames (%d commands, %d fixes) in %s, %.0f frames a second, %.1f MB, seed %d, state %016x\n",
		o.From.UTC().Format(time.RFC3339), o.To.UTC().Format(time.RFC3339), told.Incidents, o.Units, told.seq, told.Commands, told.Fixes,
		took.Round(10*time.Millisecond), float64(told.seq)/took.Seconds(), float64(folderSize(*data))/1e6, o.Seed, told.hash)
	return nil
}

// defaultCenters are where a history without a city lies: a plain ground has to be
// somewhere.
var defaultCenters = map[string][2]float64{"ir": {51.389, 35.6892}, "cn": {104.0665, 30.5728}, "us": {-75.5466, 39.7459}}

// lay puts the ground into the options: a city's, or a plain one.
func lay(o *history.Options, dir string) error {
	center := defaultCenters[o.Preset.Code]
	if dir != "" {
		c, err := city.Open(dir)
		if err != nil {
			return fmt.Errorf("open the city in %s: %w", dir, err)
		}
		defer c.Close()
		center = c.Manifest().Centre
		graph, err := roads.Load(c.RoadsPath())
		if err != nil {
			return fmt.Errorf("read the roads of the city in %s: %w", dir, err)
		}
		router, err := roads.NewRouter(graph, reach.Profiles(o.Preset))
		if err != nil {
			return fmt.Errorf("make a router of the city in %s: %w", dir, err)
		}
		o.Ground = streets{&simulation{preset: o.Preset, free: router, router: router}, reach.Kinds(o.Preset, router)}
		if o.Sites, err = readSites(dir); err != nil {
			return err
		}
		o.Radius = 5000
	}
	var err error
	if o.Center, err = geo.At(center[0], center[1]); err != nil {
		return fmt.Errorf("the centre: %w", err)
	}
	return nil
}

// readSites reads the sites and shelters of a city.
func readSites(dir string) ([]geo.Input, error) {
	b, err := os.ReadFile(filepath.Join(dir, "sites.geojson"))
	if err != nil {
		return nil, fmt.Errorf("read the sites of the city: %w", err)
	}
	var all struct{ Features []json.RawMessage }
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, fmt.Errorf("read the sites of the city: %w", err)
	}
	out := make([]geo.Input, 0, len(all.Features))
	for _, raw := range all.Features {
		place, props, key, err := geo.ParseGeoJSON(raw)
		if err != nil {
			return nil, fmt.Errorf("read the sites of the city: %w", err)
		}
		in := geo.Input{Key: key, Kind: geo.Kind(props.Text("kind")), Shape: place.Shape, Props: props}
		if place.Placed {
			in.At = &place.At
		}
		out = append(out, in)
	}
	return out, nil
}

// streets are the roads of a city as a history drives on them: the ways are those of
// the simulation of a demo.
type streets struct {
	sim  *simulation
	kind func(unitType string) reach.Kind
}

func (s streets) snap(p geo.LngLat) (place, bool) {
	g := s.sim.router.Graph()
	if on := g.Snap(p, math.NaN(), 400, nil); len(on) > 0 {
		return place{on[0].At, on[0].Edge}, g.Name(on[0].Edge, "") != ""
	}
	return s.sim.snap(p), false
}

func (s streets) Snap(p geo.LngLat) (geo.LngLat, bool) {
	on, lived := s.snap(p)
	return on.at, lived
}

func (s streets) Street(p geo.LngLat) string {
	on, _ := s.snap(p)
	return s.sim.street(on)
}

func (s streets) Way(unitKind string, from, to geo.LngLat) ([]history.Leg, bool) {
	v := &vehicle{kind: s.sim.preset.UnitKind(unitKind), means: s.kind(unitKind), at: place{at: from}}
	way, ok := s.sim.route(v, math.NaN(), place{at: to})
	out := make([]history.Leg, len(way))
	for i, l := range way {
		out[i] = history.Leg{From: l.from, To: l.to, Seconds: l.seconds}
	}
	return out, ok
}

// told is a history that was recorded.
type told struct {
	history.Summary
	seq, hash uint64
}

// recordHistory tells a history into an empty folder.
func recordHistory(ctx context.Context, o history.Options, dir string, log *slog.Logger) (told, error) {
	w := &writer{ctx: ctx, clock: o.From}
	journal, world, recovery, err := streams.OpenJournal(ctx, streams.JournalOptions{Dir: dir, Log: log, ScrubRate: -1, Unsynced: true, Now: func() time.Time { return o.From }})
	if err != nil {
		return told{}, fmt.Errorf("open the record in %s: %w", dir, err)
	}
	defer journal.Close() // once more is no harm
	if !recovery.NewEpoch || world.View().Len("") > 0 || world.View().Time() != geo.Millis(o.From.UnixMilli()) {
		return told{}, fmt.Errorf("the folder %s holds a history already; name one that is empty", dir)
	}
	w.journal, w.world = journal, world
	// A seek reads the frames from the keyframe before: an hour of them at most, or six
	// of a long history, whose keyframes would outweigh it.
	w.snapEvery = time.Hour
	if o.To.Sub(o.From) > 3*24*time.Hour {
		w.snapEvery = 6 * time.Hour
	}
	w.snap = o.From.Add(w.snapEvery)
	policy := policyOf(o.Preset)
	w.seq = streams.NewSequencer(streams.SequencerOptions{
		World: world, Journal: journal, Publish: func(*streams.Frame) {}, Rules: dispatch.Rules(policy), Due: dispatch.Due(policy), Limits: limitsOf(o.Preset),
		Name: "live", Epoch: recovery.Epoch, Log: log, Stepped: true, Now: func() time.Time { return w.clock },
	})
	summary, err := history.Tell(o, w, ctx.Err)
	if err != nil {
		return told{}, err
	}
	if err := journal.Snapshot(ctx, world.View(), w.seq.Answers()); err != nil {
		return told{}, err
	}
	out := told{summary, world.View().Seq(), world.View().Hash()}
	if err := journal.Close(); err != nil {
		return told{}, fmt.Errorf("close the record in %s: %w", dir, err)
	}
	return out, nil
}

// writer is the world of a history: the real one.
type writer struct {
	ctx       context.Context // of the command that runs it
	clock     time.Time
	journal   *streams.Journal
	world     *geo.World
	seq       *streams.Sequencer
	snapEvery time.Duration
	snap      time.Time
}

// Step records a moment.
func (w *writer) Step(at time.Time, commands []history.Command, fixes []history.Fix) error {
	w.clock = at
	asked := make([]streams.Command, len(commands))
	for i, c := range commands {
		asked[i] = streams.Command{Name: c.Name, Args: c.Args, By: c.By, Why: c.Why}
	}
	reports := make([]streams.Report, len(fixes))
	for i, x := range fixes {
		reports[i] = streams.Report{Key: x.Unit, Fix: x.Fix, Received: geo.Millis(at.UnixMilli()), Feed: "simulated"}
	}
	decided, _, err := w.seq.Step(w.ctx, asked, reports)
	if err != nil {
		return err
	}
	for i, d := range decided {
		if d.Err != nil {
			return fmt.Errorf("%s %s: %w", commands[i].Name, commands[i].Args, d.Err)
		}
	}
	if at.Before(w.snap) {
		return nil
	}
	w.snap = at.Add(w.snapEvery)
	return w.journal.Snapshot(w.ctx, w.world.View(), w.seq.Answers())
}

// folderSize is what the files of a folder take, in bytes; what goes away meanwhile
// counts for nothing.
func folderSize(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		if info, err := d.Info(); err == nil && !d.IsDir() {
			n += info.Size()
		}
		return nil
	})
	return n
}
